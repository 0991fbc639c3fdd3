"""One hypothesis a sentence: greedy decoding and sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unspool.cells.state import select_rows
from unspool.decode.limits import Hypothesis, Limits, device_of, rows_of
from unspool.decode.protocol import StepModel
from unspool.errors import ConfigError


def greedy(model: StepModel, source: Any, limits: Limits, *, keep_attention: bool = False) -> list[Hypothesis]:
    """The most probable symbol at every step, for each sentence of `source`; of equals, the lowest."""
    return _follow(model, source, limits, lambda scores, _: scores.argmax(1), keep_attention)


def sample(
    model: StepModel,
    source: Any,
    limits: Limits,
    *,
    seed: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    keep_attention: bool = False,
) -> list[Hypothesis]:
    """A symbol drawn at every step from softmax(log p / temperature), for each sentence of `source`.

    Each sentence draws from a stream of random numbers of its own, so its result depends on the seed and its
    position in the batch, not on its neighbours.

    Args:
        seed: same seed, same result.
        temperature: below 1 sharpens, above 1 flattens; 0 is greedy decoding.
        top_k: draw among the k most probable symbols; 0 among all.
        top_p: draw among the most probable symbols that together reach this probability (Holtzman et al. 2020,
            https://arxiv.org/abs/1904.09751).
    """
    if temperature < 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ConfigError(
            f"temperature is {temperature}, top_k {top_k}, top_p {top_p}; expected at least 0, at least 0, and above 0 "
            "up to 1"
        )
    if temperature == 0:
        return greedy(model, source, limits, keep_attention=keep_attention)
    streams: dict[int, torch.Generator] = {}

    def draw(scores: Tensor, rows: Tensor) -> Tensor:
        uniform = torch.empty(len(rows), dtype=torch.float64)
        for i, row in enumerate(rows.tolist()):
            if row not in streams:
                streams[row] = torch.Generator().manual_seed((seed * 1_000_003 + row) % 2**63)
            uniform[i] = torch.rand((), generator=streams[row], dtype=torch.float64)
        return _draw(scores / temperature, top_k, top_p, uniform.to(scores.device))

    return _follow(model, source, limits, draw, keep_attention)


def _draw(scores: Tensor, top_k: int, top_p: float, uniform: Tensor) -> Tensor:
    """The symbol at which the cumulated probability of each row passes `uniform` `[R]`."""
    ranked, symbols = scores.sort(dim=1, descending=True, stable=True)
    if top_k:
        ranked[:, top_k:] = -torch.inf
    p = torch.softmax(ranked.double(), 1)
    before = p.cumsum(1) - p
    p = p.masked_fill(before >= top_p, 0)
    reached = p.cumsum(1) >= uniform.unsqueeze(1) * p.sum(1, keepdim=True)
    # The first symbol that reaches it; the most probable one can always be drawn.
    return symbols.gather(1, (reached & (p > 0)).double().argmax(1, keepdim=True)).squeeze(1)


@torch.no_grad()
def _follow(
    model: StepModel, source: Any, limits: Limits, choose: Callable[[Tensor, Tensor], Tensor], keep_attention: bool
) -> list[Hypothesis]:
    state = model.start(source)
    batch, device = rows_of(state), device_of(state)
    longest = limits.per_row(batch)
    rows = torch.arange(batch)
    tokens = torch.empty(batch, 0, dtype=torch.int64, device=device)
    log_probs = torch.empty(batch, 0, device=device)
    kept: list[Tensor] = []
    done: dict[int, Hypothesis] = {}
    while len(rows):
        last = tokens[:, -1] if tokens.shape[1] else tokens.new_full((len(rows),), model.start_symbol)
        scores, state = model.step(last, state)
        chosen = choose(limits.forbid(scores, tokens, model.end_symbol), rows)
        log_probs = torch.cat([log_probs, scores.gather(1, chosen.unsqueeze(1))], 1)
        tokens = torch.cat([tokens, chosen.unsqueeze(1)], 1)
        weights = model.attention(state) if keep_attention else None
        kept = kept if weights is None else [*kept, weights]
        ended = (chosen == model.end_symbol).cpu()
        leaving = ended | (longest[rows] <= tokens.shape[1])
        for i in torch.nonzero(leaving).flatten().tolist():
            done[int(rows[i])] = _hypothesis(tokens[i], log_probs[i], bool(ended[i]), [w[i] for w in kept])
        if leaving.any():
            staying = torch.nonzero(~leaving).flatten()
            rows = rows[staying]
            tokens, log_probs, state, kept = select_rows((tokens, log_probs, state, kept), staying)
            kept = list(kept)
    return [done[row] for row in range(batch)]


def _hypothesis(tokens: Tensor, log_probs: Tensor, finished: bool, kept: list[Tensor]) -> Hypothesis:
    symbols, scores = tokens.tolist(), log_probs.tolist()
    attention = torch.stack(kept).cpu() if kept else None
    return Hypothesis(tuple(symbols[: len(symbols) - finished]), sum(scores), tuple(scores), finished, attention)
