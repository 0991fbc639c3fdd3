"""Log-mel energies against the same definition in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.log_mel import log_mel


def mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def by_definition(samples: np.ndarray, rate: int) -> np.ndarray:
    """Kaldi's filter bank, written out in float64."""
    width, step = rate * 25 // 1000, rate // 100
    size = 1 << (width - 1).bit_length()
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / (width - 1))) ** 0.85
    edges = np.linspace(mel(20), mel(rate / 2), 42)
    bins = mel(np.arange(size // 2) * rate / size)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    rows = []
    for start in range(0, len(samples) - width + 1, step):
        frame = 32768 * samples[start : start + width].astype(np.float64)
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate((frame[:1], frame[:-1]))
        power = np.abs(np.fft.rfft(frame * window, size))[: size // 2] ** 2
        rows.append(np.log(np.maximum(triangles @ power, np.finfo(np.float32).eps)))
    return np.array(rows)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_noise_has_the_energies_of_the_definition(rate: int) -> None:
    samples = (0.1 * np.random.default_rng(rate).standard_normal(rate // 2)).astype(np.float32)
    np.testing.assert_allclose(log_mel(samples, rate), by_definition(samples, rate), atol=2e-3)


@pytest.mark.parametrize("hertz", [300, 1000, 2500])
def test_a_sine_peaks_in_its_own_band(hertz: int) -> None:
    samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000).astype(np.float32)
    centres = np.linspace(mel(20), mel(4000), 42)[1:-1]
    assert set(log_mel(samples, 8000).argmax(1)) == {int(np.abs(centres - mel(hertz)).argmin())}


@given(st.integers(0, 3000))
def test_frames_are_counted_by_the_formula(count: int) -> None:
    features = log_mel(np.zeros(count, dtype=np.float32), 8000)
    assert features.shape == (1 + (count - 200) // 80 if count >= 200 else 0, 40) and features.dtype == np.float32


def test_the_same_sound_has_the_same_features() -> None:
    silence = np.zeros(4000, dtype=np.float32)
    assert np.array_equal(log_mel(silence, 8000), log_mel(silence, 8000))
