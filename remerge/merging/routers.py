"""Results with a router, which is stored with the weights that all tasks share."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from remerge.checkpoints.weights import load_weights
from remerge.clip.encoders import architecture_in, build_clip
from remerge.errors import RemergeError
from remerge.merging.merged import Merged
from remerge.merging.multiply_adds import ROUTER


class WithRouter(Merged):
    """One encoder for all tasks, built from the shared weights; subclasses add the router and the parts."""

    def __init__(self, path: str | Path) -> None:
        """Load what all tasks share.

        Raises:
            RemergeError: See :class:`remerge.merging.assemblies.MergedFiles` and
                :func:`remerge.clip.encoders.architecture_in`; or the weights are not those of the architecture.
        """
        super().__init__(path)
        shared = load_weights(path)
        self.router = {key.removeprefix(ROUTER): shared[key] for key in shared if key.startswith(ROUTER)}
        self._encoder: nn.Module = build_clip(architecture_in(path)).visual
        try:
            self._encoder.load_state_dict({key: shared[key] for key in shared if not key.startswith(ROUTER)})
        except RuntimeError as error:
            raise RemergeError(f"{self.path}: not the weights of its architecture: {error}") from error

    def encoder_for(self, task: str) -> nn.Module:
        """Return the encoder, the same for every task."""
        return self._encoder


def stored_router(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a router's state dict as it is stored with the shared weights."""
    return {ROUTER + name: tensor.detach().cpu().float() for name, tensor in weights.items()}
