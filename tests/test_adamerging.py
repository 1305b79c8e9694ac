"""AdaMerging: the learned coefficients are those of the papers' formulation, with autograd through the merge."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import remerge
from remerge.checkpoints.weights import Weights
from remerge.errors import MismatchError, RemergeError
from remerge.merging.coefficients import (
    Coefficients,
    merge_by,
    read_coefficients,
    write_coefficients,
)
from remerge.merging.learning import MergedEncoder, backward_entropy, learn_coefficients
from remerge.merging.streaming import merged_by
from remerge.merging.task_vectors import apply_task_vector
from remerge.merging.ties import trimmed_and_elected
from remerge.methods.adamerging import merge_rule
from remerge.run.resume import Progress

TASKS = ("one", "two", "three")
CLASSES = (4, 3, 5)


def encoder(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 6)).double()


class Setting:
    """Three experts around one encoder, their heads, and unlabeled batches of unequal size."""

    def __init__(self) -> None:
        self.encoder = encoder()
        self.pretrained = {key: value.clone() for key, value in self.encoder.state_dict().items()}
        torch.manual_seed(1)
        self.finetuned = [
            {key: value + 0.3 * torch.randn_like(value) for key, value in self.pretrained.items()} for _ in TASKS
        ]
        self.vectors = [remerge.task_vector(self.pretrained, model) for model in self.finetuned]
        self.heads = [5 * torch.randn(6, classes, dtype=torch.float64) for classes in CLASSES]

    def batches(self, step: int) -> list[Tensor]:
        torch.manual_seed(100 + step)
        return [torch.randn(size, 3, 2, 2, dtype=torch.float64) for size in (5, 8, 6)]

    def learn(self, vectors: Sequence[dict[str, Tensor]] | None = None, **options: object) -> Coefficients:
        options = {"granularity": "layer", "steps": 5, "learning_rate": 0.05} | options
        return learn_coefficients(
            self.encoder,
            self.heads,
            self.pretrained,
            self.vectors if vectors is None else vectors,
            self.batches,
            tasks=TASKS,
            **options,  # type: ignore[arg-type]
        )

    def entropy(self, coefficients: Tensor, batches: Sequence[Tensor]) -> Tensor:
        """The papers' objective, differentiable through an explicit merge, one forward pass per task."""
        layers = sorted(self.pretrained)
        per_layer = coefficients.clamp(0, 1).expand(-1, len(layers))
        merged = {
            layer: self.pretrained[layer] + sum(per_layer[k, i] * self.vectors[k][layer] for k in range(len(TASKS)))
            for i, layer in enumerate(layers)
        }
        total = torch.zeros((), dtype=torch.float64)
        for batch, head in zip(batches, self.heads, strict=True):
            features = functional_call(self.encoder, merged, (batch,))
            logits = features / features.norm(dim=-1, keepdim=True) @ head
            probabilities = logits.softmax(dim=-1)
            total = total - (probabilities * probabilities.log()).sum(dim=-1).mean()
        return total


@pytest.fixture
def setting() -> Setting:
    return Setting()


@pytest.mark.parametrize("columns", [1, 6])
@pytest.mark.parametrize("at_once", [None, 1, 5, 100])
def test_the_gradient_is_autograds_through_an_explicit_merge(
    setting: Setting, columns: int, at_once: int | None
) -> None:
    torch.manual_seed(2)
    coefficients = torch.rand(len(TASKS), columns, dtype=torch.float64, requires_grad=True)
    batches = setting.batches(0)
    expected = setting.entropy(coefficients, batches)
    expected.backward()
    merged = MergedEncoder(setting.encoder, setting.pretrained, setting.vectors, "cpu")
    merged.set_coefficients(coefficients.detach())
    entropy = backward_entropy(merged.module, setting.heads, batches, at_once)
    torch.testing.assert_close(entropy, expected.detach(), rtol=0, atol=1e-9)
    gradient = merged.coefficient_gradient()
    if columns == 1:
        gradient = gradient.sum(dim=1, keepdim=True)
    assert coefficients.grad is not None
    torch.testing.assert_close(gradient, coefficients.grad, rtol=0, atol=1e-9)


