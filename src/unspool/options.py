"""Command-line options made from settings: every field of a settings class is an option, so none can be forgotten."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from unspool.errors import ConfigError

_NONE = object()
"""What `none` on the command line is read as: unlike None, which typer hands over for an option that was not given."""


def with_options(
    *settings: type[Any],
    leave_out: tuple[str, ...] = (),
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a command take every field of the dataclasses `settings` as an option.

    A field is declared as `name: Annotated[kind, "help"] = default`. `leave_out` names the others.
    `presets` maps the name of a job to what stands in for the defaults there, for the help text alone.

    The decorated function gets what was given in its last parameter, `given`, a dict by field name; an option that was
    not given is not in it, so that defaults stay where they are defined.
    """
    made: dict[str, inspect.Parameter] = {}
    for cls in settings:
        hints = typing.get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            if field.name not in leave_out:
                kind, text = typing.get_args(hints[field.name])
                defaults = {"default": field.default} | {
                    job: preset[field.name] for job, preset in presets.items() if field.name in preset
                }
                made[field.name] = _parameter(field.name, kind, f"{text[0].upper()}{text[1:]}. {_shown(defaults)}")

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]

        def called(**values: Any) -> Any:
            options = {name: values.pop(name) for name in made}
            given = {name: value for name, value in options.items() if value is not None}
            return command(**values, given={name: None if value is _NONE else value for name, value in given.items()})

        called.__signature__ = inspect.Signature([*own, *made.values()])
        called.__doc__, called.__name__ = command.__doc__, command.__name__
        return called

    return decorate


def in_panels(panels: Mapping[str, Collection[str]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the help of a command show the options of these names in panels, each with its title."""
    titles = {name: title for title, names in panels.items() for name in names}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command, eval_str=True)
        parameters = [_in_panel(each, titles.get(each.name)) for each in signature.parameters.values()]
        command.__signature__ = signature.replace(parameters=parameters)
        return command

    return decorate


def _in_panel(parameter: inspect.Parameter, title: str | None) -> inspect.Parameter:
    """The option in a panel; it may be shared with other commands, so that a copy is changed."""
    if title is None:
        return parameter
    kind, option = typing.get_args(parameter.annotation)
    option = copy.copy(option)
    option.rich_help_panel = title
    return parameter.replace(annotation=Annotated[kind, option])


def _parameter(name: str, kind: Any, text: str) -> inspect.Parameter:
    """The option of one field: `--name`, `--name/--no-name` for a bool, and `none` allowed where the kind allows it."""
    flag = f"--{name.replace('_', '-')}"
    names = [f"{flag}/--no-{flag[2:]}"] if kind is bool else [flag]
    more: dict[str, Any] = {}
    if _is_union(kind):
        (kind,) = (part for part in typing.get_args(kind) if part is not types.NoneType)
        more = {"parser": _or_none(kind), "metavar": f"{kind.__name__}|none"}
    # The text is markup to rich, which would take [default: 3] for a style.
    option = typer.Option(*names, help=text.replace("[", r"\["), show_default=False, **more)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _or_none(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        return _NONE if text.lower() == "none" else kind(text)

    return parse


def _shown(defaults: Mapping[str, Any]) -> str:
    return f"[{'; '.join(f'{job}: {_text(value)}' for job, value in defaults.items())}]"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "none" if value is None else str(value)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def key_values(pairs: list[str]) -> dict[str, Any]:
    """`["peephole=true", "chrono=50"]` as a dict; values are read as true, false, none, numbers, or else text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--cell-option {pair!r} has no value; expected name=value, such as peephole=true")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
