"""What a training that cannot write its run says: what is safe on the disk, and how to go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from unspool.errors import RunError
from unspool.train.checkpoint import latest_checkpoint
from unspool.train.files import NotWritten
from unspool.train.run import Run


@contextlib.contextmanager
def kept_said(run: Run) -> Iterator[None]:
    """Turn the body's `NotWritten` into a `RunError` that says which checkpoint of the run there is to go on from."""
    try:
        yield
    except NotWritten as error:
        last = latest_checkpoint(run.checkpoints_path)
        if last is None:
            advice = (
                f"No checkpoint had been written to {run.path} yet; {error.remedy} and start again with --force, or "
                "choose another --out"
            )
        else:
            advice = f"The checkpoint {last} is untouched; {error.remedy} and go on from it with --resume"
        raise RunError(f"{error.what}. {advice}") from error
