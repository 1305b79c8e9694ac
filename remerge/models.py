"""The methods as functions of models: they take modules or state dicts and return the merged model in kind."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import Tensor, nn

from remerge.checkpoints.lora import Adapter, is_adapter
from remerge.checkpoints.weights import Weights, check_compatible
from remerge.errors import MismatchError, ParameterError
from remerge.merging import coefficients, task_vectors
from remerge.merging.lora import of_adapter
from remerge.merging.rules import Merge, Scope
from remerge.merging.streaming import merged_by
from remerge.merging.ties import trimmed_and_elected
from remerge.methods import load
from remerge.methods.parameters import out_of_bounds, parameters_in
from remerge.methods.registry import algorithms_of_kind

Model = TypeVar("Model", bound="nn.Module | Mapping[str, Tensor]")


def task_vector(pretrained: Model, finetuned: Model) -> dict[str, Tensor]:
    """Return fine-tuned minus pre-trained weights (Task Arithmetic, arXiv:2212.04089, section 2).

    Args:
        pretrained: A module or state dict.
        finetuned: Another with the same keys, shapes and dtypes.

    Returns:
        The difference of every floating-point tensor, in float32, or in float64 where the weights are float64.

    Raises:
        MismatchError: Keys, shapes or dtypes differ; the message names them.
    """
    return task_vectors.task_vector(_weights(pretrained), _weights(finetuned))


def weight_averaging(finetuned: Sequence[Model]) -> Model:
    """Return the mean of fine-tuned models (arXiv:2203.05482); integer tensors are the first model's.

    The mean is taken in float32 (float64 for float64 weights) and rounded once.

    Args:
        finetuned: Modules or state dicts of equal keys, shapes and dtypes.

    Raises:
        MismatchError: The list is empty, or keys, shapes or dtypes differ.
    """
    if not finetuned:
        raise MismatchError("no fine-tuned model was given: averaging needs at least one")
    first = finetuned[0]
    vectors = _task_vectors(first, finetuned)
    return _rebuilt(first, merged_by(load("weight_averaging").merge_rule(vectors), vectors), 1.0)


def task_arithmetic(pretrained: Model, finetuned: Sequence[Model], scaling: float = 0.3) -> Model:
    """Return the pre-trained model plus ``scaling`` times the sum of the task vectors (arXiv:2212.04089).

    Args:
        pretrained: A module or state dict; the merged model comes back in its kind and dtype.
        finetuned: One model per task, of equal keys, shapes and dtypes.
        scaling: The merging coefficient lambda; 0 gives the pre-trained weights bit for bit.

    Raises:
        MismatchError: ``finetuned`` is empty, or keys, shapes or dtypes differ.
        ParameterError: ``scaling`` is not a finite number.
    """
    vectors = _task_vectors(pretrained, finetuned)
    return _rebuilt(pretrained, merged_by(load("task_arithmetic").merge_rule(vectors), vectors), scaling)


def ties(
    pretrained: Model,
    finetuned: Sequence[Model],
    keep: float = 0.2,
    merge: Merge = "sum",
    scaling: float = 0.3,
    exclude: Sequence[str] = (),
    scope: Scope = "vector",
) -> Model:
    """Return the pre-trained model plus ``scaling`` times the TIES-merged task vector (arXiv:2306.01708).

    Args:
        pretrained: A module or state dict; the merged model comes back in its kind and dtype.
        finetuned: One model per task, of equal keys, shapes and dtypes.
        keep: Share of each task vector's entries that survive trimming; ties at the threshold are kept.
        merge: Disjoint merge by ``sum``, ``mean`` or ``max``.
        scaling: The merging coefficient lambda; 0 gives the pre-trained weights bit for bit.
        exclude: Names or shell patterns of tensors left at their pre-trained values and out of the trim.
        scope: What ``keep`` is a share of: the whole flattened ``vector``; the same without tensors in which
            no task changed anything (``trained``); or each ``tensor`` separately.

    Raises:
        MismatchError: ``finetuned`` is empty, or keys, shapes or dtypes differ.
        ParameterError: A parameter is out of range or of the wrong kind, or a pattern of ``exclude`` matches nothing.
    """
    if isinstance(exclude, str):
        raise ParameterError(f"exclude must be a list of patterns, got the string {exclude!r}")
    vectors = _task_vectors(pretrained, finetuned)
    for pattern in exclude:
        if not any(fnmatchcase(key, pattern) for key in vectors[0]):
            raise ParameterError(f"exclude: {pattern!r} matches no tensor; there are: {', '.join(vectors[0])}")
    kept = [
        {key: tensor for key, tensor in vector.items() if not any(fnmatchcase(key, p) for p in exclude)}
        for vector in vectors
    ]
    return _rebuilt(pretrained, merged_by(load("ties").merge_rule(kept, keep, merge, scope), kept), scaling)


def merge(pretrained: Model, finetuned: Sequence[Model | str | Path], method: str, **parameters: Any) -> Model:
    """Return models merged by any method that looks at nothing but their weights.

    Args:
        pretrained: A module or state dict; the merged model comes back in its kind and dtype.
        finetuned: One model per task, of equal keys, shapes and dtypes, or the path of a LoRA adapter of the
            pre-trained model, as for ``remerge merge --finetuned`` (:mod:`remerge.checkpoints.lora`).
        method: Its algorithm, as for ``remerge merge --method``.
        parameters: The algorithm's parameters, with ``scaling``; see config/README.md. The method that a plug-in wraps
            is an algorithm, ``around="ties"``, or has parameters, ``around={"algorithm": "ties", "keep": 0.1}``.

    Raises:
        MismatchError: ``finetuned`` is empty, or keys, shapes or dtypes differ.
        ParameterError: The method is unknown, or a parameter unknown, missing or out of range.
        RemergeError: A path is no adapter's, or the adapter is damaged or of a kind that is not supported.
    """
    if method not in (known := algorithms_of_kind("rule")):
        raise ParameterError(f"method must be one of {', '.join(known)}, got {method!r}")
    module = load(method)
    described = parameters_in(module)(label=method, algorithm=method, **_checked(method, parameters))
    vectors = _task_vectors(pretrained, finetuned)
    rule = module.merge_rule(vectors, **described.merging_parameters())
    return _rebuilt(pretrained, merged_by(rule, vectors), described.parameters().get("scaling", 1.0))


def _checked(method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {each.name: each for each in fields(parameters_in(load(method))) if each.name not in ("label", "algorithm")}
    for name, value in parameters.items():
        if name not in known:
            raise ParameterError(f"{method} has no parameter {name!r}; it has: {', '.join(known)}")
        if isinstance(value, int | float) and (bound := out_of_bounds(known[name], value)):
            raise ParameterError(f"{method}: {name} must be {bound}, got {value!r}")
    for name, each in known.items():
        if name not in parameters and each.default is MISSING and each.default_factory is MISSING:
            raise ParameterError(f"{method} needs the parameter {name!r}")
    return parameters


def merge_by_coefficients(
    pretrained: Model,
    finetuned: Sequence[Model],
    learned: coefficients.Coefficients,
    keep: float | None = None,
    scope: Scope = "vector",
) -> Model:
    """Return the pre-trained model plus task vectors times coefficients (AdaMerging, arXiv:2310.02575).

    Args:
        pretrained: A module or state dict; the merged model comes back in its kind and dtype.
        finetuned: One model per task, in the order of the coefficients' tasks.
        learned: Coefficients, as learned or read from a file; the last recorded step is applied.
        keep: Trim to this share and elect signs first, as AdaMerging++ does.
        scope: What ``keep`` is a share of; see :func:`ties`.
    """
    vectors = _task_vectors(pretrained, finetuned)
    if keep is not None:
        vectors = trimmed_and_elected(vectors, keep, scope)
    return _rebuilt(pretrained, coefficients.merge_by(vectors, learned.values[-1], learned.layers), 1.0)


def _weights(model: Any) -> Weights:
    return model.state_dict() if isinstance(model, nn.Module) else model


def _task_vectors(pretrained: Model, finetuned: Sequence[Model | str | Path]) -> list[dict[str, Tensor]]:
    if isinstance(finetuned, nn.Module | Mapping | str | Path):
        raise ParameterError("finetuned must be a list of models, got one model")
    start = _weights(pretrained)
    tuned = [_adapter(start, each) if isinstance(each, str | Path) else _weights(each) for each in finetuned]
    # An adapter has the tensors of its pre-trained model.
    check_compatible(start, [start if isinstance(each, Adapter) else each for each in tuned])
    return [
        _of_adapter(start, each) if isinstance(each, Adapter) else task_vectors.task_vector(start, each)
        for each in tuned
    ]


def _adapter(start: Weights, path: str | Path) -> Adapter:
    if not is_adapter(path):
        raise ParameterError(f"{path}: not a LoRA adapter; load the checkpoint, and give its module or state dict")
    adapter = Adapter(path)
    adapter.check_fits(start)
    return adapter


def _of_adapter(start: Weights, adapter: Adapter) -> dict[str, Tensor]:
    # Adapters are read to the CPU, wherever the model is.
    vector = of_adapter({key: tensor.cpu() for key, tensor in start.items()}, adapter)
    return {key: vector[key].to(start[key].device) for key in vector}


def _rebuilt(pretrained: Model, merged_task_vector: Weights, scaling: float) -> Model:
    merged = task_vectors.apply_task_vector(_weights(pretrained), merged_task_vector, scaling)
    if isinstance(pretrained, nn.Module):
        model = copy.deepcopy(pretrained)
        model.load_state_dict(merged)
        return model
    return cast(Model, merged)
