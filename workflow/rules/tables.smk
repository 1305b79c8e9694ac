"""Tables, as CSV, Markdown and LaTeX, from score files alone.

needs  results/{pool}/scores/{suite}/{method}.csv, results/{pool}/expert_scores/{task}.csv
makes  results/{pool}/tables/{suite}/main.{csv,md,tex}      methods by tasks
       results/{pool}/tables/{suite}/leaderboard.{csv,md,tex}  methods by what they need
       results/{pool}/tables/{suite}/suites.{csv,md,tex}    methods by suites nested in each other
       results/{pool}/tables/{suite}/experts.{csv,md,tex}   experts by tasks
       results/{pool}/tables/{suite}/comparison.{csv,md}    our numbers and the published ones
       results/{pool}/tables/{suite}/claims.{csv,md}        verdicts on the papers' claims
       results/{pool}/tables/{suite}/fidelity.{csv,md,tex}  averages beside those published for ViT-B/32
       results/{pool}/tables/{suite}/correlation.csv        their rank correlation
       results/{pool}/tables/{suite}/regime.{csv,md}        facts of the checkpoints beside ViT-B/32's
       results/{pool}/tables/{suite}/{table}_over_seeds.{csv,md}
           main, claims, fidelity, correlation and regime of all pools that differ only in the seed, under the first of them
"""


rule main_table:
    """Accuracy of every method on every task, and its absolute and normalised average."""
    input:
        scores=of(plan.scores.of_suite),
        audit=of(plan.images.audit),
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/main_table.py"),
        origins=of(plan.tasks.origins),
        remarks=of(plan.tasks.remarks),
        methods=of(plan.methods.rows),
    script:
        "../../scripts/main_table.py"


rule main_over_seeds:
    """Every method's average accuracy with each training seed, their mean and standard deviation."""
    input:
        scores=of(plan.pools.over_seeds, files=plan.scores.of_suite),
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
        pool=any_of(plan.pools.families()),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/main_over_seeds.py"),
        seeds=of(plan.pools.seeds),
        seeded=of(plan.pools.seeded),
        tasks=of(plan.tasks.in_suite),
        methods=of(plan.methods.rows),
    script:
        "../../scripts/main_over_seeds.py"


rule suites_table:
    """Every method's average on a suite and on those nested in it: accuracy against the number of tasks."""
    input:
        scores=of(plan.scores.of_nested),
    output:
        csv="results/{pool}/tables/{suite}/suites.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/suites.md",
            caption="../report/suites_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "suites"},
        ),
        latex="results/{pool}/tables/{suite}/suites.tex",
    log:
        "logs/{pool}/suites_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/suites_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/suites_table.py"),
        suites=of(plan.tasks.nested),
        methods=of(plan.methods.rows),
    script:
        "../../scripts/suites_table.py"


rule experts_table:
    """Accuracy of every expert on every task."""
    input:
        experts=of(plan.scores.of_experts),
        audit=of(plan.images.audit),
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/experts_table.py"),
        tasks=of(plan.tasks.in_suite),
        remarks=of(plan.tasks.remarks),
    script:
        "../../scripts/experts_table.py"


rule comparison_table:
    """Our numbers and the published ones, where these were measured on the same checkpoints."""
    input:
        scores=of(plan.scores.of_suite),
        gate=of(plan.merging.gate),
        audit=of(plan.images.audit),
        published=f"{PUBLISHED}/main.csv",
        measured=f"{PUBLISHED}/methods.yaml",
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
        pool=any_of(plan.pools.downloaded()),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/comparison_table.py"),
        tasks=of(plan.tasks.in_suite),
        remarks=of(plan.tasks.remarks),
        origin=of(plan.pools.origin),
        architecture=of(plan.pools.architecture),
        methods=of(plan.methods.described),
    script:
        "../../scripts/comparison_table.py"


rule claims_table:
    """A verdict on every claim of the papers, with the interval of the difference."""
    input:
        scores=of(plan.scores.of_suite),
        sweeps=of(plan.scores.sweeps),
        trajectories=of(plan.scores.trajectories),
        studies=of(plan.studies.scores_of_suite),
        audit=of(plan.images.audit),
        claims=f"{PUBLISHED}/claims.yaml",
        measured=f"{PUBLISHED}/methods.yaml",
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/claims_table.py", of(plan.studies.encoders_code)),
        methods=of(plan.methods.names),
        described=of(plan.methods.unlabelled),
        swept=of(plan.scores.swept),
        learned=of(plan.scores.learned),
        studies=of(plan.studies.studies_of_scores),
        kinds=of(plan.studies.kinds),
        merged=plan.methods.merging(),
        reads=of(plan.pools.reads),
        tasks=of(plan.tasks.in_suite),
        architecture=of(plan.pools.architecture),
        origin=of(plan.pools.origin),
    script:
        "../../scripts/claims_table.py"


rule claims_over_seeds:
    """A verdict on every claim of the papers over several training seeds, with an interval over seeds and images."""
    input:
        scores=of(plan.pools.over_seeds, files=plan.scores.of_suite),
        sweeps=of(plan.pools.over_seeds, files=plan.scores.sweeps),
        trajectories=of(plan.pools.over_seeds, files=plan.scores.trajectories),
        studies=of(plan.pools.over_seeds, files=plan.studies.scores_of_suite),
        verdicts=of(plan.tables.claims_of_seeds),
        audit=of(plan.images.audit),
        claims=f"{PUBLISHED}/claims.yaml",
        measured=f"{PUBLISHED}/methods.yaml",
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
        pool=any_of(plan.pools.families()),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/claims_over_seeds.py", of(plan.studies.encoders_code)),
        seeds=of(plan.pools.seeds),
        seeded=of(plan.pools.seeded),
        tasks=of(plan.tasks.in_suite),
        methods=of(plan.methods.names),
        described=of(plan.methods.unlabelled),
        swept=of(plan.scores.swept),
        learned=of(plan.scores.learned),
        studies=of(plan.studies.studies_of_scores),
        kinds=of(plan.studies.kinds),
        merged=plan.methods.merging(),
        architecture=of(plan.pools.architecture),
        origin=of(plan.pools.origin),
    script:
        "../../scripts/claims_over_seeds.py"


