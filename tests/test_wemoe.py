"""WEMoE: every image's MLP blocks are the paper's formula, and routers learn as AdaMerging's coefficients do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_twin import image_set
from torch import Tensor, nn

from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip, to_input
from remerge.errors import RemergeError
from remerge.merging.adaptation import adaptation_batches
from remerge.merging.ensembled import put_routers_in
from remerge.merging.learning import MergedEncoder, backward_entropy
from remerge.merging.merged import load_merged, save_merged
from remerge.merging.routers import stored_router
from remerge.methods import load
from remerge.methods.registry import ALGORITHMS

LEARNING: dict[str, Any] = {"steps": 1, "learning_rate": 0.01, "batch_size": 4, "seed": 0}
SETS = {"a": image_set(0, 6), "absent": image_set(1, 6), "b": image_set(2, 6, level=150)}
HEADS = {task: torch.randn(128, 5, generator=torch.Generator().manual_seed(5)) for task in SETS}


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(build_clip("mini").visual.state_dict())


@pytest.fixture(scope="module")
def vectors(start: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return {
        task: {key: 0.02 * torch.randn(tensor.shape, generator=generator) for key, tensor in start.items()}
        for task in "ab"
    }


def mlps(encoder: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in encoder.named_modules() if name.endswith(".mlp")}


def mixed_by_formula(
    start: dict[str, Tensor], vectors: list[dict[str, Tensor]], router: dict[str, Tensor], image: Tensor
) -> Tensor:
    """One image's features, in float64: a block's weights are set when its input is known (equations 3 to 5)."""
    encoder = build_clip("mini").visual.eval().double()
    merged = {key: tensor.double() + 0.3 * sum(own[key].double() for own in vectors) for key, tensor in start.items()}
    encoder.load_state_dict(merged)
    given = {key: tensor.double() for key, tensor in router.items()}

    for name, mlp in mlps(encoder).items():

        def mix(module: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
            (tokens,) = inputs
            first, second = ((given[f"{name}.router.{k}.weight"], given[f"{name}.router.{k}.bias"]) for k in (0, 2))
            hidden = (tokens[0] @ first[0].T + first[1]).clamp(min=0)
            weights = (hidden @ second[0].T + second[1]).mean(dim=0)
            for key, parameter in module.named_parameters():
                own = start[f"{name}.{key}"].double()
                for weight, vector in zip(weights, vectors, strict=True):
                    own = own + weight * vector[f"{name}.{key}"].double()
                parameter.data = own

        mlp.register_forward_pre_hook(mix)
    return encoder(image.double())


def test_every_images_mlp_blocks_are_the_papers_formula(
    start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remerge.merging.ensembled.MIXED", 2)
    shared, parts = load("wemoe").parts(start, vectors, coefficient=0.3)
    encoder = build_clip("mini").visual
    put_routers_in(encoder, list(parts.values()), 2)
    generator = torch.Generator().manual_seed(2)
    # Far from where they start, so that images differ.
    router = {
        name: 0.3 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in encoder.state_dict().items()
        if ".router." in name
    }
    save_merged(
        tmp_path / "m.safetensors",
        shared | stored_router(router),
        described("mini"),
        ALGORITHMS["wemoe"].assembly,
        parts,
    )
    merged = load_merged(tmp_path / "m.safetensors")
    pixels = to_input(torch.from_numpy(image_set(0, 3).images))
    with torch.inference_mode():
        found = merged.encoder_for("never seen")(pixels)
        expected = [mixed_by_formula(start, list(vectors.values()), router, image) for image in pixels.split(1)]
    torch.testing.assert_close(found.double(), torch.cat(expected), rtol=1e-3, atol=1e-3)
    assert (merged.serves("never seen"), merged.columns) == (True, {})


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_routers_that_look_at_nothing_are_task_arithmetic(
    layers: int, start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    shared, parts = load("wemoe").parts(start, vectors, coefficient=0.3)
    encoder, plain = build_clip("mini").visual.eval(), build_clip("mini").visual.eval()
    encoder.load_state_dict(shared)
    put_routers_in(encoder, list(parts.values()), layers, initial=0.3)
    for name, parameter in encoder.named_parameters():
        if ".router." in name and name.endswith("weight"):
            parameter.data.zero_()
    plain.load_state_dict({key: start[key] + 0.3 * (vectors["a"][key] + vectors["b"][key]) for key in start})
    pixels = to_input(torch.from_numpy(image_set(3, 3).images))
    with torch.inference_mode():
        torch.testing.assert_close(encoder(pixels), plain(pixels), rtol=1e-3, atol=1e-3)


def test_the_first_step_without_layers_is_adamergings_on_mlp_blocks(
    start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    method = load("wemoe")
    shared, parts = method.parts(start, vectors, coefficient=0.3)
    encoder = build_clip("mini").visual
    learned = method.learn(shared, parts, encoder, HEADS, SETS, layers=0, initial=0.3, **LEARNING)
    ada = MergedEncoder(build_clip("mini").visual, start, list(vectors.values()), "cpu")
    ada.set_coefficients(torch.full((2, 1), 0.3))
    batches = adaptation_batches([SETS["a"], SETS["b"]], batch_size=4, seed=0)
    backward_entropy(ada.module, [HEADS["a"], HEADS["b"]], batches(0))
    gradient = ada.coefficient_gradient()
    assert learned
    for name, coefficients in learned.items():
        block = name.removeprefix("router.").split(".mlp.")[0] + ".mlp."
        own = gradient[:, [layer.startswith(block) for layer in ada.layers]].sum(dim=1)
        # Adam's first step has the size of its rate.
        torch.testing.assert_close(coefficients, 0.3 - 0.01 * own.sign(), rtol=0, atol=1e-3)


def test_learning_lowers_entropy_and_looks_at_no_labels(
    start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    method = load("wemoe")
    shared, parts = method.parts(start, vectors, coefficient=0.3)
    batches = adaptation_batches([SETS["a"], SETS["b"]], batch_size=6, seed=0)(0)
    state, entropies = torch.get_rng_state(), []
    for steps in (1, 8):
        encoder = build_clip("mini").visual
        learning = LEARNING | {"steps": steps, "batch_size": 6, "layers": 1, "initial": 0.3}
        torch.set_rng_state(state)
        learned = method.learn(shared, parts, encoder, HEADS, SETS, **learning)
        assert torch.equal(torch.get_rng_state(), state)
        entropies.append(float(backward_entropy(encoder, [HEADS["a"], HEADS["b"]], batches)))
    assert entropies[1] < entropies[0]
    relabelled = {task: replace(own, labels=own.labels + 7) for task, own in SETS.items()}
    again = method.learn(shared, parts, build_clip("mini").visual, HEADS, relabelled, **learning)
    assert all(torch.equal(again[name], tensor) for name, tensor in learned.items())


def test_tasks_without_images_teach_nothing(start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]) -> None:
    shared, parts = load("wemoe").parts(start, vectors, coefficient=0.3)
    none = {task: replace(own, images=own.images[:0], labels=np.zeros(0, np.int64)) for task, own in SETS.items()}
    with pytest.raises(RemergeError, match="routers need images of at least one of a, b; there are none"):
        load("wemoe").learn(shared, parts, build_clip("mini").visual, HEADS, none, layers=0, initial=0.3, **LEARNING)
