"""The calls of OrderCloud about whole orders: list, read, write, and change the status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, load, missing, now, written
from worker.lab.sandbox.system import Response
from worker.lab.sandbox.wire import merge

if TYPE_CHECKING:
    from worker.lab.sandbox.ordercloud.account import OrderCloudAccount, Stored
    from worker.lab.sandbox.ordercloud.tokens import Token
    from worker.lab.sandbox.system import Call

_DIRECTIONS: Final = frozenset({"incoming", "outgoing", "all"})
#: By operation: the statuses it is allowed in, the status it leads to, and the error code of its refusal.
_MOVES: Final = {
    "approve": ({"AwaitingApproval"}, "Open", "MustBeAwaitingApproval"),
    "decline": ({"AwaitingApproval"}, "Declined", "MustBeAwaitingApproval"),
    "complete": ({"Open"}, "Completed", "CannotCompleteBadStatus"),
    "ship": ({"Open"}, "Completed", "CannotShipBadStatus"),
    "cancel": ({"Open", "AwaitingApproval"}, "Canceled", "CannotCancelInCurrentStatus"),
}
MOVES: Final = frozenset({*_MOVES, "submit"})


class OrderCall:
    """One call about an order. Its methods raise RefusedError."""

    def __init__(self, account: OrderCloudAccount, call: Call, token: Token, params: dict[str, str]) -> None:
        self.account, self.call, self.token = account, call, token
        self.direction, self.key = params["direction"].lower(), params.get("orderID", "")
        self.line_key = params.get("lineItemID", "")
        if self.direction not in _DIRECTIONS:
            raise invalid(f"{params['direction']} is not a direction.")

    def body(self) -> dict[str, Any]:
        """Return the posted object."""
        body = load(self.call.body)
        if not isinstance(body, dict):
            raise RefusedError(400, "Request.InvalidRequestBody", "Invalid or missing JSON body.")
        return body

    def order(self) -> Stored:
        """Return the order that the path names."""
        return self.account.find(self.direction, self.key)

    def respond(self, did: str, order: Stored, status: int = 200) -> Response:
        """Return the order in its current state."""
        key = order.doc["ID"]
        return Response(status, order.row.text, did, key, key)

    def list(self) -> Response:
        """Handle `GET /v1/orders/{direction}`."""
        query, account = Query(self.call.query, shape.ORDER), self.account
        submitted, matches = query.submitted(), query.matcher(account.numeric)
        rows = [row for row in account.listed(self.direction) if matches(row.doc)]
        if account.premium:
            rows = [row for row in rows if row.doc["IsSubmitted"] is submitted]
        if (len(rows) if account.cap_on == "count" else query.number * query.size) > account.cap:
            raise RefusedError(400, "Search.ResultSetTooLarge", f"More than {account.cap} results.")
        query.sort(rows, lambda row: row.doc)
        return Response(200, query.page(rows, lambda row: row.text), "listed", page_key="Items")

    def get(self) -> Response:
        """Handle `GET /v1/orders/{direction}/{orderID}`: the current state, whatever lists show."""
        return self.respond("got", self.order())

    def worksheet(self) -> Response:
        """Handle `GET .../worksheet`: the order and its lines in one response."""
        order = self.order()
        empty: dict[str, Any] = {"Subscription": None, "ShipEstimateResponse": None, "OrderCalculateResponse": None}
        lists = {"LineItems": list(order.lines.values()), "OrderPromotions": order.promotions}
        sheet = {"Order": order.row.doc, **lists, **empty}
        return Response(200, dump(sheet), "got", self.key, self.key)

    def promotions(self) -> Response:
        """Handle `GET .../promotions`: those that were applied."""
        body = Query(self.call.query, ("ID", "Code", "LineItemID")).page(self.order().promotions, dump)
        return Response(200, body, "listed_promotions", self.key, self.key, page_key="Items")

    def payments(self) -> Response:
        """Handle `GET .../payments`."""
        body = Query(self.call.query, ("ID", "Type")).page(self.order().payments, dump)
        return Response(200, body, "listed_payments", self.key, self.key, page_key="Items")

    def create(self) -> Response:
        """Handle `POST /v1/orders/{direction}`."""
        try:
            body = self.body()
        except RefusedError:
            text = "Cannot create order. Invalid or missing JSON body."
            raise RefusedError(400, "Order.CannotCreateInvalid", text) from None
        return self.respond("drafted", self._create(body, body.get("ID")), 201)

    def put(self) -> Response:
        """Handle `PUT /v1/orders/{direction}/{orderID}`: create, or replace; a field that is not sent is reset."""
        body, account = self.body(), self.account
        if not account.has(self.key):
            return self.respond("drafted", self._create(body, self.key), account.put_create)
        order = self.order()
        fields = shape.writable_fields(body, shape.ORDER_WRITABLE)
        self._prepare(order, body, fields)
        empty = shape.order({})
        for name in shape.ORDER_WRITABLE.keys() - shape.ON_CREATE_ONLY:
            order.doc[name] = fields.get(name, empty[name])
        account.save(order)
        return self.respond("replaced", order)

    def patch(self) -> Response:
        """Handle `PATCH /v1/orders/{direction}/{orderID}`: set the fields that are sent; `xp` is merged."""
        body, order = self.body(), self.order()
        fields = shape.writable_fields(body, shape.ORDER_WRITABLE)
        self._prepare(order, body, fields)
        for name in fields.keys() - shape.ON_CREATE_ONLY:
            order.doc[name] = merge(order.doc["xp"], fields["xp"]) if name == "xp" else fields[name]
        self.account.save(order)
        return self.respond("patched", order)

    def delete(self) -> Response:
        """Handle `DELETE /v1/orders/{direction}/{orderID}`."""
        self.account.remove(self.order())
        return Response(204, b"", "deleted", self.key, self.key)

    def validate(self) -> Response:
        """Handle `POST .../validate`: check whether the order could be submitted."""
        self._check_submittable(self.order())
        return Response(204, b"", "validated", self.key, self.key)

    def submit(self) -> Response:
        """Handle `POST .../submit`, which succeeds only once."""
        order = self.order()
        self._check_submittable(order)
        self.account.move(order, "AwaitingApproval" if self.account.approval else "Open")
        self.account.save(order, "created")
        return self.respond("created", order, 201)

    def move(self, op: str) -> Response:
        """Handle `POST .../submit`, `cancel`, `complete`, `approve`, `decline` and `ship`."""
        if op == "submit":
            return self.submit()
        order = self.order()
        allowed, new_status, code = _MOVES[op]
        status = order.doc["Status"]
        if status not in allowed or (op == "cancel" and status == "Open" and not self.account.cancel_open):
            raise RefusedError(400, f"Order.{code}", f"An order with the status {status} cannot take this step.")
        if op == "ship":
            for line in order.lines.values():
                line["QuantityShipped"] = line["Quantity"]
        if op == "approve":
            order.doc["DateApproved"] = written(now())
        self.account.move(order, new_status)
        self.account.save(order)
        return self.respond(op, order, 201)

    def _create(self, body: dict[str, Any], key: str | None) -> Stored:
        fields = shape.writable_fields(body, {"ID": str, **shape.ORDER_WRITABLE})
        company, user = fields.get("FromCompanyID"), fields.get("FromUserID")
        if self.direction != "outgoing" and not (company and user):
            text = "To create an incoming order, you must provide both FromCompanyID and FromUserID."
            raise RefusedError(400, "Order.CreateIncomingRequiresFromUser", text)
        if company and self.account.buyers is not None and company not in self.account.buyers:
            raise missing("Buyer", company)
        self._check_overrides(fields)
        direction = "outgoing" if self.direction == "outgoing" else "incoming"
        return self.account.create(direction, {**fields, "ID": key})

    def _prepare(self, order: Stored, body: dict[str, Any], fields: dict[str, Any]) -> None:
        """Refuse a write before any of it is done; then set the new ID, if the body has one."""
        self._check_overrides(fields)
        key = body.get("ID")
        if isinstance(key, str) and key:
            self.account.rename(order, key)

    def _check_overrides(self, fields: dict[str, Any]) -> None:
        """Refuse costs from a caller without the role that may set them."""
        for name, role, code in (
            ("ShippingCost", "OverrideShipping", "OverrideShippingPermission"),
            ("TaxCost", "OverrideTax", "OverrideTaxPermission"),
        ):
            if fields.get(name) is not None and not {role, "FullAccess"} & set(self.token.roles):
                raise RefusedError(403, f"Order.{code}", f"User must have {role} permission.")

    @staticmethod
    def _check_submittable(order: Stored) -> None:
        if order.doc["Status"] != "Unsubmitted":
            text = "Cannot submit order with this status. Order status must be Unsubmitted."
            raise RefusedError(400, "Order.CannotSubmitBadStatus", text)
        if not order.lines:
            text = "Cannot submit an order without any line items."
            raise RefusedError(400, "Order.CannotSubmitWithNoLineItems", text)
