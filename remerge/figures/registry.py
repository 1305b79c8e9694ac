"""The figures: what each is drawn from, and what to see in it.

Plain data, so that the workflow can plan figures without importing matplotlib. The figure itself is drawn by the module
of the same name in this package, whose ``draw`` takes :class:`remerge.figures.evidence.Evidence`.
"""

from dataclasses import dataclass

from remerge.figures.few import FEW_TASKS


@dataclass(frozen=True)
class Figure:
    """One entry of the registry.

    Attributes:
        needs: What it is drawn from, by the names of ``remerge/plan/figures.py``; where one of them does not exist,
            as sweeps where no method has a scaling, there is no figure.
        caption: What to see, and what data stands behind it; ``{reads}`` stands for images or texts.
        tells_methods: Whether it shows methods; it is then drawn anew when one of them is changed.
        tasks: The numbers of tasks for which it is drawn.
    """

    needs: tuple[str, ...]
    caption: str
    tells_methods: bool = True
    tasks: range = range(1, 1000)


FIGURES = {
    "samples": Figure(
        ("images",),
        "Test images of every task, class after class, as the encoder sees them, and whether they are real or were "
        "rendered by the workflow.",
        tells_methods=False,
    ),
    "accuracies": Figure(
        ("scores",),
        "The main table as a picture. Bars are 95 % intervals: Wilson's per task, a normal approximation for the "
        "average, both over the sampling of test {reads} alone.",
        tasks=range(1, FEW_TASKS + 1),
    ),
    "heat_map": Figure(
        ("scores",),
        "The main table as a picture: accuracy of every method (rows) on every task (columns), and its average, worst "
        "task, spread (standard deviation over tasks) and normalised average.",
        tasks=range(FEW_TASKS + 1, 1000),
    ),
    "suites": Figure(
        ("suites",),
        "Average accuracy of suites nested in each other, against their number of tasks; on the right, divided by the "
        "experts'. The flatter a line on the right, the less of each task is lost as tasks are added.",
    ),
    "fidelity": Figure(
        ("fidelity",),
        "Average accuracy here against the average published for ViT-B/32, a point per merged encoder. Bars are 95 % "
        "intervals over test images. rho is Spearman's rank correlation: 1 if both rank the methods alike.",
    ),
    "fidelity_over_seeds": Figure(
        ("fidelity_over_seeds",),
        "The same, averaged over training seeds; bars and the interval of rho are over seeds and test images.",
    ),
    "radar": Figure(
        ("scores", "experts"),
        "Accuracy on every task divided by the expert's, one method of each kind: a round polygon serves all tasks "
        "alike, a dent is a task that merging has sacrificed.",
        tasks=range(1, FEW_TASKS + 1),
    ),
    "scalings": Figure(
        ("sweeps", "records", "scores", "published_curves", "published_methods"),
        "Test accuracy of the pre-trained weights plus lambda times the merged task vector: it rises from the "
        "pre-trained encoder's to a peak and falls when the step is too long. Markers: the main table's lambda; a "
        "tuned one was chosen on validation {reads}. Bands are 95 % intervals.",
    ),
    "valid_answers": Figure(
        ("text_sweeps",),
        "The share of answers that have the form of the task's, right or wrong, averaged over tasks. Where it falls, "
        "merged models do not err but cease to answer.",
    ),
    "steps": Figure(
        ("trajectories", "scores"),
        "Average test accuracy of the encoders that AdaMerging passes through while it minimises entropy on the same, "
        "unlabeled, test images. Lines without markers: methods with a fixed scaling.",
    ),
    "taskwise_coefficients": Figure(
        ("taskwise_coefficients",), "The coefficient of every task vector at every step, one coefficient per task."
    ),
    "layerwise_coefficients": Figure(
        ("layerwise_coefficients",),
        "Coefficients after AdaMerging's last step, one per task and tensor of the encoder, from the input at the left "
        "to the output at the right.",
    ),
    "cosine": Figure(
        ("cosine",),
        "Cosine of the angle between task vectors, all tensors flattened: near zero, tasks move the weights in "
        "unrelated directions.",
        tells_methods=False,
    ),
    "entropy": Figure(
        ("entropy",),
        "Test images of every task in ten groups of rising entropy, for the encoder that AdaMerging starts from (Task "
        "Arithmetic). Where the loss rises with entropy, minimising entropy without labels is a good guide; rho is "
        "Spearman's rank correlation over images.",
        tells_methods=False,
    ),
    "conflicts": Figure(
        ("conflicts",),
        "Of the entries that some task vector moves, the share that two move in opposite directions, for the suite's "
        "first two, three, ... tasks. Trimming keeps the largest entries of each task vector; TIES elects one sign "
        "where they disagree.",
        tells_methods=False,
    ),
}
