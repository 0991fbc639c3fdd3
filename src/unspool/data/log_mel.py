"""Sound as features over time: logarithmic mel energies, by kaldi-native-fbank."""

from __future__ import annotations

import numpy as np

from unspool.data.needed import needed

BINS = 40
FULL_SCALE = 32768
"""Kaldi's filter bank takes samples as 16-bit numbers; its floor of 1.2e-7 is set for that."""


def log_mel(samples: np.ndarray, rate: int) -> np.ndarray:
    """Log-mel energies of a sound, `[T, 40]` float32.

    Frames of 25 ms each 10 ms, T = 1 + ⌊(n − n₂₅) / n₁₀⌋ for n samples (0 where n < n₂₅); the offset removed,
    pre-emphasis 0.97, Povey's window, power spectrum, 40 triangles between 20 Hz and half the rate, evenly spaced on
    the mel scale 1127 ln(1 + f/700); natural logarithm. These are Kaldi's defaults, without dither, so that the same
    sound always gives the same features.

    Args:
        samples: `[n]` float32, −1 to 1, one channel.
        rate: samples a second.

    Raises:
        UnspoolError: kaldi-native-fbank is missing.

    Example:
        >>> log_mel(np.zeros(8000, dtype=np.float32), 8000).shape
        (98, 40)
    """
    kaldi = needed("kaldi_native_fbank", "reading audio")
    options = kaldi.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = rate
    options.mel_opts.num_bins = BINS
    bank = kaldi.OnlineFbank(options)
    bank.accept_waveform(rate, FULL_SCALE * samples)
    bank.input_finished()
    frames = [bank.get_frame(i) for i in range(bank.num_frames_ready)]
    return np.array(frames, dtype=np.float32).reshape(-1, BINS)
