"""A trained language model: how probable a text is, and how it goes on."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.cells.state import Tree, cat_rows, map_tensors
from unspool.data.given import Paths, check_text, listed, paths_of
from unspool.data.lossless import load_lossless, lossless_bytes
from unspool.data.lossless_base import LosslessTokenizer
from unspool.data.plain_text import read_text
from unspool.errors import ConfigError
from unspool.layers.readout import final_state
from unspool.tasks.language.complete import CompleteOptions, Completion
from unspool.tasks.language.encode import final_states
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.python_job import test_texts
from unspool.tasks.language.reading import Reading
from unspool.tasks.language.score import Row, Score, following, nats
from unspool.tasks.language.settings import LanguageSettings
from unspool.tasks.language.state import State, read_state
from unspool.tasks.language.train import TOKENIZER, first_symbol
from unspool.train import Run
from unspool.train.restored import check_task, config_read, restored

BATCH_ROWS = 64


class LanguageModel:
    """One run, or an ensemble of several with the same vocabulary: the mean of their probabilities.

    A text is read as if a line end stood before it. Safe to call from several threads.

    Example:
        `unspool.load("runs/python").complete("def ", length=80)` writes a function.
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        self.runs = list(runs)
        self.tokenizer = _one_tokenizer(self.runs)
        self.networks = [_load(run, self.tokenizer.size, cells) for run in self.runs]
        self._first = first_symbol(self.tokenizer)

    @cached_property
    def checksum(self) -> int:
        """Of all weights: what tells a state of this model from those of others."""
        return zlib.crc32(b"".join(run.weights_path.read_bytes() for run in self.runs))

    @property
    def _beginning(self) -> State:
        return State(map_tensors(Tensor.detach, self._empty), self._first, self.checksum)

    @property
    def _empty(self) -> Tree:
        return tuple(network.initial_state(1) for network in self.networks)

    def top(self, text: str = "", k: int = 10, *, state: State | None = None) -> list[tuple[str, float]]:
        """The `k` most probable symbols after `text`, each with its probability, the most probable first.

        Args:
            text: what came before; read on from `state`, if that is given.
            k: how many; at most all.
            state: see `state`.
        """
        if k < 1:
            raise ConfigError(f"k is {k}; expected at least 1")
        now = self.state(text, state)
        scores = Reading(self.networks, now.layers).scores(now.symbol)
        best = scores.exp().topk(min(k, self.tokenizer.size))
        return list(zip(self.tokenizer.pieces(best.indices.tolist()), best.values.tolist(), strict=True))

    def complete(
        self, text: str = "", options: CompleteOptions | None = None, *, state: State | None = None, **choices: Any
    ) -> str:
        """How `text` goes on; the text itself is not repeated.

        Args:
            text: what came before; read on from `state`, if that is given.
            options: length, how to draw, where to stop.
            state: see `state`.
            choices: single options by name, such as `length=80`; they stand in for those of `options`.
        """
        return "".join(self.completion(text, replace(options or CompleteOptions(), **choices), state=state))

    def completion(self, text: str, options: CompleteOptions, *, state: State | None = None) -> Completion:
        """How `text` goes on, piece by piece as it is made."""
        return Completion(self.networks, self.tokenizer, self.state(text, state), options)

    def state(self, text: str = "", state: State | None = None) -> State:
        """Where the model stands after `text`, read on from `state`, or from the beginning.

        What is done from `state(a)` with a text b is what would be done with a + b, to the last bit on the CPU engine.
        With tokenizers other than characters, a must end where a symbol of a + b ends; after a line end it always does.
        """
        now = self._beginning if state is None else self._own(state)
        ids = self.tokenizer.encode(text)
        if not len(ids):
            return now
        reading = Reading(self.networks, now.layers)
        reading.read(torch.from_numpy(following(ids, now.symbol).source.astype(np.int64)))
        return State(reading.layers, int(ids[-1]), self.checksum)

    def read_state(self, path: Path | str) -> State:
        """A state that `State.save` wrote; `RunError` or `ConfigError` if it is damaged or of another model."""
        return self._own(read_state(path, self._empty))

    def score(self, texts: Iterable[str], *, state: State | None = None) -> list[Score]:
        """What each text costs: nats, characters, symbols, bits a character. Each is read from `state`, if given, or
        from the beginning."""
        given, begin = _texts(texts, "score"), self.state("", state)
        rows = [following(self.tokenizer.encode(text), begin.symbol) for text in given]
        costs = self._costs(rows, begin)
        return [Score(cost, len(text), len(row.target)) for text, row, cost in zip(given, rows, costs, strict=True)]

    def encode(self, texts: Iterable[str], *, state: State | None = None) -> Tensor:
        """The final state of the top layer after each text, `[N, S]`, of the first run. Each is read from `state`, if
        given, or from the beginning."""
        given, begin = _texts(texts, "encode"), self.state("", state)
        rows = [np.concatenate([[begin.symbol], self.tokenizer.encode(text)]) for text in given]
        found = torch.zeros(len(rows), final_state(begin.layers[0], bidirectional=False).shape[1])
        for batch in _batches([len(row) for row in rows]):
            layers = cat_rows([begin.layers[0]] * len(batch))
            found[batch] = final_states(self.networks[0], [rows[i] for i in batch], layers)
        return found

    def _costs(self, rows: Sequence[Row], begin: State) -> list[float]:
        costs = [0.0] * len(rows)
        for batch in _batches([len(row.target) for row in rows]):
            found = nats(self.networks, [rows[i] for i in batch], cat_rows([begin.layers] * len(batch)))
            for i, cost in zip(batch, found.tolist(), strict=True):
                costs[i] = cost
        return costs

    def evaluate(self, paths: Paths | None = None) -> dict[str, Any]:
        """Measure on the text of all files together, as one stream, so that no symbol lacks what came before it.

        Args:
            paths: a text file, or several; the default job's own test part if `None`.

        Returns:
            metrics: `characters`, `symbols`, `loss` (nats a symbol), `perplexity` (a symbol), `nats_per_character`,
            `bits_per_character`.
        """
        files = [] if paths is None else paths_of(paths)
        texts = list(map(read_text, files)) or test_texts(self.runs[0])
        (score,) = self.score(["".join(texts)])
        return {"characters": score.characters, "symbols": score.symbols, **score.metrics()}

    def _own(self, state: State) -> State:
        if state.model != self.checksum:
            names = ", ".join(str(run.path) for run in self.runs)
            raise ConfigError(
                f"this state was made by another model than {names}, or before it was trained further; make it anew "
                "with this one"
            )
        return state


def _texts(given: Any, method: str) -> list[str]:
    texts = listed(given, method)
    for number, text in enumerate(texts, 1):
        check_text(text, f"text {number}")
    return texts


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of the rows that are not empty, some of like length at a time."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: lengths[i])
    for at in range(0, len(order), BATCH_ROWS):
        yield order[at : at + BATCH_ROWS]


def _one_tokenizer(runs: Sequence[Run]) -> LosslessTokenizer:
    """The vocabulary of the runs, which must all be language models with the same one."""
    for run in runs:
        check_task(run, "language", "a language model")
    first, *others = [load_lossless(run.path / TOKENIZER) for run in runs]
    for run, other in zip(runs[1:], others, strict=True):
        if lossless_bytes(other) != lossless_bytes(first):
            raise ConfigError(
                f"{run.path} and {runs[0].path} have different vocabularies; an ensemble needs runs trained on the "
                "same text with the same tokenizer"
            )
    return first


def _load(run: Run, size: int, cells: Sequence[type[Cell]]) -> LanguageNetwork:
    with config_read(run):
        name, settings = str(run.config["cell"]), LanguageSettings(**run.config["settings"])
    cell = find_cell(name, cells)
    return restored(run, cell, lambda: LanguageNetwork(cell, size, settings))
