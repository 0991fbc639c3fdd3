"""Decoding against exhaustive search on toys whose next symbol depends on the source and on two symbols before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool.cells.state import Tree
from unspool.decode import Ensemble, Hypothesis, Limits, Ranking, beam, greedy, sample
from unspool.errors import ConfigError, UnspoolError

START, END, SYMBOLS = 0, 1, 5


class Toy:
    """log p(next | source row, two symbols before) from a random table `[rows, V, V, V]`."""

    start_symbol, end_symbol = START, END

    def __init__(self, seed: int, rows: int = 3) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.log_softmax(2 * torch.randn(rows, SYMBOLS, SYMBOLS, SYMBOLS, generator=generator), 3)

    def start(self, source: Tensor) -> Tree:
        return {"row": source, "before": torch.zeros_like(source), "weights": torch.zeros(len(source), 3)}

    def step(self, token: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        scores = self.table[state["row"], state["before"], token]
        weights = torch.nn.functional.one_hot(token % 3, 3).float() * 0.5 + 0.5 / 3
        return scores, {"row": state["row"], "before": token, "weights": weights}

    def attention(self, state: Tree) -> Tensor | None:
        return state["weights"]


def exhaustive(toy: Toy, row: int, longest: int, ranking: Ranking) -> list[tuple[float, tuple[int, ...]]]:
    """Every sequence that ends within the limit, by its score."""
    found = []
    for length in range(longest + 1):
        for symbols in itertools.product([s for s in range(SYMBOLS) if s not in (START, END)], repeat=length):
            path, total, coverage = (START, START, *symbols, END), 0.0, torch.zeros(3)
            for before, last, following in zip(path, path[1:], path[2:], strict=False):
                total += float(toy.table[row, before, last, following])
                coverage += toy.step(torch.tensor([last]), toy.start(torch.tensor([row])))[1]["weights"][0]
            found.append((ranking.score(total, length + 1, coverage), symbols))
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))


@pytest.mark.parametrize("ranking", [Ranking(), Ranking(1.0), Ranking(0.6, 0.3)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_as_wide_as_the_tree_is_exhaustive_search(seed: int, ranking: Ranking) -> None:
    toy, longest = Toy(seed), 4
    found = beam(toy, torch.arange(3), Limits(longest, banned=(START,)), width=500, n_best=5, ranking=ranking)
    for row, best in enumerate(found):
        expected = exhaustive(toy, row, longest, ranking)[:5]
        assert [h.tokens for h in best] == [symbols for _, symbols in expected]
        assert [h.score for h in best] == pytest.approx([score for score, _ in expected], rel=1e-5)
        assert all(h.finished for h in best)


@given(seed=st.integers(0, 10**6), longest=st.integers(1, 7), least=st.integers(0, 7), ngram=st.integers(0, 2))
@settings(max_examples=60)
def test_a_beam_of_one_is_greedy(seed: int, longest: int, least: int, ngram: int) -> None:
    toy, limits = Toy(seed), Limits(longest, min(least, longest), (START,), ngram)
    one = [best[0] for best in beam(toy, torch.arange(3), limits, width=1, ranking=Ranking(0.7))]
    for a, b in zip(one, greedy(toy, torch.arange(3), limits), strict=True):
        assert (a.tokens, a.log_probs, a.finished) == (b.tokens, b.log_probs, b.finished)


def certain(*symbols: int, of: float = 1 - 1e-9) -> Toy:
    """A toy that writes `symbols`, then the end symbol, each with probability `of`."""
    toy = Toy(0, rows=1)
    toy.table[:] = math.log(1 / SYMBOLS)
    path = (START, START, *symbols, END)
    for before, last, following in zip(path, path[1:], path[2:], strict=False):
        toy.table[0, before, last] = math.log((1 - of) / (SYMBOLS - 1)) if of < 1 else -torch.inf
        toy.table[0, before, last, following] = math.log(of)
    return toy


@pytest.mark.parametrize("least", [0, 3])
@pytest.mark.parametrize("way", range(3))
def test_an_answer_of_exactly_the_longest_length_is_finished(way: int, least: int) -> None:
    (h,) = ways()[way](certain(2, 3, 4), torch.tensor([0]), Limits(3, least))
    assert (h.tokens, h.finished) == ((2, 3, 4), True)
    assert len(h.log_probs) == 4 and sum(h.log_probs) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("way", range(3))
def test_at_the_longest_length_the_end_is_written_at_its_own_log_probability(way: int) -> None:
    toy = certain(2, 3, 4, 2, of=0.999)
    (h,) = ways()[way](toy, torch.tensor([0]), Limits(3, 3))
    assert (h.tokens, h.finished) == ((2, 3, 4), True)
    assert list(h.log_probs) == pytest.approx([*[math.log(0.999)] * 3, math.log(0.001 / 4)], rel=1e-4)


@pytest.mark.parametrize("way", range(3))
def test_what_nothing_may_follow_is_not_finished(way: int) -> None:
    (h,) = ways()[way](certain(2, 3, 4, of=1.0), torch.tensor([0]), Limits(2))
    assert (h.tokens, h.log_probs, h.finished) == ((2, 3), (0.0, 0.0), False)
    for h in ways()[way](Toy(3), torch.arange(3), Limits(6, 5, (START,), no_repeat_ngram=1)):
        assert sorted(h.tokens) == [2, 3, 4] and len(h.log_probs) == 3 and not h.finished


def test_a_hypothesis_that_cannot_go_on_leaves_its_slot_to_another() -> None:
    toy = Toy(0, rows=1)
    toy.table[:] = -torch.inf  # nothing follows 2, the likeliest; 3 2 is likelier than 3 4, but its end is not
    for path, p in (((START, START, 2), 0.6), ((START, START, 3), 0.4), ((START, 3, 2), 0.6), ((START, 3, 4), 0.4)):
        toy.table[0][path] = math.log(p)
    toy.table[0, 3, 2, END], toy.table[0, 3, 4, END] = math.log(0.1), 0
    (best,) = beam(toy, torch.tensor([0]), Limits(2), width=2, n_best=1)[0]
    assert (best.tokens, best.finished) == ((3, 4), True)
    assert best.score == pytest.approx(math.log(0.16))


def ways() -> list[Callable[[Any, Tensor, Limits], list[Hypothesis]]]:
    return [
        greedy,
        lambda toy, source, limits: sample(toy, source, limits, seed=3),
        lambda toy, source, limits: [best[0] for best in beam(toy, source, limits, width=3, ranking=Ranking(0.5, 0.1))],
    ]


@pytest.mark.parametrize("way", range(3))
def test_a_batch_gives_what_each_row_gives_alone(way: int) -> None:
    decode, toy = ways()[way], Toy(5)
    rows = [0] if way == 1 else [0, 1, 2]  # a sampled row draws by its position, so only the first can stand alone
    together = decode(toy, torch.tensor([*rows, 2, 1]), Limits(6))
    for position, row in enumerate(rows):
        assert decode(toy, torch.tensor([row]), Limits(6))[0].tokens == together[position].tokens


@pytest.mark.parametrize("way", range(3))
def test_limits_hold(way: int) -> None:
    decode, toy = ways()[way], Toy(7)
    found = decode(toy, torch.tensor([0, 1, 2]), Limits([2, 5, 9], 2, banned=(START, 4)))
    for h, longest in zip(found, (2, 5, 9), strict=True):
        assert 2 <= len(h.tokens) <= longest and 4 not in h.tokens and START not in h.tokens
        assert len(h.log_probs) == len(h.tokens) + 1 and h.finished
    assert decode(toy, torch.empty(0, dtype=torch.int64), Limits(3)) == []


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("n", [1, 2])
def test_no_ngram_occurs_twice(way: int, n: int) -> None:
    for h in ways()[way](
        Toy(9), torch.tensor([0, 1, 2]), Limits(3 if n == 1 else 8, banned=(START,), no_repeat_ngram=n)
    ):
        grams = list(zip(*(h.tokens[i:] for i in range(n)), strict=False))
        assert len(set(grams)) == len(grams)


def test_log_probs_are_the_models() -> None:
    toy = Toy(11)
    for h in ways()[2](toy, torch.tensor([1]), Limits(5)):
        path = (START, START, *h.tokens, END)
        expected = [float(toy.table[1][a, b, c]) for a, b, c in zip(path, path[1:], path[2:], strict=False)]
        assert list(h.log_probs) == pytest.approx(expected)


def test_sampling_follows_the_distribution_and_its_seed() -> None:
    toy, source = Toy(13), torch.zeros(4000, dtype=torch.int64)
    first = [h.tokens[:1] for h in sample(toy, source, Limits(1), seed=1)]
    assert first == [h.tokens[:1] for h in sample(toy, source, Limits(1), seed=1)]
    assert first != [h.tokens[:1] for h in sample(toy, source, Limits(1), seed=2)]
    p = toy.table[0, START, START].exp()
    for symbol in (2, 3, 4):
        share = sum(tokens == (symbol,) for tokens in first) / 4000
        assert abs(share - float(p[symbol])) < 4 * math.sqrt(0.25 / 4000)


def test_a_stream_is_all_that_a_sample_depends_on() -> None:
    toy, limits = Toy(13), Limits(6)
    many = sample(toy, torch.zeros(300, dtype=torch.int64), limits, seed=1)
    part = sample(toy, torch.zeros(100, dtype=torch.int64), limits, seed=1, streams=[(i,) for i in range(200, 300)])
    assert part == many[200:]
    again = sample(toy, torch.zeros(100, dtype=torch.int64), limits, seed=1, streams=[(i, 1) for i in range(100)])
    assert again != many[:100]
    assert many[:100] != many[100:200] != many[200:]


def test_top_k_and_top_p_cut_the_tail() -> None:
    choices: dict[str, Any]
    toy, source = Toy(17), torch.zeros(500, dtype=torch.int64)
    ranked = toy.table[0, START, START].sort(descending=True)
    for choices, allowed in (
        ({"top_k": 2}, 2),
        ({"top_p": float(ranked.values[:2].exp().sum()) - 1e-4}, 2),
        ({"top_p": 1e-9}, 1),
    ):
        drawn = {(*h.tokens, END)[0] for h in sample(toy, source, Limits(1), seed=1, **choices)}
        assert drawn == set(ranked.indices[:allowed].tolist())


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-40, 1e-20])
def test_temperature_zero_is_greedy_and_so_is_one_near_it(temperature: float) -> None:
    limits = Limits(6, banned=(0, 1), min_length=2)
    drawn = sample(Toy(1), torch.arange(3), limits, seed=0, temperature=temperature)
    assert drawn == greedy(Toy(1), torch.arange(3), limits)


def test_an_ensemble_averages_probabilities() -> None:
    toys = [Toy(1), Toy(2)]
    mean = Toy(1)
    mean.table = (toys[0].table.exp() / 2 + toys[1].table.exp() / 2).log()
    source = torch.arange(3)
    one = beam(mean, source, Limits(5), width=4, n_best=3)
    two = beam(Ensemble(toys), (source, source), Limits(5), width=4, n_best=3)
    assert [[h.tokens for h in best] for best in one] == [[h.tokens for h in best] for best in two]


@pytest.mark.parametrize("seen", [0.0, 1e-30, 1e-6])
def test_coverage_has_a_floor(seen: float) -> None:
    score = Ranking(coverage_penalty=2.0).score(-1.0, 1, torch.tensor([seen, 0.5, 3.0]))
    assert score == pytest.approx(-1 + 2 * (math.log(1e-6) + math.log(0.5)))


class Padded(Toy):
    """A toy that attends to the first `row + 1` of three source steps, and to no other."""

    def step(self, token: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        scores, after = super().step(token, state)
        return scores, {**after, "weights": torch.eye(3)[token % (1 + state["row"])]}


def test_coverage_leaves_padding_out() -> None:
    toy, ranking = Padded(2), Ranking(coverage_penalty=0.5)
    mask = torch.ones(3, 3).tril().bool()
    together = beam(toy, torch.arange(3), Limits(4), width=4, n_best=2, ranking=ranking, mask=mask, keep_attention=True)
    for row, best in enumerate(together):
        for h in best:
            assert h.attention is not None
            seen = h.attention.sum(0)[: row + 1].clamp(1e-6, 1)
            assert h.score == pytest.approx(sum(h.log_probs) + 0.5 * float(seen.log().sum()), abs=1e-5)
    assert together[0][0].score == pytest.approx(sum(together[0][0].log_probs))


class Blind(Toy):
    def attention(self, state: Tree) -> Tensor | None:
        return None


def test_a_coverage_penalty_without_attention_is_refused() -> None:
    source, ranking = torch.arange(2), Ranking(coverage_penalty=0.1)
    with pytest.raises(ConfigError, match=r"coverage_penalty is 0\.1, but the model .* has no attention"):
        beam(Blind(1), source, Limits(3), ranking=ranking)
    with pytest.raises(ConfigError, match="member of the ensemble"):
        beam(Ensemble([Toy(1), Blind(2)]), (source, source), Limits(3), ranking=ranking)


def test_attention_has_a_row_for_each_symbol() -> None:
    for h in [greedy(Toy(3), torch.arange(2), Limits(4), keep_attention=True)[0]] + beam(
        Toy(3), torch.arange(2), Limits(4), width=3, keep_attention=True
    )[0]:
        assert h.attention is not None and h.attention.shape == (len(h.log_probs), 3)


def test_nan_is_named_with_its_step() -> None:
    toy = Toy(1)
    toy.table[:] = float("nan")
    for decode in ways():
        with pytest.raises(UnspoolError, match="NaN as a log-probability at symbol 1"):
            decode(toy, torch.arange(2), Limits(3))


def test_wrong_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_best"):
        beam(Toy(1), torch.arange(1), Limits(3), width=2, n_best=3)
    with pytest.raises(ConfigError, match="above max_length"):
        Limits(3, 4)
    with pytest.raises(ConfigError, match="one a sentence"):
        greedy(Toy(1), torch.arange(2), Limits([3]))
    with pytest.raises(ConfigError, match="temperature"):
        sample(Toy(1), torch.arange(1), Limits(3), seed=0, temperature=-1)
    with pytest.raises(ConfigError, match="seed -1"):
        sample(Toy(1), torch.arange(1), Limits(3), seed=-1)
    with pytest.raises(ConfigError, match="length_penalty is -1"):
        Ranking(-1)
