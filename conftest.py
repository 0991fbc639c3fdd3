"""Examples in docstrings run as tests; they know `torch` and `unspool`."""

import pytest
import torch

import unspool


@pytest.fixture(autouse=True)
def names_for_examples(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace.update(torch=torch, unspool=unspool)
