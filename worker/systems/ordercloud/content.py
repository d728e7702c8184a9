"""What an order becomes in OrderCloud: checked completely, before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from schemas import ordercloud_request as wire
from schemas.changes import line_keys
from schemas.ordercloud_amounts import NoSuchTotal, Piece, amounts_of
from schemas.ordercloud_place import bill_to, ship_to
from worker.errors import Held
from worker.systems.references import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.order import Line, Order
    from schemas.ordercloud_amounts import Amounts
    from schemas.ordercloud_place import Place

#: The characters of an id ("Models"), besides "_", which escapes the others.
ALPHABET: Final = "A-Za-z0-9-"
#: The most characters of an id ("Orders, create").
LONGEST: Final = 100
_PRODUCT_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")
#: Ends the id of the second line that a line becomes. No escape begins like that.
_SECOND: Final = "_r"


class Options(Protocol):
    """The options of a target that decide what an order becomes."""

    @property
    def product_map(self) -> Mapping[str, str]:
        """The products by the codes of goods."""

    @property
    def products(self) -> str:
        """Whether a sku that is not in the map is the product itself: "sku" or "map"."""

    @property
    def prices(self) -> wire.Prices:
        """Whose prices count."""

    @property
    def country(self) -> str | None:
        """The country of addresses that name none."""


@dataclass(frozen=True)
class Content:
    """The content of an order, ready to be written."""

    order: Order
    amounts: Amounts | None
    lines: tuple[wire.LineRequest, ...]
    ship_to: Place
    bill_to: Place

    def line(self, key: str) -> Line | None:
        """Return the line of the order with this key."""
        return dict(zip(line_keys(self.order), self.order.lines, strict=True)).get(key)


def content_of(order: Order, options: Options, target: str) -> Content:
    """Return the content of an order. Raise Held with everything that OrderCloud would not take."""
    place, lacking = ship_to(order, options.country)
    problems = [f"shipping_address.{field} is missing, which OrderCloud requires" for field in lacking]
    # A line with the quantity 0 has no goods; an amount of it is a problem of the total.
    numbered = {n: line for n, line in enumerate(order.lines, 1) if line.quantity}
    lines, keys = list(numbered.values()), [key for n, key in enumerate(line_keys(order), 1) if n in numbered]
    odd = [n for n, line in numbered.items() if line.quantity % 1 or line.quantity < 1]
    if odd:
        problems.append(f"{_lines_text(odd)}: quantity: OrderCloud accepts only whole quantities of 1 or more")
    products = list(_products(numbered, options, target, problems))
    if not lines:
        problems.append("lines: there is none to be shipped")
    amounts = None
    if options.prices == "ours" and not odd:
        try:
            amounts = amounts_of(order.model_copy(update={"lines": tuple(lines)}))
        except NoSuchTotal as error:
            problems.append(f"totals: {error}")
    if problems:
        raise Held(
            f"{'; '.join(problems)}, then: intake release {target}; or give it up: intake release {target} "
            f"{order.key} --drop"
        )
    pieces = amounts.lines if amounts else [(Piece(int(line.quantity), None),) for line in lines]
    rows = zip(numbered, keys, products, line_ids(keys), pieces, strict=True)
    requests = tuple(
        wire.LineRequest.of(order, number, key, product, line_id + (_SECOND if n else ""), piece)
        for number, key, product, line_id, parts in rows
        for n, piece in enumerate(parts)
    )
    return Content(order, amounts, requests, place, bill_to(order, options.country))


def line_ids(keys: Sequence[str]) -> list[str]:
    """Return an id for each line, made of its key. Two ids never differ in the case alone: a database may ignore it."""
    ids: dict[str, str] = {}
    for key in keys:
        line_id = encode(key, ALPHABET, LONGEST - len(_SECOND))
        if line_id.lower() in ids:
            line_id = encode(f"{key}{' ' * LONGEST}", ALPHABET, LONGEST - len(_SECOND))
        ids[line_id.lower()] = line_id
    return list(ids.values())


def _products(lines: Mapping[int, Line], options: Options, target: str, problems: list[str]) -> Iterator[str]:
    """Yield the product of each line. Add one problem for all codes that no product is known for."""
    unknown: dict[str, list[int]] = {}
    nameless: list[int] = []
    for number, line in lines.items():
        codes = [code for code in (line.sku, line.ean, line.product_id) if code]
        known = (options.product_map.get(code) for code in (*codes, line.name))
        product = next(filter(None, known), None)
        if product is None and options.products == "sku" and line.sku and _PRODUCT_ID.fullmatch(line.sku):
            product = line.sku
        if product is None and codes:
            unknown.setdefault(codes[0], []).append(number)
        elif product is None:
            nameless.append(number)
        yield product or ""
    if nameless:
        problems.append(f"{_lines_text(nameless)}: no sku, by which products are identified")
    if unknown:
        skus = ", ".join(f"{code} ({_lines_text(numbers)})" for code, numbers in unknown.items())
        problems.append(
            f"no product is known for {len(unknown)} sku{'s' if len(unknown) > 1 else ''}: {skus}: add them to "
            f"targets.{target}.product_map (and reload Intake if it is in intake.toml itself)"
        )


def _lines_text(numbers: Sequence[int]) -> str:
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
