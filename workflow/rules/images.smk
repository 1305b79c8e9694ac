"""Images of every task: uint8 arrays after the deterministic part of the preprocessing.

makes  results/images/{size}/{task}/{split}.safetensors   with labels
       results/images/{size}/{task}/{split}.hashes.txt    a hash of every image's pixels; the papers' training images
                                                          have only this, unless experts are fine-tuned on them
       results/images/{size}/audit.csv                    images that are in two splits
       results/images/32/pretraining/train.safetensors
       results/downloads/{task}/{part}.json               repository, commit and hashes of downloaded files
       results/downloads/{task}/torchvision.json          hashes of what torchvision downloaded
"""

hub_images = of(plan.downloads.images)


rule render_task:
    """One built-in task of the mini benchmark: drawn glyphs, or scikit-learn's handwritten digits."""
    output:
        images=expand("results/images/32/{{task}}/{split}.safetensors", split=SPLITS),
        hashes=expand("results/images/32/{{task}}/{split}.hashes.txt", split=SPLITS),
    log:
        "logs/render_task/{task}.log",
    benchmark:
        "benchmarks/jobs/render_task/{task}.tsv"
    wildcard_constraints:
        task=any_of(MINI_TASKS),
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="render"),
        runtime=of(plan.resources.minutes, work="render"),
    params:
        code=code("scripts/render_task.py"),
    script:
        "../../scripts/render_task.py"


rule read_folder_task:
    """One of the user's tasks, from a folder {{train,test}}/{{class}}/{{image}}."""
    output:
        images=expand(
            "results/images/{{size}}/{{task}}/{split}.safetensors", split=SPLITS
        ),
        hashes=expand(
            "results/images/{{size}}/{{task}}/{split}.hashes.txt", split=SPLITS
        ),
    log:
        "logs/read_folder_task/{size}/{task}.log",
    benchmark:
        "benchmarks/jobs/read_folder_task/{size}/{task}.tsv"
    wildcard_constraints:
        task=any_of(settings.tasks),
    conda:
        "../../envs/light.yaml"
    threads: 2
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/read_folder_task.py"),
        folder=of(plan.images.folder),
        validation=of(plan.images.held_out),
        content=of(plan.images.fingerprint),
    script:
        "../../scripts/read_folder_task.py"


rule fetch_images:
    """Download one part of a task's data set from the Hugging Face Hub, and record its commit and hashes."""
    output:
        "results/downloads/{task}/{part}.json",
    log:
        "logs/fetch_images/{task}/{part}.log",
    benchmark:
        "benchmarks/jobs/fetch_images/{task}/{part}.tsv"
    wildcard_constraints:
        task=any_of(plan.downloads.tasks_from("hub")),
        part="train|test",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
    params:
        code=code("scripts/fetch_images.py"),
        repository=lambda wildcards: hub_images(wildcards).repository,
        files=lambda wildcards: hub_images(wildcards).patterns,
        revision=lambda wildcards: hub_images(wildcards).revision,
        pin=of(plan.downloads.images_pin),
        attempt=of(plan.downloads.attempt),
    script:
        "../../scripts/fetch_images.py"


rule fetch_torchvision:
    """Have torchvision download a task's data set, and record its archives."""
    output:
        "results/downloads/{task}/torchvision.json",
    log:
        "logs/fetch_torchvision/{task}.log",
    benchmark:
        "benchmarks/jobs/fetch_torchvision/{task}.tsv"
    wildcard_constraints:
        task=any_of(plan.downloads.tasks_from("torchvision")),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
    params:
        code=code("scripts/fetch_torchvision.py"),
        pin=of(plan.downloads.archives_pin),
    script:
        "../../scripts/fetch_torchvision.py"


rule prepare_images:
    """Decode, resize and crop one split of one of the papers' tasks; write no images if they are unavailable."""
    input:
        record=of(plan.images.record),
    output:
        images="results/images/{size}/{task}/{split}.safetensors",
        hashes="results/images/{size}/{task}/{split}.hashes.txt",
    log:
        "logs/prepare_images/{size}/{task}/{split}.log",
    benchmark:
        "benchmarks/jobs/prepare_images/{size}/{task}/{split}.tsv"
    wildcard_constraints:
        task=any_of(CLIP_TASKS),
        split="validation|test",
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/prepare_images.py"),
        classes=of(plan.images.labels),
        source=of(plan.images.source),
        folder=of(plan.images.folder),
        content=of(plan.images.fingerprint),
        test_images=of(plan.images.drawn),
    script:
        "../../scripts/prepare_images.py"


# Tens of gigabytes, for as long as experts are fine-tuned on them.
use rule prepare_images as prepare_training_images with:
    output:
        images=temp("results/images/{size}/{task}/{split}.safetensors"),
        hashes="results/images/{size}/{task}/{split}.hashes.txt",
    wildcard_constraints:
        task=any_of(CLIP_TASKS),
        split="train",
        size=any_of(plan.images.sizes_trained_on()),


rule hash_training_images:
    """Hash training images for the audit without storing them, because nothing is trained on them."""
    input:
        record=of(plan.images.record),
    output:
        hashes="results/images/{size}/{task}/{split}.hashes.txt",
    log:
        "logs/hash_training_images/{size}/{task}/{split}.log",
    benchmark:
        "benchmarks/jobs/hash_training_images/{size}/{task}/{split}.tsv"
    wildcard_constraints:
        task=any_of(CLIP_TASKS),
        split="train",
        size=any_of(plan.images.sizes_not_trained_on()),
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=of(plan.resources.memory, work="images"),
        runtime=of(plan.resources.minutes, work="images"),
    params:
        code=code("scripts/hash_training_images.py"),
        classes=of(plan.images.labels),
        source=of(plan.images.source),
        folder=of(plan.images.folder),
        content=of(plan.images.fingerprint),
    script:
        "../../scripts/hash_training_images.py"


rule audit_images:
    """Count images that are in two splits of a task, by the hashes of their pixels."""
    input:
        hashes=of(plan.images.hashes),
    output:
        "results/images/{size}/audit.csv",
    log:
        "logs/audit_images/{size}.log",
    benchmark:
        "benchmarks/jobs/audit_images/{size}.tsv"
    localrule: True
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="table"),
        runtime=of(plan.resources.minutes, work="table"),
    params:
        code=code("scripts/audit_images.py"),
        tasks=of(plan.images.tasks_of_size),
        splits=SPLITS,
    script:
        "../../scripts/audit_images.py"


rule render_pretraining:
    """The images the mini CLIP is pre-trained on: glyphs of all alphabets in a plain style."""
    output:
        "results/images/32/pretraining/train.safetensors",
    log:
        "logs/render_pretraining.log",
    benchmark:
        "benchmarks/jobs/render_pretraining.tsv"
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="render"),
        runtime=of(plan.resources.minutes, work="render"),
    params:
        code=code("scripts/render_pretraining.py"),
    script:
        "../../scripts/render_pretraining.py"
