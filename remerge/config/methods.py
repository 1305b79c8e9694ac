"""What config.yaml may say of a method: a model, made of the data class of its parameters, that checks it."""

from collections.abc import Collection
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_type_hints

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, create_model

from remerge.methods import load, parameters
from remerge.methods.parameters import Method, method_of, parameters_in
from remerge.methods.registry import ALGORITHMS, algorithms_of_kind
from remerge.run.settings import Grid, InputPath, Name, Strict


def _model(data_class: type, kind: str = "", without: Collection[str] = ()) -> type[Strict]:
    """Make the model of a data class, without some of its fields; its name tells what kind of model it is."""
    hints = get_type_hints(data_class)
    described = {}
    for each in fields(data_class):
        if each.name in without:
            continue
        default = each.default if each.default_factory is MISSING else each.default_factory()
        checked = Field(**each.metadata) if default is MISSING else Field(default, **each.metadata)
        described[each.name] = (_CHECKED.get(hints[each.name], hints[each.name]), checked)
    return create_model(kind + data_class.__name__, __base__=Strict, __doc__=data_class.__doc__, **described)  # type: ignore[call-overload]


def _read(model: type[Strict], data_class: type) -> Any:
    """A type that is checked as a model and read as its data class."""

    def read(checked: Strict) -> Any:
        values = data_class(**dict(checked))
        if isinstance(values, Method):
            values.check_given(checked.model_fields_set)
        return values

    return Annotated[model, AfterValidator(read)]


def _kind_of_scaling(value: object) -> str:
    return "tune" if isinstance(value, dict) else "number"


def _with_parameters(around: object) -> object:
    return {"algorithm": around} if isinstance(around, str) else around


def _described(checked: Strict) -> dict[str, Any]:
    """A wrapped method's algorithm and every parameter as plain values."""
    described = dict(checked)
    method_of(described).check_given(checked.model_fields_set)
    return described


# What is asked of the plain types beyond what they say.
_CHECKED: dict[Any, Any] = {
    dict[str, Any]: dict[Name, Any],
    list[float]: Grid,
    parameters.InputPath: InputPath,
    parameters.MethodName: Name,
    parameters.InputPath | None: InputPath | None,
    # As a plug-in may wrap another one, the type is named before it can be defined.
    parameters.Around: "Around",
}
Tune = _model(parameters.Tune)
_CHECKED[parameters.Scaling] = Annotated[
    Annotated[float, Tag("number")] | Annotated[_read(Tune, parameters.Tune), Tag("tune")],
    Discriminator(_kind_of_scaling),
]

_DATA_CLASSES = {name: parameters_in(load(name)) for name in ALGORITHMS}
ALGORITHM_MODELS = {name: _model(data_class) for name, data_class in _DATA_CLASSES.items()}
"""The model of every algorithm's parameters."""

WRAPPED_MODELS = {
    name: _model(_DATA_CLASSES[name], "Wrapped", {"label", *_DATA_CLASSES[name].beside_merging})
    for name in algorithms_of_kind("rule")
}
"""The models of those that a plug-in may wrap, without what it sets itself."""

_WITH_PARAMETERS: Any = Annotated[
    Union[tuple(Annotated[model, AfterValidator(_described)] for model in WRAPPED_MODELS.values())],  # noqa: UP007
    Field(discriminator="algorithm"),
]
_NAME: Any = Literal[tuple(WRAPPED_MODELS)]
Around: Any = Annotated[
    _WITH_PARAMETERS, BeforeValidator(_with_parameters, json_schema_input_type=_NAME | _WITH_PARAMETERS)
]
"""The method that a plug-in wraps: the name of its algorithm, or that and its parameters; read as plain values."""
for _each in (*ALGORITHM_MODELS.values(), *WRAPPED_MODELS.values()):
    _each.model_rebuild(_types_namespace={"Around": Around})

if TYPE_CHECKING:
    AnyMethod = Method
else:
    AnyMethod = Annotated[
        Union[tuple(_read(ALGORITHM_MODELS[name], _DATA_CLASSES[name]) for name in ALGORITHMS)],  # noqa: UP007
        Field(discriminator="algorithm"),
    ]
