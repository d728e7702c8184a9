"""The Redis users of deploy/users.acl.example: each part of the stack runs with the rights of its own user only."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from chaos.acl import Guarded, guarded
from support.command_line import intake
from support.orders import order
from support.ports import free_port
from support.stack import Stack
from worker.runtime import Runtime, read_settings
from worker.store.orders.delivery import Delivery
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result


_OLDEST = 'intake_lane_oldest_seconds{target="dropday"}'
_ENDLESS = "while true do end"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("acl")) as server:
        yield server


@pytest.fixture(scope="module")
def stack(server: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a stack that runs as `worker` and has delivered polled and pushed orders."""
    os.environ["STACK_REDIS"] = server.url("worker")
    extra = '[redis]\nurl = "env:STACK_REDIS"\n[producers.web]\nfor = ["shop"]\n'
    with Stack(tmp_path_factory.mktemp("users"), 20, limit="none", extra=extra) as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 20, 60, "the orders")
        stack.add(1)
        with Redis.from_url(server.url("producer")) as producer:
            producer.lpush("intake:inbox", json.dumps({"v": 1, "provider": "shop", "external_id": "1"}))
        stack.wait(lambda: stack.created() == 21, 60, "the order that was added")
        yield stack


def run(stack: Stack, *words: str) -> Result:
    return intake("--config", str(stack.config), *words)


@pytest.mark.timeout(180)
def test_the_whole_stack_runs_as_the_user_worker_without_a_refusal(server: Guarded, stack: Stack) -> None:
    for command in (
        "status --json",
        "check",
        "report --out -",
        "show shop:1",
        "dead list",
        "doubt list",
        "inbox list",
        "pause dropday",
        "resume dropday",
        "release dropday --dry-run",
        "poll shop --dry-run",
        "cursor show shop",
        "reconcile shop dropday --since 7d",
        "erase shop:1 --yes --rewrite",
        "erase --match nobody@example.org --dry-run",
        "health --ready",
        "metrics --once",
    ):
        done = run(stack, *command.split())
        assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
        assert done.exit_code in {0, 1}, (command, done.stderr)
    assert server.take_refusals() == []
    assert "Permission" not in stack.log()


