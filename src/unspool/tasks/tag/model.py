"""The tagger's network: embedded tokens, recurrent layers, a score for each tag at each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells import Cell
from unspool.data.words import UNKNOWN_WORD, WordBatch
from unspool.layers.build import with_options
from unspool.layers.crf import LinearChain
from unspool.layers.dropout import Dropout
from unspool.layers.recurrent import Recurrent
from unspool.tasks.tag.settings import TagSettings


class TagModel(nn.Module):
    """Scores of K tags at each step::

        x_t = W[word_t] + mean of G[piece] over the character n-grams of the token
        y   = recurrent layers over x, in both directions unless asked otherwise
        s_t = V y_t + c

    In training each word is read as unknown with probability `word_dropout`, so that its row is learned too.

    Args:
        cell: the cell of every layer.
        settings: sizes and choices.
        words: number of ids of words.
        tags: K.

    Example:
        >>> from unspool.data.words import Forms, Pieces, Words
        >>> settings = TagSettings(hidden=8, embedding=6)
        >>> model = TagModel(unspool.cells.GRUCell, settings, words=2, tags=3)
        >>> model(Forms(Words(["a"], Pieces(20_000, 2, 4)), [["a", "b"], ["b"]]).batch([0, 1])).shape
        torch.Size([2, 2, 3])
    """

    def __init__(self, cell: type[Cell], settings: TagSettings, *, words: int, tags: int) -> None:
        super().__init__()
        width = settings.embedding
        self.word_dropout = settings.word_dropout
        self.words = nn.Embedding(words, width)
        self.pieces = nn.EmbeddingBag(settings.ngram_buckets, width, mode="mean") if settings.ngram_buckets else None
        self.dropout = Dropout(settings.dropout)
        self.net = Recurrent(
            with_options(cell, settings.cell_options),
            width,
            settings.hidden,
            layers=settings.layers,
            bidirectional=settings.bidirectional,
            merge=settings.merge,
            dropout=settings.dropout,
            recurrent_dropout=settings.recurrent_dropout,
            residual=settings.residual,
        )
        self.output = nn.Linear(self.net.output_size, tags)
        self.crf = LinearChain(tags) if settings.crf else None

    def forward(self, batch: WordBatch) -> Tensor:
        """Scores `[B, T, K]`, in single precision at least; those past a row's end mean nothing."""
        scores = self.output(self.dropout(self.features(batch)))
        return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores

    def features(self, batch: WordBatch) -> Tensor:
        """y: `[B, T, O]`, 0 past a row's end."""
        y, _ = self.net(self.dropout(self.embedded(batch)), lengths=batch.lengths)
        return y

    def embedded(self, batch: WordBatch) -> Tensor:
        """x: `[B, T, width]`."""
        ids = batch.words
        if self.training and self.word_dropout:
            ids = ids.masked_fill(torch.rand(ids.shape, device=ids.device) < self.word_dropout, UNKNOWN_WORD)
        x = self.words(ids)
        if self.pieces is None:
            return x
        return x + nn.functional.embedding(batch.forms, self.pieces(batch.pieces, batch.offsets))

    def loss(self, scores: Tensor, tags: Tensor, lengths: Tensor, weights: Tensor | None = None) -> tuple[Tensor, int]:
        """-w log p of the true tags `[B, T]` (int64, -1 where unknown and past a row's end), summed, and their number.

        `weights` are those of the tags, `[K]`; all 1 if None. With a CRF, which knows no weights, a row with an unknown
        tag does not count at all.
        """
        if self.crf is None:
            known = tags >= 0
            return nn.functional.cross_entropy(scores[known], tags[known], weights, reduction="sum"), int(known.sum())
        whole = (tags >= 0).sum(1) == lengths
        scores, tags, lengths = scores[whole], tags[whole], lengths[whole]
        return -self.crf.log_likelihood(scores, tags, lengths).sum(), int(lengths.sum())
