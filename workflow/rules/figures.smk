"""Figures, as SVG and PNG, from score and coefficient files alone; remerge/figures/registry.py lists them.

needs  results/{pool}/scores, sweeps, trajectories, coefficients, tables; results/images/{size}/{task}/test.safetensors
makes  results/{pool}/figures/{suite}/{figure}.{svg,png}
"""

from remerge.figures.registry import FIGURES

figure_caption = of(plan.figures.caption)


rule entropy_table:
    """Entropy and loss on test images, for the encoder that AdaMerging starts from."""
    input:
        encoder=of(plan.merging.start_of_learning),
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="test"),
    output:
        "results/{pool}/tables/{suite}/entropy.csv",
    log:
        "logs/{pool}/entropy_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/entropy_table/{suite}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score"),
        runtime=of(plan.resources.minutes, work="score"),
    params:
        code=code("scripts/entropy_table.py"),
        tasks=of(plan.tasks.in_suite),
    script:
        "../../scripts/entropy_table.py"


rule figure:
    """A figure of a pool and suite."""
    input:
        unpack(of(plan.figures.evidence)),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/{figure}.svg",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "{figure}"},
        ),
        png="results/{pool}/figures/{suite}/{figure}.png",
    log:
        "logs/{pool}/figure/{suite}/{figure}.log",
    benchmark:
        "benchmarks/jobs/{pool}/figure/{suite}/{figure}.tsv"
    wildcard_constraints:
        figure=any_of(FIGURES),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/figure.py", of(plan.figures.modules)),
        tasks=of(plan.tasks.in_suite),
        methods=of(plan.figures.methods_shown),
        origin=of(plan.pools.origin),
        architecture=of(plan.pools.architecture),
        # For the report alone: Snakemake compares no parameter that takes the input.
        caption=lambda wildcards, input: figure_caption(wildcards),
    script:
        "../../scripts/figure.py"


rule figures:
    """All figures."""
    input:
        plan.figures.files(),
    localrule: True
