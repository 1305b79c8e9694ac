"""Fisher merging and RegMean against their formulas, written down a second time."""

import copy

import numpy as np
import pytest
import torch
from dense import fisher_information, fisher_merging
from dense import regmean as dense_regmean
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from remerge.clip.encoders import build_clip
from remerge.errors import ParameterError, RemergeError
from remerge.merging import fisher_information as fisher_engine
from remerge.methods import fisher, regmean

SEEDS = st.integers(0, 2**16)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def vectors_of(seed: int, tasks: int = 3) -> list[dict[str, Tensor]]:
    return [{"w": draw(seed + k, 4, 5), "b": draw(seed + 50 + k, 4)} for k in range(tasks)]


def information_of(seed: int, tasks: int = 3) -> list[dict[str, Tensor]]:
    """Above the floor everywhere, over six orders of magnitude."""
    return [{key: 10 ** value.clamp(-3, 3) for key, value in own.items()} for own in vectors_of(seed + 100, tasks)]


def products_of(seed: int, tasks: int = 3) -> list[dict[str, Tensor]]:
    inputs = [draw(seed + k, 20, 5) * (k + 1) for k in range(tasks)]
    return [{"w": own.T @ own / len(own)} for own in inputs]


def mean_of(vectors: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.stack([own[key] for own in vectors]).mean(dim=0) for key in vectors[0]}


