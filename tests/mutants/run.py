"""Would the tests notice? Each mutant, a small mistake, must fail a quick part of the engine's tests.

    python tests/mutants/run.py [words of a mutant's name]

Prints, for each mutant of `mutants.py`, the first test that failed, or SURVIVED; exit status 1 if any did. A mutant
that survives asks for a test; one that means the same as the original is none and does not belong in the list.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import hypothesis  # noqa: F401  what takes long to import is there before the first fork; `unspool` must not be
import pytest
import torch  # noqa: F401
from mutants import MUTANTS

TESTS = [
    "tests/engine/test_adapter.py",
    "tests/engine/test_compiled.py::test_it_equals_the_reference",
    "tests/engine/test_compiled.py::test_attention_over_a_memory[False-before-additive]",
    "tests/engine/test_lowering.py::test_one_trace_for_any_length_of_a_memory_or_else_one_for_each",
    "tests/bench/test_own_cells.py::test_rows_that_are_done_some_at_a_time[sentinel LSTM]",
    "tests/engine/test_compiled.py::test_padding_may_hold_anything_and_strides_are_free",
    "tests/engine/test_compiled.py::test_first_and_second_derivatives[reverse-ragged-rnn]",
    "tests/engine/test_compiled.py::test_a_derivative_that_can_be_differentiated_again_is_the_same",
]


def ran(name: str) -> tuple[int, str]:
    """How pytest ended in a process of its own, and what it said."""
    with tempfile.TemporaryFile("w+") as said:
        if (pid := os.fork()) == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.environ["UNSPOOL_MUTANT"] = name
            options = ["-p", "mutants", "-p", "no:cacheprovider", "--timeout", "100", "--timeout-method", "thread"]
            status = pytest.main([*options, "-xv", "--tb=line", *TESTS])
            sys.stdout.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        return status, said.read()


def fails(name: str) -> str | None:
    """The test that notices a mutant (none: the original), or `None`."""
    status, said = ran(name)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    if status == 1 and found:
        return found[1]
    begun = re.findall(r"^tests/\S+", said, re.MULTILINE)
    if begun and (status < 0 or "Timeout" in said):
        return f"{begun[-1]} ({'crashed' if status < 0 else 'hung'})"
    if status:
        raise SystemExit(f"{name or 'without a mutant'}: pytest ended with {status}\n{said}")
    return None


def main(words: list[str]) -> int:
    os.chdir(Path(__file__).parents[2])
    if (test := fails("")) is not None:
        print(f"{test} fails without a mutant")
        return 1
    survived = 0
    for name in (name for name in MUTANTS if all(word in name for word in words)):
        test = fails(name)
        survived += test is None
        print(f"{name:60} {test or 'SURVIVED'}", flush=True)
    print(f"{survived} survived")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
