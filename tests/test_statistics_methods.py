"""Fisher merging and RegMean against their formulas, written down a second time."""

import pytest
import torch
from torch import Tensor, nn

from remerge.encoders import build_clip
from remerge.errors import RemergeError
from remerge.merging import fisher, regmean


class Linear(nn.Module):
    """One linear layer, as an encoder of two-dimensional "images"."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(3, 4, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


def test_fisher_information_is_the_expected_squared_gradient() -> None:
    encoder, head = Linear(0), torch.eye(4)[:, :3] * 5
    images = torch.randn(4000, 3, 1, 1, generator=torch.Generator().manual_seed(1))
    found = fisher.statistics(encoder, head, images)["layer.weight"]
    expected = torch.zeros(4, 3)
    # The expectation over labels, in full.
    for image in images[:800]:
        for label in range(3):
            weight = encoder.layer.weight.detach().requires_grad_()
            features = nn.functional.normalize(weight @ image.flatten(), dim=0)
            log = (features @ head).log_softmax(dim=0)
            (gradient,) = torch.autograd.grad(log[label], weight)
            expected += log[label].exp().detach() * gradient.square() / 800
    torch.testing.assert_close(found, expected, rtol=0.25, atol=0.05 * float(expected.max()))


def test_fisher_merging_is_the_weighted_mean() -> None:
    vectors = [{"w": torch.tensor([1.0, 2.0, 3.0])}, {"w": torch.tensor([5.0, 6.0, 7.0])}]
    information = [{"w": torch.tensor([1.0, 0.0, 0.0])}, {"w": torch.tensor([3.0, 2.0, 0.0])}]
    merged = fisher.merge(vectors, information)["w"]
    # 1 and 5 weighted 1 to 3; the second alone; and the plain mean where nobody knows anything.
    torch.testing.assert_close(merged, torch.tensor([4.0, 6.0, 5.0]))


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
        regmean.statistics(Linear(0), nothing)


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    torch.manual_seed(0)
    return build_clip("mini").visual.eval()


def test_every_linear_layer_of_an_encoder_is_seen_with_its_inputs(encoder: nn.Module) -> None:
    images = torch.randn(5, 3, 32, 32)
    found = regmean.statistics(encoder, images)
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
    found = regmean.statistics(encoder, images)["transformer.resblocks.0.attn.out_proj.weight"]
    hook.remove()
    weight, bias = attention.out_proj.weight.detach().double(), attention.out_proj.bias.detach().double()
    inputs = torch.linalg.solve(weight, (outputs[0].reshape(-1, len(bias)).double() - bias).T).T
    expected = inputs.T @ inputs / len(inputs)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
