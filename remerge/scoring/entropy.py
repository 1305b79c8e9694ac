"""Whether entropy, which needs no labels, is a good proxy for the loss (AdaMerging, section 3.3 and Figure 5)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from remerge.errors import RemergeError
from remerge.images.store import ImageSet
from remerge.scoring.evaluation import EncoderFor, logits_in_parts

GROUPS = 10


@torch.inference_mode()
def entropies_and_losses(
    encoder: nn.Module, head: Tensor, image_set: ImageSet, *, device: str = "cpu", batch_size: int = 256
) -> tuple[Tensor, Tensor]:
    """Return every image's softmax entropy and cross-entropy, ``[n]`` each, in nats.

    Raises:
        RemergeError: A feature is NaN or infinite.
    """
    entropies, losses = [], []
    for part, scores in logits_in_parts(encoder, head, image_set.images, device=device, batch_size=batch_size):
        log = scores.log_softmax(dim=1)
        entropies.append(-(log.exp() * log).sum(dim=1).cpu())
        labels = torch.from_numpy(image_set.labels[part]).to(device)
        losses.append(cross_entropy(scores, labels, reduction="none").cpu())
    return torch.cat(entropies), torch.cat(losses)


def entropy_table(
    encoder_for: EncoderFor, heads: Mapping[str, Tensor], image_sets: Mapping[str, ImageSet], *, device: str = "cpu"
) -> pd.DataFrame:
    """Compare entropy and loss of the encoder for each task on the task's images, if it has any.

    Returns:
        Per task, ten rows for groups of images sorted by entropy: ``task``, ``group``, ``entropy`` and ``loss`` (means,
        in nats), ``n``, and ``spearman``, the rank correlation over all images of the task.

    Raises:
        RemergeError: A feature is NaN or infinite; the message names the task.
    """
    rows = []
    for task, image_set in image_sets.items():
        if not len(image_set):
            continue
        encoder = encoder_for(task).to(device).eval()
        try:
            entropies, losses = entropies_and_losses(encoder, heads[task], image_set, device=device)
        except RemergeError as error:
            raise RemergeError(f"{task}: {error}") from error
        correlation = float(spearmanr(entropies, losses).statistic)
        for group, chosen in enumerate(np.array_split(entropies.argsort(stable=True).numpy(), GROUPS)):
            if len(chosen):
                entropy, loss = float(entropies[chosen].mean()), float(losses[chosen].mean())
                rows.append((task, group, entropy, loss, len(chosen), correlation))
    return pd.DataFrame(rows, columns=["task", "group", "entropy", "loss", "n", "spearman"])
