"""Corrections: values that a person set in place of what the source says, until the source changes that very field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from schemas.cancellation import stop
from schemas.changes import line_keys
from schemas.leaves import LINE_LEAVES, ORDER_LEAVES, line_leaves, order_leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.order import Order

#: What identifies an order, says what becomes of it, or is no single value: only the source changes it.
_FIXED: Final = frozenset(
    {
        *("display_id", "source_id", "store", "status", "status_raw", "removed", "combined_into", "test", "ordered_at"),
        *("cancelled_lines", "payments", "tags", "discount_codes"),
    }
)
_FIXED_OF_LINE: Final = frozenset({"id", "options", "custom"})
#: The fields of an order, and of a line of it, that can be corrected.
FIELDS: Final = tuple(path for path in ORDER_LEAVES if path not in _FIXED)
LINE_FIELDS: Final = tuple(name for name in LINE_LEAVES if name not in _FIXED_OF_LINE)
_LINES: Final = "lines."


class NoCorrection(Exception):
    """A field cannot be corrected, or not to this value; the message names the field, never a value."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The value of one field, as the person wrote it ("": empty)."""

    value: str
    #: A digest of what the source said when the person set it; "" if it said nothing.
    source: str
    #: When (Unix milliseconds), and by whom.
    at: int
    by: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """An order with its corrections."""

    #: The order as it is sent.
    order: Order
    #: The corrections that are still in force, and the fields whose correction has ended: the source changed them.
    remaining: Mapping[str, Correction]
    ended: tuple[str, ...]


def fields_of(order: Order) -> dict[str, str]:
    """Return the text of each field that can be corrected, by its path; "" for an empty one.

    The path of a field of a line is "lines.KEY.sku", with the key of the line among the versions of the order (see
    `line_keys`), or "lines.sku" in an order of one line. A part that the order does not have has no fields.
    """
    leaves = order_leaves(order)
    texts = {path: leaves.get(path, "") for path in FIELDS if _has_part(order, path)}
    for key, line in zip(line_keys(order), order.lines, strict=True):
        filled = line_leaves(line)
        texts |= {f"{_LINES}{key}.{name}": filled.get(name, "") for name in LINE_FIELDS}
    return texts


def _has_part(order: Order, path: str) -> bool:
    part: Any = order
    for name in path.split(".")[:-1]:
        part = getattr(part, name)
        if part is None:
            return False
    return True


def full_path(order: Order, path: str) -> str:
    """Return the path by which a correction of this field is kept; raise NoCorrection for a field without one."""
    known = fields_of(order)
    if path in known:
        return path
    first, _, name = path.partition(".")
    if first == "lines" and name in LINE_FIELDS and len(order.lines) == 1:
        return f"{_LINES}{line_keys(order)[0]}.{name}"
    if first in _FIXED or path in {"provider", "external_id"}:
        raise NoCorrection(f"{first} cannot be corrected: it identifies the order, or only the source can change it")
    if first == "lines":
        keys = ", ".join(line_keys(order)) or "none"
        raise NoCorrection(f"{path} is not a field of a line: write lines.KEY.sku, where KEY is one of {keys}")
    if path in FIELDS:
        raise NoCorrection(f"{path} cannot be corrected: the order has no {path.rpartition('.')[0]}")
    raise NoCorrection(f"{path} is not a field of an order")


def public_name(path: str) -> str:
    """Return the name of a field for a history or a log: the key of a line may be its name, which is a value."""
    return f"{_LINES}*.{path.rpartition('.')[2]}" if path.startswith(_LINES) else path


def digest_of(order: Order, path: str, text: str) -> str:
    """Return a digest of the text of a field; two orders with one text have different ones. "" for an empty field."""
    if not text:
        return ""
    return blake2b(f"{order.key}\0{path}\0{text}".encode(errors="surrogatepass"), digest_size=12).hexdigest()


def corrected(order: Order, corrections: Mapping[str, Correction]) -> Corrected:
    """Return what the source says with the corrections on top.

    A correction ends where the source says something else than when it was made. An order that is to be cancelled or is
    on hold may come without its content: it ends no correction.
    """
    texts = fields_of(order)
    valid = {path: each for path, each in corrections.items() if _is_current(order, texts, path, each)}
    remaining = corrections if stop(order) else valid
    result = order
    for path, each in valid.items():
        result = _with(order, result, path, each.value)
    return Corrected(result, remaining, tuple(path for path in corrections if path not in remaining))


def _is_current(order: Order, texts: Mapping[str, str], path: str, correction: Correction) -> bool:
    if path not in texts or digest_of(order, path, texts[path]) != correction.source:
        return False
    try:
        _with(order, order, path, correction.value)
    except NoCorrection:  # the rules for the field have changed since
        return False
    return True


def check(order: Order, path: str, value: str) -> None:
    """Raise NoCorrection if the field cannot have this value."""
    _with(order, order, path, value)


def _with(source: Order, order: Order, path: str, value: str) -> Order:
    """Return `order` with one field set. Lines are those of `source`: a corrected SKU may be part of a line's key."""
    try:
        if path.startswith(_LINES):
            key, _, name = path.removeprefix(_LINES).rpartition(".")
            at = line_keys(source).index(key)
            lines = [*order.lines]
            lines[at] = _set(lines[at], (name,), value)
            return order.model_copy(update={"lines": tuple(lines)})
        first, *below = path.split(".")
        changed = _set(getattr(order, first), tuple(below), value) if below else value
        return type(order).model_validate({**order.__dict__, first: changed})
    except ValidationError as error:
        [reason, *_] = error.errors(include_input=False, include_url=False, include_context=False)
        raise NoCorrection(f"{path}: {reason['msg'].removeprefix('Value error, ')}") from None


def _set(part: Any, path: tuple[str, ...], value: str) -> Any:
    """Return a part of an order with the field at `path` set, checked by its model."""
    name, *below = path
    model: type[BaseModel] = type(part)
    new = _set(getattr(part, name), tuple(below), value) if below else value
    return model.model_validate({**part.__dict__, name: new})


def to_json(corrections: Mapping[str, Correction]) -> str:
    """Return the corrections as JSON; "" for none."""
    if not corrections:
        return ""
    rows = {path: [each.value, each.source, each.at, each.by] for path, each in corrections.items()}
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str) -> dict[str, Correction]:
    """Return what `to_json` wrote."""
    rows: dict[str, Any] = json.loads(text) if text else {}
    return {path: Correction(*row) for path, row in rows.items()}
