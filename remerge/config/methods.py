"""What config.yaml may say of a method: a model, made of the data class of its parameters, that checks it."""

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Union, get_type_hints

from pydantic import AfterValidator, Discriminator, Field, Tag, create_model

from remerge.methods import load, parameters
from remerge.methods.parameters import Method, parameters_in
from remerge.methods.registry import ALGORITHMS
from remerge.run.settings import Grid, InputPath, Name, Strict


def _model(data_class: type) -> type[Strict]:
    """Make the model of a data class."""
    hints = get_type_hints(data_class)
    described = {}
    for each in fields(data_class):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        checked = Field(**each.metadata) if default is MISSING else Field(default, **each.metadata)
        described[each.name] = (_CHECKED.get(hints[each.name], hints[each.name]), checked)
    return create_model(data_class.__name__, __base__=Strict, __doc__=data_class.__doc__, **described)  # type: ignore[call-overload]


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


# What is asked of the plain types beyond what they say.
_CHECKED: dict[Any, Any] = {
    dict[str, Any]: dict[Name, Any],
    list[float]: Grid,
    parameters.InputPath: InputPath,
    parameters.MethodName: Name,
    parameters.InputPath | None: InputPath | None,
}
Tune = _model(parameters.Tune)
_CHECKED[parameters.Scaling] = Annotated[
    Annotated[float, Tag("number")] | Annotated[_read(Tune, parameters.Tune), Tag("tune")],
    Discriminator(_kind_of_scaling),
]

_DATA_CLASSES = {name: parameters_in(load(name)) for name in ALGORITHMS}
ALGORITHM_MODELS = {name: _model(data_class) for name, data_class in _DATA_CLASSES.items()}
"""The model of every algorithm's parameters."""

if TYPE_CHECKING:
    AnyMethod = Method
else:
    AnyMethod = Annotated[
        Union[tuple(_read(ALGORITHM_MODELS[name], _DATA_CLASSES[name]) for name in ALGORITHMS)],  # noqa: UP007
        Field(discriminator="algorithm"),
    ]
