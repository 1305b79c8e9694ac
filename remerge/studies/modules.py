"""Which module makes the variants of a kind of study; plain data, which the workflow reads without importing torch."""

MODULES = {
    "generalisation": "remerge.studies.methods",
    "robustness": "remerge.studies.methods",
    "task_counts": "remerge.studies.arithmetic",
    "ties_ablation": "remerge.studies.ties",
    "ties_density": "remerge.studies.ties",
    "redundancy": "remerge.studies.ties",
    "pairs": "remerge.studies.arithmetic",
    "negation": "remerge.studies.arithmetic",
}
