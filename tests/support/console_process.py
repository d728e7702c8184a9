"""The console as its own process, and a visitor with a session over HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def console_process(environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `intake web` until the end of the block; yield its address and the process."""
    command = [sys.executable, "-m", "worker.cli", "web", "--port", "0"]
    with subprocess.Popen(command, env=environment or os.environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            said = ""
            while not (url := re.search(r"console: (http://[0-9.:]+)", said)):
                line = process.stderr.readline()
                assert line, said
                said += line
            yield url[1], process
        finally:
            process.terminate()
            process.wait(20)


class HttpVisitor:
    """Somebody at the console, or at a proxy before it."""

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self.url, self.session = url, session or requests.Session()

    def get(self, path: str, **options: Any) -> requests.Response:
        """Request a page."""
        return self.session.get(self.url + path, **{"timeout": 30, **options})

    def post(self, path: str, form: Mapping[str, Any], **options: Any) -> requests.Response:
        """Send a form as it is; a redirect is not followed."""
        return self.session.post(self.url + path, dict(form), **{"timeout": 30, "allow_redirects": False, **options})

    def token(self, path: str) -> str:
        """Return the form token of a page."""
        page = self.get(path).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page
        return found[1]

    def sign_in(self, name: str, password: str) -> requests.Response:
        """Fill in the form to sign in."""
        return self.post("/sign-in", {"name": name, "password": password, "csrf": self.token("/sign-in")})
