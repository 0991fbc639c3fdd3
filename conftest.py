"""Examples in docstrings run as tests; they know `torch` and `unspool`."""

from importlib.util import find_spec

import pytest
import torch

import unspool

# Examples are looked for in every module; these stand on a library that may be absent.
collect_ignore_glob = [] if find_spec("jax") else ["src/unspool/bench/jax_*.py"]


@pytest.fixture(autouse=True)
def names_for_examples(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(torch=torch, unspool=unspool)
