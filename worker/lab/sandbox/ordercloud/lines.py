"""The calls of OrderCloud about the parts of an order: its line items and its addresses."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zlib import crc32

from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.calls import OrderCall
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, missing, now, written
from worker.lab.sandbox.system import Response
from worker.lab.sandbox.wire import merge

if TYPE_CHECKING:
    from worker.lab.sandbox.ordercloud.account import Stored


class PartCall(OrderCall):
    """One call about a part of an order. Its methods raise RefusedError."""

    # --- line items ---

    def line_list(self) -> Response:
        """Handle `GET .../lineitems`."""
        order, query = self.order(), Query(self.call.query, shape.LINE)
        matches = query.matcher()
        lines = [line for line in order.lines.values() if matches(line)]
        query.sort(lines, lambda line: line)
        return Response(200, query.page(lines, dump), "listed_lines", self.key, self.key, page_key="Items")

    def line_get(self) -> Response:
        """Handle `GET .../lineitems/{lineItemID}`."""
        return self._respond_line("got_line", self._line(self.order()))

    def line_create(self) -> Response:
        """Handle `POST .../lineitems`."""
        body, order = self.body(), self.order()
        key = body.get("ID") or self.account.new_id()
        if key in order.lines:
            raise self.account.taken("LineItem", key)
        return self._save_line("added_line", order, self._make_line(order, key, body, None), 201)

    def line_put(self) -> Response:
        """Handle `PUT .../lineitems/{lineItemID}`: create, or replace."""
        body, order = self.body(), self.order()
        old = order.lines.get(self.line_key)
        status = 200 if old else self.account.put_create
        line = self._make_line(order, self.line_key, body, old)
        return self._save_line("replaced_line" if old else "added_line", order, line, status)

    def line_patch(self) -> Response:
        """Handle `PATCH .../lineitems/{lineItemID}`."""
        body, order = self.body(), self.order()
        old = self._line(order)
        merged = {name: old[name] for name in shape.LINE_WRITABLE} | body
        merged["xp"] = merge(old["xp"], body["xp"]) if "xp" in body else old["xp"]
        if "UnitPrice" not in body and not old["PriceOverridden"]:
            del merged["UnitPrice"]
        return self._save_line("patched_line", order, self._make_line(order, self.line_key, merged, old))

    def line_delete(self) -> Response:
        """Handle `DELETE .../lineitems/{lineItemID}`."""
        order = self.order()
        del order.lines[self._line(order)["ID"]]
        self.account.save(order)
        return Response(204, b"", "deleted_line", self.key, self.key)

    def line_shipto(self) -> Response:
        """Handle `PUT` and `PATCH .../lineitems/{lineItemID}/shipto`."""
        order = self.order()
        line = self._line(order)
        line["ShippingAddress"] = self._address(line["ShippingAddress"], "LineItem.CannotPatchShippingAddressIfMissing")
        return self._save_line("addressed_line", order, line)

    # --- addresses of the order ---

    def billto(self) -> Response:
        """Handle `PUT` and `PATCH .../billto`."""
        order = self.order()
        address = self._address(order.doc["BillingAddress"], "BillingAddress.CannotModifyNotFound")
        order.doc |= {"BillingAddress": address, "BillingAddressID": None}
        self.account.save(order)
        return self.respond("addressed", order)

    def shipto(self) -> Response:
        """Handle `PUT` and `PATCH .../shipto`: set the address of every line, as an order shows none of its own."""
        order = self.order()
        address = self._address(order.ship_to, "Address.CannotUpdateNotFound")
        if self.account.shipto_kept:
            order.ship_to = address
        for line in order.lines.values():
            line["ShippingAddress"] = dict(address)
        self.account.save(order)
        return self.respond("addressed", order)

    def _address(self, old: dict[str, Any] | None, code: str) -> dict[str, Any]:
        body = self.body()
        if self.call.method == "PUT":
            return shape.address(body)
        if old is None:
            raise RefusedError(400, code, "There is no address to modify. Use PUT to create one.")
        return shape.address({**old, **body, "xp": merge(old["xp"], body.get("xp", old["xp"]))})

    def _line(self, order: Stored) -> dict[str, Any]:
        if self.line_key not in order.lines:
            raise missing("LineItem", self.line_key)
        return order.lines[self.line_key]

    def _make_line(self, order: Stored, key: str, body: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
        """Return the line of a body, with the read-only fields of the old line."""
        fields = shape.writable_fields(body, shape.LINE_WRITABLE)
        product = fields.get("ProductID")
        if not product:
            raise invalid("ProductID is required.")
        if old is not None and product != old["ProductID"]:
            text = "Cannot change the Product ID of an existing Line Item."
            raise RefusedError(400, "LineItem.CannotChangeProductID", text)
        self._check_product(product)
        if fields.setdefault("Quantity", 1) is None or fields["Quantity"] < 1:
            raise RefusedError(400, "LineItem.QuantityMustBePositive", "Line Item's Quantity must be greater than 0.")
        price = fields.pop("UnitPrice", None)
        if price is not None and not {"OverrideUnitPrice", "FullAccess"} & set(self.token.roles):
            text = "User does not have role(s) required to perform this action."
            raise RefusedError(403, "Auth.InsufficientRoles", text, {"SufficientRoles": ["OverrideUnitPrice"]})
        kept = {name: value for name, value in (old or {}).items() if name not in shape.LINE_WRITABLE}
        start = {"DateAdded": written(now()), "ShippingAddress": order.ship_to}
        prices = {"UnitPrice": _list_price(product) if price is None else price, "PriceOverridden": price is not None}
        return shape.line({**start, **kept, **fields, **prices, "ID": key})

    def _check_product(self, product: str) -> None:
        if self.account.products is None or product in self.account.products:
            return
        if self.account.unknown_product == "NotFound":
            raise missing("Product", product)
        text = "This Seller (Order.ToCompanyID) does not supply this product."
        raise RefusedError(400, "LineItem.ProductNotAvailableFromSeller", text)

    def _save_line(self, did: str, order: Stored, line: dict[str, Any], status: int = 200) -> Response:
        order.lines[line["ID"]] = line
        self.account.save(order)
        return self._respond_line(did, line, status)

    def _respond_line(self, did: str, line: dict[str, Any], status: int = 200) -> Response:
        return Response(status, dump(line), did, self.key, self.key)


def _list_price(product: str) -> Decimal:
    """Return the price of a product where the caller sets none: arbitrary, but always the same."""
    return Decimal(crc32(product.encode()) % 10_000 + 1).scaleb(-2)
