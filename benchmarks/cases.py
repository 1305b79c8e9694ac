"""What is measured, each in a process of its own: ``python benchmarks/cases.py CASE ARGUMENTS`` prints JSON."""

import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from remerge.checkpoints.weights import LazyWeights, load_weights
from remerge.clip.encoders import build_clip, to_input
from remerge.merging.checkpoints import merge_checkpoints
from remerge.merging.learning import MergedEncoder, backward_entropy
from remerge.merging.streaming import Difference, merged_by
from remerge.merging.task_vectors import apply_task_vector
from remerge.methods import load
from remerge.methods.parameters import method_of

KEEP = 0.2


class Peak(threading.Thread):
    """Watches this process's anonymous memory; memory-mapped files are not counted."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.kilobytes = 0
        self.start()

    def run(self) -> None:
        """Look every few milliseconds."""
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            now = int(status.split("RssAnon:")[1].split()[0])
            self.kilobytes = max(self.kilobytes, now)
            time.sleep(0.005)


def vectors_in(folder: str, tasks: int) -> list[LazyWeights]:
    """Open task vectors; there are eight files, and more tasks are the same ones again.

    They are read through first, so that every case finds them in the system's cache and no disk is measured.
    """
    for path in Path(folder).glob("*.safetensors"):
        with path.open("rb") as file:
            while file.read(2**24):
                pass
    return [load_weights(Path(folder) / f"{index % 8}.safetensors") for index in range(tasks)]


def flat_sample(merged: dict[str, Tensor]) -> list[float]:
    """Some entries and sums to compare two results by."""
    flat = torch.cat([merged[key].flatten() for key in sorted(merged)])
    return [*flat[:: len(flat) // 20000].tolist(), float((flat != 0).sum())]


def streaming(folder: str, tasks: int, algorithm: str) -> Callable[[], dict[str, Tensor]]:
    """This library's way."""
    vectors = vectors_in(folder, tasks)
    parameters = {"keep": KEEP} if algorithm == "ties" else {}
    return lambda: merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors)


def dense_ties(folder: str, tasks: int) -> Callable[[], dict[str, Tensor]]:
    """TIES as the papers' scripts go about it: every task flattened, all stacked, all trimmed at once."""
    opened = vectors_in(folder, tasks)

    def merge() -> dict[str, Tensor]:
        vectors = [{key: tensor.clone() for key, tensor in vector.items()} for vector in opened]
        keys = sorted(vectors[0])
        stacked = torch.stack([torch.cat([vector[key].flatten() for key in keys]) for vector in vectors])
        kept = int(stacked.shape[1] * KEEP)
        threshold = stacked.abs().kthvalue(stacked.shape[1] - kept + 1, dim=1, keepdim=True).values
        trimmed = stacked * (stacked.abs() >= threshold)
        sign = torch.sign(trimmed.sum(dim=0))
        sign[sign == 0] = torch.sign(sign.sum())
        agreeing = torch.where(sign.unsqueeze(0) > 0, trimmed > 0, trimmed < 0)
        flat = (trimmed * agreeing).sum(dim=0)
        merged, begin = {}, 0
        for key in keys:
            size = vectors[0][key].numel()
            merged[key] = flat[begin : begin + size].reshape(vectors[0][key].shape)
            begin += size
        return merged

    return merge


def checkpoints(folder: str, algorithm: str) -> Callable[[], dict[str, Tensor]]:
    """This library's way from checkpoints on disk to a merged one in memory."""
    vectors_in(folder, 8)
    pretrained = load_weights(Path(folder) / "pretrained.safetensors")
    vectors = [Difference(pretrained, load_weights(Path(folder) / f"{index}.safetensors")) for index in range(8)]
    parameters = {"keep": KEEP} if algorithm == "ties" else {}

    def merge() -> dict[str, Tensor]:
        return apply_task_vector(pretrained, merged_by(load(algorithm).merge_rule(vectors, **parameters), vectors), 0.3)

    return merge


def written(folder: str, tasks: int, described: str) -> Callable[[], list[Path]]:
    """Merge checkpoints on disk, files read and written; there are eight, and more tasks are the same ones again."""
    root, method = Path(folder), method_of(json.loads(described))
    vectors_in(folder, tasks)
    return lambda: merge_checkpoints(
        partial(load(method.algorithm).merge_rule, **method.merging_parameters()),
        root / "pretrained.safetensors",
        [root / f"{index % 8}.safetensors" for index in range(tasks)],
        root / "merged",
        scaling=1.0,
    )


def copying(folder: str, tasks: int) -> Callable[[], dict[str, Tensor]]:
    """Every task vector's bytes read once and written once."""
    vectors = vectors_in(folder, tasks)
    room = {key: torch.empty_like(tensor) for key, tensor in vectors[0].items()}

    def copy() -> dict[str, Tensor]:
        for vector in vectors:
            for key, tensor in vector.items():
                room[key].copy_(tensor)
        return room

    return copy


