"""Beam search: the best sequences, not the best symbols one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unspool.cells.state import Tree, select_rows
from unspool.decode.limits import Hypothesis, Limits, device_of, rows_of
from unspool.decode.protocol import StepModel
from unspool.errors import ConfigError

COVERAGE_FLOOR = 1e-6
"""Attention below which a source position counts as not seen: log 0 would outweigh everything else."""


@dataclass(frozen=True)
class Ranking:
    """How hypotheses compare (Wu et al. 2016, https://arxiv.org/abs/1609.08144, equation 14)::

    score(Y) = log p(Y) / lp(Y) + cp(Y)
    lp(Y) = ((5 + |Y|) / 6)^length_penalty                      |Y| symbols, the end symbol included
    cp(Y) = coverage_penalty · Σ_s log min(max(Σ_t a_ts, 1e-6), 1)     a_ts: attention of symbol t to source step s

    Example:
        >>> Ranking(length_penalty=1.0).score(-7.0, 9, None)
        -3.0
    """

    length_penalty: float = 0.0
    coverage_penalty: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.length_penalty < math.inf and 0 <= self.coverage_penalty < math.inf):
            raise ConfigError(
                f"length_penalty is {self.length_penalty}, coverage_penalty {self.coverage_penalty}; expected at least "
                "0, and finite"
            )

    def normaliser(self, length: int) -> float:
        return ((5 + length) / 6) ** self.length_penalty

    def score(self, total: float, length: int, coverage: Tensor | None) -> float:
        """Score of log p = `total` over `length` symbols; `coverage` `[S]`: Σ_t a_ts of the valid source steps."""
        value = total / self.normaliser(length)
        if self.coverage_penalty and coverage is not None:
            value += self.coverage_penalty * float(coverage.clamp(COVERAGE_FLOOR, 1).log().sum())
        return value


@dataclass
class _Beams:
    """The live hypotheses of the sentences that are still open: `B` sentences × `W` slots, rows in that order."""

    rows: list[int]
    totals: Tensor  # [B, W] log p so far; -inf marks an empty slot
    tokens: Tensor  # [B·W, t]
    log_probs: Tensor  # [B·W, t]
    state: Tree
    attention: Tensor | None  # [B·W, t, S], kept if needed
    mask: Tensor | None  # [all sentences, S], true at valid source steps
    done: dict[int, list[Hypothesis]] = field(default_factory=dict)


@torch.no_grad()
def beam(
    model: StepModel,
    source: Any,
    limits: Limits,
    *,
    width: int = 5,
    n_best: int = 1,
    ranking: Ranking | None = None,
    mask: Tensor | None = None,
    keep_attention: bool = False,
) -> list[list[Hypothesis]]:
    """The `n_best` best sequences of each sentence, best first, among those that a beam of `width` meets.

    At each step the best continuations fill the open slots of a sentence. One that ends keeps its slot for good, so
    a beam of 1 is greedy decoding. A sentence is done when no slot is open, or when nothing open can overtake the n
    best. What nothing may follow is returned as not finished, after all finished ones.

    Args:
        model: scores the next symbol.
        source: what `model.start` takes.
        limits: what a sequence may look like.
        width: slots a sentence.
        n_best: sequences returned for a sentence, fewer if there are no more.
        ranking: how sequences compare; by log p if not given.
        mask: `[B, S]`, true at the valid source steps, for the coverage penalty; all are valid if not given.
        keep_attention: return attention weights with each sequence.

    Raises:
        ConfigError: `n_best` above `width`, or a coverage penalty for a model without attention.

    Example:
        >>> from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
        >>> model = EncoderDecoder(unspool.cells.GRUCell, EncoderDecoderConfig(20, 30, embedding=8, hidden=8)).eval()
        >>> source = (torch.randint(3, 20, (2, 5)), torch.tensor([5, 3]))
        >>> [len(best) for best in beam(model, source, Limits(max_length=6), width=4, n_best=2)]
        [2, 2]
    """
    if not 1 <= n_best <= width:
        raise ConfigError(
            f"n_best is {n_best} and the beam's width {width}; expected 1 ≤ n_best ≤ width (widen the beam)"
        )
    ranking = ranking or Ranking()
    beams = _begin(model, source, width, mask)
    longest = limits.per_row(len(beams.rows))
    keep = keep_attention or ranking.coverage_penalty > 0
    while beams.rows:
        scores, state = _step(model, beams)
        slots = longest[beams.rows].repeat_interleave(width)
        allowed = limits.forbid(scores, beams.tokens, slots, model.end_symbol)
        _retire_stuck(beams, allowed, ranking, width)
        parents = _extend(beams, scores, allowed, state, width)
        _attend(model, beams, parents, ranking, keep=keep)
        _retire_ended(model.end_symbol, beams, ranking, width)
        _close_sentences(beams, longest.tolist(), ranking, width, n_best)
    return [_ranked(beams.done[row], n_best, keep_attention) for row in range(len(longest))]


def _begin(model: StepModel, source: Any, width: int, mask: Tensor | None) -> _Beams:
    state = model.start(source)
    batch, device = rows_of(state), device_of(state)
    totals = torch.full((batch, width), -torch.inf, device=device)
    totals[:, 0] = 0
    state = select_rows(state, torch.arange(batch).repeat_interleave(width))
    tokens = torch.empty(batch * width, 0, dtype=torch.int64, device=device)
    done: dict[int, list[Hypothesis]] = {row: [] for row in range(batch)}
    valid = None if mask is None else mask.cpu()
    return _Beams(list(range(batch)), totals, tokens, tokens.float(), state, None, valid, done)


def _step(model: StepModel, beams: _Beams) -> tuple[Tensor, Tree]:
    tokens = beams.tokens
    last = tokens[:, -1] if tokens.shape[1] else tokens.new_full((len(tokens),), model.start_symbol)
    return model.step(last, beams.state)


def _extend(beams: _Beams, scores: Tensor, allowed: Tensor, state: Tree, width: int) -> Tensor:
    """Keep the best `width` continuations of each sentence; returns the row that each one continues."""
    batch, symbols = len(beams.rows), scores.shape[1]
    candidates = (beams.totals.unsqueeze(2) + allowed.view(batch, width, symbols)).view(batch, -1)
    # A stable order among equals: topk finds the values, sorting by (value, position) orders them.
    beams.totals, positions = candidates.topk(min(width, candidates.shape[1]), 1)
    positions, order = positions.sort(1)
    beams.totals, order = beams.totals.gather(1, order).sort(dim=1, descending=True, stable=True)
    positions = positions.gather(1, order)
    if positions.shape[1] < width:
        missing = width - positions.shape[1]
        beams.totals = torch.nn.functional.pad(beams.totals, (0, missing), value=-torch.inf)
        positions = torch.nn.functional.pad(positions, (0, missing))
    parents = (positions // symbols + torch.arange(batch, device=positions.device).unsqueeze(1) * width).flatten()
    chosen = (positions % symbols).flatten()
    beams.tokens = torch.cat([beams.tokens[parents], chosen.unsqueeze(1)], 1)
    beams.log_probs = torch.cat([beams.log_probs[parents], scores[parents, chosen].unsqueeze(1)], 1)
    beams.state = select_rows(state, parents)
    return parents


def _attend(model: StepModel, beams: _Beams, parents: Tensor, ranking: Ranking, *, keep: bool) -> None:
    """Keep the attention weights of the newest symbols beside those before them."""
    weights = model.attention(beams.state) if keep else None
    if weights is None:
        if ranking.coverage_penalty:
            raise ConfigError(
                f"coverage_penalty is {ranking.coverage_penalty}, but the model (or a member of the ensemble) has no "
                "attention to measure coverage by; leave the penalty out, or decode with models that attend"
            )
        return
    new = weights.unsqueeze(1)
    beams.attention = new if beams.attention is None else torch.cat([beams.attention[parents], new], 1)


def _retire_stuck(beams: _Beams, allowed: Tensor, ranking: Ranking, width: int) -> None:
    """Hypotheses that nothing may follow leave as not finished; their slots become free."""
    stuck = allowed.isneginf().all(1).view(-1, width) & beams.totals.isfinite()
    for i, slot in torch.nonzero(stuck).tolist():
        beams.done[beams.rows[i]].append(_hypothesis(beams, i, i * width + slot, ranking, finished=False))
    beams.totals = beams.totals.masked_fill(stuck, -torch.inf)


def _retire_ended(end: int, beams: _Beams, ranking: Ranking, width: int) -> None:
    """Ended hypotheses leave with their slot: what ranks below the slots that remain is dropped."""
    ended_before = [sum(h.finished for h in beams.done[row]) for row in beams.rows]
    taken = torch.tensor(ended_before, device=beams.totals.device)
    surplus = torch.arange(width, device=beams.totals.device).unsqueeze(0) >= (width - taken).unsqueeze(1)
    beams.totals = beams.totals.masked_fill(surplus, -torch.inf)
    ended = (beams.tokens[:, -1].view(-1, width) == end) & beams.totals.isfinite()
    for i, slot in torch.nonzero(ended).tolist():
        beams.done[beams.rows[i]].append(_hypothesis(beams, i, i * width + slot, ranking, finished=True))
    beams.totals = beams.totals.masked_fill(ended, -torch.inf)


def _close_sentences(beams: _Beams, longest: list[int], ranking: Ranking, width: int, n_best: int) -> None:
    """Take out the sentences that are done."""
    best_open = beams.totals.amax(1).tolist()
    staying: list[int] = []
    for i, row in enumerate(beams.rows):
        if best_open[i] > -math.inf and not _decided(beams.done[row], best_open[i], longest[row], ranking, n_best):
            staying.append(i)
    if len(staying) < len(beams.rows):
        kept = torch.tensor(staying, dtype=torch.int64)
        slots = (kept.unsqueeze(1) * width + torch.arange(width)).flatten()
        beams.rows = [beams.rows[i] for i in staying]
        beams.totals = select_rows(beams.totals, kept)
        rest = (beams.tokens, beams.log_probs, beams.state, beams.attention)
        beams.tokens, beams.log_probs, beams.state, beams.attention = select_rows(rest, slots)


def _decided(done: list[Hypothesis], open_total: float, longest: int, ranking: Ranking, n_best: int) -> bool:
    """No open hypothesis can overtake: log p only falls, and the penalties are kindest at the length limit."""
    finished = sorted((h.score for h in done if h.finished), reverse=True)
    return len(finished) >= n_best and finished[n_best - 1] >= open_total / ranking.normaliser(longest + 1)


def _hypothesis(beams: _Beams, i: int, row: int, ranking: Ranking, *, finished: bool) -> Hypothesis:
    """The hypothesis in `row`, of the i-th open sentence."""
    symbols, scores = beams.tokens[row].tolist(), beams.log_probs[row].tolist()
    attention = None if beams.attention is None else beams.attention[row].cpu()
    coverage = None if attention is None else attention.sum(0)
    if coverage is not None and beams.mask is not None:
        coverage = coverage[beams.mask[beams.rows[i]]]
    score = ranking.score(sum(scores), len(symbols), coverage)
    return Hypothesis(tuple(symbols[: len(symbols) - finished]), score, tuple(scores), finished, attention)


def _ranked(found: list[Hypothesis], n_best: int, keep_attention: bool) -> list[Hypothesis]:
    ranked = sorted(found, key=lambda h: (not h.finished, -h.score, h.tokens))[:n_best]
    if keep_attention:
        return ranked
    return [Hypothesis(h.tokens, h.score, h.log_probs, h.finished) for h in ranked]
