"""A step, traced: its forward pass split from what depends on parameters alone, and joined with its derivative."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx
from torch._decomp import get_decompositions
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.traceback import preserve_node_meta

from unspool.cells.base import step_name
from unspool.cells.state import Tree, layout, map_tensors, tensors
from unspool.graph.alike import alike, counts_length
from unspool.graph.capture import Swap, Watch
from unspool.graph.made_up import BATCHES, LENGTHS
from unspool.graph.refuse import BreaksContract, CannotLower
from unspool.graph.split import split_once
from unspool.graph.unchanged import unchanged

_aten = torch.ops.aten

_DECOMPOSED = (
    "_softmax", "_softmax_backward_data", "_log_softmax", "_log_softmax_backward_data",
    "native_layer_norm_backward", "native_group_norm", "native_group_norm_backward", "_fused_rms_norm",
    "_fused_rms_norm_backward", "addmv", "addbmm", "addr", "mv", "dot", "vdot", "outer",
    "addcmul", "addcdiv", "lerp", "std", "std_mean", "logsumexp", "logaddexp", "softplus_backward",
    "log_sigmoid_forward", "log_sigmoid_backward", "gelu", "gelu_backward", "silu", "silu_backward", "mish",
    "mish_backward", "elu", "elu_backward", "celu", "selu", "leaky_relu", "leaky_relu_backward", "hardsigmoid",
    "hardsigmoid_backward", "hardswish", "hardswish_backward", "hardtanh", "hardtanh_backward", "softshrink",
    "hardshrink", "threshold", "threshold_backward", "prelu", "glu", "glu_backward", "linalg_vector_norm", "norm",
    "stack", "repeat", "rot90", "tril", "triu", "narrow_copy", "nan_to_num", "rsub", "_safe_softmax",
    "_prelu_kernel", "_prelu_kernel_backward",
    "sinc", "square", "special_entr", "xlogy", "logit", "logit_backward", "frac", "heaviside", "lift_fresh",
    "new_full", "ones_like", "zeros_like", "full_like", "split", "native_dropout_backward", "diag_embed",
    "mse_loss", "mse_loss_backward", "binary_cross_entropy",
)  # fmt: skip


def _decompositions() -> dict[Any, Callable[..., Any]]:
    packets = [getattr(_aten, name) for name in _DECOMPOSED if hasattr(_aten, name)]
    return get_decompositions(packets)


@dataclass(frozen=True)
class Signature:
    """What a step is called with, but for the number of rows: each tensor as `(shape, dtype, requires_grad)`."""

    x: tuple[Any, ...]
    states: tuple[tuple[Any, ...], ...]
    contexts: tuple[tuple[Any, ...], ...]

    @staticmethod
    def of(x: Tensor, state: Tree, context: Tree) -> Signature:
        def kind(value: Tensor, wanted: bool) -> tuple[Any, ...]:
            return tuple(value.shape[1:]), value.dtype, wanted

        return Signature(
            ((x.shape[2],), x.dtype, x.requires_grad),
            # A state carries gradients from step to step, whether or not the first one has one.
            tuple(kind(value, value.is_floating_point()) for value in tensors(state)),
            tuple(kind(value, value.requires_grad) for value in tensors(context)),
        )

    def freed(self, trace: int = 0) -> tuple[Signature, tuple[int, ...]]:
        """With the lengths of its contexts made up, and what they are: the i-th of `LENGTHS[trace]` stands for the
        i-th of them.

        A length is the first dimension after the batch of a context that has several, or of a mask.
        """
        lengths: list[int] = []
        contexts: list[tuple[Any, ...]] = []
        for shape, dtype, wanted in self.contexts:
            if len(shape) > 1 or (shape and dtype == torch.bool):
                if shape[0] not in lengths:
                    lengths.append(shape[0])
                made_up = LENGTHS[trace]
                shape = (made_up[lengths.index(shape[0]) % len(made_up)], *shape[1:])
            contexts.append((shape, dtype, wanted))
        if len(lengths) > len(LENGTHS[trace]):
            return self, ()
        return Signature(self.x, self.states, tuple(contexts)), tuple(lengths)

    def all(self) -> tuple[tuple[Any, ...], ...]:
        return (self.x, *self.states, *self.contexts)


@dataclass(frozen=True)
class Step:
    """A step function with what it reads: `captured`, in the order in which traces take them."""

    cell: Any
    captured: list[Tensor]
    state: Tree
    context: Tree
    signature: Signature

    def __call__(
        self, stand_ins: Sequence[Tensor], x: Tensor, states: Sequence[Tensor], contexts: Sequence[Tensor]
    ) -> Any:
        state, context = _refill(self.state, states), _refill(self.context, contexts)
        with Swap(self.captured, list(stand_ins)):
            y, after = self.cell(x, state, *(() if self.context is None else (context,)))
        return [y, *tensors(after)]


def _refill(tree: Tree, values: Sequence[Tensor]) -> Tree:
    left = iter(values)
    return map_tensors(lambda _: next(left), tree)


def find_step(cell: Any, x: Tensor, state: Tree, context: Tree) -> Step:
    """Run one step on two rows of numbers and note what it reads."""

    def rows(value: Tensor) -> Tensor:
        return torch.zeros(2, *value.shape[1:], dtype=value.dtype)

    given = torch.zeros(2, x.shape[2], dtype=x.dtype)
    states, contexts = map_tensors(rows, state), map_tensors(rows, context)
    name = step_name(cell)
    with unchanged(cell), Watch([given, *tensors(states), *tensors(contexts)]) as watch:
        try:
            made = cell(given, states, *(() if context is None else (contexts,)))
        except Exception as error:
            raise BreaksContract(f"{name} fails on two rows of zeros: {type(error).__name__}: {error}") from error
    fits = isinstance(made, (tuple, list)) and len(made) == 2 and isinstance(made[0], Tensor) and made[0].dim() == 2
    if (
        not fits
        or layout(made[1]) != layout(state)
        or made[0].shape[1] != getattr(cell, "output_size", made[0].shape[1])
    ):
        raise BreaksContract(f"{name} does not return (output [rows, output_size], next_state built like the state)")
    return Step(cell, watch.captured, state, context, Signature.of(x, state, context))


def trace_forward(step: Step, batch: int) -> fx.GraphModule:
    """The step as ATen operations over `[*captured, x, *states, *contexts]`, functional, for `batch` rows."""
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    sizes = [len(step.captured), 1, len(step.signature.states), len(step.signature.contexts)]

    def run(*flat: Tensor) -> list[Tensor]:
        captured, x, states, contexts = _cut(flat, sizes)
        return step(captured, x[0], states, contexts)

    def inputs() -> list[Tensor]:
        with fake:
            made = [torch.empty(batch, *shape, dtype=dtype) for shape, dtype, _ in step.signature.all()]
        for value, (_, _, wanted) in zip(made, step.signature.all(), strict=True):
            value.requires_grad_(wanted)
        return [*map(fake.from_tensor, step.captured), *made]

    name = step_name(step.cell)
    with _refusing(name), warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        flat = inputs()
        _refuse_custom_gradients(name, run(*flat))
        graph = make_fx(run, tracing_mode="fake", record_stack_traces=True)(*flat)
        if any(in_place(node) for node in graph.graph.nodes):
            graph = make_fx(
                torch.func.functionalize(run, remove="mutations"),
                decomposition_table={_aten.copy.default: _written},
                tracing_mode="fake",
                record_stack_traces=True,
            )(*flat)
    graph.graph.eliminate_dead_code()
    return graph


def _written(over: Tensor, value: Tensor, non_blocking: bool = False) -> Tensor:
    """What stands in `over` once `value` is written there; unlike `aten.copy`, it has a derivative."""
    return value.to(over.dtype).expand(over.shape)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """What fails in a trace makes the step run on the reference loop, which says it better if it is wrong."""
    log = logging.getLogger("torch._subclasses.fake_tensor")  # prints a stack of its own for what is caught here
    before, log.disabled = log.disabled, True
    try:
        yield
    except DataDependentOutputException as error:
        raise CannotLower(
            f"{name} decides by the value of a tensor{_line_of(error)}; compute both ways and choose by torch.where"
        ) from error
    except CannotLower:
        raise
    except Exception as error:
        raise CannotLower(f"{name} cannot be traced: {type(error).__name__}: {error}") from error
    finally:
        log.disabled = before


def _cut(flat: Sequence[Any], sizes: list[int]) -> list[list[Any]]:
    parts, start = [], 0
    for size in sizes:
        parts.append(list(flat[start : start + size]))
        start += size
    return parts


def in_place(node: fx.Node) -> bool:
    target = node.target
    return node.op == "call_function" and isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _refuse_custom_gradients(name: str, made: list[Tensor]) -> None:
    """A trace sees only the forward pass of a `torch.autograd.Function`; its own backward pass would be lost."""
    seen, queue = set(), [value.grad_fn for value in made if value.grad_fn is not None]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            raise CannotLower(f"{name} uses {type(node).__name__.removesuffix('Backward')}, a torch.autograd.Function")
        queue += [after for after, _ in node.next_functions]


def _line_of(error: BaseException) -> str:
    """Where in the user's file an error came up."""
    trace, own, place = error.__traceback__, os.path.dirname(torch.__file__), ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(own) and os.sep + os.path.join("unspool", "graph") not in file:
            place = f" ({os.path.basename(file)}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