def adaptation(folder: str, tasks: int, architecture: str, images: int, rounds: int = 2) -> dict[str, float]:
    """One AdaMerging step, and one plain forward and backward pass of the encoder on the same images, in turns."""
    torch.manual_seed(0)
    encoder = build_clip(architecture).visual
    batches = [torch.randn(images, 3, 224, 224) for _ in range(tasks)]
    heads = [torch.randn(512, 10) for _ in range(tasks)]
    pretrained = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    merged = MergedEncoder(encoder, pretrained, vectors_in(folder, tasks), "cpu")
    # The task vectors are far larger than real ones: as small a share of them keeps the encoder's numbers ordinary.
    coefficients = torch.full((tasks, len(merged.layers)), 1e-4)
    backward_entropy(merged.module, heads, [batch[:1] for batch in batches])
    seconds: dict[str, list[float]] = {"plain": [], "step": [], "merge": []}
    for _ in range(rounds):
        merged.module.zero_grad(set_to_none=True)
        begin = time.perf_counter()
        backward_entropy(merged.module, heads, batches)
        seconds["plain"].append(time.perf_counter() - begin)
        merged.module.zero_grad(set_to_none=True)
        begin = time.perf_counter()
        merged.set_coefficients(coefficients)
        backward_entropy(merged.module, heads, batches)
        merged.coefficient_gradient()
        seconds["step"].append(time.perf_counter() - begin)
        begin = time.perf_counter()
        merged.set_coefficients(coefficients)
        merged.coefficient_gradient()
        seconds["merge"].append(time.perf_counter() - begin)
    return {name: min(values) for name, values in seconds.items()}


def on_disk(folder: str) -> None:
    """Merge all checkpoints ``task-*`` of a folder on disk."""
    root = Path(folder)
    merge_checkpoints(
        partial(load("ties").merge_rule, keep=KEEP),
        root / "pretrained",
        sorted(root.glob("task-*")),
        root / "merged",
        scaling=0.3,
    )


def scoring(architecture: str, count: int) -> dict[str, float]:
    """Images per second of scoring, and of plain forward passes on prepared tensors."""
    from remerge.scoring.evaluation import predictions

    encoder = build_clip(architecture).visual.eval()
    images = np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)
    tensors = to_input(torch.from_numpy(images))
    head = torch.randn(512, 100)
    rates: dict[str, float] = {}
    for _ in range(2):
        begin = time.perf_counter()
        with torch.inference_mode():
            for part in tensors.split(64):
                encoder(part)
        rates["plain"] = max(rates.get("plain", 0), count / (time.perf_counter() - begin))
        begin = time.perf_counter()
        predictions(encoder, head, images, batch_size=64)
        rates["scoring"] = max(rates.get("scoring", 0), count / (time.perf_counter() - begin))
    return rates


def training(steps: int) -> dict[str, float]:
    """Seconds of some training steps of the mini encoder, with as many threads as the environment says."""
    encoder = build_clip("mini").visual
    images = torch.randn(128, 3, 32, 32)
    begin = time.perf_counter()
    for _ in range(steps):
        encoder.zero_grad(set_to_none=True)
        encoder(images).square().mean().backward()
    return {"seconds": time.perf_counter() - begin}


def preparing(count: int) -> dict[str, float]:
    """Images per second and core from JPEG bytes to a uint8 crop, here and by torchvision's transforms."""
    import io

    from PIL import Image
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    from remerge.images.preparation import prepare

    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(content, "jpeg", quality=90)
    theirs = Compose([Resize(224, InterpolationMode.BICUBIC), CenterCrop(224), lambda image: image.convert("RGB")])
    ways: dict[str, Callable[[bytes], object]] = {
        "torchvision": lambda encoded: np.asarray(theirs(Image.open(io.BytesIO(encoded)))),
        "here": lambda encoded: prepare(encoded, 224),
        "decoding alone": lambda encoded: Image.open(io.BytesIO(encoded)).load(),
    }
    rates: dict[str, float] = {}
    for name in [*ways, *ways]:
        begin = time.perf_counter()
        for _ in range(count):
            ways[name](content.getvalue())
        rates[name] = max(rates.get(name, 0), count / (time.perf_counter() - begin))
    return rates


def main() -> None:
    """Run one case."""
    case, *arguments = sys.argv[1:]
    peak = Peak()
    if case in ("streaming", "dense", "copy"):
        folder, tasks, *rest = arguments
        ways: dict[str, Callable[..., Callable[[], dict[str, Tensor]]]] = {
            "streaming": streaming,
            "dense": dense_ties,
            "copy": copying,
        }
        work = ways[case](folder, int(tasks), *rest)
        begin = time.perf_counter()
        merged = work()
        seconds = time.perf_counter() - begin
        measured: dict[str, object] = {"seconds": seconds, "anonymous_gb": peak.kilobytes / 1e6}
        print(json.dumps({**measured, "sample": flat_sample(merged)}))
    elif case == "checkpoints":
        work = checkpoints(*arguments)
        begin = time.perf_counter()
        merged = work()
        seconds = time.perf_counter() - begin
        flat = torch.cat([merged[key].flatten() for key in sorted(merged)])
        found = {"seconds": seconds, "anonymous_gb": peak.kilobytes / 1e6}
        print(json.dumps({**found, "sample": flat[:: len(flat) // 20000].tolist()}))
    elif case == "written":
        folder, tasks, described = arguments
        write = written(folder, int(tasks), described)
        begin = time.perf_counter()
        write()
        print(json.dumps({"seconds": time.perf_counter() - begin, "anonymous_gb": peak.kilobytes / 1e6}))
    elif case == "on_disk":
        begin = time.perf_counter()
        on_disk(arguments[0])
        print(json.dumps({"seconds": time.perf_counter() - begin, "anonymous_gb": peak.kilobytes / 1e6}))
    elif case == "adaptation":
        print(json.dumps(adaptation(arguments[0], 8, arguments[1], int(arguments[2]))))
    elif case == "scoring":
        print(json.dumps(scoring(arguments[0], int(arguments[1]))))
    elif case == "training":
        print(json.dumps(training(int(arguments[0]))))
    elif case == "preparing":
        print(json.dumps(preparing(int(arguments[0]))))


if __name__ == "__main__":
    main()
