"""A ledger with orders in every state, for tests and pictures of the console."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from schemas.order import Order
from support.settings_texts import NOWHERE, dropday, retailcrm, route
from tasks.accept import accept
from worker.reconcile.report import Finding
from worker.store.audit import Actor, record
from worker.store.health.signs import BEAT, SWEPT, TOOK, WORKER
from worker.store.orders.drains import Outcome
from worker.store.redis import keys

if TYPE_CHECKING:
    from worker.runtime import Runtime

#: Two shops whose orders go to a warehouse, and one of them to a second system as well.
SETTINGS: Final = (
    retailcrm("providers.shop-nl")
    + retailcrm("providers.shop-de", f"{NOWHERE}/de")
    + dropday("targets.warehouse")
    + dropday("targets.returns", f"{NOWHERE}/returns")
    + route("shop-nl", "warehouse", "returns", reference="NL-{external_id}")
    + route("shop-de", "warehouse", reference="DE-{external_id}")
)
#: What may be seen of an order by support only: its customer, and what is sent where.
PERSONAL: Final = ("Femke", "Achterberg", "femke.achterberg@example.com", "+31612345678", "Lindengracht", "1015KH")
_PLACE: Final = {"first_name": "Femke", "last_name": "Achterberg", "street1": "Lindengracht 42", "country": "NL"}
_LINES: Final = [
    {"sku": "MUG-12", "name": "Mug, blue", "quantity": 2, "unit_price": "9.90"},
    {"sku": "TEA-03", "name": "Green tea, 100 g", "quantity": 1, "unit_price": "6.50"},
]


def an_order(external_id: str, provider: str = "shop-nl", **fields: Any) -> Order:
    """Return an order of a customer with a name, an address, a phone and an e-mail."""
    base: dict[str, Any] = {
        "provider": provider,
        "external_id": external_id,
        "display_id": f"#{provider[-2:].upper()}-10{external_id}",
        "status": "new",
        "ordered_at": "2126-01-02T03:04:05Z",
        "lines": _LINES,
        "totals": {"items": "26.30", "shipping": "4.95", "grand": "31.25"},
        "currency": "EUR",
        "customer": {
            "first_name": "Femke",
            "last_name": "Achterberg",
            "email": "femke.achterberg@example.com",
            "phone": "+31612345678",
        },
        "shipping_address": {**_PLACE, "city": "Amsterdam", "postal_code": "1015KH"},
        "billing_address": {**_PLACE, "city": "Amsterdam", "postal_code": "1015KH"},
    }
    return Order.model_validate(base | fields)


def put(rt: Runtime, order: Order, **outcomes: Outcome) -> None:
    """Take in an order, and settle it in each named target; in the others it waits, so it must be the last one."""
    accept(rt, [order], f"poll {order.provider}", lambda _, __: None)
    for target, outcome in outcomes.items():
        with rt.lanes[target].drain() as drain:
            [claim] = drain.claim(1)
            assert claim.key == order.key
            drain.settle([(claim, outcome)])
            drain.leave()


DELIVERED: Final = Outcome("delivered", extra="48291")
REFUSED: Final = Outcome("bury", "rejected", "422: shipping_address.postcode: is not valid for the country")
DOUBTFUL: Final = Outcome("doubt", "uncertain", "the response was lost, and the search found nothing yet")
HELD: Final = Outcome("hold", "foreign", "the target has another order under this reference")
RETRIED: Final = Outcome("retry", "unavailable", "503: the system is under maintenance", delay=240.0)


def fill(rt: Runtime) -> None:
    """Take in orders that end in every state; beat, upkeep and a worker have just given signs of life."""
    rt.ledger.assume_no_predecessor()
    put(rt, an_order("01"), warehouse=DELIVERED, returns=DELIVERED)
    put(rt, an_order("02"), warehouse=REFUSED, returns=DELIVERED)
    put(rt, an_order("03", "shop-de"), warehouse=REFUSED)
    put(rt, an_order("04"), warehouse=DOUBTFUL, returns=DELIVERED)
    put(rt, an_order("05"), warehouse=HELD, returns=DELIVERED)
    put(rt, an_order("06", "shop-de"), warehouse=RETRIED)
    put(rt, an_order("07"), returns=DELIVERED)
    for name in (BEAT, SWEPT, TOOK, f"{WORKER} worker@host"):
        rt.signs.give(name)
    now = str(rt.cursors.now())
    for provider in rt.settings.providers:
        cursor: dict[Any, Any] = {
            "value": "{}",
            "started": now,
            "moved": now,
            "turned": now,
            "finished": now,
            "records": "4",
        }
        rt.redis.hset(keys.cursor(provider), mapping=cursor)


def _day(accepted: int, delivered: int, dead: int) -> dict[Any, Any]:
    """Return the counters of a day of shop-nl."""
    delays = {"t9 shop-nl": delivered // 2, "t14 shop-nl": delivered // 3, "t120 shop-nl": delivered - delivered // 2}
    return {"in shop-nl": accepted, "out shop-nl": delivered, "dead rejected shop-nl": dead} | delays


def fill_comparison(rt: Runtime) -> None:
    """Save a comparison that found something of each kind of fault, and an act of somebody for the audit log."""
    findings = [
        Finding("different", "NL-01", "shop-nl:01", ("48291",), ("shipping_address.city", "note"), "delivered"),
        Finding("missing", "NL-98", "shop-nl:98", remedy="queued again"),
        Finding("extra", "NL-77", target_ids=("48377",)),
    ]
    counts = {"source": 1204, "target": 1203, "different": 1, "missing": 1, "extra": 1}
    rt.reports.save("shop-nl", "warehouse", counts, findings=[each.as_json() for each in findings])
    rt.reports.save("shop-de", "warehouse", {"source": 310, "target": 310})
    ada = Actor("ada", "console", "203.0.113.9")
    with record(rt.redis, ada, "pause", accounts=["returns"], reason="Stocktaking", given={"length": "2h"}):
        pass
    ben = Actor("ben", "cli", "ben@desk")
    with record(rt.redis, ben, "dead replay", accounts=["warehouse"], orders=["shop-nl:02", "shop-de:03"]) as act:
        act.count(replayed=2)


def fill_days(rt: Runtime) -> None:
    """Count orders of the days before today, as a shop has them: fewer at weekends."""
    today = datetime.now(UTC).date()
    for ago in range(1, 20):
        day = today - timedelta(ago)
        count = 90 if day.weekday() in {5, 6} else 180 + 13 * ago % 70
        name = keys.day("warehouse", (day - datetime(1970, 1, 1, tzinfo=UTC).date()).days)
        rt.redis.hset(name, mapping=_day(count, count - ago % 3, ago % 3))
    number = (today - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    rt.redis.hset(keys.day("warehouse", number), mapping=_day(84, 79, 1))
    by_hour = [1, 0, 0, 0, 1, 2, 4, 7, 11, 14, 18, 15, 11]
    hours: dict[Any, Any] = {f"{event} {hour}": count for hour, count in enumerate(by_hour) for event in ("in", "out")}
    rt.redis.hset(keys.hours("warehouse", number), mapping=hours | {"out 12": 6})
