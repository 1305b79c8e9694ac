"""Methods with a part for every task give what the papers' formulas do, and every task its own encoder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dense
import dense_parts
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from remerge.checkpoints.weights import load_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip, to_input
from remerge.errors import RemergeError
from remerge.images.store import ImageSet
from remerge.merging import low_rank, masked, routed
from remerge.merging.adapted import Adapter, learn_adapter
from remerge.merging.merged import load_merged, save_merged
from remerge.methods import load
from remerge.methods.registry import ALGORITHMS

TASKS = ("a", "b", "c")
SHAPES = {"matrix": (6, 4), "wide": (3, 8), "bias": (5,), "conv": (2, 1, 3, 3), "frozen": (4, 4)}
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "emr": [{"rescaler": "tensors"}, {"rescaler": "entries"}],
    "tall_masks": [
        {"around": {"algorithm": "task_arithmetic"}, "threshold": 0.4},
        {"around": {"algorithm": "weight_averaging"}, "threshold": 0.6},
        {"around": {"algorithm": "ties", "keep": 0.5, "merge": "mean"}, "threshold": 0.2},
    ],
    "tsv_compress": [{"others": "mean"}, {"others": "sum"}, {"others": "zero"}],
}
MERGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "task_arithmetic": lambda vectors: vectors.sum(axis=0),
    "weight_averaging": lambda vectors: vectors.mean(axis=0),
    "ties": lambda vectors: dense.ties_vector(vectors, 0.5, "mean"),
}
CASES = [(name, parameters) for name, each in PARAMETERS.items() for parameters in each]


def drawn(seed: int, scale: float = 1.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {key: scale * torch.randn(shape, generator=generator) for key, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def start() -> dict[str, Tensor]:
    return drawn(0)


@pytest.fixture(scope="module")
def vectors() -> dict[str, dict[str, Tensor]]:
    """Of very different norms, with a tensor that no task moved, and entries that cancel or did not move."""
    made = {task: drawn(seed, scale) for task, seed, scale in zip(TASKS, (1, 2, 3), (1.0, 0.1, 3.0), strict=True)}
    for vector in made.values():
        vector["frozen"].zero_()
        vector["bias"][0] = 0.0
    for task, value in zip(TASKS, (1.0, 1.0, -2.0), strict=True):
        made[task]["matrix"][0, 0] = value
    return made


def rebuilt(shared: Mapping[str, Tensor], part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A task's weights, by the definition of the two layouts of files."""
    weights = {key: tensor.double() for key, tensor in shared.items() if not key.startswith(masked.VECTOR)}
    for key, tensor in weights.items():
        if masked.MASK + key in part:
            bits = np.unpackbits(part[masked.MASK + key].numpy(), count=tensor.numel()).reshape(tensor.shape)
            weights[key] = tensor + part[masked.SCALE] * torch.from_numpy(bits) * shared[masked.VECTOR + key]
        if low_rank.LEFT + key in part:
            weights[key] = tensor + part[low_rank.LEFT + key].double() @ part[low_rank.RIGHT + key].double()
    return weights


