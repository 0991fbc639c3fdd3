"""A trained translator: text in, text out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.data.batches import encode_source, pad
from unspool.data.corpus import JSON_KEYS
from unspool.data.given import check_text, listed
from unspool.data.symbols import END
from unspool.data.tokenizer import Tokenizer, load_tokenizer
from unspool.decode import Ensemble, Hypothesis, Limits, StepModel, beam, greedy, sample
from unspool.errors import ConfigError, DataError, RunError
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.tasks.translate.decode_options import DecodeOptions
from unspool.tasks.translate.job import NEVER_WRITTEN
from unspool.tasks.translate.settings import TranslateSettings
from unspool.tasks.translate.train import SOURCE, SPARE, TARGET
from unspool.train import Run
from unspool.train.restored import check_task, config_read, restored

LINE_LIMIT = 5000
"""Symbols of a text above which it is refused: decoding time grows with its square."""
BATCH_ROWS = 64


@dataclass(frozen=True)
class Source:
    """A text as the model reads it.

    `ids`: its symbols, the end symbol last. `problem`: why it cannot be translated; `doubt`: why its translation may
    be poor; each None if there is no reason, and else to be read after a name of the text.
    """

    ids: np.ndarray
    problem: str | None
    doubt: str | None

    @property
    def answered(self) -> bool:
        """Whether there is something to translate."""
        return len(self.ids) > 1 and self.problem is None


@dataclass(frozen=True)
class Translation:
    """One translation: its text, its score, and for each symbol its text and log-probability.

    `attention` `[symbols, source symbols]` is there if it was asked for and the model has it.
    """

    text: str
    score: float
    pieces: tuple[str, ...]
    log_probs: tuple[float, ...]
    source_pieces: tuple[str, ...]
    finished: bool
    attention: Tensor | None = None


class Translator:
    """One run, or an ensemble of several with the same vocabularies. Safe to call from several threads at once.

    Example:
        `unspool.load("runs/dates").translate(["3. Mai 2021"])` gives `["2021-05-03"]`.
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        loaded = [_load(run, cells) for run in runs]
        self.models = [model for model, _, _ in loaded]
        self.source, self.target = loaded[0][1], loaded[0][2]
        self.runs = list(runs)
        for run, (_, source, target) in zip(runs, loaded, strict=True):
            if (source.to_bytes(), target.to_bytes()) != (self.source.to_bytes(), self.target.to_bytes()):
                raise ConfigError(
                    f"{run.path} and {runs[0].path} have different vocabularies; an ensemble needs runs trained on the "
                    "same tokenizers (train them on the same data with the same tokenizer options)"
                )
        self.longest_source = int(runs[0].config["longest_source"])
        self.longest_target = int(runs[0].config["longest_target"])

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of source and target in JSON lines, as in training."""
        keys = self.runs[0].config.get("keys", JSON_KEYS)
        if not (isinstance(keys, (list, tuple)) and len(keys) == 2 and all(isinstance(key, str) for key in keys)):
            raise RunError(f"{self.runs[0].path / 'config.json'} is damaged (keys: {keys}); restore it from a copy")
        return keys[0], keys[1]

    def translate(self, texts: Iterable[str], options: DecodeOptions | None = None, **choices: Any) -> list[str]:
        """The best translation of each text; an empty text gives an empty one.

        Args:
            texts: any number of texts.
            options: how to decode.
            choices: single options by name, such as `beam=1`; they stand in for those of `options`.

        Raises:
            ConfigError: one text was given instead of a list. DataError: what was given is no text, or has more than
                `LINE_LIMIT` symbols.
        """
        found = self.detailed(texts, replace(options or DecodeOptions(), **choices))
        return [best[0].text if best else "" for best in found]

    def detailed(
        self, texts: Iterable[str], options: DecodeOptions, *, keep_attention: bool = False
    ) -> list[list[Translation]]:
        """The `n_best` translations of each text, best first, or as they were drawn; none for an empty text."""
        sources = self._read_all(texts, "translate")
        doubtful = [(number, source.doubt) for number, source in enumerate(sources, 1) if source.doubt]
        if doubtful:
            number, doubt = doubtful[0]
            more = f" (and so for {len(doubtful) - 1} more)" if doubtful[1:] else ""
            warnings.warn(f"text {number} {doubt}{more}", stacklevel=3)
        return self.answer(sources, options, keep_attention=keep_attention)

    def read(self, text: str) -> Source:
        """What the model is given of a text, and what is to say of it before it is translated."""
        ids = encode_source(self.source, text)
        length = len(ids) - 1
        if length > LINE_LIMIT:
            return Source(ids, f"has {length} symbols; the limit is {LINE_LIMIT}. Split it into sentences", None)
        if length > self.longest_source:
            longest = f"({length} symbols, there at most {self.longest_source})"
            return Source(ids, None, f"is longer than any in training {longest}; the answer may be poor")
        return Source(ids, None, None)

    def answer(
        self, sources: Sequence[Source], options: DecodeOptions, *, first: int = 0, keep_attention: bool = False
    ) -> list[list[Translation]]:
        """The translations of each source as in `detailed`; none for one that is empty or has a problem.

        Args:
            sources: what `read` made of the texts.
            options: how to decode.
            first: number of the first source where texts come in parts: what is drawn for a text depends on the
                seed and its number only.
            keep_attention: with attention weights.
        """
        found: list[list[Translation]] = [[] for _ in sources]
        numbers = [i for i, source in enumerate(sources) if source.answered]
        numbers.sort(key=lambda i: len(sources[i].ids))
        for at in range(0, len(numbers), BATCH_ROWS):
            batch = numbers[at : at + BATCH_ROWS]
            rows, places = [sources[i].ids for i in batch], [first + i for i in batch]
            for i, row, best in zip(batch, rows, self._decode(rows, places, options, keep_attention), strict=True):
                found[i] = [self._translation(h, row) for h in best]
        return found

    def encode(self, texts: Iterable[str]) -> Tensor:
        """The encoder's final state, the 1-D vector of each whole text: `[B, E]`.

        Raises:
            ConfigError: one text was given instead of a list. DataError: what was given is no text, or has more than
                `LINE_LIMIT` symbols.
        """
        rows = [source.ids for source in self._read_all(texts, "encode")]
        model = self.models[0]
        with torch.no_grad():
            batches = (pad(rows[at : at + BATCH_ROWS]) for at in range(0, len(rows), BATCH_ROWS))
            vectors = [model.encode(source, lengths).vector for source, lengths in batches]
        return torch.cat(vectors) if vectors else torch.zeros(0, model.vector_size)

    def _read_all(self, texts: Iterable[str], method: str) -> list[Source]:
        given = listed(texts, method)
        for number, text in enumerate(given, 1):
            check_text(text, f"text {number}")
        sources = [self.read(text) for text in given]
        for number, source in enumerate(sources, 1):
            if source.problem is not None:
                raise DataError(f"text {number} {source.problem}")
        return sources

    def _limits(self, rows: Sequence[np.ndarray], options: DecodeOptions) -> Limits:
        usual = self.longest_target + SPARE
        longest = [max(usual, math.ceil(usual * len(row) / max(self.longest_source, 1))) for row in rows]
        return options.limits(longest, NEVER_WRITTEN)

    def _decode(
        self, rows: Sequence[np.ndarray], numbers: Sequence[int], options: DecodeOptions, keep_attention: bool
    ) -> list[list[Hypothesis]]:
        limits = self._limits(rows, options)
        batch = pad(list(rows))
        single = len(self.models) == 1
        model: StepModel = self.models[0] if single else Ensemble(self.models)
        source: Any = batch if single else [batch] * len(self.models)
        if options.temperature is not None:
            drawn = [
                sample(
                    model, source, limits, seed=options.seed, temperature=options.temperature, top_k=options.top_k,
                    top_p=options.top_p, streams=[(number, draw) for number in numbers], keep_attention=keep_attention,
                )
                for draw in range(options.n_best)
            ]  # fmt: skip
            return [list(of_one_text) for of_one_text in zip(*drawn, strict=True)]
        if options.beam == 1 and not options.coverage_penalty:
            return [[h] for h in greedy(model, source, limits, keep_attention=keep_attention)]
        padded, lengths = batch
        mask = torch.arange(padded.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)
        return beam(
            model, source, limits, width=options.beam, n_best=options.n_best, ranking=options.ranking, mask=mask,
            keep_attention=keep_attention,
        )  # fmt: skip

    def _translation(self, h: Hypothesis, row: np.ndarray) -> Translation:
        symbols = [*h.tokens, END] if h.finished else list(h.tokens)
        source = tuple(self.source.pieces(row.tolist()))
        attention = None if h.attention is None else h.attention[:, : len(row)]
        pieces = tuple(self.target.pieces(symbols))
        text = " ".join(self.target.decode(h.tokens).splitlines())
        return Translation(text, h.score, pieces, h.log_probs, source, h.finished, attention)


def _load(run: Run, cells: Sequence[type[Cell]]) -> tuple[EncoderDecoder, Tokenizer, Tokenizer]:
    check_task(run, "translate", "a translator")
    config = run.config
    source, target = load_tokenizer(run.path / SOURCE), load_tokenizer(run.path / TARGET)
    with config_read(run):
        name, settings = str(config["cell"]), TranslateSettings(**config["settings"])
        longest = [int(config[key]) for key in ("longest_source", "longest_target")]
        if min(longest) < 1:
            raise ValueError(f"lengths {longest} below 1")
    cell = find_cell(name, cells)
    model = restored(run, cell, lambda: EncoderDecoder(cell, settings.model_config(source.size, target.size)))
    return model, source, target
