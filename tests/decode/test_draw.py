"""Draws of single symbols."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from unspool.decode.draw import Draw

P = torch.tensor([0.05, 0.5, 0.15, 0.3])


def shares(options: dict[str, Any]) -> list[float]:
    draw = Draw(seed=3, **options)
    found = Counter(draw(P.log()) for _ in range(4000))
    return [found[i] / 4000 for i in range(4)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, P),
        ({"temperature": 0.5}, P.square() / P.square().sum()),
        ({"top_k": 2}, torch.tensor([0, 5, 0, 3]) / 8),
        ({"top_p": 0.75}, torch.tensor([0, 5, 0, 3]) / 8),
        ({"temperature": 0.0}, torch.tensor([0.0, 1, 0, 0])),
        ({"temperature": 1e-40}, torch.tensor([0.0, 1, 0, 0])),
    ],
    ids=str,
)
def test_symbols_come_as_often_as_they_should(options: dict[str, Any], expected: torch.Tensor) -> None:
    assert shares(options) == pytest.approx(expected.tolist(), abs=0.03)


def test_the_seed_decides() -> None:
    first, again, other = (drawn(seed) for seed in (1, 1, 2))
    assert first == again != other


def drawn(seed: int) -> list[int]:
    draw = Draw(seed=seed)
    return [draw(P.log()) for _ in range(50)]
