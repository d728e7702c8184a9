"""The calls of OrderCloud that are about whole orders: list, read, write, and move from status to status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.ordercloud import shape
from worker.lab.sandbox.ordercloud.query import Query
from worker.lab.sandbox.ordercloud.wire import RefusedError, dump, invalid, load, missing, now, written
from worker.lab.sandbox.system import Answer

if TYPE_CHECKING:
    from worker.lab.sandbox.ordercloud.account import OrderCloudAccount, Stored
    from worker.lab.sandbox.ordercloud.tokens import Token
    from worker.lab.sandbox.system import Call

_DIRECTIONS: Final = frozenset({"incoming", "outgoing", "all"})
#: Operation: the statuses it may start from, the one it leads to, and the code of its refusal.
_MOVES: Final = {
    "approve": ({"AwaitingApproval"}, "Open", "MustBeAwaitingApproval"),
    "decline": ({"AwaitingApproval"}, "Declined", "MustBeAwaitingApproval"),
    "complete": ({"Open"}, "Completed", "CannotCompleteBadStatus"),
    "ship": ({"Open"}, "Completed", "CannotShipBadStatus"),
    "cancel": ({"Open", "AwaitingApproval"}, "Canceled", "CannotCancelInCurrentStatus"),
}
MOVES: Final = frozenset({*_MOVES, "submit"})


class Orders:
    """One call about an order. Its methods raise RefusedError."""

    def __init__(self, account: OrderCloudAccount, call: Call, token: Token, params: dict[str, str]) -> None:
        self.account, self.call, self.token = account, call, token
        self.direction, self.key = params["direction"].lower(), params.get("orderID", "")
        if self.direction not in _DIRECTIONS:
            raise invalid(f"{params['direction']} is not a direction.")

    def body(self) -> dict[str, Any]:
        """The posted object."""
        given = load(self.call.body)
        if not isinstance(given, dict):
            raise RefusedError(400, "Request.InvalidRequestBody", "Invalid or missing JSON body.")
        return given

    def order(self) -> Stored:
        """The order that the path names."""
        return self.account.find(self.direction, self.key)

    def answer(self, did: str, order: Stored, status: int = 200) -> Answer:
        """The order as it is now."""
        key = order.doc["ID"]
        return Answer(status, order.row.text, did, key, key)

    def list(self) -> Answer:
        """`GET /v1/orders/{direction}`."""
        query, account = Query(self.call.query, shape.ORDER), self.account
        submitted, wants = query.submitted(), query.matches(account.numeric)
        rows = [row for row in account.listed(self.direction) if wants(row.doc)]
        if account.premium:
            rows = [row for row in rows if row.doc["IsSubmitted"] is submitted]
        if (len(rows) if account.cap_on == "count" else query.number * query.size) > account.cap:
            raise RefusedError(400, "Search.ResultSetTooLarge", f"More than {account.cap} results.")
        query.in_order(rows, lambda row: row.doc)
        return Answer(200, query.page(rows, lambda row: row.text), "listed", page_key="Items")

    def get(self) -> Answer:
        """`GET /v1/orders/{direction}/{orderID}`: as it is now, whatever lists show."""
        return self.answer("got", self.order())

    def worksheet(self) -> Answer:
        """`GET .../worksheet`: the order and its lines in one answer."""
        found = self.order()
        rest: dict[str, Any] = {"OrderPromotions": [], "Subscription": None, "ShipEstimateResponse": None}
        sheet = {"Order": found.row.doc, "LineItems": list(found.lines.values()), **rest}
        return Answer(200, dump(sheet), "got", self.key, self.key)

    def create(self) -> Answer:
        """`POST /v1/orders/{direction}`."""
        try:
            given = self.body()
        except RefusedError:
            text = "Cannot create order. Invalid or missing JSON body."
            raise RefusedError(400, "Order.CannotCreateInvalid", text) from None
        return self.answer("drafted", self._created(given, given.get("ID")), 201)

    def put(self) -> Answer:
        """`PUT /v1/orders/{direction}/{orderID}`: create, or replace whole: what is not sent is reset."""
        given, account = self.body(), self.account
        if not account.has(self.key):
            return self.answer("drafted", self._created(given, self.key), account.put_create)
        found = self.order()
        fields = shape.wanted(given, shape.ORDER_WRITABLE)
        self._prepare(found, given, fields)
        empty = shape.order({})
        for name in shape.ORDER_WRITABLE.keys() - shape.ON_CREATE_ONLY:
            found.doc[name] = fields.get(name, empty[name])
        self.account.save(found)
        return self.answer("replaced", found)

    def patch(self) -> Answer:
        """`PATCH /v1/orders/{direction}/{orderID}`: what is sent; `xp` is merged."""
        given, found = self.body(), self.order()
        fields = shape.wanted(given, shape.ORDER_WRITABLE)
        self._prepare(found, given, fields)
        for name in fields.keys() - shape.ON_CREATE_ONLY:
            found.doc[name] = shape.merged(found.doc["xp"], fields["xp"]) if name == "xp" else fields[name]
        self.account.save(found)
        return self.answer("patched", found)

    def delete(self) -> Answer:
        """`DELETE /v1/orders/{direction}/{orderID}`."""
        self.account.remove(self.order())
        return Answer(204, b"", "deleted", self.key, self.key)

    def validate(self) -> Answer:
        """`POST .../validate`: whether it could be submitted."""
        self._submittable(self.order())
        return Answer(204, b"", "validated", self.key, self.key)

    def submit(self) -> Answer:
        """`POST .../submit`, which works once."""
        found = self.order()
        self._submittable(found)
        self.account.move(found, "AwaitingApproval" if self.account.approval else "Open")
        self.account.save(found, "created")
        return self.answer("created", found, 201)

    def move(self, op: str) -> Answer:
        """`POST .../cancel`, `complete`, `approve`, `decline`, `ship`: each from its statuses only."""
        if op == "submit":
            return self.submit()
        found = self.order()
        sources, goal, code = _MOVES[op]
        status = found.doc["Status"]
        if status not in sources or (op == "cancel" and status == "Open" and not self.account.cancel_open):
            raise RefusedError(400, f"Order.{code}", f"An order with the status {status} cannot take this step.")
        if op == "ship":
            for line in found.lines.values():
                line["QuantityShipped"] = line["Quantity"]
        if op == "approve":
            found.doc["DateApproved"] = written(now())
        self.account.move(found, goal)
        self.account.save(found)
        return self.answer(op, found, 201)

    def _created(self, given: dict[str, Any], key: str | None) -> Stored:
        fields = shape.wanted(given, {"ID": str, **shape.ORDER_WRITABLE})
        company, user = fields.get("FromCompanyID"), fields.get("FromUserID")
        if self.direction != "outgoing" and not (company and user):
            text = "To create an incoming order, you must provide both FromCompanyID and FromUserID."
            raise RefusedError(400, "Order.CreateIncomingRequiresFromUser", text)
        if company and self.account.buyers is not None and company not in self.account.buyers:
            raise missing("Buyer", company)
        self._may_override(fields)
        direction = "outgoing" if self.direction == "outgoing" else "incoming"
        return self.account.create(direction, {**fields, "ID": key})

    def _prepare(self, found: Stored, given: dict[str, Any], fields: dict[str, Any]) -> None:
        """What may refuse a write, before any of it is done; and the new ID, if the body has one."""
        self._may_override(fields)
        key = given.get("ID")
        if isinstance(key, str) and key:
            self.account.rename(found, key)

    def _may_override(self, fields: dict[str, Any]) -> None:
        """Costs are the caller's to set by a role of their own only."""
        for name, role, code in (
            ("ShippingCost", "OverrideShipping", "OverrideShippingPermission"),
            ("TaxCost", "OverrideTax", "OverrideTaxPermission"),
        ):
            if fields.get(name) is not None and not {role, "FullAccess"} & set(self.token.roles):
                raise RefusedError(403, f"Order.{code}", f"User must have {role} permission.")

    @staticmethod
    def _submittable(order: Stored) -> None:
        if order.doc["Status"] != "Unsubmitted":
            text = "Cannot submit order with this status. Order status must be Unsubmitted."
            raise RefusedError(400, "Order.CannotSubmitBadStatus", text)
        if not order.lines:
            text = "Cannot submit an order without any line items."
            raise RefusedError(400, "Order.CannotSubmitWithNoLineItems", text)
