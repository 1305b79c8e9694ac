"""Checkpoints of other origins, converted to safetensors with open_clip's names, or transformers' for Flan-T5; a pool has
a single origin.

makes  results/{pool}/downloads/{checkpoint}.json        repository, commit and hashes of downloaded files
       results/downloads/task-vectors/{checkpoint}.json  the same for the Task Arithmetic authors' files
       results/downloads.lock.yaml                       the same for all downloads, in one file
       results/{pool}/weights/clip.safetensors           both towers, as pre-trained
       results/{pool}/weights/pretrained.safetensors     the image encoder alone, or Flan-T5
       results/{pool}/weights/tokenizer.json             Flan-T5's tokeniser
       results/{pool}/weights/{task}.safetensors         the experts
"""

from remerge.clip.architectures import ARCHITECTURES
from remerge.plan.downloads import FLAN_T5, OPENAI

hub_checkpoint = of(plan.downloads.checkpoint)


rule fetch_checkpoint:
    """Download one checkpoint from the Hugging Face Hub, and record its commit and hashes."""
    output:
        "results/{pool}/downloads/{checkpoint}.json",
    log:
        "logs/{pool}/fetch_checkpoint/{checkpoint}.log",
    benchmark:
        "benchmarks/jobs/{pool}/fetch_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.downloaded()),
        checkpoint=any_of([OPENAI, *CLIP_TASKS, FLAN_T5, *GLUE_TASKS]),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
    params:
        code=code("scripts/fetch_checkpoint.py"),
        repository=lambda wildcards: hub_checkpoint(wildcards).repository,
        files=lambda wildcards: hub_checkpoint(wildcards).patterns,
        revision=lambda wildcards: hub_checkpoint(wildcards).revision,
        pin=of(plan.downloads.checkpoint_pin),
    script:
        "../../scripts/fetch_checkpoint.py"


rule downloads_lock:
    """The lock file: every download with its source and hash. The key `downloads` takes a copy of it."""
    input:
        records=plan.downloads.records(),
    output:
        "results/downloads.lock.yaml",
    log:
        "logs/downloads_lock.log",
    benchmark:
        "benchmarks/jobs/downloads_lock.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
    params:
        code=code("scripts/downloads_lock.py"),
    script:
        "../../scripts/downloads_lock.py"


rule openai_clip:
    """OpenAI's CLIP with open_clip's names; its text tower makes the zero-shot heads."""
    input:
        record="results/{pool}/downloads/openai.json",
    output:
        clip="results/{pool}/weights/clip.safetensors",
    log:
        "logs/{pool}/openai_clip.log",
    benchmark:
        "benchmarks/jobs/{pool}/openai_clip.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("task-vectors")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/openai_clip.py"),
        architecture=of(plan.pools.architecture),
    script:
        "../../scripts/openai_clip.py"


use rule openai_clip as openai_clip_and_encoder with:
    output:
        clip="results/{pool}/weights/clip.safetensors",
        encoder="results/{pool}/weights/pretrained.safetensors",
    wildcard_constraints:
        pool=any_of(
            plan.pools.of_origin(
                "finetuned", "fusionbench", "tall-masks", "tall-masks-leaked"
            )
        ),


rule download_legacy_checkpoint:
    """Download one of the Task Arithmetic authors' pickles and record its id and hash; nothing is unpickled yet.

    The pickle is not an output, so that Snakemake never deletes it: Google Drive limits downloads.
    """
    output:
        "results/downloads/task-vectors/{architecture}/{file}.json",
    log:
        "logs/download_legacy_checkpoint/{architecture}/{file}.log",
    benchmark:
        "benchmarks/jobs/download_legacy_checkpoint/{architecture}/{file}.tsv"
    wildcard_constraints:
        architecture=any_of(ARCHITECTURES),
        file="zeroshot|({})/finetuned".format(any_of(CLIP_TASKS)),
    localrule: True
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="download"),
        runtime=of(plan.resources.minutes, work="download"),
        drive=1,
    params:
        code=code("scripts/download_legacy_checkpoint.py"),
        pin=of(plan.downloads.pickle_pin),
    script:
        "../../scripts/download_legacy_checkpoint.py"


