"""`unspool …`, or a script, as a process of its own, forked from one that has imported everything: it starts at
once, where a fresh interpreter takes seconds. Tests of the start itself, and of streams closed before it, call a fresh
one."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from unspool.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["unspool.cli", "torch._dynamo", "torch.export._trace"])  # what a first trace imports
_NAMES = ("stdin", "stdout", "stderr")


def unspool(
    *arguments: object,
    stdin: bytes = b"",
    stdout: Path | None = None,
    cwd: Path | None = None,
    timeout: float = 100,
) -> subprocess.CompletedProcess[bytes]:
    """The command with `arguments`, to its end: its exit status, and what it wrote to stdout and stderr."""
    return _done(["unspool", *map(str, arguments)], None, stdin, stdout, cwd, {}, timeout)


def python(
    code: str, *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[bytes]:
    """`python -c code …`, to its end."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(code, encoding="utf-8")
        return _done([str(script), *map(str, arguments)], script, b"", None, cwd, env or {}, timeout)


def _done(
    told: list[str],
    script: Path | None,
    stdin: bytes,
    stdout: Path | None,
    cwd: Path | None,
    env: dict[str, str],
    timeout: float,
) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in _NAMES]
        streams[0].write_bytes(stdin)
        streams[1] = stdout or streams[1]
        process = _start(told, script, streams, cwd, env)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{' '.join(told)} did not end within {timeout} s: {streams[2].read_text()}")
        written = [path.read_bytes() if path.is_file() else b"" for path in streams[1:]]
        return subprocess.CompletedProcess(told, process.exitcode, *written)


class Forked:
    """The command with `arguments`, or `script`, while it runs: its streams are pipes, and the methods are those of
    `subprocess.Popen` that tests need. `joined`: `2>&1`, all that it writes comes through `stdout`."""

    def __init__(
        self,
        *arguments: object,
        script: Path | None = None,
        joined: bool = False,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in _NAMES]
            for path in streams:
                os.mkfifo(path)
            streams[2] = streams[1] if joined else streams[2]
            told = [str(script or "unspool"), *map(str, arguments)]
            self._process = _start(told, script, streams, cwd, env or {})
            # In the order in which the process opens the other ends.
            self.stdin, self.stdout = streams[0].open("wb"), streams[1].open("rb")
            self.stderr = self.stdout if joined else streams[2].open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()
        self.wait(100)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"process {self._process.pid} did not end within {timeout} s")
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def communicate(self, timeout: float = 100) -> tuple[bytes, bytes]:
        """What it wrote to its end."""
        with self, ThreadPoolExecutor(2) as pool:
            self.stdin.close()
            out, errors = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
            self.wait(timeout)
        return out, errors


def _start(
    arguments: list[str],
    script: Path | None,
    streams: list[Path],
    cwd: Path | None,
    env: dict[str, str],
) -> Any:
    """A process whose stdin, stdout and stderr are `streams`, and whose environment has `env` besides."""
    more = {"OMP_NUM_THREADS": "1", **env}
    process = _CONTEXT.Process(target=_run, args=(arguments, script, streams, cwd or Path.cwd(), more), daemon=True)
    process.start()
    return process


def _run(arguments: list[str], script: Path | None, streams: list[Path], cwd: Path, env: dict[str, str]) -> None:
    for number, (path, how) in enumerate(zip(streams, ("r", "w", "w"), strict=True)):
        if path in streams[:number]:  # it is open, and a pipe's name may be gone
            os.dup2(number - 1, number)
            continue
        with open(path, how) as file:
            os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (open(number, how) for number, how in enumerate(("r", "w", "w")))  # noqa: SIM115
    os.chdir(cwd)
    os.environ.update(env)
    sys.argv = arguments
    if script is None:
        main()
    else:
        runpy.run_path(str(script), run_name="__main__")
