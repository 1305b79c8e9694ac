"""The T5 here computes what transformers' does, from the same weights under the same names."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from remerge.t5.architectures import ARCHITECTURES, Architecture
from remerge.t5.decoding import decode
from remerge.t5.lora import add_lora, merge_lora
from remerge.t5.model import T5, position_buckets

SMALL = Architecture(vocabulary=40, width=16, hidden=24, heads=3, head_width=8, layers=2)


def of_transformers(like: Architecture) -> Any:
    """A model of the same shape in transformers, with random weights."""
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=like.vocabulary,
        d_model=like.width,
        d_ff=like.hidden,
        num_heads=like.heads,
        d_kv=like.head_width,
        num_layers=like.layers,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        dropout_rate=0.0,
        decoder_start_token_id=0,
    )
    model = transformers.T5ForConditionalGeneration(config).eval()
    # Some releases tie the output to the embedding until a checkpoint says otherwise.
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    return model


@pytest.fixture(scope="module")
def model() -> T5:
    torch.manual_seed(0)
    model = T5(SMALL).eval()
    with torch.no_grad():
        # Fresh norms are ones, which would hide a mix-up.
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def theirs(model: T5) -> Any:
    other = of_transformers(SMALL)
    missing, unexpected = other.load_state_dict(model.state_dict(), strict=False)
    # Names of the one embedding in encoder and decoder.
    assert set(missing) <= {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    assert not unexpected
    return other


def texts(lengths: list[int], seed: int = 0) -> Tensor:
    """Random texts, padded on the right."""
    torch.manual_seed(seed)
    drawn = torch.randint(2, SMALL.vocabulary, (len(lengths), max(lengths)))
    return drawn.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None], 0)


# The longest is longer than the farthest distance that has a bucket of its own.
@pytest.mark.parametrize("lengths", [[1], [7, 3], [200, 5]])
@torch.inference_mode()
def test_both_compute_the_same_logits(model: T5, theirs: Any, lengths: list[int]) -> None:
    read = texts(lengths)
    answers = texts([max(1, length // 2) for length in lengths], seed=1)
    starts = torch.nn.functional.pad(answers[:, :-1], (1, 0))
    expected = theirs(input_ids=read, attention_mask=(read != 0).long(), decoder_input_ids=starts).logits
    torch.testing.assert_close(model(read, answers), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_both_write_the_same_answers(model: T5, theirs: Any) -> None:
    read = texts([9, 4, 12, 1])
    expected = theirs.generate(
        read, attention_mask=(read != 0).long(), max_new_tokens=10, do_sample=False, num_beams=1
    )[:, 1:]
    found = decode(model, read, 10)
    assert found.tolist() == expected.tolist()


SIZES = {"t5-mini": 459_264, "flan-t5-base": 247_577_856, "flan-t5-large": 783_150_080}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_have_the_same_parameters(name: str) -> None:
    with torch.device("meta"):
        ours, other = T5(ARCHITECTURES[name]), of_transformers(ARCHITECTURES[name])
    shapes = {key: parameter.shape for key, parameter in ours.named_parameters()}
    assert shapes == {key: parameter.shape for key, parameter in other.named_parameters()}
    assert sum(map(math.prod, shapes.values())) == SIZES[name]


@torch.inference_mode()
def test_padding_and_neighbours_change_no_answer(model: T5) -> None:
    together = texts([9, 4, 12])
    alone = [decode(model, row[row != 0][None], 6) for row in together]
    for row, answer in zip(decode(model, together, 6), alone, strict=True):
        assert row[: answer.shape[1]].tolist() == answer[0].tolist()
        assert not row[answer.shape[1] :].any()


@torch.inference_mode()
def test_nothing_follows_the_end_of_an_answer(model: T5) -> None:
    read = texts([3, 5, 2, 8])
    answers = decode(model, read, 12)
    for row in answers.tolist():
        if 1 in row:
            assert not any(row[row.index(1) + 1 :])
    assert answers.shape[1] <= 12


@torch.inference_mode()
def test_a_token_sees_none_after_it(model: T5) -> None:
    read, answers = texts([6]), texts([8], seed=1)
    changed = answers.clone()
    changed[:, 5:] = 3
    torch.testing.assert_close(model(read, answers)[:, :6], model(read, changed)[:, :6])


@given(distance=st.integers(-400, 400), both_ways=st.booleans())
def test_buckets_grow_with_distance(distance: int, both_ways: bool) -> None:
    def bucket(distance: int) -> int:
        return int(position_buckets(torch.tensor([500]), torch.tensor([500 + distance]), both_ways=both_ways))

    assert 0 <= bucket(distance) < 32
    if distance < 0:
        assert bucket(distance) >= bucket(distance + 1)
    elif both_ways and distance > 0:
        assert bucket(distance) == bucket(-distance) + 16
    elif not both_ways:
        assert bucket(distance) == 0


def test_lora_starts_at_the_pretrained_weights_and_is_merged_exactly(model: T5) -> None:
    torch.manual_seed(0)
    expert = T5(SMALL)
    expert.load_state_dict(model.state_dict())
    before = {key: tensor.clone() for key, tensor in expert.state_dict().items()}
    trained = add_lora(expert, ["q", "v"], rank=2, alpha=4)
    read, answers = texts([6, 4]), texts([3, 2], seed=1)
    torch.testing.assert_close(expert(read, answers), model(read, answers))
    assert {id(parameter) for parameter in expert.parameters() if parameter.requires_grad} == set(map(id, trained))
    # Encoder, decoder and cross-attention of two blocks each.
    assert len(trained) == 2 * 2 * 3 * 2
    with torch.no_grad():
        for parameter in trained:
            parameter.normal_(std=0.1)
    changes = {
        name.removesuffix(".0") for name, module in expert.named_modules() if type(module).__name__ == "LowRankChange"
    }
    expected = {
        name.replace(".parametrizations.weight", ".weight"): 2 * module[0].B.detach() @ module[0].A.detach()
        for name, module in expert.named_modules()
        if name in changes
    }
    with_adapters = expert(read, answers)
    merge_lora(expert)
    torch.testing.assert_close(expert(read, answers), with_adapters)
    after = expert.state_dict()
    assert after.keys() == before.keys()
    for key, tensor in after.items():
        torch.testing.assert_close(tensor, before[key] + expected[key] if key in expected else before[key])
    assert all(key.endswith((".q.weight", ".v.weight")) for key in expected)