def line(node: fx.Node) -> str:
    """Where in the user's file a node comes from, for messages: ` (file.py, line 7)`, or nothing."""
    for text in reversed((node.meta.get("stack_trace") or node.stack_trace or "").splitlines()):
        parts = text.strip().split('"')
        if (
            parts[0] == "File "
            and "site-packages" not in parts[1]
            and os.sep + os.path.join("unspool", "graph") not in parts[1]
        ):
            return f" ({os.path.basename(parts[1])}, {parts[2].split(',')[1].strip()})"
    return ""


@dataclass(frozen=True)
class Joint:
    """A step and its vector–Jacobian product in one graph.

    `once` computes the weights from the captured tensors, in PyTorch, once a call (`None`: they are the same).
    `graph` takes `[*weights, x, *states, *contexts, dy, *dstates]` (the cotangents of outputs that have none are
    absent) and gives `[y, *states', *gradients]`; `wanted` names the inputs that gradients belong to, in order.
    """

    once: fx.GraphModule | None
    graph: fx.GraphModule
    batch: int
    weights: int
    states: int
    contexts: int
    cotangents: tuple[int, ...]
    wanted: tuple[int, ...]
    lengths: int
    """How many of `LENGTHS[0]` stand for lengths of contexts."""


def trace_joint(step: Step, gradients: bool, free: bool = True) -> Joint:
    """Trace `step` for any lengths of its contexts, or, where it does not go with others, for those that they have."""
    freed, lengths = step.signature.freed()
    if lengths and free:
        try:
            others = replace(step, signature=step.signature.freed(1)[0])
            return _trace_joint(replace(step, signature=freed), others, gradients, len(lengths))
        except CannotLower:
            pass
    return _trace_joint(step, step, gradients, 0)


