"""Checkpoints and images of every origin through the workflow, from a stand-in for the Hub and files made here."""

import hashlib
import io
import json
import re
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from hub_server import COMMIT, HubServer
from PIL import Image
from project import ROOT, copy_project, planned, snakemake
from safetensors.torch import save
from torch import nn
from transformers import CLIPConfig, CLIPModel

from remerge.checkpoints.headers import read_metadata
from remerge.checkpoints.weights import load_weights
from remerge.clip.architectures import ARCHITECTURES
from remerge.clip.encoders import build_clip, load_encoder
from remerge.clip.transformers_clip import image_encoder_weights
from remerge.images.corruptions import Corruption
from remerge.images.preparation import prepare_all
from remerge.images.store import load_images

pytestmark = pytest.mark.whole
TABLE = "results/pool/tables/suite/main.md"


def parquet(count: int, begin: int) -> bytes:
    """Digits of a kind: every image its own shade."""
    rows = []
    for index in range(count):
        content = io.BytesIO()
        Image.fromarray(np.full((28, 28), (begin + index) % 256, np.uint8)).save(content, "png")
        rows.append({"bytes": content.getvalue(), "path": None})
    file = io.BytesIO()
    pq.write_table(pa.table({"image": rows, "label": [index % 10 for index in range(count)]}), file)
    return file.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with HubServer({}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def project(folder: Path, pool: dict[str, Any], tasks: list[str]) -> Path:
    copy_project(folder)
    methods = {
        "pretrained": {"label": "Pretrained", "algorithm": "pretrained"},
        "individual": {"label": "Individual", "algorithm": "individual"},
        "averaging": {"label": "Weight Averaging", "algorithm": "weight_averaging"},
    }
    config = {"pools": {"pool": pool}, "suites": {"suite": tasks}, "methods": methods}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def test_a_task_that_cannot_be_had_is_left_out_said_so_and_tried_again(tmp_path: Path, hub: HubServer) -> None:
    mnist = {"mnist/train-00000-of-00001.parquet": parquet(40, 0), "mnist/test-00000-of-00001.parquet": parquet(20, 30)}
    hub.repositories = {"datasets/ylecun/mnist": mnist}
    folder = project(tmp_path / "project", {"origin": "random", "architecture": "mini"}, ["MNIST", "EuroSAT"])
    told = snakemake(folder, TABLE, one_process=True)
    assert "WARNING: EuroSAT is left out of every average" in told
    # Less than a gigabyte of results is not worth a word.
    assert "Results take about" not in told
    table = (folder / TABLE).read_text()
    assert table.count("(1/2)") == 3
    # Shades 30 to 39 are among the training images, of which four are held out, and among the test images.
    assert re.search(r"Contaminated split: MNIST, \d+ of 20 test images are also in train", table)
    record = json.loads((folder / "results/downloads/MNIST/test.json").read_text())
    assert (record["repository"], record["revision"]) == ("ylecun/mnist", COMMIT)
    assert not list(folder.glob("results/images/32/MNIST/train.safetensors"))
    assert planned(folder, TABLE)["fetch_images"] == 2
    downloads = hub.count("GET")
    hub.repositories = {
        **hub.repositories,
        "datasets/tanganke/eurosat": {
            "data/train-00000-of-00001.parquet": parquet(40, 0),
            "data/test-00000-of-00001.parquet": parquet(20, 100),
        },
    }
    snakemake(folder, TABLE, one_process=True)
    assert "(1/2)" not in (folder / TABLE).read_text()
    assert hub.count("GET") == downloads + 2
    assert planned(folder, TABLE) == {}


def test_corrupted_images_are_made_from_the_originals_and_missing_ones_stay_missing(
    tmp_path: Path, hub: HubServer
) -> None:
    test = parquet(20, 30)
    hub.repositories = {
        "datasets/ylecun/mnist": {
            "mnist/train-00000-of-00001.parquet": parquet(40, 0),
            "mnist/test-00000-of-00001.parquet": test,
        }
    }
    folder = project(tmp_path / "project", {"origin": "random", "architecture": "mini"}, ["MNIST", "EuroSAT", "shapes"])
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"tasks": {"shapes": {"folder": "shapes"}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    made = {
        task: folder / f"results/images/48/{task}/corrupted/gaussian_noise-2.safetensors"
        for task in config["suites"]["suite"]
    }
    snakemake(folder, *(str(path.relative_to(folder)) for path in made.values()), one_process=True)
    originals = {
        "MNIST": [row["bytes"] for row in pq.read_table(io.BytesIO(test))["image"].to_pylist()],
        "shapes": sorted((folder / "shapes" / "test").glob("*/*.png")),
    }
    for task, encoded in originals.items():
        expected = list(prepare_all(encoded, 48, 1, Corruption("gaussian_noise", 2, 0)))
        assert (load_images(made[task]).images == np.stack(expected)).all()
    assert load_images(made["shapes"]).labels.tolist() == [0] * 4 + [1] * 4
    lost = load_images(made["EuroSAT"])
    assert len(lost) == 0
    assert lost.missing


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_fusionbenchs_checkpoints_are_downloaded_and_converted(tmp_path: Path, hub: HubServer, name: str) -> None:
    torch.manual_seed(0)
    config = CLIPConfig()
    model = CLIPModel(config)
    weights = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    expert = {key: tensor + 0.01 for key, tensor in weights.items() if key.startswith("vision_model.")}
    pickled = io.BytesIO()
    torch.save(expert, pickled)
    clip = build_clip("ViT-B-32")
    tower = image_encoder_weights(
        {key: tensor for key, tensor in weights.items() if key.startswith("vision_model.")},
        model.visual_projection.weight.detach().T.contiguous(),
    )
    clip.visual.load_state_dict(tower)
    told = json.dumps(config.to_dict(), default=str).encode()
    hub.repositories = {
        "timm/vit_base_patch32_clip_224.openai": {"open_clip_model.safetensors": save(clip.state_dict())},
        "tanganke/clip-vit-base-patch32_mnist": {
            name: save(expert) if name == "model.safetensors" else pickled.getvalue(),
            "config.json": told,
        },
    }
    folder = project(tmp_path / "project", {"origin": "fusionbench", "architecture": "ViT-B-32"}, ["MNIST"])
    snakemake(
        folder, "results/pool/task_vectors/MNIST.safetensors", "results/pool/heads/MNIST.safetensors", one_process=True
    )
    assert read_metadata(folder / "results/pool/weights/MNIST.safetensors") == {
        "architecture": "ViT-B-32",
        "activation": "quickgelu",
        "task": "MNIST",
    }
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = model.visual_projection(model.vision_model(images).pooler_output)
        ours = load_encoder(folder / "results/pool/weights/pretrained.safetensors")(images)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    vector = load_weights(folder / "results/pool/task_vectors/MNIST.safetensors")
    assert not vector["proj"].any()
    torch.testing.assert_close(vector["class_embedding"], torch.full((768,), 0.01), atol=1e-6, rtol=0)


# Google Drive with one folder on this disk, as gdown shows it.
DRIVE = """
import shutil
from pathlib import Path
from types import SimpleNamespace

class DownloadError(Exception): pass

def download_folder(**given):
    return [SimpleNamespace(id="zero", path="checkpoints/ViT-B-32/zeroshot.pt")]

def download(id, output, **given):
    shutil.copy(Path("drive") / id, output)
"""


def test_another_run_downloads_what_the_lock_file_says(tmp_path: Path, hub: HubServer) -> None:
    repository, pickle = "timm/vit_base_patch32_clip_224.openai", "ViT-B-32/MNIST/finetuned.pt"
    hub.repositories = {
        repository: {"open_clip_model.safetensors": b"weights"},
        "datasets/ylecun/mnist": {"mnist/train-0.parquet": b"train"},
    }
    folder = project(tmp_path / "project", {"origin": "task-vectors", "architecture": "ViT-B-32"}, ["MNIST"])
    (folder / "hidden/gdown.py").write_text(DRIVE)
    (folder / "drive").mkdir()
    for name in ("zero", "1IYE99VnUcKso2UOUYRfuts8MtrZ7IdqU"):
        (folder / "drive" / name).write_bytes(b"PK" + bytes(10**7))
    snakemake(folder, "results/downloads.lock.yaml", one_process=True)
    written = yaml.safe_load((folder / "results/downloads.lock.yaml").read_text())
    digest = hashlib.sha256(b"weights").hexdigest()
    of_weights, of_images = sorted(written["hub"], key=lambda entry: str(entry["kind"]), reverse=True)
    assert of_weights == {
        "repository": repository,
        "kind": "model",
        "commit": COMMIT,
        "files": {"open_clip_model.safetensors": digest},
    }
    assert list(of_images["files"]) == ["mnist/train-0.parquet"]
    assert [entry["files"] for entry in written["missing"]] == [["mnist/test-*.parquet"]]
    packed = hashlib.sha256(b"PK" + bytes(10**7)).hexdigest()
    assert written["drive"][pickle] == {
        "id": "1IYE99VnUcKso2UOUYRfuts8MtrZ7IdqU",
        "size": 10**7 + 2,
        "sha256": packed,
    }
    lock = folder / "lock.yaml"
    lock.write_text((folder / "results/downloads.lock.yaml").read_text())
    given = ("--config", "downloads=lock.yaml", "--")

    # Everything moves on; whoever is given the lock file gets the same bytes, on a machine with nothing on it, and goes
    # without what could not be had.
    newer = {f"mnist/{part}-0.parquet": b"newer" for part in ("train", "test")}
    hub.move({repository: {"open_clip_model.safetensors": b"newer"}, "datasets/ylecun/mnist": newer})
    shutil.rmtree(folder / "results")
    shutil.rmtree(tmp_path / "cache")
    snakemake(folder, *given, "results/downloads.lock.yaml", one_process=True)
    assert planned(folder, *given, "results/downloads.lock.yaml") == {}
    assert (folder / "results/downloads.lock.yaml").read_text() == lock.read_text()

    # What differs is refused by name, with both hashes; and a file that Drive hands out rarely is kept.
    of_weights["files"]["open_clip_model.safetensors"] = "0" * 64
    written["drive"][pickle]["sha256"] = "0" * 64
    lock.write_text(yaml.safe_dump(written))
    told = snakemake(folder, "--keep-going", *given, "results/downloads.lock.yaml", check=False, one_process=True)
    expected = f"has the SHA-256 {digest}, expected is {'0' * 64}"
    assert f"{repository}/open_clip_model.safetensors at {COMMIT}: {expected}" in told
    assert f"{pickle}: results/downloads/task-vectors/{pickle} has the SHA-256 {packed}, expected is {'0' * 64}" in told
    assert (folder / "results/downloads/task-vectors" / pickle).exists()

    # What the lock file leaves open is refused before anything starts.
    written["hub"].remove(of_weights)
    del written["drive"][pickle]
    lock.write_text(yaml.safe_dump(written))
    told = snakemake(folder, "--dry-run", *given, "results/downloads.lock.yaml", check=False)
    assert f"{repository} (pool pool, pre-trained) is not in it" in told
    assert f"drive: {pickle} (pool pool) is not in it" in told
    assert "Job stats" not in told


def test_fine_tuning_starts_from_openais_weights(tmp_path: Path, hub: HubServer) -> None:
    torch.manual_seed(0)
    clip = build_clip("ViT-B-32")
    content = save({key: tensor.half() for key, tensor in clip.state_dict().items()})
    hub.repositories = {"timm/vit_base_patch32_clip_224.openai": {"open_clip_model.safetensors": content}}
    folder = project(tmp_path / "project", {"origin": "finetuned", "architecture": "ViT-B-32"}, ["MNIST"])
    snakemake(folder, "results/pool/weights/pretrained.safetensors", one_process=True)
    read = load_weights(folder / "results/pool/weights/pretrained.safetensors")
    assert all(torch.equal(read[key], tensor.half().float()) for key, tensor in clip.visual.state_dict().items())
    assert "finetune" in snakemake(folder, "--dry-run", "results/pool/task_vectors/MNIST.safetensors")


class ImageEncoder(nn.Module):
    """As the Task Arithmetic authors' class: a CLIP without its text transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.model = build_clip("ViT-B-32")
        del self.model.transformer


def test_the_authors_pickles_are_read_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(
        tmp_path / "project",
        {"origin": "task-vectors", "architecture": "ViT-B-32", "folder": "legacy"},
        ["MNIST"],
    )
    torch.manual_seed(0)
    model = ImageEncoder()
    module = types.ModuleType("src.modeling")
    module.ImageEncoder = ImageEncoder  # type: ignore[attr-defined]
    monkeypatch.setattr(ImageEncoder, "__module__", "src.modeling")
    for name in ("src", "src.modeling"):
        monkeypatch.setitem(sys.modules, name, module)
    (folder / "legacy/ViT-B-32/MNIST").mkdir(parents=True)
    torch.save(model, folder / "legacy/ViT-B-32/zeroshot.pt")
    torch.save(
        model, folder / "legacy/ViT-B-32/MNIST/finetuned.pt", _use_new_zipfile_serialization=False, pickle_protocol=2
    )
    assert "WARNING" not in snakemake(folder, "results/pool/task_vectors/MNIST.safetensors", one_process=True)
    read = load_weights(folder / "results/pool/weights/MNIST.safetensors")
    assert all(torch.equal(read[key], tensor) for key, tensor in model.model.visual.state_dict().items())
    vector = load_weights(folder / "results/pool/task_vectors/MNIST.safetensors")
    assert not any(vector[key].any() for key in vector)
    del model.model.ln_final
    torch.save(model, folder / "legacy/ViT-B-32/MNIST/finetuned.pt")
    # The same files where downloads are kept: nothing is asked of Google Drive, but they are recorded.
    (folder / "results/downloads").mkdir(exist_ok=True)
    (folder / "legacy").rename(folder / "results/downloads/task-vectors")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["pools"]["pool"]["folder"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    told = snakemake(folder, "results/pool/weights/MNIST.safetensors", one_process=True)
    expected = ARCHITECTURES["ViT-B-32"].text_parameters
    assert f"MNIST/finetuned.pt: holds {expected - 1024} parameters beside" in told
    assert f"TIES's trim counts the expected {expected}" in told
    assert (folder / "results/downloads/task-vectors/ViT-B-32/MNIST/finetuned.json").exists()


def test_a_gate_that_fails_stops_every_merge(tmp_path: Path, hub: HubServer) -> None:
    folder = project(tmp_path / "project", {"origin": "fusionbench", "architecture": "ViT-B-32"}, ["MNIST"])
    scores = folder / "results/pool/scores/suite/pretrained.csv"
    scores.parent.mkdir(parents=True)
    pd.DataFrame(
        [
            {
                "pool": "pool",
                "suite": "suite",
                "method": "pretrained",
                "task": "MNIST",
                "split": "test",
                "correct": 900,
                "n": 10000,
            }
        ]
    ).to_csv(scores, index=False)
    plan = snakemake(folder, "--dry-run", "results/pool/merged_task_vectors/suite/averaging.safetensors")
    assert "zero_shot_gate" in plan
    told = snakemake(
        folder,
        *("--allowed-rules", "zero_shot_gate"),
        *("--", "results/pool/tables/suite/zero_shot_gate.csv"),
        check=False,
        one_process=True,
    )
    assert "MNIST: 9.0 % of 10000, published" in told
    assert "Likely cause: class order" in told
    assert not (folder / "results/pool/tables/suite/zero_shot_gate.csv").exists()


def test_the_first_run_plans_what_it_needs_and_no_more(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "project")
    shutil.copy2(ROOT / "config.yaml", folder)
    shutil.copy2(ROOT / "config" / "clip-first-run.yaml", folder)
    plan = planned(folder, "--configfile", "clip-first-run.yaml")
    # Each of two tasks comes in two parts; one repository of weights for each, and the pre-trained encoder's.
    assert plan["fetch_images"] == 4
    # Nothing is trained, so training images are hashed and never stored.
    assert (plan["prepare_images"], plan["hash_training_images"]) == (4, 2)
    assert "prepare_training_images" not in plan
    assert plan["learn_coefficients"] == 1
    assert not plan.keys() & {"finetune", "study", "expert_statistics"}


def test_only_a_draw_of_test_images_is_prepared(tmp_path: Path, hub: HubServer) -> None:
    hub.repositories = {
        "datasets/ylecun/mnist": {
            "mnist/train-00000-of-00001.parquet": parquet(40, 0),
            "mnist/test-00000-of-00001.parquet": parquet(20, 100),
        }
    }
    folder = project(tmp_path / "project", {"origin": "random", "architecture": "mini"}, ["MNIST"])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    images = [f"results/images/32/MNIST/{split}.safetensors" for split in ("test", "validation")]
    for drawn in (8, 12):
        config["clip_tasks"] = {"MNIST": {"test_images": drawn}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        # Validation images stay as they are when the draw changes.
        jobs = planned(folder, *images)
        assert jobs["prepare_images"] == (2 if drawn == 8 else 1)
        snakemake(folder, *images, one_process=True)
        read = load_images(folder / images[0])
        assert len(read) == drawn
        assert (read.images[:, 0, 0, 0] - 100) % 10 == pytest.approx(read.labels)
        assert len(load_images(folder / images[1])) == 4
    # Training images are looked at for the audit, and not stored.
    snakemake(folder, "results/images/32/audit.csv", one_process=True)
    audit = pd.read_csv(folder / "results/images/32/audit.csv").set_index(["split_a", "split_b"])
    assert audit.loc[("train", "train"), "n_a"] == 36
    assert not list(folder.glob("results/images/32/MNIST/train.safetensors"))
