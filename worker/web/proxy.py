"""Who sent a request: the address, whether TLS protects it, and the user that a trusted proxy names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from worker.settings.web import WebSettings


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of a request. Only a proxy of the settings can say more than the connection itself does."""

    address: str
    secure: bool = False
    #: The name in the identity header; "" if there is none that may be believed.
    identity: str = ""


def sender_of(request: Request, settings: WebSettings) -> Sender:
    """Return the sender of a request. Headers that anybody can send are read only if a trusted proxy sent them."""
    peer = request.client.host if request.client else ""
    if not settings.trusts(peer):
        return Sender(peer)
    named = request.headers.getlist(settings.identity_header) if settings.identity_header else []
    # Of several values the proxy wrote one, and nobody knows which.
    identity = named[0].strip() if len(named) == 1 else ""
    secure = request.headers.get("x-forwarded-proto", "").strip().lower() == "https"
    return Sender(_client(request, settings) or peer, secure, identity)


def _client(request: Request, settings: WebSettings) -> str:
    """Return the last address of `X-Forwarded-For` that is not a trusted proxy: the ones before it may be invented."""
    hops = [hop.strip() for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    return next((hop for hop in reversed(hops) if hop and not settings.trusts(hop)), "")
