"""A trained language model: how probable a text is, and how it goes on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.cells.state import cat_rows, map_tensors
from unspool.data.lossless import load_lossless
from unspool.data.lossless_base import LosslessTokenizer
from unspool.data.plain_text import read_text
from unspool.errors import ConfigError, RunError
from unspool.layers.stream import Stream, stream
from unspool.tasks.language.complete import CompleteOptions, Completion, next_scores
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.python_job import test_texts
from unspool.tasks.language.score import Row, Score, following, nats
from unspool.tasks.language.settings import LanguageSettings
from unspool.tasks.language.state import State, read_state
from unspool.tasks.language.train import TOKENIZER, first_symbol
from unspool.train import Run

BATCH_ROWS = 64
PUSHED = 1024
"""Symbols that are read at once."""


class LanguageModel:
    """One run, ready to use. A text is read as if a line end stood before it. Safe to call from several threads.

    Example:
        `unspool.load("runs/python").complete("def ", length=80)` writes a function.
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        if len(runs) > 1:
            raise ConfigError(f"{len(runs)} runs were given, but a language model is one; load them one by one")
        self.run = runs[0]
        self.network, self.tokenizer = _load(self.run, cells)
        self._first = first_symbol(self.tokenizer)

    @cached_property
    def checksum(self) -> int:
        """Of the weights: what tells a state of this model from those of others."""
        return zlib.crc32(self.run.weights_path.read_bytes())

    @property
    def _beginning(self) -> State:
        return State(map_tensors(Tensor.detach, self.network.initial_state(1)), self._first, self.checksum)

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
        with torch.no_grad():
            outputs = self._stream(now).push(self.network.embedding(torch.tensor([now.symbol])))
            best = next_scores(self.network, outputs).exp().topk(min(k, self.tokenizer.size))
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
        return Completion(self.network, self.tokenizer, self.state(text, state), options)

    def state(self, text: str = "", state: State | None = None) -> State:
        """Where the model stands after `text`, read on from `state`, or from the beginning.

        What is done from `state(a)` with a text b is what would be done with a + b, to the last bit on the CPU engine.
        With tokenizers other than characters, a must end where a symbol of a + b ends; after a line end it always does.
        """
        now = self._beginning if state is None else self._own(state)
        ids = self.tokenizer.encode(text)
        if not len(ids):
            return now
        reading = self._stream(now)
        unread = torch.from_numpy(following(ids, now.symbol).source.astype(np.int64))
        with torch.no_grad():
            for part in unread.split(PUSHED):
                reading.push(self.network.embedding(part).unsqueeze(0))
        return State(reading.state, int(ids[-1]), self.checksum)

    def read_state(self, path: Path | str) -> State:
        """A state that `State.save` wrote; `RunError` or `ConfigError` if it is damaged or of another model."""
        return self._own(read_state(path, self.network.initial_state(1)))

    def score(self, texts: Sequence[str], *, state: State | None = None) -> list[Score]:
        """What each text costs: nats, characters, symbols, bits a character. Each is read from `state`, if given, or
        from the beginning."""
        if isinstance(texts, str):
            raise ConfigError("score takes a list of texts, but got one text; write score([text])")
        begin = self.state("", state)
        rows = [following(self.tokenizer.encode(text), begin.symbol) for text in texts]
        costs = self._costs(rows, begin)
        return [Score(cost, len(text), len(row.target)) for text, row, cost in zip(texts, rows, costs, strict=True)]

    def _costs(self, rows: Sequence[Row], begin: State) -> list[float]:
        costs = [0.0] * len(rows)
        order = sorted((i for i, row in enumerate(rows) if len(row.target)), key=lambda i: len(rows[i].target))
        for at in range(0, len(order), BATCH_ROWS):
            batch = order[at : at + BATCH_ROWS]
            found = nats(self.network, [rows[i] for i in batch], cat_rows([begin.layers] * len(batch)))
            for i, cost in zip(batch, found.tolist(), strict=True):
                costs[i] = cost
        return costs

    def evaluate(self, paths: Sequence[Path | str] | None = None) -> dict[str, Any]:
        """Measure on the text of all files together, as one stream, so that no symbol lacks what came before it.

        Args:
            paths: text files; the default job's own test part if `None`.

        Returns:
            metrics: `characters`, `symbols`, `loss` (nats a symbol), `perplexity` (a symbol), `nats_per_character`,
            `bits_per_character`.
        """
        texts = [read_text(path) for path in paths] if paths else test_texts(self.run)
        (score,) = self.score(["".join(texts)])
        return {"characters": score.characters, "symbols": score.symbols, **score.metrics()}

    def _stream(self, state: State) -> Stream:
        return stream(self.network.recurrent, state=state.layers)

    def _own(self, state: State) -> State:
        if state.model != self.checksum:
            raise ConfigError(
                f"this state was made by another model than {self.run.path}, or before it was trained further; "
                "make it anew with this one"
            )
        return state


def _load(run: Run, cells: Sequence[type[Cell]]) -> tuple[LanguageNetwork, LosslessTokenizer]:
    config = run.config
    if config.get("task") != "language":
        raise RunError(f"{run.path} holds a run of the task {config.get('task')!r}, not a language model")
    tokenizer = load_lossless(run.path / TOKENIZER)
    try:
        name, settings = str(config["cell"]), LanguageSettings(**config["settings"])
    except (TypeError, KeyError, ValueError) as error:
        raise RunError(f"{run.path / 'config.json'} is damaged ({error}); restore it from a copy") from error
    cell = find_cell(name, cells)
    try:
        network = LanguageNetwork(cell, tokenizer.size, settings)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{run.path / 'config.json'} makes no model of {cell.__name__} ({error}); restore it from a copy, or "
            "hand in the cell that the run was trained with"
        ) from error
    run.load_model(network)
    return network.eval(), tokenizer
