"""`intake receive` in its own process, and requests of each kind of webhook."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CONFIG = """
[redis]
url = "{url}"
[inbox]
max_bytes = 65536
[providers.shop]
start = "2020-01-01"
kind = "retailcrm"
url = "http://127.0.0.1:9"
api_key = "env:HOOK_KEY"
[targets.dropday]
kind = "dropday"
url = "http://127.0.0.1:9"
api_key = "env:HOOK_KEY"
account_id = "env:HOOK_KEY"
[[routes]]
from = "shop"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
[[routes]]
from = "web"
to = ["dropday"]
reference = "{{provider}}:{{external_id}}"
[producers.oc]
kind = "ordercloud"
secret = "env:HOOK_OC"
for = "shop"
[producers.crm]
kind = "retailcrm"
secret = "env:HOOK_CRM"
for = "shop"
[producers.boy]
kind = "dropboy"
secret = "env:HOOK_BOY"
for = "shop"
[producers.web]
kind = "standard"
secret = "env:HOOK_WEB"
for = "shop"
[producers.own]
kind = "signed"
secret = "env:HOOK_OWN"
for = "shop"
"""
SECRETS = {
    "HOOK_KEY": "k-123456",
    "HOOK_OC": "myhashkey-0123456789abcdef",
    "HOOK_CRM": "crm-0123456789abcdefghij",
    "HOOK_BOY": "boy-0123456789abcdefghij",
    "HOOK_WEB": "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode(),
    "HOOK_OWN": "own-0123456789abcdefghij",
}


def write_settings(folder: Path, redis_url: str) -> Path:
    """Write settings with a producer of each kind."""
    file = folder / "intake.toml"
    file.write_text(CONFIG.format(url=redis_url))
    return file


class Receiver:
    """A running receiver: its process, its URL and the lines that it has written."""

    def __init__(self, file: Path, timeout: float) -> None:
        command = [sys.executable, "-m", "worker.cli", "--config", str(file), "receive"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--timeout", str(timeout)],
            env=os.environ | SECRETS,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.end()
            raise

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)

    def _wait_for_url(self) -> str:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            if match := re.search(r"http://[0-9.:]+", "".join(self.lines)):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"{match[0]}/health", timeout=5)
                    return match[0]
            time.sleep(0.05)
        raise AssertionError("".join(self.lines))

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def post(self, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> requests.Response:
        return requests.post(self.url + path, data=body, headers=dict(headers or {}), timeout=20)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextlib.contextmanager
def running_receiver(file: Path, timeout: float = 10) -> Iterator[Receiver]:
    """Run a receiver with these settings until the end of the block."""
    receiver = Receiver(file, timeout)
    try:
        yield receiver
    finally:
        receiver.end()


def ordercloud_hash(body: bytes, secret: str = SECRETS["HOOK_OC"]) -> dict[str, str]:
    """Return the signature header as OrderCloud's .NET middleware computes it."""
    return {"X-oc-hash": base64.b64encode(hmac.new(secret.encode(), body, "sha256").digest()).decode()}


def submit_hook(order_id: Any, **fields: Any) -> bytes:
    """Return the body of one of OrderCloud's post-hooks."""
    payload = {
        "Route": "v1/orders/{direction}/{orderID}/submit",
        "RouteParams": {"direction": "Outgoing", "orderID": order_id},
        "Verb": "POST",
        "LogID": "71ce120a-17d5-4833-89f6-4f9a33ddd42f",
        "Request": {"Body": None, "Headers": "…"},
        "Response": {"Body": {"ID": order_id}, "Headers": "…"},
    }
    return json.dumps(payload | fields).encode()


def signed_job(job: Mapping[str, Any] | str, **fields: Any) -> dict[str, Any]:
    """Return a signed job as `schemas/job.py` describes it, built without Intake's code."""
    text = job if isinstance(job, str) else json.dumps(job)
    at = fields.pop("at", int(time.time()))
    secret = fields.pop("secret", SECRETS["HOOK_OWN"])
    signature = hmac.new(secret.encode(), f"{at}.{text}".encode(), "sha256").hexdigest()
    return {"v": 1, "producer": "own", "at": at, "job": text, "signature": signature} | fields


def standard_headers(text: str, at: float | None = None, secret: str = SECRETS["HOOK_WEB"]) -> dict[str, str]:
    """Return the headers, signed by the reference library of Standard Webhooks."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, text)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signature}
