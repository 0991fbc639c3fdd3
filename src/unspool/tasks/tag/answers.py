"""From scores to answers: each step's probabilities, and the best row of tags."""

from __future__ import annotations

from torch import Tensor

from unspool.layers.crf import LinearChain, viterbi
from unspool.tasks.tag.rules import Rules


def probabilities(scores: Tensor, lengths: Tensor, crf: LinearChain | None) -> Tensor:
    """p(y_t = k) at each step `[B, T, K]`: softmax of the scores, or the marginals of the CRF."""
    return scores.softmax(2) if crf is None else crf.marginals(scores, lengths)


def best_tags(scores: Tensor, lengths: Tensor, *, crf: LinearChain | None = None, rules: Rules | None = None) -> Tensor:
    """The likeliest row of tags `[B, T]`, that obeys the rules where there are any.

    Args:
        scores: `[B, T, K]`: log-probabilities, or scores that the CRF adds its own to.
        lengths: `[B]`.
        crf: scores of neighbouring tags.
        rules: what is impossible.
    """
    if crf is None and rules is None:
        return scores.argmax(2)
    zeros = scores.new_zeros(scores.shape[2])
    start, transition, end = (zeros, zeros, zeros) if crf is None else (crf.start, crf.transition, crf.end)
    if rules is not None:
        start, transition, end = (a + b.to(scores.device) for a, b in zip((start, transition, end), rules, strict=True))
    return viterbi(scores, lengths, start=start, transition=transition, end=end)
