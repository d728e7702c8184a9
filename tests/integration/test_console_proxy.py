"""The console behind a real nginx and a real Caddy, each configured as `deploy/docs/console.md` shows it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from requests.adapters import HTTPAdapter

from support.console_process import HttpVisitor, console_process
from support.ports import free_port
from support.programs import require_program
from support.settings_texts import SHOP_TO_DROPDAY, table
from worker.store.console.attempts import Attempts
from worker.store.console.users import Users
from worker.web import passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from support.settings_texts import Configured

PASSWORD: Final = "correct horse battery"
#: Where visitors come from, and where one of them says that it comes from.
OWN, INVENTED = "127.0.0.7", "203.0.113.9"
DOCS: Final = Path(__file__).parents[2] / "deploy/docs/console.md"
NGINX: Final = """\
daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home}; uwsgi_temp_path {home};
  scgi_temp_path {home};
  {server}
}}
"""
#: Caddy uses no port and no folder but these, and a certificate of its own authority for this name.
CADDY: Final = """\
{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system {home}
}}
{site}
"""


class FromOwnAddress(HTTPAdapter):
    """Connections from `OWN`."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, source_address=(OWN, 0))


def example(named: str, **replaced: str) -> str:
    """Return the block of code of the page that contains a text, with its ports, names and files replaced."""
    blocks = [block for block in re.findall(r"```\w*\n(.*?)```", DOCS.read_text(), re.DOTALL) if named in block]
    assert len(blocks) == 1, blocks
    for before, after in replaced.items():
        assert before in blocks[0], before
        blocks[0] = blocks[0].replace(before, after)
    return str(blocks[0])


def nginx(home: Path, backend: str, certificate: Path) -> tuple[list[str], str, Path]:
    """Return the command of nginx, its address, and the certificate that a browser has to trust."""
    port = free_port()
    server = example(
        "proxy_pass",
        **{
            "127.0.0.1:8081": backend,
            "listen 443": f"listen 127.0.0.1:{port}",
            "/etc/ssl/console.pem": str(certificate),
            "/etc/ssl/console.key": str(certificate),
        },
    )
    (home / "nginx.conf").write_text(NGINX.format(home=home, server=server))
    return (
        [require_program("nginx"), "-c", str(home / "nginx.conf"), "-p", str(home)],
        f"https://127.0.0.1:{port}",
        certificate,
    )


def caddy(home: Path, backend: str, _: Path) -> tuple[list[str], str, Path]:
    """Return the same of Caddy, which is its own authority for the name localhost."""
    port = free_port()
    site = example("reverse_proxy", **{"127.0.0.1:8081": backend, "console.example.com": f"https://localhost:{port}"})
    (home / "Caddyfile").write_text(CADDY.format(home=home, site=site))
    command = [require_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(home / "Caddyfile")]
    return command, f"https://localhost:{port}", home / "pki/authorities/local/root.crt"


@contextlib.contextmanager
def proxy(command: list[str], url: str, authority: Path) -> Iterator[HttpVisitor]:
    """Run a proxy until the end of the block; yield somebody who trusts its certificate."""
    with requests.Session() as session:
        session.mount("https://", FromOwnAddress())
        session.trust_env = False
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 30
            while True:
                assert process.poll() is None
                assert time.monotonic() < until
                with contextlib.suppress(requests.ConnectionError, OSError):
                    session.verify = str(authority)
                    session.get(f"{url}/health", timeout=10)
                    break
                time.sleep(0.1)
            yield HttpVisitor(url, session)
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.repeat
@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", [nginx, caddy])
def test_the_console_behind_the_documented_proxy(
    kind: Callable[[Path, str, Path], tuple[list[str], str, Path]],
    configured: Configured,
    redis: Redis,
    certificate: Path,
    tmp_path: Path,
) -> None:
    """Sign in and act through the proxy.

    In `make test`, `test_an_identity_counts_only_if_the_proxy_sends_it` and
    `test_the_last_address_before_the_proxies_counts`.
    """
    Users(redis).add("ada", "operator", passwords.hash_password(PASSWORD))
    configured.write(table("web", proxies=["127.0.0.1"]) + SHOP_TO_DROPDAY)
    with console_process() as (url, _), proxy(*kind(tmp_path, url.removeprefix("http://"), certificate)) as visitor:
        visitor.session.headers["X-Forwarded-For"] = INVENTED
        # No browser sends these cookies without TLS, nor to another host.
        visitor.get("/sign-in")
        assert [(cookie.name, cookie.secure) for cookie in visitor.session.cookies] == [("__Host-intake-form", True)]
        assert visitor.sign_in("ada", "a wrong password").status_code == 401
        attempts = Attempts(redis)
        assert attempts.seconds_left("address", OWN) > 0
        assert attempts.seconds_left("address", INVENTED) == 0
        signed_in = visitor.sign_in("ada", PASSWORD)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        assert {cookie.name for cookie in visitor.session.cookies if cookie.secure} >= {"__Host-intake"}
        home = visitor.get("/")
        assert "ada" in home.text
        assert home.headers["content-security-policy"].startswith("default-src 'none'")
        # What signs a person out of the console itself goes through the proxy as well.
        assert visitor.post("/sign-out", {"csrf": visitor.token("/find")}).headers["location"] == "/sign-in"
