"""Rules for sums, means, extrema, norms and cumulative sums: within a row, or over the rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from torch import fx

from unspool.graph.builder import Builder
from unspool.graph.ir import Node, Operand, Ref, dropped, merged, packed, permuted, reshaped, sliced, whole
from unspool.graph.trace import line


class Reductions(Builder):
    """Reductions. Over the batch only sums can go, and only into gradients of parameters."""

    def _aten_sum(self, ref: Ref, dims: Any = None, keepdim: bool = False, **_: Any) -> Ref:
        return self._reduction("sum", ref, dims, keepdim)

    def _aten_mean(self, ref: Ref, dims: Any = None, keepdim: bool = False, **_: Any) -> Ref:
        chosen = self._dims(ref, dims)
        if ref.bdim in chosen:
            raise self._refuse("mixes rows: it takes a mean over the batch")
        return self._map("mul", self._reduction("sum", ref, dims, keepdim), 1 / math.prod(ref.shape[d] for d in chosen))

    def _moments(self, ref: Ref, dims: list[int], correction: float) -> tuple[Ref, Ref, Ref]:
        """Distance from the mean, mean, and mean square distance; `dims` stay as dimensions of 1."""
        if ref.bdim in dims:
            raise self._refuse("mixes rows: it takes a mean over the batch")
        count = math.prod(ref.shape[d] for d in dims)
        mean = self._map("mul", self._reduced("sum", ref, dims), 1 / count)
        distance = self._map("sub", ref, mean)
        total = self._reduced("sum", self._map("mul", distance, distance), dims)
        return (
            distance,
            mean,
            self._map("mul", total, 1 / max(0, count - correction) if count > correction else math.inf),
        )

    def _aten_var(self, ref: Ref, dims: Any = None, *, correction: float | None = 1, keepdim: bool = False) -> Ref:
        chosen = self._dims(ref, dims)
        made = self._moments(ref, chosen, 1 if correction is None else correction)[2]
        if not keepdim:
            for dim in reversed(chosen):
                made = dropped(made, dim)
        return made

    def _aten_var_mean(
        self, ref: Ref, dims: Any = None, *, correction: float | None = 1, keepdim: bool = False
    ) -> tuple[Ref, Ref]:
        return self._aten_var(ref, dims, correction=correction, keepdim=keepdim), self._aten_mean(ref, dims, keepdim)

    def _aten_native_layer_norm(self, ref: Ref, shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Ref, ...]:
        dims = list(range(len(ref.shape) - len(shape), len(ref.shape)))
        distance, mean, variance = self._moments(ref, dims, 0)
        scale = self._map("rsqrt", self._map("add", variance, float(eps)))
        made = self._map("mul", distance, scale)
        made = made if weight is None else self._map("mul", made, weight)
        made = made if bias is None else self._map("add", made, bias)
        return made, mean, scale

    def _aten_amax(self, ref: Ref, dims: Any = (), keepdim: bool = False) -> Ref:
        return self._reduction("max", ref, dims, keepdim)

    def _aten_amin(self, ref: Ref, dims: Any = (), keepdim: bool = False) -> Ref:
        return self._reduction("min", ref, dims, keepdim)

    def _dims(self, ref: Ref, dims: Any) -> list[int]:
        if dims is None or (isinstance(dims, (list, tuple)) and not dims):
            return list(range(len(ref.shape)))
        return sorted({d % len(ref.shape) for d in ([dims] if isinstance(dims, int) else dims)})

    def _reduction(self, name: str, ref: Ref, dims: Any, keepdim: bool) -> Ref:
        chosen = self._dims(ref, dims)
        over_rows = ref.bdim is not None and ref.bdim in chosen
        if over_rows and name != "sum":
            raise self._refuse(f"mixes rows: it takes the {name} over the batch")
        inner = [d for d in chosen if ref.shape[d] != 1]
        if over_rows:
            return self._over_rows(ref, chosen, inner, keepdim)
        made = self._reduced(name, ref, inner) if inner else ref
        if not keepdim:
            for dim in reversed(chosen):
                made = dropped(made, dim)
        return made

    def _reduced(self, name: str, ref: Ref, dims: list[int]) -> Ref:
        """Reduce `dims`, each of which stays as a dimension of 1."""
        ref = self._real(ref)
        kept = [d for d in range(len(ref.shape)) if d not in dims]
        view = permuted(ref, [*kept, *dims])
        outer, inner = view.shape[: len(kept)], view.shape[len(kept) :]
        folded = self._three(view, outer, inner)
        if folded is None:
            folded = self._three(self._copy(view), outer, inner)
            assert folded is not None
        shape = tuple(1 if d in dims else size for d, size in enumerate(ref.shape))
        return whole(self._node("reduce", shape, (folded,), name), ref.bdim, ref.post)

    def _three(self, view: Ref, outer: tuple[int, ...], inner: tuple[int, ...]) -> Ref | None:
        """`view` as [n1, n, n0], the middle one reduced; `None` where strides cannot say it."""
        sizes, (steps,) = merged(outer, view.strides[: len(outer)])
        count, (step,) = merged(inner, view.strides[len(outer) :])
        if len(sizes) > 2 or len(count) > 1:
            return None
        sizes, steps = [1] * (2 - len(sizes)) + sizes, [0] * (2 - len(steps)) + steps
        count, step = (count or [1]), (step or [1])
        # The last kept dimension runs innermost only where it is contiguous: whole lines are added then.
        if steps[1] == 1 and step[0] != 1:
            shape, strides = (sizes[0], count[0], sizes[1]), (steps[0], step[0], steps[1])
        elif sizes[0] == 1 or steps[0] == steps[1] * sizes[1]:
            shape, strides = (sizes[0] * sizes[1], count[0], 1), (steps[1], step[0], 0)
        else:
            shape, strides = (sizes[0], count[0], sizes[1]), (steps[0], step[0], steps[1])
        return Ref(view.node, shape, strides, view.offset)

    def _over_rows(self, ref: Ref, chosen: list[int], inner: list[int], keepdim: bool) -> Ref:
        assert self.at is not None
        product = self._product_summed(ref) if chosen == [0] and not keepdim else None
        if product is None:
            kept = tuple(size for d, size in enumerate(ref.shape) if d not in chosen)
            flat = self._subrows(self._real(ref), inner) if inner else self._unreduced(ref)
            (source, *_) = self.at.args
            if flat is None or (not inner and isinstance(source, fx.Node) and len(source.users) > 1):
                flat = self._flat(self._reduced("sum", ref, inner) if inner else ref)
            product = Node("bgrad", (math.prod(kept),), (flat,), info={"groups": 1}, line=line(self.at))
        self.sums[self.at] = product
        shape = self._size()
        return Ref(product, shape, packed(shape))

    def _subrows(self, ref: Ref, inner: list[int]) -> Ref | None:
        """`[sub-rows, N]`, so that `inner` is summed where the rows are; `None` where no layout says it."""
        rows_alone = [] if ref.bdim is None or ref.bdim in inner else [ref.bdim]
        if any(ref.shape[d] != 1 for d in rows_alone):
            return None
        kept = [d for d in range(len(ref.shape)) if d not in (*inner, *rows_alone)]
        order = [*rows_alone, *inner, *kept]
        rows, width = (math.prod(ref.shape[d] for d in dims) for dims in (inner, kept))
        view, node = permuted(ref, order), ref.node
        if view.strides != packed(view.shape, view.strides):
            if node.op != "map" or not ref.dense or ref.shape != node.shape:
                return None
            operands = tuple(permuted(a, order) if isinstance(a, Ref) else a for a in node.args)
            view = whole(self._node("map", view.shape, operands, node.name))
        return Ref(view.node, (rows, width), (width, 1), view.offset)

    def _unreduced(self, ref: Ref) -> Ref | None:
        """`[sub-rows, N]` of what `ref` has summed already within the row, so that it is summed but once."""
        node = ref.node
        if node.op != "reduce" or node.name != "sum" or not ref.dense:
            return None
        (view,) = node.refs()
        source = view.node
        if source.op != "map" or not view.dense:
            return None
        operands: list[Operand] = []
        for a in source.args:
            strides = reshaped(a, view.shape) if isinstance(a, Ref) else ()
            if strides is None:
                return None
            operands.append(
                permuted(replace(a, shape=view.shape, strides=strides, bdim=None), (1, 0, 2))
                if isinstance(a, Ref)
                else a
            )
        outer, size, inner = view.shape
        made = self._node("map", (size, outer, inner), tuple(operands), source.name)
        return Ref(made, (size, outer * inner), (outer * inner, 1))

    def _product_summed(self, ref: Ref) -> Node | None:
        """The sum over rows of a product of two matrices of a row is one product over all rows."""
        node = ref.node
        if node.op != "matmul" or not ref.dense or node.shape[0] != 1:
            return None
        left, right = node.refs()
        d, x = permuted(left, (0, 2, 1)), right
        return Node("wgrad", (1, *node.shape[1:]), (d, x), line=node.line)

    def _flat(self, ref: Ref) -> Ref:
        """As `[1, width]`, one number after another."""
        ref = self._real(ref)
        strides = reshaped(ref, (1, ref.width))
        if strides is None or (strides[1] != 1 and ref.width != 1):
            ref = self._copy(ref)
            strides = reshaped(ref, (1, ref.width))
            assert strides is not None
        return Ref(ref.node, (1, ref.width), strides, ref.offset)

    def _aten_cumsum(self, ref: Ref, dim: int, **_: Any) -> Ref:
        """Sums of 1, 2, 4, … neighbours, until all before are in."""
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it sums over the batch")
        size, reach = ref.shape[dim], 1
        while reach < size:
            shifted = self._pieces(ref.shape, dim, [(reach, sliced(ref, dim, 0, size - reach))], ref.bdim, ref.post)
            ref = self._map("add", ref, shifted)
            reach *= 2
        return ref

    def _aten_max(self, ref: Ref, dim: int, keepdim: bool = False) -> tuple[Ref, None]:
        if self.at is not None and any(user.args[1] == 1 for user in self.at.users):
            raise self._refuse("uses the index of a maximum; take torch.amax, whose derivative needs none")
        return self._reduction("max", ref, [dim], keepdim), None
