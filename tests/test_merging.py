"""Every method against an independent dense reference, and the properties the papers' formulas imply."""

import copy
import subprocess
import sys
from pathlib import Path

import dense
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

import remerge
from remerge.checkpoints.weights import Weights, load_weights, save_weights
from remerge.errors import MismatchError, ParameterError, RemergeError
from remerge.merging import selection, streaming
from remerge.merging.selection import kth_largest_magnitude
from remerge.merging.streaming import merged_by
from remerge.merging.task_vectors import apply_task_vector, cosine_similarity
from remerge.merging.ties import trimmed_and_elected
from remerge.methods.ties import merge_rule

Model = dict[str, np.ndarray]
SHAPES = {"bias": (3,), "scale": (), "weight": (4, 3), "none": (0, 2)}
# Few distinct values: magnitudes tie and opposing signs cancel exactly, which random floats never do.
COARSE = st.integers(-6, 6).map(lambda value: value / 4)


@st.composite
def model_sets(draw: st.DrawFn, most: int = 4) -> tuple[Model, list[Model]]:
    def model() -> Model:
        return {key: draw(arrays.arrays(np.float64, shape, elements=COARSE)) for key, shape in SHAPES.items()}

    return model(), [model() for _ in range(draw(st.integers(1, most)))]


def tensors(model: Model, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    return {key: torch.tensor(value, dtype=dtype) for key, value in model.items()}


def stacked(start: Model, tuned: list[Model]) -> tuple[np.ndarray, np.ndarray]:
    return dense.flatten(start), np.stack([dense.flatten(model) for model in tuned])


def assert_close(merged: dict[str, Tensor], expected: np.ndarray, like: Model) -> None:
    for key, value in dense.unflatten(expected, like).items():
        np.testing.assert_allclose(merged[key].numpy(), value, rtol=0, atol=1e-12)


@given(model_sets(), st.floats(-2, 2))
def test_task_arithmetic_is_the_papers_formula(models: tuple[Model, list[Model]], scaling: float) -> None:
    start, tuned = models
    merged = remerge.task_arithmetic(tensors(start), [tensors(model) for model in tuned], scaling)
    assert_close(merged, dense.task_arithmetic(*stacked(start, tuned), scaling), start)


@given(model_sets())
def test_weight_averaging_is_the_mean(models: tuple[Model, list[Model]]) -> None:
    start, tuned = models
    merged = remerge.weight_averaging([tensors(model) for model in tuned])
    assert_close(merged, stacked(start, tuned)[1].mean(axis=0), start)


@settings(max_examples=300)
@given(
    model_sets(),
    st.sampled_from([0.05, 0.2, 0.5, 0.8, 1.0]),
    st.sampled_from(["sum", "mean", "max"]),
    st.floats(-2, 2),
)
def test_ties_is_the_papers_algorithm(
    models: tuple[Model, list[Model]], keep: float, merge: str, scaling: float
) -> None:
    start, tuned = models
    merged = remerge.ties(tensors(start), [tensors(m) for m in tuned], keep=keep, merge=merge, scaling=scaling)  # type: ignore[arg-type]
    flat, rows = stacked(start, tuned)
    assert_close(merged, flat + scaling * dense.ties_vector(rows - flat, keep, merge), start)


@given(model_sets(), st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from(["sum", "mean", "max"]), st.randoms())
def test_the_order_of_tasks_does_not_matter(models: tuple[Model, list[Model]], keep: float, merge: str, random) -> None:  # type: ignore[no-untyped-def]
    start, tuned = models
    shuffled = random.sample(tuned, len(tuned))
    for method in (
        lambda order: remerge.weight_averaging(order),
        lambda order: remerge.task_arithmetic(tensors(start), order),
        lambda order: remerge.ties(tensors(start), order, keep=keep, merge=merge),  # type: ignore[arg-type]
    ):
        one, other = method([tensors(m) for m in tuned]), method([tensors(m) for m in shuffled])
        for key in start:
            torch.testing.assert_close(one[key], other[key], rtol=0, atol=1e-12)


def test_scaling_zero_gives_the_pretrained_weights_bit_for_bit() -> None:
    start = {"weight": torch.tensor([-0.0, 0.0, 1e-40, 3.0])}
    tuned = [{"weight": torch.tensor([1.0, 3e38, -1.0, 0.0])}]
    for merged in (remerge.task_arithmetic(start, tuned, 0), remerge.ties(start, tuned, scaling=0.0, keep=1)):
        assert merged["weight"].view(torch.int32).equal(start["weight"].view(torch.int32))


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_checkpoint_is_named_with_tensor_and_count(broken: float) -> None:
    start = {"a": torch.zeros(3), "b": torch.zeros(4)}
    tuned = [{"a": torch.ones(3), "b": torch.ones(4)}, {"a": torch.ones(3), "b": torch.tensor([1, broken, broken, 1])}]
    for method in (remerge.task_arithmetic, remerge.ties):
        with pytest.raises(RemergeError, match="task vector 2: 'b' holds 2 entries that are NaN or infinite"):
            method(start, tuned)


@pytest.mark.parametrize("numel", [1, 2, 1000, 70_000, 600_000])
@pytest.mark.parametrize("share", [0.0, 0.003, 0.2, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("kind", ["normal", "few values", "mostly zero", "sorted"])
def test_the_selected_magnitude_is_the_sorted_ones(numel: int, share: float, kind: str) -> None:
    generator = torch.Generator().manual_seed(numel)
    flat = torch.randn(numel, generator=generator)
    if kind == "few values":
        flat = (2 * flat).round()
    elif kind == "mostly zero":
        flat = torch.where(torch.rand(numel, generator=generator) < 0.9, 0, flat)
    elif kind == "sorted":
        flat = flat.sort().values
    vector = {"a": flat[: numel // 3], "b": flat[numel // 3 :].double()}
    k = max(1, round(share * numel))
    found = kth_largest_magnitude(vector, ["a", "b"], k)
    assert found == flat.abs().sort(descending=True).values[k - 1]


def test_a_sample_that_misleads_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_bracket", lambda *ignored: (np.float32(5), np.float32(6)))
    vector = {"a": torch.arange(100.0)}
    assert [float(kth_largest_magnitude(vector, ["a"], k)) for k in (1, 94, 95, 100)] == [99, 6, 5, 0]


def test_tiles_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    vectors = [{"a": (3 * torch.randn(50, 7, generator=generator)).round(), "b": torch.zeros(0)} for _ in range(4)]
    for merge in ("sum", "mean", "max"):
        results = []
        for size in (10**6, 64, 7):
            monkeypatch.setattr(streaming, "TILE", size)
            results.append(merged_by(merge_rule(vectors, keep=0.6, merge=merge), vectors)["a"])
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])


@given(model_sets(most=1))
def test_one_task_kept_whole_gives_the_expert(models: tuple[Model, list[Model]]) -> None:
    start, (tuned,) = models
    for merge in ("sum", "mean", "max"):
        merged = remerge.ties(tensors(start), [tensors(tuned)], keep=1, merge=merge, scaling=1)
        assert_close(merged, dense.flatten(tuned), start)


@given(model_sets(), st.sampled_from([0.2, 0.7]))
def test_trimmed_and_elected_vectors_sum_to_ties(models: tuple[Model, list[Model]], keep: float) -> None:
    start, tuned = models
    vectors = [remerge.task_vector(tensors(start), tensors(model)) for model in tuned]
    total = {key: sum(vector[key] for vector in trimmed_and_elected(vectors, keep)) for key in start}
    merged = apply_task_vector(tensors(start), total, 0.3)  # type: ignore[arg-type]
    expected = remerge.ties(tensors(start), [tensors(model) for model in tuned], keep=keep, merge="sum", scaling=0.3)
    for key in start:
        torch.testing.assert_close(merged[key], expected[key], rtol=0, atol=1e-12)


def test_trimmed_vectors_on_disk_are_those_in_memory_and_leave_no_file(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = [
        {
            "a": torch.randn(5, 3, generator=generator),
            "none": torch.empty(0),
            "scale": torch.randn((), generator=generator),
            "wide": torch.randn(4, generator=generator).double(),
        }
        for _ in range(3)
    ]
    straight, on_disk = trimmed_and_elected(vectors, 0.4), trimmed_and_elected(vectors, 0.4, folder=tmp_path / "new")
    for ours, theirs in zip(on_disk, straight, strict=True):
        for key, tensor in theirs.items():
            assert torch.equal(ours[key], tensor) and ours[key].dtype == tensor.dtype
    assert list((tmp_path / "new").iterdir()) == []


@given(model_sets(), st.sampled_from([0.2, 0.5]), st.randoms())
def test_the_order_of_tasks_does_not_move_the_trim(models: tuple[Model, list[Model]], keep: float, random) -> None:  # type: ignore[no-untyped-def]
    start, tuned = models
    vectors = [remerge.task_vector(tensors(start), tensors(model)) for model in tuned]
    order = random.sample(range(len(tuned)), len(tuned))
    straight = trimmed_and_elected(vectors, keep)
    shuffled = trimmed_and_elected([vectors[k] for k in order], keep)
    for place, k in enumerate(order):
        for key in start:
            assert torch.equal(shuffled[place][key], straight[k][key])


@given(model_sets(), st.sampled_from(["sum", "mean", "max"]))
def test_memory_layout_and_key_order_do_not_matter(models: tuple[Model, list[Model]], merge: str) -> None:
    start, tuned = models

    def turned(model: Model) -> dict[str, Tensor]:
        """The same values, the matrix stored by columns, the keys reversed."""
        weights = dict(reversed(list(tensors(model).items())))
        return weights | {"weight": weights["weight"].T.contiguous().T}

    expected = remerge.ties(tensors(start), [tensors(m) for m in tuned], keep=0.5, merge=merge)  # type: ignore[arg-type]
    merged = remerge.ties(turned(start), [turned(m) for m in tuned], keep=0.5, merge=merge)  # type: ignore[arg-type]
    for key in start:
        assert torch.equal(merged[key], expected[key])


def test_files_merge_like_the_models_in_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    models = [{"a": torch.randn(4, 3), "b": torch.randn(5), "n": torch.tensor(3)} for _ in range(4)]
    for index, model in enumerate(models):
        save_weights(tmp_path / str(index), model)
    files: list[Weights] = [load_weights(tmp_path / str(index)) for index in range(4)]
    for method in (remerge.task_arithmetic, remerge.ties):
        merged, expected = method(files[0], files[1:]), method(models[0], models[1:])
        assert type(merged) is dict
        for key in models[0]:
            assert torch.equal(merged[key], expected[key])
    vectors = [remerge.task_vector(models[0], model) for model in models[1:]]
    for index, vector in enumerate(vectors):
        save_weights(tmp_path / f"vector-{index}", vector)
    lazy = [load_weights(tmp_path / f"vector-{index}") for index in range(3)]
    lazily = merged_by(merge_rule(lazy, keep=0.3), lazy)
    for key, tensor in merged_by(merge_rule(vectors, keep=0.3), vectors).items():
        assert torch.equal(lazily[key], tensor)


def one_model(**values: list[float]) -> dict[str, Tensor]:
    return {key: torch.tensor(value) for key, value in values.items()}


def test_ties_at_the_threshold_are_kept() -> None:
    start = one_model(w=[0.0, 0.0, 0.0, 0.0, 0.0])
    tuned = [one_model(w=[3.0, -2.0, 2.0, 2.0, 1.0])]
    merged = remerge.ties(start, tuned, keep=0.4, scaling=1)
    assert merged["w"].tolist() == [3, -2, 2, 2, 0]


def test_a_share_meant_to_be_whole_loses_no_entry() -> None:
    start = {"w": torch.zeros(100, dtype=torch.float64)}
    tuned = [{"w": torch.arange(1, 101, dtype=torch.float64)}]
    assert 0.29 * 100 < 29
    assert int((remerge.ties(start, tuned, keep=0.29, scaling=1)["w"] != 0).sum()) == 29


def test_tensors_of_different_precision_share_one_threshold() -> None:
    start = {"long": torch.zeros(1, dtype=torch.float64), "short": torch.zeros(1)}
    tuned = [{"long": torch.tensor([1 + 1e-12], dtype=torch.float64), "short": torch.tensor([1.0])}]
    merged = remerge.ties(start, tuned, keep=0.5, scaling=1)
    assert merged["short"].tolist() == [0]
    assert merged["long"].tolist() == [1 + 1e-12]
    assert (merged["long"].dtype, merged["short"].dtype) == (torch.float64, torch.float32)


def test_a_share_is_rounded_down() -> None:
    start = {"w": torch.zeros(9)}
    tuned = [{"w": torch.arange(1.0, 10.0)}]
    for keep, kept in ((0.2222222222, 1), (0.2222222223, 2), (0.01, 1), (1, 9)):
        assert int((remerge.ties(start, tuned, keep=keep, scaling=1)["w"] != 0).sum()) == kept


def test_the_trim_scopes_differ_as_documented() -> None:
    start = one_model(frozen=[0.0] * 6, large=[0.0, 0.0], small=[0.0, 0.0])
    tuned = [one_model(frozen=[0.0] * 6, large=[4.0, 3.0], small=[2.0, 1.0])]
    kept = {
        scope: {
            key: value.tolist()
            for key, value in remerge.ties(start, tuned, keep=0.5, scaling=1, scope=scope).items()
            if key != "frozen"
        }
        for scope in ("vector", "trained", "tensor")
    }
    # Half of ten entries is more than ever moved; half of the four that moved; half of each tensor.
    assert kept["vector"] == {"large": [4, 3], "small": [2, 1]}
    assert kept["trained"] == {"large": [4, 3], "small": [0, 0]}
    assert kept["tensor"] == {"large": [4, 0], "small": [2, 0]}


def test_signs_that_cancel_take_the_majority() -> None:
    start = one_model(w=[0.0, 0.0, 0.0])
    tuned = [one_model(w=[1.0, 2.0, 5.0]), one_model(w=[-1.0, 2.0, 5.0])]
    assert remerge.ties(start, tuned, keep=1, scaling=1)["w"].tolist() == [1, 4, 10]
    negative = [{"w": -model["w"]} for model in tuned]
    assert remerge.ties(start, negative, keep=1, scaling=1)["w"].tolist() == [-1, -4, -10]


def test_excluded_tensors_stay_and_do_not_count() -> None:
    start = one_model(head=[0.0, 0.0], w=[0.0, 0.0, 0.0, 0.0])
    tuned = [one_model(head=[9.0, 9.0], w=[4.0, 3.0, 2.0, 1.0])]
    merged = remerge.ties(start, tuned, keep=0.5, scaling=1, exclude=["he*"])
    assert merged["head"].tolist() == [0, 0]
    assert merged["w"].tolist() == [4, 3, 0, 0]
    with pytest.raises(RemergeError, match="'haed' matches no tensor; there are: head, w"):
        remerge.ties(start, tuned, exclude=["haed"])


class Encoder(nn.Module):
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.register_buffer("seen", torch.tensor(0))
        self.last = nn.Linear(4, 4)


def encoders(count: int) -> list[Encoder]:
    torch.manual_seed(0)
    models = [Encoder() for _ in range(count)]
    for index, model in enumerate(models):
        model.seen.fill_(index)
    return models


def test_modules_come_back_as_modules_and_stay_as_they_were() -> None:
    start, *tuned = encoders(3)
    before = [copy.deepcopy(model.state_dict()) for model in (start, *tuned)]
    for merged in (
        remerge.task_arithmetic(start, tuned),
        remerge.ties(start, tuned),
        remerge.weight_averaging(tuned),
    ):
        assert type(merged) is Encoder
        with torch.no_grad():
            for parameter in merged.parameters():
                parameter.fill_(7)
    for model, old in zip((start, *tuned), before, strict=True):
        for key, value in model.state_dict().items():
            assert torch.equal(value, old[key]), f"{key} was modified"


class TiedEncoder(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.tied = nn.Linear(3, 4)
        self.tied.weight = self.first.weight


def test_tied_weights_stay_tied() -> None:
    torch.manual_seed(0)
    models = [TiedEncoder() for _ in range(3)]
    for merged in (remerge.ties(models[0], models[1:]), remerge.weight_averaging(models)):
        assert merged.tied.weight is merged.first.weight
        assert merged.first.weight is not models[0].first.weight
    mean = torch.stack([model.first.weight for model in models]).mean(dim=0)
    torch.testing.assert_close(merged.first.weight, mean)


def test_parameters_are_merged_without_a_graph() -> None:
    start, *tuned = (dict(model.named_parameters()) for model in encoders(3))
    results = (
        remerge.task_vector(start, tuned[0]),
        remerge.weight_averaging(tuned),
        remerge.task_arithmetic(start, tuned),
        remerge.ties(start, tuned),
        remerge.ties(start, tuned, scaling=0),
    )
    for weights in results:
        assert not any(tensor.requires_grad for tensor in weights.values())


def test_integer_buffers_are_the_pretrained() -> None:
    start, *tuned = encoders(3)
    assert remerge.task_arithmetic(start, tuned).seen.item() == 0
    assert remerge.weight_averaging(tuned).seen.item() == 1


def test_a_merged_state_dict_shares_no_memory_with_its_inputs() -> None:
    start, tuned = one_model(w=[1.0, 2.0]), [one_model(w=[2.0, 2.0])]
    for scaling in (0, 0.5):
        merged = remerge.task_arithmetic(start, tuned, scaling)
        merged["w"].zero_()
        assert start["w"].tolist() == [1, 2]
        assert tuned[0]["w"].tolist() == [2, 2]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_merged_model_has_the_pretrained_dtype_and_is_rounded_once(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    start = {"w": torch.randn(1000).to(dtype)}
    tuned = [{"w": (start["w"].double() + torch.randn(1000).double() / 100).to(dtype)} for _ in range(8)]
    merged = remerge.task_arithmetic(start, tuned, 0.3)["w"]
    assert merged.dtype == dtype
    exact = start["w"].double() + 0.3 * sum(model["w"].double() - start["w"].double() for model in tuned)
    if dtype.itemsize == 2:
        assert torch.equal(merged, exact.to(dtype))
    else:
        torch.testing.assert_close(merged, exact.to(dtype), rtol=10 * torch.finfo(dtype).eps, atol=1e-6)


def test_mismatches_are_named_all_at_once() -> None:
    start = {"a": torch.zeros(2), "b": torch.zeros(2), "c": torch.zeros(2)}
    good = {key: torch.ones(2) for key in start}
    bad = {"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.float64), "d": torch.zeros(1)}
    with pytest.raises(MismatchError) as caught:
        remerge.task_arithmetic(start, [good, bad])
    message = str(caught.value)
    for part in (
        "fine-tuned 2: 'c' is missing",
        "'d' is not in",
        "'a' has shape [3]",
        "'b' is torch.float64",
    ):
        assert part in message
    assert "fine-tuned 1" not in message


def test_many_mismatches_are_abbreviated() -> None:
    start = {f"k{index}": torch.zeros(1) for index in range(30)}
    with pytest.raises(MismatchError, match="and 20 more"):
        remerge.task_arithmetic(start, [{}])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep must be a share"),
        ({"keep": 20}, "keep must be a share"),
        ({"keep": float("nan")}, "keep must be a share"),
        ({"keep": "0.2"}, "keep must be a share"),
        ({"keep": True}, "keep must be a share"),
        ({"keep": None}, "keep must be a share"),
        ({"exclude": "w"}, "exclude must be a list"),
        ({"merge": "median"}, "merge must be"),
        ({"scope": "layer"}, "scope must be"),
        ({"scaling": float("nan")}, "finite number"),
        ({"scaling": "0.3"}, "finite number"),
        ({"scaling": True}, "finite number"),
    ],
)
def test_parameters_out_of_range_are_named(arguments: dict[str, object], message: str) -> None:
    start, tuned = one_model(w=[1.0]), [one_model(w=[2.0])]
    with pytest.raises(ParameterError, match=message) as caught:
        remerge.ties(start, tuned, **arguments)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


def test_one_model_in_place_of_a_list_is_named() -> None:
    start, tuned = one_model(w=[1.0]), one_model(w=[2.0])
    with pytest.raises(ParameterError, match="must be a list of models"):
        remerge.task_arithmetic(start, tuned)  # type: ignore[arg-type]


def test_nothing_to_merge_is_an_error() -> None:
    with pytest.raises(RemergeError, match="at least one"):
        remerge.task_arithmetic(one_model(w=[1.0]), [])
    with pytest.raises(RemergeError, match="at least one"):
        remerge.weight_averaging([])


def test_cosine_similarity_is_that_of_the_flattened_vectors() -> None:
    torch.manual_seed(0)
    vectors = [{"a": torch.randn(3, 2), "b": torch.randn(5)} for _ in range(3)]
    flat = np.stack([dense.flatten({key: value.numpy() for key, value in vector.items()}) for vector in vectors])
    norms = np.linalg.norm(flat, axis=1)
    np.testing.assert_allclose(cosine_similarity(vectors), flat @ flat.T / np.outer(norms, norms), atol=1e-12)
    assert cosine_similarity([{"a": torch.zeros(2)}]) == [[0.0]]


def test_importing_the_package_does_not_wait_for_torch() -> None:
    code = "import sys, remerge; assert 'torch' not in sys.modules; remerge.ties; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
