"""The `[web]` table: the sessions of the console, and the proxy in front of it."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from worker.settings.addresses import web_url
from worker.settings.durations import Duration  # noqa: TC001  # pydantic reads it at run time
from worker.settings.tables import SettingError, Table, as_list
from worker.store.console.users import Role  # noqa: TC001  # as above

if TYPE_CHECKING:
    from worker.settings.document import Document

_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}")


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise SettingError("is not an address or a network", 'Write it like "127.0.0.1" or "10.0.0.0/24".') from None
    return text


def _header(text: str) -> str:
    if _HEADER.fullmatch(text) is None:
        raise SettingError("is not the name of a header", 'Write it like "X-Forwarded-User".')
    return text


class WebSettings(Table):
    """The `[web]` table; times in seconds."""

    #: Where people open the console: messages link to it.
    url: Annotated[str, AfterValidator(web_url)] | None = None
    #: A session ends after this time without a click, and after this time in any case.
    idle: Annotated[Duration, Field(ge=60, le=86_400)] = 1800.0
    session: Annotated[Duration, Field(ge=60, le=604_800)] = 43_200.0
    #: The addresses of the proxies in front of the console: what they say of the visitor is believed.
    proxies: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(as_list)] = ()
    #: The header in which a proxy names the user that it has identified; the console then asks for no password.
    identity_header: Annotated[str, AfterValidator(_header)] | None = None
    #: The role of users that the proxy names and nobody added; without it they are refused.
    default_role: Role | None = None

    def trusts(self, address: str) -> bool:
        """Return whether a connection from this address comes from one of the proxies."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in map(ip_network, self.proxies) if _same(parsed.version, network))


def _same(version: int, network: IPv4Network | IPv6Network) -> bool:
    return network.version == version


def read_web(document: Document) -> WebSettings:
    """Read the table; note its errors in the document."""
    table = document.section(WebSettings, "web")
    if table.identity_header and not table.proxies:
        reason = "names a header that nobody may send, because there is no proxy"
        document.add_error(("web", "identity_header"), reason, 'Add proxies = ["127.0.0.1"]: its addresses.')
    if table.default_role and not table.identity_header:
        reason = "is only for users that a proxy names"
        document.add_error(("web", "default_role"), reason, "Add identity_header, or remove it.")
    return table
