"""Learning merging coefficients at test time, as AdaMerging does (arXiv:2310.02575, section 3).

The coefficients minimise the uncertainty of the merged encoder's predictions on unlabeled test images: Adam
minimises the mean softmax entropy, summed over tasks.

Nothing is differentiated through the merge. Since ``theta = theta_0 + sum_k lambda_k tau_k``, the gradient of a
coefficient is the inner product of the loss's gradient with the task vector, layer by layer. One plain forward and
backward pass of the encoder per step is enough, whatever the number of tasks.
"""

import copy
import math
import sys
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from remerge.checkpoints.weights import Weights
from remerge.errors import MismatchError, ParameterError, RemergeError
from remerge.merging.coefficients import ALL_LAYERS, Coefficients
from remerge.merging.streaming import TILE
from remerge.run.devices import out_of_memory
from remerge.run.progress import ProgressBar
from remerge.run.resume import Progress

Granularity = Literal["task", "layer"]


def mean_entropy(logits: Tensor) -> Tensor:
    """Return the mean over images of the softmax entropy, in nats, of ``logits`` ``[n, classes]``."""
    log_probabilities = logits.log_softmax(dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1).mean()


class MergedEncoder:
    """An encoder whose weights are the pre-trained ones plus task vectors times coefficients.

    Merged weights are written into the encoder's parameters in place, layer by layer. On the CPU, pre-trained weights
    and task vectors are not copied and may be memory-mapped files; other devices get a copy.
    """

    def __init__(self, encoder: nn.Module, pretrained: Weights, task_vectors: Sequence[Weights], device: str) -> None:
        """Copy ``encoder``; the caller's encoder is not modified.

        Raises:
            MismatchError: The task vectors' keys differ from those of the encoder's parameters.
        """
        self.module = copy.deepcopy(encoder).to(device).eval()
        parameters = dict(self.module.named_parameters())
        self.layers = tuple(sorted(task_vectors[0]))
        if wrong := sorted(set(parameters) ^ set(self.layers)):
            raise MismatchError(f"the encoder's parameters and the task vectors differ in: {', '.join(wrong)}")
        self.parameters = [parameters[layer].requires_grad_(True) for layer in self.layers]
        for parameter in self.parameters:
            # Merged weights are written through a flat view, which channels-last memory, for example, does not allow.
            parameter.data = parameter.data.contiguous()
        self.dtype = self.parameters[0].dtype
        self.start = [pretrained[layer].reshape(-1).to(device, self.dtype) for layer in self.layers]
        self.task_vectors = [
            [vector[layer].reshape(-1).to(device, self.dtype) for vector in task_vectors] for layer in self.layers
        ]

    @torch.no_grad()
    def set_coefficients(self, coefficients: Tensor) -> None:
        """Merge by ``coefficients``, ``[tasks, layers]`` (or one column for all layers), into the parameters."""
        per_layer = coefficients.expand(-1, len(self.layers)).T.tolist()
        for parameter, start, vectors, own in zip(
            self.parameters, self.start, self.task_vectors, per_layer, strict=True
        ):
            merged = parameter.data.view(-1)
            # Tiles small enough to stay in the processor's cache while all tasks are added.
            for begin in range(0, len(start), TILE):
                part = merged[begin : begin + TILE].copy_(start[begin : begin + TILE])
                for vector, coefficient in zip(vectors, own, strict=True):
                    part.add_(vector[begin : begin + TILE], alpha=coefficient)

    @torch.no_grad()
    def coefficient_gradient(self) -> Tensor:
        """Return the coefficients' gradient, ``[tasks, layers]``, from the parameters' gradients."""
        columns = []
        for parameter, vectors in zip(self.parameters, self.task_vectors, strict=True):
            gradient = parameter.grad
            if gradient is None:
                columns.append(torch.zeros(len(vectors), dtype=self.dtype, device=parameter.device))
            else:
                columns.append(torch.stack([vector.dot(gradient.reshape(-1)) for vector in vectors]))
        return torch.stack(columns, dim=1)


