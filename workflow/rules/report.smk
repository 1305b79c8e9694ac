"""The report: everything people read, on one page.

needs  results/{pool}/tables/{suite}/*.{md,csv,tex}, results/{pool}/figures/{suite}/*.svg, results/images/{size}/audit.csv,
       results/{pool}/sweeps/{suite}/{method}/test.csv, results/{pool}/trajectories/{suite}/{method}.csv
makes  results/report.html
"""


rule report_page:
    """The report: what was run, tables, verdicts, figures, caveats and provenance in one page."""
    input:
        **plan.report.files(),
        claims=f"{PUBLISHED}/claims.yaml",
        measured=f"{PUBLISHED}/methods.yaml",
        templates=sorted(
            os.path.relpath(path)
            for path in (ROOT / "workflow" / "report" / "page").iterdir()
        ),
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/report_page.py", of(plan.report.code)),
        sections=plan.report.sections(),
    script:
        "../../scripts/report_page.py"
