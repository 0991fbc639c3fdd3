"""Rules for matrix products: with a weight, within a row, or summed over the rows."""

from __future__ import annotations

from dataclasses import replace

from unspool.graph.builder import Builder
from unspool.graph.ir import Node, Ref, dropped, inserted, permuted, whole
from unspool.graph.trace import line


class Products(Builder):
    """Matrix products."""

    def _aten_mm(self, a: Ref, b: Ref) -> Ref:
        made = self._product(inserted(a, 0), inserted(b, 0))
        return dropped(made, 0)

    def _aten_addmm(self, bias: Ref, a: Ref, b: Ref, *, beta: float = 1, alpha: float = 1) -> Ref:
        made = self._aten_mm(a, b)
        made = made if alpha == 1 else self._map("mul", made, float(alpha))
        return self._map("add", made, bias if beta == 1 else self._map("mul", bias, float(beta)))

    def _aten_baddbmm(self, bias: Ref, a: Ref, b: Ref, *, beta: float = 1, alpha: float = 1) -> Ref:
        made = self._aten_bmm(a, b)
        made = made if alpha == 1 else self._map("mul", made, float(alpha))
        return self._map("add", made, bias if beta == 1 else self._map("mul", bias, float(beta)))

    def _aten_bmm(self, a: Ref, b: Ref) -> Ref:
        return self._product(a, b)

    def _product(self, a: Ref, b: Ref) -> Ref:
        """`[batch, M, K] @ [batch, K, N]`; where the rows of the network are decides what kind of product it is."""
        a, b = self._real(a), self._real(b)
        places = a.bdim, b.bdim
        for weight, ref in ((0, a), (1, b)):
            # A weight that was stretched over the rows is a weight still.
            if ref.node.op == "weight" and ref.bdim == 0 and ref.shape[0] == 1:
                places = (None, places[1]) if weight == 0 else (places[0], None)
        if places == (0, None):
            return self._with_weight(permuted(a, (0, 1, 2)), b)
        if places == (1, None):
            return self._with_weight(a, b)
        if places in ((None, 0), (None, 2)):
            flipped = self._product(permuted(b, (0, 2, 1)), permuted(a, (0, 2, 1)))
            return permuted(flipped, (0, 2, 1))
        if places == (2, 1):
            return self._summed_product(permuted(a, (0, 2, 1)), b)
        if places == (0, 0) and a.post == b.post:
            shape = (a.shape[0], a.shape[1], b.shape[2])
            bare = tuple(replace(ref, bdim=None, post=1) for ref in (a, b))
            return whole(self._node("matmul", shape, bare), 0, a.post)
        raise self._refuse("mixes rows: it multiplies the batch with itself")

    def _with_weight(self, a: Ref, w: Ref) -> Ref:
        """`[groups, sub-rows, K]` of the rows times `[groups, K, N]` of a weight; a batch of rows in dimension 0 has
        one weight for all of it."""
        if w.node.op != "weight":
            raise self._refuse("multiplies by a matrix that the backward pass makes of parameters")
        bdim, post = a.bdim, a.post
        if bdim == 0 and a.shape[0] != 1:
            raise self._refuse("multiplies parts of a row with a weight in a way that the compiler does not know")
        shape = (a.shape[0], a.shape[1], w.shape[2])
        bare = self._lined(a), replace(w, bdim=None, post=1)
        return whole(self._node("gemm", shape, bare), bdim, post)

    def _summed_product(self, d: Ref, x: Ref) -> Ref:
        """`Σ_rows d^T x`: `[groups, sub-rows, M]`, `[groups, sub-rows, N]`."""
        assert self.at is not None
        if d.post != x.post:
            raise self._refuse("mixes rows: it multiplies the batch with itself")
        node = Node("wgrad", (d.shape[0], d.shape[2], x.shape[2]), (self._lined(d), self._lined(x)), line=line(self.at))
        self.sums[self.at] = node
        return whole(node)

    def _lined(self, ref: Ref) -> Ref:
        """With its last dimension contiguous, and the one before it walked forwards."""
        if (ref.strides[2] != 1 and ref.shape[2] != 1) or (ref.strides[1] < 0 and ref.shape[1] != 1):
            ref = self._copy(ref)
        return replace(ref, bdim=None, post=1)