def _trace_joint(step: Step, again: Step, gradients: bool, lengths: int) -> Joint:
    """Trace `step`, check the trace at a second number of rows, and join it with its vector–Jacobian product.

    `again` is the same step with other made-up lengths of its contexts.
    """
    _refuse_made_up(step)
    forward = trace_forward(step, BATCHES[0])
    _refuse_random(step, forward)
    if not alike(forward, trace_forward(again, BATCHES[1]), lengths):
        raise CannotLower(
            f"{step_name(step.cell)} takes another step for another number of rows: a number of rows is baked into it, "
            "or it asks for the shape; write -1 or x.shape[0] where a batch size stands"
        )
    once, rest, weights = split_once(forward, len(step.captured), BATCHES[0])
    if once is not None and counts_length(once, LENGTHS[0][:lengths]):
        raise CannotLower(f"{step_name(step.cell)} computes with a length of its context alone")
    learned = [value.requires_grad for value in step.captured]
    flags = [*(learned if once is None else _learned(once, learned)), *(wanted for *_, wanted in step.signature.all())]
    return _join(step, once, rest, weights, BATCHES[0], flags if gradients else [False] * len(flags), lengths)


def _learned(once: fx.GraphModule, captured: list[bool]) -> list[bool]:
    """Which outputs of `once` have a gradient, given which of its inputs have one."""
    known: dict[fx.Node, bool] = {}
    flags = iter(captured)
    for node in once.graph.nodes:
        if node.op == "placeholder":
            known[node] = next(flags)
        elif node.op == "output":
            return [known[value] for value in node.args[0]]
        else:
            value = node.meta.get("val")
            floating = not isinstance(value, Tensor) or value.is_floating_point()
            known[node] = floating and any(known[argument] for argument in node.all_input_nodes)
    raise AssertionError("a graph ends with its output")


