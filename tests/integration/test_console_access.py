"""Who may open the console: no page without a session, each role its pages, forms with tokens, limited attempts."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from support.console import PASSWORD, Consoles, running_console
from support.settings_texts import NO_REDIS, SHOP_TO_DROPDAY, table
from worker.store.console.sessions import Sessions, digest_of
from worker.store.console.users import ROLES
from worker.store.redis import keys
from worker.store.redis.connection import connect
from worker.web import passwords
from worker.web.app import PAGES, application
from worker.web.page import EVERYBODY, Page
from worker.web.proxy import Sender
from worker.web.sign_in import MOST
from worker.web.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from support.settings_texts import Configured

#: The pages that anybody may open, which show nothing of an order.
OPEN = {("/health", "GET"), ("/static/{digest}/{name}", "GET"), ("/sign-in", "GET"), ("/sign-in", "POST")}
#: Values for the parts of paths: of an order, a target and an action that may not be there.
VALUES = {"{key:path}": "shop:1", "{target}": "dropday", "{action}": "resend", "{digest}": "0", "{name}": "x"}


def path_of(page: Page) -> str:
    path = page.path
    for name, value in VALUES.items():
        path = path.replace(name, value)
    return re.sub(r"\{[^}]*\}", "x", path)


CLOSED = [page for page in PAGES if page.role != EVERYBODY]


@pytest.fixture
def consoles(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    configured.write()
    with running_console(monkeypatch) as consoles:
        yield consoles


def test_only_these_pages_are_open_to_everybody() -> None:
    assert {(page.path, page.method) for page in PAGES if page.role == EVERYBODY} == OPEN
    assert all(page.role in {EVERYBODY, *ROLES} for page in PAGES)


def test_no_page_opens_without_a_session(consoles: Consoles) -> None:
    visitors = [consoles.stranger(), consoles.stranger()]
    visitors[1].carry("0" * 43)
    for page in CLOSED:
        for visitor in visitors:
            response = visitor.get(path_of(page)) if page.method == "GET" else visitor.post(path_of(page), {"csrf": ""})
            assert response.status_code == 303, (page, response.text)
            assert response.headers["location"].startswith("/sign-in")
            assert response.content == b""


def test_a_role_that_is_not_enough_is_refused(consoles: Consoles) -> None:
    for role in ROLES:
        visitor = consoles.as_role(role)
        for page in CLOSED:
            assert page.role in ROLES
            if ROLES.index(role) < ROLES.index(page.role):
                response = visitor.get(path_of(page)) if page.method == "GET" else visitor.send(path_of(page))
                assert response.status_code == 403, (role, page, response.text)


def test_a_page_without_a_role_is_refused_to_everybody(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, consoles: Consoles
) -> None:
    app = application(
        consoles.console.rt.installation.declared, (*PAGES, Page("/new", lambda visit: visit.redirect("/")))
    )
    browser = Consoles(app).as_role("operator")
    assert browser.get("/new").status_code == 403
    browser.console.close()


def test_a_form_without_the_token_of_its_session_is_refused(consoles: Consoles) -> None:
    other = consoles.as_role("operator").token("/")
    browser = consoles.as_role("operator")
    own = browser.token("/")
    for page in CLOSED:
        if page.method == "POST":
            for token in ("", "x", other, other + "é"):
                assert browser.post(path_of(page), {"csrf": token}).status_code == 403, page
            foreign = {"Sec-Fetch-Site": "cross-site"}
            assert browser.post(path_of(page), {"csrf": own}, **foreign).status_code == 403, page


def test_a_form_to_sign_in_needs_the_token_of_its_own_browser(consoles: Consoles) -> None:
    token = consoles.stranger().token("/sign-in")
    victim = consoles.stranger()
    form = {"name": "operator", "password": PASSWORD, "csrf": token}
    assert victim.post("/sign-in", form).status_code == 403
    assert "intake" not in victim.cookies


def test_every_response_forbids_framing_sniffing_caching_and_foreign_content(consoles: Consoles) -> None:
    browser = consoles.as_role("operator")
    for response in (browser.get("/"), browser.get("/nowhere"), browser.get("/sign-in"), browser.post("/", {})):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?! src)|<style| style=| on[a-z]+=|javascript:", response.text)


def test_signing_in_begins_a_new_session_and_signing_out_ends_it(consoles: Consoles) -> None:
    browser = consoles.as_role("viewer")
    planted = browser.cookies["intake"]
    response = browser.try_password("operator", PASSWORD, "/orders/shop%3A1")
    assert (response.status_code, response.headers["location"]) == (303, "/orders/shop%3A1")
    assert browser.cookies["intake"] != planted
    assert consoles.console.sessions.read(planted, used=False) is None
    assert "operator" in browser.get("/").text
    token = browser.cookies["intake"]
    assert browser.send("/sign-out").status_code == 303
    assert consoles.console.sessions.read(token, used=False) is None


@pytest.mark.parametrize(
    "there", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\tx", "evil", "/sign-out"]
)
def test_signing_in_leads_nowhere_else(consoles: Consoles, there: str) -> None:
    assert consoles.stranger().try_password("viewer", PASSWORD, there).headers["location"] == "/"


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_behind_tls_from_everything_else(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write(SHOP_TO_DROPDAY + table("web", proxies=["192.0.2.1"]))
    with running_console(monkeypatch) as consoles:
        plain = consoles.stranger().try_password("viewer", PASSWORD).headers["set-cookie"].lower()
        browser = consoles.stranger("192.0.2.1", **{"X-Forwarded-Proto": "https"})
        token = browser.token("/sign-in")
        form = {"csrf": token, "name": "viewer", "password": PASSWORD}
        secure = browser.post("/sign-in", form, Cookie=f"__Host-intake-form={token}").headers["set-cookie"].lower()
        untrusted = consoles.stranger(**{"X-Forwarded-Proto": "https"}).get("/sign-in").headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=lax" in plain
    assert "secure" not in plain
    assert secure.startswith("__host-intake=")
    assert "secure" in secure
    assert "domain" not in secure
    assert "secure" not in untrusted


def test_a_session_ends_when_it_is_idle_too_old_or_its_user_changes(consoles: Consoles, redis: Redis) -> None:
    console = consoles.console
    browser = consoles.as_role("viewer")
    digest = keys.console_session(digest_of(browser.cookies["intake"]))
    assert 0 < redis.pttl(digest) <= console.web.idle * 1000
    assert 0 < redis.pttl(f"{digest}:end") <= console.web.session * 1000
    assert browser.cookies["intake"] not in str(redis.keys("*"))
    redis.pexpire(digest, 10_000)
    browser.get("/", **{"X-Live": "1"})
    assert redis.pttl(digest) <= 10_000
    browser.get("/")
    assert redis.pttl(digest) > 10_000
    redis.delete(f"{digest}:end")
    assert browser.get("/").status_code == 303
    changed = [consoles.as_role("viewer"), consoles.as_role("support"), consoles.as_role("operator")]
    users = {role: console.users.get(role) for role in ROLES}
    assert users["viewer"]
    assert users["support"]
    console.users.change(users["viewer"], role="operator")
    console.users.change(users["support"], password=passwords.hash_password(PASSWORD))
    console.users.remove("operator")
    assert [each.get("/").status_code for each in changed] == [303, 303, 303]


def test_a_thousand_wrong_passwords_find_nothing_and_cost_little(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = 0

    def count(password: str, kept: str) -> bool:
        nonlocal verified
        verified += 1
        return passwords.verify(password, kept)

    monkeypatch.setattr("worker.web.sign_in.verify", count)
    guesses = [PASSWORD if number == 900 else f"guess {number}" for number in range(1000)]
    forms: list[dict[str, list[str]]] = [{"name": ["operator"], "password": [guess]} for guess in guesses]
    sign_in = next(page.show for page in PAGES if (page.path, page.method) == ("/sign-in", "POST"))
    statuses = [sign_in(Visit(consoles.console, Sender("203.0.113.9"), form=form)).status_code for form in forms]
    assert statuses == [401] * MOST["user"] + [429] * (1000 - MOST["user"])
    assert verified == MOST["user"]
    # Another user at another address is not held up; the one who is meant has to wait, and is told so.
    assert consoles.stranger("198.51.100.7").try_password("support", PASSWORD).status_code == 303
    assert "Try again in 15 minutes" in consoles.stranger("198.51.100.7").try_password("operator", PASSWORD).text
    assert intake("web", "user", "password", "operator", "--stdin", stdin=f"{PASSWORD} staple\n").exit_code == 0
    assert consoles.stranger("198.51.100.7").try_password("operator", f"{PASSWORD} staple").status_code == 303


def test_one_address_cannot_try_many_names(consoles: Consoles) -> None:
    attacker = consoles.stranger()
    token = attacker.token("/sign-in")
    for number in range(MOST["address"]):
        assert attacker.post("/sign-in", {"csrf": token, "name": f"user{number}", "password": "x"}).status_code == 401
    assert attacker.post("/sign-in", {"csrf": token, "name": "viewer", "password": PASSWORD}).status_code == 429
    assert consoles.stranger("198.51.100.7").try_password("viewer", PASSWORD).status_code == 303


def test_an_unknown_name_costs_and_says_the_same_as_a_wrong_password(
    consoles: Consoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[tuple[int, int, int]] = []
    real = passwords._derive

    def derive(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
        derived.append(cost)
        return real(password, salt, cost)

    monkeypatch.setattr(passwords, "_derive", derive)
    pages = [consoles.stranger().try_password(name, "wrong") for name in ("viewer", "nobody")]
    assert derived == [passwords.COST] * 2
    assert pages[0].status_code == pages[1].status_code == 401
    bodies = [re.sub(r'value="[^"]+"', "", page.text) for page in pages]
    assert bodies[0] == bodies[1]


def test_an_identity_counts_only_if_the_proxy_sends_it(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    web = table("web", proxies=["192.0.2.0/24"], identity_header="X-User")
    configured.write(SHOP_TO_DROPDAY + web)
    with running_console(monkeypatch) as consoles:
        assert consoles.stranger(**{"X-User": "operator"}).get("/").status_code == 403
        assert consoles.stranger("192.0.2.1").get("/").status_code == 403
        assert consoles.stranger("192.0.2.1", **{"X-User": "nobody"}).get("/").status_code == 403
        browser = consoles.stranger("192.0.2.1", **{"X-User": "Operator"})
        assert browser.get("/").status_code == 200
        # A cookie of somebody else does not change who it is, and the form token is that of the own session.
        browser.carry(consoles.as_role("viewer").cookies["intake"])
        assert "<small>operator</small>" in browser.get("/").text
        assert browser.post("/sign-out", {"csrf": ""}).status_code == 403
    configured.write(SHOP_TO_DROPDAY + web + 'default_role = "viewer"\n')
    with running_console(monkeypatch) as consoles:
        assert "<small>viewer</small>" in consoles.stranger("192.0.2.1", **{"X-User": "nobody"}).get("/").text


def test_the_last_address_before_the_proxies_counts(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    configured.write(SHOP_TO_DROPDAY + table("web", proxies=["192.0.2.0/24"]))
    with running_console(monkeypatch) as consoles:
        for number in range(MOST["address"]):
            forged = f"198.51.100.{number}, 203.0.113.1, 192.0.2.7"
            attacker = consoles.stranger("192.0.2.1", **{"X-Forwarded-For": forged})
            assert attacker.try_password(f"user{number}", "x").status_code == 401
        assert attacker.try_password("viewer", PASSWORD).status_code == 429
        honest = consoles.stranger("192.0.2.1", **{"X-Forwarded-For": "203.0.113.2"})
        assert honest.try_password("viewer", PASSWORD).status_code == 303


def test_a_password_is_slow_to_guess() -> None:
    began = time.process_time()
    first = passwords.hash_password(PASSWORD)
    assert time.process_time() - began > 0.02
    assert first.startswith("scrypt$32768$8$3$")
    assert passwords.verify(PASSWORD, first)


def test_a_password_has_a_salt_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", (2, 1, 1))
    first = passwords.hash_password(PASSWORD)
    assert not passwords.verify(PASSWORD + " ", first)
    assert first != passwords.hash_password(PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 300, "aaaaaaaaaaaaaa", "operator1234"])
def test_a_weak_password_is_refused(password: str) -> None:
    assert passwords.objection(password, "operator")


def test_a_console_without_redis_says_so_and_returns(consoles: Consoles) -> None:
    browser = consoles.as_role("operator")
    console = consoles.console
    real = console.sessions
    console.sessions = Sessions(connect(NO_REDIS, patience="short"), idle=60, absolute=60)
    response = browser.get("/")
    assert response.status_code == 503
    assert "Redis does not respond: nothing listens at this address" in response.text
    assert response.headers["retry-after"] == "5"
    assert browser.get("/health").status_code == 200
    console.sessions = real
    assert browser.get("/").status_code == 200
