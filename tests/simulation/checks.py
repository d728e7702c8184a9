"""The promises of a history: checked while it runs, and when nothing is left to do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import worker.retry
from simulation.apis import Violation
from simulation.journal import faults
from worker.store.redis.catalog import ACCEPT, ADVANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.scheduler import Process
    from simulation.world import World

#: Reasons for which an order may be dead that the target would accept.
_NOT_ITS_FAULT: Final = {"poison", "uncertain", "unavailable", "bug"}
_ENDS: Final = {"delivered", "dead", "in_doubt", "held", "withdrawn"}
#: States in which an order waits for a person.
_WITH_A_PERSON: Final = {"dead", "in_doubt", "held"}
#: What the note of an order that no route creates begins with.
_LEFT_OUT: Final = ("cancelled", "test")
#: Seconds for which a call may be under way that began before the ledger knew that no route wants its order.
_UNDER_WAY: Final = 60.0
#: Seconds for which an account may do nothing: the longest wait after failures, a poll interval, and some more.
LONGEST_WAIT: Final = worker.retry.CAP + 300.0 + 60.0
#: Seconds within which the work of a dead process is taken over.
TAKEOVER: Final = 15.0
#: The keys and arguments of `advance.lua`, which follow EVALSHA, the digest and the number of keys.
_ADVANCE: Final = (*ADVANCE.keys, "witness", *ADVANCE.args)
_ACCEPT: Final = (*ACCEPT.keys, "witness", *ACCEPT.args)


class Checks:
    """The checks of one history; they read the keys directly, not through a wire."""

    def __init__(self, world: World) -> None:
        self._world, self._keys = world, world.server.keys
        self.takeovers = self.excused = 0
        self.longest = 0.0
        self._last_sweep = 0
        #: Whether the ledger was lost, or forgot its last writes.
        self._forgot = False
        #: The orders of each target that a replica did not know at all when it took over.
        self._forgotten: set[tuple[str, str]] = set()
        #: When each provider was read last, and when orders of each target were settled last.
        self._worked: dict[str, int] = {}
        #: The newest version of each order that was accepted for a target, why it is left out, and since when.
        self._decided: dict[tuple[str, str], tuple[int, str, int]] = {}

    def _text(self, key: str, field: str) -> str:
        value = (self._keys.get(key.encode()) or {}).get(field.encode(), b"")
        return str(value.decode())

    def record(self, target: str, key: str) -> dict[str, str]:
        """Return the ledger's record of an order."""
        prefixes = f"intake:order:{target}:".encode(), f"intake:history:{target}:".encode()
        reply = self._world.server.look("record", *prefixes, key.encode())
        assert isinstance(reply, list)
        [[fields, _]] = reply
        return {name.decode(): value.decode() for name, value in zip(fields[::2], fields[1::2], strict=True)}

    # While it runs

    def done(self, name: str, words: tuple[bytes, ...], reply: Any) -> None:
        """Check the effect of a script that has run."""
        if name in {"advance", "settle"}:
            self._worked[words[3].decode().rpartition(":")[2]] = self._world.now()
        if name == "advance" and reply == 1:
            cursor, value = (words[3 + _ADVANCE.index(part)] for part in ("cursor", "value"))
            self._passed(cursor.decode().rpartition(":")[2], int(value))
        elif name == "accept":
            lane, *values = (word.decode("latin-1") for word in (words[3], *words[3 + len(_ACCEPT) :]))
            self._accepted(lane.rpartition(":")[2], values)

    def _accepted(self, target: str, values: list[str]) -> None:
        """Note what the ledger knows now: for each order, whether its newest version is wanted."""
        width, at = len(ACCEPT.each), {name: ACCEPT.each.index(name) for name in ("key", "version", "left_out")}
        for first in range(0, len(values), width):
            key, version, left_out = (values[first + index] for index in at.values())
            known, reason, since = self._decided.get((target, key), (0, "", 0))
            if int(version) >= known:
                since = since if reason and left_out else self._world.now()
                self._decided[target, key] = int(version), left_out, since

    def object_to(self, target: str, key: str) -> str:
        """Return what is wrong with creating the order now: the ledger has long known that it is left out."""
        version, reason, since = self._decided.get((target, key), (0, "", 0))
        late = self._world.now() - since > _UNDER_WAY * 1e6
        return f"its version {version} is left out: {reason}" if reason and late else ""

    def ledger_lost(self) -> None:
        """Forget what the ledger knew."""
        self._decided.clear()
        self._forgot = True

    def known(self) -> dict[tuple[str, str], tuple[int, str, int]]:
        """Return what the ledger knows now."""
        return dict(self._decided)

    def ledger_forgot(self, known: dict[tuple[str, str], tuple[int, str, int]]) -> None:
        """Forget what the ledger came to know since then."""
        self._forgotten |= self._decided.keys() - known.keys()
        self._decided = known
        self._forgot = True

    def _accepted_version(self, target: str, key: str) -> int:
        """Return the newest version of an order that the ledger has, or has left out; -1 if it knows none."""
        versions = [int(self.record(target, key).get("version", "-1"))]
        prefix, wanted = f"intake:unwanted:{target}:".encode(), key.encode()
        for name in [name for name in self._keys.data if name.startswith(prefix)]:
            versions += [int(value) for field, value in self._keys.get(name).items() if field == wanted]
        return max(versions)

    def _passed(self, provider: str, cursor: int) -> None:
        """Check that the cursor passes no record that was neither accepted nor kept as a dead letter."""
        if provider not in self._world.shops:
            raise Violation(f"there is a cursor of {provider}, and the ledger has no provider of this name")
        shop = self._world.shops[provider]
        letters = self._keys.get(f"intake:malformed:{provider}".encode()) or {}
        for external_id, version in shop.feed[max(0, cursor - 5) : cursor]:
            if external_id.encode() in letters:
                continue
            for target in self._world.depots:
                accepted = self._accepted_version(target, f"{provider}:{external_id}")
                if accepted < version:
                    raise Violation(
                        f"the cursor of {provider} is at {cursor}, and version {version} of {external_id} was not"
                        f" accepted for {target} (accepted: {accepted})"
                    )

    def swept(self) -> None:
        """Note the end of a sweep."""
        self._last_sweep = self._world.now()

    def died(self, process: Process) -> None:
        """Schedule a check that the orders of this dead process are taken over in time."""
        mark = f":claims:host-{process.name}-".encode()
        held = [key for key in self._keys.data if mark in key]
        began = self._world.now()
        for key in held:
            self._world.scheduler.later(TAKEOVER, partial(self._taken_over, key, began))

    def _taken_over(self, key: bytes, since: int) -> None:
        if self._world.disturbed >= since or any(process.stopped >= since for process in self._world.processes):
            self.excused += 1
            return
        self.takeovers += 1
        if self._keys.get(key):
            orders = [order.decode() for order in self._keys.get(key)]
            last = (self._world.now() - self._last_sweep) / 1e6
            raise Violation(f"{key.decode()} still holds {orders} after {TAKEOVER:g} s (last sweep {last:.1f} s ago)")

    # At the end

    def check_progress(self, since: int) -> None:
        """Check that no account stands still: without faults since then, each does its work after the longest wait."""
        for name in [*self._world.shops, *self._world.depots]:
            idle = self._world.now() - max(since, self._worked.get(name, 0))
            waits = name in self._world.shops or self._keys.get(f"intake:lane:{name}:due".encode())
            if waits and idle > LONGEST_WAIT * 1e6:
                raise Violation(f"{name} stands still for {idle / 1e6:.0f} s")

    def busy(self) -> str:
        """Return the first thing that is left to do, or an empty string."""
        return next(self._left(), "")

    def _left(self) -> Iterator[str]:
        keys = self._keys
        for name, shop in self._world.shops.items():
            if int(self._text(f"intake:cursor:{name}", "value") or -1) != len(shop.feed):
                yield f"{name} is not read to its end"
        waiting = [f"fetch:{name}" for name in self._world.shops] + ["inbox", "inbox:again", "inbox:deferred"]
        waiting += [f"lane:{name}:due" for name in self._world.depots]
        yield from (f"{name} is not empty" for name in waiting if keys.get(f"intake:{name}".encode()))
        for key in sorted(keys.data):
            if b":claims:" in key or b"inbox:taken:" in key:
                yield f"{key.decode()} is not empty"
        for name, depot in self._world.depots.items():
            doubts = keys.get(f"intake:lane:{name}:doubt".encode()) or {}
            if depot.traits.settles and any(self.record(name, key.decode()).get("again", "0") < "3" for key in doubts):
                yield f"orders are in doubt at {name}, which can be searched"

    def check_finished(self) -> None:
        """Check that each order has reached a final state in each target, and that the target matches the source."""
        for provider, shop in self._world.shops.items():
            for external_id in shop.orders:
                for target in self._world.depots:
                    self._ended(provider, external_id, target)
        self._judge()

    def _judge(self) -> None:
        """Check the same by the journal of the simulated systems alone, but for orders that a person knows about."""
        known: dict[str, set[str]] = {target: set() for target in self._world.depots}
        rules: dict[tuple[str, str], set[str]] = {}
        for provider, shop in self._world.shops.items():
            letters = self._keys.get(f"intake:malformed:{provider}".encode()) or {}
            for target, depot in self._world.depots.items():
                follows = self._change(provider) == "update"
                rules[provider, target] = {"cancels"} if follows else set()
                rules[provider, target] |= {"updates"} if follows and depot.traits.updates else set()
                for external_id in shop.orders:
                    key = f"{provider}:{external_id}"
                    if external_id.encode() in letters or self.record(target, key).get("state") in _WITH_A_PERSON:
                        known[target].add(key)
        if found := faults(self._world.journal, rules, known, lost=self._forgot):
            raise Violation("; ".join(found))

    def _ended(self, provider: str, external_id: str, target: str) -> None:
        key = f"{provider}:{external_id}"
        versions, record = self._world.shops[provider].orders[external_id], self.record(target, key)
        newest, where = versions[-1], f"{key} in {target}"
        if not record:
            letters = self._keys.get(f"intake:malformed:{provider}".encode()) or {}
            left_out = newest["note"].startswith(_LEFT_OUT) and self._accepted_version(target, key) == newest["version"]
            if external_id.encode() not in letters and not left_out:
                raise Violation(f"{where} is lost")
            return
        state, code = record.get("state", ""), record.get("code", "")
        if state not in _ENDS or (state == "dead" and not code):
            raise Violation(f"{where} ends {state} {code}")
        made = self._world.depots[target].made.get(key, [])
        if state == "delivered" and len(made) != 1:
            raise Violation(f"{where} counts as delivered, and exists {len(made)} times")
        if state == "withdrawn" and (made or newest["note"].startswith("fine")):
            raise Violation(f"{where} is withdrawn, the source has {newest['note']!r}, and it exists {len(made)} times")
        if not newest["note"].startswith("fine"):
            return
        if state == "dead" and code not in _NOT_ITS_FAULT:
            raise Violation(f"{where} is dead ({code}), although the target accepts it")
        change = self._change(provider)
        # A target that cannot change orders holds one that is live again.
        stopped = any(version["note"].startswith("cancelled") for version in versions)
        if state == "held" and change != "hold" and not stopped:
            raise Violation(f"{where} is held ({code}), although its route does not hold changes")
        if state == "delivered" and change == "update" and self._world.depots[target].traits.updates:
            self._same(target, key, made[0].body, newest)

    def _change(self, provider: str) -> str:
        routes = self._world.house.settings.routes  # their names are those of the ledger
        return next(route.on_change for route in routes if route.source == provider)

    def _same(self, target: str, key: str, body: dict[str, Any], newest: dict[str, Any]) -> None:
        # A ledger that does not know that it sent an order cannot know that the order has changed since.
        unknown = self._world.faults.losses or (target, key) in self._forgotten
        if body["note"] != newest["note"] and not unknown:
            raise Violation(f"{key} in {target}: the target has {body['note']!r}, the source {newest['note']!r}")
