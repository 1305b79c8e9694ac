"""Images of every task, once: uint8 arrays after the deterministic part of the preprocessing.

makes  results/images/{task}/{split}.safetensors   labels, class names and templates travel in the same file
       results/images/pretraining/train.safetensors
"""


rule render_task:
    """One built-in task of the mini benchmark: drawn glyphs, or scikit-learn's handwritten digits."""
    input:
        sources=sources("scripts/render_task.py"),
    output:
        expand("results/images/{{task}}/{split}.safetensors", split=SPLITS),
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
        mem_mb=1000,
        runtime=10,
    script:
        "../../scripts/render_task.py"


rule read_folder_task:
    """One task of the user's own: a folder {{train,test}}/{{class}}/{{image}}."""
    input:
        sources=sources("scripts/read_folder_task.py"),
    output:
        expand("results/images/{{task}}/{split}.safetensors", split=SPLITS),
    log:
        "logs/read_folder_task/{task}.log",
    benchmark:
        "benchmarks/jobs/read_folder_task/{task}.tsv"
    wildcard_constraints:
        task=any_of(settings.tasks),
    conda:
        "../../envs/light.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=lambda wildcards: settings.tasks[wildcards.task].folder,
        texts=lambda wildcards: texts_of(wildcards.task),
        validation=lambda wildcards: settings.tasks[wildcards.task].validation,
        content=lambda wildcards: folders[wildcards.task].fingerprint,
    script:
        "../../scripts/read_folder_task.py"


rule render_pretraining:
    """The images the mini CLIP is pre-trained on: glyphs of all alphabets in a plain style."""
    input:
        sources=sources("scripts/render_pretraining.py"),
    output:
        "results/images/pretraining/train.safetensors",
    log:
        "logs/render_pretraining.log",
    benchmark:
        "benchmarks/jobs/render_pretraining.tsv"
    conda:
        "../../envs/light.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    script:
        "../../scripts/render_pretraining.py"
