"""Figures, as SVG and PNG, from score and coefficient files alone; remerge/figures/registry.py lists them.

needs  results/{pool}/scores, sweeps, trajectories, coefficients, tables; results/images/{size}/{task}/test.safetensors
makes  results/{pool}/figures/{suite}/{figure}.{svg,png}
"""


include: "../inputs/figures.smk"


rule entropy_table:
    """Entropy and loss of test images, for the encoder that AdaMerging starts from."""
    input:
        encoder=start_of_learning,
        heads=heads_of,
        images=images_of("test"),
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
        mem_mb=memory("score"),
        runtime=minutes("score"),
    params:
        code=code("scripts/entropy_table.py"),
        tasks=tasks_of,
    script:
        "../../scripts/entropy_table.py"


rule figure:
    """A figure of a pool and suite."""
    input:
        unpack(evidence_of),
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
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=lambda wildcards: code(
            "scripts/figure.py", f"remerge/figures/{wildcards.figure}.py"
        ),
        tasks=tasks_of,
        methods=methods_told_in,
        origin=origin_of_pool,
        architecture=architecture_of,
        # For the report alone: Snakemake compares no parameter that takes the input.
        caption=lambda wildcards, input: FIGURES[wildcards.figure].caption,
    script:
        "../../scripts/figure.py"


rule figures:
    """All figures."""
    input:
        [
            f"results/{pool}/figures/{suite}/{figure}.{format}"
            for pool in settings.pools
            for suite in settings.suites
            for figure in figures_of(pool, suite)
            for format in ("svg", "png")
        ],
    localrule: True
