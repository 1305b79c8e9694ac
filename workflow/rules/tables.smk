"""Tables, as CSV, Markdown and LaTeX, from score files alone.

needs  results/{pool}/scores/{suite}/{method}.csv, results/{pool}/expert_scores/{task}.csv
makes  results/{pool}/tables/{suite}/main.{csv,md,tex}      methods by tasks
       results/{pool}/tables/{suite}/experts.{csv,md,tex}   experts by tasks
       results/{pool}/tables/{suite}/comparison.{csv,md}    ours beside the published numbers
       results/{pool}/tables/{suite}/claims.{csv,md}        verdicts on the papers' claims
       results/{pool}/tables/{suite}/{table}_over_seeds.{csv,md}
           main and claims of all pools that differ in nothing but the seed, at the first of them
"""


include: "../inputs/tables.smk"


rule main_table:
    """Accuracy of every method on every task, and its absolute and normalised average."""
    input:
        scores=scores_of,
        audit=audit_of,
    output:
        csv="results/{pool}/tables/{suite}/main.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/main.md",
            caption="../report/main_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "main"},
        ),
        latex="results/{pool}/tables/{suite}/main.tex",
    log:
        "logs/{pool}/main_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/main_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/main_table.py"),
        origins=lambda wildcards: {
            task: origin_of(task) for task in tasks_of(wildcards)
        },
        methods=table_rows_of,
    script:
        "../../scripts/main_table.py"


rule main_over_seeds:
    """Every method's average accuracy with each training seed, their mean and standard deviation."""
    input:
        scores=of_all_seeds(scores_of),
    output:
        csv="results/{pool}/tables/{suite}/main_over_seeds.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/main_over_seeds.md",
            caption="../report/main_over_seeds.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "main over seeds"},
        ),
    log:
        "logs/{pool}/main_over_seeds/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/main_over_seeds/{suite}.tsv"
    wildcard_constraints:
        pool=any_of(settings.families),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/main_over_seeds.py"),
        seeds=seeds_of,
        seeded=seeded_of,
        tasks=tasks_of,
        methods=table_rows_of,
    script:
        "../../scripts/main_over_seeds.py"


rule experts_table:
    """Accuracy of every expert on every task."""
    input:
        experts=experts_scores_of,
        audit=audit_of,
    output:
        csv="results/{pool}/tables/{suite}/experts.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/experts.md",
            caption="../report/experts_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "experts by tasks"},
        ),
        latex="results/{pool}/tables/{suite}/experts.tex",
    log:
        "logs/{pool}/experts_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/experts_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/experts_table.py"),
        tasks=tasks_of,
    script:
        "../../scripts/experts_table.py"


rule comparison_table:
    """Our numbers beside the published ones, where they were measured on the same checkpoints."""
    input:
        scores=scores_of,
        gate=gate_of,
        audit=audit_of,
        published=PUBLISHED,
        measured=MEASURED,
    output:
        csv="results/{pool}/tables/{suite}/comparison.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/comparison.md",
            caption="../report/comparison_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "comparison"},
        ),
    log:
        "logs/{pool}/comparison_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/comparison_table/{suite}.tsv"
    wildcard_constraints:
        pool=any_of(pools_where(lambda pool: pool.is_published)),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/comparison_table.py"),
        tasks=tasks_of,
        origin=origin_of_pool,
        architecture=architecture_of,
        methods=described_methods_of,
    script:
        "../../scripts/comparison_table.py"


rule claims_table:
    """A verdict on every claim of the papers, with the interval of the difference."""
    input:
        scores=scores_of,
        sweeps=of_methods("sweeps/{suite}/{method}/test.csv", swept_methods()),
        trajectories=of_methods("trajectories/{suite}/{method}.csv", learning_methods()),
        studies=studies_of_suite,
        audit=audit_of,
        claims=CLAIMS,
        measured=MEASURED,
    output:
        csv="results/{pool}/tables/{suite}/claims.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/claims.md",
            caption="../report/claims_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "claims"},
        ),
    log:
        "logs/{pool}/claims_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/claims_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=lambda wildcards: code(
            "scripts/claims_table.py", *labels_of_studies_of_suite(wildcards)
        ),
        methods=lambda wildcards: list(methods_of(wildcards)),
        described=parameters_by_method,
        swept=swept_methods(),
        learned=learning_methods(),
        studies=names_of_studies_of_suite,
        kinds=kinds_of_studies_of_suite,
        merged=merging_methods(),
        tasks=tasks_of,
        architecture=architecture_of,
        origin=origin_of_pool,
    script:
        "../../scripts/claims_table.py"


rule claims_over_seeds:
    """A verdict on every claim of the papers over several training seeds, with an interval over seeds and images."""
    input:
        scores=of_all_seeds(scores_of),
        sweeps=of_all_seeds(
            of_methods("sweeps/{suite}/{method}/test.csv", swept_methods())
        ),
        trajectories=of_all_seeds(
            of_methods("trajectories/{suite}/{method}.csv", learning_methods())
        ),
        studies=of_all_seeds(studies_of_suite),
        verdicts=lambda wildcards: expand(
            "results/{pool}/tables/{{suite}}/claims.csv", pool=seeds_of(wildcards)
        ),
        audit=audit_of,
        claims=CLAIMS,
        measured=MEASURED,
    output:
        csv="results/{pool}/tables/{suite}/claims_over_seeds.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/claims_over_seeds.md",
            caption="../report/claims_over_seeds.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "claims over seeds"},
        ),
    log:
        "logs/{pool}/claims_over_seeds/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/claims_over_seeds/{suite}.tsv"
    wildcard_constraints:
        pool=any_of(settings.families),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=lambda wildcards: code(
            "scripts/claims_over_seeds.py", *labels_of_studies_of_suite(wildcards)
        ),
        seeds=seeds_of,
        seeded=seeded_of,
        tasks=tasks_of,
        methods=lambda wildcards: list(methods_of(wildcards)),
        described=parameters_by_method,
        swept=swept_methods(),
        learned=learning_methods(),
        studies=names_of_studies_of_suite,
        kinds=kinds_of_studies_of_suite,
        merged=merging_methods(),
        architecture=architecture_of,
        origin=origin_of_pool,
    script:
        "../../scripts/claims_over_seeds.py"


rule cost_table:
    """Seconds, memory and storage that every method took, from the benchmark files of its jobs."""
    input:
        jobs=jobs_of,
        encoders=merged_encoders_of,
    output:
        csv="results/{pool}/tables/{suite}/cost.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/cost.md",
            caption="../report/cost_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "cost"},
        ),
    log:
        "logs/{pool}/cost_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/cost_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        code=code("scripts/cost_table.py"),
        methods=table_rows_of,
        made_by_jobs=lambda wildcards: [name for name, _ in jobs_by_method(wildcards)],
        made=merging_methods(),
    script:
        "../../scripts/cost_table.py"


rule tables:
    """All tables."""
    input:
        expand(
            "results/{pool}/tables/{suite}/comparison.csv",
            pool=pools_where(lambda pool: pool.is_published),
            suite=settings.suites,
        ),
        expand(
            "results/{pool}/tables/{suite}/{table}.csv",
            pool=settings.pools,
            suite=settings.suites,
            table=["main", "experts", "cosine", "claims", "cost"],
        ),
        expand(
            "results/{pool}/tables/{suite}/{table}_over_seeds.csv",
            pool=settings.families,
            suite=settings.suites,
            table=["main", "claims"],
        ),
    localrule: True