rule read_legacy_checkpoint:
    """Extract the image encoder from a pickled module without executing anything in it."""
    input:
        checkpoint=of(plan.downloads.pickle),
        record=of(plan.downloads.pickle_record),
    output:
        "results/{pool}/weights/{checkpoint}.safetensors",
    log:
        "logs/{pool}/read_legacy_checkpoint/{checkpoint}.log",
    benchmark:
        "benchmarks/jobs/{pool}/read_legacy_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("task-vectors")),
        checkpoint=any_of(["pretrained", *CLIP_TASKS]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/read_legacy_checkpoint.py"),
        architecture=of(plan.pools.architecture),
        frozen_entries=of(plan.pools.frozen_entries),
    script:
        "../../scripts/read_legacy_checkpoint.py"


# Their pre-trained encoder is the openai one, as they start from it and have no other.
use rule read_legacy_checkpoint as read_tall_masks_checkpoint with:
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("tall-masks", "tall-masks-leaked")),
        checkpoint=any_of(CLIP_TASKS),


rule convert_expert:
    """Convert an expert's image encoder from transformers' names to open_clip's, with the pre-trained projection."""
    input:
        record="results/{pool}/downloads/{task}.json",
        pretrained="results/{pool}/weights/pretrained.safetensors",
    output:
        "results/{pool}/weights/{task}.safetensors",
    log:
        "logs/{pool}/convert_expert/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/convert_expert/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("fusionbench")),
        task=any_of(CLIP_TASKS),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/convert_expert.py"),
        architecture=of(plan.pools.architecture),
    script:
        "../../scripts/convert_expert.py"


rule flan_t5:
    """Flan-T5 as downloaded, checked, and its tokeniser."""
    input:
        record=f"results/{{pool}}/downloads/{FLAN_T5}.json",
    output:
        weights="results/{pool}/weights/pretrained.safetensors",
        tokeniser="results/{pool}/weights/tokenizer.json",
    log:
        "logs/{pool}/flan_t5.log",
    benchmark:
        "benchmarks/jobs/{pool}/flan_t5.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("fusionbench-lora")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/flan_t5.py"),
        architecture=of(plan.pools.architecture),
    script:
        "../../scripts/flan_t5.py"


rule convert_adapter:
    """Add a LoRA adapter to the pre-trained weights: the expert."""
    input:
        record="results/{pool}/downloads/{task}.json",
        pretrained="results/{pool}/weights/pretrained.safetensors",
    output:
        "results/{pool}/weights/{task}.safetensors",
    log:
        "logs/{pool}/convert_adapter/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/convert_adapter/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("fusionbench-lora")),
        task=any_of(GLUE_TASKS),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/convert_adapter.py"),
    script:
        "../../scripts/convert_adapter.py"


rule random_clip:
    """A CLIP of full size with random weights, to test the workflow."""
    output:
        clip="results/{pool}/weights/clip.safetensors",
        encoder="results/{pool}/weights/pretrained.safetensors",
    log:
        "logs/{pool}/random_clip.log",
    benchmark:
        "benchmarks/jobs/{pool}/random_clip.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("random")),
    conda:
        "../../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/random_clip.py"),
        architecture=of(plan.pools.architecture),
        seed=of(plan.pools.seed),
    script:
        "../../scripts/random_clip.py"


rule random_expert:
    """A stand-in for an expert: the pre-trained weights plus a little noise."""
    input:
        pretrained="results/{pool}/weights/pretrained.safetensors",
    output:
        "results/{pool}/weights/{task}.safetensors",
    log:
        "logs/{pool}/random_expert/{task}.log",
    benchmark:
        "benchmarks/jobs/{pool}/random_expert/{task}.tsv"
    wildcard_constraints:
        pool=any_of(plan.pools.of_origin("random")),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=of(plan.resources.memory, work="convert"),
        runtime=of(plan.resources.minutes, work="convert"),
    params:
        code=code("scripts/random_expert.py"),
        seed=of(plan.pools.seed),
    script:
        "../../scripts/random_expert.py"
