"""From scores to answers: probabilities, and rows of tags that are possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import toy_tagging

import unspool
from unspool.data.words import Forms
from unspool.layers.crf import LinearChain
from unspool.tasks.tag.answers import best_tags, probabilities
from unspool.tasks.tag.rules import follow_rules, rules


def test_probabilities_are_of_the_model(names: Path, chained: Path) -> None:
    """Softmax of the scores, or what the CRF's own marginals say; of all tags together 1."""
    for run in (names, chained):
        tagger = unspool.load(run)
        loaded = tagger._loaded[0]
        forms = Forms(loaded.words, [["Mr", "rose", "sings"]])
        scores = loaded.model(forms.batch([0])).detach()
        shares = probabilities(scores, torch.tensor([3]), loaded.model.crf)[0]
        torch.testing.assert_close(shares.sum(1), torch.ones(3))
        for one, row in zip(tagger.tag(["Mr rose sings"])[0], shares, strict=True):
            assert one.probability == pytest.approx(float(row[tagger.tags.index(one.tag)]), abs=1e-5)


def test_the_best_row_is_the_best_possible_row() -> None:
    """By trying all rows of 4 tags over 3 steps."""
    torch.manual_seed(0)
    tags = ["B-X", "I-X", "I-Y", "O"]
    crf, scores, lengths = LinearChain(4), torch.randn(20, 3, 4), torch.tensor([3, 2, 1, 3] * 5)
    torch.nn.init.normal_(crf.transition)
    best = best_tags(scores, lengths, crf=crf, rules=rules(tags)).tolist()
    for row, path in enumerate(best):
        size = int(lengths[row])
        every = torch.cartesian_prod(*[torch.arange(4)] * size).reshape(-1, size)
        allowed = [p for p in every.tolist() if follow_rules([[tags[i] for i in p]], tags)]
        values = [
            float(crf.score(scores[row : row + 1, :size], torch.tensor([p]), lengths[row : row + 1])[0].detach())
            for p in allowed
        ]
        assert path[:size] == allowed[values.index(max(values))]


def test_impossible_transitions_are_never_answered(tmp_path: Path) -> None:
    """With wild scores impossible rows come without the rule, and none with it."""
    texts = [s.tokens for s in toy_tagging.sentences(60, seed=5)]

    def possible(**choices: Any) -> bool:
        tagger = unspool.load(toy_tagging.fit(tmp_path / str(len(list(tmp_path.iterdir()))), steps=1, **choices))
        torch.manual_seed(0)
        torch.nn.init.normal_(tagger._loaded[0].model.output.weight, std=9.0)
        rows = [[one.tag for one in row] for row in tagger.tag(texts)]
        assert {tag for row in rows for tag in row} == set(tagger.tags)
        return follow_rules(rows, tagger.tags)

    for crf in (False, True):
        assert [possible(crf=crf, constrain=constrain) for constrain in ("auto", "yes", "no")] == [True, True, False]
