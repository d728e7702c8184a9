"""The calls of OrderCloud that are about the parts of an order: its line items and its addresses."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zlib import crc32

from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.calls import Orders
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, missing, now, written
from worker.lab.sandbox.system import Answer

if TYPE_CHECKING:
    from worker.lab.sandbox.ordercloud.account import OrderCloudAccount, Stored
    from worker.lab.sandbox.ordercloud.tokens import Token
    from worker.lab.sandbox.system import Call


class Parts(Orders):
    """One call about a part of an order. Its methods raise RefusedError."""

    def __init__(self, account: OrderCloudAccount, call: Call, token: Token, params: dict[str, str]) -> None:
        super().__init__(account, call, token, params)
        self.line_key = params.get("lineItemID", "")

    # --- line items ---

    def line_list(self) -> Answer:
        """`GET .../lineitems`."""
        found, query = self.order(), Query(self.call.query, shape.LINE)
        wants = query.matches()
        lines = [line for line in found.lines.values() if wants(line)]
        query.in_order(lines, lambda line: line)
        return Answer(200, query.page(lines, dump), "listed_lines", self.key, self.key, page_key="Items")

    def line_get(self) -> Answer:
        """`GET .../lineitems/{lineItemID}`."""
        return self._line_answer("got_line", self._line(self.order()))

    def line_create(self) -> Answer:
        """`POST .../lineitems`."""
        given, found = self.body(), self.order()
        key = given.get("ID") or self.account.new_id()
        if key in found.lines:
            raise self.account.taken("LineItem", key)
        return self._line_saved("added_line", found, self._made(found, key, given, None), 201)

    def line_put(self) -> Answer:
        """`PUT .../lineitems/{lineItemID}`: create, or replace whole."""
        given, found = self.body(), self.order()
        old = found.lines.get(self.line_key)
        status = 200 if old else self.account.put_create
        made = self._made(found, self.line_key, given, old)
        return self._line_saved("replaced_line" if old else "added_line", found, made, status)

    def line_patch(self) -> Answer:
        """`PATCH .../lineitems/{lineItemID}`."""
        given, found = self.body(), self.order()
        old = self._line(found)
        merged = {name: old[name] for name in shape.LINE_WRITABLE} | given
        merged["xp"] = shape.merged(old["xp"], given["xp"]) if "xp" in given else old["xp"]
        if "UnitPrice" not in given and not old["PriceOverridden"]:
            del merged["UnitPrice"]
        return self._line_saved("patched_line", found, self._made(found, self.line_key, merged, old))

    def line_delete(self) -> Answer:
        """`DELETE .../lineitems/{lineItemID}`."""
        found = self.order()
        del found.lines[self._line(found)["ID"]]
        self.account.save(found)
        return Answer(204, b"", "deleted_line", self.key, self.key)

    def line_shipto(self) -> Answer:
        """`PUT` or `PATCH .../lineitems/{lineItemID}/shipto`."""
        found = self.order()
        line = self._line(found)
        line["ShippingAddress"] = self._address(line["ShippingAddress"], "LineItem.CannotPatchShippingAddressIfMissing")
        return self._line_saved("addressed_line", found, line)

    # --- addresses of the order ---

    def billto(self) -> Answer:
        """`PUT` or `PATCH .../billto`."""
        found = self.order()
        address = self._address(found.doc["BillingAddress"], "BillingAddress.CannotModifyNotFound")
        found.doc |= {"BillingAddress": address, "BillingAddressID": None}
        self.account.save(found)
        return self.answer("addressed", found)

    def shipto(self) -> Answer:
        """`PUT` or `PATCH .../shipto`: the address of every line, as an order has none of its own to show."""
        found = self.order()
        address = self._address(found.ship_to, "Address.CannotUpdateNotFound")
        if self.account.shipto_kept:
            found.ship_to = address
        for line in found.lines.values():
            line["ShippingAddress"] = dict(address)
        self.account.save(found)
        return self.answer("addressed", found)

    def _address(self, old: dict[str, Any] | None, code: str) -> dict[str, Any]:
        given = self.body()
        if self.call.method == "PUT":
            return shape.address(given)
        if old is None:
            raise RefusedError(400, code, "There is no address to modify. Use PUT to create one.")
        return shape.address({**old, **given, "xp": shape.merged(old["xp"], given.get("xp", old["xp"]))})

    def _line(self, found: Stored) -> dict[str, Any]:
        if self.line_key not in found.lines:
            raise missing("LineItem", self.line_key)
        return found.lines[self.line_key]

    def _made(self, found: Stored, key: str, given: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
        """The line that a body makes, over what of the old line nobody may write."""
        fields = shape.wanted(given, shape.LINE_WRITABLE)
        product = fields.get("ProductID")
        if not product:
            raise invalid("ProductID is required.")
        if old is not None and product != old["ProductID"]:
            text = "Cannot change the Product ID of an existing Line Item."
            raise RefusedError(400, "LineItem.CannotChangeProductID", text)
        self._must_know(product)
        if fields.setdefault("Quantity", 1) is None or fields["Quantity"] < 1:
            raise RefusedError(400, "LineItem.QuantityMustBePositive", "Line Item's Quantity must be greater than 0.")
        price = fields.pop("UnitPrice", None)
        if price is not None and not {"OverrideUnitPrice", "FullAccess"} & set(self.token.roles):
            text, data = "User does not have role(s) required to perform this action.", ["OverrideUnitPrice"]
            raise RefusedError(403, "Auth.InsufficientRoles", text, {"SufficientRoles": data})
        kept = {name: value for name, value in (old or {}).items() if name not in shape.LINE_WRITABLE}
        start = {"DateAdded": written(now()), "ShippingAddress": found.ship_to}
        prices = {"UnitPrice": _list_price(product) if price is None else price, "PriceOverridden": price is not None}
        return shape.line({**start, **kept, **fields, **prices, "ID": key})

    def _must_know(self, product: str) -> None:
        if self.account.products is None or product in self.account.products:
            return
        if self.account.unknown_product == "NotFound":
            raise missing("Product", product)
        text = "This Seller (Order.ToCompanyID) does not supply this product."
        raise RefusedError(400, "LineItem.ProductNotAvailableFromSeller", text)

    def _line_saved(self, did: str, found: Stored, line: dict[str, Any], status: int = 200) -> Answer:
        found.lines[line["ID"]] = line
        self.account.save(found)
        return self._line_answer(did, line, status)

    def _line_answer(self, did: str, line: dict[str, Any], status: int = 200) -> Answer:
        return Answer(status, dump(line), did, self.key, self.key)


def _list_price(product: str) -> Decimal:
    """What a product costs where nobody says otherwise: anything, but always the same."""
    return Decimal(crc32(product.encode()) % 10_000 + 1).scaleb(-2)
