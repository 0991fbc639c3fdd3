"""Real audio files: what is read, what it is called, and what each kind of damage says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from unspool.data.log_mel import log_mel
from unspool.data.open_sequences import Columns, open_sequences
from unspool.errors import ConfigError, DataError

RATE = 8000


def sound(seed: int, count: int = 1200, channels: int = 1) -> np.ndarray:
    samples = 0.2 * np.random.default_rng(seed).standard_normal((count, channels))
    return (np.round(32768 * samples).clip(-32768, 32767) / 32768).astype(np.float32)  # exact in 16 bits


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def test_a_subfolder_is_a_class(tmp_path: Path) -> None:
    sizes = {"no/b.wav": 700, "no/a.flac": 1200, "yes/deep/a.WAV": 500}
    for k, (name, count) in enumerate(sizes.items()):
        write(tmp_path / name, sound(k, count))
    (tmp_path / "yes" / "README.txt").write_text("no audio")
    write(tmp_path / ".hidden" / "x.wav", sound(9))
    found = open_sequences([tmp_path])
    assert found.labels == ["no", "no", "yes"] and found.ids == ["no/a.flac", "no/b.wav", "yes/deep/a.WAV"]
    assert found.lengths.tolist() == [1 + (count - 200) // 80 for count in (1200, 700, 500)]
    assert found.places(2) == str(tmp_path / "yes/deep/a.WAV") and len(found.features) == 40
    expected = [log_mel(sound(k, n)[:, 0], RATE) for k, n in ((1, 1200), (0, 700), (2, 500))]
    assert found.numbers is not None and np.array_equal(found.numbers, np.concatenate(expected))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / os.fsdecode(b"\xff.wav")).write_bytes(b"")
    (tmp_path / os.fsdecode(b"\xff.csv")).write_text("text,label\na,b\n")
    for path, name in ((tmp_path, r"a/\\udcff\.wav"), (tmp_path / os.fsdecode(b"\xff.csv"), r"\\udcff\.csv")):
        with pytest.raises(DataError, match=rf"the name '.*{name}' is not UTF-8; rename"):
            open_sequences([path])


def test_channels_are_averaged(tmp_path: Path) -> None:
    samples = sound(0, channels=3)
    found = open_sequences([write(tmp_path / "a.wav", samples)], labelled=False)
    assert found.numbers is not None
    np.testing.assert_allclose(found.numbers, log_mel(samples.mean(1), RATE), atol=1e-4)


def test_files_without_subfolders_need_no_label(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav"):
        write(tmp_path / name, sound(0))
    found = open_sequences([tmp_path], labelled=False)
    assert found.ids == ["a.wav", "b.wav"] and found.labels is None
    assert len(open_sequences([tmp_path / "b.wav", tmp_path], labelled=False)) == 3
    with pytest.raises(DataError, match=r"a\.wav has no label; expected a subfolder for each class, or a pattern"):
        open_sequences([tmp_path])


def test_file_names_give_label_and_group(tmp_path: Path) -> None:
    for name in ("7_ann_1.wav", "7_bob_0.wav", "3_ann_0.wav"):
        write(tmp_path / name, sound(0))
    columns = Columns(label="^([0-9])_", group=r"_(\w+)_")
    found = open_sequences([tmp_path], columns)
    assert found.labels == ["3", "7", "7"] and found.groups == ["ann", "ann", "bob"]
    write(tmp_path / "other.wav", sound(0))
    with pytest.raises(DataError, match=r"other\.wav: nothing in the file name is the label"):
        open_sequences([tmp_path], columns)
    assert open_sequences([tmp_path], columns, labelled=False).labels is None


@pytest.mark.parametrize(("pattern", "message"), [("(", "no regular expression"), ("(a)(b)", "2 groups"), ("a", "0 g")])
def test_patterns_have_one_group(pattern: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / "x" / "a.wav", sound(0))
    with pytest.raises(ConfigError, match=message):
        open_sequences([tmp_path], Columns(group=pattern))


def test_sample_rates_must_agree(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.wav", sound(0))
    write(tmp_path / "b" / "2.wav", sound(0), rate=16000)
    with pytest.raises(DataError, match=r"2\.wav has 16000 samples a second, but .*1\.wav has 8000"):
        open_sequences([tmp_path])
    with pytest.raises(DataError, match=r"2\.wav has 40 features.*16000 Hz.* but .*1\.wav has 40 .*8000 Hz"):
        open_sequences([tmp_path / "a", tmp_path / "b"], labelled=False)


def test_damage_is_named(tmp_path: Path) -> None:
    cases = {
        "short": (sound(0, 199), RATE, r"short\.wav lasts 24.9 ms; expected at least one frame of 25 ms"),
        "empty": (sound(0, 0), RATE, r"empty\.wav lasts 0.0 ms"),
        "slow": (sound(0), 500, r"slow\.wav has 500 samples a second, too few for 40 mel bands"),
    }
    for name, (samples, rate, message) in cases.items():
        with pytest.raises(DataError, match=message):
            open_sequences([write(tmp_path / f"{name}.wav", samples, rate)], labelled=False)
    (tmp_path / "text.wav").write_text("this is no audio")
    with pytest.raises(DataError, match=r"text\.wav cannot be read as audio"):
        open_sequences([tmp_path / "text.wav"], labelled=False)
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan, dtype=np.float32), RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan\.wav has samples that are NaN"):
        open_sequences([tmp_path / "nan.wav"], labelled=False)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none has no audio file in it"):
        open_sequences([tmp_path / "none"])
    with pytest.raises(DataError, match=r"is audio, but the form is 'long'; give files of that form"):
        open_sequences([tmp_path], Columns(form="long"))


def test_spoken_digits(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    recordings = shared_data("fsdd") / "recordings"
    for file in recordings.glob("[37]_[gj]*_1?.wav"):
        (tmp_path / file.name[0]).mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / file.name[0])
    found = open_sequences([tmp_path], Columns(group=r"_(\w+)_"))
    assert len(found) == 40 and found.labels == ["3"] * 20 + ["7"] * 20
    assert found.groups == (["george"] * 10 + ["jackson"] * 10) * 2
    frames = [1 + (soundfile.info(found.places(i)).frames - 200) // 80 for i in range(len(found))]
    assert found.lengths.tolist() == frames
