"""Rules for what makes tensors out of nothing."""

from __future__ import annotations

from typing import Any

from unspool.graph.builder import Builder
from unspool.graph.ir import Ref


class Constants(Builder):
    """Tensors filled with a number."""

    def _aten_full(self, size: Any, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_zeros(self, size: Any, **_: Any) -> Ref:
        return self._filled(0)

    def _aten_ones(self, size: Any, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_new_zeros(self, ref: Ref, size: Any, **_: Any) -> Ref:
        return self._filled(0)

    _aten_zeros_like = _aten_new_zeros_like = lambda self, ref, **_: self._filled(0)

    def _aten_new_ones(self, ref: Ref, size: Any, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_ones_like(self, ref: Ref, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_full_like(self, ref: Ref, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_new_full(self, ref: Ref, size: Any, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_empty(self, *_: Any, **__: Any) -> Ref:
        return self._filled(0)

    _aten_empty_like = _aten_new_empty = _aten_empty

    def _aten_scalar_tensor(self, value: float, **_: Any) -> Ref:
        return self._filled(value)
