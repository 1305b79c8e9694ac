"""Reference of all configuration keys, for people (config/README.md) and editors (the JSON schema)."""

import json
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from remerge.config import models
from remerge.config.methods import ALGORITHM_MODELS, WRAPPED_MODELS, Tune
from remerge.run.settings import Strict
from remerge.studies.kind import load
from remerge.studies.registry import KINDS

INTRODUCTION = """\
# Configuration

<!-- Made from remerge/config/models.py and remerge/methods/ by `make docs`; a test keeps it in step. -->

`config.yaml` is the default configuration, the mini benchmark. Edit it, or override parts of it with a file of your own
(`--configfile FILE`): keys in that file are added or replace existing values, and lists are replaced as a whole. To
remove an entry under `pools`, `suites`, `tasks`, `methods` or `studies`, set it to `null`.

```yaml
# snakemake --cores all --configfile more.yaml
pools:
  mini-1: {architecture: mini, seed: 1}      # the same encoder, trained with another seed
suites:
  pair: [digits, latin]                      # merge only two tasks
methods:
  ties: {scaling: 0.4}                       # change one parameter of a method
  weight-averaging: null                     # leave a method out
  ties-half: {label: "TIES (50 %)", algorithm: ties, keep: 0.5}
```

Names of pools, suites, tasks, methods and studies become parts of file names. They consist of up to 100 letters,
digits, `.`, `_` and `-`, begin with a letter or digit, and must not differ only in case. In YAML, put names like
`"101"`, `"null"` or `"true"` in quotes. All errors in a configuration are reported before the first job starts, each
with its file, its key and how to fix it. Editors can check the file against `workflow/schemas/config.schema.yaml`.

## The papers' benchmark

`config/clip-vit-b-32.yaml`, `config/clip-vit-b-16.yaml` and `config/clip-vit-l-14.yaml` set up CLIP's encoders on
SUN397, Cars, RESISC45, EuroSAT, SVHN, GTSRB, MNIST and DTD. With `-14` and `-20` before `.yaml` they are the presets of
fourteen and twenty tasks: Flowers102, PCAM, FER2013, OxfordIIITPet, STL10 and CIFAR100 besides; and CIFAR10, Food101,
FashionMNIST, EMNIST-letters, KMNIST and RenderedSST2. In the TALL masks authors' suites, EMNIST-digits takes the place
of EMNIST-letters: they are different tasks.

Images come from the Hugging Face Hub, and those of EMNIST-digits from torchvision. To use a mirror, a token or an
existing cache, set the usual variables: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`. The official
addresses of Cars and SUN397 are dead. If you cannot reach the Hub, put their images in a folder and name it:

```yaml
clip_tasks:
  Cars: {folder: data/cars}        # data/cars/{train,test}/Acura RL Sedan 2012/00001.jpg, 8,144 and 8,041 images
  SUN397: {source: none}           # or run without the task: averages are then marked 7/8
```

Tasks whose images are unavailable are skipped in the same way, with a warning. The next run tries them again.

Every run lists its downloads in `results/downloads.lock.yaml`. To let someone else download exactly the same files,
give them your configuration and this lock file. They run
`snakemake --cores all --configfile FILE --config downloads=lock.yaml` with the path of their copy. If the lock file is
incomplete, the run stops before the first job; if a downloaded file differs, it is rejected.

`config/flan-t5-base-lora.yaml` and `config/flan-t5-large-lora.yaml` merge LoRA adapters of Flan-T5 on eight tasks of
GLUE: `cola`, `mnli`, `mrpc`, `qnli`, `qqp`, `rte`, `sst2` and `stsb` ([docs/flan-t5.md](../docs/flan-t5.md)).

## A task of your own

Put images under `folder/{train,test}/{class}/{image}`, in any format Pillow reads, and write

```yaml
tasks:
  shapes:
    folder: data/shapes
    classes: {circ: circle, sq: square}     # optional: class names for the prompts
    templates: ["a drawing of a {}."]       # optional
suites:
  with-shapes: [digits, latin, shapes]
```

The task is then fine-tuned, merged and scored like the others. `snakemake -n` reports problems with the folder, such as
a class that is missing from a split or an image that cannot be read. Images are resized and cropped to the encoder's
input size, as CLIP does.

## A method of your own

To add a method, write one Python file and name it in an entry with `algorithm: own`. Like the built-in methods, it gets
a row in the main table and a curve over lambda, and can be used in claims and studies.
[CONTRIBUTING.md](../CONTRIBUTING.md#try-a-method-of-your-own) has an example of ten lines. The file is checked, but not
run, before the first job starts.
"""


