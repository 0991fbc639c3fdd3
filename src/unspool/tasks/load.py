"""`load`: a run folder, ready to use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unspool.cells import Cell
from unspool.data.given import paths_of
from unspool.errors import ConfigError, RunError
from unspool.train import Run

MODELS = {
    "tag": "Tagger",
    "translate": "Translator",
    "classify": "Classifier",
    "language": "LanguageModel",
    "forecast": "Forecaster",
}
"""The class of each task's model, in `unspool.tasks.TASK`."""


def load(run: Path | str | Sequence[Path | str], *, cells: Sequence[type[Cell]] = ()) -> Any:
    """Load a run, or several runs of one task as an ensemble. Nothing that stands in the folder is executed.

    What comes back depends on the task: a `Translator`, `Classifier`, `Tagger`, `LanguageModel` or
    `Forecaster` of `unspool.tasks`.

    Args:
        run: run folder, or a sequence of them.
        cells: your own cell classes, for runs that were trained with one.

    Raises:
        RunError: a file of the run is missing, truncated or foreign. ConfigError: a cell has to be handed in; the
            message prints the line to type.

    Example:
        >>> import tempfile
        >>> from unspool.data.corpus import ListCorpus
        >>> from unspool.tasks.translate import TranslateSettings, train
        >>> from unspool.tasks.translate.train import TranslateData
        >>> from unspool.train import TrainSettings
        >>> pairs = ListCorpus([("ab", "ba"), ("a", "a")])
        >>> sizes = TranslateSettings(tokenizer="chars", hidden=8, embedding=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     data, run = TranslateData(pairs, pairs), Path(folder, "run")
        ...     _ = train(unspool.cells.GRUCell, data, sizes, TrainSettings(max_steps=1), run)
        ...     m = unspool.load(run)
        >>> len(m.translate(["ab", "b"])), m.encode(["ab"]).shape
        (2, torch.Size([1, 16]))
    """
    paths = paths_of(run)
    if not paths:
        raise ConfigError("no run was given; expected a run folder, or a list of them")
    if isinstance(cells, type):
        raise ConfigError(f"cells is the class {cells.__name__}; expected a list: cells=[{cells.__name__}]")
    if not isinstance(cells, Sequence) or not all(isinstance(cell, type) for cell in cells):
        raise ConfigError(f"cells is {cells!r}; expected a list of your own cell classes: cells=[MyCell]")
    runs = [Run.open(path) for path in paths]
    tasks = {str(opened.config.get("task")): opened for opened in runs}
    for task, opened in tasks.items():
        if task not in MODELS:
            raise RunError(f"{opened.path} holds the task {task!r}; this version knows: {', '.join(MODELS)}")
    if len(tasks) > 1:
        raise ConfigError(f"the runs are of several tasks ({', '.join(tasks)}); an ensemble needs runs of one")
    (task,) = tasks
    model = getattr(importlib.import_module(f"unspool.tasks.{task}"), MODELS[task])
    return model(runs, cells)
