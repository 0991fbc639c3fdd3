"""A trained tagger: tokens in, a tag for each out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.data.given import Paths, check_text, listed, paths_of
from unspool.data.pools import Pools
from unspool.data.tagged import Columns, Tokens, read_all
from unspool.data.words import Forms, WordBatch, Words
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.tag.answers import best_tags, probabilities
from unspool.tasks.tag.batches import TagBatches
from unspool.tasks.tag.evaluate import TagScores, mean_loss, warn_of_unknown_tags
from unspool.tasks.tag.model import TagModel
from unspool.tasks.tag.rules import rules
from unspool.tasks.tag.settings import TagSettings
from unspool.tasks.tag.spans import has_prefixes
from unspool.tasks.tag.train import WORDS
from unspool.train import Run
from unspool.train.restored import check_task, config_read, restored

BATCH_TOKENS = 4000


class Tagged(NamedTuple):
    """A token, its tag in the best row of tags, and the probability of that tag at this place."""

    token: str
    tag: str
    probability: float


class Loaded(NamedTuple):
    """What a run folder holds."""

    model: TagModel
    words: Words
    tags: list[str]
    settings: TagSettings
    columns: Columns
    constrained: bool


class Tagger:
    """One run, or an ensemble of several with the same tags. Safe to call from several threads at once.

    An ensemble takes the mean of the runs' probabilities at each step; runs with a CRF make none.

    Example:
        `unspool.load("runs/parts").tag(["3. Mai 2021"])` tags each character of a date: `B-day`, `O`, `O`, `B-month`, …
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        self.runs, self._loaded = list(runs), [_load(run, cells) for run in runs]
        first = self._loaded[0]
        self.models = [loaded.model for loaded in self._loaded]
        self.tags, self.columns, self.unit = first.tags, first.columns, first.settings.unit
        self._rules = rules(self.tags) if first.constrained else None
        for run, loaded in zip(runs, self._loaded, strict=True):
            self._check_alike(run, loaded)

    def _check_alike(self, run: Run, loaded: Loaded) -> None:
        if (loaded.tags, loaded.settings.unit) != (self.tags, self.unit):
            raise ConfigError(
                f"{run.path} and {self.runs[0].path} have different tags or units ({loaded.settings.unit}, "
                f"{self.unit}); an ensemble needs runs trained on the same kind of data"
            )
        if len(self.runs) > 1 and loaded.model.crf is not None:
            raise ConfigError(
                f"{run.path} has a CRF, whose rows of tags cannot be averaged step by step; give one run, or runs "
                "without --crf"
            )

    def split(self, text: str) -> list[str]:
        """A text as tokens: split at white space, or into characters, as the run was trained for."""
        return list(text) if self.unit == "chars" else text.split()

    def tag(self, texts: Iterable[str | Sequence[str]]) -> list[list[Tagged]]:
        """The tags of each text; an empty text has none.

        Args:
            texts: each a list of tokens, or a text to split.

        Raises:
            ConfigError: one text was given instead of a list. DataError: a text or token is none, or a token is empty.
        """
        return self._tagged(self._rows(texts, "tag"))

    @torch.no_grad()
    def encode(self, texts: Iterable[str | Sequence[str]]) -> list[Tensor]:
        """A vector for each token, where it stands: `[T, O]` for each text, of the first run.

        Args, Raises: see `tag`.
        """
        rows, model = self._rows(texts, "encode"), self._loaded[0].model
        found = [torch.zeros(0, model.net.output_size) for _ in rows]
        for places, batches in self._batches(rows, self._loaded[:1]):
            for place, features in zip(places, model.features(batches[0]), strict=True):
                found[place] = features[: len(rows[place])].clone()
        return found

    def _rows(self, texts: Iterable[str | Sequence[str]], method: str) -> list[list[str]]:
        return [self._tokens(text, f"text {i}") for i, text in enumerate(listed(texts, method), 1)]

    def _tokens(self, text: Any, place: str) -> list[str]:
        if isinstance(text, str):
            check_text(text, place)
            return self.split(text)
        if isinstance(text, (bytes, Mapping)) or not isinstance(text, Iterable):
            raise DataError(f"{place} is of type {type(text).__name__}; expected a text (str), or a list of tokens")
        tokens = list(text)
        for number, token in enumerate(tokens, 1):
            check_text(token, f"token {number} of {place}")
            if not token:
                raise DataError(f"token {number} of {place} is empty; expected a text with at least one character")
        return tokens

    def evaluate(self, paths: Paths | None = None, columns: Columns | None = None) -> dict[str, Any]:
        """Metrics on a file, or several, like those of the training; without any, on the test parts of the default job.

        Args:
            paths: the files.
            columns: where they have tokens and tags, as in training if None.

        Returns:
            `sequences`, `tokens`, `accuracy`, `macro_f1` (of tags, a token), `span_precision`, `span_recall`,
            `span_f1`, `by_type`, and `loss` (nats a token, of the first run); for the default job a list of such rows,
            `parts`, each with its name, `part`.
        """
        if files := [] if paths is None else paths_of(paths):
            return self.measure(read_all(files, columns or self.columns))
        from unspool.tasks.tag.dates import held_out

        parts = held_out(self.runs[0])
        return {"parts": [{"part": name, **self.measure(sequences)} for name, sequences in parts]}

    def measure(self, sequences: Sequence[Tokens]) -> dict[str, Any]:
        """The metrics of `evaluate` on sequences with their true tags."""
        warn_of_unknown_tags(sequences, self.tags)
        scores = TagScores(prefixed=has_prefixes({*self.tags, *(tag for s in sequences for tag in s.tags)}))
        for sequence, answer in zip(sequences, self._tagged([s.tokens for s in sequences]), strict=True):
            scores.add(sequence.tags, [tagged.tag for tagged in answer])
        first = self._loaded[0]
        loss = mean_loss(first.model, TagBatches(sequences, first.words, self.tags, max_tokens=BATCH_TOKENS).epoch(0))
        return {**scores.report(), "loss": None if loss != loss else round(loss, 4)}

    def _tagged(self, rows: Sequence[Sequence[str]]) -> list[list[Tagged]]:
        found: list[list[Tagged]] = [[] for _ in rows]
        for places, batches in self._batches(rows, self._loaded):
            numbers, shares = self._answers(batches)
            for at, place in enumerate(places):
                found[place] = [
                    Tagged(token, self.tags[numbers[at][t]], shares[at][t]) for t, token in enumerate(rows[place])
                ]
        return found

    def _batches(
        self, rows: Sequence[Sequence[str]], readers: Sequence[Loaded]
    ) -> Iterator[tuple[list[int], list[WordBatch]]]:
        """The rows with a token, some of like length at a time: their places, and how each run of `readers` reads
        them."""
        filled = [number for number, row in enumerate(rows) if row]
        if not filled:
            return
        forms = [Forms(loaded.words, (rows[number] for number in filled)) for loaded in readers]
        lengths = np.asarray([len(rows[number]) for number in filled])
        for chosen in Pools(lengths, max_tokens=BATCH_TOKENS, seed=0).plan(0):
            yield [filled[at] for at in chosen], [form.batch(chosen.tolist()) for form in forms]

    @torch.no_grad()
    def _answers(self, batches: list[WordBatch]) -> tuple[list[list[int]], list[list[float]]]:
        """For each row the numbers of its tags and their probabilities; what is past its end means nothing."""
        lengths, crf = batches[0].lengths, self._loaded[0].model.crf
        scores = [loaded.model(batch) for loaded, batch in zip(self._loaded, batches, strict=True)]
        shares = torch.stack([probabilities(each, lengths, crf) for each in scores]).mean(0)
        searched: Tensor = scores[0] if crf is not None else shares.clamp(min=1e-30).log()
        best = best_tags(searched, lengths, crf=crf, rules=self._rules)
        return best.tolist(), shares.gather(2, best.unsqueeze(2)).squeeze(2).tolist()


def _load(run: Run, cells: Sequence[type[Cell]]) -> Loaded:
    check_task(run, "tag", "a tagger")
    config, words = run.config, Words.load(run.path / WORDS)
    with config_read(run):
        name, tags, constrained = str(config["cell"]), config["tags"], bool(config["constrained"])
        settings, columns = TagSettings(**config["settings"]), Columns(**config["columns"])
        if not (isinstance(tags, list) and len(tags) > 1 and all(isinstance(tag, str) for tag in tags)):
            raise ValueError(f"tags {tags!r}")
    if words.pieces.buckets != settings.ngram_buckets:
        raise RunError(
            f"{run.path / WORDS} is of another run than {run.path / 'config.json'}: its n-grams differ; restore it "
            "from a copy"
        )
    cell = find_cell(name, cells)
    model = restored(run, cell, lambda: TagModel(cell, settings, words=words.size, tags=len(tags)))
    return Loaded(model, words, tags, settings, columns, constrained)
