"""The options that a buyer chose, as DropStream sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.order import Option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas import dropstream_order as wire


def options_of(item: wire.Item) -> tuple[Option, ...]:
    """Return the options in their order: two may have one name, and one without a value is none."""
    pairs = [(name, text_of(value)) for name, value in _pairs(item)]
    return tuple(Option(name=name, value=text) for name, text in pairs if name.strip() and text and text.strip())


def _pairs(item: wire.Item) -> Iterator[tuple[str, Any]]:
    yield "color", item.color_description
    yield "size", item.size_description
    yield "product_options", item.product_options
    for option in item.options:
        yield from option.items()


def text_of(value: Any) -> str | None:
    """Return one value as text; None for null, and for an object or a list, which are kept as sent."""
    if value is None or isinstance(value, dict | list):
        return None
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
