"""The console and the receiver run as Redis users of their own: `web` and `receive` of deploy/users.acl.example."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from chaos.acl import Guarded, guarded
from integration.test_console_api import BODIES, Api
from integration.test_console_correct import form_of
from integration.test_console_together import MOVES, correction, decide, stuck
from support.command_line import intake
from support.console import Consoles, running_console
from support.console_process import HttpVisitor, console_process
from support.console_world import SETTINGS, fill, fill_comparison
from support.receiver import running_receiver, standard_headers, write_settings
from support.settings_texts import table
from worker.operations.decisions import DECISIONS
from worker.runtime import Runtime, read_settings
from worker.store.audit import read_audit
from worker.store.console.tokens import Tokens
from worker.web.api.routes import CALLS
from worker.web.app import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A value for each part of an address.
PARTS = {
    "{list}/{action}": "dead/resend",
    "{list}": "dead",
    "{action}": "resend",
    "{target}": "warehouse",
    "{provider}": "shop-nl",
    "{key:path}": "shop-nl:02",
    "{key}": "shop-nl:02",
    "{side}/{name}": "targets/warehouse",
    "targets/{name}": "targets/warehouse",
    "{name}": "shop-nl",
}


def address(path: str) -> str:
    """Return a path of the console with a value in each of its places."""
    for place, value in PARTS.items():
        path = path.replace(place, value)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("web")) as server:
        yield server


@pytest.fixture
def rt(server: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Fill the ledger as `worker`; what reads the settings after that is `web`."""
    (tmp_path / "intake.toml").write_text(table("redis", url="env:THE_REDIS") + SETTINGS)
    for name, value in {"TEST_KEY": "k", "TEST_ACCOUNT": "a", "THE_REDIS": server.url("worker")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    server.admin.flushall()
    with Runtime(read_settings()) as rt:
        rt.installation.confirm()
        fill(rt)
        fill_comparison(rt)
        monkeypatch.setenv("THE_REDIS", server.url("web"))
        server.take_refusals()
        yield rt


@pytest.fixture
def consoles(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    assert rt.settings.providers
    with running_console(monkeypatch) as consoles:
        yield consoles


def test_every_page_and_every_call_works_as_the_user_web(server: Guarded, rt: Runtime, consoles: Consoles) -> None:
    operator = consoles.as_role("operator")
    for page in PAGES:
        path = address(page.path)
        if path == "/sign-out":
            continue
        response = operator.get(path) if page.method == "GET" else operator.send(path, {"reason": "x"}, at="/find")
        assert response.status_code < 500, (path, response.text)
        assert server.take_refusals() == [], path
    api = Api(consoles, Tokens(rt.redis).add("shop", "operator") or "")
    for call in CALLS:
        path = address(call.path)
        answer = api.get(path) if call.method == "GET" else api.post(path, BODIES.get(call.path, {}))
        assert answer.status_code < 500, (path, answer.text)
        assert server.take_refusals() == [], path


def test_a_person_acts_in_every_way_as_the_user_web(server: Guarded, rt: Runtime, consoles: Consoles) -> None:
    operator, before = consoles.as_role("operator"), len([*read_audit(rt.redis)])
    for number, name in enumerate(MOVES, 20):
        rt.redis.delete("intake:lane:warehouse:due")
        key = stuck(rt, DECISIONS[name].state, number)
        assert decide(operator, name, key)().status_code == 303, name
    rt.redis.delete("intake:lane:warehouse:due")
    assert correction(operator, stuck(rt, "dead", 40), "1015 KH")().status_code == 303
    for path in ("/targets/warehouse/pause", "/targets/warehouse/resume", "/providers/shop-nl/poll"):
        seen = form_of(operator.get("/targets/warehouse/pause").text) if path.endswith("resume") else {}
        assert operator.send(path, {"reason": "stocktaking"} | seen, at="/find").status_code == 303, path
    assert len([*read_audit(rt.redis)]) == before + len(MOVES) + 4
    assert server.take_refusals() == []


@pytest.mark.repeat
def test_the_console_starts_and_users_are_managed_as_the_user_web(server: Guarded, rt: Runtime) -> None:
    """Run the process. `test_every_page_and_every_call_works_as_the_user_web` is the part of this in `make test`."""
    assert rt.settings.targets
    password = "a long enough password 1"
    added = intake("web", "user", "add", "ada", "--role", "operator", "--stdin", stdin=f"{password}\n")
    assert added.exit_code == 0, added.output
    assert intake("web", "token", "add", "desk", "--role", "viewer").exit_code == 0
    with console_process() as (url, _):
        ada = HttpVisitor(url)
        assert ada.sign_in("ada", password).status_code == 303
        assert "shop-nl" in ada.get("/accounts").text
        assert ada.post("/targets/warehouse/pause", {"csrf": ada.token("/find"), "reason": "x"}).status_code == 303
    assert rt.lanes["warehouse"].status()["paused"] == "x"
    assert server.take_refusals() == []


def test_the_receiver_pushes_jobs_as_the_user_receive(
    server: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.admin.flushall()
    server.take_refusals()
    monkeypatch.setenv("THE_REDIS", server.url("receive"))
    body = json.dumps({"v": 1, "provider": "shop", "external_id": "7"})
    with running_receiver(write_settings(tmp_path, "env:THE_REDIS")) as receiver:
        assert requests.get(f"{receiver.url}/ready", timeout=10).status_code == 200
        assert receiver.post("/hooks/web", body, standard_headers(body)).status_code < 300
        assert server.admin.llen("intake:inbox") == 1
        server.admin.config_set("maxmemory", 1)
        try:
            assert requests.get(f"{receiver.url}/ready", timeout=10).status_code == 503
            assert receiver.post("/hooks/web", body, standard_headers(body)).status_code == 503
        finally:
            server.admin.config_set("maxmemory", 0)
    assert server.take_refusals() == []
