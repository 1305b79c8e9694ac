"""One page that holds everything people read.

needs  results/{pool}/tables/{suite}/*.md, results/{pool}/figures/{suite}/*.svg, results/images/{size}/audit.csv
makes  results/report.html
"""


def report_sections():
    """What the report shows of every pool and suite, and where it lies."""
    return [
        report_section(pool, suite)
        for pool in settings.pools
        for suite in settings.suites
    ]


def report_section(pool, suite):
    """What the report shows of one pool and suite."""
    own, tasks = settings.pools[pool], settings.suites[suite]
    studies = {
        name: study.kind
        for name, study in settings.studies.items()
        if study.suite == suite
    }
    published = ["comparison"] if own.is_published else []
    tables = ["main", *published, "claims", *studies, "experts", "cost"]
    figures = {name: name for name in figure_names()} | studies
    return {
        "pool": pool,
        "suite": suite,
        "about": [
            f"Encoder: CLIP {own.architecture}, checkpoints {own.origin}, seed {own.seed}.",
            f"Tasks: {', '.join(f'{task} ({origin_of(task)} images)' for task in tasks)}.",
            "Methods: "
            + ", ".join(method.label for method in settings.methods.values())
            + ".",
        ],
        "tables": {name: f"results/{pool}/tables/{suite}/{name}.md" for name in tables},
        "figures": {
            name: (kind, f"results/{pool}/figures/{suite}/{name}.svg")
            for name, kind in figures.items()
        },
        "flags": f"results/images/{own.image_size}/audit.csv",
    }


rule report_page:
    """Everything in one page: what was run, tables, verdicts, figures, what to bear in mind, provenance."""
    input:
        tables=rules.tables.input,
        studies=rules.studies.input,
        figures=rules.figures.input,
        template=os.path.relpath(ROOT / "workflow" / "report" / "page.html.j2"),
        sources=sources("scripts/report_page.py"),
    output:
        "results/report.html",
    log:
        "logs/report_page.log",
    benchmark:
        "benchmarks/jobs/report_page.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=memory("table"),
        runtime=minutes("table"),
    params:
        sections=report_sections(),
    script:
        "../../scripts/report_page.py"
