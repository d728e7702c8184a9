"""The same work without Intake: a plain Celery app with one task per order.

Tasks are acknowledged late and retried by `autoretry_for`; each process has one `Session`, with a connection for
each of up to 64 threads. The variables BROKER and TARGET contain the URLs.
"""

from __future__ import annotations

import os
from typing import Any

import requests
from celery import Celery

from bench.programs.body import HEADERS, body_of

app = Celery("plain", broker=os.environ["BROKER"])
app.conf.task_acks_late = True
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True

session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))


@app.task(name="create", autoretry_for=(requests.RequestException,), retry_backoff=True, max_retries=10)
def create(order: dict[str, Any]) -> None:
    """Create one order in the target."""
    url = os.environ["TARGET"] + "/api/v1/orders"
    response = session.post(url, json=body_of(order), headers=HEADERS, timeout=30)
    response.raise_for_status()
