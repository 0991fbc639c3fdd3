"""Audio: files, or folders with a subfolder a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unspool.data.columns import Columns
from unspool.data.given import half_character
from unspool.data.log_mel import BINS, log_mel
from unspool.data.needed import needed
from unspool.data.sequences import Sequences, starts_and_end
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError

SUFFIXES = (".wav", ".flac", ".ogg")


def read_audio_sequences(path: Path, columns: Columns, *, labelled: bool) -> Sequences:
    """Log-mel features of an audio file, or of those in a folder, in the order of their paths."""
    if columns.form not in ("auto", "wav"):
        raise DataError(
            f"{path} is audio, but the form is {columns.form!r}; give files of that form, or audio with the form 'wav' "
            "or 'auto'"
        )
    files = audio_files(path) if path.is_dir() else [path]
    labels = _labels(path, files, columns.label, labelled)
    groups = None if columns.group is None else _named(files, columns.group, "group", must=labelled)
    sounds, rate = _sounds(files)
    offsets = starts_and_end(np.array([len(sound) for sound in sounds]))
    features = tuple(f"log-mel {i + 1} of {BINS} at {rate} Hz" for i in range(BINS))
    ids = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
    return Sequences(
        "numbers", None, np.concatenate(sounds), offsets, features, labels, groups, lambda i: str(files[i]), ids
    )


def audio_files(folder: Path) -> list[Path]:
    """All audio files in a folder and its subfolders, by path; hidden ones and other kinds of files are left out."""
    found = [
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and not any(part[0] == "." for part in file.relative_to(folder).parts)
    ]
    if not found:
        raise DataError(f"{folder} has no audio file in it; expected files named {', '.join(SUFFIXES)}")
    for file in found:
        check_name(file)
    return sorted(found, key=lambda file: file.relative_to(folder).parts)


def check_name(path: Path) -> None:
    """`DataError` for a name that is not UTF-8: it can be no id or label, and libraries cannot open the file."""
    if half_character(str(path)):
        raise DataError(f"the name {str(path)!a} is not UTF-8; rename the file or its folder")


def _labels(path: Path, files: Sequence[Path], label: str, labelled: bool) -> list[str] | None:
    """From the file names where `label` is a pattern, else the names of the subfolders."""
    if "(" in label:
        return _named(files, label, "label", must=labelled)
    depths = [len(file.relative_to(path).parts) if path.is_dir() else 1 for file in files]
    if min(depths) > 1:
        return [file.relative_to(path).parts[0] for file in files]
    if labelled:
        raise DataError(
            f"{files[depths.index(1)]} has no label; expected a subfolder for each class, or a pattern for the file "
            "name with one group, the label, such as --label-column '^([^_]+)_'"
        )
    return None


def _named(files: Sequence[Path], pattern: str, use: str, *, must: bool) -> list[str] | None:
    """What the one group of `pattern` is in each file name."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"the {use} {pattern!r} is no regular expression ({error})") from None
    if expression.groups != 1:
        raise ConfigError(
            f"the {use} {pattern!r} has {counted(expression.groups, 'group')}; expected one, such as '_([a-z]+)_'"
        )
    found = [expression.search(file.name) for file in files]
    named = [match[1] for match in found if match and match[1]]
    if len(named) == len(files):
        return named
    if must:
        file = next(file for file, match in zip(files, found, strict=True) if not (match and match[1]))
        raise DataError(f"{file}: nothing in the file name is the {use} that {pattern!r} looks for; expected one")
    return None


def _sounds(files: Sequence[Path]) -> tuple[list[np.ndarray], int]:
    """The features of each file, `[T, 40]`, and the sample rate, the same for all."""
    sounds, first_rate = [], 0
    for file in files:
        samples, rate = _samples(file)
        first_rate = first_rate or rate
        if rate != first_rate:
            raise DataError(
                f"{file} has {rate} samples a second, but {files[0]} has {first_rate}; expected one rate: convert them"
            )
        sounds.append(_features(file, samples, rate))
    return sounds, first_rate


def _samples(file: Path) -> tuple[np.ndarray, int]:
    """`[n]` float32, the mean of the channels, and the sample rate."""
    library = needed("soundfile", "reading audio")
    try:
        samples, rate = library.read(file, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{file} cannot be read as audio ({error}); mend the file or leave it out") from None
    return samples.mean(1), rate


def _features(file: Path, samples: np.ndarray, rate: int) -> np.ndarray:
    if not np.isfinite(samples).all():
        raise DataError(f"{file} has samples that are NaN or infinite; mend the file or leave it out")
    try:
        features = log_mel(samples, rate)
    except ValueError as error:
        raise DataError(f"{file} has {rate} samples a second, too few for {BINS} mel bands ({error})") from None
    if not len(features):
        raise DataError(f"{file} lasts {1000 * len(samples) / rate:.1f} ms; expected at least one frame of 25 ms")
    return features