def _refuse_made_up(step: Step) -> None:
    """A step that has one of the made-up sizes by itself."""
    made_up = {*BATCHES, *LENGTHS[0], *LENGTHS[1]}
    sizes = {size for shape, _, _ in step.signature.all() for size in shape} - {*LENGTHS[0], *LENGTHS[1]}
    sizes |= {size for value in step.captured for size in value.shape}
    if any(size % number == 0 for size in sizes if size for number in made_up):
        raise CannotLower(f"{step_name(step.cell)} has a dimension that is a multiple of one of {sorted(made_up)}")


def _refuse_random(step: Step, graph: fx.GraphModule) -> None:
    for node in graph.graph.nodes:
        if node.op == "call_function" and torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise CannotLower(
                f"{step_name(step.cell)} draws random numbers inside the step{line(node)}; draw a mask before "
                "and pass it as context"
            )


def _join(
    step: Step,
    once: fx.GraphModule | None,
    rest: fx.GraphModule,
    weights: int,
    batch: int,
    flags: list[bool],
    lengths: int,
) -> Joint:
    nodes = list(rest.graph.nodes)
    values = [node.meta["val"] for node in nodes if node.op == "placeholder"]
    states, contexts = len(step.signature.states), len(step.signature.contexts)
    wanted = tuple(index for index, flag in enumerate(flags) if flag)
    name = step_name(step.cell)
    fake = next(value.fake_mode for value in values)
    for node in nodes:
        if node.target is _aten.view.default:  # what it looks at may be laid out otherwise here
            node.target = _aten.reshape.default
    rest.recompile()
    with _refusing(name), fake, torch.enable_grad():
        outputs = rest(*(value.detach().requires_grad_(flag) for value, flag in zip(values, flags, strict=True)))
        cotangents = tuple(index for index, value in enumerate(outputs) if value.requires_grad)
        given = [torch.empty(outputs[index].shape, dtype=outputs[index].dtype) for index in cotangents]

    def joint(*flat: Tensor) -> list[Tensor | None]:
        inputs = [value.detach().requires_grad_(flag) for value, flag in zip(flat, flags, strict=False)]
        with torch.enable_grad():
            made = fx.Interpreter(rest).run(*inputs)
            if not cotangents:
                return made
            ends = [made[index] for index in cotangents]
            leaves = [inputs[index] for index in wanted]
            found = torch.autograd.grad(ends, leaves, list(flat[len(values) :]), allow_unused=True)
        return [*(value.detach() for value in made), *found]

    plain = [value.detach() for value in values]
    with _refusing(name), warnings.catch_warnings(), preserve_node_meta():
        warnings.simplefilter("ignore")
        graph = make_fx(joint, decomposition_table=_decompositions(), tracing_mode="fake")(*plain, *given)
    graph.graph.eliminate_dead_code()
    return Joint(once, graph, batch, weights, states, contexts, cotangents, wanted, lengths)
