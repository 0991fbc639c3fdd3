"""Rules for what puts parts of tensors together."""

from __future__ import annotations

from typing import Any

from unspool.graph.builder import Builder
from unspool.graph.ir import Ref, inserted, packed, sliced


class Pieces(Builder):
    """Concatenations, paddings, and what is written into a part."""

    def _aten_flip(self, ref: Ref, dims: list[int]) -> Ref:
        for dim in (d % len(ref.shape) for d in dims):
            if dim == ref.bdim:
                raise self._refuse("mixes rows: it reverses the batch")
            ref = sliced(ref, dim, ref.shape[dim] - 1, ref.shape[dim], -1)
        return ref

    def _aten_roll(self, ref: Ref, shifts: Any, dims: Any = ()) -> Ref:
        shifts, dims = ([value] if isinstance(value, int) else value for value in (shifts, dims))
        for shift, dim in zip(shifts, (d % len(ref.shape) for d in dims), strict=True):
            size = ref.shape[dim]
            if dim == ref.bdim:
                raise self._refuse("mixes rows: it rolls the batch")
            last = shift % size
            parts = [(0, sliced(ref, dim, size - last, last)), (last, sliced(ref, dim, 0, size - last))]
            ref = self._pieces(ref.shape, dim, parts if last else parts[1:], ref.bdim, ref.post)
        return ref

    def _aten_cat(self, refs: list[Ref], dim: int = 0) -> Ref:
        refs = [ref for ref in refs if not (len(ref.shape) == 1 and ref.shape[0] == 0)]
        dim %= len(refs[0].shape)
        rows = [ref for ref in refs if ref.bdim is not None]
        if not rows:
            raise self._refuse("joins tensors without rows")
        # Whole batches one after another are as good as parts of each row, if all are batches.
        along = dim == rows[0].bdim and len(rows) < len(refs)
        if along or any((ref.bdim, ref.post) != (rows[0].bdim, rows[0].post) for ref in rows):
            raise self._refuse("mixes rows: it joins tensors along the batch")
        parts, start = [], 0
        for ref in refs:
            parts.append((start, ref))
            start += ref.shape[dim]
        shape = (*rows[0].shape[:dim], start, *rows[0].shape[dim + 1 :])
        return self._pieces(shape, dim, parts, rows[0].bdim, rows[0].post)

    def _aten_slice_backward(self, ref: Ref, sizes: Any, dim: int, start: int, end: int, step: int) -> Ref:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            return ref
        shape, _, _ = self._without_batch(self._size())
        first = slice(start, end).indices(shape[dim])[0]
        if step == 1:
            return self._pieces(shape, dim, [(first, ref)], ref.bdim, ref.post)
        if first >= step or ref.shape[dim] * step != shape[dim]:
            raise self._refuse("slices a part with a step, whose derivative the compiler does not know")
        spread = (*shape[:dim], ref.shape[dim], step, *shape[dim + 1 :])
        made = self._pieces(spread, dim + 1, [(first, inserted(ref, dim + 1))], None, 1)
        return Ref(made.node, shape, packed(shape), 0, ref.bdim, ref.post)

    def _aten_select_backward(self, ref: Ref, sizes: Any, dim: int, index: int) -> Ref:
        shape, bdim, _ = self._without_batch(self._size())
        dim %= len(shape)
        return self._pieces(shape, dim, [(index % shape[dim], inserted(ref, dim))], bdim, ref.post)

    def _aten_constant_pad_nd(self, ref: Ref, pad: list[int], value: float = 0) -> Ref:
        for place in range(len(pad) // 2):
            dim, (before, after) = len(ref.shape) - 1 - place, pad[2 * place : 2 * place + 2]
            if before == after == 0:
                continue
            if value != 0 or dim == ref.bdim:
                raise self._refuse("pads with something else than zeros, or pads the batch")
            ref = sliced(ref, dim, max(0, -before), ref.shape[dim] + min(0, before) + min(0, after))
            before, after = max(0, before), max(0, after)
            shape = (*ref.shape[:dim], before + ref.shape[dim] + after, *ref.shape[dim + 1 :])
            ref = self._pieces(shape, dim, [(before, ref)], ref.bdim, ref.post)
        return ref

    def _aten_slice_scatter(
        self, ref: Ref, part: Ref, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
    ) -> Ref:
        dim %= len(ref.shape)
        first, last, step = slice(start, end, step).indices(self._traced_shape(ref)[dim])
        if dim == ref.bdim or step != 1:
            if dim == ref.bdim and (first, last) == (0, self._traced_shape(ref)[dim]):
                return part
            raise self._refuse("writes into some rows, or with a step")
        length = ref.shape[dim]
        parts = [(0, sliced(ref, dim, 0, first)), (first, part), (last, sliced(ref, dim, last, length - last))]
        kept = [(at, piece) for at, piece in parts if piece.shape[dim]]
        return self._pieces(ref.shape, dim, kept, ref.bdim if ref.bdim is not None else part.bdim, part.post)

    def _aten_select_scatter(self, ref: Ref, part: Ref, dim: int, index: int) -> Ref:
        dim %= len(ref.shape)
        index %= ref.shape[dim]
        return self._aten_slice_scatter(ref, inserted(part, dim), dim, index, index + 1)
