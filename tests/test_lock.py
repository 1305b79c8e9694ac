"""Lock files: what they hold, which are refused, and that nothing is left open."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from remerge.config.models import Config, Pool
from remerge.downloads.lock import check_lock, read_lock, write_lock
from remerge.errors import RemergeError
from remerge.plan.downloads import LOCK, Downloads

ONE, TWO = "1" * 40, "a" * 40
FIRST, SECOND = "5" * 64, "b" * 64
EXPERT = "tanganke/clip-vit-base-patch32_mnist"
OPENAI = "timm/vit_base_patch32_clip_224.openai"


def config(tasks: tuple[str, ...] = ("MNIST",), **changes: Any) -> Config:
    content: dict[str, Any] = {
        "pools": {"pool": {"origin": "fusionbench", "architecture": "ViT-B-32"}},
        "suites": {"suite": list(tasks)},
        "methods": {"averaging": {"label": "Averaging", "algorithm": "weight_averaging"}},
        "downloads": "given.yaml",
    }
    return Config.model_validate(content | changes)


def record(path: Path, repository: str, commit: str | None, asked: str | None = None, **changes: Any) -> Path:
    told = {"repository": repository, "kind": "model", "asked": asked, "patterns": ["*"], "revision": commit}
    path.write_text(json.dumps(told | {"files": {}, "missing": ""} | changes))
    return path


def records(folder: Path) -> list[Path]:
    """Of everything that one task of one pool downloads, from all places."""
    mnist: dict[str, Any] = {"kind": "dataset"}
    gone = mnist | {"patterns": ["mnist/test-*.parquet"], "missing": "it is not there"}
    return [
        record(folder / "openai.json", OPENAI, ONE, files={"open_clip_model.safetensors": FIRST}),
        record(folder / "MNIST.json", EXPERT, TWO, files={"config.json": FIRST, "pytorch_model.bin": SECOND}),
        record(folder / "train.json", "ylecun/mnist", ONE, files={"mnist/train-0.parquet": FIRST}, **mnist),
        record(folder / "test.json", "ylecun/mnist", None, **gone),
        record(folder / "a.json", "a", "id", files={"ViT-B-32/zeroshot.pt": FIRST}, kind="drive", size=7),
        record(folder / "b.json", "b", "id2", files={"ViT-B-32/MNIST/finetuned.pt": SECOND}, kind="drive", size=8),
        record(folder / "c.json", "c", "0.29", files={"MNIST/raw/a.gz": FIRST}, kind="torchvision", task="MNIST"),
    ]


def test_a_lock_file_holds_what_was_had_and_is_read_back(tmp_path: Path) -> None:
    write_lock(tmp_path / "lock.yaml", records(tmp_path))
    text = (tmp_path / "lock.yaml").read_text()
    assert "Not in here" in text
    assert yaml.safe_load(text) == {
        "hub": [
            {
                "repository": EXPERT,
                "kind": "model",
                "commit": TWO,
                "files": {"config.json": FIRST, "pytorch_model.bin": SECOND},
            },
            {
                "repository": OPENAI,
                "kind": "model",
                "commit": ONE,
                "files": {"open_clip_model.safetensors": FIRST},
            },
            {"repository": "ylecun/mnist", "kind": "dataset", "commit": ONE, "files": {"mnist/train-0.parquet": FIRST}},
        ],
        "missing": [
            {
                "repository": "ylecun/mnist",
                "kind": "dataset",
                "files": ["mnist/test-*.parquet"],
                "reason": "it is not there",
            }
        ],
        "drive": {
            "ViT-B-32/zeroshot.pt": {"id": "id", "size": 7, "sha256": FIRST},
            "ViT-B-32/MNIST/finetuned.pt": {"id": "id2", "size": 8, "sha256": SECOND},
        },
        "torchvision": {"MNIST": {"MNIST/raw/a.gz": FIRST}},
    }
    lock = read_lock(tmp_path / "lock.yaml")
    check_lock(lock, config())
    check_lock(lock, config(pools={"pool": {"origin": "task-vectors", "architecture": "ViT-B-32"}}))
    check_lock(lock, config(clip_tasks={"MNIST": {"source": "torchvision"}}))
    expert = lock.of_files(Downloads(config()).checkpoint("pool", "MNIST"))
    assert expert == {"commit": TWO, "files": {"config.json": FIRST, "pytorch_model.bin": SECOND}}
    assert lock.of_files(Downloads(config()).images("MNIST", "train"))["commit"] == ONE
    assert lock.of_files(Downloads(config()).images("MNIST", "test")) == {"missing": "it is not there"}


def test_one_repository_at_two_revisions_is_locked_at_both(tmp_path: Path) -> None:
    pools = {
        name: {"origin": "fusionbench", "architecture": "ViT-B-32", "revision": revision}
        for name, revision in (("old", "v1"), ("new", None))
    }
    both = config(pools=pools)
    write_lock(
        tmp_path / "lock.yaml",
        [
            *records(tmp_path),
            record(tmp_path / "v1.json", EXPERT, ONE, "v1", files={"config.json": FIRST, "model.safetensors": FIRST}),
        ],
    )
    lock = read_lock(tmp_path / "lock.yaml")
    check_lock(lock, both)
    assert lock.of_files(Downloads(both).checkpoint("old", "MNIST"))["commit"] == ONE
    assert lock.of_files(Downloads(both).checkpoint("new", "MNIST"))["commit"] == TWO
    # OpenAI's weights are in another repository, which has no such branch.
    assert Downloads(both).checkpoint("old", "openai").revision is None


def test_a_branch_that_moved_between_two_downloads_is_locked_if_no_file_changed(tmp_path: Path) -> None:
    files = {"config.json": FIRST, "model.safetensors": SECOND}
    moved = [record(tmp_path / f"{commit}.json", EXPERT, commit, files=files) for commit in (ONE, TWO)]
    write_lock(tmp_path / "lock.yaml", moved)
    (entry,) = read_lock(tmp_path / "lock.yaml").hub
    assert entry.files == files
    parts = [
        record(tmp_path / f"{name}.json", EXPERT, commit, files={name: FIRST})
        for commit, name in zip((ONE, TWO), ("train", "test"), strict=True)
    ]
    write_lock(tmp_path / "lock.yaml", parts)
    assert {entry.commit for entry in read_lock(tmp_path / "lock.yaml").hub} == {ONE, TWO}
    record(tmp_path / f"{TWO}.json", EXPERT, TWO, files=files | {"config.json": SECOND})
    with pytest.raises(
        RemergeError, match=rf"{EXPERT}/config.json changed .*{ONE}.json .*{FIRST}, .*{TWO}.json .*both"
    ):
        write_lock(tmp_path / "lock.yaml", moved)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (0, rf"{OPENAI} \(pool pool, pre-trained\) is not in it"),
        (1, rf"{EXPERT} \(pool pool, MNIST\) is not in it"),
        (2, r"ylecun/mnist \(images of MNIST\) is not in it"),
        (4, r"drive: ViT-B-32/zeroshot\.pt \(pool drive\) is not in it"),
        (6, r"torchvision: SVHN is not in it"),
    ],
)
def test_what_a_lock_file_leaves_open_is_refused_by_name(tmp_path: Path, entry: int, told: str) -> None:
    everything = config(
        ("MNIST", "SVHN"),
        pools={
            "pool": {"origin": "fusionbench", "architecture": "ViT-B-32"},
            "drive": {"origin": "task-vectors", "architecture": "ViT-B-32"},
        },
        clip_tasks={"SVHN": {"source": "torchvision"}},
    )
    svhn: dict[str, Any] = {"files": {"train_32x32.mat": FIRST}, "kind": "torchvision", "task": "SVHN"}
    expert: dict[str, Any] = {"files": {"config.json": FIRST, "model.safetensors": SECOND}}
    pickle: dict[str, Any] = {"files": {"ViT-B-32/SVHN/finetuned.pt": FIRST}, "kind": "drive", "size": 9}
    complete = [
        *records(tmp_path)[:6],
        record(tmp_path / "svhn.json", "d", "0.29", **svhn),
        record(tmp_path / "SVHN.json", EXPERT.replace("mnist", "svhn"), ONE, **expert),
        record(tmp_path / "e.json", "e", "id3", **pickle),
    ]
    write_lock(tmp_path / "lock.yaml", complete)
    check_lock(read_lock(tmp_path / "lock.yaml"), everything)
    write_lock(tmp_path / "lock.yaml", [each for index, each in enumerate(complete) if index != entry])
    with pytest.raises(RemergeError, match=told) as caught:
        check_lock(read_lock(tmp_path / "lock.yaml"), everything)
    assert "downloads: given.yaml" in str(caught.value)
    assert f"`snakemake {LOCK}`" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["config.json"], r"has no file 'model\.safetensors' or 'pytorch_model\.bin'; there are: config\.json"),
        (["model.safetensors"], r"has no file 'config\.json'"),
    ],
)
def test_files_that_a_repositorys_entry_lacks_are_named(tmp_path: Path, files: list[str], told: str) -> None:
    path = record(tmp_path / "part.json", EXPERT, ONE, files=dict.fromkeys(files, FIRST))
    write_lock(tmp_path / "lock.yaml", [*records(tmp_path)[:1], path])
    with pytest.raises(RemergeError, match=rf"{EXPERT}: {told}.*\(pool pool, MNIST\)"):
        check_lock(read_lock(tmp_path / "lock.yaml"), config())


def test_parts_that_a_data_set_lacks_are_named(tmp_path: Path) -> None:
    files = {f"mnist/train-{part:05}-of-00003.parquet": FIRST for part in (0, 2)}
    write_lock(tmp_path / "lock.yaml", [record(tmp_path / "a", "ylecun/mnist", ONE, files=files, kind="dataset")])
    with pytest.raises(
        RemergeError, match=r"ylecun/mnist: lacks mnist/train-00001-of-00003\.parquet \(images of MNIST"
    ):
        check_lock(read_lock(tmp_path / "lock.yaml"), config())


def test_another_revision_than_the_locked_is_refused(tmp_path: Path) -> None:
    write_lock(tmp_path / "lock.yaml", records(tmp_path))
    pool = {"origin": "fusionbench", "architecture": "ViT-B-32", "revision": "v2"}
    with pytest.raises(RemergeError, match=rf"{EXPERT} at revision v2 .* is not in it, only the newest"):
        check_lock(read_lock(tmp_path / "lock.yaml"), config(pools={"pool": pool}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("[", "not plain YAML"),
        ("- a", "expected keys and values"),
        ("owner/name: {commit: main}", "owner/name: extra inputs"),
        ("hub: [{repository: owner/name, kind: model, commit: main, files: {a: b}}]", r"hub\.0\.commit"),
        (f"hub: [{{repository: owner/name, kind: model, commit: {TWO}, files: {{a: b}}}}]", r"hub\.0\.files\.a"),
        ("drive: {a: {id: b, size: 1}}", r"drive\.a\.sha256"),
        ("torchvision: {MNIST: {}}", r"torchvision\.MNIST"),
        ("hub: []\nhub: []", "stands twice"),
    ],
)
def test_what_is_no_lock_file_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "lock.yaml").write_text(content)
    with pytest.raises(RemergeError, match=f"(?s)downloads: .*lock.yaml.*{told}.*remove the key"):
        read_lock(tmp_path / "lock.yaml")


def test_a_runs_own_lock_file_is_not_taken_for_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LOCK.parent.mkdir()
    write_lock(LOCK, records(tmp_path))
    with pytest.raises(RemergeError, match="what this run writes itself; name a copy"):
        read_lock(tmp_path / LOCK)


def test_a_pool_has_no_commit() -> None:
    assert Pool(origin="fusionbench", architecture="ViT-B-32", revision="main").revision == "main"
    with pytest.raises(ValidationError, match="fix commits with `downloads`"):
        Pool(origin="fusionbench", architecture="ViT-B-32", revision=ONE)


def test_large_images_are_read_without_a_word_up_to_pillows_own_limit() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import io; from PIL import Image; from remerge.images.preparation import open_image\n"
            "file = io.BytesIO(); Image.new('RGB', (15, 10)).save(file, 'png')\n"
            "Image.MAX_IMAGE_PIXELS = 100; print(open_image(file.getvalue()).size)\n"
            "Image.MAX_IMAGE_PIXELS = 70; open_image(file.getvalue())",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "(15, 10)\n"
    assert "Warning" not in told.stderr
    assert "DecompressionBombError" in told.stderr
