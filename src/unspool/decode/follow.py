"""One hypothesis a sentence: greedy decoding and sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unspool.cells.state import select_rows
from unspool.decode.draw import drawn
from unspool.decode.limits import Hypothesis, Limits, device_of, rows_of
from unspool.decode.protocol import StepModel
from unspool.errors import ConfigError


def greedy(model: StepModel, source: Any, limits: Limits, *, keep_attention: bool = False) -> list[Hypothesis]:
    """The most probable symbol at every step, for each sentence of `source`; of equals, the lowest.

    Example:
        >>> from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
        >>> model = EncoderDecoder(unspool.cells.GRUCell, EncoderDecoderConfig(20, 30, embedding=8, hidden=8)).eval()
        >>> source = (torch.randint(3, 20, (2, 5)), torch.tensor([5, 3]))
        >>> [len(found.tokens) <= 6 for found in greedy(model, source, Limits(max_length=6))]
        [True, True]
    """
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
    streams: Sequence[Sequence[int]] | None = None,
    keep_attention: bool = False,
) -> list[Hypothesis]:
    """A symbol drawn at every step from softmax(log p / temperature), for each sentence of `source`.

    Each sentence draws from a stream of random numbers of its own, so its result does not depend on its neighbours.

    Args:
        seed: at least 0; same seed, same result.
        temperature: below 1 sharpens, above 1 flattens; 0 is greedy decoding.
        top_k: draw among the k most probable symbols; 0 among all.
        top_p: draw among the most probable symbols that together reach this probability (Holtzman et al. 2020,
            https://arxiv.org/abs/1904.09751).
        streams: what the random numbers of each sentence depend on besides the seed, numbers of at least 0; its
            position in the batch, if not given.

    Example:
        >>> from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
        >>> model = EncoderDecoder(unspool.cells.GRUCell, EncoderDecoderConfig(20, 30, embedding=8, hidden=8)).eval()
        >>> source = (torch.randint(3, 20, (2, 5)), torch.tensor([5, 3]))
        >>> first, again = (sample(model, source, Limits(max_length=6), seed=1, top_k=5) for _ in range(2))
        >>> first == again
        True
    """
    if not 0 <= temperature < math.inf or top_k < 0 or not 0 < top_p <= 1 or seed < 0:
        raise ConfigError(
            f"temperature is {temperature}, top_k {top_k}, top_p {top_p}, seed {seed}; expected finite and at least 0, "
            "at least 0, above 0 up to 1, at least 0"
        )
    if temperature == 0:
        return greedy(model, source, limits, keep_attention=keep_attention)
    generators: dict[int, np.random.Generator] = {}

    def draw(scores: Tensor, rows: Tensor) -> Tensor:
        for row in rows.tolist():
            if row not in generators:
                key = (row,) if streams is None else tuple(streams[row])
                generators[row] = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        uniform = torch.tensor([generators[row].random() for row in rows.tolist()], dtype=torch.float64)
        # The largest score becomes 0, so that no temperature, however small, makes all of them infinite.
        largest = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
        return drawn((scores - largest) / max(temperature, 1e-30), top_k, top_p, uniform.to(scores.device))

    return _follow(model, source, limits, draw, keep_attention)


@torch.no_grad()
def _follow(
    model: StepModel, source: Any, limits: Limits, choose: Callable[[Tensor, Tensor], Tensor], keep_attention: bool
) -> list[Hypothesis]:
    state = model.start(source)
    batch, device, end = rows_of(state), device_of(state), model.end_symbol
    longest = limits.per_row(batch)
    rows = torch.arange(batch)
    tokens = torch.empty(batch, 0, dtype=torch.int64, device=device)
    log_probs = torch.empty(batch, 0, device=device)
    kept: list[Tensor] = []
    done: dict[int, Hypothesis] = {}
    while len(rows):
        last = tokens[:, -1] if tokens.shape[1] else tokens.new_full((len(rows),), model.start_symbol)
        scores, state = model.step(last, state)
        allowed = limits.forbid(scores, tokens, longest[rows], end)
        stuck = allowed.isneginf().all(1)
        chosen = choose(allowed, rows).masked_fill(stuck, end)
        log_probs = torch.cat([log_probs, scores.gather(1, chosen.unsqueeze(1))], 1)
        tokens = torch.cat([tokens, chosen.unsqueeze(1)], 1)
        weights = model.attention(state) if keep_attention else None
        kept = kept if weights is None else [*kept, weights]
        leaving = (chosen == end).cpu()
        for i in torch.nonzero(leaving).flatten().tolist():
            done[int(rows[i])] = _hypothesis(tokens[i], log_probs[i], [w[i] for w in kept], finished=not stuck[i])
        if leaving.any():
            staying = torch.nonzero(~leaving).flatten()
            rows = rows[staying]
            tokens, log_probs, state, kept = select_rows((tokens, log_probs, state, kept), staying)
            kept = list(kept)
    return [done[row] for row in range(batch)]


def _hypothesis(tokens: Tensor, log_probs: Tensor, kept: list[Tensor], *, finished: bool) -> Hypothesis:
    """What was written, less its last symbol: the end, or a stand-in for the symbol that could not follow."""
    scored = len(tokens) if finished else len(tokens) - 1
    scores = log_probs[:scored].tolist()
    attention = torch.stack(kept).cpu()[:scored] if kept else None
    return Hypothesis(tuple(tokens[:-1].tolist()), sum(scores), tuple(scores), finished, attention)
