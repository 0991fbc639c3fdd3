"""The pictures of a classifier: what is drawn, not how it looks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from unspool.errors import ConfigError
from unspool.tasks.classify.metrics import reliability
from unspool.view.confusion import draw_confusion
from unspool.view.reliability import draw_reliability
from unspool.view.saliency import draw_curve, text_page, write_text_page


class Spans(HTMLParser):
    """The symbols of a page, and how strongly each is coloured."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self._style = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = dict(attrs).get("style") or "" if tag == "span" and dict(attrs).get("title") else ""

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found.append([data, self._style])

    def handle_endtag(self, tag: str) -> None:
        self._style = ""


def test_a_page_shows_every_symbol_in_its_colour() -> None:
    page = text_page(["▁good", "<b>", " &"], np.array([2.0, -1.0, 0.0]), "x<y")
    spans = Spans(page).found
    assert [text for text, _ in spans] == [" good", "<b>", " &"]
    strength = [float(re.findall(r"[\d.]+(?=\))", style)[0]) for _, style in spans]
    assert strength == [0.8, 0.4, 0.0]
    assert "33, 102, 172" in spans[0][1] and "178, 24, 43" in spans[1][1] and "<h1>x&lt;y</h1>" in page


def test_a_page_of_nothing() -> None:
    assert Spans(text_page([], np.zeros(0), "a")).found == []
    assert Spans(text_page(["a"], np.zeros(1), "a")).found[0][0] == "a"


def test_a_page_is_html_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.html"):
        write_text_page(["a"], np.ones(1), "a", tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures_are_written(kind: str, tmp_path: Path) -> None:
    head = {"png": b"\x89PNG", "svg": b"<?xml"}[kind]
    names = ["a$_^", "é $x$", "c"]
    draw_confusion(np.array([[5, 1, 0], [0, 0, 0], [2, 0, 7]]), names, tmp_path / f"c.{kind}")
    curve = reliability(np.array([0.2, 0.9, 0.95]), np.array([False, True, True]))
    draw_reliability({"one": curve}, tmp_path / f"r.{kind}")
    numbers, weights = np.random.default_rng(0).normal(size=(5, 3)), np.array([0.5, -1, 0, 2, -0.1])
    draw_curve(numbers, names, weights, "$a_", tmp_path / f"s.{kind}")
    draw_curve(np.zeros((4, 20)), [str(i) for i in range(20)], np.zeros(4), "many", tmp_path / f"m.{kind}")
    for letter in "crsm":
        assert (tmp_path / f"{letter}.{kind}").read_bytes().startswith(head)


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"c\.txt: expected a file that ends in \.png"):
        draw_confusion(np.eye(2, dtype=int), ["a", "b"], tmp_path / "c.txt")
