"""The leaves of an order: its fields by path, each with the text by which two versions of it are compared."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from schemas.order import Address, Customer, Line, Order, PickupPoint, Shipping, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Fields that identify the order, that say nothing of its content, or that are compared in their own way.
_APART: Final = frozenset({"provider", "external_id", "version", "updated_at", "uncounted", "lines", "custom"})
#: The parts of an order whose fields are leaves of their own. Any other list or part is one leaf.
_PARTS: Final[dict[str, type[BaseModel]]] = {
    "totals": Totals,
    "customer": Customer,
    "shipping_address": Address,
    "billing_address": Address,
    "shipping": Shipping,
    "shipping.pickup_point": PickupPoint,
}
#: The fields of a model, each with its default.
_Fields = tuple[tuple[str, Any], ...]


def _fields(model: type[BaseModel], path: str = "") -> _Fields:
    names = [name for name in model.model_fields if f"{path}{name}" not in _PARTS]
    return tuple((name, model.model_fields[name].get_default(call_default_factory=True)) for name in names)


_OWN: Final = tuple(pair for pair in _fields(Order) if pair[0] not in _APART)
_OF_PARTS: Final = {path: _fields(model, f"{path}.") for path, model in _PARTS.items()}
_OF_LINE: Final = _fields(Line)

#: The paths of all leaves of an order but those of its lines and of `custom`.
ORDER_LEAVES: Final = (
    *(name for name, _ in _OWN),
    *(f"{path}.{name}" for path, fields in _OF_PARTS.items() for name, _ in fields),
)
#: The leaves of a line.
LINE_LEAVES: Final = tuple(name for name, _ in _OF_LINE)
#: Two bytes that change when the leaves do.
SHAPE: Final = blake2b("\n".join((*ORDER_LEAVES, "", *LINE_LEAVES)).encode(), digest_size=2).digest()


def order_leaves(order: Order) -> Iterator[tuple[str, str]]:
    """Yield path and text of each filled leaf; a leaf that has its default is not filled."""
    yield from _filled(order, _OWN, "")
    for path, fields in _OF_PARTS.items():
        part: Any = order
        for name in path.split("."):
            part = part and getattr(part, name)
        if part is not None:
            yield from _filled(part, fields, f"{path}.")


def custom_leaves(order: Order) -> Iterator[tuple[str, str]]:
    """Yield name and text of each entry of `custom` that counts as a change of the order."""
    for name, value in order.custom.items():
        if name not in order.uncounted:
            yield name, _text(value)


def line_leaves(line: Line) -> Iterator[tuple[str, str]]:
    """Yield name and text of each filled leaf of a line."""
    return _filled(line, _OF_LINE, "")


def _filled(part: BaseModel, fields: Iterable[tuple[str, Any]], prefix: str) -> Iterator[tuple[str, str]]:
    values = part.__dict__
    for name, default in fields:
        value = values[name]
        if value is not None and value != default:
            yield prefix + name, value if type(value) is str else _text(value)


def _text(value: object) -> str:
    """Return a text that two values share only if they are equal. The order of the keys of a map does not count."""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True, default=_plain)
    return str(value)


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
