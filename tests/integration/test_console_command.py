"""`intake web`: its users, and why it does not start."""

from __future__ import annotations

import importlib.util
import socket
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.settings_texts import NO_REDIS
from worker.store.console.users import Users
from worker.web import passwords

if TYPE_CHECKING:
    from redis import Redis

    from support.settings_texts import Configured

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _configured(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    configured.write()
    monkeypatch.setattr(passwords, "COST", (2, 1, 1))


def test_users_are_added_listed_changed_and_removed(redis: Redis) -> None:
    added = intake("web", "user", "add", "Ann", "--role", "support", "--stdin", stdin=f"{PASSWORD}\n")
    assert added.output == "The user ann was added with the role support.\n"
    asked = intake("web", "user", "add", "bob", "--role", "viewer", stdin=f"{PASSWORD}\n{PASSWORD}\n")
    assert "The user bob was added" in asked.output
    assert "ann: support, since 0 s" in intake("web", "user", "list").output
    first = Users(redis).get("ann")
    assert first
    assert passwords.verify(PASSWORD, first.password)
    assert PASSWORD not in str(redis.hgetall("intake:console:users"))
    intake("web", "user", "password", "ann", "--stdin", stdin="another good password\n")
    intake("web", "user", "role", "ann", "--role", "operator")
    changed = Users(redis).get("ann")
    assert changed
    assert changed.role == "operator"
    assert passwords.verify("another good password", changed.password)
    assert changed.stamp != first.stamp
    assert intake("web", "user", "remove", "ann", stdin="n\n").exit_code == 1
    assert intake("web", "user", "remove", "ann", "--yes").output == "ann is no longer a user.\n"
    intake("web", "user", "add", "carl", "--role", "viewer", "--no-password")
    assert "carl: viewer, since 0 s, identified by the proxy" in intake("web", "user", "list").output
    assert not passwords.verify("", Users(redis).get("carl").password)  # type: ignore[union-attr]  # just added


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("add", "ann", "--role", "viewer", "--stdin"), "short\n", "needs 12 or more"),
        (("add", "ann", "--role", "viewer", "--stdin"), "", "the password has 0 characters"),
        (("add", "ann", "--role", "admin", "--stdin"), PASSWORD, "is not one of 'viewer', 'support', 'operator'"),
        (("add", "ann", "--stdin"), PASSWORD, "Missing option '--role'"),
        (("add", "<ann>", "--role", "viewer", "--stdin"), PASSWORD, "a name has at most 64 characters"),
        (("password", "ann", "--stdin"), PASSWORD, "ann is not a user. See: intake web user list"),
        (("role", "ann", "--role", "viewer"), "", "ann is not a user"),
        (("remove", "ann", "--yes"), "", "ann is not a user"),
    ],
)
def test_what_is_not_possible_with_a_user_is_said(words: tuple[str, ...], stdin: str, said: str) -> None:
    result = intake("web", "user", *words, stdin=stdin)
    assert result.exit_code in {1, 2}
    assert said in result.output
    assert "There is no user" in intake("web", "user", "list").output


def test_a_user_is_not_added_twice() -> None:
    add = ("web", "user", "add", "ann", "--role", "viewer", "--no-password")
    intake(*add)
    result = intake(*add)
    assert result.exit_code == 1
    assert "ann is already a user. To set a new password: intake web user password ann" in result.output


def test_the_console_does_not_start_without_users() -> None:
    result = intake("web", "--port", "0")
    assert result.exit_code == 2
    assert "there are none, so nobody could sign in. Add the first one: intake web user add" in result.output


def test_the_console_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "jinja2" else real(name, *rest)
    )
    result = intake("web")
    assert result.exit_code == 1
    assert "jinja2 missing" in result.output
    assert "pip install --require-hashes -r requirements.lock" in " ".join(result.output.split())


def test_a_port_that_is_in_use_is_said_without_a_traceback() -> None:
    intake("web", "user", "add", "ann", "--role", "viewer", "--no-password")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = intake("web", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "address already in use" in result.output
    assert "Traceback" not in result.output


def test_a_console_whose_redis_is_away_starts_and_says_so(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write(redis_url=NO_REDIS)
    monkeypatch.setattr("worker.inbox.receiver.server.serve", lambda *_: None)
    result = intake("web", "--port", "0")
    assert result.exit_code == 0
    assert "Redis does not respond: nothing listens at this address" in result.output
    assert "console: http://127.0.0.1:" in result.output