class Linear(nn.Module):
    """One linear layer, as an encoder of "images" of three numbers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(3, 4, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


@pytest.mark.parametrize(("share", "tolerance"), [(0.0, 1e-6), (0.001, 0.01)])
def test_fisher_information_is_the_expected_squared_gradient(
    monkeypatch: pytest.MonkeyPatch, share: float, tolerance: float
) -> None:
    monkeypatch.setattr(fisher_engine, "NEGLIGIBLE", share)
    encoder, head, images = Linear(0).double(), 5 * draw(1, 4, 3), draw(2, 30, 3, 1, 1)

    def log_likelihoods(parameters: np.ndarray, image: np.ndarray) -> np.ndarray:
        features = parameters.reshape(4, 3) @ image
        scores = features / np.linalg.norm(features) @ head.numpy()
        return scores - np.log(np.exp(scores).sum())

    start = encoder.layer.weight.detach().numpy().ravel()
    expected = fisher_information(log_likelihoods, start, images.flatten(1).numpy())
    found = fisher.statistics(encoder, head, images)["layer.weight"]
    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=tolerance)


def test_fisher_information_of_an_encoder_is_that_of_single_images_and_labels(
    monkeypatch: pytest.MonkeyPatch, encoder: nn.Module
) -> None:
    monkeypatch.setattr(fisher_engine, "NEGLIGIBLE", 0.0)
    # Six gradients, the last two by themselves.
    monkeypatch.setattr(fisher_engine, "AT_ONCE", 4 * sum(own.numel() for own in encoder.parameters()))
    double, head, images = copy.deepcopy(encoder).double(), 3 * draw(0, 128, 3), draw(1, 3, 3, 32, 32)
    expected = {name: torch.zeros_like(own) for name, own in double.named_parameters()}
    for image in images:
        features = double(image[None])[0]
        log = (features / features.norm() @ head).log_softmax(dim=0)
        for label in range(3):
            gradients = torch.autograd.grad(log[label], list(double.parameters()), retain_graph=True)
            for name, gradient in zip(expected, gradients, strict=True):
                expected[name] += log[label].exp().detach() * gradient.square() / len(images)
    found = fisher.statistics(double, head, images)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


def test_gradients_that_are_left_out_are_a_small_share(encoder: nn.Module) -> None:
    head, images = 10 * draw(0, 128, 5).float(), draw(1, 6, 3, 32, 32).float()
    found = fisher.statistics(encoder, head, images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fisher_engine, "NEGLIGIBLE", 0.0)
        full = fisher.statistics(encoder, head, images)
    left_out = sum(float((full[name] - own).sum()) for name, own in found.items())
    assert 0 < left_out < 0.002 * sum(float(own.sum()) for own in full.values())


def test_an_expert_without_doubts_has_no_information(encoder: nn.Module) -> None:
    head = torch.cat([torch.full((128, 1), 1e6), torch.full((128, 1), -1e6)], dim=1)
    found = fisher.statistics(encoder, head, torch.randn(2, 3, 32, 32))
    assert all(own.eq(0).all() for own in found.values())


def test_fisher_merging_is_the_weighted_mean() -> None:
    vectors = [{"w": torch.tensor([1.0, 2.0, 3.0])}, {"w": torch.tensor([5.0, 6.0, 7.0])}]
    information = [{"w": torch.tensor([1.0, 0.0, 0.0])}, {"w": torch.tensor([3.0, 4.0, 0.0])}]
    merged = fisher.merge(vectors, information)["w"]
    # Norms are 1 and 5, so weights are 1 to 3/5, then the second alone, then 1 to 1/5 where both are at the floor.
    expected = torch.tensor([(1 + 0.6 * 5) / 1.6, 6.0, (3 + 0.2 * 7) / 1.2])
    torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-5)


@given(SEEDS, st.floats(-9, 2))
def test_fisher_merging_is_the_papers_formula(seed: int, magnitude: float) -> None:
    vectors = draw(seed, 3, 12).numpy()
    information = draw(seed + 1, 3, 12).square().numpy() * 10**magnitude
    information[0, :4] = 0.0
    merged = fisher.merge(
        [{"a": torch.tensor(own[:7]), "b": torch.tensor(own[7:])} for own in vectors],
        [{"a": torch.tensor(own[:7]), "b": torch.tensor(own[7:])} for own in information],
    )
    found = torch.cat([merged["a"], merged["b"]]).numpy()
    np.testing.assert_allclose(found, fisher_merging(vectors, information), rtol=1e-9)


@given(SEEDS)
def test_equal_information_is_weight_averaging_and_so_is_none(seed: int) -> None:
    vectors, one = vectors_of(seed), information_of(seed)[0]
    none = {key: torch.zeros_like(own) for key, own in one.items()}
    for information in (one, none):
        torch.testing.assert_close(fisher.merge(vectors, [information] * 3), mean_of(vectors))


@given(SEEDS, st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_the_scale_of_an_experts_information_does_not_matter_above_the_floor(seed: int, scales: list[float]) -> None:
    vectors, information = vectors_of(seed), [{k: 1 + v for k, v in own.items()} for own in information_of(seed)]
    scaled = [
        {key: value * 10**scale for key, value in own.items()} for own, scale in zip(information, scales, strict=True)
    ]
    torch.testing.assert_close(fisher.merge(vectors, scaled), fisher.merge(vectors, information))


@given(SEEDS)
def test_of_one_task_both_return_its_own_task_vector(seed: int) -> None:
    vectors = vectors_of(seed, 1)
    torch.testing.assert_close(fisher.merge(vectors, information_of(seed)[:1]), vectors[0])
    for off_diagonal in (0.5, 0.95, 1.0):
        torch.testing.assert_close(regmean.merge(vectors, products_of(seed, 1), off_diagonal), vectors[0])


@given(SEEDS, st.permutations(range(3)))
def test_the_order_of_tasks_does_not_matter(seed: int, order: list[int]) -> None:
    vectors, information, products = vectors_of(seed), information_of(seed), products_of(seed)
    swapped = [vectors[k] for k in order]
    torch.testing.assert_close(
        fisher.merge(swapped, [information[k] for k in order]), fisher.merge(vectors, information)
    )
    torch.testing.assert_close(
        regmean.merge(swapped, [products[k] for k in order], 0.95), regmean.merge(vectors, products, 0.95)
    )


@given(SEEDS, st.floats(0.1, 1.0))
def test_regmean_is_the_papers_formula(seed: int, off_diagonal: float) -> None:
    vectors, inputs = vectors_of(seed), [draw(seed + 9 + k, 20, 5) for k in range(3)]
    products = [{"w": own.T @ own / len(own)} for own in inputs]
    merged = regmean.merge(vectors, products, off_diagonal)
    expected = dense_regmean(np.stack([own["w"] for own in vectors]), [own.numpy() for own in inputs], off_diagonal)
    np.testing.assert_allclose(merged["w"].numpy(), expected, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(merged["b"], mean_of(vectors)["b"])


@given(SEEDS)
def test_regmean_with_equal_inner_products_or_equal_experts_is_the_mean(seed: int) -> None:
    vectors, products = vectors_of(seed), products_of(seed)
    torch.testing.assert_close(regmean.merge(vectors, products[:1] * 3, 0.95), mean_of(vectors))
    torch.testing.assert_close(regmean.merge(vectors[:1] * 3, products, 0.95), vectors[0])


@given(SEEDS)
def test_stacked_queries_keys_and_values_merge_as_separate_ones_do(seed: int) -> None:
    vectors, products = [{"w": draw(seed + k, 6, 5)} for k in range(3)], products_of(seed)
    parts = [regmean.merge([{"w": own["w"][k : k + 2]} for own in vectors], products, 0.9)["w"] for k in (0, 2, 4)]
    torch.testing.assert_close(regmean.merge(vectors, products, 0.9)["w"], torch.cat(parts))


def test_regmean_keeps_the_pre_trained_weights_of_inputs_that_are_always_zero() -> None:
    vectors, products = vectors_of(0), products_of(0)
    for own in products:
        own["w"][2] = own["w"][:, 2] = 0.0
    merged = regmean.merge(vectors, products, 1.0)["w"]
    assert merged[:, 2].eq(0).all()
    assert merged.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_regmean_refuses_inputs_that_have_no_single_solution(dtype: torch.dtype) -> None:
    inputs = draw(0, 4, 5).to(dtype)
    products = [{"w": inputs.T @ inputs}] * 3
    with pytest.raises(ParameterError, match=r"inputs of w depend on each other.*set `off_diagonal` below 1"):
        regmean.merge(vectors_of(0), products, 1.0)
    torch.testing.assert_close(regmean.merge(vectors_of(0), products, 0.95), mean_of(vectors_of(0)))


def test_regmean_has_the_least_squared_error_over_all_tasks() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 6, generator=generator, dtype=torch.float64) for _ in range(3)]
    inputs = [torch.randn(40, 6, generator=generator, dtype=torch.float64) for _ in range(3)]
    products = [{"w": own.T @ own / 40} for own in inputs]
    merged = regmean.merge([{"w": own} for own in weights], products, off_diagonal=1.0)["w"]
    # The same least squares, posed as one dense problem.
    targets = torch.cat([own @ weight.T for own, weight in zip(inputs, weights, strict=True)])
    expected = torch.linalg.lstsq(torch.cat(inputs), targets).solution.T
    torch.testing.assert_close(merged, expected, rtol=1e-6, atol=1e-6)


def test_regmean_without_off_diagonals_weighs_inputs_one_by_one() -> None:
    vectors = [{"w": torch.ones(1, 2), "b": torch.tensor([1.0])}, {"w": 3 * torch.ones(1, 2), "b": torch.tensor([2.0])}]
    products = [{"w": torch.diag(torch.tensor([1.0, 3.0]))}, {"w": torch.diag(torch.tensor([1.0, 1.0]))}]
    merged = regmean.merge(vectors, products, off_diagonal=1e-9)
    torch.testing.assert_close(merged["w"], torch.tensor([[2.0, 1.5]]))
    torch.testing.assert_close(merged["b"], torch.tensor([1.5]))


def test_no_images_give_no_statistics() -> None:
    nothing = torch.empty(0, 3, 1, 1)
    with pytest.raises(RemergeError, match="needs images of the task"):
        fisher.statistics(Linear(0), torch.eye(4), nothing)
    with pytest.raises(RemergeError, match="needs images of the task"):
        regmean.statistics(Linear(0), torch.empty(0), nothing)


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    torch.manual_seed(0)
    return build_clip("mini").visual.eval()


def test_every_linear_layer_of_an_encoder_is_seen_with_its_inputs(encoder: nn.Module) -> None:
    images = torch.randn(5, 3, 32, 32)
    found = regmean.statistics(encoder, torch.empty(0), images)
    matrices = {name for name, own in encoder.named_parameters() if "resblocks" in name and own.ndim == 2}
    assert set(found) == matrices
    for name, own in encoder.named_parameters():
        if name in matrices:
            assert found[name].shape == (own.shape[1], own.shape[1])
            assert torch.linalg.eigvalsh(found[name].double()).min() > -1e-4


def test_an_attentions_output_layer_is_seen_with_what_attention_gives_it(encoder: nn.Module) -> None:
    """Recover the inputs from the layer's outputs, which a hook on the attention does see."""
    attention = encoder.get_submodule("transformer.resblocks.0.attn")
    assert isinstance(attention, nn.MultiheadAttention)
    outputs: list[Tensor] = []
    hook = attention.register_forward_hook(lambda *given: outputs.append(given[2][0].detach()))
    images = torch.randn(3, 3, 32, 32)
    found = regmean.statistics(encoder, torch.empty(0), images)["transformer.resblocks.0.attn.out_proj.weight"]
    hook.remove()
    weight, bias = attention.out_proj.weight.detach().double(), attention.out_proj.bias.detach().double()
    inputs = torch.linalg.solve(weight, (outputs[0].reshape(-1, len(bias)).double() - bias).T).T
    expected = inputs.T @ inputs / len(inputs)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
