"""The ground that the tests stand on holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(3),
        lambda: torch.empty(3, dtype=torch.complex64),
        lambda: torch.empty(3, requires_grad=True),
        lambda: torch.empty_like(torch.zeros(3, dtype=torch.float64)),
        lambda: torch.zeros(3).new_empty(3),
        lambda: torch.func.vmap(torch.empty_like)(torch.zeros(2, 3)),
    ],
)
def test_uninitialised_memory_is_nan(allocate: Callable[[], Tensor]) -> None:
    assert allocate().isnan().all()


def test_device_context_still_rules_empty() -> None:
    with torch.device("meta"):
        assert torch.empty(3).device.type == "meta"


def test_absent_data_skips_and_says_which(shared_data: Callable[[str], Path]) -> None:
    with pytest.raises(pytest.skip.Exception, match="no-such-folder"):
        shared_data("no-such-folder")
