"""A trained classifier: texts or rows of numbers in, labels and probabilities out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from collections.abc import Sequence as List
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells import Cell, find_cell
from unspool.data.columns import Columns
from unspool.data.given import Paths, paths_of
from unspool.data.packed import Packed
from unspool.data.pools import Pools
from unspool.data.sequences import Sequences
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.classify.given import as_sequences
from unspool.tasks.classify.inputs import Inputs, TextInputs, load_inputs
from unspool.tasks.classify.metrics import reliability
from unspool.tasks.classify.model import SequenceClassifier
from unspool.tasks.classify.settings import ClassifySettings
from unspool.tasks.classify.targets import Target, target_from_json
from unspool.train import Run
from unspool.train.restored import check_task, config_read, default_origin, restored

STEP_LIMIT = 200_000
"""Steps of a sequence above which it is refused: the outputs of all its steps are in memory at once."""
BATCH_STEPS = 20_000
NOT_FINITE = (
    "makes outputs of the network that are not finite; its numbers are too far from those of the training data: mend "
    "them or leave the sequence out"
)


@dataclass(frozen=True)
class Prediction:
    """An answer: its `label` as labels are written in the data, and the probability of each class.

    Where the target is a number there are no probabilities, and `value` is the number.
    """

    label: str
    probabilities: dict[str, float]
    value: float | None = None


@dataclass(frozen=True)
class Measured:
    """`metrics` by name, and what they are of: `predictions` `[N, K]`, the same without the temperature, and `targets`
    `[N, …]`."""

    metrics: dict[str, Any]
    predictions: Tensor
    uncalibrated: Tensor
    targets: Tensor


@dataclass(frozen=True)
class _Member:
    """One run of an ensemble."""

    model: SequenceClassifier
    inputs: Inputs
    target: Target
    temperature: float


class Classifier:
    """One run, or an ensemble of several with the same classes: the mean of their probabilities.

    Safe to call from several threads at once. `given` is a list of texts, a list of arrays `[T, F]`, or `Sequences`.

    Example:
        `unspool.load("runs/digits").classify([picture])[0].label` gives `"3"`.
    """

    def __init__(self, runs: List[Run], cells: List[type[Cell]] = ()) -> None:
        self.runs = list(runs)
        self.members = [_load(run, cells) for run in runs]
        first = self.members[0]
        self.target, self.kind = first.target, first.inputs.kind
        for run, member in zip(runs, self.members, strict=True):
            if (member.target.to_json(), member.inputs.kind) != (self.target.to_json(), self.kind):
                raise ConfigError(
                    f"{run.path} and {runs[0].path} have different targets; an ensemble needs runs trained on the same "
                    "labels and the same kind of sequences"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities; none where the target is a number."""
        return self.target.classes

    def classify(self, given: Any) -> list[Prediction]:
        """The answer to each sequence.

        Raises:
            DataError: a sequence cannot be read by this model, or has more than `STEP_LIMIT` steps; it is named.
        """
        sequences = as_sequences(given, self.kind, self.members[0].inputs, "classify")
        found: list[Prediction] = []
        for i, answer in enumerate(self.attempt(sequences)):
            if isinstance(answer, str):
                raise DataError(f"{sequences.places(i)} {answer}")
            found.append(answer)
        return found

    def attempt(self, sequences: Sequences) -> list[Prediction | str]:
        """The answer to each sequence, or why it has none, to be read after its place."""
        packed = self._packed(sequences)
        _tell_of_empty(packed[0], sequences)
        problems = self._problems(sequences, packed)
        fine = [i for i, problem in enumerate(problems) if problem is None]
        chosen = sequences if len(fine) == len(problems) else sequences.select(np.array(fine, dtype=np.int64))
        answers = iter(self._predictions(chosen).tolist())
        return [self._answer(next(answers)) if problem is None else problem for problem in problems]

    def evaluate(self, test: Paths | Sequences | None = None, columns: Columns | None = None) -> dict[str, Any]:
        """Metrics on labelled data: a file or several, `Sequences`, or the test part of the default job if None.

        Args:
            test: the data.
            columns: of files, those that the run was trained with if None.

        Returns:
            `sequences`, the metrics of the target (such as `accuracy` and `macro_f1`), and where there are
            probabilities their `log_loss` (nats), `ece` (expected calibration error), and `ece_uncalibrated`.
        """
        return self.measure(self.opened(test, columns)).metrics

    def measure(self, sequences: Sequences) -> Measured:
        """What `evaluate` gives, and the single answers."""
        if sequences.labels is None:
            raise DataError("the sequences have no labels to compare the answers with; name their column, or add one")
        sequences = self._checked(sequences, "evaluate")
        if not len(sequences):
            raise DataError("there is no sequence to evaluate; expected at least one")
        assert sequences.labels is not None
        targets = self.target.encode(sequences.labels, sequences.places)
        predictions = self._predictions(sequences)
        _check_finite(predictions, sequences)
        metrics: dict[str, Any] = {"sequences": len(targets), **self.target.metrics(predictions, targets)}
        plain = predictions
        if self.target.has_probabilities:
            plain = self._predictions(sequences, calibrated=False)
            metrics["log_loss"] = self.target.log_loss(predictions, targets)
            for name, these in (("ece", predictions), ("ece_uncalibrated", plain)):
                metrics[name] = reliability(*self.target.decisions(these, targets)).error
        return Measured(metrics, predictions, plain, targets)

    def opened(
        self, test: Paths | Sequences | None, columns: Columns | None = None, *, labelled: bool = True
    ) -> Sequences:
        """A file or several, read with the columns that the run was trained with unless others are given, or the test
        part of the default job."""
        if isinstance(test, Sequences):
            return test
        if files := [] if test is None else paths_of(test):
            from unspool.data.open_sequences import open_sequences

            empty = self.target.kind == "multilabel"
            return open_sequences(files, columns or self.columns(), labelled=labelled, empty_labels=empty)
        default_origin(self.runs[0], "digits")
        from unspool.data.digits import digits

        return digits()[2]

    def columns(self) -> Columns:
        """The columns that the run was trained with; of a run on texts, a file without its column is no other form."""
        stored = self.runs[0].config.get("columns")
        try:
            columns = Columns(**(stored or {}))
        except TypeError as error:
            raise RunError(f"{self.runs[0].path / 'config.json'} is damaged (columns: {error})") from error
        return replace(columns, form="text") if (self.kind, columns.form) == ("text", "auto") else columns

    def check(self, sequences: Sequences) -> None:
        """`DataError` for sequences of another kind than those trained on, or with other features."""
        for member in self.members:
            member.inputs.check(sequences)

    def encode(self, given: Any) -> Tensor:
        """The vector that each sequence is judged by, which its read-out gives: `[N, R]`; of the first run."""
        sequences = self._checked(given, "encode")
        vectors = self._embedded(sequences, self.members[0].model.vectors)
        _check_finite(vectors, sequences)
        return vectors

    def states(self, given: Any) -> Tensor:
        """The final state of the top layer after each sequence, both directions joined, whatever the read-out:
        `[N, S]`; of the first run."""
        return self._embedded(self._checked(given, "states"), self.members[0].model.states)

    def _embedded(self, sequences: Sequences, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """`function(embedded, lengths)` of the first run."""
        model, inputs = self.members[0].model, self.members[0].inputs
        return _mapped(lambda rows, lengths: function(model.embed(rows), lengths), inputs.pack(sequences))

    def saliency(self, one: Any) -> np.ndarray:
        """How much each step of one text, or of one array `[T, F]`, speaks for the answer: `[T]`; of the first run.

        The gradient of the winning logit by a step's input, times that input, summed over its features (Shrikumar et
        al. 2016, https://arxiv.org/abs/1605.01713): above 0 where the step raises the logit.
        """
        given = one if isinstance(one, Sequences) else [one]
        sequences, member = self._checked(given, "saliency"), self.members[0]
        if len(sequences) != 1:
            raise ConfigError(f"saliency takes one sequence, but got {len(sequences)}")
        inputs, lengths = member.inputs.pack(sequences).padded(np.zeros(1, dtype=np.int64))
        if not len(inputs[0]):
            return np.zeros(0, dtype=np.float32)
        embedded = member.model.embed(inputs).detach().requires_grad_()
        with torch.enable_grad():
            outputs = member.model.judge(member.model.vectors(embedded, lengths))
            (gradient,) = torch.autograd.grad(member.target.score(outputs).sum(), embedded)
        return (gradient * embedded).sum(2).squeeze(0).detach().numpy()

    def pieces(self, text: str) -> list[str]:
        """The symbols of a text, one for each step of `saliency`; of the first run."""
        inputs = self.members[0].inputs
        if not isinstance(inputs, TextInputs):
            raise ConfigError(f"{self.runs[0].path} reads numbers, which have no symbols")
        return inputs.pieces(text)

    def _checked(self, given: Any, method: str) -> Sequences:
        sequences = as_sequences(given, self.kind, self.members[0].inputs, method)
        for i, problem in enumerate(self._problems(sequences, self._packed(sequences))):
            if problem is not None:
                raise DataError(f"{sequences.places(i)} {problem}")
        return sequences

    def _packed(self, sequences: Sequences) -> list[Packed]:
        """The sequences as each run reads them."""
        return [member.inputs.pack(sequences) for member in self.members]

    def _problems(self, sequences: Sequences, packed: list[Packed]) -> list[str | None]:
        """Why each sequence cannot be read, to be read after its place; None where it can."""
        each = [_problems_of(member.inputs, sequences, its) for member, its in zip(self.members, packed, strict=True)]
        return [next(filter(None, found), None) for found in zip(*each, strict=True)]

    def _predictions(self, sequences: Sequences, *, calibrated: bool = True) -> Tensor:
        """Probabilities `[N, K]`, or numbers `[N, 1]`: the mean over the runs."""
        found = []
        for member in self.members:
            outputs = _mapped(member.model, member.inputs.pack(sequences))
            found.append(member.target.predictions(outputs, member.temperature if calibrated else 1.0))
        return torch.stack(found).mean(0)

    def _answer(self, row: list[float]) -> Prediction | str:
        if not all(map(math.isfinite, row)):
            return NOT_FINITE
        if not self.target.has_probabilities:
            return Prediction(self.target.label(row), {}, row[0])
        return Prediction(self.target.label(row), dict(zip(self.classes, row, strict=True)))


def _problems_of(inputs: Inputs, sequences: Sequences, packed: Packed) -> list[str | None]:
    found = inputs.problems(sequences, packed)
    for i in np.flatnonzero(packed.lengths > STEP_LIMIT).tolist():
        found[i] = f"has {counted(packed.lengths[i], 'step')}; the limit is {STEP_LIMIT}. Cut it into parts"
    return found


def _tell_of_empty(packed: Packed, sequences: Sequences) -> None:
    """Say that sequences without a step are answered too, though nothing in them tells the label."""
    empty = np.flatnonzero(packed.lengths == 0).tolist()
    if empty:
        first = f"{sequences.places(empty[0])}{' first' if len(empty) > 1 else ''}"
        warnings.warn(
            f"{counted(len(empty), 'sequence')} without a step ({first}): such an answer tells only which labels are "
            "frequent",
            stacklevel=4,
        )


def _check_finite(outputs: Tensor, sequences: Sequences) -> None:
    """`DataError` names the first sequence with an output that is not finite."""
    wrong = ~outputs.isfinite().all(1)
    if wrong.any():
        raise DataError(f"{sequences.places(int(wrong.int().argmax()))} {NOT_FINITE}")


@torch.no_grad()
def _mapped(function: Callable[[Tensor, Tensor], Tensor], packed: Packed) -> Tensor:
    """`function(inputs, lengths)` of all sequences, in batches of like length."""
    if not len(packed):
        return function(*packed.padded(np.zeros(0, dtype=np.int64)))
    plan = Pools(packed.lengths, max_tokens=BATCH_STEPS, seed=0).plan(0)
    found = torch.cat([function(*packed.padded(rows)) for rows in plan])
    ordered = torch.empty_like(found)
    ordered[torch.from_numpy(np.concatenate(plan))] = found
    return ordered


def _load(run: Run, cells: List[type[Cell]]) -> _Member:
    check_task(run, "classify", "a classifier")
    config = run.config
    with config_read(run):
        name, settings = str(config["cell"]), ClassifySettings(**config["settings"])
        target = target_from_json(config["labels"])
        temperature = float(config.get("calibration", {}).get("temperature", 1.0))
        if not 0 < temperature < float("inf"):
            raise ValueError(f"temperature {temperature}")
        inputs = load_inputs(run.path, config["kind"])
    cell = find_cell(name, cells)
    model = restored(run, cell, lambda: SequenceClassifier(cell, settings, target.head, **inputs.sizes()))
    return _Member(model, inputs, target, temperature)
