"""The console while Redis is away, silent, slow, full, read-only or loading: it says so, and recovers by itself."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from support.console_process import HttpVisitor, console_process
from support.console_world import SETTINGS, fill
from support.redis_states import always, silent
from worker.store.audit import read_audit
from worker.store.console.users import Users
from worker.store.redis.states import STATES
from worker.web import passwords
from worker.web.paths import decision_path, order_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from support.settings_texts import Configured
    from worker.runtime import Runtime

PASSWORD: Final = "correct horse battery"
DEAD: Final = "shop-nl:02"
PAGES: Final = (
    "/",
    order_path(DEAD),
    "/lists/dead",
    "/accounts",
    "/targets/warehouse",
    decision_path("resend", "warehouse", DEAD),
)
#: Seconds within which a page says what it has to say; a busy machine needs some for itself.
WITHIN: Final = 2.0 + 2.0


class Wire:
    """The connection between the console and its Redis: whole, slow, or in the hands of something else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.behave: Callable[[socket.socket], None] | None = None
        self.delay = 0.0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def put(self, behave: Callable[[socket.socket], None] | None = None, delay: float = 0.0) -> None:
        """Cut every connection; from now on, this behaves in the place of Redis, or Redis answers with a delay."""
        self.behave, self.delay = behave, delay
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Accept no connection any more."""
        self.put()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        with client, contextlib.suppress(OSError):
            if self.behave is not None:
                self.behave(client)
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                while data := client.recv(1 << 16):
                    server.sendall(data)
        self._open.discard(client)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                time.sleep(self.delay)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@dataclass
class Place:
    """A console, somebody who has signed in to it, and the connection to its Redis."""

    visitor: HttpVisitor
    wire: Wire
    redis: Redis
    rt: Runtime
    csrf: str

    def resend(self, key: str) -> int:
        """Send the form that sends a dead order again; return the status."""
        form = {"csrf": self.csrf, "seen": self.seen, "sure": "1"}
        return self.visitor.post(decision_path("resend", "warehouse", key), form).status_code

    seen: str = ""


def closed(connection: socket.socket) -> None:
    """Close the connection at once, as a server that is not there."""
    connection.close()


@pytest.fixture
def place(configured: Configured, redis: Redis, redis_url: str) -> Iterator[Place]:
    rt = configured.open(SETTINGS)
    fill(rt)
    Users(redis).add("ada", "operator", passwords.hash_password(PASSWORD))
    wire = Wire(int(redis_url.rpartition(":")[2].partition("/")[0]))
    configured.write(SETTINGS, redis_url=f"redis://127.0.0.1:{wire.port}/0")
    with console_process() as (url, _):
        visitor = HttpVisitor(url)
        visitor.sign_in("ada", PASSWORD)
        page = visitor.get(decision_path("resend", "warehouse", DEAD)).text
        csrf = visitor.token("/find")
        seen = page.partition('name="seen" value="')[2].partition('"')[0]
        assert seen
        yield Place(visitor, wire, redis, rt, csrf, seen)
    wire.close()


def states(place: Place) -> dict[str, str]:
    return {key: place.rt.ledger.standing("warehouse", key).state for key in (DEAD, "shop-de:03")}


def all_say(place: Place, name: str) -> float:
    """Confirm that each page names the state; return the seconds of the slowest."""
    slowest = 0.0
    for path in PAGES:
        began = time.monotonic()
        response = place.visitor.get(path)
        slowest = max(slowest, time.monotonic() - began)
        assert response.status_code == 503, (path, response.status_code)
        assert STATES[name].sentence[1:] in response.text, (path, response.text)
    return slowest


def recovered(place: Place) -> bool:
    return all(place.visitor.get(path).status_code == 200 for path in PAGES)


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_every_page_says_in_time_what_redis_is_and_recovers_without_a_restart(place: Place) -> None:
    """Open each page in each state.

    In `make test`, `test_a_console_without_redis_says_so_and_returns` and
    `test_a_redis_that_is_away_is_a_problem_with_a_remedy` open one.
    """
    before, audited = states(place), len(list(read_audit(place.redis)))
    assert recovered(place)
    times = {}
    for name, behave, delay in (
        ("silent", silent, 0.0),
        ("closed", closed, 0.0),
        ("loading", always("LOADING Redis is loading the dataset in memory"), 0.0),
        ("slow", None, 0.5),
    ):
        place.wire.put(behave, delay)
        times[name] = all_say(place, name)
        assert place.resend(DEAD) == 503
        assert states(place) == before
        place.wire.put()
        assert recovered(place), name
    print("slowest page by state, in seconds:", {name: round(seconds, 2) for name, seconds in times.items()})
    assert max(times.values()) < WITHIN
    assert len(list(read_audit(place.redis))) == audited
    assert place.resend(DEAD) == 303
    assert states(place)[DEAD] == "queued"


@pytest.mark.repeat
@pytest.mark.timeout(300)
def test_a_redis_that_takes_no_writes_is_shown_and_nothing_is_done_in_part(place: Place) -> None:
    """Act on a replica and on a full Redis.

    In `make test`, `test_a_full_redis_takes_a_record` and `test_each_state_of_a_real_server_is_named_with_its_remedy`.
    """
    before = states(place)
    place.redis.replicaof("127.0.0.1", "9")
    try:
        assert all_say(place, "replica") < WITHIN
        assert place.resend(DEAD) == 503
        assert states(place) == before
    finally:
        place.redis.replicaof("NO", "ONE")
    assert recovered(place)
    audited = len(list(read_audit(place.redis)))
    place.redis.config_set("maxmemory", "1")
    try:
        home = place.visitor.get("/")
        assert home.status_code == 200
        assert "Redis is full" in home.text
        # A decision needs no more room: it is made, recorded, and not reported as refused.
        assert place.resend(DEAD) == 303
        assert states(place)[DEAD] == "queued"
        assert len(list(read_audit(place.redis))) == audited + 1
        assert place.visitor.get(order_path(DEAD)).status_code == 200
    finally:
        place.redis.config_set("maxmemory", "0")
    assert place.visitor.get("/").status_code == 200
