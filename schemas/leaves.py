"""The leaves of an order: its fields by path, each with the text by which two versions of it are compared."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from schemas.order import Address, Customer, Line, Order, PickupPoint, Shipping, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

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
#: The fields of a model: name, path and default.
_Fields = tuple[tuple[str, str, Any], ...]


def _fields(model: type[BaseModel], prefix: str = "") -> _Fields:
    paths = [(name, f"{prefix}{name}") for name in model.model_fields]
    return tuple(
        (name, path, model.model_fields[name].get_default(call_default_factory=True))
        for name, path in paths
        if path not in _PARTS
    )


_OWN: Final = tuple(field for field in _fields(Order) if field[0] not in _APART)
_OF_PARTS: Final = {tuple(path.split(".")): _fields(model, f"{path}.") for path, model in _PARTS.items()}
_OF_LINE: Final = _fields(Line)

#: The paths of all leaves of an order but those of its lines and of `custom`.
ORDER_LEAVES: Final = (
    *(path for _, path, _ in _OWN),
    *(path for fields in _OF_PARTS.values() for _, path, _ in fields),
)
#: The leaves of a line.
LINE_LEAVES: Final = tuple(name for name, _, _ in _OF_LINE)
#: Two bytes that change when the leaves do.
SHAPE: Final = blake2b("\n".join((*ORDER_LEAVES, "", *LINE_LEAVES)).encode(), digest_size=2).digest()


def order_leaves(order: Order) -> dict[str, str]:
    """Return the texts of the filled leaves by path, as ordered in ORDER_LEAVES; a default is not filled."""
    leaves = _filled(order, _OWN)
    for (first, *rest), fields in _OF_PARTS.items():
        part: Any = order.__dict__[first]
        for name in rest:
            part = part and part.__dict__[name]
        if part is not None:
            leaves |= _filled(part, fields)
    return leaves


def custom_leaves(order: Order) -> Iterator[tuple[str, str]]:
    """Yield name and text of each entry of `custom` that counts as a change of the order."""
    for name, value in order.custom.items():
        if name not in order.uncounted:
            yield name, _text(value)


def line_leaves(line: Line) -> dict[str, str]:
    """Return the texts of the filled leaves of a line, as ordered in LINE_LEAVES."""
    return _filled(line, _OF_LINE)


def _filled(part: BaseModel, fields: _Fields) -> dict[str, str]:
    values = part.__dict__
    return {
        path: value if type(value) is str else _text(value)
        for name, path, default in fields
        if (value := values[name]) is not None and value != default
    }


def _text(value: object) -> str:
    """Return a text that two values share only if they are equal. The order of the keys of a map does not count."""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True, default=_plain)
    return str(value)


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