rule fidelity_table:
    """Averages of a small pool, or over seeds, beside those published for ViT-B/32, and their rank correlation."""
    input:
        scores=of(plan.pools.over_seeds, files=plan.scores.of_suite),
        published=f"{PUBLISHED}/main.csv",
        measured=f"{PUBLISHED}/methods.yaml",
        standard=f"{PUBLISHED}/fidelity.yaml",
    output:
        csv="results/{pool}/tables/{suite}/fidelity{over}.csv",
        correlation="results/{pool}/tables/{suite}/correlation{over}.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/fidelity{over}.md",
            caption="../report/fidelity_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "fidelity{over}"},
        ),
        latex="results/{pool}/tables/{suite}/fidelity{over}.tex",
    log:
        "logs/{pool}/fidelity_table{over}/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/fidelity_table{over}/{suite}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.small()),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/fidelity_table.py"),
        seeds=of(plan.pools.joined),
        tasks=of(plan.tasks.in_suite),
        methods=of(plan.methods.described),
    script:
        "../../scripts/fidelity_table.py"


rule regime_table:
    """Facts of the checkpoints of a small pool, or over seeds, beside ViT-B/32's."""
    input:
        scores=of(plan.pools.over_seeds, files=plan.scores.of_suite),
        sweeps=of(plan.pools.over_seeds, files=plan.scores.sweeps),
        trajectories=of(plan.pools.over_seeds, files=plan.scores.trajectories),
        studies=of(plan.pools.over_seeds, files=plan.studies.scores_of_suite),
        cosine=of(plan.tables.cosines),
        published=f"{PUBLISHED}/main.csv",
        curves=f"{PUBLISHED}/curves.csv",
        measured=f"{PUBLISHED}/methods.yaml",
        standard=f"{PUBLISHED}/fidelity.yaml",
    output:
        csv="results/{pool}/tables/{suite}/regime{over}.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/regime{over}.md",
            caption="../report/regime_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "regime{over}"},
        ),
    log:
        "logs/{pool}/regime_table{over}/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/regime_table{over}/{suite}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.small()),
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/regime_table.py", of(plan.studies.encoders_code)),
        seeds=of(plan.pools.joined),
        methods=of(plan.methods.names),
        described=of(plan.methods.unlabelled),
        swept=of(plan.scores.swept),
        learned=of(plan.scores.learned),
        studies=of(plan.studies.studies_of_scores),
        kinds=of(plan.studies.kinds),
        merged=plan.methods.merging(),
    script:
        "../../scripts/regime_table.py"


rule cost_table:
    """Every method's seconds, memory and storage, from the benchmark files of its jobs."""
    input:
        jobs=of(plan.tables.cost_files),
        encoders=of(plan.merging.encoders),
        parts=of(plan.merging.all_parts),
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
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/cost_table.py"),
        methods=of(plan.methods.rows),
        made_by_jobs=of(plan.tables.methods_of_costs),
        made=plan.methods.making(),
    script:
        "../../scripts/cost_table.py"


rule leaderboard_table:
    """Methods by what they need: this run's averages beside those published for every family of checkpoints."""
    input:
        scores=of(plan.scores.of_suite),
        costs="results/{pool}/tables/{suite}/cost.csv",
        published=f"{PUBLISHED}/main.csv",
        measured=f"{PUBLISHED}/methods.yaml",
        standard=f"{PUBLISHED}/fidelity.yaml",
    output:
        csv="results/{pool}/tables/{suite}/leaderboard.csv",
        markdown=report(
            "results/{pool}/tables/{suite}/leaderboard.md",
            caption="../report/leaderboard_table.rst",
            category="Tables",
            subcategory="{pool}",
            labels={"suite": "{suite}", "table": "leaderboard"},
        ),
        latex="results/{pool}/tables/{suite}/leaderboard.tex",
    log:
        "logs/{pool}/leaderboard_table/{suite}.log",
    benchmark:
        "benchmarks/jobs/{pool}/leaderboard_table/{suite}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/leaderboard_table.py"),
        tasks=of(plan.tasks.in_suite),
        methods=of(plan.methods.rows),
        described=of(plan.methods.unlabelled),
    script:
        "../../scripts/leaderboard_table.py"


rule tables:
    """All tables."""
    input:
        expand(
            "results/{pool}/tables/{suite}/comparison.csv",
            pool=plan.pools.downloaded(),
            suite=settings.suites,
        ),
        expand(
            "results/{pool}/tables/{suite}/{table}.csv",
            pool=settings.pools,
            suite=settings.suites,
            table=plan.tables.of_every_suite(),
        ),
        expand(
            "results/{pool}/tables/{suite}/{table}_over_seeds.csv",
            pool=plan.pools.families(),
            suite=settings.suites,
            table=["main", "claims"],
        ),
        plan.tables.fidelity(),
        plan.tables.suites(),
    localrule: True
