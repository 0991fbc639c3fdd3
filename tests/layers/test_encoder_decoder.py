"""The encoder–decoder: what conditions the decoder, what is trained, and that training and decoding agree."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from unspool.cells import Cell, GRUCell, LSTMCell
from unspool.cells.state import tensors
from unspool.errors import ConfigError
from unspool.layers.attention import Attention
from unspool.layers.decoder_cell import Conditioning, DecoderCell
from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from unspool.layers.symbols import START
from unspool.unfold import unfold

CHOICES: list[dict[str, Any]] = [
    {"conditioning": "init"},
    {"conditioning": "every-step"},
    {"conditioning": "every-step", "decoder_start": "zeros", "decoder_layers": 2},
    *(
        {"attention_score": score, "attention_place": place, "input_feeding": feeding}
        for score in ("general", "additive")
        for place in ("before", "after")
        for feeding in (False, True)
    ),
    {"attention_score": "dot", "merge": "sum", "decoder_start": "zeros"},
    {"bidirectional": False, "layers": 2, "decoder_layers": 2, "residual": True, "tie_embeddings": False},
]


def build(*, cell: type[Cell] = LSTMCell, **choices: Any) -> EncoderDecoder:
    torch.manual_seed(1)
    config = EncoderDecoderConfig(source_size=12, target_size=14, embedding=6, hidden=7, **choices)
    return EncoderDecoder(cell, config).double().eval()


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(4, 12, (3, 5), generator=generator)
    target = torch.randint(4, 14, (3, 6), generator=generator)
    target[:, 0] = START
    return source, torch.tensor([5, 2, 4]), target, torch.tensor([6, 4, 1])


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_decoding_step_by_step_scores_what_training_scores(choices: dict[str, Any]) -> None:
    model = build(**choices)
    source, lengths, target, target_lengths = batch()
    whole = torch.log_softmax(model.logits(model(source, lengths, target, target_lengths)), 2)
    state = model.start((source, lengths))
    for t in range(target.shape[1]):
        scores, state = model.step(target[:, t], state)
        valid = target_lengths > t
        torch.testing.assert_close(scores[valid], whole[valid, t].to(scores.dtype), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_every_parameter_learns(choices: dict[str, Any]) -> None:
    model = build(**choices)
    model.logits(model(*batch()))[:, :, 3].sum().backward()
    dead = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not dead


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_padding_does_not_matter(choices: dict[str, Any]) -> None:
    model = build(**choices)
    source, lengths, target, target_lengths = batch()
    one = model(source, lengths, target, target_lengths)[1:2]
    other = model(source[1:2, :2], lengths[1:2], target[1:2, :4], target_lengths[1:2])
    torch.testing.assert_close(one[:, :4], other)


def test_every_step_sees_the_vector_with_previous_hidden_and_output_held_fixed() -> None:
    """Cho et al. 2014: the vector enters every step; with conditioning="init" only the first state holds it."""
    for conditioning, changes in (("every-step", True), ("init", False)):
        model = build(conditioning=conditioning)
        source, lengths, target, _ = batch()
        state, context = model.begin(model.encode(source, lengths))
        embedded = model.target_embedding(target[:, 1])
        before, _ = model.decoder(embedded, state, context)
        other = {**context, "vector": context["vector"] + 1e-3}
        after, _ = model.decoder(embedded, state, other)
        assert bool((before != after).any()) is changes


def test_every_step_vector_enters_every_layer_and_the_output() -> None:
    model = build(conditioning="every-step", decoder_layers=3, cell=GRUCell)
    source, lengths, target, _ = batch()
    state, context = model.begin(model.encode(source, lengths))
    vector = context["vector"]
    inputs: list[Tensor] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0])) for layer in model.decoder.layers
    ]
    hooks.append(model.decoder.readout.register_forward_pre_hook(lambda _, given: inputs.append(given[0])))
    model.decoder(model.target_embedding(target[:, 1]), state, context)
    assert len(inputs) == 4
    for given in inputs:
        width = vector.shape[1]
        assert any(torch.equal(given[:, i : i + width], vector) for i in range(given.shape[1] - width + 1))
    for hook in hooks:
        hook.remove()


def test_zeros_start_ignores_the_vector() -> None:
    model = build(conditioning="every-step", decoder_start="zeros")
    source, lengths, *_ = batch()
    state, _ = model.begin(model.encode(source, lengths))
    assert all((part == 0).all() for part in state["layers"][0])


@pytest.mark.parametrize("start", ["bridge", "zeros"])
@pytest.mark.parametrize("cell", [GRUCell, LSTMCell])
def test_a_learned_initial_state_is_the_encoders_alone(start: str, cell: type[Cell]) -> None:
    model = build(cell=cell, cell_options={"initial_state": "learned"}, conditioning="every-step", decoder_start=start)
    learned = [name for name, _ in model.named_parameters() if "learned_state" in name]
    assert learned and all(name.startswith("encoder.") for name in learned)
    model.logits(model(*batch()))[:, :, 3].sum().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    state, _ = model.begin(model.encode(*batch()[:2]))
    assert all(bool((part == 0).all()) is (start == "zeros") for part in tensors(state))


def test_the_cells_options_reach_every_cell() -> None:
    model = build(cell=GRUCell, layers=2, decoder_layers=2, cell_options={"reset": "before"})
    cells = [module for module in model.modules() if isinstance(module, GRUCell)]
    assert len(cells) == 2 * 2 + 2 and all(cell.reset == "before" for cell in cells)


def decoder_with_masks(residual: bool) -> tuple[DecoderCell, Tensor, Any, dict[str, Any]]:
    torch.manual_seed(3)
    decoder = DecoderCell(
        GRUCell, 4, 4, layers=2, conditioning=Conditioning("every-step"), vector_size=3, memory_size=3,
        features_size=5, recurrent_dropout=0.5, residual=residual,
    )  # fmt: skip
    x, v, *rest = (torch.randn(2, width) for width in (4, 3, 4, 4, 4, 4, 4))
    context = {"vector": v, "between": (rest[0],), "recurrent": (rest[1], rest[2])}
    return decoder, x, {"layers": (rest[3], rest[4]), "features": None}, context


@pytest.mark.parametrize("residual", [False, True])
def test_the_decoders_layers_against_their_equations(residual: bool) -> None:
    """What is dropped between layers and in the recurrence, and what a residual connection adds."""
    decoder, x, state, context = decoder_with_masks(residual)
    first, second = decoder.layers
    v, (between,), (mask, other) = context["vector"], context["between"], context["recurrent"]
    h, _ = first(torch.cat([x, v], 1), state["layers"][0], mask=mask)
    read = (h + x if residual else h) * between
    h, _ = second(torch.cat([read, v], 1), state["layers"][1], mask=other)
    top = h + read if residual else h
    expected = torch.tanh(decoder.readout(torch.cat([top, v, x], 1)))
    torch.testing.assert_close(decoder(x, state, context)[0], expected)


def test_a_residual_connection_is_in_both_stacks_or_in_none() -> None:
    for residual in (False, True):
        model = build(layers=2, decoder_layers=2, residual=residual)
        assert (model.encoder.residual, model.decoder.residual) == (residual, residual)


@pytest.mark.parametrize("kind", ["recurrent", "between"])
def test_the_decoder_drops_in_training_only_and_alike_at_every_step(kind: str) -> None:
    rates = {"recurrent": {"recurrent_dropout": 0.4}, "between": {"dropout": 0.4}}
    model = build(cell=GRUCell, decoder_layers=2, **rates[kind])
    source, lengths, target, _ = batch()
    encoded, embedded = model.encode(source, lengths), model.target_embedding(target)

    def decode(seed: int) -> tuple[Tensor, Any]:
        torch.manual_seed(seed)
        state, context = model.begin(encoded)
        return unfold(model.decoder, embedded, state, context=context)[0], context

    assert torch.equal(decode(0)[0], decode(1)[0]) and decode(0)[1][kind] is None
    model.train()
    features, context = decode(0)
    assert not torch.equal(features, decode(1)[0])
    masks = context[kind]
    assert len(masks) == {"recurrent": 2, "between": 1}[kind]
    assert torch.cat(masks).unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert context[{"recurrent": "between", "between": "recurrent"}[kind]] is None
    assert not torch.equal(masks[0][0], masks[0][1])


def test_encode_is_the_final_state_of_both_directions() -> None:
    model = build()
    source, lengths, *_ = batch()
    encoded = model.encode(source, lengths)
    last = torch.stack([encoded.memory[b, n - 1, :7] for b, n in enumerate(lengths.tolist())])
    torch.testing.assert_close(encoded.vector, torch.cat([last, encoded.memory[:, 0, 7:]], 1))


def test_scheduled_sampling_feeds_own_guesses() -> None:
    model = build()
    source, lengths, target, _ = batch()
    full = torch.full((3,), target.shape[1])
    torch.testing.assert_close(
        model(source, lengths, target, full, sampling=1e-9), model(source, lengths, target, full)
    )
    own = model(source, lengths, target, full, sampling=1.0)
    other = target.clone()
    other[:, 1:] = 4
    torch.testing.assert_close(own, model(source, lengths, other, full, sampling=1.0))


def test_tied_embeddings_are_one_tensor_and_shared_need_one_vocabulary() -> None:
    model = build()
    assert model.output.weight is model.target_embedding.weight
    with pytest.raises(ConfigError, match="joint vocabulary"):
        EncoderDecoderConfig(5, 6, share_embeddings=True)


def test_init_with_zeros_is_refused() -> None:
    with pytest.raises(ConfigError, match="hide the source"):
        build(conditioning="init", decoder_start="zeros")


@pytest.mark.parametrize("score", ["dot", "general", "additive"])
def test_attention_against_its_equations(score: str) -> None:
    torch.manual_seed(0)
    attention = Attention(4, 4, score=score).double()
    query, memory = torch.randn(2, 4).double(), torch.randn(2, 3, 4).double()
    mask = torch.tensor([[True, True, True], [True, False, False]])
    context, weights = attention(query, memory, attention.keys(memory), mask)
    for b in range(2):
        energies = []
        for m in memory[b][mask[b]]:
            if score == "dot":
                energies.append(query[b] @ m)
            elif attention.query is None:
                energies.append(query[b] @ (attention.key.weight @ m))  # pyright: ignore[reportOptionalMemberAccess]
            else:
                hidden = torch.tanh(attention.query(query[b]) + attention.key.weight @ m)  # pyright: ignore[reportOptionalMemberAccess]
                energies.append(attention.v.weight[0] @ hidden)  # pyright: ignore[reportOptionalMemberAccess]
        expected = torch.softmax(torch.stack(energies), 0)
        torch.testing.assert_close(weights[b][mask[b]], expected)
        torch.testing.assert_close(context[b], expected @ memory[b][mask[b]])
    assert (weights[~mask] == 0).all()


def test_attention_without_any_valid_step_gives_zeros() -> None:
    attention = Attention(3, 3)
    memory = torch.zeros(1, 2, 3)
    context, weights = attention(torch.randn(1, 3), memory, attention.keys(memory), torch.zeros(1, 2, dtype=torch.bool))
    assert (context == 0).all() and (weights == 0).all()


def test_dot_attention_of_unequal_sizes_names_the_fix() -> None:
    with pytest.raises(ConfigError, match="general"):
        Attention(3, 4, score="dot")
