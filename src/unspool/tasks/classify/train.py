"""Train a classifier: open the data, learn vocabulary or scale, build the model, run the loop, calibrate."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unspool.cells import Cell
from unspool.data.class_weights import tempered
from unspool.data.columns import Columns
from unspool.data.given import Paths
from unspool.data.sequences import Sequences
from unspool.errors import ConfigError, DataError
from unspool.tasks.classify.batches import Batches
from unspool.tasks.classify.calibrate import calibration
from unspool.tasks.classify.inputs import NumberInputs, TextInputs, check_kind, learn_inputs, load_inputs, pack_all
from unspool.tasks.classify.job import ClassifyJob, outputs_of
from unspool.tasks.classify.model import SequenceClassifier
from unspool.tasks.classify.settings import ClassifySettings
from unspool.tasks.classify.targets import KINDS, Target
from unspool.tasks.classify.targets.multilabel import parts
from unspool.train import Run, Summary, TrainSettings, fit
from unspool.train.kept import kept_said
from unspool.train.placement import is_main
from unspool.train.start import by_part, check, start

NAMES = Columns()


@dataclass(frozen=True)
class ClassifyData:
    """Labelled sequences to train and to validate on, and the columns they were found in."""

    train: Sequences
    valid: Sequences
    columns: Columns | None = None

    @classmethod
    def open(cls, train: Paths, valid: Paths, settings: ClassifySettings, columns: Columns = NAMES) -> ClassifyData:
        """Open files (see `unspool.data.open_sequences`); without any to validate on, the share that `settings` say is
        kept back for it."""
        from unspool.data.groups import split
        from unspool.data.open_sequences import open_sequences

        empty = settings.target == "multilabel"
        given = open_sequences(train, columns, empty_labels=empty)
        if valid:
            return cls(given, open_sequences(valid, columns, empty_labels=empty), columns)
        return cls(*split(given, settings.valid_share, settings.seed), columns)

    @classmethod
    def digits(cls) -> ClassifyData:
        """The default job: handwritten digits, row by row; nothing is downloaded."""
        from unspool.data.digits import digits

        train, valid, _ = digits()
        return cls(train, valid)


def train(
    cell: type[Cell],
    data: ClassifyData,
    settings: ClassifySettings,
    training: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    force: bool = False,
    origin: dict[str, Any] | None = None,
) -> Summary:
    """Train a classifier into the run folder `out`, and calibrate it on the validation data.

    Args:
        cell: the cell of every layer, shipped or of the user's own.
        data: what to train and validate on.
        settings, training: choices of the model, and of the loop.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Returns:
        how the training ended; `best` has also what `calibrate.calibration` found.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.
    """
    out = Path(out)
    check(out, "classify", cell, files=(TextInputs.FILE, NumberInputs.FILE), resume=resume, force=force)
    check_kind(data.valid, data.train.kind)
    kind = data.train.kind
    target = _learned_target(data, settings)
    inputs = load_inputs(out, kind) if resume and _kind_of(out) == kind else learn_inputs(data.train, settings)
    size = {"max_tokens": settings.max_tokens, "seed": settings.seed}
    parts = {name: (pack_all(inputs, part), _encoded(target, part)) for name, part in _parts(data)}
    train_batches = Batches(*parts["train"], **size, max_length=settings.max_length)
    valid_batches = Batches(*parts["valid"], **size)
    torch.manual_seed(settings.seed)
    model = SequenceClassifier(cell, settings, target.head, **inputs.sizes())
    same = {
        "kind": kind,
        "labels": target.to_json(),
        "longest": train_batches.longest,
        "data": by_part(train=train_batches.fingerprint(), valid=valid_batches.fingerprint()),
    }
    more = {"columns": None if data.columns is None else asdict(data.columns)}
    run = start(
        out,
        "classify",
        cell,
        settings,
        training,
        same=same,
        more=more,
        files=inputs.files(),
        origin=origin,
        resume=resume,
        force=force,
    )
    weights = class_weights(settings.class_weights, target, train_batches.targets)
    job = ClassifyJob(model, train_batches, valid_batches, target, weights)
    summary = fit(job, training, run, resume=resume)
    return _calibrated(summary, run, model, target, valid_batches)


def class_weights(kind: str, target: Target, targets: torch.Tensor) -> torch.Tensor | None:
    """The weights of classes in the loss, from how often each occurs in the training part; None for none.

    >>> class_weights("sqrt", KINDS["classes"](["a", "b"]), torch.tensor([0] * 8 + [1] * 2))
    tensor([0.7906, 1.5811])
    """
    if kind == "none":
        return None
    return tempered(kind, target.balanced(targets))


def _calibrated(summary: Summary, run: Run, model: SequenceClassifier, target: Target, valid: Batches) -> Summary:
    """Fit the temperature of the run's weights on the validation data, and store it in the run's config."""
    if not target.has_probabilities:
        return summary
    outputs, targets = outputs_of(model.eval(), valid.epoch(0))
    measured = calibration(target, outputs, targets)
    if is_main():
        with kept_said(run), run.locked():
            run.change(calibration=measured)
    return replace(summary, best={**summary.best, **measured})


def _learned_target(data: ClassifyData, settings: ClassifySettings) -> Target:
    """The target of all labels, so that a rare class may happen to be among those to validate on only."""
    labels: list[str] = []
    for name, part in _parts(data):
        if part.labels is None:
            raise DataError(
                f"the sequences to {name} on have no labels; name their column, or give a file that has one"
            )
        labels += part.labels
    border = len(data.train)

    def places(i: int) -> str:
        return data.train.places(i) if i < border else data.valid.places(i - border)

    target = KINDS[settings.target].learn(labels, places, settings.order)
    names = parts if settings.target == "multilabel" else lambda label: [label]
    learned, held = ({name for label in some for name in names(label)} for some in (labels[:border], labels[border:]))
    if settings.target != "number" and (unseen := sorted(held - learned)):
        warnings.warn(
            f"the validation data alone has {len(unseen)} of the {len(learned | held)} classes "
            f"({', '.join(unseen[:10])}); nothing is learned of them",
            stacklevel=3,
        )
    return target


def _parts(data: ClassifyData) -> list[tuple[str, Sequences]]:
    return [("train", data.train), ("valid", data.valid)]


def _encoded(target: Target, part: Sequences) -> torch.Tensor:
    assert part.labels is not None
    return target.encode(part.labels, part.places)


def _kind_of(out: Path) -> Any:
    kind = Run.open(out).config.get("kind")
    if kind is None:
        raise ConfigError(f"{out} holds no classifier; give the folder of a run of `unspool train classify`")
    return kind
