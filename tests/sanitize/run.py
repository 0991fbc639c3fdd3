"""The engine's tests on instrumented builds of the extension.

    python tests/sanitize/run.py [address|thread] [arguments of pytest]

Builds `csrc` into `build/sanitize-address` (AddressSanitizer, UndefinedBehaviorSanitizer) and `build/sanitize-thread`
(ThreadSanitizer, which knows std::thread but not OpenMP). Then runs pytest so that it, and every process below it,
loads this build instead of the installed one. Fails where a test fails, and where a sanitizer wrote a report, even in a
process whose end nobody looked at. Needs g++ with its sanitizer libraries, on Linux.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ["tests/engine", "tests/invariants"]
LEFT_OUT = {
    "address": "not elementary and not gives_its_memory_back",
    "thread": "not elementary and not gives_its_memory_back and not fork and not vectors and not baseline",
}
"""Kernels over millions of numbers; memory that is used again, which it is not here, so that its misuse shows; with
ThreadSanitizer, which starts no thread in a forked process, forks, and what takes place on one thread."""

SANITIZERS = {"address": "address,undefined", "thread": "thread"}
PRELOADED = {"address": ["libasan.so", "libubsan.so", "libstdc++.so.6"], "thread": ["libtsan.so", "libstdc++.so.6"]}
"""Instrumented code lives in an extension, so the runtime must be there before Python is; libstdc++, which the runtime
looks up as it starts, right after it."""


def built(kind: str) -> Path:
    """Build the extension; the folder that holds it."""
    folder = ROOT / "build" / f"sanitize-{kind}"
    tools = Path(sys.executable).parent
    options = {
        "CMAKE_MAKE_PROGRAM": tools / "ninja",
        "Python_EXECUTABLE": sys.executable,
        "UNSPOOL_SANITIZE": SANITIZERS[kind],
    }
    configure = [tools / "cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, *(f"-D{k}={v}" for k, v in options.items())]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CXX": "g++"})
    subprocess.run([tools / "cmake", "--build", folder], check=True)
    return folder


def environment(kind: str, folder: Path, reports: Path) -> dict[str, str]:
    """In which Python loads the build of `folder`, and reports go to files that begin with `reports`."""
    told = f"log_path={reports}"
    found = [
        subprocess.run(["g++", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in PRELOADED[kind]
    ]
    return {
        **os.environ,
        "LD_PRELOAD": ":".join(found),
        "PYTHONPATH": f"{Path(__file__).parent}:{folder}",
        "OMP_NUM_THREADS": "1",
        # Python frees little as it ends. g++ puts vectors of 64 bytes at any address when returned stacks are watched.
        "ASAN_OPTIONS": f"{told}:detect_leaks=0:detect_stack_use_after_return=0:strict_init_order=1",
        "UBSAN_OPTIONS": f"{told}:halt_on_error=1:print_stacktrace=1",
        "TSAN_OPTIONS": (
            f"{told}:suppressions={Path(__file__).with_name('thread.supp')}:ignore_noninstrumented_modules=1:"
            "die_after_fork=0:exitcode=66"
        ),
    }


def passes(kind: str, arguments: list[str]) -> bool:
    folder = built(kind)
    reports = folder / "report"
    for old in folder.glob("report.*"):
        old.unlink()
    env = environment(kind, folder, reports)
    # ThreadSanitizer wants its addresses free, which randomly placed libraries may take.
    python = ["setarch", platform.machine(), "-R", sys.executable] if kind == "thread" else [sys.executable]
    where = "import torch, unspool._engine as e; print(e.__file__)"
    loaded = subprocess.run([*python, "-c", where], env=env, cwd=ROOT, capture_output=True, text=True)
    if not loaded.stdout.startswith(str(folder)):
        raise SystemExit(f"expected the build of {folder} to be loaded, got {loaded.stdout!r}\n{loaded.stderr}")
    pytest = ["-m", "pytest", "-p", "no:faulthandler", "-p", "no:cacheprovider", "--timeout", "1800"]
    chosen = arguments or ["-k", LEFT_OUT[kind], *TESTS]
    done = subprocess.run([*python, *pytest, *chosen], env=env, cwd=ROOT)
    written = sorted(folder.glob("report.*"))
    for report in written:
        print(f"\n{report}\n{report.read_text(errors='replace')}", file=sys.stderr)
    print(f"{kind}: pytest ended with {done.returncode}, {len(written)} reports")
    return done.returncode == 0 and not written


if __name__ == "__main__":
    kinds = [sys.argv[1]] if sys.argv[1:2] and sys.argv[1] in SANITIZERS else list(SANITIZERS)
    rest = sys.argv[2:] if len(kinds) == 1 else sys.argv[1:]
    failed = [kind for kind in kinds if not passes(kind, rest)]
    sys.exit(len(failed) > 0)
