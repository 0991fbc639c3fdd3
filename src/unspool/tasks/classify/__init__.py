"""Classify: a recurrent network reads a sequence and names its class, its classes, its rank or its number."""

from unspool.tasks.classify.classifier import Classifier, Measured, Prediction
from unspool.tasks.classify.settings import ClassifySettings
from unspool.tasks.classify.train import ClassifyData, train

__all__ = ["Classifier", "ClassifyData", "ClassifySettings", "Measured", "Prediction", "train"]
