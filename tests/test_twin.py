"""Twin-Merging: every image's encoder is the paper's formula, and the router tells tasks by their images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip, to_input
from remerge.errors import RemergeError
from remerge.images.store import ImageSet
from remerge.merging.merged import load_merged, save_merged
from remerge.merging.twins import compressed, learn_router, new_router, restored
from remerge.methods import load
from remerge.methods.registry import ALGORITHMS

SUM: dict[str, Any] = {"algorithm": "task_arithmetic"}
LEARNING: dict[str, Any] = {"images": 24, "epochs": 20, "learning_rate": 5e-3, "batch_size": 16}


def image_set(seed: int, count: int = 30, level: int = 0) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(level, level + 100, (count, 32, 32, 3)).astype(np.uint8)
    return ImageSet(pixels, np.zeros(count, np.int64), "t", "validation", "real")


def vectors_of(towers: list[dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    start, *tuned = towers
    return {task: {key: own[key] - start[key] for key in start} for task, own in zip("ab", tuned, strict=False)}


def low_rank(matrix: np.ndarray, share: float) -> np.ndarray:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values[max(1, int(share * len(values))) :] = 0
    return left @ (values[:, None] * right)


def exclusive(start: dict[str, Tensor], vectors: list[dict[str, Tensor]], coefficient: float, rank: float) -> Any:
    """The shared expert, and of every task SVD_r(theta_t - theta*); in float64."""
    shared = {key: start[key].double() + coefficient * sum(own[key].double() for own in vectors) for key in start}
    twins = []
    for own in vectors:
        left = {key: (start[key].double() + own[key].double() - shared[key]).numpy() for key in start}
        twins.append({key: low_rank(each, rank) if each.ndim == 2 else each for key, each in left.items()})
    return shared, twins


def routed(router: dict[str, Tensor], features: np.ndarray) -> np.ndarray:
    """The softmax of the router's answers, layer by layer; normalisation by what was learned."""
    given = {name: tensor.double().numpy() for name, tensor in router.items()}
    values = features
    for linear, norm in ((0, 1), (4, 5)):
        values = values @ given[f"{linear}.weight"].T + given[f"{linear}.bias"]
        deviation = np.sqrt(given[f"{norm}.running_var"] + 1e-5)
        values = (values - given[f"{norm}.running_mean"]) / deviation * given[f"{norm}.weight"] + given[f"{norm}.bias"]
        values = np.where(values > 0, values, 0.01 * values)
    answers = np.exp(values @ given["8.weight"].T + given["8.bias"])
    return answers / answers.sum(axis=1, keepdims=True)


def test_every_images_encoder_is_the_papers_formula(
    towers: list[dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remerge.merging.twins.MIXED", 2)
    vectors, method = vectors_of(towers), load("twin")
    shared, parts = method.parts(towers[0], vectors, around=SUM, coefficient=0.3, rank=0.1)
    # The mean and variance of BatchNorm are not those that it starts with.
    torch.manual_seed(3)
    router = new_router(128, 2).train()
    router(4 * torch.randn(50, 128) + 1)
    weights = {name: tensor.float() for name, tensor in router.state_dict().items()}
    stored = shared | {f"router.{name}": tensor for name, tensor in weights.items()}
    save_merged(tmp_path / "m.safetensors", stored, described("mini"), ALGORITHMS["twin"].assembly, parts)
    merged = load_merged(tmp_path / "m.safetensors")
    assert (merged.serves("never seen"), merged.columns) == (True, {})

    pixels = to_input(torch.from_numpy(image_set(0, 3).images))
    encoder = build_clip("mini").visual.eval().double()
    expert, twins = exclusive(towers[0], list(vectors.values()), 0.3, 0.1)
    expected = []
    with torch.inference_mode():
        encoder.load_state_dict(expert)
        mixture = routed(weights, encoder(pixels.double()).numpy())
        for image, row in zip(pixels.double().split(1), mixture, strict=True):
            added = {key: sum(w * twin[key] for w, twin in zip(row, twins, strict=True)) for key in expert}
            encoder.load_state_dict({key: expert[key] + torch.as_tensor(added[key]) for key in expert})
            expected.append(encoder(image))
        found = merged.encoder_for("a")(pixels)
        torch.testing.assert_close(found.double(), torch.cat(expected), rtol=1e-3, atol=1e-3)
        assert 0.05 < mixture[:, 0].min() < mixture[:, 0].max() < 0.95
        # Neither the order of images nor their company matters.
        torch.testing.assert_close(merged.encoder_for("b")(pixels.flip(0)).flip(0), found, rtol=1e-4, atol=1e-4)


def test_one_task_of_full_rank_is_its_expert(towers: list[dict[str, Tensor]]) -> None:
    vectors = {"a": vectors_of(towers)["a"]}
    shared, parts = load("twin").parts(towers[0], vectors, around=SUM, coefficient=0.3, rank=1.0)
    twin = restored(parts["a"])
    for key, tensor in shared.items():
        torch.testing.assert_close(tensor + twin[key], towers[1][key], rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.01, 1), st.integers(0, 99))
def test_matrices_are_compressed_as_closely_as_their_rank_allows(
    rows: int, columns: int, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"matrix": (rows, columns), "bias": (rows,), "conv": (2, 1, 3, 3)}
    vector = {key: torch.randn(shape, generator=generator, dtype=torch.float64) for key, shape in shapes.items()}
    back = restored(compressed(vector, share))
    kept = max(1, int(share * min(rows, columns)))
    # The theorem of Eckart and Young.
    lost = torch.linalg.svdvals(vector["matrix"])[kept:].square().sum()
    torch.testing.assert_close((vector["matrix"] - back["matrix"]).square().sum(), lost)
    assert all(torch.equal(back[key], vector[key]) for key in ("bias", "conv"))


class Mean(nn.Module):
    """Features that tell dark images from bright ones."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean(dim=(1, 2, 3))[:, None] * torch.linspace(-2, 2, 16)


def test_the_router_tells_tasks_by_their_images_and_is_the_same_again() -> None:
    sets = {"dark": image_set(0), "none": image_set(1, 0), "bright": image_set(2, level=150)}
    state = torch.get_rng_state()
    learned = learn_router(Mean(), sets, seed=0, **LEARNING)
    assert torch.equal(torch.get_rng_state(), state)
    again = learn_router(Mean(), sets, seed=0, **LEARNING)
    assert all(torch.equal(again[name], tensor) for name, tensor in learned.items())
    for label, own in ((0, image_set(7)), (2, image_set(8, level=150))):
        features = Mean()(to_input(torch.from_numpy(own.images))).double().numpy()
        assert (routed(learned, features).argmax(axis=1) == label).all()


def test_a_router_without_images_is_refused() -> None:
    with pytest.raises(RemergeError, match="the router needs images of at least one of a, b; there are none"):
        learn_router(Mean(), {"a": image_set(0, 0), "b": image_set(0, 0)}, seed=0, **LEARNING)


def test_the_router_looks_at_no_labels_and_at_tasks_with_a_part_alone(towers: list[dict[str, Tensor]]) -> None:
    sets = {"a": image_set(0, 4), "absent": image_set(1, 4), "b": image_set(2, 4)}
    relabelled = {task: replace(own, labels=own.labels + 7) for task, own in sets.items()}
    learned, again = (
        load("twin").learn(towers[0], {"a": {}, "b": {}}, build_clip("mini").visual, {}, each, seed=0, **LEARNING)
        for each in (sets, relabelled)
    )
    assert all(torch.equal(again[name], tensor) for name, tensor in learned.items())
    assert learned["router.8.weight"].shape == (2, 256)
