"""One account of RetailCRM: its orders, and the history of their changes."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from worker.lab.sandbox import spec
from worker.lab.sandbox.retailcrm import payments, shape
from worker.lab.sandbox.retailcrm.charges import charge
from worker.lab.sandbox.retailcrm.history import History
from worker.lab.sandbox.retailcrm.reference import Reference, unknown_codes
from worker.lab.sandbox.retailcrm.stored import Stored
from worker.lab.sandbox.system import Account
from worker.lab.sandbox.wire import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.journal import Journal


class DuplicateError(Exception):
    """The site already has an order with this external id."""


class InvalidError(Exception):
    """The posted order is invalid; `errors` by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__()
        self.errors = errors


class RetailcrmAccount(Account):
    """One account of RetailCRM.

    Options: `key` (several: `K1+K2`), `timezone`, `sites` (`a+b`), `currency`, `skew` (of its clock, in seconds),
    `statuses` of its own (`code@group+code@group`), `codes` that all of its lists have besides those of a new account
    (`a+b`).

    Options for what the documents leave open, the default first:

    - `duplicate`: the text of the error is in `errorMsg` (`message`), or in the list `errors`
    - `currencies`: `own`: each order names its currency; `default`: none does
    - `upload`: the response reports the accepted and the refused orders in `lists`, in `maps` (of PHP, with the keys
      0, 1, ...), or not at all (`bare`)
    - `edit`: a posted `delivery` is to `replace` the old one, or to `merge` with it
    - `fields`: the codes of the account's own fields of orders (`a+b`); without it the keys may not read them
    - `references`: the keys may `read` the reference data, or are `denied`
    """

    system: ClassVar[str] = "retailcrm"

    def __init__(self, name: str, options: dict[str, str], journal: Journal) -> None:
        super().__init__(name, options, journal)
        self.keys = options.pop("key", "sandbox-key").split("+")
        self.zone = ZoneInfo(options.pop("timezone", "Europe/Moscow"))
        self.sites = options.pop("sites", "shop").split("+")
        self.currency = options.pop("currency", "RUB")
        self.skew = float(options.pop("skew", "0"))
        self.duplicate_in = spec.choice(options, "duplicate", "message", "errors")
        self.upload = spec.choice(options, "upload", "lists", "maps", "bare")
        self.edits = spec.choice(options, "edit", "replace", "merge")
        self.currencies = spec.choice(options, "currencies", "own", "default")
        self.references = spec.choice(options, "references", "read", "denied")
        own = dict(entry.partition("@")[::2] for entry in filter(None, options.pop("statuses", "").split("+")))
        self.reference = Reference(own, list(filter(None, options.pop("codes", "").split("+"))), self.sites)
        self.fields = options.pop("fields").split("+") if "fields" in options else None
        self._last_id = 0
        self._orders: dict[int, Stored] = {}
        self._by_external: dict[tuple[str, str], int] = {}
        self.history = History(self.now)

    def now(self) -> str:
        """Return the time of the account's own clock."""
        return shape.local(time.time() + self.skew, self.zone)

    def _new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def find(self, uid: str, by: str, site: str | None) -> Stored | None:
        """Return an order by `id` or `externalId`; without a site, return that of the first site which has one."""
        if by == "id":
            return self._orders.get(int(uid)) if uid.isdecimal() else None
        for name in [site] if site else self.sites:
            if (number := self._by_external.get((name, uid))) is not None:
                return self._orders[number]
        return None

    def newest_first(self, matches: Callable[[Stored], bool], ids: Iterable[str] | None = None) -> list[Stored]:
        """Return the matching orders; with `ids`, no others are examined."""
        candidates: Iterable[Stored] = reversed(self._orders.values())
        if ids is not None:
            numbers = sorted({int(text) for text in ids if text.isdecimal()}, reverse=True)
            candidates = [self._orders[number] for number in numbers if number in self._orders]
        return [order for order in candidates if matches(order)]

    def stored(self) -> Iterable[bytes]:
        """Return all orders as they are read by id."""
        return (order.text for order in self._orders.values())

    def add(self, draft: Draft, at: float | None = None) -> str:
        """Add an order that came from a shop, with its history record."""
        order = shape.from_draft(draft, self.zone, self.sites[draft.created % len(self.sites)], self._new_id)
        if self.currencies == "default":
            del order["currency"]
        return str(self._keep(order, None, "added", "user", at).id)

    def add_raw(self, order: dict[str, Any]) -> str:
        """Add an order of these fields over a few that every order has."""
        base = {"site": self.sites[0], "status": "new", "createdAt": self.now(), "items": [], "customFields": []}
        return str(self._keep({**base, **order}, None, "added", "user").id)

    def create(self, posted: dict[str, Any], site: str, key: str) -> dict[str, Any]:
        """Create an order as `/orders/create` does. Raise DuplicateError or InvalidError."""
        self._check(posted)
        external_id = posted.get("externalId")
        if external_id is not None and (site, str(external_id)) in self._by_external:
            raise DuplicateError
        now = self.now()
        order: dict[str, Any] = {**shape.POSTED, "createdAt": now, "statusUpdatedAt": now, "currency": self.currency}
        order |= {field: value for field, value in posted.items() if field in shape.WRITABLE and value is not None}
        if external_id is not None:
            order["externalId"] = str(external_id)
        order |= {"site": site, "fromApi": True, "customFields": shape.php_map(order.get("customFields"))}
        order["items"] = shape.posted_items(order["items"], {}, now, self._new_id)
        order["payments"] = [{"status": "not-paid", **payment, "id": self._new_id()} for payment in order["payments"]]
        order.setdefault("customer", {"type": "customer", "id": self._new_id()})
        charge(order)
        self._keep(order, key, "created", "api")
        return order

    def edit(self, stored: Stored, posted: dict[str, Any], key: str) -> dict[str, Any]:
        """Edit an order as `/orders/{uid}/edit` does: posted fields and lists replace old ones. Raise InvalidError."""
        self._check(posted)
        fields = {name: value for name, value in posted.items() if name in shape.EDITABLE}
        return self._change(stored, fields, key, "api")

    def pay(self, number: int | None, posted: dict[str, Any], key: str) -> int:
        """Add a payment to an order, or edit the payment `number`. Return its id. Raise InvalidError."""
        stored, rows = payments.find(self._orders, number, posted)
        self._check({"payments": [posted]})
        row = payments.changed(rows, number or self._new_id(), posted)
        self._change(stored, {"payments": [*(old for old in rows if old["id"] != row["id"]), row]}, key, "api")
        return int(row["id"])

    def change(self, order_id: str, fields: dict[str, Any]) -> bool:
        """Set fields as a manager would; or remove the order with `deleted`, or with `combinedTo` another order.

        With a `status` beside `combinedTo`, the order is not removed, but gets that status.
        """
        stored = self._orders.get(int(order_id)) if order_id.isdecimal() else None
        if stored is None:
            return False
        if fields.pop("deleted", False):
            self._remove(stored, {"deleted": True}, "deleted_at", "user")
        elif into := fields.pop("combinedTo", None):
            self._combine(stored, self._orders[int(into)], fields.get("status"))
        else:
            if "site" in fields:
                self._move(stored, fields)
            self._change(stored, fields, None, "user")
        return True

    def hide(self, count: int) -> None:
        """Add history that pages count but never show."""
        self.history.hide(count)

    def _check(self, posted: dict[str, Any]) -> None:
        errors = {}
        for field, kind in (("items", list), ("payments", list), ("delivery", dict), ("customFields", (dict, list))):
            if field in posted and not isinstance(posted[field], kind):
                errors[field] = "This value is not valid."
        if "createdAt" in posted and not shape.is_local_time(posted["createdAt"]):
            errors["createdAt"] = "This value is not valid."
        for n, item in enumerate(posted.get("items") or [] if "items" not in errors else []):
            for field, least in (("quantity", 0), ("initialPrice", -1)):
                value = item.get(field, 1) if isinstance(item, dict) else None
                if not isinstance(value, (int, float)) or value <= least:
                    errors[f"items[{n}].{field}"] = "This value is not valid."
        if errors := errors | unknown_codes(self.reference, posted):
            raise InvalidError(errors)

    def _keep(self, order: dict[str, Any], key: str | None, did: str, source: str, at: float | None = None) -> Stored:
        number = self._new_id()
        order.setdefault("number", f"{number}C")
        order |= {"slug": number, "id": number}
        external_id = order.get("externalId")
        stored = Stored(number, external_id, str(order["number"]), order["site"], "", order["createdAt"], b"")
        self._orders[number] = stored
        if external_id is not None:
            self._by_external.setdefault((order["site"], external_id), number)
        self._store(stored, order)
        self._note(did, external_id, str(number), lambda: self._with_group(order))
        created_at = None if at is None else shape.local(at, self.zone)
        new = {"code": order["status"]}
        self.history.record(
            shape.with_payment_list(order), key, source, "status", None, new, {"created": True}, created_at
        )
        return stored

    def _store(self, stored: Stored, order: dict[str, Any]) -> None:
        stored.status = order["status"]
        stored.text = dump(shape.with_payment_map(order))

    def _change(self, stored: Stored, fields: dict[str, Any], key: str | None, source: str) -> dict[str, Any]:
        order: dict[str, Any] = json.loads(stored.text)
        before = dict(order)
        if "items" in fields:
            old_items = {item["id"]: item for item in order["items"]}
            fields = {**fields, "items": shape.posted_items(fields["items"], old_items, self.now(), self._new_id)}
        order |= fields
        order["customFields"] = shape.php_map(order.get("customFields"))
        changed = [field for field in fields if before.get(field) != order.get(field)]
        if "status" in changed:
            order["statusUpdatedAt"] = self.now()
        if not {"items", "delivery", "discountManualAmount"}.isdisjoint(changed):
            charge(order)
        order = {field: value for field, value in order.items() if value is not None}
        self._store(stored, order)
        short = shape.minimal(order)
        for field in changed:
            if field == "items":
                self.history.record_items(short, key, source, before["items"], order["items"])
            else:
                old, new = ({"code": v[field]} if field == "status" else v.get(field) for v in (before, order))
                self.history.record(short, key, source, field, old, new)
        if changed:
            by_person = source != "api"
            read = partial(self._with_group, order)
            self._note("changed", stored.external_id, str(stored.id), read, by_person=by_person)
        return order

    def _with_group(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return an order with the group of its status."""
        status = self.reference.lists["statuses"][1].get(order["status"]) or {}
        return {**order, "group": status.get("group")}

    def _move(self, stored: Stored, fields: dict[str, Any]) -> None:
        """Move an order to another site, which resets its externalId ("External order IDs", the setting is off)."""
        if stored.external_id is not None:
            self._by_external.pop((stored.site, stored.external_id), None)
        stored.site, stored.external_id = fields["site"], None
        fields["externalId"] = None

    def _combine(self, stored: Stored, heir: Stored, status: str | None) -> None:
        """Move the goods of an order into another one, and remove it or give it `status`.

        That is a setting ("Actions for combined orders"). The history names the other order only where this one is
        removed ("Working with API history methods").
        """
        moved, own = (json.loads(order.text)["items"] for order in (stored, heir))
        kept = {item["id"]: item for item in (*own, *moved)}
        extra = {"id": heir.id, "externalId": heir.external_id, "site": heir.site}
        if status:
            self._change(stored, {"status": status}, None, "combine")
        else:
            self._remove(stored, {"combinedTo": extra}, "combined_to", "combine")
        items = [{"id": number} for number in kept]
        self._change(heir, {"items": shape.posted_items(items, kept, self.now(), self._new_id)}, None, "combine")

    def _remove(self, stored: Stored, extra: dict[str, Any], field: str, source: str) -> None:
        short = shape.minimal(json.loads(stored.text))
        del self._orders[stored.id]
        if stored.external_id is not None:
            self._by_external.pop((stored.site, stored.external_id), None)
        self.history.record(short, None, source, field, None, self.now(), extra)
        self._note("deleted", stored.external_id, str(stored.id), dict, by_person=True)
