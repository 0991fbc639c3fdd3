"""Free Spoken Digit Dataset: one spoken digit a file (https://github.com/Jakobovski/free-spoken-digit-dataset).

    python benchmarks/fsdd.py --data ../shared/data/fsdd --out runs/fsdd [--seed 1] [--speaker theo]

The official split: recordings 0 to 4 of each speaker and digit are the test part, the others train, of which 5 to 9 are
validation data. With `--speaker` the test part is all of that speaker, who is in no other part. The test part is read
once. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from command import options, unspool

CHOICES = (
    "--cell gru --hidden 128 --layers 2 --bidirectional --readout mean --dropout 0.3 --max-tokens 4000 "
    "--lr 0.003 --warmup 50 --schedule cosine --epochs 40 --ema 0.99 --monitor accuracy"
)


def part(name: str, speaker: str) -> str:
    """In which part a recording `digit_speaker_index` is."""
    _, who, index = name.removesuffix(".wav").split("_")
    held_out = who == speaker if speaker else int(index) < 5
    return "test" if held_out else "valid" if int(index) < 10 else "train"


def main() -> None:
    chosen, more = options(__doc__ or "", seed="0", speaker="")
    with tempfile.TemporaryDirectory() as folder:
        for recording in sorted((chosen.data / "recordings").glob("*.wav")):
            digit = Path(folder, part(recording.name, chosen.speaker), recording.name[0])
            digit.mkdir(parents=True, exist_ok=True)
            os.symlink(recording.resolve(), digit / recording.name)
        files = {name: Path(folder, name) for name in ("train", "valid", "test")}
        data = ["--train", files["train"], "--valid", files["valid"]]
        told = [*CHOICES.split(), "--seed", chosen.seed, *more]
        trained = unspool("train", "classify", *data, "--out", chosen.out, *told)
        scores = unspool("evaluate", chosen.out, "--test", files["test"])
    minutes = round(trained["seconds"] / 60, 1)
    print(json.dumps({"speaker": chosen.speaker or None, "minutes": minutes, "validation": trained["best"], **scores}))


if __name__ == "__main__":
    main()
