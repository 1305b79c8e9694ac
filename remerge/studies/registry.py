"""The kinds of studies, as plain data: the workflow reads it without importing torch, pandas or matplotlib."""

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
"""Each is two modules of this package; see :mod:`remerge.studies.kind`."""