def model_at(location: Sequence[str | int]) -> type[Strict]:
    """Return the model whose keys are valid at a location that pydantic reports; the last part is a key."""
    match tuple(location):
        case ("methods", _, _, "scaling", _, _):
            return Tune
        case ("methods", *_, "around", str() as algorithm, _):
            return WRAPPED_MODELS[algorithm]
        case ("methods", _, str() as algorithm, _):
            return ALGORITHM_MODELS[algorithm]
        case ("studies", _, str() as kind, _):
            return load(kind).Settings
        case ("pools", _, _):
            return models.Pool
        case ("tasks", _, _):
            return models.FolderTask
        case ("clip_tasks", _, _):
            return models.ClipImages
        case ("scoring", _):
            return models.Scoring
        case ("training", "pretraining", _):
            return models.Pretraining
        case ("training", "finetuning", _):
            return models.Finetuning
        case ("training", "text_pretraining", _):
            return models.TextPretraining
        case ("training", "lora", _):
            return models.Lora
        case ("training", _):
            return models.Training
        case ("figures", _):
            return models.Figures
    return models.Config


def keys_at(location: Sequence[str | int]) -> list[str]:
    """Return the keys that are valid at a location that pydantic reports."""
    return list(model_at(location).model_fields)


def configuration_readme() -> str:
    """Return config/README.md."""
    sections: list[tuple[str, type[Strict]]] = [
        ("Top level", models.Config),
        ("`pools.NAME`", models.Pool),
        ("`tasks.NAME`", models.FolderTask),
        ("`clip_tasks.NAME`", models.ClipImages),
        ("`training.pretraining`", models.Pretraining),
        ("`training.finetuning`", models.Finetuning),
        ("`training.text_pretraining`", models.TextPretraining),
        ("`training.lora`", models.Lora),
        ("`scoring`", models.Scoring),
        ("`figures`", models.Figures),
        *((f"`methods.NAME` with `algorithm: {name}`", model) for name, model in ALGORITHM_MODELS.items()),
        ("`scaling` that is tuned", Tune),
        *((f"`studies.NAME` with `kind: {kind}`", load(kind).Settings) for kind in KINDS),
    ]
    return INTRODUCTION + "".join(_section(title, model) for title, model in sections)


def _section(title: str, model: type[Strict]) -> str:
    rows = "\n".join(_rows(model))
    return f"\n## {title}\n\n{model.__doc__}\n\n| key | type | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _rows(model: type[Strict]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in ("algorithm", "kind"):
            continue
        meaning = (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | {_type_name(_as_written(field))} | {_default(field)} | {meaning} |"


def _as_written(field: FieldInfo) -> Any:
    """The type of what the configuration may say, where that is more than what is read from it."""
    wider = [each.json_schema_input_type for each in field.metadata if isinstance(each, BeforeValidator)]
    return wider[0] if wider else field.annotation


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, Strict):
        return "see below"
    return f"`{json.dumps(field.default)}`" if field.default is not None else "none"


def _type_name(annotation: Any) -> str:
    if annotation is Tune:
        return "`{tune: validation, grid: [...]}`"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        names = dict.fromkeys(_type_name(part) for part in arguments if part is not type(None))
        return " or ".join(names)
    if origin is list:
        return f"list of {_type_name(arguments[0])}s"
    plain = {float: "number", int: "whole number", str: "text", bool: "`true` or `false`"}
    return plain.get(annotation, "mapping")


def configuration_schema() -> str:
    """Return the JSON schema, as YAML."""
    schema = models.Config.model_json_schema()
    head = "# Made from remerge/config/models.py and remerge/methods/ by `make docs`.\n"
    return head + yaml.safe_dump(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, sort_keys=False, width=110
    )
