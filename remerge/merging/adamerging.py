"""AdaMerging: merging coefficients learned at test time (arXiv:2310.02575, section 3).

The coefficients are those that make a merged encoder's predictions on unlabeled test images least uncertain:
the mean softmax entropy, summed over tasks, is minimised by Adam.

Nothing is differentiated through the merge. As ``theta = theta_0 + sum_k lambda_k tau_k``, the gradient of a
coefficient is the inner product of the loss's gradient with the task vector, layer by layer, so one plain
forward and backward pass of the encoder per step is enough, whatever the number of tasks.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from tqdm import tqdm

from remerge.errors import MismatchError, ParameterError, RemergeError
from remerge.merging.coefficients import ALL_LAYERS, Coefficients
from remerge.weights import Weights

Granularity = Literal["task", "layer"]


def mean_entropy(logits: Tensor) -> Tensor:
    """Return the mean over images of the softmax entropy, in nats, of ``logits`` ``[n, classes]``."""
    log_probabilities = logits.log_softmax(dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=1).mean()


class MergedEncoder:
    """An encoder whose weights are the pre-trained ones plus task vectors times coefficients.

    Keeps the pre-trained weights and the task vectors flattened side by side, layer after layer, and writes the
    merged weights into the encoder's parameters in place.
    """

    def __init__(self, encoder: nn.Module, pretrained: Weights, task_vectors: Sequence[Weights], device: str) -> None:
        """Copy ``encoder``; the caller's stays as it is.

        Raises:
            MismatchError: The task vectors' keys are not those of the encoder's parameters.
        """
        self.module = copy.deepcopy(encoder).to(device).eval()
        parameters = dict(self.module.named_parameters())
        self.layers = tuple(sorted(task_vectors[0]))
        if wrong := sorted(set(parameters) ^ set(self.layers)):
            raise MismatchError(f"the encoder's parameters and the task vectors differ in: {', '.join(wrong)}")
        self.parameters = [parameters[layer].requires_grad_(True) for layer in self.layers]
        for parameter in self.parameters:
            # Merged weights are written through a flat view, which e.g. channels-last memory does not offer.
            parameter.data = parameter.data.contiguous()
        self.sizes = [parameter.numel() for parameter in self.parameters]
        dtype = self.parameters[0].dtype
        self.start = torch.cat([pretrained[layer].flatten() for layer in self.layers]).to(device, dtype)
        self.task_vectors = torch.stack(
            [torch.cat([vector[layer].flatten() for layer in self.layers]) for vector in task_vectors]
        ).to(device, dtype)

    @torch.no_grad()
    def set_coefficients(self, coefficients: Tensor) -> None:
        """Merge by ``coefficients``, ``[tasks, layers]`` (or one column for all layers), into the parameters."""
        per_layer = coefficients.expand(-1, len(self.layers))
        begin = 0
        for index, (parameter, size) in enumerate(zip(self.parameters, self.sizes, strict=True)):
            part = slice(begin, begin + size)
            torch.addmv(
                self.start[part],
                self.task_vectors[:, part].T,
                per_layer[:, index],
                out=parameter.data.view(-1),
            )
            begin += size

    def coefficient_gradient(self) -> Tensor:
        """Return the coefficients' gradient, ``[tasks, layers]``, from the parameters' gradients."""
        columns = []
        begin = 0
        for parameter, size in zip(self.parameters, self.sizes, strict=True):
            vectors = self.task_vectors[:, begin : begin + size]
            gradient = parameter.grad
            columns.append(vectors @ gradient.flatten() if gradient is not None else vectors.new_zeros(len(vectors)))
            begin += size
        return torch.stack(columns, dim=1)


def entropy_of(module: nn.Module, heads: Sequence[Tensor], batches: Sequence[Tensor]) -> Tensor:
    """Return the sum over tasks of the mean entropy, all tasks' images in one forward pass."""
    features = normalize(module(torch.cat(list(batches))), dim=-1)
    parts = features.split([len(batch) for batch in batches])
    # A task whose images are missing has an empty batch and no say.
    return torch.stack([mean_entropy(part @ head) for part, head in zip(parts, heads, strict=True) if len(part)]).sum()


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
) -> Coefficients:
    """Learn merging coefficients by minimising entropy on unlabeled images.

    The authors' recipe: Adam without weight decay, every coefficient starting at ``initial`` and clamped to
    [0, 1] where it is used (so one that has left the interval gets no gradient), the pre-trained weights'
    coefficient fixed at 1, the zero-shot heads frozen.

    Args:
        encoder: Image encoder, ``[n, 3, h, w]`` to ``[n, d]``; it gives the architecture and is not modified.
        heads: One per task, ``[d, classes]``.
        pretrained: The encoder's pre-trained weights.
        task_vectors: One per task; trimmed and elected ones make it AdaMerging++.
        batches: From a step (0, 1, ...) to one batch of unlabeled images per task.
        tasks: The tasks' names, for the record.
        granularity: One coefficient per ``task``, or per task and ``layer`` (state-dict tensor).
        steps: Adam steps.
        learning_rate: Adam's.
        initial: Every coefficient's first value.
        record_every: Steps between two records; the first and the last are always recorded.
        device: Where to learn.

    Returns:
        The coefficients as used (clamped) at the recorded steps, in float32.

    Raises:
        MismatchError: The task vectors' keys are not those of the encoder's parameters.
        ParameterError: ``granularity`` is unknown.
        RemergeError: There is not one head and name per task vector, or entropy is no longer a finite number.
    """
    if not len(tasks) == len(heads) == len(task_vectors):
        raise RemergeError(f"{len(tasks)} task names, {len(heads)} heads and {len(task_vectors)} task vectors")
    if granularity not in ("task", "layer"):
        raise ParameterError(f"granularity must be 'task' or 'layer', got {granularity!r}")
    merged = MergedEncoder(encoder, pretrained, task_vectors, device)
    heads = [head.detach().to(device, merged.start.dtype) for head in heads]
    layers = (ALL_LAYERS,) if granularity == "task" else merged.layers
    raw = torch.full((len(task_vectors), len(layers)), initial, dtype=merged.start.dtype, device=device)
    optimizer = torch.optim.Adam([raw], lr=learning_rate, betas=(0.9, 0.999))
    recorded, history = [0], [raw.clamp(0, 1).cpu()]
    with tqdm(range(steps), desc=f"AdaMerging {granularity}-wise", unit="step") as progress:
        for step in progress:
            merged.set_coefficients(raw.clamp(0, 1))
            entropy = entropy_of(merged.module, heads, [batch.to(device) for batch in batches(step)])
            if not entropy.isfinite():
                raise RemergeError(f"entropy is {entropy.item()} at step {step}: look for NaN in the checkpoints")
            merged.module.zero_grad(set_to_none=True)
            entropy.backward()
            gradient = merged.coefficient_gradient()
            if granularity == "task":
                gradient = gradient.sum(dim=1, keepdim=True)
            raw.grad = torch.where((raw >= 0) & (raw <= 1), gradient, 0)
            optimizer.step()
            if (step + 1) % record_every == 0 or step + 1 == steps:
                recorded.append(step + 1)
                history.append(raw.clamp(0, 1).cpu())
            if step % 10 == 0:
                progress.set_postfix(entropy=f"{entropy.item() / len(heads):.3f}")
    return Coefficients(tuple(recorded), tuple(tasks), layers, torch.stack(history).float())
