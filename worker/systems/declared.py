"""What the class of an adapter must declare itself, because no default is right for every system."""

from __future__ import annotations


class Undeclared(TypeError):
    """The class of an adapter does not declare what its contract leaves to it."""

    def __init__(self, adapter: type, names: list[str]) -> None:
        super().__init__(f"{adapter.__name__} does not declare {', '.join(names)} (see the contract of its base class)")
        self.names = names


def require_declared(adapter: type, base: type) -> None:
    """Raise Undeclared if `adapter` has no value for a class variable that the contract `base` leaves without one."""
    names = [name for name, kind in vars(base).get("__annotations__", {}).items() if str(kind).startswith("ClassVar")]
    missing = [name for name in names if not hasattr(adapter, name)]
    if missing:
        raise Undeclared(adapter, missing)
