"""A ledger of a thousand orders in every state, while accounts and templates change: none is created again or lost."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

import tasks.deliver
import tasks.doubt
import tasks.poll
import tasks.sweep
from schemas.order import Order
from support.command_line import intake
from support.reconciliation import is_clean, reconcile_pair, references_with
from support.sandbox import Sandbox
from support.settings_texts import dropday, retailcrm, route
from worker.errors import ConfigError
from worker.reconcile.repair import requeue
from worker.store.orders.drains import Outcome
from worker.watch.judgements import judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.settings_texts import Configured
    from worker.runtime import Runtime

#: How many orders are in each state at first.
FIRST: Final = {"delivered": 600, "dead": 100, "held": 100, "in_doubt": 100, "queued": 100}
#: How many more orders come into each state before each change, and how many leave it after the change.
MORE: Final = {"dead": 4, "held": 4, "in_doubt": 4, "queued": 4}
TEMPLATES: Final = ("{external_id}", "{provider}:{external_id}", "web-{external_id}")
_OUTCOMES: Final = {
    "dead": Outcome("bury", "rejected", "no"),
    "held": Outcome("hold", "held", "why"),
    "in_doubt": Outcome("doubt", "uncertain", "no response"),
}
_LATER: Final = Outcome("snooze", "throttled", "the limit is used up", 3600.0)


class Shop:
    """A shop and a target under their present names, and the state that each order is in."""

    def __init__(self, box: Sandbox, configured: Configured, seed: int) -> None:
        self.box, self.configured, self.rng = box, configured, random.Random(seed)
        configured.credentials(Sandbox.KEY, Sandbox.ACCOUNT_ID)
        self.names, self.template = {"provider": "shop", "target": "dropday"}, TEMPLATES[0]
        self.states: dict[str, str] = {}
        self.open()

    def settings(self, without: str = "") -> str:
        """Return the settings; `without` names the role whose account another one replaces."""
        names = self.names | ({without: "other"} if without else {})
        accounts = {role: "other" if role == without else "main" for role in names}
        shop, depot = self.box.url("retailcrm", accounts["provider"]), self.box.url("dropday", accounts["target"])
        return (
            retailcrm(f"providers.{names['provider']}", shop, poll_every="1ms")
            + dropday(f"targets.{names['target']}", depot, limit="none", placeholder="-")
            + route(names["provider"], names["target"], reference=self.template)
        )

    def open(self, settings: str = "") -> Runtime:
        """Start a process with these settings; raise ConfigError if it refuses to start."""
        rt = self.configured.open(settings or self.settings())
        rt.installation.confirm()
        self.rt = rt
        return rt

    def nudge(self, *_: object) -> None:
        """Ignore the nudge: the test calls the tasks itself."""

    def poll(self) -> None:
        """Poll to the end of the feed: one poll ends after its time, wherever it is."""
        self.rt.redis.hdel("intake:cursor:shop", "finished", "retry_at")
        while "finished" not in self.rt.cursors.status("shop"):
            tasks.poll.poll(self.rt, "shop", self.nudge)

    def read_everything(self) -> None:
        """Poll from the beginning, so that every order is accepted again."""
        self.rt.redis.hdel("intake:cursor:shop", "value")
        self.poll()

    def deliver(self, keys: list[str]) -> None:
        """Make these orders due, and deliver what is due."""
        due = self.rt.lanes["dropday"].keys.due
        if keys:
            self.rt.redis.zadd(due, dict.fromkeys(keys, 0), xx=True)
        while self.rt.redis.zcount(due, 0, self.rt.cursors.now()):
            tasks.deliver.deliver(self.rt, "dropday", self.nudge)

    def add(self, counts: dict[str, int]) -> None:
        """Add orders to the source, and put into each state as many of them as `counts` says."""
        states = [state for state, count in counts.items() for _ in range(count)]
        self.rng.shuffle(states)
        new = dict(zip(map("shop:{}".format, self.box.add_orders(len(states), spread=3600)), states, strict=True))
        self.states |= new
        self.poll()
        with self.rt.lanes["dropday"].drain() as drain:
            while claims := drain.claim(50):
                drain.settle([(claim, self._outcome(claim)) for claim in claims])
        self.deliver([key for key, state in new.items() if state == "delivered"])

    def _outcome(self, claim: Any) -> Outcome:
        state = self.states[claim.key]
        if state == "in_doubt" and self.rng.random() < 0.5:
            self.rt.targets["dropday"].create(Order.model_validate_json(claim.payload), claim.reference)
        return _OUTCOMES.get(state, _LATER)

    def move_on(self, counts: dict[str, int]) -> None:
        """Deliver as many orders of each state as `counts` says, by what a person does with them."""
        lane, stuck = self.rt.lanes["dropday"], self.rt.stuck["dropday"]
        moved = {
            state: self.rng.sample([key for key in sorted(self.states) if self.states[key] == state], count)
            for state, count in counts.items()
        }
        stuck.move("replay", moved["dead"])
        lane.release(moved["held"], "send")
        if moved["in_doubt"]:
            self.rt.redis.zadd(lane.keys.doubt, dict.fromkeys(moved["in_doubt"], 0))
        # A round asks for a random part of the orders in doubt.
        while self.rt.redis.zcount(lane.keys.doubt, 0, 0):
            tasks.doubt.settle_doubts(self.rt, "dropday")
        self.deliver([key for keys in moved.values() for key in keys])
        self.states |= {key: "delivered" for keys in moved.values() for key in keys}

    # Checks

    def created(self) -> Counter[str]:
        """Return how often each order was created, by its key: every template ends with the id at the source."""
        effects = self.box.journal(kind="effect", system="dropday", account="main", did="created")
        return Counter(f"shop:{entry['external_id'].rpartition('-')[2].rpartition(':')[2]}" for entry in effects)

    def check(self) -> None:
        """Check that no order was created twice, and that each is where a person looks for it."""
        created = self.created()
        assert [key for key, count in created.items() if count > 1] == []
        assert created.keys() <= self.states.keys()
        found = {key: self.rt.ledger.entries(list(self.rt.lanes), key)[0].record["state"] for key in self.states}
        assert {key: state for key, state in found.items() if state != self.states[key]} == {}
        counts, status = Counter(self.states.values()), self.rt.lanes["dropday"].status()
        for state, name in {
            "dead": "dead_now",
            "held": "held_now",
            "in_doubt": "in_doubt_now",
            "queued": "queued",
        }.items():
            assert status[name] == counts[state], name
        for group, state in (("dead", "dead"), ("doubt", "in_doubt")):
            rows = json.loads(intake(group, "list", "--json").output)["orders"]
            assert {row["key"] for row in rows} == {key for key, each in self.states.items() if each == state}
        report = reconcile_pair(self.rt, "dropday")
        absent = {key for key, state in self.states.items() if state != "queued"} - created.keys()
        assert {finding.key for finding in report.findings} == absent
        assert references_with(report, "missing") == sorted(finding.reference for finding in report.findings)


def _rename(shop: Shop, role: str) -> None:
    """Give the account another name: the process refuses to start until `intake rename` was run."""
    old = shop.names[role]
    shop.names[role] = shop.rng.choice([name for name in (f"{role}-a", f"{role}-b", f"{role}-c") if name != old])
    known = shop.rt.installation.registry.read()
    if not any(shop.names[role] in entry.names for entry in known.accounts.values()):
        with pytest.raises(ConfigError, match=f"intake rename .* {shop.names[role]}"):
            shop.open()
        assert intake("rename", old, shop.names[role]).exit_code == 0
    shop.open()


def _rename_provider(shop: Shop) -> None:
    _rename(shop, "provider")


def _rename_target(shop: Shop) -> None:
    _rename(shop, "target")


def _change_template(shop: Shop) -> None:
    shop.template = shop.rng.choice([template for template in TEMPLATES if template != shop.template])
    shop.open()


def _rename_all_and_change_the_template(shop: Shop) -> None:
    shop.template = shop.rng.choice([template for template in TEMPLATES if template != shop.template])
    _rename(shop, "provider")
    _rename(shop, "target")


def _without(shop: Shop, role: str) -> None:
    """Let processes run without the account, which is reported with what waits for it; then put it back."""
    rt = shop.open(shop.settings(without=role))
    ledger_name = {"provider": "shop", "target": "dropday"}[role]
    alarms = {(each.kind, each.subject): each for each in judge(take_snapshot(rt), rt.settings)}
    alarm = alarms["account_gone", ledger_name]
    if role == "target":
        states = Counter(shop.states.values())
        words = {"queued": "to be sent", "dead": "dead", "in_doubt": "in doubt", "held": "held"}
        assert ", ".join(f"{states[state]} {word}" for state, word in words.items()) in alarm.facts
        assert f"intake forget {ledger_name}" in " ".join(intake("status").output.split())
        shop.poll()
    tasks.sweep.sweep(rt, shop.nudge)
    for name in rt.lanes:
        tasks.deliver.deliver(rt, name, shop.nudge)
    shop.open()


def _take_the_provider_out(shop: Shop) -> None:
    _without(shop, "provider")


def _take_the_target_out(shop: Shop) -> None:
    _without(shop, "target")


CHANGES: Final[tuple[Callable[[Shop], None], ...]] = (
    _rename_provider,
    _rename_target,
    _change_template,
    _rename_all_and_change_the_template,
    _take_the_provider_out,
    _take_the_target_out,
)


@pytest.mark.repeat
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_change_of_the_settings_creates_an_order_again_or_loses_one(configured: Configured, seed: int) -> None:
    """Make every change once, in an order that is drawn.

    In `make test`, the tests of `test_identity.py` and `test_references_kept.py` make one change each.
    """
    accounts = ["retailcrm:main", "retailcrm:other", "dropday:main:dedupe=off", "dropday:other:dedupe=off"]
    with Sandbox(accounts=accounts, limits=["retailcrm=off"], seed=seed) as box:
        shop = Shop(box, configured, seed)
        shop.add(FIRST)
        shop.check()
        for change in shop.rng.sample(CHANGES, len(CHANGES)):
            print(change.__name__)
            shop.add(MORE)
            change(shop)
            tasks.sweep.sweep(shop.rt, shop.nudge)
            shop.read_everything()
            shop.check()
            shop.move_on(MORE)
        # A repair queues the dead orders again; the others wait for a person.
        states = Counter(shop.states.values())
        report = reconcile_pair(shop.rt, "dropday", repair=requeue)
        assert report.counts["queued"] == states["dead"]
        shop.deliver([key for key, state in shop.states.items() if state == "dead"])
        shop.states |= {key: "delivered" for key, state in shop.states.items() if state == "dead"}
        shop.check()
        shop.move_on({**states, "dead": 0, "delivered": 0})
        assert is_clean(reconcile_pair(shop.rt, "dropday"))
        assert shop.created() == dict.fromkeys(shop.states, 1)
