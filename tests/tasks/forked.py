"""`unspool …` as a process of its own, forked from one that has imported everything: it starts at once, where a fresh
interpreter takes seconds. Tests of the start itself, of signals and of closed streams call a fresh one."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from unspool.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["unspool.cli", "torch._dynamo", "torch.export._trace"])  # what a first trace imports


def unspool(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[bytes]:
    """The command with `arguments`, to its end: its exit status, and what it wrote to stdout and stderr."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        told = ["unspool", *map(str, arguments)]
        process = _CONTEXT.Process(target=_command, args=(told, streams, cwd or Path.cwd()))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{' '.join(told)} did not end within {timeout} s: {streams[2].read_text()}")
        return subprocess.CompletedProcess(told, process.exitcode, *(path.read_bytes() for path in streams[1:]))


def _command(arguments: list[str], streams: list[Path], cwd: Path) -> None:
    for number, (path, how) in enumerate(zip(streams, ("r", "w", "w"), strict=True)):
        with open(path, how) as file:
            os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (open(number, how) for number, how in enumerate(("r", "w", "w")))  # noqa: SIM115
    os.chdir(cwd)
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.argv = arguments
    main()
