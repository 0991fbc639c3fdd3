"""Sums over rows into gradients of parameters: programs by hand, beside float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import unspool._engine as _engine  # pyright: ignore[reportMissingModuleSource]

LEFT = st.sampled_from([1, 2, 5, 12, 13, 29, 48, 60])
WIDTH = st.sampled_from([1, 3, 16, 31, 32, 33, 64, 130])


def summed(
    d: Tensor, rights: list[Tensor], subrows: int, lengths: list[int] | None, threads: int, fresh: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """The sums of d' x for each of `rights`, and of the columns of d, twice; all `[B, T, subrows · width]`."""
    rows, steps = d.shape[:2]
    M, widths = d.shape[2] // subrows, [x.shape[2] // subrows for x in rights]
    products, columns = [torch.ones(M, N) for N in widths], [torch.ones(M), torch.ones(M)]
    count = len(rights)
    tensors = [f"step 0 {d.shape[2]}", *(f"step {1 + i} {x.shape[2]}" for i, x in enumerate(rights))]
    lines = [
        f"wgrad {1 + count + i} 0 {N} {M} {N} {subrows} 0 0 {M} {1 + i} 0 {N}" for i, N in enumerate(widths)
    ] + [f"bgrad {1 + 2 * count + i} 0 {M} {subrows} 0 0 {M}" for i in range(2)]  # fmt: skip
    text = ["unspool 1 f32 backward", f"args {3 + 2 * count}", *tensors, "phase reduce", *lines]
    args = [(value.data_ptr(), value.stride(0), value.stride(1)) for value in (d, *rights)]
    args += [(value.data_ptr(), 0, 0) for value in (*products, *columns)]
    ends = None if lengths is None else torch.tensor(lengths)
    _engine.Program("\n".join(text) + "\n").run(
        args, B=rows, T=steps, tau0=0, tau1=steps, lengths=0 if ends is None else ends.data_ptr(), reverse=False,
        truncate=0, threads=threads, fresh=fresh,
    )  # fmt: skip
    return products, columns


@given(
    rows=st.integers(1, 7), steps=st.integers(1, 200), left=LEFT, widths=st.lists(WIDTH, min_size=1, max_size=6),
    subrows=st.sampled_from([1, 1, 1, 2, 7]), ragged=st.booleans(), fresh=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_every_sum_is_right_and_has_the_same_bits_on_any_number_of_threads(
    rows: int, steps: int, left: int, widths: list[int], subrows: int, ragged: bool, fresh: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    d = torch.randn(rows, steps, subrows * left)
    rights = [torch.randn(rows, steps, subrows * width) for width in widths]
    lengths = torch.randint(0, steps + 1, (rows,)).tolist() if ragged else None
    products, columns = summed(d, rights, subrows, lengths, 1, fresh)
    valid = torch.arange(steps) < torch.tensor([steps] * rows if lengths is None else lengths).unsqueeze(1)

    def flat(value: Tensor) -> np.ndarray:
        return value[valid].double().numpy().reshape(-1, value.shape[2] // subrows)

    start, count = 0.0 if fresh else 1.0, int(valid.sum()) * subrows
    # A chain takes 64 numbers, each rounded once as it is added; two are added, up to 4 such sums, and then those.
    rounding = 2.0**-24 * (min(count, 64) + min(count // 128, 4) + count // 512 + 4)

    def close(made: Tensor, left: np.ndarray, right: np.ndarray) -> bool:
        exact, size = start + left.T @ right, start + np.abs(left).T @ np.abs(right)
        return bool((np.abs(made.double().numpy() - exact) <= rounding * size).all())

    assert all(close(made, flat(d), flat(x)) for made, x in zip(products, rights, strict=True))
    assert all(close(made.unsqueeze(1), flat(d), np.ones((count, 1))) for made in columns)
    for threads in (2, 3):
        one, other = summed(d, rights, subrows, lengths, threads, fresh)
        assert all(map(torch.equal, [*one, *other], [*products, *columns]))


@pytest.mark.parametrize("subrows", [1, 600])
def test_a_column_alone_is_summed_as_one_among_many(subrows: int) -> None:
    """The path for one column gives the bits of the path for many."""
    torch.manual_seed(0)
    d, x = torch.randn(3, 5, 2 * subrows), torch.randn(3, 5, 40 * subrows)
    (both,), columns = summed(d, [x], subrows, None, 1, True)
    one = d.unflatten(2, (subrows, 2))[..., 1].contiguous()
    (alone,), column = summed(one, [x], subrows, None, 1, True)
    assert torch.equal(alone[0], both[1])
    assert torch.equal(column[0], columns[0][1:])
