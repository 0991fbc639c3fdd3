"""What is said of values that cannot be meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unspool.errors import ConfigError
from unspool.tasks.classify.settings import ClassifySettings
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.language.settings import LanguageSettings
from unspool.tasks.tag.settings import TagSettings
from unspool.tasks.translate.settings import TranslateSettings
from unspool.train import TrainSettings


@pytest.mark.parametrize("wrong", ["no", 0, None, np.bool_(True)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    ("settings", "switch"),
    [
        (TranslateSettings, "bidirectional"), (ClassifySettings, "residual"), (TagSettings, "crf"),
        (LanguageSettings, "tie_embeddings"), (ForecastSettings, "odd"), (TrainSettings, "average"),
    ],
)  # fmt: skip
def test_a_switch_is_true_or_false(settings: Any, switch: str, wrong: Any) -> None:
    """A text such as "no" would count as True."""
    with pytest.raises(ConfigError, match=f"{switch} is .*, of type {type(wrong).__name__}; expected True or False"):
        settings(**{switch: wrong})
