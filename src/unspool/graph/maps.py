"""ATen's elementwise operations as micro-operations, one row each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

_aten = torch.ops.aten

Build = Callable[..., Any]
"""Called with the node builder `m` and the operation's arguments (references, numbers); returns a reference."""


def _same(name: str) -> Build:
    return lambda m, *args, **_: m(name, *args)


def _power(m: Any, base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, (int, float)):
        return m("pow", base, exponent)
    exact = {
        0: lambda: m("mov", 1.0),
        0.5: lambda: m("sqrt", base),
        1: lambda: base,
        2: lambda: m("mul", base, base),
        3: lambda: m("mul", m("mul", base, base), base),
        -0.5: lambda: m("rsqrt", base),
        -1: lambda: m("recip", base),
        -2: lambda: m("recip", m("mul", base, base)),
    }
    return exact[exponent]() if exponent in exact else m("pow", base, float(exponent))


def _scaled(name: str) -> Build:
    """a + alpha · b, or a - alpha · b."""

    def build(m: Any, a: Any, b: Any, *, alpha: float = 1) -> Any:
        if alpha == 1:
            return m(name, a, b)
        return m("fma", b, float(alpha if name == "add" else -alpha), a)

    return build


def _clamp(m: Any, a: Any, low: Any = None, high: Any = None) -> Any:
    a = a if low is None else m("max", a, low)
    return a if high is None else m("min", a, high)


def _divide(m: Any, a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    quotient = m("div", a, b)
    return quotient if rounding_mode is None else m(rounding_mode, quotient)


def _softplus(m: Any, a: Any, beta: float = 1, threshold: float = 20) -> Any:
    inner = a if beta == 1 else m("mul", a, float(beta))
    soft = m("softplus", inner)
    soft = soft if beta == 1 else m("div", soft, float(beta))
    return m("where", m("gt", inner, float(threshold)), a, soft)


def _masked_fill(m: Any, a: Any, mask: Any, value: Any) -> Any:
    return m("where", mask, value, a)


MAPS: dict[Any, Build] = {
    _aten.add.Tensor: _scaled("add"),
    _aten.add.Scalar: _scaled("add"),
    _aten.sub.Tensor: _scaled("sub"),
    _aten.sub.Scalar: _scaled("sub"),
    _aten.rsub.Scalar: lambda m, a, b, alpha=1: _scaled("sub")(m, b, a, alpha=alpha),
    _aten.mul.Tensor: _same("mul"),
    _aten.mul.Scalar: _same("mul"),
    _aten.div.Tensor: _same("div"),
    _aten.div.Scalar: _same("div"),
    _aten.div.Tensor_mode: _divide,
    _aten.div.Scalar_mode: _divide,
    _aten.floor_divide.default: lambda m, a, b: _divide(m, a, b, rounding_mode="floor"),
    _aten.remainder.Scalar: _same("remainder"),
    _aten.remainder.Tensor: _same("remainder"),
    _aten.fmod.Scalar: _same("fmod"),
    _aten.fmod.Tensor: _same("fmod"),
    _aten.neg.default: _same("neg"),
    _aten.reciprocal.default: _same("recip"),
    _aten.abs.default: _same("abs"),
    _aten.sign.default: _same("sign"),
    _aten.sgn.default: _same("sign"),
    _aten.sqrt.default: _same("sqrt"),
    _aten.rsqrt.default: _same("rsqrt"),
    _aten.exp.default: _same("exp"),
    _aten.exp2.default: lambda m, a: m("pow", 2.0, a),
    _aten.expm1.default: _same("expm1"),
    _aten.log.default: _same("log"),
    _aten.log1p.default: _same("log1p"),
    _aten.log2.default: lambda m, a: m("mul", m("log", a), 1 / math.log(2)),
    _aten.log10.default: lambda m, a: m("mul", m("log", a), 1 / math.log(10)),
    _aten.tanh.default: _same("tanh"),
    _aten.sigmoid.default: _same("sigmoid"),
    _aten.softplus.default: _softplus,
    _aten.relu.default: _same("relu"),
    _aten.erf.default: _same("erf"),
    _aten.erfc.default: lambda m, a: m("sub", 1.0, m("erf", a)),
    _aten.sin.default: _same("sin"),
    _aten.cos.default: _same("cos"),
    _aten.tan.default: _same("tan"),
    _aten.atan.default: _same("atan"),
    _aten.sinh.default: lambda m, a: m("mul", m("sub", m("exp", a), m("exp", m("neg", a))), 0.5),
    _aten.cosh.default: lambda m, a: m("mul", m("add", m("exp", a), m("exp", m("neg", a))), 0.5),
    _aten.atan2.default: _same("atan2"),
    _aten.floor.default: _same("floor"),
    _aten.ceil.default: _same("ceil"),
    _aten.round.default: _same("round"),
    _aten.trunc.default: _same("trunc"),
    _aten.pow.Tensor_Scalar: _power,
    _aten.pow.Tensor_Tensor: _same("pow"),
    _aten.pow.Scalar: _same("pow"),
    _aten.maximum.default: _same("max"),
    _aten.minimum.default: _same("min"),
    _aten.clamp.default: _clamp,
    _aten.clamp.Tensor: _clamp,
    _aten.clamp_min.default: lambda m, a, low: _clamp(m, a, low),
    _aten.clamp_min.Tensor: lambda m, a, low: _clamp(m, a, low),
    _aten.clamp_max.default: lambda m, a, high: _clamp(m, a, None, high),
    _aten.clamp_max.Tensor: lambda m, a, high: _clamp(m, a, None, high),
    _aten.hardtanh.default: lambda m, a, low=-1, high=1: _clamp(m, a, low, high),
    _aten.sigmoid_backward.default: _same("dsigmoid"),
    _aten.tanh_backward.default: _same("dtanh"),
    _aten.threshold_backward.default: lambda m, g, a, limit: m("where", m("le", a, float(limit)), 0.0, g),
    _aten.lt.Tensor: _same("lt"),
    _aten.lt.Scalar: _same("lt"),
    _aten.le.Tensor: _same("le"),
    _aten.le.Scalar: _same("le"),
    _aten.gt.Tensor: _same("gt"),
    _aten.gt.Scalar: _same("gt"),
    _aten.ge.Tensor: _same("ge"),
    _aten.ge.Scalar: _same("ge"),
    _aten.eq.Tensor: _same("eq"),
    _aten.eq.Scalar: _same("eq"),
    _aten.ne.Tensor: _same("ne"),
    _aten.ne.Scalar: _same("ne"),
    _aten.isnan.default: _same("isnan"),
    _aten.logical_not.default: _same("logical_not"),
    _aten.bitwise_not.default: _same("logical_not"),
    _aten.logical_and.default: _same("logical_and"),
    _aten.bitwise_and.Tensor: _same("logical_and"),
    _aten.logical_or.default: _same("logical_or"),
    _aten.bitwise_or.Tensor: _same("logical_or"),
    _aten.logical_xor.default: _same("logical_xor"),
    _aten.bitwise_xor.Tensor: _same("logical_xor"),
    _aten.where.self: _same("where"),
    _aten.where.ScalarOther: _same("where"),
    _aten.where.ScalarSelf: _same("where"),
    _aten.where.Scalar: _same("where"),
    _aten.masked_fill.Scalar: _masked_fill,
    _aten.masked_fill.Tensor: _masked_fill,
}
"""What is not here, and no view, product, reduction or rearrangement, makes a step run on the reference loop."""
