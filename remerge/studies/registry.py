"""The kinds of studies; plain data, which the workflow reads without importing torch, pandas or matplotlib."""

KINDS = (
    "generalisation",
    "robustness",
    "task_counts",
    "ties_ablation",
    "ties_density",
    "redundancy",
    "pairs",
    "negation",
)
"""Each is two modules of this package, as :mod:`remerge.studies.kind` says."""
