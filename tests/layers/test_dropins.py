"""The drop-ins against torch.nn, by PyTorch's own module tests and by random weights."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.testing._internal.common_modules import module_db

import unspool
from unspool.cells.state import tensors

PAIRS = {nn.RNN: unspool.RNN, nn.GRU: unspool.GRU, nn.LSTM: unspool.LSTM}
INFOS = [info for info in module_db if info.module_cls in PAIRS]


def test_pytorch_still_lists_all_three() -> None:
    assert {info.module_cls for info in INFOS} == set(PAIRS)


@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.module_cls.__name__)
@pytest.mark.parametrize("training", [True, False])
def test_pytorchs_own_module_inputs(info: Any, training: bool) -> None:
    """Every sample of PyTorch's module database: outputs and all gradients equal torch.nn's, in float64."""
    samples = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=training)
    assert len(samples) > 3
    for sample in samples:
        made = sample.constructor_input
        theirs = info.module_cls(*made.args, **{**made.kwargs, "dtype": torch.float64}).train(training)
        ours = PAIRS[info.module_cls](*made.args, **{**made.kwargs, "dtype": torch.float64}).train(training)
        assert repr(ours) == repr(theirs)
        ours.load_state_dict(theirs.state_dict())
        given = sample.forward_input
        results = []
        for module in (theirs, ours):
            leaves = [t.detach().clone().requires_grad_() for t in given_tensors(given)]
            again = iter(leaves)
            args, kwargs = rebuild(given.args, again), rebuild(given.kwargs, again)
            outputs = flat(module(*args, **kwargs))
            sum(
                (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum() for out in outputs
            ).backward()  # pyright: ignore[reportAttributeAccessIssue]
            gradients = [p.grad for p in module.parameters()] + [leaf.grad for leaf in leaves]
            results.append((outputs, gradients))
        torch.testing.assert_close(results[1], results[0])


def given_tensors(given: Any) -> list[torch.Tensor]:
    return [t.data if isinstance(t, PackedSequence) else t for t in walk([given.args, given.kwargs])]


def walk(value: Any) -> list[Any]:
    if isinstance(value, (torch.Tensor, PackedSequence)):
        return [value]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in walk(part)]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in walk(part)]
    return []


def rebuild(value: Any, leaves: Any) -> Any:
    """`value` with its tensors replaced by the next of `leaves`."""
    if isinstance(value, PackedSequence):
        return PackedSequence(next(leaves), value.batch_sizes, value.sorted_indices, value.unsorted_indices)
    if isinstance(value, torch.Tensor):
        return next(leaves)
    if isinstance(value, dict):
        return {key: rebuild(part, leaves) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(rebuild(part, leaves) for part in value)
    return value


def flat(output: Any) -> list[torch.Tensor]:
    return [t.data if isinstance(t, PackedSequence) else t for t in walk(output)]


def gradients_of(output: Any, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    weighted = [(out * torch.linspace(-1, 1, out.numel()).double().view(out.shape)).sum() for out in flat(output)]
    return list(torch.autograd.grad(torch.stack(weighted).sum(), leaves, retain_graph=True))


CHOICES: list[dict[str, Any]] = [
    {},
    {"num_layers": 3, "bidirectional": True},
    {"batch_first": True, "bias": False},
    {"num_layers": 2, "dropout": 0.4},
]


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("choices", CHOICES, ids=str)
@pytest.mark.parametrize("sort", [True, False])
def test_packed_sequences(theirs: Any, choices: dict[str, Any], sort: bool) -> None:
    torch.manual_seed(0)
    theirs = theirs(3, 5, dtype=torch.float64, **choices).eval()
    ours = PAIRS[type(theirs)](3, 5, dtype=torch.float64, **choices).eval()
    ours.load_state_dict(theirs.state_dict())
    lengths = [6, 4, 4, 1] if sort else [4, 1, 6, 4]
    data = torch.randn(6, 4, 3, dtype=torch.float64, requires_grad=True)
    packed = pack_padded_sequence(data, lengths, enforce_sorted=sort)
    count = choices.get("num_layers", 1) * (2 if choices.get("bidirectional") else 1)
    h = torch.randn(count, 4, 5, dtype=torch.float64)
    for hx in (None, (h, h + 1) if isinstance(theirs, nn.LSTM) else h):
        expected, got = theirs(packed, hx), ours(packed, hx)
        torch.testing.assert_close(flat(got), flat(expected))
        torch.testing.assert_close(
            gradients_of(got, [data, *ours.parameters()]), gradients_of(expected, [data, *theirs.parameters()])
        )
        assert all(torch.equal(a, b) for a, b in zip(got[0][1:], expected[0][1:], strict=True) if a is not None)


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
def test_a_trained_module_loads_copies_and_saves(theirs: Any) -> None:
    trained = theirs(3, 5, num_layers=2, bidirectional=True)
    ours = PAIRS[theirs](3, 5, num_layers=2, bidirectional=True)
    assert list(ours.state_dict()) == list(trained.state_dict())
    ours.load_state_dict(trained.state_dict())
    back = theirs(3, 5, num_layers=2, bidirectional=True)
    back.load_state_dict(ours.state_dict())
    written = io.BytesIO()
    torch.save(copy.deepcopy(ours), written)
    written.seek(0)
    again = torch.load(written, weights_only=False)
    x = torch.randn(6, 4, 2, 3).permute(1, 2, 0, 3)[:, 0]  # not contiguous
    for module in (ours, again, back):
        torch.testing.assert_close(flat(module(x)), flat(trained(x)))


def test_projection_and_dropout() -> None:
    """Dropout falls on what goes up to the next layer, not on what the first layer keeps as its state."""
    theirs = nn.LSTM(3, 6, num_layers=2, proj_size=2, dropout=0.5, batch_first=True, dtype=torch.float64)
    ours = unspool.LSTM(3, 6, num_layers=2, proj_size=2, dropout=0.5, batch_first=True, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(flat(ours.eval()(x)), flat(theirs.eval()(x)))
    assert not torch.equal(ours.train()(x)[0], ours(x)[0])
    for got, expected in zip(ours(x)[1], theirs.train()(x)[1], strict=True):
        torch.testing.assert_close(got[0], expected[0])
        assert not torch.allclose(got[1], expected[1])


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
def test_where_the_weights_come_from_does_not_matter(theirs: Any) -> None:
    """Parametrised, handed in by functional_call, or on the meta device: parameters are read when they are used."""
    both = [cls(3, 4, dtype=torch.float64) for cls in (theirs, PAIRS[theirs])]
    both[1].load_state_dict(both[0].state_dict())
    x = torch.randn(5, 2, 3).double()
    doubled = {name: 2 * value for name, value in both[0].named_parameters()}
    expected, got = (torch.func.functional_call(module, doubled, (x,)) for module in both)
    torch.testing.assert_close(flat(got), flat(expected))
    for module in both:
        nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
        module.parametrizations.weight_hh_l0.original0.data.mul_(3)
    torch.testing.assert_close(flat(both[1](x)), flat(both[0](x)))
    empty = PAIRS[theirs](3, 4, num_layers=2, device="meta")(torch.randn(5, 2, 3, device="meta"))
    assert flat(empty)[0].shape == (5, 2, 4) and flat(empty)[1].shape == (2, 2, 4)


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore")  # jit is deprecated, and tracing warns of every check on a shape
def test_it_can_be_traced_and_exported(theirs: Any) -> None:
    layer, x = PAIRS[theirs](3, 4), torch.randn(5, 2, 3)
    traced: Any = torch.jit.trace(layer, (x,))
    for made in (traced, torch.export.export(layer, (x,)).module()):
        torch.testing.assert_close(flat(made(x)), flat(layer(x)))


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
def test_states_that_do_not_fit_packed_sequences(theirs: Any) -> None:
    packed = pack_padded_sequence(torch.randn(4, 3, 3), [4, 1, 2], enforce_sorted=False)
    for wrong in (torch.zeros(1, 2, 5), torch.zeros(3, 5), torch.zeros(1, 3, 4)):
        hx: Any = (wrong, wrong) if theirs is nn.LSTM else wrong
        with pytest.raises(RuntimeError, match=r"Expected hidden.* size \(1, 3, 5\)"):
            PAIRS[theirs](3, 5)(packed, hx)


@pytest.mark.parametrize(
    ("given", "message"), [(torch.zeros(1, 2, 5), "Tensor"), ((torch.zeros(1, 2, 5),) * 3, "3 of them")]
)
def test_an_lstm_names_its_two_states(given: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=rf"expected two states, hx=\(h_0, c_0\), got {message}"):
        unspool.LSTM(3, 5)(torch.zeros(4, 2, 3), given)


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    ("shape", "state"),
    [
        ((4, 2, 9), None),
        ((4,), None),
        ((4, 2, 3), (1, 3, 5)),
        ((4, 2, 3), (1, 5)),
        ((4, 3), (1, 2, 5)),
        ((0, 2, 3), None),
        ((0, 3), None),
    ],
)
def test_errors_are_of_torchs_kind(theirs: Any, shape: tuple[int, ...], state: tuple[int, ...] | None) -> None:
    hx: Any = None if state is None else torch.zeros(state)
    hx = (hx, hx) if theirs is nn.LSTM and hx is not None else hx
    with pytest.raises((RuntimeError, ValueError)) as expected:
        theirs(3, 5)(torch.zeros(shape), hx)
    with pytest.raises(expected.type):
        PAIRS[theirs](3, 5)(torch.zeros(shape), hx)


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
def test_a_wrong_dtype_is_an_error_of_torchs_kind(theirs: Any) -> None:
    for cls in (theirs, PAIRS[theirs]):
        with pytest.raises(ValueError, match="dtype"):
            cls(3, 5)(torch.zeros(4, 2, 3).double())


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
def test_gradcheck(theirs: Any) -> None:
    module = PAIRS[theirs](2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tuple(tensors(module(x))), (x,))
    assert torch.autograd.gradgradcheck(lambda x: module(x)[0], (x,))


@pytest.mark.parametrize("theirs", PAIRS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("packed", [False, True])
def test_autocast_gives_the_same_dtypes(theirs: Any, packed: bool) -> None:
    sizes: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}
    trained, ours = theirs(**sizes), PAIRS[theirs](**sizes)
    ours.load_state_dict(trained.state_dict())
    for dtype in (torch.float32, torch.bfloat16):
        x: Any = torch.randn(5, 2, 3, dtype=dtype)
        x = pack_padded_sequence(x, [5, 3]) if packed else x
        with torch.autocast("cpu", dtype=torch.bfloat16):
            try:
                expected = trained(x)
            except RuntimeError as error:
                if "could not create a primitive descriptor" in str(error):
                    pytest.skip("oneDNN has no bf16 LSTM for this processor (no AVX-512): torch.nn.LSTM itself raises")
                raise
            pairs = list(zip(flat(ours(x)), flat(expected), strict=True))
        assert [a.dtype for a, _ in pairs] == [b.dtype for _, b in pairs]
        for a, b in pairs:
            torch.testing.assert_close(a.float(), b.float(), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bidirectional": True}, {"num_layers": 2}], ids=str)
def test_outputs_can_be_looked_at_as_those_of_torch(kind: str, options: dict[str, Any]) -> None:
    """Who looks at `[T, B, H]` as `[T·B, H]` may do so here too; with `batch_first` as well, where torch forbids it."""
    theirs, ours = (getattr(place, kind)(3, 4, **options)(torch.randn(7, 5, 3))[0] for place in (nn, unspool))
    assert ours.is_contiguous()
    assert ours.stride() == theirs.stride() or not theirs.is_contiguous()
