"""What labels mean: losses, probabilities and metrics, against scikit-learn, scipy and sums over all classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from unspool.errors import ConfigError, DataError
from unspool.tasks.classify import metrics
from unspool.tasks.classify.calibrate import LEAST, calibration, fit_temperature
from unspool.tasks.classify.targets import KINDS, Classes, Multilabel, Number, Ordinal, Target, target_from_json
from unspool.tasks.classify.targets.ordinal import CumulativeLogits


def place(i: int) -> str:
    return f"row {i + 2}"


def drawn(seed: int, rows: int = 40, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = 2 * torch.randn(rows, classes, generator=generator)
    return outputs, torch.randint(0, classes, (rows,), generator=generator)


def ordered(seed: int, rows: int = 40, classes: int = 5) -> tuple[Ordinal, Tensor, Tensor]:
    torch.manual_seed(seed)
    target = Ordinal([str(k) for k in range(classes)])
    head = target.head(3)
    return target, head(3 * torch.randn(rows, 3)).detach(), torch.randint(0, classes, (rows,))


class TestClasses:
    @settings(max_examples=20)
    @given(seed=st.integers(0, 50))
    def test_metrics_and_log_loss_are_scikit_learns(self, seed: int) -> None:
        outputs, truth = drawn(seed)
        target = Classes(["a", "b", "c", "d"])
        probabilities = target.predictions(outputs)
        answers = probabilities.argmax(1)
        found = target.metrics(probabilities, truth)
        assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, answers))
        assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, answers, average="macro"))
        expected = sk.log_loss(truth, probabilities.numpy(), labels=[0, 1, 2, 3])
        assert target.log_loss(probabilities, truth) == pytest.approx(expected)
        assert float(target.losses(outputs, truth).mean()) == pytest.approx(expected, rel=1e-5)

    def test_absent_classes_do_not_count_for_macro_f1(self) -> None:
        truth, answers = np.array([0, 0, 3]), np.array([0, 3, 3])
        assert metrics.macro_f1(truth, answers) == pytest.approx(sk.f1_score(truth, answers, average="macro"))

    def test_balanced_weights_are_scikit_learns(self) -> None:
        target, truth = Classes(["a", "b", "c"]), torch.tensor([0] * 6 + [2] * 2)
        weights = target.balanced(truth)
        expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=truth.numpy())
        assert weights.tolist() == pytest.approx([expected[0], 0, expected[1]])
        outputs, _ = drawn(1, 8, 3)
        total = target.losses(outputs, truth, weights)
        torch.testing.assert_close(total, target.losses(outputs, truth) * weights[truth])
        assert float(weights[truth].mean()) == pytest.approx(1)

    def test_confusion_is_scikit_learns(self) -> None:
        outputs, truth = drawn(5)
        answers = outputs.argmax(1).numpy()
        assert np.array_equal(metrics.confusion(truth.numpy(), answers, 4), sk.confusion_matrix(truth, answers))

    def test_a_single_class_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"the only label is 'a' \(3 sequences\)"):
            Classes.learn(["a", "a", "a"], place)
        with pytest.raises(DataError, match="there is no label"):
            Classes.learn([], place)

    @pytest.mark.parametrize("kind", ["classes", "ordinal", "multilabel"])
    def test_an_unseen_label_is_named_with_its_place(self, kind: str) -> None:
        target = KINDS[kind].learn(["1", "2", "10"], place)
        with pytest.raises(DataError, match=r"row 3: the label '7' is none of the classes \(1, 2, 10\)"):
            target.encode(["1", "7"], place)


class TestMultilabel:
    @settings(max_examples=20)
    @given(seed=st.integers(0, 50))
    def test_metrics_are_scikit_learns(self, seed: int) -> None:
        outputs, _ = drawn(seed, 20, 3)
        truth = (drawn(seed + 1, 20, 3)[0] > 0).float()
        target = Multilabel(["a", "b", "c"])
        probabilities = target.predictions(outputs)
        answers = (probabilities >= 0.5).numpy()
        found = target.metrics(probabilities, truth)
        assert found["micro_f1"] == pytest.approx(sk.f1_score(truth, answers, average="micro"))
        assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, answers, average="macro"))
        assert found["subset_accuracy"] == pytest.approx(sk.accuracy_score(truth, answers))
        expected = sum(sk.log_loss(truth[:, k], probabilities[:, k].numpy(), labels=[0, 1]) for k in range(3))
        assert target.log_loss(probabilities, truth) == pytest.approx(expected)
        assert float(target.losses(outputs, truth).mean()) == pytest.approx(expected, rel=1e-5)

    def test_no_decision_at_all(self) -> None:
        assert metrics.multilabel_f1(np.zeros((2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)) == (0, 0)

    def test_balanced_classes_weigh_as_much_as_their_absence(self) -> None:
        truth = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
        target = Multilabel(["a", "b"])
        assert target.balanced(truth).tolist() == [3, 1]
        losses = target.losses(torch.zeros(4, 2), truth, target.balanced(truth))
        assert losses.tolist() == pytest.approx([4 * math.log(2), *[2 * math.log(2)] * 3])

    def test_labels_as_written(self) -> None:
        target = Multilabel.learn(["b|a", "", " c |b|"], place)
        assert target.classes == ("a", "b", "c")
        assert target.encode(["", "c|b"], place).tolist() == [[0, 0, 0], [0, 1, 1]]
        assert target.label([0.4, 0.4, 0.4]) == ""
        with pytest.raises(DataError, match="no sequence has a label"):
            Multilabel.learn(["", "|"], place)


class TestOrdinal:
    @settings(max_examples=20)
    @given(seed=st.integers(0, 50), temperature=st.sampled_from([1.0, 0.5, 4.0]))
    def test_probabilities_are_differences_of_sigmoids(self, seed: int, temperature: float) -> None:
        target, outputs, truth = ordered(seed)
        above = np.concatenate([np.ones((40, 1)), expit(outputs.double().numpy() / temperature), np.zeros((40, 1))], 1)
        found = target.predictions(outputs, temperature)
        np.testing.assert_allclose(found.numpy(), above[:, :-1] - above[:, 1:], rtol=1e-6, atol=1e-9)
        found = target.predictions(outputs)
        assert float(target.losses(outputs, truth).mean()) == pytest.approx(target.log_loss(found, truth), rel=1e-4)
        mae = np.abs(found.argmax(1).numpy() - truth.numpy()).mean()
        assert target.metrics(found, truth)["mae"] == pytest.approx(mae)

    def test_far_away_scores_are_finite(self) -> None:
        target = Ordinal(["a", "b", "c"])
        for score in (-500.0, 500.0):
            outputs = (score - torch.tensor([[-0.5, 0.5]])).requires_grad_()
            loss = target.losses(outputs, torch.tensor([1])).sum()
            loss.backward()
            assert loss.isfinite() and outputs.grad is not None and outputs.grad.isfinite().all()

    def test_thresholds_rise_and_begin_even(self) -> None:
        head = CumulativeLogits(3, 5)
        even = Ordinal(list("abcde")).predictions(head(torch.zeros(1, 3)).detach())
        assert even[0].tolist() == pytest.approx([0.2] * 5, abs=1e-5)
        with torch.no_grad():
            head.gaps.fill_(-50)
        assert (head.thresholds().diff() > 0).all()
        assert CumulativeLogits(3, 2)(torch.zeros(1, 3)).tolist() == [[0]]

    def test_the_order_is_that_of_the_numbers_or_the_given_one(self) -> None:
        assert Ordinal.learn(["10", "9", "-1.5", "9"], place).classes == ("-1.5", "9", "10")
        given = Ordinal.learn(["good", "bad"], place, ["bad", "fair", "good"])
        assert given.classes == ("bad", "fair", "good") and given.size == 2
        with pytest.raises(ConfigError, match="row 3: the label 'good' is no number.*--order"):
            Ordinal.learn(["1", "good"], place)
        with pytest.raises(DataError, match=r"row 4: the label '1\.0' is the same number as '1'"):
            Ordinal.learn(["1", "2", "1.0"], place)
        with pytest.raises(DataError, match="row 3: the label 'worse' is none of the classes"):
            Ordinal.learn(["good", "worse"], place, ["bad", "good"])


class TestNumber:
    @settings(max_examples=20)
    @given(seed=st.integers(0, 50))
    def test_metrics_are_scikit_learns_in_the_labels_unit(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        labels = rng.normal(50, 20, 30)
        target = Number.learn([str(y) for y in labels], place)
        outputs = torch.from_numpy(rng.normal(size=(30, 1))).float()
        predictions = target.predictions(outputs)
        found = target.metrics(predictions, target.encode([str(y) for y in labels], place))
        answers = predictions[:, 0].numpy()
        assert found["mae"] == pytest.approx(sk.mean_absolute_error(labels, answers), rel=1e-5)
        assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(labels, answers), rel=1e-5)
        assert found["r2"] == pytest.approx(sk.r2_score(labels, answers), rel=1e-4)

    def test_what_is_no_number_is_named(self) -> None:
        for label in ("tall", "nan", "inf", ""):
            with pytest.raises(DataError, match=f"row 3: the label '{label}' is no finite number"):
                Number.learn(["1", label], place)
        with pytest.raises(DataError, match="every label is the number 1;"):
            Number.learn(["1", "1.0"], place)

    def test_what_is_too_large_or_too_far_is_named(self) -> None:
        with pytest.raises(DataError, match="row 3: the label '-1e300' is too large for a mean and a deviation"):
            Number.learn(["1", "-1e300", "2"], place)
        with pytest.raises(DataError, match="row 3: the label '1e60' is too far from .*mean 2, deviation 1"):
            Number.learn(["1", "3"], place).encode(["1", "1e60"], place)

    def test_r2_of_equal_labels_is_unknown(self) -> None:
        target = Number(0.0, 1.0)
        assert math.isnan(target.metrics(torch.zeros(2, 1).double(), torch.ones(2))["r2"])


@pytest.mark.parametrize("target", [Classes(["a", "b"]), Multilabel(["a"]), Ordinal(["1", "2"]), Number(1.5, 2.0)])
def test_json_there_and_back(target: Target) -> None:
    again = target_from_json(target.to_json())
    assert type(again) is type(target) and again.to_json() == target.to_json() and again.size == target.size


@pytest.mark.parametrize(
    "content",
    [
        {}, {"target": "paint"}, {"target": "classes"}, {"target": "classes", "classes": ["a"]},
        {"target": "classes", "classes": [1, 2]}, {"target": "multilabel", "classes": []},
        {"target": "number", "mean": 0, "deviation": 0}, {"target": "number", "mean": "x", "deviation": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_foreign_target_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        target_from_json(content)


class TestCalibration:
    @given(seed=st.integers(0, 20))
    def test_the_error_is_that_of_a_loop_over_bins(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        confidence = np.concatenate([rng.uniform(0, 1, 60), [0.0, 1.0, 1 / 15]])
        right = rng.uniform(size=63) < confidence
        expected = 0.0
        for b in range(15):
            inside = [i for i, p in enumerate(confidence) if b / 15 < p <= (b + 1) / 15 or (b == 0 and p == 0)]
            if inside:
                expected += abs(confidence[inside].mean() - right[inside].mean()) * len(inside) / 63
        assert metrics.reliability(confidence, right).error == pytest.approx(expected)

    @pytest.mark.parametrize("kind", ["classes", "ordinal", "multilabel"])
    @pytest.mark.parametrize("factor", [0.3, 1.0, 5.0])
    def test_the_temperature_is_found_again(self, kind: str, factor: float) -> None:
        """Targets drawn from the model's own probabilities, then its outputs multiplied by a factor."""
        torch.manual_seed(0)
        rows = 4000
        if kind == "multilabel":
            target, outputs = Multilabel(["a", "b", "c"]), 2 * torch.randn(rows, 3)
            truth = torch.bernoulli(target.predictions(outputs)).float()
        else:
            target = Classes(["a", "b", "c"]) if kind == "classes" else Ordinal(["1", "2", "3"])
            outputs = 2 * torch.randn(rows, 3) if kind == "classes" else 2 * target.head(3)(torch.randn(rows, 3))
            truth = torch.multinomial(target.predictions(outputs.detach()), 1).squeeze(1)
        assert fit_temperature(target, factor * outputs.detach(), truth) == pytest.approx(factor, rel=0.1)

    def test_it_is_the_minimum_of_the_log_loss(self) -> None:
        target = Classes(["a", "b", "c", "d"])
        outputs, _ = drawn(3, 300)
        truth = torch.multinomial(target.predictions(outputs / 2), 1).squeeze(1)
        best = fit_temperature(target, outputs, truth)

        def loss(temperature: float) -> float:
            share = 1 / 302
            return float(target.smoothed_loss(outputs.double() / temperature, truth, share))

        assert loss(best) <= min(map(loss, np.geomspace(0.05, 20, 200))) + 1e-7

    def test_answers_that_are_all_right_stay_below_certainty(self) -> None:
        target, truth = Classes(["a", "b"]), torch.tensor([0, 1] * 5)
        outputs = 6 * torch.nn.functional.one_hot(truth).float()
        temperature = fit_temperature(target, outputs, truth)
        confidence = target.predictions(outputs, temperature).max(1).values
        assert 0.9 < float(confidence.min()) < 0.99

    @pytest.mark.parametrize("count", [1, LEAST - 1])
    def test_too_few_sequences_leave_it_at_1(self, count: int) -> None:
        """All of them wrong, and sure of it: fitted, the temperature would be 20."""
        truth = torch.zeros(count, dtype=torch.int64)
        outputs = torch.tensor([[0.0, 9.0]]).expand(count, 2)
        with pytest.warns(UserWarning, match=rf"with {count} sequences? to validate on, .* takes at least {LEAST}"):
            found = calibration(Classes(["a", "b"]), outputs, truth)
        assert found["temperature"] == 1 and found["temperature_fitted_to"] == 0
        assert found["ece"] == found["ece_uncalibrated"] > 0.9

    def test_enough_sequences_are_fitted_to(self) -> None:
        outputs, _ = drawn(0, LEAST)
        target = Classes(["a", "b", "c", "d"])
        truth = torch.multinomial(target.predictions(outputs / 3), 1).squeeze(1)
        found = calibration(target, outputs, truth)
        assert found["temperature"] == fit_temperature(target, outputs, truth) > 1.3
        assert found["temperature_fitted_to"] == LEAST and found["ece"] < found["ece_uncalibrated"]

    @pytest.mark.parametrize(("right", "sure", "end"), [(0, 9.0, 20), (LEAST, 1e-3, 0.05)])
    def test_an_end_of_the_range_is_said(self, right: int, sure: float, end: float) -> None:
        truth = torch.tensor([1] * right + [0] * (LEAST - right))
        outputs = torch.tensor([[0.0, sure]]).expand(LEAST, 2)
        with pytest.warns(UserWarning, match=f"the temperature is {end}, an end of the range that is searched"):
            assert calibration(Classes(["a", "b"]), outputs, truth)["temperature"] == end
