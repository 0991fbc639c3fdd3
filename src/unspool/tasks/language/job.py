"""What the training loop needs of a language model: its chunks, its loss, its state between them, its validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from unspool.cells.state import Tree, map_tensors, tensors
from unspool.data.streams import Chunk, Streams
from unspool.errors import RunError
from unspool.layers.symbol_loss import symbol_cross_entropy
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.score import Score, cut, nats

VALIDATION_STREAMS = 32
"""Pieces that the validation text is read as. One would be exact and, on a CPU, several times slower."""
WARM = 256
"""Symbols before a piece that bring its state to what it would be in one stream, all but a trace."""


class LanguageJob:
    """Trains a `LanguageNetwork` by truncated backpropagation through time: the state goes on from chunk to chunk,
    cut from the graph that made it, but in the rows of a chunk that begin anew.

    Args:
        model: the network.
        train: the chunks to learn from.
        valid: the validation text's symbols, int32 `[N]`.
        characters: how many characters those are.
        before: the symbol that every text follows, a line end.
    """

    def __init__(
        self, model: LanguageNetwork, train: Streams, valid: np.ndarray, *, characters: int, before: int
    ) -> None:
        self.model, self._train, self._characters = model, train, characters
        self._valid = cut(valid, before, streams=VALIDATION_STREAMS, warm=WARM)
        self._symbols = len(valid)
        self._state: Tree = None

    def batches(self, epoch: int, start: int) -> Iterator[Chunk]:
        return self._train.epoch(epoch, start)

    def count(self, epoch: int) -> int:
        return self._train.count(epoch)

    def loss(self, model: nn.Module, batch: Chunk) -> tuple[Tensor, int]:
        """Cross-entropy in nats, summed over the symbols of the chunk."""
        assert isinstance(model, LanguageNetwork)
        features, after = model(batch.source, self._begun(model, batch.fresh))
        self._state = map_tensors(Tensor.detach, after)
        loss = symbol_cross_entropy(features.flatten(0, 1), model.output, batch.target.flatten())
        return loss, batch.target.numel()

    def _begun(self, model: LanguageNetwork, fresh: Tensor) -> Tree:
        """What was carried, and the empty state in the rows that begin anew."""

        def begin(carried: Tensor, empty: Tensor) -> Tensor:
            rows = fresh.view(-1, *[1] * (carried.dim() - 1))
            return torch.where(rows, empty.to(carried.dtype), carried)

        return None if self._state is None else map_tensors(begin, self._state, model.initial_state(len(fresh)))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """See `Score.metrics`; the whole validation text, every symbol once."""
        assert isinstance(model, LanguageNetwork)
        return Score(float(nats([model], self._valid).sum()), self._characters, self._symbols).metrics()

    def carried(self) -> dict[str, Tensor]:
        """The state after the latest chunk, its tensors numbered."""
        return {str(number): value for number, value in enumerate(tensors(self._state))}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried` gave, in the shape that this model's state has."""
        like = self.model.initial_state(self._train.batch)
        self._state = filled(like, tensors, "the checkpoint's carried.safetensors")


def filled(like: Tree, values: Mapping[str, Tensor], what: str) -> Tree:
    """A state built as `like` is, of tensors named by their numbers; `RunError` if they do not fit it."""
    expected = {str(number): value for number, value in enumerate(tensors(like))}
    shapes, wanted = ({name: list(value.shape) for name, value in group.items()} for group in (values, expected))
    if shapes != wanted:
        raise RunError(
            f"{what} holds a state of the shapes {list(shapes.values())}; expected {list(wanted.values())}, which this "
            "model has; take the state of this model"
        )
    numbers = iter(expected)
    return map_tensors(lambda value: values[next(numbers)].to(value.device), like)
