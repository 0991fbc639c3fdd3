"""How a task's model comes back from its run: the config read, the network built, its weights loaded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from torch import nn

from unspool.cells import Cell
from unspool.errors import ConfigError, RunError
from unspool.train.run import Run

Model = TypeVar("Model", bound=nn.Module)


def check_task(run: Run, task: str, what: str) -> None:
    """`RunError` if the run is of another task than `task`, whose model is called `what`."""
    if (found := run.config.get("task")) != task:
        raise RunError(f"{run.path} holds a run of the task {found!r}, not {what}")


@contextlib.contextmanager
def config_read(run: Run) -> Iterator[None]:
    """Turn what the body raises over a config that was edited or cut off into a `RunError` that names it."""
    try:
        yield
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise RunError(f"{run.path / 'config.json'} is damaged ({error}); restore it from a copy") from error


def restored(run: Run, cell: type[Cell], build: Callable[[], Model]) -> Model:
    """The network that `build` makes of `cell`, with the run's weights, in eval mode.

    Raises:
        RunError: config and cell make no network, or the weights are missing, damaged or of another one.
    """
    try:
        model = build()
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{run.path / 'config.json'} makes no model of {cell.__name__} ({error}); restore it from a copy, or hand "
            "in the cell that the run was trained with"
        ) from error
    run.load_model(model)
    return model.eval()


def default_origin(run: Run, job: str, *, seed: bool = False) -> dict[str, Any]:
    """What the run says of the default job `job` that it was trained on; with `seed`, a whole number `seed` is in it.

    Raises:
        ConfigError: it was trained on other data. RunError: it does not say on what.
    """
    origin = run.config.get("origin")
    if not isinstance(origin, dict) or (seed and origin.get("job") == job and not isinstance(origin.get("seed"), int)):
        raise RunError(
            f"{run.path / 'config.json'} does not say what the run was trained on (origin); name the test files with "
            "--test, or restore the file from a copy"
        )
    if origin.get("job") != job:
        raise ConfigError(f"{run.path} was trained on files; name the test files (of evaluate: --test)")
    return origin
