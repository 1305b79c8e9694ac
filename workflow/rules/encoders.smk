"""A pre-trained CLIP, its zero-shot heads, and one fine-tuned image encoder (expert) per task.

needs  results/images/{size}/{task}/train.safetensors
makes  results/pretrained/mini.safetensors             mini's CLIP, packed, if no file of the repository has it
       results/{pool}/weights/clip.safetensors         both towers, as pre-trained
       results/{pool}/weights/pretrained.safetensors   the image encoder alone, from which experts start
       results/{pool}/heads/{task}.safetensors         from the text tower; never trained or merged
       results/{pool}/weights/{task}.safetensors       the expert
       results/{pool}/merged/{suite}/{method}.safetensors   trained on all tasks at once, for traditional_mtl
"""


rule pretrain:
    """Pre-train mini's CLIP on the plain glyphs and their names; pools of every seed share it."""
    input:
        images="results/images/32/pretraining/train.safetensors",
    output:
        "results/pretrained/mini.safetensors",
    log:
        "logs/pretrain.log",
    benchmark:
        "benchmarks/jobs/pretrain.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 2
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="pretrain"),
        runtime=of(plan.resources.minutes, work="pretrain"),
    params:
        code=code("scripts/pretrain.py"),
        architecture="mini",
        texts=plan.tasks.pretraining_texts(),
        training=settings.training.pretraining.model_dump(),
        recipe=plan.pretraining.recipe(),
    script:
        "../../scripts/pretrain.py"


rule unpack_clip:
    """A pool's pre-trained CLIP, from the file that comes with the repository or from the one trained here."""
    input:
        packed=plan.pretraining.clip(),
    output:
        clip="results/{pool}/weights/clip.safetensors",
        encoder="results/{pool}/weights/pretrained.safetensors",
    log:
        "logs/{pool}/unpack_clip.log",
    benchmark:
        "benchmarks/jobs/{pool}/unpack_clip.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.small()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/unpack_clip.py"),
        architecture=of(plan.pools.architecture),
    script:
        "../../scripts/unpack_clip.py"


rule zero_shot_head:
    """A task's zero-shot head: class names in templates, encoded by the pre-trained text tower."""
    input:
        clip="results/{pool}/weights/clip.safetensors",
    output:
        "results/{pool}/heads/{task}.safetensors",
    log:
        "logs/{pool}/zero_shot_head/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/zero_shot_head/{task}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="heads"),
        runtime=of(plan.resources.minutes, work="heads"),
    params:
        code=code("scripts/zero_shot_head.py"),
        texts=of(plan.tasks.texts),
    script:
        "../../scripts/zero_shot_head.py"


rule finetune:
    """Fine-tune the image encoder on one task with a frozen head: the task's expert."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        heads=["results/{pool}/heads/{task}.safetensors"],
        images=of(plan.images.of_task, split="train"),
    output:
        "results/{pool}/weights/{task}.safetensors",
    log:
        "logs/{pool}/finetune/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/finetune/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.trained()),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="train"),
        runtime=of(plan.resources.minutes, work="train"),
    params:
        code=code("scripts/finetune.py"),
        seed=of(plan.pools.seed),
        tasks=lambda wildcards: [wildcards.task],
        training=settings.training.finetuning.model_dump(),
    script:
        "../../scripts/finetune.py"


use rule finetune as finetune_jointly with:
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
        heads=of(plan.scores.heads),
        images=of(plan.images.of_suite, split="train"),
    output:
        "results/{pool}/merged/{suite}/{method}.safetensors",
    log:
        "logs/{pool}/finetune_jointly/{suite}/{method}.log",
    benchmark:
        "benchmarks/jobs/{pool}/finetune_jointly/{suite}/{method}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.trained()),
        method=any_of(plan.methods.of_kind("joint")),
    # As many steps for any number of tasks.
    resources:
        gpu=GPU,
        mem_mb=of(plan.resources.memory, work="train", suite=None),
        runtime=of(plan.resources.minutes, work="train", suite=None),
    params:
        code=code("scripts/finetune.py"),
        seed=of(plan.pools.seed),
        tasks=of(plan.tasks.in_suite),
        training=of(plan.methods.joint_training),
