"""The network of a language model: embedding, recurrent layers, output."""

from __future__ import annotations

from torch import Tensor, nn

from unspool.cells.state import Tree
from unspool.layers.build import CellFactory, with_options
from unspool.layers.dropout import Dropout
from unspool.layers.recurrent import Recurrent
from unspool.tasks.language.settings import LanguageSettings


class LanguageNetwork(nn.Module):
    """Predicts each next symbol from all before it::

        h_t, s_t = recurrent(embed(x_t), s_{t-1})
        p(x_{t+1} | x_1 … x_t) = softmax(W P h_t + b)

    With tied embeddings W is the embedding (Press & Wolf 2017, https://arxiv.org/abs/1608.05859) and P a projection to
    its width, where the widths differ; else P is the identity.

    Args:
        cell: the cell of every layer, any class with the contract of `Cell`.
        size: V, the number of symbols.
        settings: widths, layers, dropout.

    Example:
        >>> from unspool.tasks.language.settings import LanguageSettings
        >>> network = LanguageNetwork(unspool.cells.GRUCell, 300, LanguageSettings(hidden=8, embedding=4))
        >>> features, state = network(torch.randint(0, 300, (2, 5)))
        >>> network.logits(features).shape
        torch.Size([2, 5, 300])
    """

    def __init__(self, cell: CellFactory, size: int, settings: LanguageSettings) -> None:
        super().__init__()
        s = settings
        self.dropout = Dropout(s.dropout)
        self.embedding = nn.Embedding(size, s.embedding)
        self.recurrent = Recurrent(
            with_options(cell, s.cell_options),
            s.embedding,
            s.hidden,
            layers=s.layers,
            dropout=s.dropout,
            recurrent_dropout=s.recurrent_dropout,
            residual=s.residual,
        )
        width = self.recurrent.output_size
        projected = s.tie_embeddings and width != s.embedding
        self.projection = nn.Linear(width, s.embedding) if projected else nn.Identity()
        self.output = nn.Linear(s.embedding if s.tie_embeddings else width, size)
        nn.init.normal_(self.embedding.weight, std=s.embedding**-0.5)
        nn.init.zeros_(self.output.bias)
        if s.tie_embeddings:
            self.output.weight = self.embedding.weight

    def forward(self, symbols: Tensor, state: Tree = None, lengths: Tensor | None = None) -> tuple[Tensor, Tree]:
        """Features `[B, T, F]` of the symbol after each of `symbols` `[B, T]`, and the state after the last.

        Args:
            symbols: int64 `[B, T]`.
            state: as a call returns it; the empty one if `None`.
            lengths: `[B]`, valid steps of each row.
        """
        outputs, state = self.recurrent(self.dropout(self.embedding(symbols)), state, lengths=lengths)
        return self.dropout(self.projection(outputs)), state

    def logits(self, features: Tensor) -> Tensor:
        """Unnormalised log-probabilities `[…, V]` of the next symbol."""
        return self.output(features)

    def initial_state(self, batch: int) -> Tree:
        """The state before the first symbol of `batch` texts, one entry a layer."""
        like = self.embedding.weight
        cells = (layer[0] for layer in self.recurrent.layers)  # pyright: ignore[reportIndexIssue]
        return tuple(cell.initial_state(batch, dtype=like.dtype, device=like.device) for cell in cells)
