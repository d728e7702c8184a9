"""Who a visitor is: by the cookie of a session, or by the proxy that has identified the visitor."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from worker.store.console.users import User
from worker.web.page import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from worker.store.console.sessions import Session
    from worker.web.console import Console
    from worker.web.proxy import Sender

#: The cookie of a session, and that of the form to sign in, which has no session yet.
SESSION, FORM = "intake", "intake-form"
#: Seconds for which a form to sign in can be sent.
_FORM_SECONDS: Final = 3600


def cookie(name: str, sender: Sender) -> str:
    """Return the full name of a cookie: behind TLS no other host, and nobody without TLS, can set it."""
    return f"__Host-{name}" if sender.secure else name


def set_cookie(response: Response, name: str, value: str, sender: Sender) -> None:
    """Let the browser keep a cookie until it is closed, where no script can read it.

    SameSite is Lax, not Strict: a link in an e-mail then finds its reader signed in. A page only shows something; all
    that changes something is a POST, to which a browser adds no such cookie from elsewhere, and which needs a token.
    """
    max_age = _FORM_SECONDS if name == FORM else None
    response.set_cookie(
        cookie(name, sender), value, max_age=max_age, secure=sender.secure, httponly=True, samesite="lax"
    )


def identify(
    console: Console, sender: Sender, cookies: Mapping[str, str], *, used: bool
) -> tuple[User | None, Session | None]:
    """Return the user and the session of a request; None if there is none. Raise Refused for a stranger of the proxy.

    With `used`, the idle time of the session begins again.
    """
    token = cookies.get(cookie(SESSION, sender), "")
    session = console.sessions.read(token, used=used) if token else None
    if console.web.identity_header is not None:
        user = _named_by_proxy(console, sender)
        if session is None or (session.user, session.stamp) != (user.name, user.stamp):
            session = console.sessions.start(user)
        return user, session
    known = console.users.get(session.user) if session else None
    if session is None or known is None or not secrets.compare_digest(known.stamp, session.stamp):
        return None, None
    return known, session


def _named_by_proxy(console: Console, sender: Sender) -> User:
    if not sender.identity:
        text = "This console trusts the sign-in of its proxy. Open it at the address of the proxy, and sign in there."
        raise Refused(403, "Sign in at the proxy", text)
    name = sender.identity.casefold()
    if user := console.users.get(name):
        return user
    if console.web.default_role is None:
        text = "You are signed in, and nobody has given you access to this console. Ask an operator for it."
        raise Refused(403, "You have no access yet", text)
    return User(name, console.web.default_role)
