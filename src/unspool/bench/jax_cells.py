"""The cells of section `custom` once more, in JAX. Imported only where jax is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from unspool.bench.own_cells import HEADS

# By name, so that a check of types does not need jax.
jax: Any = importlib.import_module("jax")
jnp: Any = importlib.import_module("jax.numpy")
log_sigmoid, sigmoid, softmax = jax.nn.log_sigmoid, jax.nn.sigmoid, jax.nn.softmax

Weights = Mapping[str, Any]
"""By the names that they have in the torch module; linear ones are `[out, in]`."""


def _norm(x: Any, w: Weights, name: str) -> Any:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def _three(x: Any) -> Any:
    return jnp.split(x, 3, -1)


def layer_norm_gru(w: Weights, x: Any, h: Any, context: Any) -> Any:
    xr, xz, xn = _three(_norm(x @ w["x.weight"].T, w, "norm_x"))
    hr, hz, hn = _three(_norm(h @ w["h.weight"].T, w, "norm_h"))
    n = jnp.tanh(xn + sigmoid(xr + hr) * hn)
    return n + sigmoid(xz + hz) * (h - n)


def slstm(w: Weights, x: Any, state: Any, context: Any) -> Any:
    h, c, n, m = state
    i, f, z, o = jnp.split(x @ w["x.weight"].T + w["x.bias"] + h @ w["h.weight"].T, 4, -1)
    kept = log_sigmoid(f) + m
    m = jnp.maximum(kept, i)
    enter, keep = jnp.exp(i - m), jnp.exp(kept - m)
    c, n = keep * c + enter * jnp.tanh(z), keep * n + enter
    return sigmoid(o) * c / n, c, n, m


def reset_before(w: Weights, x: Any, h: Any, context: Any) -> Any:
    xr, xz, xn = _three(x @ w["x.weight"].T + w["x.bias"])
    (ur, uz, un), (br, bz, bn) = jnp.split(w["h.weight"], 3), jnp.split(w["h.bias"], 3)
    n = jnp.tanh(xn + (sigmoid(xr + h @ ur.T + br) * h) @ un.T + bn)
    return n + sigmoid(xz + h @ uz.T + bz) * (h - n)


def heads_gru(w: Weights, x: Any, h: Any, context: Any) -> Any:
    heads = h.reshape(h.shape[0], HEADS, -1)
    xr, xz, xn = _three((x @ w["x.weight"].T + w["x.bias"]).reshape(*heads.shape[:2], -1))
    hr, hz, hn = _three(jnp.einsum("bnd,nde->bne", heads, w["u"]))
    z, n = sigmoid(xz + hz), jnp.tanh(xn + sigmoid(xr + hr) * hn)
    return ((1 - z) * n + z * heads).reshape(h.shape)


def attending_gru(w: Weights, x: Any, h: Any, context: Any) -> Any:
    query = h @ w["query.weight"].T + w["query.bias"]
    scores = jnp.tanh(query[:, None] + context["keys"]) @ w["v.weight"][0]
    weights = softmax(jnp.where(context["mask"], scores, jnp.finfo(scores.dtype).min), -1)
    seen = jnp.concatenate([x, jnp.einsum("bs,bsm->bm", weights, context["memory"])], -1)
    xr, xz, xn = _three(seen @ w["gru.x.weight"].T + w["gru.x.bias"])
    hr, hz, hn = _three(h @ w["gru.h.weight"].T + w["gru.h.bias"])
    n = jnp.tanh(xn + sigmoid(xr + hr) * hn)
    return n + sigmoid(xz + hz) * (h - n)


CELLS: dict[str, Callable[..., Any]] = {
    "layer-norm GRU": layer_norm_gru,
    "sLSTM": slstm,
    "GRU, reset before": reset_before,
    "GRU of 4 heads": heads_gru,
    "attending GRU": attending_gru,
}
"""New state of each cell, an array or a tuple; the output is its first part."""
