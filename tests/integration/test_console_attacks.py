"""What somebody without rights, or with few, tries at the console and its API: methods, paths, bodies, old sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anyio import run

from integration.test_console_access import CLOSED, path_of
from integration.test_console_api import Api
from support.console import PASSWORD, Consoles
from worker.store.console.tokens import Tokens
from worker.web import passwords
from worker.web.api.call import ROOT
from worker.web.api.routes import CALLS
from worker.web.app import PAGES
from worker.web.page import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.runtime import Runtime

METHODS = ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")
#: Ways to write the path of a page that a proxy or a router may read as another one.
TRICKS = (
    "/{}", "{}/", "{};x", "/.{}", "/x/..{}", "/%2e%2e{}", "/%2e{}", "/static/..{}", "/static/%2e%2e/%2e%2e{}", "{}%00",
    "{}%20", "{}%2f", "{}/.", "{}.json", "/sign-in/..{}", "/%5c{}", "/health{}", "{}?next=/", "{}#/sign-in",
)  # fmt: skip


def paths() -> list[str]:
    """Return every path of the console and its API."""
    calls = [
        ROOT + call.path.replace("{key}", "shop:1").replace("{name}", "x").replace("{list}", "dead") for call in CALLS
    ]
    return sorted({path_of(page) for page in PAGES} | set(calls))


def test_no_other_method_opens_a_page_or_a_call(consoles: Consoles) -> None:
    stranger = consoles.stranger(**{"Origin": "https://evil.example", "X-HTTP-Method-Override": "GET"})
    open_to_all = {path_of(page) for page in PAGES if page.role == EVERYBODY and page.method == "GET"}
    for path in paths():
        for method in METHODS:
            response = stranger.client.request(method, path)
            allowed = (
                {303, 401, 404, 405} | ({200} if path in open_to_all else set()) if method == "HEAD" else {405, 404}
            )
            assert response.status_code in allowed, (method, path, response.status_code)
            assert not [name for name in response.headers if name.startswith("access-control-")], path
            assert response.headers["cache-control"] == "no-store", path
            assert method != "HEAD" or not response.content


def test_no_spelling_of_a_path_opens_a_page(consoles: Consoles) -> None:
    stranger = consoles.stranger()
    for path in ("/accounts", "/find", "/audit", f"{ROOT}/orders/shop:1", "/orders/shop:1"):
        for trick in TRICKS:
            response = stranger.client.get(f"http://testserver{trick.format(path)}")
            assert response.status_code in {303, 401, 404}, (trick, path, response.text)
            if response.status_code == 303:
                assert response.headers["location"].startswith("/sign-in"), trick


@pytest.mark.parametrize("host", ["evil.example", "[", "a/../x?", "a@b", "x" * 300, "", "é"])
def test_the_name_of_the_host_changes_nothing(consoles: Consoles, host: str) -> None:
    stranger = consoles.stranger()
    for path in ("/accounts", "/sign-in", "/nowhere"):
        plain = stranger.client.get(path)
        other = stranger.client.get(path, headers={b"Host": host.encode()})
        assert (other.status_code, other.headers.get("location")) == (plain.status_code, plain.headers.get("location"))
        assert host not in other.text or len(host) < 3


def test_the_body_of_a_stranger_is_never_read(consoles: Consoles) -> None:
    for page in CLOSED:
        if page.method == "POST":
            status, headers = run(_post, consoles.app, path_of(page))
            assert (status, headers[b"location"][:8], headers[b"connection"]) == (303, b"/sign-in", b"close"), page.path


async def _post(app: Any, path: str) -> tuple[int, dict[bytes, bytes]]:
    """Send the head of a request; the body must not be asked for."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    head = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    more = {"query_string": b"", "headers": [(b"host", b"x"), (b"cookie", b"intake=guess")], "scheme": "http"}
    await app({**head, **more, "client": ("203.0.113.9", 1), "server": ("x", 80), "root_path": ""}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def test_the_form_to_sign_in_is_small(consoles: Consoles) -> None:
    stranger = consoles.stranger()
    form = {"csrf": stranger.token("/sign-in"), "name": "viewer", "password": "x" * 20_000}
    assert stranger.post("/sign-in", form).status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_a_form_of_another_site_is_refused_whatever_its_type(consoles: Consoles, kind: str) -> None:
    operator = consoles.as_role("operator")
    body = "csrf=&reason=x"
    response = operator.client.post("/targets/dropday/pause", content=body, headers={"Content-Type": kind})
    assert response.status_code == 403


CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "another password": lambda users, user: users.change(user, password=passwords.hash_password(PASSWORD)),
    "another role": lambda users, user: users.change(user, role="viewer"),
    "the same role again": lambda users, user: users.change(user, role=user.role),
    "removed": lambda users, user: users.remove(user.name),
    "removed and added again": lambda users, user: (
        users.remove(user.name),
        users.add(user.name, user.role, user.password),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_user_ends_every_session_with_its_next_request(consoles: Consoles, change: str) -> None:
    browsers = [consoles.as_role("operator"), consoles.as_role("operator")]
    tokens = [each.token("/find") for each in browsers]
    users = consoles.console.users
    CHANGES[change](users, users.get("operator"))
    for browser, token in zip(browsers, tokens, strict=True):
        response = browser.post("/targets/dropday/pause", {"csrf": token, "reason": "x"})
        assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
        assert browser.get("/accounts").headers["location"] == "/sign-in?next=%2Faccounts"
    assert not consoles.console.rt.lanes["dropday"].status().get("paused")


def test_a_token_that_was_removed_and_added_again_is_another_token(consoles: Consoles) -> None:
    rt: Runtime = consoles.console.rt
    tokens = Tokens(rt.redis)
    api = Api(consoles, tokens.add("desk", "operator") or "")
    assert api.get("/lists/dead").status_code == 200
    tokens.remove("desk")
    assert api.get("/lists/dead").status_code == 401
    tokens.add("desk", "operator")
    assert api.get("/lists/dead").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        '{"reason": "x", "reason": 1}', '{"a": ' * 50_000, "[" * 100_000, '{"reason": "\\ud800"}', "\ufeff{}", "NaN",
        '{"reason": ' + "9" * 10_000 + "}", "", "null", '{"__proto__": {}, "reason": "x"}',
    ],
)  # fmt: skip
def test_a_strange_body_is_refused_with_its_reason(consoles: Consoles, body: str) -> None:
    api = Tokens(consoles.console.rt.redis).add("desk", "operator")
    headers = {"Authorization": f"Bearer {api}", "Content-Type": "application/json"}
    response = consoles.stranger().client.post(
        f"{ROOT}/targets/dropday/pause", content=body.encode("utf-8", "surrogatepass"), headers=headers
    )
    assert response.status_code == 400, response.text
    assert response.json()["code"] == "invalid"
