"""A step and its derivative, for one row."""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx

from unspool.graph.ir import Node, Ref


@dataclass(frozen=True)
class Tail:
    """A value without rows that depends on sums over rows: PyTorch computes it after the sums are complete."""

    node: fx.Node


@dataclass(frozen=True)
class RowGraph:
    """A step and its derivative for one row.

    `outputs`: y and the next states. `gradients`: for each wanted input of the joint graph a reference (rows), a
    `Tail` (weights), or `None` (no dependence). `sums`: the nodes without rows, by the traced node that they stand for.
    """

    outputs: list[Ref]
    gradients: list[tuple[int, Ref | Tail | None]]
    sums: dict[fx.Node, Node]
