"""Tagged texts as a page: each span coloured by its type. One file, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from unspool.tasks.tag.spans import OUTSIDE, has_prefixes, spans
from unspool.tasks.tag.tagger import Tagged

_STYLE = (
    "body{font:1.05em/2 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "p{margin:.4em 0;unicode-bidi:plaintext;white-space:pre-wrap}mark{border-radius:.3em;padding:.15em .3em}"
    "mark,.key span{color:#222}.key span{border-radius:.3em;padding:.15em .5em;margin-right:.5em}"
)


def page(answers: Sequence[Sequence[Tagged]], *, tags: Sequence[str], joint: str = " ") -> str:
    """An HTML page of the texts.

    Args:
        answers: the tagged tokens of each text.
        tags: all tags of the tagger, which get their colours in this order.
        joint: what stood between tokens.

    Example:
        >>> text = page([[Tagged("Ada", "B-PER", 0.98), Tagged("<3", "O", 0.9)]], tags=["B-PER", "O"])
        >>> '<mark' in text and "&lt;3" in text and 'title="PER 0.98"' in text
        True
    """
    prefixed = has_prefixes(tags)
    types = list(dict.fromkeys(tag.partition("-")[2] if prefixed else tag for tag in tags if tag != OUTSIDE))
    colours = {kind: _colour(place, len(types)) for place, kind in enumerate(types)}
    key = "".join(f'<span style="background:{colours[kind]}">{escape(kind)}</span>' for kind in types)
    body = "".join(f"<p>{_line(row, colours, prefixed, joint)}</p>\n" for row in answers)
    return (
        f'<!doctype html>\n<meta charset="utf-8"><title>Tags</title><style>{_STYLE}</style>\n'
        f'<p class="key">{key}</p>\n{body}'
    )


def _colour(place: int, count: int) -> str:
    return f"hsl({round(360 * place / max(count, 1))} 75% 82%)"


def _line(row: Sequence[Tagged], colours: dict[str, str], prefixed: bool, joint: str) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, kind in spans([one.tag for one in row], prefixed=prefixed):
        pieces += [escape(one.token) for one in row[at:start]]
        least = min(one.probability for one in row[start:end])
        text = escape(joint.join(one.token for one in row[start:end]))
        colour = colours.get(kind, "#ddd")
        pieces.append(f'<mark style="background:{colour}" title="{escape(kind)} {least:.2f}">{text}</mark>')
        at = end
    return joint.join([*pieces, *(escape(one.token) for one in row[at:])])
