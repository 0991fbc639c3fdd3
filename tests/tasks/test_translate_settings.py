"""What a translator is told reaches its model."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from unspool.layers.encoder_decoder import EncoderDecoderConfig
from unspool.tasks.translate import TranslateSettings

OTHER: dict[str, Any] = {
    "embedding": 7,
    "hidden": 9,
    "layers": 3,
    "decoder_layers": 4,
    "bidirectional": False,
    "merge": "sum",
    "residual": True,
    "conditioning": "every-step",
    "decoder_start": "zeros",
    "attention_score": "dot",
    "attention_place": "after",
    "input_feeding": True,
    "dropout": 0.125,
    "recurrent_dropout": 0.25,
    "tie_embeddings": False,
    "share_embeddings": True,
    "cell_options": {"chrono": 9},
}
"""A value of each setting of the model that is not its default."""


def test_every_setting_of_the_model_is_tried() -> None:
    assert set(OTHER) == {field.name for field in fields(EncoderDecoderConfig)} - {"source_size", "target_size"}


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_of_the_model_is_handed_on(name: str) -> None:
    more: dict[str, Any] = {"joint_vocabulary": True} if name == "share_embeddings" else {}
    before = TranslateSettings().model_config(20, 20)
    after = TranslateSettings(**{name: OTHER[name]}, **more).model_config(20, 20)
    assert getattr(after, name) == OTHER[name] != getattr(before, name)


def test_the_sizes_of_the_vocabularies_are_not_exchanged() -> None:
    made = TranslateSettings().model_config(20, 30)
    assert (made.source_size, made.target_size) == (20, 30)


def test_a_decoder_is_as_deep_as_its_encoder_unless_asked() -> None:
    assert TranslateSettings(layers=3).model_config(20, 20).decoder_layers == 3
