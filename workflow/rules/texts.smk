"""Pools that read texts: dates or GLUE's instructions, a pre-trained T5, an expert per task, and scores.

Flan-T5 and its experts are made in checkpoints.smk. What follows from weights and score files alone is made by the same
rules as for pools that read images: task vectors, merged models, tables, figures and the report.

makes  results/texts/{task}/{split}.csv                      texts and answers
       results/texts/{task}/{split}.hashes.txt               a hash of every text
       results/texts/audit.csv                               texts that are in two splits
       results/downloads/{task}/texts.json                   repository, commit and hashes of GLUE's files
       results/{pool}/weights/pretrained.safetensors         the model from which experts start
       results/{pool}/weights/{task}.safetensors             the experts, LoRA merged into the weights
       results/{pool}/scores/{suite}/{method}.csv            on test texts
       results/{pool}/expert_scores/{task}.csv               each expert on every task, a file per task
       results/{pool}/sweeps/{suite}/{method}/{split}.csv    one merged task vector at many scalings
"""

hub_texts = of(plan.downloads.texts)


rule draw_texts:
    """Dates as one language writes them."""
    output:
        texts=expand("results/texts/{{task}}/{split}.csv", split=SPLITS),
        hashes=expand("results/texts/{{task}}/{split}.hashes.txt", split=SPLITS),
    log:
        "logs/draw_texts/{task}.log",
    benchmark:
        "benchmarks/jobs/draw_texts/{task}.tsv"
    wildcard_constraints:
        task=any_of(dates.TASKS),
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="render"),
        runtime=of(plan.resources.minutes, work="render"),
    params:
        code=code("scripts/draw_texts.py"),
        splits=SPLITS,
        # The library reads them from its file; an edit of it runs this again.
        languages=of(plan.tasks.languages),
    script:
        "../../scripts/draw_texts.py"


rule fetch_texts:
    """Download the texts of one of GLUE's tasks from the Hugging Face Hub, and record their commit and hashes."""
    output:
        "results/downloads/{task}/texts.json",
    log:
        "logs/fetch_texts/{task}.log",
    benchmark:
        "benchmarks/jobs/fetch_texts/{task}.tsv"
    wildcard_constraints:
        task=any_of(GLUE_TASKS),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
    params:
        code=code("scripts/fetch_texts.py"),
        repository=lambda wildcards: hub_texts(wildcards).repository,
        files=lambda wildcards: hub_texts(wildcards).patterns,
        pin=of(plan.downloads.texts_pin),
    script:
        "../../scripts/fetch_texts.py"


rule prepare_texts:
    """Put the examples of one of GLUE's tasks as instructions."""
    input:
        record="results/downloads/{task}/texts.json",
    output:
        texts=expand("results/texts/{{task}}/{split}.csv", split=SPLITS),
        hashes=expand("results/texts/{{task}}/{split}.hashes.txt", split=SPLITS),
    log:
        "logs/prepare_texts/{task}.log",
    benchmark:
        "benchmarks/jobs/prepare_texts/{task}.tsv"
    wildcard_constraints:
        task=any_of(GLUE_TASKS),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/prepare_texts.py"),
        splits=SPLITS,
        # The library reads it from its file; an edit of it runs this again.
        instruction=of(plan.tasks.instruction),
    script:
        "../../scripts/prepare_texts.py"


use rule audit_images as audit_texts with:
    input:
        hashes=plan.texts.hashes(),
    output:
        "results/texts/audit.csv",
    log:
        "logs/audit_texts.log",
    benchmark:
        "benchmarks/jobs/audit_texts.tsv"
    params:
        code=code("scripts/audit_images.py"),
        tasks=plan.tasks.used(),
        splits=SPLITS,


rule pretrain_t5:
    """Pre-train a T5 on English and numeric dates, and texts of all languages to restore; with the same seed in every pool."""
    output:
        "results/{pool}/weights/pretrained.safetensors",
    log:
        "logs/{pool}/pretrain_t5.log",
    benchmark:
        "benchmarks/jobs/{pool}/pretrain_t5.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.trained("texts")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="pretrain"),
        runtime=of(plan.resources.minutes, work="pretrain"),
    params:
        code=code("scripts/pretrain_t5.py"),
        architecture=of(plan.pools.architecture),
        seed=0,
        languages=of(plan.tasks.languages),
        training=settings.training.text_pretraining.model_dump(),
    script:
        "../../scripts/pretrain_t5.py"


rule finetune_lora:
    """Fine-tune the pre-trained model on one task with LoRA: the task's expert."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        texts="results/texts/{task}/train.csv",
    output:
        "results/{pool}/weights/{task}.safetensors",
    log:
        "logs/{pool}/finetune_lora/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/finetune_lora/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.trained("texts")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="train"),
        runtime=of(plan.resources.minutes, work="train"),
    params:
        code=code("scripts/finetune_lora.py"),
        seed=of(plan.pools.seed),
        training=settings.training.lora.model_dump(),
    script:
        "../../scripts/finetune_lora.py"


rule score_texts:
    """Score one model on every task of a suite."""
    input:
        encoder=of(plan.merging.encoder),
        parts=of(plan.merging.parts),
        texts=of(plan.texts.of_suite, split="test"),
        tokeniser=of(plan.texts.tokeniser),
    output:
        "results/{pool}/scores/{suite}/{method}.csv",
    log:
        "logs/{pool}/score_texts/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_texts/{suite}/{method}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("texts")),
        method=any_of(
            [*plan.methods.with_encoder(), *plan.methods.of_algorithm("pretrained")]
        ),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score"),
        runtime=of(plan.resources.minutes, work="score"),
    params:
        code=code("scripts/score_texts.py", of(plan.methods.assembly_modules)),
        tasks=of(plan.tasks.in_suite),
        columns=lambda wildcards: dict(wildcards.items()),
        batch_size=settings.scoring.batch_size,
    script:
        "../../scripts/score_texts.py"


rule score_text_expert:
    """Score an expert on its task and those before it, and their experts on its task."""
    input:
        encoders=of(plan.scores.experts_up_to),
        texts=of(plan.texts.up_to, split="test"),
        tokeniser=of(plan.texts.tokeniser),
    output:
        "results/{pool}/expert_scores/{task}.csv",
    log:
        "logs/{pool}/score_text_expert/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/score_text_expert/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("texts")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/score_text_expert.py"),
        tasks=of(plan.tasks.up_to),
        batch_size=settings.scoring.batch_size,
    script:
        "../../scripts/score_text_expert.py"


rule sweep_texts:
    """Score one merged task vector at every scaling of a grid."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        task_vector="results/{pool}/merged_task_vectors/{suite}/{method}.safetensors",
        texts=of(plan.texts.of_suite),
        tokeniser=of(plan.texts.tokeniser),
        at_zero=of(plan.scores.at_zero),
    output:
        "results/{pool}/sweeps/{suite}/{method}/{split}.csv",
    log:
        "logs/{pool}/sweep/{suite}/{method}/{split}.log",
    benchmark:
        "benchmarks/jobs/{pool}/sweep/{suite}/{method}/{split}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.reading("texts")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="score_many"),
        runtime=of(plan.resources.minutes, work="score_many"),
    params:
        code=code("scripts/sweep_texts.py"),
        tasks=of(plan.tasks.in_suite),
        grid=of(plan.scores.grid),
        batch_size=settings.scoring.batch_size,
    script:
        "../../scripts/sweep_texts.py"
