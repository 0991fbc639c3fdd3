"""What `unspool classify` makes of its arguments: sequences to answer, a table of answers, pictures."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from unspool.cli.apps import say
from unspool.cli.files_or_texts import files_or_texts
from unspool.cli.lines import Line, chunks, whole
from unspool.cli.readable import Unreadable, readable_parts
from unspool.cli.side_files import check_ending
from unspool.data.audio_files import SUFFIXES
from unspool.data.columns import Columns
from unspool.data.sequences import Sequences
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError
from unspool.tasks.classify import Classifier, Measured, Prediction
from unspool.train.files import replaced, write_bytes
from unspool.train.metrics import json_line


class Answers:
    """The answers of a classifier to files, texts or the lines of stdin."""

    def __init__(self, classifier: Classifier, columns: Columns, given: list[str], *, labelled: bool) -> None:
        self._classifier, self._columns, self._labelled = classifier, columns, labelled
        self._files, self._texts = files_or_lines(classifier, given, "unspool classify RUN")

    def write(self, out: Path | None) -> bool:
        """Write the table; whether a sequence could not be answered."""
        failed, answered = False, self._answered()
        first = next(answered)  # a file that cannot be read leaves no table
        with _opened(out) as file:
            writer = csv.writer(file, lineterminator="\n")
            names = self._classifier.classes
            writer.writerow(["id", "label", *(f"p_{name}" for name in names)])
            for ids, answers in chain([first], answered):
                failed |= any(answer is None for answer in answers)
                writer.writerows(_row(name, answer, len(names)) for name, answer in zip(ids, answers, strict=True))
                file.flush()
        return failed

    def explain(self, number: int, path: Path) -> None:
        """Show which steps of one sequence mattered, and print its label."""
        from unspool.view.picture import KINDS
        from unspool.view.saliency import draw_curve, write_text_page

        texts = self._classifier.kind == "text"
        check_ending("--saliency", path, [".html"] if texts else KINDS, "texts" if texts else "numbers")
        sequences = self._sequences
        if number > len(sequences):
            raise ConfigError(f"--row is {number}, but the input has {counted(len(sequences), 'sequence')}")
        one = sequences.select(np.array([number - 1]))
        (answer,), weights = self._classifier.classify(one), self._classifier.saliency(one)
        if one.texts is not None:
            write_text_page(self._classifier.pieces(one.texts[0]), weights, answer.label, path)
        else:
            assert one.numbers is not None
            draw_curve(one.numbers, one.features, weights, answer.label, path)
        print(answer.label)

    def draw(self, folder: Path) -> None:
        """Write confusion matrix and reliability of labelled sequences into a folder."""
        if not self._classifier.target.has_probabilities:
            raise ConfigError("--pictures shows classes, but this run's target is a number; leave it out")
        measured = self._classifier.measure(self._sequences)
        folder.mkdir(parents=True, exist_ok=True)
        draw_measured(self._classifier, measured, folder)
        say(json_line(measured.metrics).rstrip())

    @cached_property
    def _sequences(self) -> Sequences:
        if self._texts or (not self._files and self._classifier.kind == "text"):
            return of_lines([line for chunk in whole(chunks(self._texts)) for line in chunk])
        return self._classifier.opened(self._files or None, self._columns, labelled=self._labelled)

    def _answered(self) -> Iterator[tuple[list[str], list[Prediction | None]]]:
        """Ids and answers, some at a time."""
        if self._classifier.kind == "text" and not self._files:
            yield [], []  # so that the table begins before the first line comes
            for lines in chunks(self._texts):
                yield [str(line.number) for line in lines], self._answers(of_lines(lines), [x.problem for x in lines])
            return
        done = 0
        for part in self._parts():
            if isinstance(part, Unreadable):
                say(f"error: {part.problem}; its fields are left empty")
                yield [part.id or str(done + 1)], [None]
                done += 1
            else:
                yield _ids(part, done), self._answers(part, [None] * len(part))
                done += len(part)

    def _parts(self) -> list[Sequences | Unreadable]:
        """All that can be read of the files, and what cannot."""
        if self._labelled or not self._files:
            return [self._sequences]
        parts = [part for path in self._files for part in self._parts_of(path)]
        unreadable = [part for part in parts if isinstance(part, Unreadable)]
        if len(unreadable) == len(parts):
            raise DataError(unreadable[0].problem)
        return parts

    def _parts_of(self, path: Path) -> list[Sequences | Unreadable]:
        try:
            return readable_parts(path, self._columns, self._read)
        except DataError as error:
            if path.suffix.lower() in SUFFIXES and path.is_file():  # one sequence
                return [Unreadable(path.name, str(error))]
            raise

    def _read(self, path: Path) -> Sequences:
        sequences = self._classifier.opened([path], self._columns, labelled=False)
        self._classifier.check(sequences)
        return sequences

    def _answers(self, sequences: Sequences, known: list[str | None]) -> list[Prediction | None]:
        attempts = self._classifier.attempt(sequences)
        found = [problem or answer for problem, answer in zip(known, attempts, strict=True)]
        for i, answer in enumerate(found):
            if isinstance(answer, str):
                say(f"error: {sequences.places(i)} {answer}; its fields are left empty")
        return [None if isinstance(answer, str) else answer for answer in found]


def files_or_lines(classifier: Classifier, given: list[str], command: str) -> tuple[list[Path], list[str]]:
    """The arguments of `command` as files, or as texts; a classifier of numbers takes files alone."""
    if classifier.kind == "text":
        return files_or_texts(given, command)
    if missing := [name for name in given if not os.path.exists(name)]:
        reads = f"{classifier.runs[0].path} reads numbers, not texts"
        raise ConfigError(f"there is no file {missing[0]!r}, and {reads}; name files that are there")
    return [Path(name) for name in given], []


def draw_measured(classifier: Classifier, measured: Measured, folder: Path) -> None:
    """Confusion matrix (also as JSON) and reliability diagram, as PNG and SVG."""
    from unspool.tasks.classify.metrics import confusion, reliability
    from unspool.view.confusion import draw_confusion
    from unspool.view.reliability import draw_reliability

    target = classifier.target
    if measured.targets.ndim == 1:
        counts = confusion(measured.targets.numpy(), measured.predictions.argmax(1).numpy(), len(classifier.classes))
        written = {"classes": list(classifier.classes), "counts": counts.tolist()}
        write_bytes(folder / "confusion.json", (json.dumps(written, ensure_ascii=False) + "\n").encode())
        for kind in ("png", "svg"):
            draw_confusion(counts, classifier.classes, folder / f"confusion.{kind}")
    curves = {
        "with temperature": reliability(*target.decisions(measured.predictions, measured.targets)),
        "without": reliability(*target.decisions(measured.uncalibrated, measured.targets)),
    }
    for kind in ("png", "svg"):
        draw_reliability(curves, folder / f"reliability.{kind}")


def _row(name: str, answer: Prediction | None, classes: int) -> list[str]:
    if answer is None:
        return [name, "", *[""] * classes]
    return [name, answer.label, *(f"{p:.6g}" for p in answer.probabilities.values())]


def _ids(sequences: Sequences, done: int) -> list[str]:
    return list(sequences.ids or (str(i) for i in range(done + 1, done + len(sequences) + 1)))


def of_lines(lines: list[Line]) -> Sequences:
    """Lines as texts to classify, each named as it is there."""
    return Sequences("text", [x.text for x in lines], None, None, (), None, None, lambda i: lines[i].name)


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[IO[str]]:
    """Where the table goes; a file is there when all of it is written."""
    if out is None:
        yield sys.stdout
    else:
        with replaced(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