def test_the_user_metrics_can_read_all_metrics_and_write_nothing(
    server: Guarded, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = run(stack, "metrics", "--once").stdout
    server.take_refusals()
    monkeypatch.setenv("STACK_REDIS", server.url("metrics"))
    done = run(stack, "metrics", "--once")
    assert done.exit_code == 0, done.stderr
    assert {line.split()[2] for line in done.stdout.splitlines() if line.startswith("# HELP")} == {
        line.split()[2] for line in full.splitlines() if line.startswith("# HELP")
    }
    assert "intake_up 1" in done.stdout
    assert server.take_refusals() == []


def test_the_user_metrics_reads_the_age_of_orders_that_wait_and_never_an_order(
    server: Guarded, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Runtime(read_settings(stack.config)) as rt:
        lane = rt.lanes["dropday"]
        lane.pause("for this test")
        try:
            rt.ledger.accept("dropday", [Delivery(order("waits", provider="shop"), "shop:waits")], "poll shop")
            rt.redis.hincrby("intake:order:dropday:shop:waits", "seen", -90_000)
            lane.sweep()
            server.take_refusals()
            monkeypatch.setenv("STACK_REDIS", server.url("metrics"))
            text = run(stack, "metrics", "--once").stdout
        finally:
            lane.resume()
    assert float(dict(line.rsplit(" ", 1) for line in text.splitlines())[_OLDEST]) >= 90
    assert server.take_refusals() == []


def commands_of(server: Guarded) -> dict[str, int]:
    """Return every command and subcommand of the server, with the number of its words."""
    described: dict[str, dict[str, Any]] = server.admin.command()
    subcommands = [(part[0], part[1]) for each in described.values() for part in each.get("subcommands", ())]
    return {
        **{name: abs(facts["arity"]) for name, facts in described.items() if not facts.get("subcommands")},
        **{str(name): abs(int(arity)) for name, arity in subcommands},
    }


def allowed(server: Guarded, user: str, key: str) -> set[str]:
    """Return the commands that a user may run with this key, of all commands of the server."""
    may = set()
    for name, words in commands_of(server).items():
        parts = name.split("|")
        if server.admin.acl_dryrun(user, *parts, *[key] * (words - len(parts))) in {"OK", b"OK"}:
            may.add(name)
    return may


#: Commands that speak of no key, and which everybody may run.
CONNECTING = {"auth", "hello", "ping", "quit", "reset"}
WITHOUT_A_KEY = {
    "receive": CONNECTING | {"client|setinfo", "client|setname", "select"},
    "producer": CONNECTING | {"client|setinfo"},
    "metrics": CONNECTING | {"client|setinfo", "select", "info", "time", "multi", "exec"},
    "flower": CONNECTING | {"client|setinfo", "client|setname", "select", "info", "time", "multi", "exec"}
    | {"subscribe", "unsubscribe", "psubscribe", "punsubscribe", "publish"},
}  # fmt: skip
#: Whose keys hold personal data, or let a task be sent to the workers.
PRIVATE = (
    "intake:order:dropday:shop:1",
    "intake:payload:dropday:shop:1",
    "intake:history:dropday:shop:1",
    "intake:malformed:shop",
    "intake:inbox:dead",
    "intake:web:users",
    "intake:audit",
    "intake.deliver",
    "unacked",
)
#: What the names of keys and the configuration of the server belong to, and what runs a program in it.
_POWER = ("admin", "dangerous", "scripting")
POWERS = {
    "web": {"info", "evalsha", "script|load", "script|exists"},
    "receive": set[str](),
    "producer": set[str](),
    "metrics": {"info"},
    "flower": {"info"},
    "reader": {"info", "evalsha", "script|load", "script|exists"},
    "worker": {"info", "evalsha", "script|load", "script|exists", "script|kill", "bgrewriteaof"},
}


@pytest.mark.parametrize("user", WITHOUT_A_KEY)
def test_of_all_commands_a_user_may_run_none_on_a_key_that_is_not_its_own(server: Guarded, user: str) -> None:
    for key in ("another", *PRIVATE):
        counts = {"llen", "hlen", "zcard", "zcount"} if user in {"metrics", "flower"} else set()
        extra = allowed(server, user, key) - WITHOUT_A_KEY[user]
        assert extra <= (counts if key.startswith(("intake.", "intake:malformed", "intake:inbox")) else set()), key


@pytest.mark.parametrize("user", POWERS)
def test_of_all_commands_that_run_programs_or_change_the_server_a_user_may_run_those_of_the_list(
    server: Guarded, user: str
) -> None:
    powerful = {str(name) for power in _POWER for name in server.admin.acl_cat(power)}
    assert {"eval", "evalsha", "evalsha_ro", "fcall", "function|load", "script|load", "keys", "config|get"} <= powerful
    assert allowed(server, user, "intake:inbox") & powerful == POWERS[user]


@pytest.mark.repeat
def test_only_the_worker_may_end_a_script_that_runs_for_ever(server: Guarded) -> None:
    """End a script with the rights of each user; the server is busy for five seconds before it may be ended.

    In `make test`, `test_of_all_commands_that_run_programs_or_change_the_server_a_user_may_run_those_of_the_list`.
    """
    once = Retry(NoBackoff(), 0)
    for user in ("receive", "producer", "flower", "metrics"):
        with Redis.from_url(server.url(user)) as other:
            for words in (("SCRIPT", "LOAD", _ENDLESS), ("EVAL", _ENDLESS, 0), ("EVALSHA", "0" * 40, 0)):
                with pytest.raises(ResponseError, match="permission"):
                    other.execute_command(*words)
    with Redis.from_url(server.url("reader"), socket_timeout=1, retry=once) as reader:
        sha = reader.script_load(_ENDLESS)
        with pytest.raises(RedisTimeoutError):
            reader.evalsha(sha, 0)
    with Redis.from_url(server.url("worker")) as worker:
        until = time.monotonic() + 30
        # A script may be ended once the server reports that it is busy: after 5 seconds. It ends a moment later.
        ended = answers = False
        while not (ended and answers) and time.monotonic() < until:
            with contextlib.suppress(ResponseError):
                ended = ended or bool(worker.script_kill())
                answers = bool(worker.ping())
        assert ended
        assert answers
    for user in ("web", "receive", "producer", "flower", "metrics", "reader"):
        with Redis.from_url(server.url(user)) as other, pytest.raises(ResponseError, match="permission"):
            other.script_kill()
    server.take_refusals()


#: Commands that no process of Intake needs.
NEVER = (
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "ACL LIST",
    "ACL SETUSER x on",
    "SHUTDOWN NOSAVE",
    "MONITOR",
    "CLIENT KILL ID 1",
    "CLIENT LIST",
    "REPLICAOF a 1",
    "MIGRATE a 1 k 0 1",
    "SCRIPT FLUSH",
    "FUNCTION LIST",
    "SWAPDB 0 1",
    "SAVE",
    "GET another",
    "SET another x",
    "DEL another",
    "SET intakes x",
    "PUBLISH another x",
    "EVAL return(redis.call('GET','another')) 0",
)
#: Commands that read personal data or that only the workers may run.
OF_THE_WORKER = (
    "GET intake:payload:dropday:shop:1",
    "HGETALL intake:malformed:shop",
    "LRANGE intake:inbox 0 -1",
    "LRANGE intake:history:dropday:shop:1 0 -1",
    "HGETALL intake:order:dropday:shop:1",
    "HMGET intake:order:dropday:shop:1 fields",
    "HGETALL intake:inbox:dead",
    "LRANGE intake.ingest 0 -1",
    "HSET intake:lane:dropday paused x",
    "DEL intake:lane:dropday",
    "LPUSH intake.poll x",
    "ZADD intake:lane:dropday:due 0 x",
    "SET intake:epoch 0",
)


#: What stops or deceives the workers, and what waits for their acknowledgement.
OF_THE_WORKER_ALONE = (
    "HGETALL unacked",
    "LPUSH celery.pidbox x",
    "PUBLISH /0.celery.pidbox x",
    "SUBSCRIBE /0.celeryev/worker.heartbeat",
    "SCRIPT KILL",
    "BGREWRITEAOF",
)


@pytest.mark.parametrize(
    ("user", "commands"),
    [
        ("worker", NEVER),
        *((user, (*NEVER, *OF_THE_WORKER)) for user in ("receive", "producer", "flower", "metrics")),
        ("web", (*NEVER, *OF_THE_WORKER_ALONE)),
    ],
)
def test_a_user_is_refused_every_command_that_it_does_not_need(
    server: Guarded, user: str, commands: tuple[str, ...]
) -> None:
    with Redis.from_url(server.url(user)) as redis:
        for command in commands:
            with pytest.raises(ResponseError, match=r"(?i)permission|ACL"):
                redis.execute_command(*command.split())
    server.take_refusals()


def test_the_user_producer_can_push_jobs_and_only_the_worker_can_read_them(server: Guarded) -> None:
    with Redis.from_url(server.url("producer")) as producer:
        assert producer.lpush("intake:inbox", "{}") >= 1
        with pytest.raises(ResponseError, match="permission"):
            producer.lrange("intake:inbox", 0, -1)
    server.take_refusals()


@pytest.mark.parametrize("user", ["worker", "web", "receive", "producer", "flower", "metrics", "reader"])
def test_a_password_changes_while_both_are_valid(server: Guarded, user: str) -> None:
    new = server.url(user).replace("-secret@", "-secret-2@")
    old, later = f"{user}-secret", f"{user}-secret-2"
    for change, valid in (([], (True, False)), ([f"+{later}"], (True, True)), ([f"-{old}"], (False, True))):
        server.admin.acl_setuser(user, enabled=True, passwords=change)
        assert tuple(map(_may_connect, (server.url(user), new))) == valid
    server.admin.acl_setuser(user, enabled=True, passwords=[f"+{old}", f"-{later}"])
    server.take_refusals()


def _may_connect(url: str) -> bool:
    with Redis.from_url(url) as redis:
        try:
            return bool(redis.ping())
        except AuthenticationError:
            return False


@pytest.mark.timeout(120)
def test_flower_shows_the_workers_as_a_user_that_sees_no_key_of_the_ledger(server: Guarded, stack: Stack) -> None:
    port = free_port()
    environ = {"INTAKE_CONFIG": str(stack.config), "FLOWER_BASIC_AUTH": "me:pw", "FLOWER_PORT": str(port)}
    environ["STACK_REDIS"] = server.url("flower")
    command = [sys.executable, "-m", "worker.cli", "run", "flower"]
    with subprocess.Popen(command, env=os.environ | environ, stderr=subprocess.DEVNULL) as process:
        try:
            stack.wait(lambda: len(_get(port, "/api/workers?refresh=1")) == 2, 60, "the workers in Flower")
            stack.wait(lambda: bool(_get(port, "/api/tasks")), 60, "the tasks in Flower")
            queues = {queue["name"]: queue["messages"] for queue in _get(port, "/api/queues/length")["active_queues"]}
            assert queues.keys() >= {"intake.poll", "intake.deliver", "intake.ingest"}
        finally:
            process.terminate()
            process.wait(timeout=20)
    # kombu tries to restore unacknowledged messages from Flower's process too, where they could be read: it is refused.
    assert set(server.take_refusals()) <= {"flower: key unacked_mutex"}


def _get(port: int, path: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = requests.get(f"http://127.0.0.1:{port}{path}", auth=("me", "pw"), timeout=20).json()
    except (requests.ConnectionError, ValueError):
        return {}
    return document


def test_a_watch_with_a_read_only_user_leaves_the_alarms_to_others(
    server: Guarded, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK_REDIS", server.url("metrics"))
    with Runtime(read_settings(stack.config)) as rt:
        watch = Watch(rt)
        watch._began = watch._looked = -1e6
        watch.look()
        assert server.take_refusals() == ["metrics: command evalsha"]
        watch.look()
    assert server.take_refusals() == []
