"""An endpoint's options as inputs of a node, and the widgets' values as arguments again.

Everything follows from the fields of the endpoint's pydantic model: name, bounds, default, options
and the words of the tooltip. A nested option is named by its path (``safety_checkContent``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from comfy_api.latest import io
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..viseme.endpoints.base import Arguments
from ..viseme.errors import InputError

# Where a document names no bound, a widget still needs one.
LEAST_INTEGER, MOST_INTEGER = -(2**31), 2**31 - 1
MOST_SECONDS = 30 * 24 * 3600
_BOUNDS = {
    "height": (-64, 16384),
    "width": (-64, 16384),
    "frame_rate": (-1, 240),
    "seed": (0, MOST_INTEGER),
}
# Options whose default is a setting of the user's: 0 in the widget leaves them to it.
_DEFAULT_IS_A_SETTING = frozenset({"result_lifetime_seconds"})
# Options whose default is a word for what the media themselves have, which a still has not.
_DEFAULT_IS_NATIVE = frozenset({"frame_rate"})
_ROLES = frozenset({"picture", "delivery"})


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an endpoint: its path in the arguments, and what its field says of it.

    ``kind`` is bool, int, float or str, None where it is one of ``choices``. ``left_out`` is the
    widget's value that stands for an option that is not given.
    """

    path: tuple[str, ...]
    role: str
    kind: type | None
    choices: tuple[Any, ...]
    least: float | None
    most: float | None
    default: Any
    description: str
    left_out: object = None

    @property
    def widget_id(self) -> str:
        return "_".join(self.path)


def options_of(model: type[Arguments], leave_out: Collection[str] = ()) -> tuple[Option, ...]:
    """The options that a node shows: those of the picture and of delivery with a choice in them.

    Media, text and voice are inputs of their own; ``leave_out`` names what else is not a widget.
    The fields are read as they are: a JSON schema of them would take a quarter of the loading.
    """
    return tuple(_options(model, (), leave_out))


def _options(
    model: type[BaseModel], outer: tuple[str, ...], leave_out: Collection[str]
) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        role = str(extra.get("viseme")) if isinstance(extra, dict) else ""
        if role not in _ROLES or name in leave_out:
            continue
        path = (*outer, name)
        alternatives = _alternatives(field.annotation)
        # Where there are several, the first is the widget's; the others are a word for "all".
        kind, rules = alternatives[0]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _options(kind, path, leave_out)
            continue
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if len(choices) == 1:
            continue
        least, most = _limits((*rules, *field.metadata))
        yield Option(
            path,
            role,
            None if choices else kind,
            choices,
            least,
            most,
            field.default,
            field.description or "",
            _left_out(name, kind, field.default, len(alternatives)),
        )


