"""Encoders, heads and scoring against their definitions; training does what it says to whom it says."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import check_compatible, load_weights, save_weights
from remerge.clip.architectures import described
from remerge.clip.encoders import build_clip, load_encoder, to_input, tokenizer
from remerge.clip.heads import load_head, logits, save_head, zero_shot_head
from remerge.clip.packed import token_embeddings
from remerge.clip.training import finetune, pretrain
from remerge.errors import MismatchError, RemergeError
from remerge.images.store import ImageSet
from remerge.merging.adaptation import adaptation_batches
from remerge.run.resume import Progress
from remerge.scoring.answers import unpack_classes, unpack_right
from remerge.scoring.evaluation import predictions, same_for_all, score_encoder

pretrained_on_shades = partial(
    pretrain, classes=("shade 0", "shade 1"), templates=("a {}.", "the {}."), logit_scale=8.0
)


def image_set(n: int = 40, classes: int = 2) -> ImageSet:
    """Classes that differ in brightness."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % classes
    images = generator.integers(0, 60, (n, 32, 32, 3)) + 120 * labels[:, None, None, None]
    return ImageSet(images.astype(np.uint8), labels, "shades", "train", "rendered")


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_weights(path, build_clip("mini").visual.state_dict(), described("mini"))
    return path


def test_an_encoder_comes_back_from_its_file(clip_file: Path) -> None:
    torch.manual_seed(0)
    original = build_clip("mini").visual.eval()
    images = to_input(torch.from_numpy(image_set(3).images))
    with torch.no_grad():
        assert torch.equal(load_encoder(clip_file)(images), original(images))


