"""`intake erase`: the data of one customer is removed, and no order is duplicated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.orders import order
from support.redis_text import key_names, text
from support.settings_texts import Configured, dropday, retailcrm, route
from worker.store.letters import Letter
from worker.store.orders import payload
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from click.testing import Result
    from redis import Redis

    from worker.runtime import Runtime

MAIL, PHONE = "Ada@Example.org", "+31 (6) 1234-5678"
CUSTOMER = {"first_name": "Ada", "last_name": "Byron", "email": MAIL, "phone": PHONE}


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    return configured.open(retailcrm("providers.shop") + dropday("targets.t") + route("shop", "t"))


def erase(*args: str, stdin: str = "") -> Result:
    return intake("erase", *args, stdin=stdin)


def accept(rt: Runtime, external_id: str, version: int = 1, **fields: Any) -> str:
    made = order(external_id, version=version, note=f"v{version}", **{"customer": CUSTOMER} | fields)
    return rt.ledger.accept("t", [Delivery(made, f"R{external_id}")], "poll shop", on_change="update").results[0]


def settle(rt: Runtime, *outcomes: Outcome) -> None:
    with rt.lanes["t"].drain() as drain:
        for outcome in outcomes:
            [claim] = drain.claim(1)
            drain.settle([(claim, outcome)])


def dump(redis: Redis) -> str:
    """Return everything in Redis as text, with packed content unpacked; without what each reading of the time notes."""
    lines = []
    for name in sorted(key_names(redis)):
        kind = text(redis.type(name))
        reads: dict[str, Any] = {
            "string": lambda key: payload.unpack(text(redis.get(key))) if "payload" in key else redis.get(key),
            "hash": redis.hgetall,
            "list": lambda key: redis.lrange(key, 0, -1),
            "set": redis.smembers,
            "zset": lambda key: redis.zrange(key, 0, -1),
        }
        if not name.startswith(("intake:archive:", "intake:histories:t:", "intake:clock")):
            lines.append(f"{name} {reads[kind](name)}")
    return "\n".join(lines)


ENDS = {
    "queued": (),
    "dead": (Outcome("bury", "rejected", "refused", extra='{"email": ["Ada@Example.org is taken"]}'),),
    "held": (Outcome("hold", "unmapped", "no product"),),
    "in doubt": (Outcome("doubt", "uncertain", "no answer", uncertain=True),),
}


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize(
    "selection", [["shop:1"], ["--match", "ada@example"], ["--match", "ada byron"], ["--match", "31612345678"]]
)
def test_waiting_orders_are_found_by_key_or_text_and_erased(
    rt: Runtime, redis: Redis, state: str, selection: list[str]
) -> None:
    accept(rt, "1")
    settle(rt, *ENDS[state])
    accept(rt, "2", customer={"first_name": "Bob", "email": "bob@example.org"})
    assert MAIL in dump(redis)
    done = erase(*selection, "--yes")
    assert done.exit_code == 0, done.output
    assert MAIL.casefold() not in done.output.casefold()
    assert "shop:1 → t" in done.output
    assert "shop:2" not in done.output
    stored = dump(redis)
    assert MAIL not in stored
    assert "bob@example.org" in stored
    assert ("MAY be in the target" in done.output) is (state == "in doubt")
    [entry] = rt.ledger.entries(["t"], "shop:1")
    assert (entry.record["state"], entry.record["code"]) == ("discarded", "erased")
    assert entry.history[-1][1] == "erased by hand"
    with rt.lanes["t"].drain() as drain:
        assert [claim.key for claim in drain.claim(10)] == ["shop:2"]


def test_an_erased_order_is_never_sent_again(rt: Runtime, redis: Redis) -> None:
    accept(rt, "1")
    assert erase("shop:1", "--yes").exit_code == 0
    assert [accept(rt, "1"), accept(rt, "1", 2), accept(rt, "1", 3)] == ["same", "unwanted", "unwanted"]
    assert MAIL not in dump(redis)
    seen = rt.ledger.standing("t", "shop:1")
    delivery = Delivery(order("1", version=4), "R1")
    assert rt.ledger.resend("t", delivery, "create", seen=seen, source="reconcile") == "moved"
    assert "moved" not in rt.stuck["t"].move("replay", ["shop:1"]).values()
    with rt.lanes["t"].drain() as drain:
        assert drain.claim(1) == []


def test_a_waiting_change_is_erased_and_the_order_stays_delivered(rt: Runtime, redis: Redis) -> None:
    accept(rt, "1")
    settle(rt, Outcome("delivered", extra="77"))
    assert MAIL not in dump(redis)
    assert accept(rt, "1", 2) == "updating"
    done = erase("shop:1", "--yes")
    assert "the target has the order" in done.output
    assert MAIL not in dump(redis)
    [entry] = rt.ledger.entries(["t"], "shop:1")
    assert (entry.record["state"], entry.record["target_id"]) == ("delivered", "77")
    assert [accept(rt, "1", 2), accept(rt, "1", 1), accept(rt, "1", 3)] == ["same", "stale", "updating"]


def test_erase_skips_and_reports_an_order_that_is_being_sent(rt: Runtime) -> None:
    accept(rt, "1")
    with rt.lanes["t"].drain() as drain:
        [claim] = drain.claim(1)
        done = erase("shop:1", "--yes")
        assert (done.exit_code, "NOT erased" in done.output) == (1, True)
        assert drain.settle([(claim, Outcome("delivered", extra="77"))]) == ["delivered"]
    assert erase("shop:1", "--yes").exit_code == 0


def test_unreadable_records_and_jobs_of_the_inbox_are_erased(rt: Runtime, redis: Redis) -> None:
    rt.cursors.bury("shop", "1", {"id": 1, "email": MAIL}, "items", "is missing")
    rt.cursors.bury("shop", "2", {"id": 2, "email": "bob@example.org"}, "items", "is missing")
    job = json.dumps({"v": 1, "provider": "shop", "record": {"id": 3, "customer": {"email": MAIL}}}).encode()
    other = json.dumps({"v": 1, "provider": "shop", "external_id": "4"}).encode()
    rt.inbox.add_letters([Letter("bad", "no", job, len(job)), Letter("bad", "no", other, len(other))])
    rt.inbox.push([job, other, job])
    rt.inbox.defer([job + b" "], 60)
    before = dump(redis)
    dry_run = erase("--match", MAIL.upper(), "--dry-run", "--json")
    assert dump(redis) == before
    report = json.loads(dry_run.output)
    assert (report["records"], report["jobs"], report["dead_jobs"]) == ({"shop": ["1"]}, 2, 1)
    assert erase("--match", "-", "--yes", stdin=f"{MAIL}\n").exit_code == 0
    assert MAIL not in dump(redis)
    assert rt.cursors.letter_ids(["shop"]) == [("shop", "2")]
    assert (rt.inbox.status()["waiting"], rt.inbox.status()["dead_now"]) == (1, 1)


def test_erase_finds_a_job_by_the_key_of_its_order(rt: Runtime) -> None:
    jobs = [json.dumps({"v": 1, "provider": "shop", "external_id": n}).encode() for n in ("1", "11")]
    rt.inbox.push(jobs)
    assert erase("shop:1", "--yes").exit_code == 0
    assert rt.inbox.all_jobs()[0] == [jobs[1]]


def test_erase_skips_and_reports_a_job_that_is_being_taken(rt: Runtime) -> None:
    rt.inbox.push([json.dumps({"v": 1, "provider": "shop", "order": {"email": MAIL}})])
    with rt.inbox.taker() as taker:
        taker.take(1)
        done = erase("--match", MAIL, "--yes")
        assert (done.exit_code, "Run the command again" in done.output) == (1, True)
        taker.finish({}, [])


def test_erase_requires_confirmation_and_a_pattern_longer_than_two_letters(rt: Runtime, redis: Redis) -> None:
    accept(rt, "1")
    assert erase("shop:1", stdin="n\n").exit_code == 1
    assert erase("--match", "a", "--yes").exit_code == 2
    assert erase().exit_code == 2
    assert MAIL in dump(redis)


def test_erase_rewrites_the_append_only_file_if_there_is_one(rt: Runtime) -> None:
    done = erase("--rewrite")
    assert (done.exit_code, "append-only file" in done.output) == (0, True)
