"""The linear-chain CRF beside a sum over all rows of tags, one by one."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool.layers.crf import LinearChain, viterbi

DTYPES = st.sampled_from([torch.float32, torch.float64])


def made(tags: int, lengths: list[int], seed: int, dtype: torch.dtype) -> tuple[LinearChain, Tensor, Tensor]:
    """A chain with random parameters, scores with NaN past each row's end, and lengths."""
    generator = torch.Generator().manual_seed(seed)
    chain = LinearChain(tags).to(dtype)
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=dtype) * 2)
    scores = torch.randn(len(lengths), max(lengths), tags, generator=generator, dtype=dtype) * 2
    for row, length in enumerate(lengths):
        scores[row, length:] = float("nan")
    return chain, scores, torch.tensor(lengths)


def path_score(chain: LinearChain, scores: Tensor, path: tuple[int, ...]) -> float:
    """The definition, term by term."""
    if not path:
        return 0.0
    total = float(chain.start[path[0]].detach() + chain.end[path[-1]].detach())
    total += sum(float(scores[t, tag]) for t, tag in enumerate(path))
    return total + sum(float(chain.transition[a, b].detach()) for a, b in itertools.pairwise(path))


def all_paths(chain: LinearChain, scores: Tensor, length: int) -> tuple[list[tuple[int, ...]], Tensor]:
    paths = list(itertools.product(range(scores.shape[1]), repeat=length))
    return paths, torch.tensor([path_score(chain, scores, path) for path in paths], dtype=torch.float64)


CASES = given(
    tags=st.integers(1, 4),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any),
    seed=st.integers(0, 10**6),
    dtype=DTYPES,
)


@settings(max_examples=40)
@CASES
def test_likelihood_equals_the_sum_over_all_paths(tags: int, lengths: list[int], seed: int, dtype: torch.dtype) -> None:
    chain, scores, ends = made(tags, lengths, seed, dtype)
    truth = torch.randint(tags, scores.shape[:2], generator=torch.Generator().manual_seed(seed + 1))
    found = chain.log_likelihood(scores, truth, ends).detach()
    assert found.dtype == dtype
    for row, length in enumerate(lengths):
        paths, values = all_paths(chain, scores[row], length)
        expected = values[paths.index(tuple(truth[row, :length].tolist()))] - values.logsumexp(0)
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-9 if dtype == torch.float64 else 2e-4)


@settings(max_examples=40)
@CASES
def test_marginals_and_best_path_equal_those_of_all_paths(
    tags: int, lengths: list[int], seed: int, dtype: torch.dtype
) -> None:
    chain, scores, ends = made(tags, lengths, seed, dtype)
    marginals = chain.marginals(scores, ends)
    best = viterbi(scores, ends, start=chain.start, transition=chain.transition, end=chain.end)
    for row, length in enumerate(lengths):
        paths, values = all_paths(chain, scores[row], length)
        share = values.softmax(0)
        expected = torch.zeros(scores.shape[1], tags, dtype=torch.float64)
        for path, probability in zip(paths, share, strict=True):
            for t, tag in enumerate(path):
                expected[t, tag] += probability
        torch.testing.assert_close(marginals[row].double(), expected, atol=1e-4, rtol=0)
        assert best[row, length:].eq(0).all()
        taken = path_score(chain, scores[row], tuple(best[row, :length].tolist()))
        assert taken == pytest.approx(float(values.max()), abs=1e-4)


def test_gradients() -> None:
    chain, scores, lengths = made(3, [4, 1, 3], 0, torch.float64)
    scores = scores.nan_to_num(0.5).requires_grad_()
    truth = torch.randint(3, (3, 4), generator=torch.Generator().manual_seed(2))

    def likelihood(scores: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(("start", "transition", "end"), parameters, strict=True))
        return torch.func.functional_call(Likelihood(chain), {f"chain.{n}": p for n, p in named.items()}, (
            scores, truth, lengths))  # fmt: skip

    torch.autograd.gradcheck(likelihood, (scores, chain.start, chain.transition, chain.end))


class Likelihood(torch.nn.Module):
    def __init__(self, chain: LinearChain) -> None:
        super().__init__()
        self.chain = chain

    def forward(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        return self.chain.log_likelihood(scores, tags, lengths)


def test_nan_in_padding_leaks_into_no_gradient() -> None:
    chain, scores, lengths = made(3, [4, 1, 0], 1, torch.float32)
    scores.requires_grad_()
    truth = torch.full((3, 4), -1)
    truth[0], truth[1, 0] = torch.tensor([0, 1, 2, 0]), 2
    chain.log_likelihood(scores, truth, lengths).sum().backward()
    gradients = [scores.grad, *(parameter.grad for parameter in chain.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert scores.grad is not None and scores.grad[1, 1:].eq(0).all() and scores.grad[2].eq(0).all()
    assert scores.grad[0].abs().sum() > 0


def test_no_step_at_all() -> None:
    chain, scores, none = LinearChain(3), torch.zeros(2, 0, 3), torch.zeros(2, dtype=torch.long)
    assert chain.log_likelihood(scores, none.new_zeros(2, 0), none).tolist() == [0, 0]
    assert viterbi(scores, none, start=chain.start, transition=chain.transition, end=chain.end).shape == (2, 0)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    chain, scores, lengths = made(4, [6, 3], 3, torch.float64)
    truth = torch.randint(4, (2, 6), generator=torch.Generator().manual_seed(0))
    both = chain.log_likelihood(scores, truth, lengths)
    alone = chain.log_likelihood(scores[1:, :3], truth[1:, :3], lengths[1:])
    torch.testing.assert_close(both[1:], alone)