def test_files_that_are_no_encoder_are_named(clip_file: Path, tmp_path: Path) -> None:
    weights = dict(load_weights(clip_file))
    save_weights(tmp_path / "unknown.safetensors", weights, {"architecture": "maxi", "activation": "gelu"})
    with pytest.raises(RemergeError, match="has architecture 'maxi'; known: mini"):
        load_encoder(tmp_path / "unknown.safetensors")
    save_weights(tmp_path / "silent.safetensors", weights)
    with pytest.raises(RemergeError, match="has architecture None"):
        load_encoder(tmp_path / "silent.safetensors")
    del weights["proj"]
    save_weights(tmp_path / "less.safetensors", weights, described("mini"))
    with pytest.raises(RemergeError, match=r"(?s)less\.safetensors: not the weights of a mini.*proj"):
        load_encoder(tmp_path / "less.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(clip_file.read_bytes()[:-100])
    with pytest.raises(RemergeError, match=r"cut\.safetensors: not a whole safetensors file"):
        load_weights(tmp_path / "cut.safetensors")
    with pytest.raises(RemergeError, match="no such file"):
        load_weights(tmp_path / "none.safetensors")


def test_weights_come_back_and_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    weights = {"b": torch.randn(3, 2).T, "a": torch.tensor(5), "c": torch.randn(2).bfloat16()}
    save_weights(tmp_path / "one", weights, {"x": "1", "a": "2"})
    save_weights(tmp_path / "two", dict(reversed(list(weights.items()))), {"a": "2", "x": "1"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    read = load_weights(tmp_path / "one")
    assert list(read) == ["a", "b", "c"]
    assert all(torch.equal(read[key], weights[key]) for key in weights)
    assert read_metadata(tmp_path / "one") == {"x": "1", "a": "2"}
    with pytest.raises(KeyError):
        read["d"]
    with pytest.raises(MismatchError, match="'b' is missing"):
        check_compatible(read, [{"a": weights["a"], "c": weights["c"]}])


def test_images_are_normalised_as_clips() -> None:
    images = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    images[0, 0, 1] = torch.tensor([255, 128, 0])
    pixel = to_input(images)[0, :, 0, 1]
    expected = [(1 - 0.48145466) / 0.26862954, (128 / 255 - 0.4578275) / 0.26130258, -0.40821073 / 0.27577711]
    torch.testing.assert_close(pixel, torch.tensor(expected))


def test_classes_whose_prompts_are_cut_off_before_they_differ_are_refused() -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    with pytest.raises(RemergeError, match=r"same in all 16 tokens .* give the classes shorter names"):
        zero_shot_head(build_clip("mini"), tokenizer("mini"), [f"{long} sun", f"{long} moon"], ["a {}."])


def test_a_head_is_normalised_averaged_and_normalised_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    clip = build_clip("mini").eval()
    head = zero_shot_head(clip, tokenizer("mini"), ["sun", "moon"], ["a {}.", "the {}."])
    with torch.no_grad():
        texts = [clip.encode_text(tokenizer("mini")([f"a {name}.", f"the {name}."])) for name in ("sun", "moon")]
    for column, features in enumerate(texts):
        mean = (features / features.norm(dim=1, keepdim=True)).mean(0)
        expected = mean / mean.norm() * clip.logit_scale.exp()
        torch.testing.assert_close(head[:, column], expected.detach())
    save_head(tmp_path / "h", head, {})
    assert torch.equal(load_head(tmp_path / "h"), head)
    features = torch.randn(3, len(head))
    torch.testing.assert_close(logits(features, head), logits(10 * features, head))


class Brightness(nn.Module):
    """Features that tell bright from dark."""

    def forward(self, images: Tensor) -> Tensor:
        level = images.mean(dim=(1, 2, 3))
        return torch.stack([-level, level], dim=1)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_correct_answers_are_counted(batch_size: int) -> None:
    scored = image_set(21)
    wrong = ImageSet(**{**scored.__dict__, "labels": np.where(np.arange(21) < 4, 1 - scored.labels, scored.labels)})
    none = ImageSet(**{**scored.__dict__, "images": scored.images[:0], "labels": scored.labels[:0], "missing": "lost"})
    sets = {"right": scored, "wrong": wrong, "none": none}
    encoder_for, heads = same_for_all(Brightness()), dict.fromkeys(sets, torch.eye(2))
    scores = score_encoder(encoder_for, heads, sets, batch_size=batch_size, progress=False)
    assert scores.values.tolist() == [["right", 21, 21], ["wrong", 17, 21]]


def test_features_that_are_not_finite_are_refused_with_their_task() -> None:
    class Broken(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            features = super().forward(images)
            return torch.where(torch.arange(len(features))[:, None] == 2, torch.nan, features)

    # The largest of scores that are all NaN would be that of class 0.
    with pytest.raises(RemergeError, match="a: images 0 to 7: the encoder's features in float32 are NaN or infinite"):
        score_encoder(same_for_all(Broken()), {"a": torch.eye(2)}, {"a": image_set(21)}, batch_size=7, progress=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_run(clip_file: Path, tmp_path: Path, value: float) -> None:
    weights = {"fine": torch.full((3,), 3e38), "broken": torch.tensor([1.0, value, value])}
    with pytest.raises(RemergeError, match=r"w\.safetensors: 'broken' has 2 entries that are NaN or infinite; nothing"):
        save_weights(tmp_path / "w.safetensors", weights)
    assert list(tmp_path.iterdir()) == []
    # Large entries whose sum is not finite are fine.
    save_weights(tmp_path / "w.safetensors", {"fine": weights["fine"], "count": torch.tensor([1])})
    tower = dict(load_weights(clip_file))
    tower["proj"][0, 0] = value
    save_file(tower, tmp_path / "tower.safetensors", read_metadata(clip_file))
    with pytest.raises(RemergeError, match=r"tower\.safetensors: 'proj' has 1 entries that are NaN or inf"):
        load_encoder(tmp_path / "tower.safetensors")
    save_file({"head": torch.full((2, 2), value)}, tmp_path / "head.safetensors")
    with pytest.raises(RemergeError, match="head'"):
        load_head(tmp_path / "head.safetensors")


def test_a_training_that_diverges_stops_and_says_what_to_lower(clip_file: Path) -> None:
    recipe: dict[str, Any] = {"batch_size": 8, "weight_decay": 0.1, "warmup": 0, "crop": 1.0, "seed": 0}
    with pytest.raises(RemergeError, match="the loss is nan at step 10; lower the learning_rate"):
        finetune(
            load_encoder(clip_file), [torch.eye(128)[:, :2]], [image_set()], steps=11, learning_rate=1e30, **recipe
        )


def test_a_batch_of_fewer_images_than_tasks_has_one_of_each(clip_file: Path) -> None:
    sets = [image_set(), image_set(), image_set()]
    recipe: dict[str, Any] = {"learning_rate": 1e-3, "weight_decay": 0.1, "warmup": 1, "crop": 1.0, "seed": 0}
    few, one_each = (
        finetune(load_encoder(clip_file), [torch.eye(128)[:, :2]] * 3, sets, steps=2, batch_size=size, **recipe)
        for size in (2, 3)
    )
    for key, tensor in one_each.state_dict().items():
        assert torch.equal(few.state_dict()[key], tensor)


def test_too_little_memory_means_smaller_batches(capsys: pytest.CaptureFixture[str]) -> None:
    class Narrow(Brightness):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 5:
                raise torch.OutOfMemoryError
            return super().forward(images)

    sets = {"a": image_set(21)}
    scores = score_encoder(same_for_all(Narrow()), {"a": torch.eye(2)}, sets, batch_size=16, progress=False)
    assert scores.values.tolist() == [["a", 21, 21]]
    assert "out of memory: going on with 4 images at a time" in capsys.readouterr().err


def test_answers_are_kept_image_by_image(clip_file: Path) -> None:
    images, encoder = image_set(37), load_encoder(clip_file)
    heads = {"t": torch.randn(128, 2, generator=torch.Generator().manual_seed(0))}
    row = score_encoder(same_for_all(encoder), heads, {"t": images}, answers=True).iloc[0]
    predicted = unpack_classes(row["predicted"], 37)
    assert (predicted == predictions(encoder, heads["t"], images.images).numpy()).all()
    assert (unpack_right(row["right"], 37) == (predicted == images.labels)).all()
    assert row["correct"] == (predicted == images.labels).sum()


def test_a_shorter_precision_is_compared_with_float32(clip_file: Path) -> None:
    torch.manual_seed(0)
    heads, sets = {"a": torch.randn(128, 2)}, {"a": image_set(30)}
    scores = score_encoder(same_for_all(load_encoder(clip_file)), heads, sets, precision="bfloat16", progress=False)
    assert list(scores) == ["task", "correct", "n", "compared", "agree"]
    assert scores["compared"][0] == 30
    assert 20 < scores["agree"][0] <= 30
    assert "agree" not in score_encoder(same_for_all(load_encoder(clip_file)), heads, sets, progress=False)


def test_fine_tuning_learns_is_seeded_and_goes_on_where_it_was_cut_off(clip_file: Path, tmp_path: Path) -> None:
    encoder = load_encoder(clip_file)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    torch.manual_seed(0)
    head = torch.randn(128, 2)

    def tune(seed: int, crop: float = 1.0, progress: Progress | None = None) -> nn.Module:
        return finetune(
            encoder,
            [head],
            [image_set()],
            steps=12,
            batch_size=20,
            learning_rate=1e-3,
            weight_decay=0.1,
            warmup=2,
            crop=crop,
            seed=seed,
            progress=progress,
        )

    expert = tune(0)
    assert int(score_encoder(same_for_all(expert), {"a": head}, {"a": image_set()}, progress=False)["correct"][0]) > 36
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    again, other = tune(0).state_dict(), tune(1).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in expert.state_dict().items())
    assert any(not torch.equal(value, other[key]) for key, value in expert.state_dict().items())

    class CutOff(Progress):
        """Saves at every step and is killed at the seventh."""

        def save(self, state: Callable[[], dict[str, Any]]) -> None:
            super().save(state)
            if state()["step"] == 7:
                raise KeyboardInterrupt

    path = tmp_path / "progress.pt"
    with pytest.raises(KeyboardInterrupt):
        tune(0, crop=0.8, progress=CutOff(path, "key", seconds=0))
    kept = Progress(path, "key").load()
    assert kept is not None
    assert kept["step"] == 7
    resumed, whole = tune(0, crop=0.8, progress=Progress(path, "key")).state_dict(), tune(0, crop=0.8).state_dict()
    assert all(torch.equal(value, whole[key]) for key, value in resumed.items())
    assert any(not torch.equal(value, whole[key]) for key, value in expert.state_dict().items())
    assert Progress(path, "another key").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert Progress(path, "key").load() is None


def test_several_tasks_are_learned_at_once(clip_file: Path) -> None:
    """The second task has the first's images under swapped labels: only its own head can tell them apart."""
    torch.manual_seed(0)
    first, second = image_set(), image_set()
    second = ImageSet(**{**second.__dict__, "labels": 1 - second.labels, "task": "other"})
    head = torch.randn(128, 2)
    heads = {"shades": head, "other": head.flip(1)}
    expert = finetune(
        load_encoder(clip_file),
        list(heads.values()),
        [first, second],
        steps=12,
        batch_size=20,
        learning_rate=1e-3,
        weight_decay=0.1,
        warmup=2,
        crop=1.0,
        seed=0,
    )
    scores = score_encoder(same_for_all(expert), heads, {"shades": first, "other": second}, progress=False)
    assert (scores["correct"] > 36).all()


def test_pretraining_is_seeded_and_keeps_token_embeddings_and_the_scale_of_logits() -> None:
    def train(seed: int) -> dict[str, Tensor]:
        clip = pretrained_on_shades(image_set(), "mini", steps=2, batch_size=8, learning_rate=0.02, seed=seed)
        return clip.state_dict()

    one, same, other = train(0), train(0), train(1)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["visual.proj"], other["visual.proj"])
    assert one["logit_scale"].exp().item() == pytest.approx(8)
    torch.manual_seed(0)
    fresh = build_clip("mini").state_dict()
    assert torch.equal(one["token_embedding.weight"], token_embeddings(*fresh["token_embedding.weight"].shape))
    assert not torch.equal(one["visual.proj"], fresh["visual.proj"])


def test_pretraining_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    def train(progress: Progress | None = None) -> dict[str, Tensor]:
        clip = pretrained_on_shades(
            image_set(), "mini", steps=6, batch_size=8, learning_rate=0.02, seed=0, progress=progress
        )
        return clip.state_dict()

    class CutOff(Progress):
        """Saves at every step and is killed at the fourth."""

        def save(self, state: Callable[[], dict[str, Any]]) -> None:
            super().save(state)
            if state()["step"] == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CutOff(tmp_path / "kept.pt", "key", seconds=0))
    whole, resumed = train(), train(Progress(tmp_path / "kept.pt", "key"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_adaptation_batches_depend_on_seed_and_step_and_never_on_labels() -> None:
    def batches(seed: int, source: ImageSet) -> Callable[[int], list[Tensor]]:
        return adaptation_batches([source, source], batch_size=6, seed=seed)

    plain = image_set()
    relabelled = ImageSet(**{**plain.__dict__, "labels": np.zeros_like(plain.labels)})
    one = batches(0, plain)(3)
    assert [tuple(batch.shape) for batch in one] == [(6, 3, 32, 32)] * 2
    assert all(torch.equal(a, b) for a, b in zip(one, batches(0, relabelled)(3), strict=True))
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], batches(0, plain)(4)[0])
    assert not torch.equal(one[0], batches(1, plain)(3)[0])
