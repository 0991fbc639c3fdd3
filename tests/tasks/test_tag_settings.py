"""A tagger's choices, and the files that it is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unspool.errors import ConfigError
from unspool.tasks.tag import TagData, TagSettings


@pytest.mark.parametrize(
    "choices",
    [
        {"unit": "x"}, {"constrain": "maybe"}, {"merge": "x"}, {"min_count": 0}, {"vocabulary": 0},
        {"word_dropout": 1.0}, {"ngram_buckets": -1}, {"ngram_min": 0}, {"ngram_max": 1}, {"hidden": 0},
        {"layers": 0}, {"embedding": 0}, {"dropout": -0.1},
        {"recurrent_dropout": 1.0}, {"max_tokens": 0}, {"max_length": 0}, {"valid_share": 0.0},
        {"valid_share": 1.0}, {"seed": -1}, {"class_weights": "even"}, {"class_weights": "sqrt", "crf": True},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_settings_are_refused(choices: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(choices))):
        TagSettings(**choices)


def test_files_are_split_where_no_validation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_text("".join(f"w{i} O\nx B\n\n" for i in range(80)))
    settings = TagSettings(valid_share=0.25, seed=4)
    data = TagData.open([file], [], settings)
    assert len(data.train) + len(data.valid) == 80 and 12 <= len(data.valid) <= 28
    assert not {s.tokens for s in data.train} & {s.tokens for s in data.valid}
    whole = TagData.open([file], [file], settings)
    assert len(whole.train) == len(whole.valid) == 80
