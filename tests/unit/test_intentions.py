"""The orders that a drain keeps between what it notes before a call and the call itself."""

from __future__ import annotations

from support.orders import order
from tasks.intentions import order_of


def test_an_order_is_read_once_unless_it_is_too_long_to_be_kept() -> None:
    short, long = (order("1", note=note).written().text for note in ("short", "long " * 2_000))
    assert order_of(short) is order_of(short)
    assert order_of(long) == order_of(long)
    assert order_of(long) is not order_of(long)
