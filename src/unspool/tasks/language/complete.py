"""Go on with a text: one symbol drawn at a time, each read before the next."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from unspool.data.lossless_base import LosslessTokenizer
from unspool.decode.draw import Draw
from unspool.errors import ConfigError
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.reading import Reading
from unspool.tasks.language.state import State


@dataclass(frozen=True)
class CompleteOptions:
    """How to go on with a text; `ConfigError` for a value that cannot work.

    The end is after `length` symbols, or before the first text of `stop` that would be written. `temperature` 0 takes
    the most probable symbol; below 1 sharpens, 1 is the model's own distribution.
    """

    length: Annotated[int, "most symbols to write"] = 200
    temperature: Annotated[float, "0: the likeliest symbol; 1: the model's own distribution"] = 0.8
    top_k: Annotated[int, "draw from the k likeliest symbols; 0: all"] = 0
    top_p: Annotated[float, "draw from the likeliest symbols that hold this probability"] = 1.0
    seed: Annotated[int, "of drawing"] = 0
    stop: Annotated[str | tuple[str, ...], "end before this text; may be repeated"] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; expected at least 0, and finite")
        for name in ("length", "top_k", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 0")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}; expected above 0, and at most 1")
        if not all(self.stops):
            raise ConfigError("stop is an empty text, which stands everywhere; leave it out, or name a text")

    @property
    def stops(self) -> tuple[str, ...]:
        """`stop`, always several."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class Completion:
    """The continuation of a text, made while it is iterated over: pieces of text, a piece as soon as it is sure.

    `state` is where the model stands: after the text at first, at the end after all symbols that were drawn.
    """

    def __init__(
        self,
        networks: Sequence[LanguageNetwork],
        tokenizer: LosslessTokenizer,
        state: State,
        options: CompleteOptions,
    ) -> None:
        self._tokenizer, self._options = tokenizer, options
        self._reading = Reading(networks, state.layers)
        self._symbol, self._model = state.symbol, state.model

    @property
    def state(self) -> State:
        return State(self._reading.layers, self._symbol, self._model)

    def __iter__(self) -> Iterator[str]:
        held = ""
        for text in self._texts():
            held += text
            end = min((place for stop in self._options.stops if (place := held.find(stop)) >= 0), default=None)
            if end is not None:
                yield held[:end]
                return
            sure = len(held) - max((_begun(held, stop) for stop in self._options.stops), default=0)
            if sure:
                yield held[:sure]
            held = held[sure:]
        if held:
            yield held

    def _texts(self) -> Iterator[str]:
        """What each symbol adds to the text: nothing while a character's bytes are not complete."""
        o = self._options
        draw = Draw(seed=o.seed, temperature=o.temperature, top_k=o.top_k, top_p=o.top_p)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for _ in range(o.length):
            self._symbol = draw(self._reading.scores(self._symbol))
            yield decoder.decode(self._tokenizer.contents[self._symbol])
        yield decoder.decode(b"", True)


def _begun(text: str, stop: str) -> int:
    """Characters at the end of `text` that may be the beginning of `stop`."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
