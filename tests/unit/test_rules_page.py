"""The example of the page about rules works as it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from schemas.transform import Hold, Skip
from support import source_texts
from support.orders import order
from worker.settings.transforms import Transform

if TYPE_CHECKING:
    from schemas.order import Order

PAGE = (source_texts.ROOT / "deploy" / "docs" / "rules.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"(?ms)^```python\n(# my_rules\.py.*?)^```", PAGE)


def sold(sku: str, store: str) -> Order:
    return order(store=store, lines=[{"name": "x", "sku": sku, "quantity": 1, "unit_price": "1"}])


def test_the_transform_of_the_page_changes_skips_and_holds() -> None:
    module: dict[str, Any] = {}
    exec(EXAMPLE, module)  # the text of our own page
    transform = Transform("my_rules:for_warehouse", module["for_warehouse"])
    changed = transform(sold("MUG", "nl"))
    assert not isinstance(changed, Skip | Hold)
    assert changed.lines[0].sku == "NL-MUG"
    assert transform(sold("GIFTCARD", "nl")) == Skip("a gift card is not shipped")
    assert transform(sold("MUG", "de")) == Hold("the store de has no prefix: add it to my_rules.py")
    for reason in ("a gift card is not shipped", "the store de has no prefix: add it to my_rules.py"):
        assert reason in re.sub(r"(?s)```python.*?```", "", PAGE)
