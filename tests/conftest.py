"""What every test stands on: one thread a worker, uninitialised memory that shows, data that may be absent."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

# Scripts and plugins of other make targets, which no test process may import by the way.
collect_ignore = ["mutants", "sanitize"]

# A busy machine is no failure, so an example has no deadline of its own.
hypothesis.settings.register_profile("unspool", deadline=None)
hypothesis.settings.load_profile("unspool")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


def poisoned(allocate: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`allocate`, but what it leaves uninitialised is NaN (integers stay as they are: they have none)."""

    @functools.wraps(allocate)
    def wrapper(*args: object, **kwargs: object) -> Tensor:
        tensor = allocate(*args, **kwargs)
        if torch.compiler.is_compiling() or not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        with torch.no_grad():
            return tensor.fill_(float("nan"))

    return wrapper


@pytest.fixture(scope="session", autouse=True)
def poison_uninitialised_memory() -> Iterator[None]:
    """Memory that is read before it is written holds NaN, not whatever the last test left there."""
    # torch.device as a context looks up torch.empty by identity, once: let it find the real one.
    with torch.device("cpu"):
        torch.empty(0)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((torch, "empty"), (torch, "empty_like"), (Tensor, "new_empty")):
            patch.setattr(owner, name, poisoned(getattr(owner, name)))
        yield


TASKS = {
    "tag": ("tsv", "Mr NNP B-PER\nsings VBZ O\n\na DT O\n\n", []),
    "classify": ("csv", "text,label\naab,a\nbba,b\nab,a\nba,b\n", ["--tokenizer", "chars"]),
    "language": ("txt", "one two\n" * 30, []),
    "translate": ("tsv", "abc\tcba\ncab\tbac\n", ["--tokenizer", "chars"]),
}
"""Of each task the ending and the content of a small file, and options to train on it."""


@pytest.fixture(scope="session")
def every_task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each task, by its name, trained for one step on the file beside it: `tag`, `tag.tsv`, …"""
    from unspool import cli

    folder = tmp_path_factory.mktemp("every_task")
    for task, (ending, content, options) in TASKS.items():
        file = folder / f"{task}.{ending}"
        file.write_text(content)
        sizes = ["--hidden", "8", "--embedding", "8", "--max-steps", "1", *options]
        start = ["train", task, "--train", str(file), "--valid", str(file), "--out", str(folder / task), *sizes]
        done = CliRunner().invoke(cli.app, start)
        assert done.exit_code == 0, done.exception
    return folder


@pytest.fixture(scope="session")
def shared_data(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """`shared_data("multi30k")` is that folder of the data beside the checkout; the test skips where it is absent."""
    root = pytestconfig.rootpath.parent / "shared" / "data"

    def find(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"needs ../shared/data/{name}, which is absent")
        return root / name

    return find
