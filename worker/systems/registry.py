"""Collects the adapters of one sort: the built-in ones, and those of other packages."""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, TypeVar, cast

from worker.errors import ConfigError
from worker.systems.declared import Undeclared, require_declared

if TYPE_CHECKING:
    from collections.abc import Mapping

A = TypeVar("A")


def load_kinds(group: str, base: type, built_in: Mapping[str, type[A]]) -> dict[str, type[A]]:
    """Return the adapter classes by kind: `built_in`, and the subclasses of `base` under the entry points `group`.

    Raises ConfigError for an entry point that cannot be imported, is not a complete adapter, or has a kind that is
    taken.
    """
    adapters = dict(built_in)
    for point in entry_points(group=group):
        if point.name in adapters:
            taken = f"the kind {point.name} is taken by {adapters[point.name].__module__}"
            raise _problem(point, taken, "Uninstall one of the two packages")
        adapters[point.name] = cast("type[A]", _load(point, base))
    return adapters


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
            point, f"{point.value} is no complete {base.__name__}", f"Name a class with all of {base.__name__}"
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
