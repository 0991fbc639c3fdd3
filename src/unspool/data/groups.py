"""A validation part split off: whole groups where there are groups, else in proportion to the labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unspool.data.sequences import Sequences
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError


def split(sequences: Sequences, share: float, seed: int) -> tuple[Sequences, Sequences]:
    """Train and validation part, a pure function of the seed; in each, the order is kept.

    With groups, each group is in one part only, and their number is the one that comes nearest to `share`. Without,
    each label is divided in proportion (by the largest remainders) where every label occurs at least twice, so that
    each is trained on; else sequences are drawn regardless of the label. Equal texts stay together, so that none is
    validated on that was trained on.

    Args:
        sequences: at least two, or of at least two groups.
        share: of the sequences that are for validation, above 0 and below 1; each part has at least one.
        seed: of the draw.

    Raises:
        ConfigError: an impossible share or seed. DataError: too few sequences or groups.

    Example:
        >>> from unspool.data.digits import digits
        >>> train, valid = split(digits()[0], 0.1, seed=0)
        >>> len(train), len(valid)
        (1165, 129)
    """
    if not 0 < share < 1:
        raise ConfigError(f"the validation share is {share}; expected more than 0 and less than 1")
    if seed < 0:
        raise ConfigError(f"seed is {seed}; expected at least 0")
    if len(sequences) < 2:
        raise DataError(
            f"got {counted(len(sequences), 'sequence')}; expected at least 2 to split a validation part off"
        )
    rng = np.random.Generator(np.random.Philox(seed))
    if sequences.groups is not None:
        held_out = _whole_groups(sequences.groups, share, rng)
    else:
        held_out = _by_label(sequences.labels, len(sequences), share, rng)
        if sequences.texts is not None:
            held_out = _equal_together(sequences.texts, held_out, share, rng)
    return sequences.select(np.flatnonzero(~held_out)), sequences.select(np.flatnonzero(held_out))


def _whole_groups(groups: Sequence[str], share: float, rng: np.random.Generator) -> np.ndarray:
    """`[N]` bool: which sequences are of the first groups of a random order."""
    names, members = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"all sequences are of one group, {names[0]!r}; expected at least two to split by group")
    order = rng.permutation(len(names))
    sizes = np.bincount(members)[order].cumsum()[:-1]
    count = 1 + int(np.abs(sizes - share * len(groups)).argmin())
    return np.isin(members, order[:count])


def _by_label(labels: Sequence[str] | None, count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """`[N]` bool: as many of each class as `_quotas` says, the first of a random order."""
    classes = np.zeros(count, dtype=np.int64)
    if labels is not None:
        classes = np.unique(np.asarray(labels, dtype=object), return_inverse=True)[1]
        if np.bincount(classes).min() < 2:
            classes[:] = 0
    sizes = np.bincount(classes)
    order = rng.permutation(count)
    order = order[np.argsort(classes[order], kind="stable")]
    ranks = np.arange(count) - np.repeat(sizes.cumsum() - sizes, sizes)
    held_out = np.zeros(count, dtype=bool)
    held_out[order[ranks < np.repeat(_quotas(sizes, share, rng), sizes)]] = True
    return held_out


def _equal_together(texts: Sequence[str], held_out: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """`held_out`, equal texts being where the first of them is; if that empties a part, each text is a group."""
    _, first, kind = np.unique(np.asarray(texts, dtype=object), return_index=True, return_inverse=True)
    moved = held_out[first][kind]
    if moved.any() and not moved.all():
        return moved
    return held_out if len(first) < 2 else _whole_groups(texts, share, rng)


def _quotas(sizes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """How many of each class are held out: in proportion, never a whole class; ties of remainders by lot."""
    exact = sizes * share
    quotas = np.floor(exact).astype(np.int64)
    wanted = max(1, round(share * int(sizes.sum()))) - int(quotas.sum())
    lots = rng.permutation(len(sizes))
    ranked = lots[np.argsort((quotas - exact)[lots], kind="stable")]
    open_ = ranked[quotas[ranked] + 1 < sizes[ranked]]
    quotas[open_[: max(0, wanted)]] += 1
    return quotas
