"""Flower behind a real nginx, below a prefix, with a login by OAuth at a simulated provider; and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from support.http_server import Server, reply
from support.ports import free_port
from support.programs import require_program
from support.settings_texts import dropday, retailcrm, route
from worker.app.flower import confirm_redis
from worker.errors import ConfigError
from worker.runtime import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from support.http_server import Request

SETTINGS = retailcrm("providers.shop") + dropday("targets.dropday") + route("shop", "dropday")
#: As `deploy/docs/flower.md` shows it.
LOCATION = """\
location /flower/ {
    proxy_pass http://127.0.0.1:5555;
    proxy_set_header Host $http_host;
}
"""
NGINX = """\
daemon off; pid {home}/nginx.pid; error_log {home}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home}; uwsgi_temp_path {home};
  scgi_temp_path {home};
  server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""


class Provider:
    """An OAuth server as Okta is one: it knows one code for each person who logs in."""

    def __init__(self) -> None:
        self.email, self.server = "me@example.com", Server(self._answer)

    def _answer(self, request: Request) -> bytes:
        path, query = urlsplit(request.target).path, parse_qs(urlsplit(request.target).query)
        if path.endswith("/v1/authorize"):
            to = f"{query['redirect_uri'][0]}?code=a-code&state={query['state'][0]}"
            return reply(302, b"", Location=to)
        if path.endswith("/v1/token"):
            assert parse_qs(request.body.decode())["client_secret"] == ["hush-hush"]
            return reply(body=json.dumps({"access_token": "a-token"}).encode())
        return reply(body=json.dumps({"email": self.email, "email_verified": True}).encode())


def settings_of(home: Path, redis: Redis, db: int = 0) -> dict[str, str]:
    """Write the settings of a Redis; return the environment of a process with them."""
    port = redis.connection_pool.connection_kwargs["port"]
    file = home / "intake.toml"
    own = f'[redis]\nurl = "redis://127.0.0.1:{port}/{db}"\ndata_dir = "{home}/data"\n'
    file.write_text(own + SETTINGS)
    return os.environ | {"INTAKE_CONFIG": str(file), "FLOWER_PORT": str(free_port())}


def run_flower(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "worker.cli", "run", "flower"]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@contextlib.contextmanager
def nginx(home: Path, backend: str) -> Iterator[str]:
    """Run nginx with the documented location; yield its address."""
    port = free_port()
    location = LOCATION.replace("5555", backend)
    (home / "nginx.conf").write_text(NGINX.format(home=home, port=port, location=location))
    process = subprocess.Popen([require_program("nginx"), "-c", str(home / "nginx.conf"), "-p", str(home)])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], status: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, process.stdout and process.stdout.read()
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=5, allow_redirects=False).status_code == status:
                return
        time.sleep(0.05)
    pytest.fail(f"{url}: no {status}")


@pytest.mark.repeat
@pytest.mark.timeout(120)
def test_flower_below_a_prefix_behind_nginx_with_a_login_by_oauth(tmp_path: Path, redis: Redis) -> None:
    """Log in as a visitor, and look at what the log keeps.

    In `make test`, `test_no_route_of_flower_answers_without_the_password` and
    `test_with_oauth_only_its_login_needs_no_session`.
    """
    (tmp_path / "secret").write_text("hush-hush\n")
    provider, environ = Provider(), settings_of(tmp_path, redis)
    with contextlib.closing(provider.server) as server, nginx(tmp_path, environ["FLOWER_PORT"]) as front:
        environ |= {
            "FLOWER_URL_PREFIX": "flower",
            "FLOWER_AUTH": "me@example.com",
            "FLOWER_AUTH_PROVIDER": "flower.views.auth.OktaLoginHandler",
            "FLOWER_OAUTH2_KEY": "a-key",
            "FLOWER_OAUTH2_SECRET": "file:secret",
            "FLOWER_OAUTH2_REDIRECT_URI": f"{front}/flower/login",
            "FLOWER_OAUTH2_OKTA_BASE_URL": f"{server.url}/oauth2",
        }
        process = run_flower(environ)
        try:
            wait_for(f"{front}/flower/", process, 302)
            for path in ("workers", "metrics", "healthcheck", "static/css/flower.css", "api/tasks"):
                assert requests.get(f"{front}/flower/{path}", timeout=10, allow_redirects=False).status_code == 302, (
                    path
                )
            browser = requests.Session()
            home = browser.get(f"{front}/flower/tasks", timeout=20)
            assert (home.status_code, home.url) == (200, f"{front}/flower/")
            page = browser.get(f"{front}/flower/tasks", timeout=20)
            assert (page.status_code, page.url) == (200, f"{front}/flower/tasks")
            links = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
            assert len(links) > 5
            for link in links:
                assert link.startswith("/flower/"), link
                assert browser.get(front + link, timeout=20).status_code == 200, link
            table: dict[str, str | int] = {
                "draw": 1,
                "start": 0,
                "length": 10,
                "order[0][column]": 0,
                "columns[0][data]": "name",
            }
            assert browser.get(f"{front}/flower/tasks/datatable", params=table, timeout=20).json()["data"] == []
            foreign = {"Origin": "https://evil.example"}
            response = browser.post(f"{front}/flower/tasks/datatable", params=table, headers=foreign, timeout=20)
            assert response.status_code == 403
            provider.email = "you@example.com"
            assert requests.Session().get(f"{front}/flower/tasks", timeout=20).status_code == 403
        finally:
            process.terminate()
            output = process.communicate(timeout=20)[0].decode()
    assert process.returncode == 0
    assert "Traceback" not in output
    assert "hush" not in output


def test_flower_refuses_a_redis_that_can_never_be_used_and_waits_for_one_that_is_away(
    tmp_path: Path, redis: Redis
) -> None:
    settings_of(tmp_path, redis, 9999)
    with pytest.raises(
        ConfigError, match=r"redis\.url: Redis has no database with this number\. Write a smaller number"
    ):
        confirm_redis(read_settings(tmp_path / "intake.toml", offline=True))
    settings_of(tmp_path, redis)
    confirm_redis(read_settings(tmp_path / "intake.toml", offline=True))
    (tmp_path / "intake.toml").write_text(f'[redis]\nurl = "redis://127.0.0.1:{free_port()}/0"\n{SETTINGS}')
    confirm_redis(read_settings(tmp_path / "intake.toml", offline=True))


def test_the_page_shows_the_location_that_is_tested() -> None:
    from support.source_texts import ROOT

    assert LOCATION in (ROOT / "deploy" / "docs" / "flower.md").read_text()
