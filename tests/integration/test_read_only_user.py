"""Commands that read work as a user of Redis that may write nothing: `reader` of deploy/users.acl.example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.acl import Guarded, guarded
from support.command_line import intake
from support.console_world import PERSONAL, SETTINGS, fill, fill_days
from support.settings_texts import table
from worker.operations.lookup import find_by_email
from worker.runtime import Runtime, read_settings
from worker.store.orders.held_data import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READING = (
    "status --json",
    "show shop-nl:02 --json",
    "show #NL-1007",
    "show #NL-10",
    "show nowhere",
    "dead list",
    "dead show shop-nl:02 --payload",
    "dead replay --all --dry-run",
    "doubt list",
    "release warehouse --dry-run",
    "inbox list",
    "inbox show x",
    "cursor show shop-nl",
    "cursor set shop-nl --since 2d --dry-run",
    "pause warehouse --dry-run",
    "backfill shop-nl",
    "health --live",
    "metrics --once",
    "report --out -",
    "erase shop-nl:02 --dry-run",
    "forget nobody --dry-run",
)
#: Those of them that find nothing.
MISSING = {
    "show nowhere",
    "inbox show x",
    "backfill shop-nl",
    "health --live",
    "forget nobody --dry-run",
}
#: Commands that write: the user may not.
WRITING = (
    "pause warehouse",
    "dead replay --all --yes",
    "cursor set shop-nl --since 2d --yes",
    "release warehouse --yes",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("reader")) as server:
        yield server


@pytest.fixture
def as_user(server: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the ledger as `worker`, and run what follows as `reader`."""
    (tmp_path / "intake.toml").write_text(table("redis", url="env:THE_REDIS") + SETTINGS)
    for name, value in {
        "INTAKE_CONFIG": str(tmp_path / "intake.toml"),
        "TEST_KEY": "k",
        "TEST_ACCOUNT": "a",
        "COLUMNS": "100",
        "THE_REDIS": server.url("worker"),
    }.items():
        monkeypatch.setenv(name, value)
    server.admin.flushall()
    with Runtime(read_settings()) as rt:
        rt.installation.confirm()
        fill(rt)
        fill_days(rt)
    server.take_refusals()


@pytest.mark.usefixtures("as_user")
def test_every_reading_command_works_for_a_user_that_may_write_nothing(
    server: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_REDIS", server.url("reader"))
    before = {name: server.admin.dump(name) for name in server.admin.scan_iter()}
    for words in READING:
        result = intake(*words.split())
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
        assert server.take_refusals() == [], words
        assert result.exit_code == (words in MISSING), (words, result.output)
        assert "let this user do" not in result.output, words
    assert {name: server.admin.dump(name) for name in server.admin.scan_iter()} == before


@pytest.mark.usefixtures("as_user")
def test_a_writing_command_is_refused_with_the_right_that_is_missing(
    server: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_REDIS", server.url("reader"))
    for words in WRITING:
        result = intake(*words.split())
        assert result.exit_code == 1, words
        assert "Error: Redis does not let this user do what Intake needs" in " ".join(result.output.split()), words
    server.take_refusals()


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("user", ["worker", "reader"])
def test_a_search_for_an_e_mail_address_needs_no_right_that_the_users_lack(
    server: Guarded, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("THE_REDIS", server.url(user))
    monkeypatch.setattr("worker.store.orders.held_data._AT_ONCE", 1)
    with Runtime(read_settings()) as rt:
        first, part = find_by_email(rt, PERSONAL[2], Place(), 0.0)
        assert part.place is not None
        assert 0 <= part.share < 1
        others, _ = find_by_email(rt, PERSONAL[2], part.place, 60.0)
    assert "shop-nl:02" in {order.key for order in (*first, *others)}  # Redis decides which part has it
    assert server.take_refusals() == []
