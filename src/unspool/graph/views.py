"""Rules for what looks at the same numbers in another way."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from unspool.graph.builder import Builder
from unspool.graph.ir import Ref, broadcast, dropped, inserted, permuted, reshaped, sliced


class Views(Builder):
    """Views, and copies of them."""

    def _aten_detach(self, ref: Ref, *_: Any, **__: Any) -> Ref:
        return ref

    _aten_alias = _aten_clone = _aten_lift_fresh_copy = _aten_detach

    def _aten_copy(self, ref: Ref, other: Ref, *_: Any) -> Ref:
        """`other`, in the shape of what it is written over."""
        return replace(broadcast(other, ref.shape), bdim=ref.bdim, post=ref.post)

    def _aten_fill(self, ref: Ref, value: float | Ref) -> Ref:
        return self._aten_copy(ref, value) if isinstance(value, Ref) else self._filled(value)

    def _aten__to_copy(self, ref: Ref, **options: Any) -> Ref:
        assert self.at is not None
        before, after = self.at.all_input_nodes[0].meta["val"].dtype, self.at.meta["val"].dtype
        if before == after or (before == torch.bool and after.is_floating_point):
            return ref
        if after == torch.bool:
            return self._map("ne", ref, 0.0)
        if before == torch.bool or {before, after} <= {torch.int32, torch.int64}:
            return ref
        raise self._refuse(f"turns {before} into {after}")

    def _aten_t(self, ref: Ref) -> Ref:
        return permuted(ref, range(len(ref.shape))[::-1])

    def _aten_permute(self, ref: Ref, dims: list[int]) -> Ref:
        return permuted(ref, [d % len(ref.shape) for d in dims])

    def _aten_transpose(self, ref: Ref, one: int, other: int) -> Ref:
        order = list(range(len(ref.shape)))
        one, other = one % len(order), other % len(order)
        order[one], order[other] = order[other], order[one]
        return permuted(ref, order)

    def _aten_unsqueeze(self, ref: Ref, dim: int) -> Ref:
        return inserted(ref, dim % (len(ref.shape) + 1))

    def _aten_squeeze(self, ref: Ref, dims: Any = None) -> Ref:
        size = self._traced_shape(ref)
        chosen = range(len(size)) if dims is None else [dims] if isinstance(dims, int) else dims
        for dim in sorted({d % len(size) for d in chosen}, reverse=True):
            if size[dim] == 1:
                ref = dropped(ref, dim)
        return ref

    def _aten_expand(self, ref: Ref, size: Any, **_: Any) -> Ref:
        shape, bdim, post = self._without_batch(self._size())
        if ref.bdim is not None:
            return replace(broadcast(ref, shape), post=ref.post)
        return replace(broadcast(ref, shape), bdim=bdim, post=post)

    def _aten_view(self, ref: Ref, size: Any) -> Ref:
        shape, bdim, inner = self._without_batch(self._size())
        post = 1
        if ref.bdim is not None:
            if bdim is None:
                raise self._refuse("loses its batch dimension")
            suffix = ref.post * math.prod(ref.shape[ref.bdim + 1 :])
            post, rest = divmod(suffix, math.prod(shape[bdim + 1 :]) or 1)
            if rest or (inner % post if post else True):
                raise self._refuse("mixes rows: it cuts the batch dimension in pieces")
        strides = reshaped(ref, shape)
        if strides is None:
            ref = self._copy(ref)
            strides = reshaped(ref, shape)
            assert strides is not None
        return Ref(ref.node, shape, strides, ref.offset, bdim, post)

    _aten__unsafe_view = _aten_reshape = _aten_view

    def _aten_slice(self, ref: Ref, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Ref:
        dim %= len(ref.shape)
        size = self._traced_shape(ref)[dim]
        first, last, step = slice(start, end, step).indices(size)
        if dim == ref.bdim:
            if (first, last, step) != (0, size, 1):
                raise self._refuse("mixes rows: it takes some rows of the batch")
            return ref
        return sliced(ref, dim, first, max(0, -(-(last - first) // step)), step)

    def _aten_select(self, ref: Ref, dim: int, index: int) -> Ref:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it takes one row of the batch")
        return dropped(sliced(ref, dim, index % ref.shape[dim], 1), dim)

    def _aten_split_with_sizes(self, ref: Ref, sizes: list[int], dim: int = 0) -> tuple[Ref, ...]:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it splits the batch")
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        return tuple(sliced(ref, dim, start, size) for start, size in zip(starts, sizes, strict=True))

    def _aten_split(self, ref: Ref, size: int, dim: int = 0) -> tuple[Ref, ...]:
        total = ref.shape[dim]
        return self._aten_split_with_sizes(ref, [min(size, total - start) for start in range(0, total, size)], dim)

    # Pieces that may be written into, because nobody looks at the whole any more.
    _aten_unsafe_split, _aten_unsafe_split_with_sizes = _aten_split, _aten_split_with_sizes

    def _aten_unbind(self, ref: Ref, dim: int = 0) -> tuple[Ref, ...]:
        dim %= len(ref.shape)
        return tuple(self._aten_select(ref, dim, index) for index in range(ref.shape[dim]))

    def _prims_broadcast_in_dim(self, ref: Ref, shape: Any, dims: list[int]) -> Ref:
        for place in range(len(shape)):
            if place not in dims:
                ref = inserted(ref, place)
        return self._aten_expand(ref, shape)

    def _prims_convert_element_type(self, ref: Ref, dtype: torch.dtype) -> Ref:
        return self._aten__to_copy(ref)
