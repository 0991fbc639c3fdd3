"""The cells of section `further` once more, in JAX. Imported only where jax is installed."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

from unspool.bench.further_cells import BLOCKS
from unspool.bench.jax_cells import Weights

# By name, so that a check of types does not need jax.
jax: Any = importlib.import_module("jax")
jnp: Any = importlib.import_module("jax.numpy")
sigmoid, tanh = jax.nn.sigmoid, jnp.tanh

Made = tuple[Any, list[Any]]
"""Output, and the list of new states."""


def _linear(w: Weights, name: str, value: Any) -> Any:
    made = value @ w[f"{name}.weight"].T
    return made + w[f"{name}.bias"] if f"{name}.bias" in w else made


def _gelu(value: Any) -> Any:
    return jax.nn.gelu(value, approximate=False)


def bilinear(w: Weights, x: Any, state: Any, context: Any) -> Made:
    h, s = state
    xz, xn = jnp.split(_linear(w, "x", x), 2, -1)
    z = sigmoid(xz + _linear(w, "gate", h))
    n = tanh(xn + _linear(w, "mix", _linear(w, "fast", h) * _linear(w, "slow", s)))
    h = h + z * (n - h)
    s = s + sigmoid(w["rate"]) * (h - s)
    return h + s, [h, s]


def sentinel(w: Weights, x: Any, state: Any, context: Any) -> Made:
    h, c, a = state
    gates = _linear(w, "x", jnp.concatenate([x, a], -1)) + _linear(w, "h", h)
    i, f, g, o, look = jnp.split(gates, 5, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    seen = tanh(c)
    h, own = sigmoid(o) * seen, sigmoid(look) * seen
    q = _linear(w, "query", h) / math.sqrt(h.shape[-1])
    scores = jnp.where(context["mask"], jnp.einsum("bsh,bh->bs", context["keys"], q), -jnp.inf)
    weights = jax.nn.softmax(jnp.concatenate([scores, (q * own).sum(-1, keepdims=True)], 1), 1)
    found = jnp.einsum("bs,bsh->bh", weights[:, :-1], context["memory"]) + weights[:, -1:] * own
    a = tanh(_linear(w, "out", jnp.concatenate([h, found], -1)))
    return a, [h, c, a]


def plastic(w: Weights, x: Any, state: Any, context: Any) -> Made:
    h, u, v = state
    sent = u * v * h
    power = jax.nn.relu(_linear(w, "x", x) + sent @ (jnp.abs(w["recurrent"]) * w["sign"]).T) ** 2
    rate = power / (1 + power.mean(-1, keepdims=True))
    u_next = u + w["alpha_u"] * (w["release"] - u) + 0.05 * w["release"] * (1 - u) * h
    v_next = v + w["alpha_v"] * (1 - v) - 0.05 * sent
    h = h + 0.2 * (rate - h)
    return jnp.sqrt(h + 1e-4), [h, jnp.clip(u_next, 0, 1), jnp.clip(v_next, 0, 1)]


def shuffled(w: Weights, x: Any, h: Any, context: Any) -> Made:
    batch, hidden = h.shape
    made, blocks = _linear(w, "x", x), h.reshape(batch, BLOCKS, -1)
    x1, x2 = made[:, :hidden].reshape(batch, BLOCKS, -1), made[:, hidden:].reshape(batch, BLOCKS, -1)
    t = _gelu(x1 + jnp.einsum("bkd,kde->bke", blocks, w["first"]))
    t = t.swapaxes(1, 2).reshape(batch, BLOCKS, -1)
    n, z = jnp.split(x2 + jnp.einsum("bkd,kde->bke", t, w["second"]), 2, -1)
    h = (blocks + sigmoid(z) * (tanh(n) - blocks)).reshape(batch, hidden)
    return h, [h]


def feedback_lru(w: Weights, x: Any, h: Any, context: Any) -> Made:
    hidden = h.shape[-1]
    made = _linear(w, "x", x)
    r, i, v = jnp.split(made[:, : 3 * hidden] + _linear(w, "h", jax.nn.soft_sign(h)), 3, -1)
    log_a = -8 * jax.nn.softplus(w["decay"]) * sigmoid(r)
    scale = jnp.sqrt(jnp.maximum(-jnp.expm1(2 * log_a), 1e-6))
    h = jnp.exp(log_a) * h + scale * sigmoid(i) * _gelu(v)
    return h * _gelu(made[:, 3 * hidden :]), [h]


CELLS: dict[str, Callable[..., Made]] = {
    "two-timescale bilinear": bilinear,
    "sentinel LSTM": sentinel,
    "plastic rates": plastic,
    "shuffled transition": shuffled,
    "feedback LRU": feedback_lru,
}
