"""Command-line options made from settings: every field of a settings class is an option, so none can be forgotten."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from unspool.errors import ConfigError


def with_options(
    *settings: type[Any], leave_out: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a command take every field of the dataclasses `settings` as an option.

    The decorated function gets what was given in its last parameter, `given`, a dict by field name; an option that was
    not given is not in it, so that defaults stay where they are defined.
    """
    fields: dict[str, tuple[Any, Any]] = {}
    for cls in settings:
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            if field.name not in leave_out:
                fields[field.name] = (hints[field.name], field.default)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]

        def called(**values: Any) -> Any:
            given = {name: values.pop(name) for name in fields}
            return command(**values, given={name: value for name, value in given.items() if value is not None})

        made = [_parameter(name, kind, default) for name, (kind, default) in fields.items()]
        called.__signature__ = inspect.Signature([*own, *made])
        called.__doc__, called.__name__ = command.__doc__, command.__name__
        return called

    return decorate


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    plain = [part for part in typing.get_args(kind) if part is not types.NoneType] if _is_union(kind) else [kind]
    flag = f"--{name.replace('_', '-')}"
    names = [f"{flag}/--no-{flag[2:]}"] if plain[0] is bool else [flag]
    shown = "none" if default is None else " ".join(map(str, default)) if isinstance(default, tuple) else default
    option = typer.Option(*names, help=f"[default: {shown}]", show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[plain[0] | None, option]
    )


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