def backward_entropy(
    module: nn.Module, heads: Sequence[Tensor], batches: Sequence[Tensor], at_once: int | None = None
) -> Tensor:
    """Accumulate the gradients of the mean entropy, summed over tasks, and return that sum.

    Args:
        module: The encoder.
        heads: One per task, ``[d, classes]``.
        batches: One per task, ``[n, 3, height, width]``; empty for a task without images, which is then ignored.
        at_once: Images in one forward and backward pass, over all tasks; all if None. It changes the gradient only by
            rounding, and the memory for activations is proportional to it.
    """
    images = torch.cat(list(batches))
    sizes = [len(batch) for batch in batches]
    task = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    total = torch.zeros((), dtype=images.dtype, device=images.device)
    for begin in range(0, len(images), at_once or len(images)):
        part = slice(begin, begin + (at_once or len(images)))
        features = normalize(module(images[part]), dim=-1)
        entropy = torch.stack(
            [
                mean_entropy(own @ heads[k]) * len(own) / sizes[k]
                for k, own in enumerate(features.split(task[part].bincount(minlength=len(sizes)).tolist()))
                if len(own)
            ]
        ).sum()
        entropy.backward()
        total += entropy.detach()
    return total


def learn_coefficients(
    encoder: nn.Module,
    heads: Sequence[Tensor],
    pretrained: Weights,
    task_vectors: Sequence[Weights],
    batches: Callable[[int], Sequence[Tensor]],
    *,
    tasks: Sequence[str],
    granularity: Granularity = "layer",
    steps: int = 500,
    learning_rate: float = 1e-3,
    initial: float = 0.3,
    record_every: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Coefficients:
    """Learn merging coefficients by minimising entropy on unlabeled images.

    This is the authors' recipe: Adam without weight decay; every coefficient starts at ``initial`` and is clamped to
    [0, 1] when used (outside the interval it gets no gradient); the coefficient of the pre-trained weights is fixed at
    1, and the zero-shot heads are frozen.

    A task without images has no entropy, and minimising that of the other tasks would only shrink its task vector.
    Therefore its coefficients stay at ``initial``.

    Args:
        encoder: Image encoder, ``[n, 3, h, w]`` to ``[n, d]``; it defines the architecture and is not modified.
        heads: One per task, ``[d, classes]``.
        pretrained: The encoder's pre-trained weights.
        task_vectors: One per task; with trimmed and elected task vectors this is AdaMerging++.
        batches: Maps a step (0, 1, ...) to one batch of unlabeled images per task; always empty for a task without
            images.
        tasks: The tasks' names, for the record.
        granularity: One coefficient per ``task``, or per task and ``layer`` (state-dict tensor).
        steps: Adam steps.
        learning_rate: Adam's learning rate.
        initial: Initial value of every coefficient.
        record_every: Steps between two records; the first and last steps are always recorded.
        device: Where to learn. If its memory cannot hold the activations of all images, they are processed in smaller
            parts.
        progress: Saved state to resume from and to save to, if the work may be interrupted.

    Returns:
        The coefficients as used (clamped) at the recorded steps, in float32.

    Raises:
        MismatchError: The task vectors' keys differ from those of the encoder's parameters.
        ParameterError: ``granularity`` is unknown.
        RemergeError: The numbers of heads, names and task vectors differ, no task has images, or the entropy is no
            longer finite.
    """
    if not len(tasks) == len(heads) == len(task_vectors):
        raise RemergeError(f"{len(tasks)} task names, {len(heads)} heads and {len(task_vectors)} task vectors")
    if granularity not in ("task", "layer"):
        raise ParameterError(f"granularity must be 'task' or 'layer', got {granularity!r}")
    merged = MergedEncoder(encoder, pretrained, task_vectors, device)
    heads = [head.detach().to(device, merged.dtype) for head in heads]
    layers = (ALL_LAYERS,) if granularity == "task" else merged.layers
    # So few numbers are faster on the CPU, whatever device the encoder is on.
    raw = torch.full((len(task_vectors), len(layers)), initial, dtype=merged.dtype)
    optimizer = torch.optim.Adam([raw], lr=learning_rate, betas=(0.9, 0.999))
    recorded, history = [0], [raw.clamp(0, 1)]
    begin = 0
    if progress and (kept := progress.load()):
        begin, recorded, history = kept["step"], kept["recorded"], list(kept["history"])
        raw.copy_(kept["raw"])
        optimizer.load_state_dict(kept["optimizer"])
    at_once = None
    with ProgressBar(total=steps, initial=begin, desc=f"AdaMerging {granularity}-wise", unit="step") as bar:
        for step in range(begin, steps):
            merged.set_coefficients(raw.clamp(0, 1))
            images = [batch.to(device, merged.dtype) for batch in batches(step)]
            if step == begin:
                _tell_what_is_learned(tasks, images, merged.dtype, initial)
            has_images = torch.tensor([len(batch) > 0 for batch in images])
            entropy, at_once = _backward_in_memory(merged.module, heads, images, at_once)
            if not entropy.isfinite():
                raise RemergeError(f"entropy is {entropy.item()} at step {step}: look for NaN in the checkpoints")
            gradient = torch.where(has_images[:, None], merged.coefficient_gradient().cpu(), 0)
            if not gradient.isfinite().all():
                wrong = [task for task, own in zip(tasks, gradient, strict=True) if not own.isfinite().all()]
                raise RemergeError(
                    f"the gradient of the coefficients of {', '.join(wrong)} is not finite at step {step}: look for "
                    "NaN in the task vectors"
                )
            if granularity == "task":
                gradient = gradient.sum(dim=1, keepdim=True)
            raw.grad = torch.where((raw >= 0) & (raw <= 1), gradient, 0)
            optimizer.step()
            if (step + 1) % record_every == 0 or step + 1 == steps:
                recorded.append(step + 1)
                history.append(raw.clamp(0, 1))
            bar.update()
            if step % 10 == 0:
                bar.set_postfix(entropy=f"{entropy.item() / int(has_images.sum()):.3f}")
            if progress:
                reached = {"step": step + 1, "recorded": recorded, "raw": raw}
                progress.save(
                    lambda: {**reached, "history": torch.stack(history), "optimizer": optimizer.state_dict()}  # noqa: B023
                )
    return Coefficients(tuple(recorded), tuple(tasks), layers, torch.stack(history).float())


def _tell_what_is_learned(tasks: Sequence[str], batches: Sequence[Tensor], dtype: torch.dtype, initial: float) -> None:
    """Print what the first step uses, and which tasks' coefficients are not learned."""
    absent = [task for task, batch in zip(tasks, batches, strict=True) if not len(batch)]
    if len(absent) == len(tasks):
        raise RemergeError(f"AdaMerging needs images of at least one of {', '.join(tasks)}; there are none")
    together = f"{sum(map(len, batches))} images of {len(tasks) - len(absent)} tasks at a time"
    print(f"learning: {str(dtype).removeprefix('torch.')}, {together}", file=sys.stderr)
    if absent:
        print(f"no images of {', '.join(absent)}: coefficients stay at {initial:g}", file=sys.stderr)


def _backward_in_memory(
    module: nn.Module, heads: Sequence[Tensor], batches: Sequence[Tensor], at_once: int | None
) -> tuple[Tensor, int | None]:
    """Compute entropy and gradients with as many images at once as fit into memory; also return how many."""
    while True:
        module.zero_grad(set_to_none=True)
        try:
            return backward_entropy(module, heads, batches, at_once), at_once
        except RuntimeError as error:
            images = at_once or sum(map(len, batches))
            if images == 1 or not out_of_memory(error):
                raise
            at_once = math.ceil(images / 2)
            print(f"out of memory: going on with {at_once} images at a time", file=sys.stderr)
