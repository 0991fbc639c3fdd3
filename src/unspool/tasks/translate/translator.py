"""A trained translator: text in, text out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.data.batches import encode_source, pad
from unspool.data.symbols import END, PAD, START, UNKNOWN
from unspool.data.tokenizer import Tokenizer, load_tokenizer
from unspool.decode import Ensemble, Hypothesis, Limits, Ranking, StepModel, beam, greedy, sample
from unspool.errors import ConfigError, DataError, RunError
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.tasks.translate.settings import TranslateSettings
from unspool.tasks.translate.train import SOURCE, SPARE, TARGET
from unspool.train import Run

LINE_LIMIT = 5000
"""Symbols of a source line above which it is refused: decoding time grows with its square."""
BATCH_ROWS = 64


@dataclass(frozen=True)
class DecodeOptions:
    """How to search for a translation.

    `beam=1` is greedy decoding. With `temperature` symbols are drawn instead of searched for (see
    `unspool.decode.sample`). The rest is that of `unspool.decode.beam` and `Limits`. `max_length=None` derives the
    limit from the lengths met in training.
    """

    beam: Annotated[int, "hypotheses kept; 1 is greedy"] = 5
    n_best: Annotated[int, "answers for each text"] = 1
    length_penalty: Annotated[float, "exponent of the length that scores are divided by"] = 1.0
    coverage_penalty: Annotated[float, "weight of the penalty for source that was not attended to"] = 0.0
    no_repeat_ngram: Annotated[int, "forbid repeating n symbols in a row; 0: allow"] = 0
    min_length: Annotated[int, "fewest symbols of an answer"] = 0
    max_length: Annotated[int | None, "most symbols of an answer; none: from the lengths in training"] = None
    temperature: Annotated[float | None, "draw symbols instead of searching; 1: the model's own distribution"] = None
    top_k: Annotated[int, "draw from the k likeliest symbols; 0: all"] = 0
    top_p: Annotated[float, "draw from the likeliest symbols that hold this probability"] = 1.0
    seed: Annotated[int, "of drawing"] = 0


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

    def translate(self, texts: Sequence[str], options: DecodeOptions | None = None, **choices: Any) -> list[str]:
        """The best translation of each text; an empty text gives an empty one.

        Args:
            texts: any number of texts.
            options: how to decode; or single choices by name, such as `beam=1`.

        Raises:
            DataError: a text has more than `LINE_LIMIT` symbols.
        """
        found = self.detailed(texts, options or DecodeOptions(**choices))
        return [best[0].text if best else "" for best in found]

    def detailed(
        self, texts: Sequence[str], options: DecodeOptions, *, keep_attention: bool = False
    ) -> list[list[Translation]]:
        """The `n_best` translations of each text, best first; none for an empty text."""
        if isinstance(texts, str):
            raise ConfigError("translate takes a list of texts, but got one text; write translate([text])")
        rows = [encode_source(self.source, text) if text.strip() else None for text in texts]
        self._check(rows)
        found: list[list[Translation]] = [[] for _ in texts]
        filled = sorted((i for i, row in enumerate(rows) if row is not None), key=lambda i: len(rows[i]))  # pyright: ignore[reportArgumentType]
        for at in range(0, len(filled), BATCH_ROWS):
            numbers = filled[at : at + BATCH_ROWS]
            ids = [row for i in numbers if (row := rows[i]) is not None]
            for i, row, best in zip(numbers, ids, self._decode(ids, options, keep_attention), strict=True):
                found[i] = [self._translation(h, row) for h in best]
        return found

    def encode(self, texts: Sequence[str]) -> Tensor:
        """The encoder's final state, the 1-D vector of each whole text: `[B, E]`."""
        model = self.models[0]
        vectors: list[Tensor] = []
        with torch.no_grad():
            for at in range(0, len(texts), BATCH_ROWS):
                source, lengths = pad([encode_source(self.source, text) for text in texts[at : at + BATCH_ROWS]])
                vectors.append(model.encode(source, lengths).vector)
        return torch.cat(vectors) if vectors else torch.zeros(0, model.vector_size)

    def _check(self, rows: Sequence[np.ndarray | None]) -> None:
        lengths = [0 if row is None else len(row) - 1 for row in rows]
        for number, length in enumerate(lengths, 1):
            if length > LINE_LIMIT:
                raise DataError(
                    f"text {number} has {length} symbols; the limit is {LINE_LIMIT}. Split it into sentences"
                )
        longer = [number for number, length in enumerate(lengths, 1) if length > self.longest_source]
        if longer:
            warnings.warn(
                f"text {longer[0]}{f' and {len(longer) - 1} more' if longer[1:] else ''}: longer than any in training "
                f"({lengths[longer[0] - 1]} symbols, there at most {self.longest_source}); the answer may be poor",
                stacklevel=4,
            )

    def _limits(self, rows: Sequence[np.ndarray], options: DecodeOptions) -> Limits:
        usual = self.longest_target + SPARE
        lengths = [max(usual, math.ceil(usual * len(row) / max(self.longest_source, 1))) for row in rows]
        given = lengths if options.max_length is None else [options.max_length] * len(rows)
        least = min(options.min_length, *given)
        return Limits(given, least, (PAD, START, UNKNOWN), options.no_repeat_ngram)

    def _decode(
        self, rows: Sequence[np.ndarray], options: DecodeOptions, keep_attention: bool
    ) -> list[list[Hypothesis]]:
        limits = self._limits(rows, options)
        batch = pad(list(rows))
        single = len(self.models) == 1
        model: StepModel = self.models[0] if single else Ensemble(self.models)
        source: Any = batch if single else [batch] * len(self.models)
        if options.temperature is not None:
            drawn = sample(
                model, source, limits, seed=options.seed, temperature=options.temperature, top_k=options.top_k,
                top_p=options.top_p, keep_attention=keep_attention,
            )  # fmt: skip
            return [[h] for h in drawn]
        if options.beam == 1 and options.n_best == 1:
            return [[h] for h in greedy(model, source, limits, keep_attention=keep_attention)]
        ranking = Ranking(options.length_penalty, options.coverage_penalty)
        return beam(
            model, source, limits, width=options.beam, n_best=options.n_best, ranking=ranking,
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
    config = run.config
    if config.get("task") != "translate":
        raise RunError(f"{run.path} holds a run of the task {config.get('task')!r}, not a translator")
    source, target = load_tokenizer(run.path / SOURCE), load_tokenizer(run.path / TARGET)
    try:
        name, settings = str(config["cell"]), TranslateSettings(**config["settings"])
        longest = [int(config[key]) for key in ("longest_source", "longest_target")]
        if min(longest) < 1:
            raise ValueError(f"lengths {longest} below 1")
    except (TypeError, KeyError, ValueError) as error:
        raise RunError(f"{run.path / 'config.json'} is damaged ({error}); restore it from a copy") from error
    cell = find_cell(name, cells)
    try:
        model = EncoderDecoder(cell, settings.model_config(source.size, target.size))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{run.path / 'config.json'} makes no model of {cell.__name__} ({error}); restore it from a copy, or "
            "hand in the cell that the run was trained with"
        ) from error
    run.load_model(model)
    return model.eval(), source, target
