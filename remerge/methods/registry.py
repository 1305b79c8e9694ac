"""The methods: of what kind each is, where it was published and what data it looks at.

Plain data. Each is merged by the file of its name in this folder, which offers, by kind:

``reference``, ``joint``
    Parameters alone: nothing is merged.
``rule``
    ``merge_rule(task_vectors, **parameters)``, which returns a :class:`remerge.merging.rules.MergeRule`; one that
    decomposes whole matrices a :class:`remerge.merging.matrices.MatrixRule`. Plug-ins are of this kind, and wrap
    another method of it: see :mod:`remerge.methods.plug_ins`.
``statistics``
    ``statistics(encoder, head, images)`` of one expert, and ``merge(task_vectors, statistics, **parameters)``.
``exemplars``
    ``merge(task_vectors, exemplars, **parameters)``, both by task: see :class:`remerge.merging.exemplars.Exemplars`.
``parts``
    ``parts(pretrained, task_vectors, device=device, **parameters)``, which returns the weights that all tasks share
    and those of each task, by task, for the entry's assembly to read. Matrices are decomposed on the device.
``adapters``
    ``learn(encoder, expert, images, **parameters)``, which returns a task's adapter of another method's encoder.
``routers``
    ``parts`` as above, and ``learn(shared, parts, encoder, heads, images, **parameters)``, which returns the router to
    be stored with the shared weights.
``learned``
    ``preprocess(task_vectors, **parameters)``, ``learn`` and ``merge(task_vectors, coefficients)``; and ``merge_rule``
    as above, with a file of ``coefficients`` and the names of the ``tasks``. See :mod:`remerge.methods.adamerging`.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["reference", "joint", "rule", "statistics", "exemplars", "learned", "parts", "adapters", "routers"]

MERGING: tuple[Kind, ...] = ("rule", "statistics", "exemplars", "learned")
"""The kinds that merge into one encoder."""

WITH_PARTS: tuple[Kind, ...] = ("parts", "adapters", "routers")
"""The kinds that keep a part for every task; they store more, and compete with each other only."""

ONE_ENCODER, SHARED_AND_PARTS = BLOCKS = ("one encoder", "a shared encoder and parts per task")
"""What tables and figures call the two blocks of methods that they never rank together."""


@dataclass(frozen=True)
class Algorithm:
    """One entry of the registry.

    Attributes:
        kind: ``reference``: scored as it is. ``joint``: one encoder trained on all tasks. ``rule``: merged from task
            vectors alone. ``statistics``: merged by statistics of the experts. ``exemplars``: merged with images of
            all tasks at hand. ``learned``: merged by coefficients that are learned. ``parts``: merged from task
            vectors alone, with a part for every task. ``adapters``: another method's encoder, with an adapter for
            every task. ``routers``: with a part for every task, and a router between these that is learned.
        paper: Where the method was published.
        needs: Data the method looks at, beyond the checkpoints themselves.
        looks: Its family of looks in figures, see :data:`remerge.figures.style.FAMILIES`.
        assembly: What makes encoders of its files, see :data:`remerge.merging.assemblies.ASSEMBLIES`.
        decomposes: Whether it merges by decomposing matrices or solving for them, which a GPU does faster.
    """

    kind: Kind
    paper: str
    needs: tuple[str, ...] = ()
    looks: str = "other"
    assembly: str = "plain"
    decomposes: bool = False


ALGORITHMS = {
    "pretrained": Algorithm("reference", "reference", looks="pretrained"),
    "individual": Algorithm("reference", "reference", looks="individual"),
    "traditional_mtl": Algorithm("joint", "reference", ("training labels",), looks="traditional_mtl"),
    "weight_averaging": Algorithm("rule", "arXiv:2203.05482", looks="weight_averaging"),
    "task_arithmetic": Algorithm("rule", "arXiv:2212.04089", looks="task_arithmetic"),
    "ties": Algorithm("rule", "arXiv:2306.01708", looks="ties"),
    "breadcrumbs": Algorithm("rule", "arXiv:2312.06795", looks="masks"),
    "consensus": Algorithm("rule", "arXiv:2405.07813", looks="masks"),
    "dare": Algorithm("rule", "arXiv:2311.03099", looks="masks"),
    "dppa": Algorithm("rule", "arXiv:2403.02799", looks="masks"),
    "karcher": Algorithm("rule", "arXiv:2403.13257", looks="directions"),
    "lines": Algorithm("rule", "arXiv:2410.17146"),
    "magmax": Algorithm("rule", "arXiv:2407.06322", looks="masks"),
    "model_stock": Algorithm("rule", "arXiv:2403.19522", looks="directions"),
    "multislerp": Algorithm("rule", "arXiv:2403.13257", looks="directions"),
    "pcb": Algorithm("rule", "arXiv:2410.02396", looks="masks"),
    "slerp": Algorithm("rule", "arXiv:2403.13257", looks="directions"),
    "tsv_m": Algorithm("rule", "arXiv:2412.00081", looks="singular values", decomposes=True),
    "iso_c": Algorithm("rule", "arXiv:2502.04959", looks="singular values", decomposes=True),
    "iso_cts": Algorithm("rule", "arXiv:2502.04959", looks="singular values", decomposes=True),
    "wudi": Algorithm("rule", "arXiv:2503.08099", looks="singular values", decomposes=True),
    "cart": Algorithm("rule", "arXiv:2412.12153", looks="singular values", decomposes=True),
    "dc_merge": Algorithm("rule", "arXiv:2603.06242", looks="singular values", decomposes=True),
    "svc": Algorithm("rule", "arXiv:2602.05536", looks="singular values", decomposes=True),
    "own": Algorithm("rule", "your own", looks="own"),
    "fisher": Algorithm("statistics", "arXiv:2111.09832", ("unlabeled validation images",), looks="fisher"),
    "regmean": Algorithm(
        "statistics", "arXiv:2212.09849", ("unlabeled validation images",), looks="regmean", decomposes=True
    ),
    "regmean_plusplus": Algorithm("exemplars", "arXiv:2508.03121", ("unlabeled validation images",), looks="exemplars"),
    "greedy_soup": Algorithm("exemplars", "arXiv:2203.05482", ("validation labels",), looks="exemplars"),
    "lot": Algorithm("statistics", "arXiv:2505.23859", ("unlabeled validation images",), looks="exemplars"),
    "mats": Algorithm("statistics", "arXiv:2312.04339", ("unlabeled validation images",), looks="exemplars"),
    "esm": Algorithm("statistics", "arXiv:2602.20208", ("unlabeled validation images",), looks="exemplars"),
    "featcal": Algorithm("exemplars", "arXiv:2605.13030", ("unlabeled validation images",), looks="exemplars"),
    "apl_style": Algorithm("exemplars", "arXiv:2408.09485", ("validation labels",), looks="exemplars"),
    "adamerging": Algorithm("learned", "arXiv:2310.02575", ("unlabeled test images",), looks="adamerging"),
    "emr": Algorithm("parts", "arXiv:2405.17461", looks="parts", assembly="masked"),
    "tall_masks": Algorithm("parts", "arXiv:2405.07813", looks="parts", assembly="masked"),
    "tsv_compress": Algorithm("parts", "arXiv:2412.00081", looks="parts", assembly="low_rank", decomposes=True),
    "smile": Algorithm("parts", "arXiv:2408.10174", looks="parts", assembly="routed", decomposes=True),
    "surgery": Algorithm("adapters", "arXiv:2402.02705", ("unlabeled test images",), looks="parts", assembly="adapted"),
    "twin": Algorithm(
        "routers",
        "arXiv:2406.15479",
        ("unlabeled validation images",),
        looks="parts",
        assembly="twin",
        decomposes=True,
    ),
    "wemoe": Algorithm("routers", "arXiv:2402.00433", ("unlabeled test images",), looks="parts", assembly="ensembled"),
}


def block_of(algorithm: str) -> str:
    """Return the block that an algorithm's methods are shown in."""
    return SHARED_AND_PARTS if ALGORITHMS[algorithm].kind in WITH_PARTS else ONE_ENCODER


def algorithms_of_kind(*kinds: Kind) -> list[str]:
    """Return the names of the algorithms of some kinds."""
    return [name for name, entry in ALGORITHMS.items() if entry.kind in kinds]