def test_too_little_memory_means_fewer_images_at_a_time(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def narrow(images: torch.Tensor) -> None:
        if len(images) > 3:
            raise torch.OutOfMemoryError

    def learn() -> torch.Tensor:
        return learn_coefficients(
            *(setting.encoder, setting.heads, setting.pretrained, setting.vectors, setting.batches),
            tasks=TASKS,
            steps=3,
            learning_rate=0.05,
        ).values

    roomy = learn()
    setting.encoder.register_forward_pre_hook(lambda module, given: narrow(given[0]))
    torch.testing.assert_close(learn(), roomy, rtol=0, atol=1e-6)
    assert "out of memory: going on with" in capsys.readouterr().err


@pytest.mark.parametrize("granularity", ["task", "layer"])
def test_coefficients_of_a_task_without_images_do_not_move(
    setting: Setting, capsys: pytest.CaptureFixture[str], granularity: str
) -> None:
    """As if its task vector belonged to the pre-trained weights; the other tasks' entropy alone would move them."""

    def learn(pretrained: Weights, chosen: Sequence[int], batches: Callable[[int], list[Tensor]]) -> Tensor:
        return learn_coefficients(
            setting.encoder,
            [setting.heads[k] for k in chosen],
            pretrained,
            [setting.vectors[k] for k in chosen],
            batches,
            tasks=[TASKS[k] for k in chosen],
            granularity=granularity,  # type: ignore[arg-type]
            steps=5,
            learning_rate=0.05,
            initial=0.3,
        ).values

    def without_second(step: int) -> list[Tensor]:
        return [batch[:0] if k == 1 else batch for k, batch in enumerate(setting.batches(step))]

    found = learn(setting.pretrained, [0, 1, 2], without_second)
    assert (found[:, 1] == 0.3).all()
    assert (found[-1, [0, 2]] != 0.3).any()
    start = {key: value + 0.3 * setting.vectors[1][key] for key, value in setting.pretrained.items()}
    expected = learn(start, [0, 2], lambda step: setting.batches(step)[::2])
    torch.testing.assert_close(found[:, [0, 2]], expected)
    assert "no images of two: coefficients stay at 0.3" in capsys.readouterr().err
    with pytest.raises(RemergeError, match="needs images of at least one of one, two, three"):
        learn(setting.pretrained, [0, 1, 2], lambda step: [batch[:0] for batch in setting.batches(step)])


def test_learning_goes_on_where_it_was_cut_off(setting: Setting, tmp_path: Path) -> None:
    class CutOff(Progress):
        """Saves at every step and is killed at the seventh."""

        def save(self, state: Callable[[], dict[str, Any]]) -> None:
            super().save(state)
            if state()["step"] == 7:
                raise KeyboardInterrupt

    def learn(progress: Progress | None) -> Coefficients:
        return learn_coefficients(
            *(setting.encoder, setting.heads, setting.pretrained, setting.vectors, setting.batches),
            tasks=TASKS,
            steps=12,
            learning_rate=0.05,
            record_every=3,
            progress=progress,
        )

    with pytest.raises(KeyboardInterrupt):
        learn(CutOff(tmp_path / "progress.pt", "key", seconds=0))
    resumed, whole = learn(Progress(tmp_path / "progress.pt", "key")), learn(None)
    assert resumed.steps == whole.steps == (0, 3, 6, 9, 12)
    assert torch.equal(resumed.values, whole.values)


@pytest.mark.parametrize("granularity", ["task", "layer"])
@pytest.mark.parametrize("initial", [0.3, 0.02])
def test_learning_is_adam_on_the_papers_objective(setting: Setting, granularity: str, initial: float) -> None:
    """From 0.02 some coefficients leave [0, 1] on the way, where the clamp stops their gradient."""
    steps, rate = 12, 0.05
    columns = 1 if granularity == "task" else len(setting.pretrained)
    expected = torch.full((len(TASKS), columns), initial, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([expected], lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        setting.entropy(expected, setting.batches(step)).backward()
        optimizer.step()
    learned = setting.learn(granularity=granularity, steps=steps, learning_rate=rate, initial=initial)
    torch.testing.assert_close(learned.values[-1], expected.detach().clamp(0, 1).float(), rtol=0, atol=1e-6)
    if initial == 0.02:
        assert (expected < 0).any(), "the clamp was not tried"


@pytest.mark.parametrize("granularity", ["task", "layer"])
def test_before_its_first_step_it_is_task_arithmetic(setting: Setting, granularity: str) -> None:
    before = setting.learn(granularity=granularity, steps=1, initial=0.25).at(0)
    merged = apply_task_vector(setting.pretrained, merge_by(setting.vectors, before.values[0], before.layers), 1.0)
    expected = remerge.task_arithmetic(setting.pretrained, setting.finetuned, scaling=0.25)
    for key in expected:
        torch.testing.assert_close(merged[key], expected[key], rtol=0, atol=1e-12)


def test_before_its_first_step_plus_plus_is_ties_with_sum(setting: Setting) -> None:
    vectors = trimmed_and_elected(setting.vectors, keep=0.4)
    before = setting.learn(vectors, steps=1, initial=0.25).at(0)
    merged = remerge.merge_by_coefficients(setting.pretrained, setting.finetuned, before, keep=0.4)
    expected = remerge.ties(setting.pretrained, setting.finetuned, keep=0.4, merge="sum", scaling=0.25)
    for key in expected:
        torch.testing.assert_close(merged[key], expected[key], rtol=0, atol=1e-12)


def test_entropy_falls_and_the_callers_encoder_stays(setting: Setting) -> None:
    before = {key: value.clone() for key, value in setting.encoder.state_dict().items()}
    learned = setting.learn(steps=60, learning_rate=0.02)
    first, last = (setting.entropy(learned.values[i].double(), setting.batches(999)) for i in (0, -1))
    assert last < first - 0.05
    for key, value in setting.encoder.state_dict().items():
        assert torch.equal(value, before[key])


def test_the_same_batches_give_the_same_coefficients(setting: Setting) -> None:
    assert torch.equal(setting.learn().values, setting.learn().values)


def test_first_and_last_step_are_always_recorded(setting: Setting) -> None:
    assert setting.learn(steps=7, record_every=3).steps == (0, 3, 6, 7)


def test_task_vectors_of_another_encoder_are_refused(setting: Setting) -> None:
    vectors = [{key: value for key, value in vector.items() if key != "1.bias"} for vector in setting.vectors]
    with pytest.raises(MismatchError, match=r"1\.bias"):
        setting.learn(vectors)


def test_heads_are_frozen(setting: Setting) -> None:
    expected = setting.learn()
    setting.heads = [head.requires_grad_(True) for head in setting.heads]
    assert torch.equal(setting.learn().values, expected.values)
    assert all(head.grad is None for head in setting.heads)


def test_an_encoder_in_channels_last_memory_learns_the_same() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 6)).double()
    pretrained = {key: value.clone() for key, value in plain.state_dict().items()}
    vectors = [{key: torch.randn_like(value) for key, value in pretrained.items()} for _ in range(2)]
    heads = [torch.randn(6, 3, dtype=torch.float64) for _ in range(2)]
    batches = [torch.randn(4, 3, 3, 3, dtype=torch.float64) for _ in range(2)]

    def learn(encoder: nn.Module) -> Tensor:
        return learn_coefficients(
            encoder, heads, pretrained, vectors, lambda step: batches, tasks=("a", "b"), steps=5, learning_rate=0.05
        ).values

    expected = learn(plain)
    turned = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    assert not turned.state_dict()["0.weight"].is_contiguous()
    torch.testing.assert_close(learn(turned), expected)


@pytest.mark.parametrize("short", ["tasks", "heads", "vectors"])
def test_one_head_and_name_per_task_are_asked_for_before_learning(setting: Setting, short: str) -> None:
    counts = {"tasks": 3, "heads": 3, "vectors": 3} | {short: 2}

    def batches(step: int) -> list[Tensor]:
        raise AssertionError("learning has begun")

    with pytest.raises(RemergeError, match=r"task names, . heads and . task vectors"):
        learn_coefficients(
            setting.encoder,
            setting.heads[: counts["heads"]],
            setting.pretrained,
            setting.vectors[: counts["vectors"]],
            batches,
            tasks=TASKS[: counts["tasks"]],
        )


def test_entropy_that_is_no_number_stops_the_run(setting: Setting) -> None:
    setting.heads[1][0, 0] = torch.nan
    with pytest.raises(RemergeError, match="entropy is nan at step 0"):
        setting.learn()


def test_coefficients_come_back_from_their_file_bit_for_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    written = Coefficients((0, 5), ("a,b", "c"), ("x.weight", "y"), torch.rand(2, 2, 2) * 1e-3)
    write_coefficients(tmp_path / "c.csv", written)
    read = read_coefficients(tmp_path / "c.csv")
    assert (read.steps, read.tasks, read.layers) == (written.steps, written.tasks, written.layers)
    assert torch.equal(read.values, written.values)


def test_coefficients_apply_again_in_any_order_of_tasks(setting: Setting, tmp_path: Path) -> None:
    learned = setting.learn()
    write_coefficients(tmp_path / "c.csv", learned)
    order = [2, 0, 1]
    vectors = [setting.vectors[k] for k in order]
    again = merged_by(merge_rule(vectors, tmp_path / "c.csv", tasks=[TASKS[k] for k in order]), vectors)
    expected = merge_by(setting.vectors, learned.values[-1], learned.layers)
    for key in expected:
        torch.testing.assert_close(again[key], expected[key], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "columns must be step, task, layer, value"),
        ("step,task,layer,value\n", "no coefficients"),
        ("step,task,layer\n0,a,all\n", "columns must be"),
        ("step,task,layer,value\n0,a,all,x\n", "line 2"),
        ("step,task,layer,value\n0,a,all,nan\n", "finite"),
        ("step,task,layer,value\n0,a,l,1\n0,b,m,1\n", "no coefficient for"),
        ("step,task,layer,value\n0,a,l,1\n0,a,l,2\n", "line 3.*comes twice"),
        ("step,task,layer,value\n0,\xe9,l,1\n", "cannot be read as a CSV file"),
    ],
)
def test_files_at_fault_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(RemergeError, match=message) as caught:
        read_coefficients(path)
    assert str(path) in str(caught.value)


def test_unknown_tasks_layers_and_steps_are_named(setting: Setting, tmp_path: Path) -> None:
    write_coefficients(tmp_path / "c.csv", setting.learn(steps=2))
    with pytest.raises(RemergeError, match="no coefficients for task four"):
        merge_rule(setting.vectors, tmp_path / "c.csv", tasks=["one", "two", "four"])
    with pytest.raises(RemergeError, match=r"c\.csv: .* at step 9"):
        merge_rule(setting.vectors, tmp_path / "c.csv", tasks=TASKS, step=9)
    unknown = [{"extra": torch.ones(2)} for _ in TASKS]
    with pytest.raises(RemergeError, match=r"c\.csv: no coefficient for layer 'extra'"):
        merge_rule(unknown, tmp_path / "c.csv", tasks=TASKS)
    with pytest.raises(RemergeError, match="cannot be read"):
        read_coefficients(tmp_path)
    with pytest.raises(RemergeError, match=r"no coefficient for layer '1\.weight'"):
        merge_by(setting.vectors, torch.ones(3, 1), ["1.bias"])
