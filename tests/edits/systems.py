"""The simulated targets: how an order is shown there, and what people do to it."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from edits.wire import Wire
from worker.lab.sandbox.journal import Journal
from worker.lab.sandbox.ordercloud.api import OrderCloud as SimulatedOrderCloud
from worker.lab.sandbox.retailcrm.api import Retailcrm as SimulatedRetailCRM
from worker.systems.ordercloud.target import OrderCloud, OrderCloudOptions
from worker.systems.retailcrm.options import RetailCRMOptions
from worker.systems.retailcrm.target import RetailCRM

if TYPE_CHECKING:
    from random import Random

    from edits.model import Fields
    from schemas.order import Order
    from worker.lab.sandbox.system import System
    from worker.systems.target import Target

Json = dict[str, Any]
#: What people set: texts by the names of fields (see model.py), None for a line that they remove.
Edit = dict[str, str | None]

SKUS = ("MUG", "TEA", "POT", "CUP", "JAR")


class Simulated(ABC):
    """One simulated system with two accounts: `main` for the histories, and one that shows what an order looks like."""

    simulated: ClassVar[type[System[Any]]]

    def __init__(self) -> None:
        self.system = self.simulated(Journal())
        self.accounts = {name: self.system.open_account(name, self._options()) for name in ("main", "mirror")}
        self.wire = Wire(self.system, "main")
        self.target = self._target("t", self.wire)
        self._mirror = self._target("mirror", Wire(self.system, "mirror"))
        self._shown: dict[str, Fields] = {}

    def show(self, order: Order) -> Fields:
        """Return the fields of the order as the system shows them if nobody changes anything there."""
        content = order.model_dump_json(exclude={"external_id", "version"})
        if content not in self._shown:
            reference = f"mirror-{len(self._shown)}"
            self._mirror.create(order, reference)
            self._shown[content] = self.flat(self.stored(reference, "mirror") or {})
        return self._shown[content]

    def stored(self, reference: str, account: str = "main") -> Json | None:
        """Return the order with this reference; None if people would not see it yet."""
        # One by one: to write all orders of the account as JSON takes longer than the history.
        for text in self.accounts[account].stored():
            raw: Json = json.loads(text) if f'"{reference}"'.encode() in text else {}
            if raw and self._is(raw, reference):
                return raw
        return None

    @staticmethod
    @abstractmethod
    def _options() -> dict[str, str]:
        """Return the options of the simulated accounts."""

    @abstractmethod
    def _target(self, name: str, wire: Wire) -> Target:
        """Return a target of ours that calls by this wire."""

    @staticmethod
    @abstractmethod
    def _is(raw: Json, reference: str) -> bool:
        """Return whether this is the order with the reference, and people see it."""

    @staticmethod
    @abstractmethod
    def flat(raw: Json) -> Fields:
        """Return every field of an order that the source or people set, as texts."""

    @abstractmethod
    def people(self, rng: Random, raw: Json) -> Edit:
        """Change something in the order as people do, and return what they set."""


def texts(prefix: str, values: Json) -> Fields:
    """Return the leaves of nested objects as texts, without empty ones."""
    found: Fields = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= texts(f"{prefix}{name}.", value)
        elif value not in (None, "", [], {}):
            found[f"{prefix}{name}"] = json.dumps(value, sort_keys=True) if isinstance(value, list) else _text(value)
    return found


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def comment(name: str, raw: Json) -> Fields:
    """Return the lines of a comment that have a label ("Billing address: ...") by their labels, and the other text."""
    found: Fields = {}
    for line in (raw.get(name) or "").splitlines():
        label = re.match(r"[A-Z][a-z ]+(?=: )", line)
        own = f"{name}.{label[0]}" if label else name
        found[own] = f"{found[own]} {line}" if own in found else line
    return found


class CRM(Simulated):
    """RetailCRM: lines are known by their names; people use all of its fields."""

    simulated = SimulatedRetailCRM

    @staticmethod
    def _options() -> dict[str, str]:
        return {"timezone": "UTC", "codes": "paid+processing"}

    def _target(self, name: str, wire: Wire) -> Target:
        statuses = {"new": "new", "paid": "prepayed", "processing": "assembling"}
        options = {"api_key": "sandbox-key", "time_zone": "UTC", "status_map": statuses, "bulk": 1}
        return RetailCRM(name, RetailCRMOptions.model_validate(options), wire.client())

    @staticmethod
    def _is(raw: Json, reference: str) -> bool:
        return bool(raw.get("externalId") == reference)

    @staticmethod
    def flat(raw: Json) -> Fields:
        own = ("status", "firstName", "lastName", "phone", "email", "shipmentStore")
        found = texts("", {name: raw.get(name) for name in own})
        found |= comment("customerComment", raw) | comment("managerComment", raw)
        delivery = raw.get("delivery", {})
        found |= texts("delivery.", {name: value for name, value in delivery.items() if name != "netCost"})
        for item in raw.get("items", ()):
            line = f"line:{item['offer']['displayName']}"
            assert line not in found, f"{line} is there twice"
            found[line] = "there"
            shown = ("quantity", "initialPrice", "comment", "status", "discountTotal")
            found |= texts(f"{line}.", {name: item.get(name) for name in shown})
        return found

    def people(self, rng: Random, raw: Json) -> Edit:
        changed, edit = self._order_edit(rng, raw) if rng.random() < 0.5 else self._line_edit(rng, raw)
        assert self.accounts["main"].change(str(raw["id"]), changed)
        return edit

    @staticmethod
    def _order_edit(rng: Random, raw: Json) -> tuple[Json, Edit]:
        text, delivery = f"by people {rng.randrange(1000)}", raw["delivery"]
        match rng.randrange(6):
            case 0:
                status = rng.choice(["client-confirmed", "send-to-delivery", "delivering"])
                return {"status": status}, {"status": status}
            case 1:
                return {"delivery": {**delivery, "code": "courier"}}, {"delivery.code": "courier"}
            case 2:
                data = {**delivery, "data": {"trackNumber": text}}
                return {"delivery": data}, {"delivery.data.trackNumber": text}
            case 3:
                address = {**delivery["address"], "city": text}
                return {"delivery": {**delivery, "address": address}}, {"delivery.address.city": text}
            case 4:
                return {"delivery": {**delivery, "date": "2026-12-24"}}, {"delivery.date": "2026-12-24"}
            case _:
                name = rng.choice(["customerComment", "managerComment", "phone", "firstName", "shipmentStore"])
                return {name: text}, {**dict.fromkeys(comment(name, raw), ""), name: text}

    @staticmethod
    def _line_edit(rng: Random, raw: Json) -> tuple[Json, Edit]:
        items = [dict(item) for item in raw["items"]]
        if rng.random() < 0.3 or not items:
            name = f"Sample {rng.randrange(10**6)}"
            items.append({"productName": name, "quantity": 1, "initialPrice": 0})
            line = f"line:{name}"
            return {"items": items}, {
                line: "there", f"{line}.quantity": "1", f"{line}.initialPrice": "0", f"{line}.status": "new",
                f"{line}.discountTotal": "0",
            }  # fmt: skip
        item = rng.choice(items)
        line = f"line:{item['offer']['displayName']}"
        match rng.randrange(4):
            case 0:
                items.remove(item)
                return {"items": items}, {line: None}
            case 1:
                item["quantity"] = rng.randrange(20, 40)
                return {"items": items}, {f"{line}.quantity": str(item["quantity"])}
            case 2:
                item["status"] = "in-reserve"
                return {"items": items}, {f"{line}.status": "in-reserve"}
            case _:
                item["comment"] = f"by people {rng.randrange(1000)}"
                return {"items": items}, {f"{line}.comment": item["comment"]}


class Cloud(Simulated):
    """OrderCloud: lines are known by their ids, and people write into `xp`."""

    simulated = SimulatedOrderCloud

    @staticmethod
    def _options() -> dict[str, str]:
        return {"currency": "EUR"}

    def _target(self, name: str, wire: Wire) -> Target:
        options = {
            "client_id": "sandbox-account", "client_secret": "sandbox-key", "buyer_id": "web", "user_id": "web-shop",
            "products": "sku",
        }  # fmt: skip
        return OrderCloud(name, OrderCloudOptions.model_validate(options), wire.client())

    @staticmethod
    def _is(raw: Json, reference: str) -> bool:
        return bool(raw["ID"] == reference and raw["IsSubmitted"])

    @staticmethod
    def flat(raw: Json) -> Fields:
        found = texts("", {name: raw.get(name) for name in ("Comments", "ShippingCost", "TaxCost")})
        found |= texts("xp.", raw.get("xp") or {}) | texts("BillingAddress.", raw.get("BillingAddress") or {})
        for item in raw.get("LineItems", ()):
            line = f"line:{item['xp']['Intake']['SKU'] if (item['xp'] or {}).get('Intake') else item['ID']}"
            assert line not in found, f"{line} is there twice"
            found[line] = "there"
            shown = ("ProductID", "Quantity", "UnitPrice", "ShippingAddress", "xp")
            found |= texts(f"{line}.", {name: item.get(name) for name in shown})
        return found

    def people(self, rng: Random, raw: Json) -> Edit:
        changed, edit = self._order_edit(rng, raw) if rng.random() < 0.5 else self._line_edit(rng, raw)
        assert self.accounts["main"].change(raw["ID"], changed)
        return edit

    @staticmethod
    def _order_edit(rng: Random, raw: Json) -> tuple[Json, Edit]:
        text = f"by people {rng.randrange(1000)}"
        match rng.randrange(4):
            case 0:
                return {"Comments": text}, {"Comments": text}
            case 1:
                return {"xp": {**raw["xp"], "Warehouse": text}}, {"xp.Warehouse": text}
            case 2:
                return {"ShippingCost": 77}, {"ShippingCost": "77"}
            case _:
                address = raw["BillingAddress"]
                if not address:
                    return {"Comments": text}, {"Comments": text}
                return {"BillingAddress": {**address, "City": text}}, {"BillingAddress.City": text}

    @staticmethod
    def _line_edit(rng: Random, raw: Json) -> tuple[Json, Edit]:
        items = [dict(item) for item in raw["LineItems"]]
        if rng.random() < 0.3 or not items:
            key = f"sample-{rng.randrange(10**6)}"
            items.append({"ID": key, "ProductID": "SAMPLE", "Quantity": 1, "UnitPrice": 1})
            line = f"line:{key}"
            return {"LineItems": items}, {
                line: "there", f"{line}.ProductID": "SAMPLE", f"{line}.Quantity": "1", f"{line}.UnitPrice": "1",
            }  # fmt: skip
        item = rng.choice(items)
        xp = item["xp"] or {}
        line = f"line:{xp['Intake']['SKU'] if xp.get('Intake') else item['ID']}"
        match rng.randrange(4):
            case 0:
                items.remove(item)
                return {"LineItems": items}, {line: None}
            case 1:
                item["Quantity"] = rng.randrange(20, 40)
                return {"LineItems": items}, {f"{line}.Quantity": str(item["Quantity"])}
            case 2:
                item["xp"] = {**xp, "Shelf": "7"}
                return {"LineItems": items}, {f"{line}.xp.Shelf": "7"}
            case _:
                item["UnitPrice"] = rng.randrange(50, 60)
                return {"LineItems": items}, {f"{line}.UnitPrice": str(item["UnitPrice"])}


SYSTEMS: dict[str, type[Simulated]] = {"retailcrm": CRM, "ordercloud": Cloud}
