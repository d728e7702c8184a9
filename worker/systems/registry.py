"""Collects the adapters of one sort: the built-in ones, and those of other packages."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Any, TypeVar, cast

from worker.errors import ConfigError
from worker.systems.declared import Undeclared, require_declared

A = TypeVar("A")


class Kinds(Mapping[str, type[A]]):
    """The adapter classes by kind. A built-in one is imported when it is looked up: a process needs only some."""

    def __init__(self, adapters: Mapping[str, str | type[A]]) -> None:
        self._adapters = dict(adapters)

    def __getitem__(self, kind: str) -> type[A]:
        adapter = self._adapters[kind]
        if isinstance(adapter, str):
            adapter = self._adapters[kind] = cast("type[A]", resolve_name(adapter))
        return adapter

    def __contains__(self, kind: object) -> bool:
        return kind in self._adapters

    def __iter__(self) -> Iterator[str]:
        return iter(self._adapters)

    def __len__(self) -> int:
        return len(self._adapters)


def load_kinds(group: str, base: type, built_in: Mapping[str, str]) -> Kinds[Any]:
    """Return the adapters by kind: `built_in` ("module:class"), and those that entry points of `group` name.

    Raises ConfigError for an entry point that cannot be imported, is not a complete subclass of `base`, or has a kind
    that is taken.
    """
    adapters: dict[str, str | type] = dict(built_in)
    for point in entry_points(group=group):
        if point.name in built_in:
            taken = f"the kind {point.name} is taken by {built_in[point.name].partition(':')[0]}"
            raise _problem(point, taken, "Uninstall one of the two packages")
        if point.name in adapters:
            raise _problem(point, f"the kind {point.name} is taken by another package", "Uninstall one of the two")
        adapters[point.name] = _load(point, base)
    return Kinds(adapters)


def _load(point: EntryPoint, base: type) -> type:
    try:
        adapter = point.load()
    except Undeclared as error:
        raise _undeclared(point, error) from error
    except Exception as error:  # a module of another package may fail in any way
        reason = f"{point.value} cannot be imported: {type(error).__name__}"
        raise _problem(point, reason, "Reinstall or remove that package") from error
    if not (inspect.isclass(adapter) and issubclass(adapter, base)) or inspect.isabstract(adapter):
        raise _problem(
            point,
            f"{point.value} is not a complete {base.__name__}",
            f"Name a class with all methods of {base.__name__}",
        )
    try:
        require_declared(adapter, base)
    except Undeclared as error:
        raise _undeclared(point, error) from error
    if getattr(adapter, "kind", None) != point.name:
        raise _problem(point, f"{point.value} has another kind", "Name the entry point after the kind of its class")
    return adapter


def _undeclared(point: EntryPoint, error: Undeclared) -> ConfigError:
    names = ", ".join(error.names)
    return _problem(point, f"{point.value} does not declare {names}", f"Give its class a value for {names}")


def _problem(point: EntryPoint, reason: str, remedy: str) -> ConfigError:
    package = f"package {point.dist.name}" if point.dist else "installed packages"
    return ConfigError(package, f"{point.group}.{point.name}", reason, f"{remedy}.")