def arrays_of(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {key: tensor.double().numpy() for key, tensor in weights.items()}


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_every_tasks_weights_are_those_of_the_formula(
    name: str, parameters: dict[str, Any], start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    shared, parts = load(name).parts(start, vectors, **parameters)
    moved = [arrays_of(vector) for vector in vectors.values()]
    if "around" in parameters:
        merged = MERGED[parameters["around"]["algorithm"]](np.stack([dense.flatten(own) for own in moved]))
        parameters = {"merged": dense.unflatten(merged, moved[0]), "threshold": parameters["threshold"]}
    expected = getattr(dense_parts, name)(arrays_of(start), moved, **parameters)
    assert list(parts) == list(TASKS)
    for task, weights in zip(TASKS, expected, strict=True):
        for key, tensor in rebuilt(shared, parts[task]).items():
            np.testing.assert_allclose(tensor.numpy(), weights[key], rtol=1e-5, atol=1e-5, err_msg=f"{task} {key}")


@pytest.mark.parametrize(
    ("name", "parameters"), [case for case in CASES if "zero" not in case[1].values() and "ties" not in str(case)]
)
def test_one_task_alone_gets_its_expert_back(
    name: str, parameters: dict[str, Any], start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    shared, parts = load(name).parts(start, {"b": vectors["b"]}, **parameters)
    for key, tensor in rebuilt(shared, parts["b"]).items():
        torch.testing.assert_close(tensor, start[key].double() + vectors["b"][key], rtol=1e-5, atol=1e-5)


ENTRIES = arrays.arrays(np.float32, 7, elements=st.floats(-8, 8, width=32, allow_subnormal=False))


@given(entries=ENTRIES, threshold=st.floats(0, 5), rescaler=st.sampled_from(["tensors", "entries"]))
def test_the_mask_of_one_task_alone_has_every_entry_that_moved(
    entries: np.ndarray, threshold: float, rescaler: str
) -> None:
    start, vectors = {"w": torch.zeros(7)}, {"a": {"w": torch.from_numpy(entries)}}
    tall = {"around": {"algorithm": "task_arithmetic"}, "threshold": threshold}
    for name, parameters in (("emr", {"rescaler": rescaler}), ("tall_masks", tall)):
        _, parts = load(name).parts(start, vectors, **parameters)
        mask = masked.unpacked(parts["a"][masked.MASK + "w"], torch.Size([7]))
        np.testing.assert_array_equal(mask.numpy(), entries != 0)
        assert parts["a"][masked.SCALE] == pytest.approx(1)


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_the_order_of_tasks_does_not_matter(
    name: str, parameters: dict[str, Any], start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    method = load(name)
    one, other = (
        method.parts(start, {task: vectors[task] for task in order}, **parameters) for order in (TASKS, TASKS[::-1])
    )
    for task in TASKS:
        for key, tensor in rebuilt(one[0], one[1][task]).items():
            torch.testing.assert_close(tensor, rebuilt(other[0], other[1][task])[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_a_broken_task_vector_is_named(
    name: str, parameters: dict[str, Any], start: dict[str, Tensor], vectors: dict[str, dict[str, Tensor]]
) -> None:
    broken = {key: tensor.clone() for key, tensor in vectors["b"].items()}
    broken["wide"][0, 0] = torch.inf
    with pytest.raises(RemergeError, match=r"task vector 2: 'wide' holds 1 entries that are NaN or infinite"):
        load(name).parts(start, {"a": vectors["a"], "b": broken}, **parameters)


@given(arrays.arrays(bool, arrays.array_shapes(min_dims=0, min_side=0, max_side=9)))
def test_a_mask_takes_a_bit_an_entry_and_comes_back(mask: np.ndarray) -> None:
    bits = masked.packed(torch.from_numpy(mask))
    assert (bits.dtype, bits.numel()) == (torch.uint8, -(-mask.size // 8))
    np.testing.assert_array_equal(masked.unpacked(bits, torch.Size(mask.shape)).numpy(), mask)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_no_approximation_of_the_rank_is_closer(rows: int, columns: int, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values = torch.linalg.svdvals(matrix)
    for rank in range(1, min(rows, columns) + 1):
        left, right = low_rank.truncated(matrix, rank)
        # The theorem of Eckart and Young.
        torch.testing.assert_close((matrix - left @ right).square().sum(), values[rank:].square().sum())


def images(count: int = 6) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    return ImageSet(pixels, np.zeros(count, np.int64), "t", "test", "real")


class Linear(nn.Module):
    """Features that are a linear map of the first pixels."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.weight = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :5] @ self.weight.T


LEARNING: dict[str, Any] = {"rank": 3, "learning_rate": 0.01, "batch_size": 6, "seed": 0}


def test_an_adapter_without_a_second_matrix_changes_nothing() -> None:
    features = torch.randn(7, 4)
    assert torch.equal(Adapter(torch.randn(3, 4), torch.zeros(4, 3))(features), features)


def test_the_first_step_of_an_adapter_is_the_one_computed_by_hand() -> None:
    merged, expert, image_set = Linear(1), Linear(2), images()
    learned = learn_adapter(merged, expert, image_set, steps=1, **LEARNING)
    ours, theirs = (each(to_input(torch.from_numpy(image_set.images))) for each in (merged, expert))
    # d/dUp of the mean of |z - Up relu(Down z) - z_expert| at Up = 0; Adam's first step has the size of its rate.
    gradient = -(ours - theirs).sign().T @ (ours @ learned["down"].T).relu() / ours.numel()
    torch.testing.assert_close(learned["up"], -0.01 * gradient / (gradient.abs() + 1e-8), rtol=1e-4, atol=1e-6)


def test_adapters_bring_features_closer_to_the_experts_and_leave_equal_ones_alone() -> None:
    merged, expert, image_set = Linear(1), Linear(2), images(20)
    inputs = to_input(torch.from_numpy(image_set.images))
    distances = []
    for steps in (1, 200):
        adapter = Adapter(**learn_adapter(merged, expert, image_set, steps=steps, **LEARNING))
        distances.append((adapter(merged(inputs)) - expert(inputs)).abs().mean().item())
    assert distances[1] < 0.8 * distances[0]
    assert not learn_adapter(merged, merged, image_set, steps=3, **LEARNING)["up"].any()
    again = learn_adapter(merged, expert, image_set, steps=200, **LEARNING)
    assert torch.equal(again["up"], adapter.up)


@pytest.mark.parametrize("name", PARAMETERS)
def test_files_come_back_as_an_encoder_per_task(name: str, towers: list[dict[str, Tensor]], tmp_path: Path) -> None:
    start, *tuned = towers
    vectors = {task: {key: own[key] - start[key] for key in start} for task, own in zip(TASKS[:2], tuned, strict=True)}
    shared, parts = load(name).parts(start, vectors, **PARAMETERS[name][0])
    path = tmp_path / "m.safetensors"
    save_merged(path, shared, described("mini"), ALGORITHMS[name].assembly, parts, absent=["c"])
    assert not load_weights(tmp_path / "m" / "c.safetensors")
    merged = load_merged(path)
    pixels = to_input(torch.from_numpy(images().images))
    answers = []
    for task in ("a", "b", "a"):
        encoder = build_clip("mini").visual.eval()
        encoder.load_state_dict({key: tensor.float() for key, tensor in rebuilt(shared, parts[task]).items()})
        with torch.inference_mode():
            answers.append(merged.encoder_for(task)(pixels))
            torch.testing.assert_close(answers[-1], encoder(pixels), rtol=1e-4, atol=1e-4)
    assert torch.equal(answers[0], answers[2])
    assert not torch.allclose(answers[0], answers[1])
    assert [merged.serves(task) for task in TASKS] == [True, True, False]
    with pytest.raises(RemergeError, match="has no part for c"):
        merged.encoder_for("c")


def test_an_adapted_result_is_the_encoder_and_the_tasks_adapter(
    towers: list[dict[str, Tensor]], tmp_path: Path
) -> None:
    parts = {task: {"down": torch.randn(16, 128), "up": torch.randn(128, 16)} for task in TASKS}
    save_merged(tmp_path / "m.safetensors", towers[0], described("mini"), "adapted", parts)
    merged, pixels = load_merged(tmp_path / "m.safetensors"), to_input(torch.from_numpy(images().images))
    encoder = build_clip("mini").visual.eval()
    encoder.load_state_dict(towers[0])
    with torch.inference_mode():
        features = encoder(pixels)
        for task, part in parts.items():
            expected = features - (features @ part["down"].T).clamp(min=0) @ part["up"].T
            torch.testing.assert_close(merged.encoder_for(task)(pixels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("assembly", ["masked", "low_rank"])
def test_weights_of_another_architecture_are_refused(assembly: str, tmp_path: Path) -> None:
    part = {"scale": torch.tensor(1.0)}
    save_merged(tmp_path / "m.safetensors", {"w": torch.ones(2)}, described("mini"), assembly, {"a": part})
    with pytest.raises(RemergeError, match=r"m\.safetensors: not the weights of its architecture"):
        load_merged(tmp_path / "m.safetensors").encoder_for("a")


def routed_outputs(
    weight: np.ndarray,
    bias: np.ndarray,
    deltas: list[tuple[np.ndarray, np.ndarray]],
    inputs: np.ndarray,
    rank: int,
    gate_rank: int,
) -> np.ndarray:
    """SMILE, equations 7 to 9, token by token, from all singular triplets of every task's movement."""
    rows = []
    for token in inputs:
        decomposed = [np.linalg.svd(matrix) for matrix, _ in deltas]
        lengths = [np.linalg.norm(right[:gate_rank] @ token) for _, _, right in decomposed]
        task = int(np.argmax(lengths))
        left, values, right = decomposed[task]
        added = (left[:, :rank] * values[:rank]) @ right[:rank] @ token
        rows.append(weight @ token + bias + added + deltas[task][1])
    return np.stack(rows)


def test_every_token_takes_the_expert_it_is_longest_in() -> None:
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    weight, bias, inputs = draw(6, 5), draw(6), draw(9, 5)
    deltas = [(draw(6, 5), draw(6)) for _ in TASKS]
    vectors = [{"l.weight": torch.from_numpy(matrix), "l.bias": torch.from_numpy(moved)} for matrix, moved in deltas]
    parts = [routed.expert_weights(vector, rank=3, gate_rank=2) for vector in vectors]
    layer = routed.RoutedLinear(torch.from_numpy(weight), torch.from_numpy(bias), parts, "l")
    expected = routed_outputs(weight, bias, deltas, inputs, 3, 2)
    outputs = layer(torch.from_numpy(inputs).view(3, 3, 5))
    np.testing.assert_allclose(outputs.reshape(9, 6).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_a_single_expert_of_full_rank_is_the_experts_linear_layers(
    towers: list[dict[str, Tensor]], tmp_path: Path
) -> None:
    start, tuned, _ = towers
    # Larger steps than fine-tuning takes: what is not linear must stay pre-trained.
    tuned = {key: tensor + 0.1 * torch.randn_like(tensor) for key, tensor in tuned.items()}
    vector = {key: tuned[key] - start[key] for key in start}
    shared, parts = load("smile").parts(start, {"a": vector}, rank=512, gate_rank=16)
    save_merged(tmp_path / "m.safetensors", shared, described("mini"), "routed", parts)
    merged = load_merged(tmp_path / "m.safetensors")
    linear = [f"{name}.{kind}" for name in ("out_proj", "c_fc", "c_proj") for kind in ("weight", "bias")]
    linear += ["in_proj_weight", "in_proj_bias"]
    encoder = build_clip("mini").visual.eval()
    encoder.load_state_dict({key: (tuned if key.endswith(tuple(linear)) else start)[key] for key in start})
    pixels = to_input(torch.from_numpy(images().images))
    with torch.inference_mode():
        torch.testing.assert_close(merged.encoder_for("never seen")(pixels), encoder(pixels), rtol=1e-3, atol=1e-3)
    assert merged.serves("never seen")
    assert merged.columns == {}
