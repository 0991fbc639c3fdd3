"""Every choice of how a translation is searched for, or drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from unspool.decode import Limits, Ranking
from unspool.errors import ConfigError


@dataclass(frozen=True)
class DecodeOptions:
    """How to search for a translation; `ConfigError` for choices that do not go together.

    `beam=1` is greedy decoding. With `temperature` symbols are drawn instead of searched for (see
    `unspool.decode.sample`), and `n_best` is the number of independent draws. The rest is that of
    `unspool.decode.beam` and `Limits`. `max_length=None` derives the limit from the lengths met in training.
    """

    beam: Annotated[int, "hypotheses kept; 1 is greedy"] = 5
    n_best: Annotated[int, "answers for each text"] = 1
    length_penalty: Annotated[float, "exponent of the length that scores are divided by"] = 1.0
    coverage_penalty: Annotated[float, "weight of the penalty for source that was not attended to"] = 0.0
    no_repeat_ngram: Annotated[int, "forbid repeating n symbols in a row; 0: allow"] = 0
    min_length: Annotated[int, "fewest symbols of an answer"] = 0
    max_length: Annotated[int | None, "most symbols of an answer; none: from the lengths in training"] = None
    temperature: Annotated[float | None, "draw symbols instead of searching; 1: the model's own distribution"] = None
    top_k: Annotated[int, "draw from the k likeliest symbols; 0: all"] = 0
    top_p: Annotated[float, "draw from the likeliest symbols that hold this probability"] = 1.0
    seed: Annotated[int, "of drawing"] = 0

    def __post_init__(self) -> None:
        for name in ("beam", "n_best"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        self.limits([max(self.min_length, 1) if self.max_length is None else self.max_length], ())
        penalty = self.ranking.coverage_penalty
        if self.temperature is None:
            self._check_search()
        elif penalty:
            raise ConfigError(
                f"coverage_penalty is {penalty}, but with temperature answers are drawn, not ranked; "
                "leave one of the two out"
            )

    def _check_search(self) -> None:
        if self.n_best > self.beam:
            raise ConfigError(
                f"n_best is {self.n_best}, but a beam of {self.beam} finds at most {self.beam} answers; "
                f"set beam to {self.n_best} or more, or draw the answers with temperature"
            )
        for name, value, unused in (("top_k", self.top_k, 0), ("top_p", self.top_p, 1.0)):
            if value != unused:
                raise ConfigError(
                    f"{name} is {value}, but it says what to draw from, and without temperature nothing is drawn; "
                    "set temperature too, to 1 for the model's own distribution"
                )

    @property
    def ranking(self) -> Ranking:
        return Ranking(self.length_penalty, self.coverage_penalty)

    def limits(self, longest: list[int], banned: tuple[int, ...]) -> Limits:
        """The limits of texts whose answers have at most `longest[i]` symbols, or `max_length` where that is set."""
        given = [max(length, self.min_length) if self.max_length is None else self.max_length for length in longest]
        return Limits(given, self.min_length, banned, self.no_repeat_ngram)
