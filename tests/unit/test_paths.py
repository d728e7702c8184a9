"""An id of another system is one segment of the path of a call, or no call is made: in every adapter."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.orders import order
from worker.errors import IntakeError, Malformed, Unavailable
from worker.http.client import Answer, Client
from worker.http.gates import Open
from worker.http.paths import segment
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds

ROOT: Final = Path(__file__).parents[2]
#: The first are resolved by a server or by a proxy before it.
RESOLVED: Final = ("..", ".", "../users", "a/../../users", "%2e%2e", "%252E%252e/x", "..\\x")
HOSTILE: Final = (*RESOLVED, "/", "a/b", "a?by=id", "a#b", "?", "#", "a%2Fb", "é", "%")
PROVIDERS: Final[dict[str, dict[str, Any]]] = {
    "retailcrm": {"api_key": "k", "time_zone": "UTC"},
    "dropday": {"api_key": "k", "account_id": "1"},
    "dropstream": {"user": "u", "password": "p"},
    "ordercloud": {"client_id": "c", "client_secret": "s"},
    "dropboy": {"api_key": "k"},
}
TARGETS: Final[dict[str, dict[str, Any]]] = {
    "retailcrm": {"api_key": "k"},
    "dropday": {"api_key": "k", "account_id": "1"},
    "ordercloud": {"client_id": "c", "client_secret": "s", "buyer_id": "b", "user_id": "u", "products": "sku"},
    "dropboy": {"api_key": "k", "origin": {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus"}},
}
CALLS: Final = {
    "find": lambda target, text: target.find(text),
    "resume": lambda target, text: target.resume(order(), "reference", text),
    "cancel": lambda target, text: target.cancel(order(), text, "1"),
    "cancel by id": lambda target, text: target.cancel(order(), "reference", text),
}


def paths_of(adapter: Any, client: Client, call: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that are called for an id, but for those that get a token."""
    called: list[str] = []

    def answer(_: Client, method: str, path: str, *__: Any) -> Answer:
        if "token" in path or "auth" in path:
            return Answer(200, {}, b'{"access_token": "t", "token": "t", "expires_in": 60}', f"{method} {path}")
        called.append(path)
        raise Unavailable("the path is known")

    monkeypatch.setattr(Client, "_call", answer)
    with contextlib.suppress(IntakeError, NotImplementedError):
        call(adapter, text)
    return called


def assert_one_segment(adapter: Any, client: Client, call: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    usual = paths_of(adapter, client, call, "id-1", monkeypatch)
    places = [path.split("/").index("id-1") for path in usual if "id-1" in path.split("/")]
    for text in HOSTILE if places else ():
        for path in paths_of(adapter, client, call, text, monkeypatch):
            segments = path.split("/")
            assert not set("?#\\") & set(path)
            assert len(segments) == len(usual[0].split("/"))
            assert unquote(segments[places[0]]) == text
            assert text not in RESOLVED
    return len(places)


@pytest.mark.parametrize("kind", provider_kinds())
def test_an_id_never_changes_the_path_of_a_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, adapter = Client("http://127.0.0.1:9", gate=Open(), headers={}), provider_kinds()[kind]
    made = adapter(kind, adapter.Options.model_validate(PROVIDERS[kind]), client)
    found = assert_one_segment(made, client, lambda provider, text: provider.fetch_one(text), monkeypatch)
    assert found or kind == "dropboy"  # which is searched by a query


@pytest.mark.parametrize("kind", target_kinds())
def test_a_reference_an_id_and_a_step_never_change_the_path_of_a_call(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, adapter = Client("http://127.0.0.1:9", gate=Open(), headers={}), target_kinds()[kind]
    made = adapter(kind, adapter.Options.model_validate(TARGETS[kind]), client)
    found = {name: assert_one_segment(made, client, call, monkeypatch) for name, call in CALLS.items()}
    assert any(found.values()) or kind == "dropday"  # which is read as a whole


@given(st.text(min_size=1))
def test_a_segment_is_refused_or_decodes_to_its_text(text: str) -> None:
    with contextlib.suppress(Malformed):
        assert unquote(segment(text)) == text
        assert not set("/?#\\") & set(segment(text))


def test_adapters_quote_in_no_other_way() -> None:
    for file in (ROOT / "worker/systems").rglob("*.py"):
        assert not re.search(r"\bquote(_plus)?\b", file.read_text("utf-8")), file


def test_a_client_refuses_a_path_that_a_server_would_resolve() -> None:
    client = Client("http://127.0.0.1:9", gate=Open(), headers={})
    for path in ("/orders/..", "/orders/%2e%2E/users", "/orders/./1", "/orders/%252e%252e"):
        with pytest.raises(Malformed):
            client.read(path)
        with pytest.raises(Malformed):
            client.write("POST", path, json={})
