"""The console in this process: its pages, opened as users of each role."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from worker.runtime import read_settings
from worker.web import passwords
from worker.web.app import application

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest
    from httpx import Response

    from worker.store.console.users import Role
    from worker.web.console import Console

with warnings.catch_warnings():
    # It recommends a successor of httpx that the packages of the tests do not have.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

#: The password of every user.
PASSWORD = "correct horse battery"


class Browser:
    """A browser at the console."""

    def __init__(self, app: Any, address: str = "203.0.113.9", **headers: str) -> None:
        self.client = TestClient(app, client=(address, 50000), follow_redirects=False, headers=headers)
        self.console: Console = app.state.console

    @property
    def cookies(self) -> Any:
        return self.client.cookies

    def get(self, path: str, **headers: str) -> Response:
        response: Response = self.client.get(path, headers=headers)
        return response

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> Response:
        """Send a form as it is."""
        response: Response = self.client.post(path, data=dict(form), headers=headers)
        return response

    def token(self, path: str) -> str:
        """Return the form token of a page."""
        page = self.get(path).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page
        return found[1]

    def send(self, path: str, form: Mapping[str, Any] | None = None, *, at: str = "/", **headers: str) -> Response:
        """Send a form with the token of the page `at`."""
        return self.post(path, {"csrf": self.token(at), **(form or {})}, **headers)

    def try_password(self, name: str, password: str, next_path: str = "") -> Response:
        """Fill in the form to sign in."""
        return self.send("/sign-in", {"name": name, "password": password, "next": next_path}, at="/sign-in")

    def sign_in(self, role: Role) -> Browser:
        """Begin a session of the user who is called like the role, without the cost of a password."""
        user = self.console.users.get(role)
        assert user
        self.carry(self.console.sessions.start(user).token)
        return self

    def carry(self, token: str) -> None:
        """Keep a session token, as if the console had set it."""
        self.cookies.set("intake", token, domain="testserver.local")


class Consoles:
    """A console and the browsers at it; there is a user of each role, who is called like it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.console: Console = app.state.console

    def stranger(self, address: str = "203.0.113.9", **headers: str) -> Browser:
        """Return a browser without a session."""
        return Browser(self.app, address, **headers)

    def as_role(self, role: Role) -> Browser:
        """Return a browser of the user of this role."""
        return self.stranger().sign_in(role)


@contextmanager
def running_console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    """Yield the console for the settings that the environment names; its passwords cost little."""
    monkeypatch.setattr(passwords, "COST", (2, 1, 1))
    for module in ("worker.web.dispatch", "worker.web.api.dispatch"):
        # On a busy machine, Redis seems slow.
        monkeypatch.setattr(f"{module}.WAIT", 60.0)
    app = application(read_settings(offline=True))
    consoles = Consoles(app)
    hashed = passwords.hash_password(PASSWORD)
    for role in ("viewer", "support", "operator"):
        consoles.console.users.add(role, role, hashed)
    try:
        yield consoles
    finally:
        consoles.console.close()
