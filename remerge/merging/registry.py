"""The methods: where each comes from, what data it looks at, and which module does it.

Plain data, so that configuration checks and tables can read it without importing torch.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Algorithm:
    """One entry of the registry.

    Attributes:
        paper: Where the method was published.
        module: What merges by it; offers ``rule(task_vectors, **parameters)``, or, where it needs statistics of the
            experts, ``statistics`` and ``merge``. Empty for the references that merge nothing.
        needs: Data the method looks at, beyond the checkpoints themselves.
    """

    paper: str
    module: str = ""
    needs: tuple[str, ...] = ()


ALGORITHMS = {
    "pretrained": Algorithm("reference"),
    "individual": Algorithm("reference"),
    "traditional_mtl": Algorithm("reference", needs=("training labels",)),
    "weight_averaging": Algorithm("arXiv:2203.05482", "remerge.merging.averaging"),
    "task_arithmetic": Algorithm("arXiv:2212.04089", "remerge.merging.task_arithmetic"),
    "ties": Algorithm("arXiv:2306.01708", "remerge.merging.ties"),
    "own": Algorithm("your own", "remerge.merging.own"),
    "fisher": Algorithm("arXiv:2111.09832", "remerge.merging.fisher", ("unlabeled validation images",)),
    "regmean": Algorithm("arXiv:2212.09849", "remerge.merging.regmean", ("unlabeled validation images",)),
    "adamerging": Algorithm("arXiv:2310.02575", "remerge.merging.coefficients", ("unlabeled test images",)),
}


def load(name: str) -> ModuleType:
    """Import and return the module of an algorithm that merges."""
    return importlib.import_module(ALGORITHMS[name].module)
