"""Examples in docstrings run as tests; they know `torch` and `unspool`."""

from importlib.util import find_spec

import pytest
import torch

import unspool

# Examples are looked for in every module; this one stands on a library that may be absent.
collect_ignore = [] if find_spec("jax") else ["src/unspool/bench/jax_cells.py"]


@pytest.fixture(autouse=True)
def names_for_examples(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(torch=torch, unspool=unspool)
