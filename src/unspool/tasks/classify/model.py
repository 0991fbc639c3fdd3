"""`SequenceClassifier`: a recurrent network reads a sequence, and one vector of it is judged."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from unspool.data.symbols import PAD
from unspool.layers.build import CellFactory, with_options
from unspool.layers.dropout import Dropout
from unspool.layers.readout import Readout, final_state
from unspool.layers.recurrent import Recurrent
from unspool.tasks.classify.settings import ClassifySettings


class SequenceClassifier(nn.Module):
    """The outputs of a sequence x_1 … x_ℓ, symbols or rows of numbers::

        y_1 … y_ℓ, s = Recurrent(embed(x))        embed: a table for symbols; numbers stay as they are
        r = Readout(y, s)                         the sequence as one vector
        z = head(r)

    Args:
        cell: the cell of every layer, any class with the contract of `Cell`.
        settings: sizes and choices.
        head: makes the layer from a vector of that width to the outputs.
        vocabulary: V for symbols, None for numbers.
        features: F for numbers.

    Example:
        >>> import functools
        >>> model = SequenceClassifier(
        ...     unspool.cells.GRUCell, ClassifySettings(hidden=8), lambda width: torch.nn.Linear(width, 3), features=2
        ... )
        >>> model(torch.randn(5, 7, 2), torch.tensor([7, 3, 0, 1, 2])).shape
        torch.Size([5, 3])
    """

    def __init__(
        self, cell: CellFactory, settings: ClassifySettings, head: Any, *, vocabulary: int | None = None,
        features: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dropout = Dropout(settings.dropout)
        self.embedding = None if vocabulary is None else nn.Embedding(vocabulary, settings.embedding, padding_idx=PAD)
        self.network = Recurrent(
            with_options(cell, settings.cell_options),
            features if vocabulary is None else settings.embedding,
            settings.hidden,
            layers=settings.layers,
            bidirectional=settings.bidirectional,
            dropout=settings.dropout,
            recurrent_dropout=settings.recurrent_dropout,
            residual=settings.residual,
        )
        self.readout = Readout(settings.readout, self.network)
        self.head: nn.Module = head(self.readout.size)

    def embed(self, inputs: Tensor) -> Tensor:
        """Symbols `[B, T]`, whole numbers, as their vectors `[B, T, E]`; numbers `[B, T, F]` as they are."""
        return inputs if self.embedding is None else self.dropout(self.embedding(inputs))

    def vectors(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """The sequences as vectors `[B, R]`."""
        outputs, finals = self.network(embedded, lengths=lengths)
        return self.readout(outputs, finals, lengths)

    def states(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """The final states of the top layer, both directions joined, whatever the readout: `[B, S]`."""
        _, finals = self.network(embedded, lengths=lengths)
        return final_state(finals, bidirectional=self.network.bidirectional)

    def judge(self, vectors: Tensor) -> Tensor:
        """The outputs `[B, O]` of vectors."""
        return self.head(self.dropout(vectors))

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """The outputs `[B, O]` of symbols `[B, T]` or numbers `[B, T, F]`, row b ending at `lengths[b]`."""
        return self.judge(self.vectors(self.embed(inputs), lengths))