def _alternatives(annotation: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    """The types that a field takes besides None, each with what stands beside it in Annotated."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *rules = get_args(annotation)
        return [(kind, (*more, *rules)) for kind, more in _alternatives(inner)]
    if origin in (Union, UnionType):
        return [one for part in get_args(annotation) for one in _alternatives(part)]
    return [] if annotation is type(None) else [(annotation, ())]


def _limits(rules: Iterable[Any]) -> tuple[float | None, float | None]:
    """The least and the most that ``Field(ge=..., le=...)`` allows; ``gt`` counts as ``ge``."""
    least = most = None
    for rule in rules:
        for entry in rule.metadata if isinstance(rule, FieldInfo) else (rule,):
            least = getattr(entry, "ge", getattr(entry, "gt", least))
            most = getattr(entry, "le", most)
    return least, most


def _left_out(name: str, kind: Any, default: object, alternative_count: int) -> object:
    """The value for "not given", where the option has one: outside of what can be given, or the
    option's own word for it. The page sends every widget, so that there is no other way to say it.
    """
    if name in _DEFAULT_IS_NATIVE:
        return default
    if default is None or alternative_count > 1 or name in _DEFAULT_IS_A_SETTING:
        return "" if kind is str else 0
    return None


def option_inputs(options: Collection[Option], rare: Collection[str] | None = None) -> list[Any]:
    """The inputs, in order. ``rare`` names what only the advanced view shows; None is delivery."""
    return [
        _input(option, option.role == "delivery" if rare is None else option.widget_id in rare)
        for option in options
    ]


def _input(option: Option, is_rare: bool) -> io.Input:
    name = option.widget_id
    default = option.default if option.left_out is None else option.left_out
    common = {"optional": True, "tooltip": _tooltip(option), "advanced": is_rare or None}
    if option.kind is None:
        return io.Combo.Input(name, options=list(option.choices), default=default, **common)
    if option.kind is bool:
        return io.Boolean.Input(name, default=default, **common)
    if option.kind is str:
        return io.String.Input(name, default=default, **common)
    least, most = _bounds(option)
    if option.kind is float:
        return io.Float.Input(name, default=default, min=least, max=most, step=0.1, **common)
    # A seed that changes by itself would buy anew with every run.
    after = io.ControlAfterGenerate.fixed if name == "seed" else None
    return io.Int.Input(
        name, default=default, min=least, max=most, step=1, control_after_generate=after, **common
    )


def _bounds(option: Option) -> tuple[int, int]:
    least, most = _BOUNDS.get(option.path[-1], (LEAST_INTEGER, MOST_INTEGER))
    if option.least is not None:
        least = max(least, int(option.least))
    if option.left_out is not None:
        least = min(least, 0)
    return least, most if option.most is None else min(most, int(option.most))


def _tooltip(option: Option) -> str:
    text = " ".join(option.description.split())
    if option.path[-1] in _DEFAULT_IS_A_SETTING:
        return f"{text} 0 takes the one in Viseme's settings."
    if option.left_out == 0:  # what the endpoint's words call empty, or all, is 0 in a widget
        at_zero = text.replace("Empty:", "0:").replace("all takes", "0 takes")
        return at_zero if at_zero != text else f"{text} 0: leave it out."
    if option.left_out == "":
        return f"{text} Empty: leave it out."
    return text


def given_by(options: Collection[Option], values: Mapping[str, Any]) -> dict[str, Any]:
    """The widgets' values as nested arguments; what is left out or missing is not among them."""
    given: dict[str, Any] = {}
    for option in options:
        value = values.get(option.widget_id)
        if value is None or (option.left_out is not None and value == option.left_out):
            continue
        place = given
        for name in option.path[:-1]:
            place = place.setdefault(name, {})
        place[option.path[-1]] = value
    return given


def check_values(inputs: Collection[Any], values: Mapping[str, Any]) -> None:
    """What the host would check of widgets, which it leaves to a node that checks anything itself.

    ``inputs`` are those of the schema; ``values`` as ``validate_inputs`` gets them: nested for a
    DynamicCombo, None where linked. Raises InputError.
    """
    for entry in inputs:
        if isinstance(entry, io.DynamicCombo.Input):
            _check_choice(entry, values)
        elif (value := values.get(entry.id)) is not None:
            _check_value(entry, entry.id, value)


def _check_choice(entry: Any, values: Mapping[str, Any]) -> None:
    chosen = values.get(entry.id)
    if chosen is None:
        return  # the default, or a name that ``chosen_option`` will refuse
    inner = next((o.inputs for o in entry.options if o.key == chosen.get(entry.id)), ())
    for child in inner:
        value = chosen.get(child.id)
        if value is not None:
            _check_value(child, f"{entry.id}.{child.id}", value)


def _check_value(entry: Any, name: str, value: object) -> None:
    if isinstance(entry, io.Combo.Input) and value not in entry.options:
        raise no_choice(name, value, entry.options)
    if isinstance(entry, (io.Int.Input, io.Float.Input)):
        number = value if isinstance(value, (int, float)) else None
        if number is None or not entry.min <= number <= entry.max:
            limit = f"{entry.min} to {entry.max}"
            raise _refused(name, value, limit, "Set a number in that range.")


def remedy_of(option: Option) -> str:
    """What to do about a value that the endpoint refuses: a widget cannot be left away."""
    if option.left_out == "":
        return "Correct it or empty it."
    if option.left_out is not None:
        return f"Correct it or set it to {option.left_out}, which leaves it out."
    return "Correct it."


def no_choice(name: str, value: object, choices: Collection[Any]) -> InputError:
    """The error for a widget's value that is none of its choices."""
    limit = f"one of {', '.join(map(str, choices))}"
    return _refused(name, value, limit, "Choose one of them in the node.")


def _refused(name: str, value: object, limit: str, remedy: str) -> InputError:
    return InputError(
        f"{name} is {value!r}; it can be {limit}.",
        field=name,
        value=value,
        limit=limit,
        remedy=remedy,
    )


def chosen_option(name: str, given: Any, asked: object, choice: Any) -> dict[str, Any]:
    """What the DynamicCombo ``choice`` was set to, with the values of its option's own widgets.

    ``given`` is what the host passes: nothing at all both for an option that it does not know and
    for one left out, which is why ``asked`` is what the prompt itself has under ``name``. Raises
    InputError.
    """
    options = [option.key for option in choice.options]
    if isinstance(given, Mapping) and given.get(name) in options:
        return dict(given)
    if asked is None:
        return {name: options[0]}
    raise no_choice(name, asked, options)
