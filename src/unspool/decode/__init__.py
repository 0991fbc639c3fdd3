"""Decoding: from a model that scores the next symbol to whole sequences."""

from unspool.decode.beam import Ranking, beam
from unspool.decode.ensemble import Ensemble
from unspool.decode.follow import greedy, sample
from unspool.decode.limits import Hypothesis, Limits
from unspool.decode.protocol import StepModel

__all__ = ["Ensemble", "Hypothesis", "Limits", "Ranking", "StepModel", "beam", "greedy", "sample"]
