"""Figures, as SVG and PNG, from score and coefficient files alone.

needs  results/{pool}/scores, sweeps, trajectories, coefficients, tables; results/images/{size}/{task}/test.safetensors
makes  results/{pool}/figures/{suite}/{figure}.{svg,png}
"""


include: "../inputs/figures.smk"


rule samples_figure:
    """Some test images of every task."""
    input:
        images=images_of("test"),
        sources=sources("scripts/samples_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/samples.svg",
            caption="../report/samples.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "samples"},
        ),
        png="results/{pool}/figures/{suite}/samples.png",
    log:
        "logs/{pool}/samples_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/samples_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
    script:
        "../../scripts/samples_figure.py"


rule accuracies_figure:
    """Every method on every task, with intervals."""
    input:
        scores=scores_of,
        sources=sources("scripts/accuracies_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/accuracies.svg",
            caption="../report/accuracies.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "accuracies"},
        ),
        png="results/{pool}/figures/{suite}/accuracies.png",
    log:
        "logs/{pool}/accuracies_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/accuracies_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
        methods=described_methods_of,
    script:
        "../../scripts/accuracies_figure.py"


rule scalings_figure:
    """Accuracy against the scaling lambda, for every method that has one."""
    input:
        sweeps=lambda wildcards: [
            f"results/{wildcards.pool}/sweeps/{wildcards.suite}/{method}/test.csv"
            for method in swept_methods()
        ],
        records=lambda wildcards: [
            f"results/{wildcards.pool}/merged/{wildcards.suite}/{method}.json"
            for method in swept_methods()
        ],
        scores=scores_of,
        published=CURVES,
        sources=sources("scripts/scalings_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/scalings.svg",
            caption="../report/scalings.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "scalings"},
        ),
        png="results/{pool}/figures/{suite}/scalings.png",
    log:
        "logs/{pool}/scalings_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/scalings_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        origin=origin_of_pool,
        architecture=architecture_of,
        tasks=tasks_of,
        methods=described_methods_of,
    script:
        "../../scripts/scalings_figure.py"


rule steps_figure:
    """Accuracy against AdaMerging's step."""
    input:
        trajectories=lambda wildcards: [
            f"results/{wildcards.pool}/trajectories/{wildcards.suite}/{method}.csv"
            for method in learning_methods()
        ],
        scores=scores_of,
        sources=sources("scripts/steps_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/steps.svg",
            caption="../report/steps.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "steps"},
        ),
        png="results/{pool}/figures/{suite}/steps.png",
    log:
        "logs/{pool}/steps_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/steps_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
        methods=described_methods_of,
    script:
        "../../scripts/steps_figure.py"


rule taskwise_coefficients_figure:
    """Task-wise coefficients against AdaMerging's step."""
    input:
        coefficients=lambda wildcards: [
            f"results/{wildcards.pool}/coefficients/{wildcards.suite}/{method}.csv"
            for method in learning_methods("task")
        ],
        sources=sources("scripts/taskwise_coefficients_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/taskwise_coefficients.svg",
            caption="../report/taskwise_coefficients.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "taskwise coefficients"},
        ),
        png="results/{pool}/figures/{suite}/taskwise_coefficients.png",
    log:
        "logs/{pool}/taskwise_coefficients_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/taskwise_coefficients_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
        labels=[settings.methods[method].label for method in learning_methods("task")],
    script:
        "../../scripts/taskwise_coefficients_figure.py"


rule layerwise_coefficients_figure:
    """Layer-wise coefficients after AdaMerging's last step."""
    input:
        coefficients=lambda wildcards: [
            f"results/{wildcards.pool}/coefficients/{wildcards.suite}/{method}.csv"
            for method in learning_methods("layer")
        ],
        sources=sources("scripts/layerwise_coefficients_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/layerwise_coefficients.svg",
            caption="../report/layerwise_coefficients.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "layerwise coefficients"},
        ),
        png="results/{pool}/figures/{suite}/layerwise_coefficients.png",
    log:
        "logs/{pool}/layerwise_coefficients_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/layerwise_coefficients_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
        labels=[settings.methods[method].label for method in learning_methods("layer")],
    script:
        "../../scripts/layerwise_coefficients_figure.py"


rule cosine_figure:
    """Cosine similarity between task vectors."""
    input:
        similarity="results/{pool}/tables/{suite}/cosine.csv",
        sources=sources("scripts/cosine_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/cosine.svg",
            caption="../report/cosine.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "cosine"},
        ),
        png="results/{pool}/figures/{suite}/cosine.png",
    log:
        "logs/{pool}/cosine_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/cosine_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        tasks=tasks_of,
    script:
        "../../scripts/cosine_figure.py"


rule entropy_table:
    """Entropy and loss of test images, for the encoder that AdaMerging starts from."""
    input:
        encoder=start_of_learning,
        heads=heads_of,
        images=images_of("test"),
        sources=sources("scripts/entropy_table.py"),
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
        tasks=tasks_of,
    script:
        "../../scripts/entropy_table.py"


rule entropy_figure:
    """Entropy against loss, task by task."""
    input:
        table="results/{pool}/tables/{suite}/entropy.csv",
        sources=sources("scripts/entropy_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/entropy.svg",
            caption="../report/entropy.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "entropy"},
        ),
        png="results/{pool}/figures/{suite}/entropy.png",
    log:
        "logs/{pool}/entropy_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/entropy_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    script:
        "../../scripts/entropy_figure.py"


rule conflicts_figure:
    """Sign conflicts against the number of tasks."""
    input:
        table="results/{pool}/tables/{suite}/conflicts.csv",
        sources=sources("scripts/conflicts_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/conflicts.svg",
            caption="../report/conflicts.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "conflicts"},
        ),
        png="results/{pool}/figures/{suite}/conflicts.png",
    log:
        "logs/{pool}/conflicts_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/conflicts_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    script:
        "../../scripts/conflicts_figure.py"


rule radar_figure:
    """Every task at once: accuracy divided by the expert's."""
    input:
        scores=scores_of,
        sources=sources("scripts/radar_figure.py"),
    output:
        svg=report(
            "results/{pool}/figures/{suite}/radar.svg",
            caption="../report/radar.rst",
            category="Figures",
            subcategory="{pool}",
            labels={"suite": "{suite}", "figure": "radar"},
        ),
        png="results/{pool}/figures/{suite}/radar.png",
    log:
        "logs/{pool}/radar_figure/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/radar_figure/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        methods=described_methods_of,
        tasks=tasks_of,
    script:
        "../../scripts/radar_figure.py"


rule figures:
    """All figures."""
    input:
        expand(
            "results/{pool}/figures/{suite}/{figure}.{format}",
            pool=settings.pools,
            suite=settings.suites,
            figure=figure_names(),
            format=["svg", "png"],
        ),
    localrule: True
