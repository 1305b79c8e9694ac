"""What the report shows."""

from types import SimpleNamespace


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
    methods = methods_of(SimpleNamespace(pool=pool)).values()
    studies = {
        name: load(study.kind).CAPTION
        for name, study in settings.studies.items()
        if study.suite == suite
    }
    published = ["comparison"] if own.is_published else []
    seeds = settings.families.get(pool, {})
    main, claims = (
        [f"{table}_over_seeds", table] if seeds else [table]
        for table in ("main", "claims")
    )
    tables = [*main, *published, *claims, *studies, "experts", "cost"]
    captions = {name: FIGURES[name].caption for name in figures_of(pool, suite)}
    return {
        "pool": pool,
        "suite": suite,
        "tasks": tasks,
        "about": [
            f"Encoder: CLIP {own.architecture}, checkpoints {own.origin}, seed {own.seed}.",
            *(
                [
                    f"Tables over seeds: pools {', '.join(seeds)}, which differ in nothing but the seed."
                ]
                if seeds
                else []
            ),
            f"Tasks: {', '.join(f'{task} ({origin_of(task)} images)' for task in tasks)}.",
            f"Methods: {', '.join(method.label for method in methods)}.",
        ],
        "tables": {name: f"results/{pool}/tables/{suite}/{name}.md" for name in tables},
        "figures": {
            name: (caption, f"results/{pool}/figures/{suite}/{name}.svg")
            for name, caption in (captions | studies).items()
        },
        "flags": f"results/images/{own.image_size}/audit.csv",
    }


def files_of_report():
    """What the report is made from, by kind."""
    sections = report_sections()
    return {
        "tables": [path for own in sections for path in own["tables"].values()],
        "figures": [path for own in sections for _, path in own["figures"].values()],
        "audits": list(dict.fromkeys(own["flags"] for own in sections)),
    }
