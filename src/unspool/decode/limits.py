"""What every way of decoding has in common: limits, what may not be written, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unspool.cells.state import Tree, tensors
from unspool.errors import ConfigError, UnspoolError


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    `tokens`: its symbols without start and end. `log_probs`: the model's own for each of them, the end symbol's last
    if `finished`. `score`: what it was ranked by. `finished`: the end symbol was written. At the length limit only the
    end symbol may follow, so an answer that is cut there is finished too, at the price of an improbable end; False
    means that nothing at all could follow. `attention`: `[len(log_probs), S]`, if asked for and the model has it.
    """

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    finished: bool
    attention: Tensor | None = None


@dataclass(frozen=True)
class Limits:
    """What a sequence may look like.

    Args:
        max_length: symbols, the end symbol not counted; a number, or one for each sentence. After so many symbols
            only the end symbol may follow.
        min_length: symbols before the end symbol is allowed.
        banned: symbols that are never written, such as padding and start.
        no_repeat_ngram: no n symbols in a row occur twice; 0 allows all.

    Example:
        >>> limits = Limits(max_length=[6, 9], min_length=2, banned=(0, 1))
        >>> limits.per_row(2)
        tensor([6, 9])
    """

    max_length: int | Sequence[int]
    min_length: int = 0
    banned: Sequence[int] = ()
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        lengths = [self.max_length] if isinstance(self.max_length, int) else list(self.max_length)
        if any(length < 1 for length in lengths):
            raise ConfigError(f"max_length is {min(lengths)}; expected at least 1")
        if self.min_length < 0 or self.no_repeat_ngram < 0:
            raise ConfigError("min_length and no_repeat_ngram must be at least 0")
        if any(length < self.min_length for length in lengths):
            raise ConfigError(f"min_length {self.min_length} is above max_length {min(lengths)}")

    def per_row(self, batch: int) -> Tensor:
        """The largest length of each sentence, `[batch]`."""
        if isinstance(self.max_length, int):
            return torch.full((batch,), self.max_length)
        if len(self.max_length) != batch:
            raise ConfigError(f"max_length has {len(self.max_length)} entries; expected {batch}, one a sentence")
        return torch.tensor(list(self.max_length))

    def forbid(self, scores: Tensor, tokens: Tensor, longest: Tensor, end: int) -> Tensor:
        """`scores` `[R, V]` with -inf at what may not follow `tokens` `[R, t]`, of at most `longest` `[R]` symbols."""
        if torch.isnan(scores).any():
            raise UnspoolError(
                f"the model gave NaN as a log-probability at symbol {tokens.shape[1] + 1}; its weights are not usable "
                "(was its training stopped by a loss that is not finite?)"
            )
        scores = scores.clone()
        if self.banned:
            scores[:, list(self.banned)] = -torch.inf
        if tokens.shape[1] < self.min_length:
            scores[:, end] = -torch.inf
        if self.no_repeat_ngram and tokens.shape[1] >= self.no_repeat_ngram:
            for row, symbols in zip(scores, tokens.tolist(), strict=True):
                row[_repeats(symbols, self.no_repeat_ngram)] = -torch.inf
        full = (longest <= tokens.shape[1]).to(scores.device).unsqueeze(1)
        others = torch.arange(scores.shape[1], device=scores.device) != end
        return scores.masked_fill(full & others, -torch.inf)


def _repeats(symbols: list[int], n: int) -> list[int]:
    """Symbols that would complete an n-gram which occurs in `symbols` already."""
    tail = symbols[len(symbols) - n + 1 :]
    return [symbols[i + n - 1] for i in range(len(symbols) - n + 1) if symbols[i : i + n - 1] == tail]


def rows_of(state: Tree) -> int:
    """Number of rows of a state."""
    first = next(iter(tensors(state)), None)
    return 0 if first is None else first.shape[0]


def device_of(state: Tree) -> torch.device:
    """Where a state lives."""
    first = next(iter(tensors(state)), None)
    return torch.device("cpu") if first is None else first.device
