"""Flower in a browser: it needs a password and shows no personal data."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests
from celery import Celery

from support.ports import free_port
from support.programs import find_program, require_program
from support.stack import Stack
from worker.runtime import read_settings, redis_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME = ("operator", "s3cret-of-flower")
ORDER = {
    "external_id": "web-1",
    "status": "new",
    "ordered_at": "2026-01-02T03:04:05Z",
    "customer": {"email": "ada.lovelace@example.com", "first_name": "Adaline", "last_name": "Lovelacious"},
    "shipping_address": {"street1": "Analytical Row 12", "city": "Delft", "postal_code": "2611", "country": "NL"},
    "totals": {"grand": "19.80", "shipping": "0"},
    "lines": [{"sku": "m-1", "name": "Mug", "quantity": 2, "unit_price": "9.90"}],
}
#: Texts that no page may show.
PERSONAL = ("lovelace@", "Adaline", "Lovelacious", "Analytical Row", "Mug")
WEB = '\n[producers.web]\n[[routes]]\nfrom = "web"\nto = ["dropday"]\nreference = "web-{external_id}"\n'


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of Flower beside a stack that has delivered orders, one of them sent as a Celery task."""
    home = tmp_path_factory.mktemp("flower")
    (home / "users").write_text(":".join(ME) + "\n")
    with Stack(home, 20, limit="none", extra=WEB, reference="shop-{external_id}") as stack:
        stack.start()
        stack.wait(lambda: stack.created() == 20, 60, "the orders")
        port = free_port()
        environ = {"INTAKE_CONFIG": str(stack.config), "FLOWER_BASIC_AUTH": "file:users", "FLOWER_PORT": str(port)}
        command = [sys.executable, "-m", "worker.cli", "run", "flower"]
        process = subprocess.Popen(command, env=os.environ | environ, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            stack.wait(lambda: _is_up(url, process), 60, "Flower")
            time.sleep(6)  # until Flower has made the workers send events
            producer = Celery(broker=redis_url(read_settings(stack.config)))
            job = json.dumps({"v": 1, "provider": "web", "order": ORDER})
            producer.send_task("tasks.ingest", [job], queue="intake.ingest", ignore_result=True)
            stack.wait(lambda: stack.created() == 21, 60, "the pushed order")
            stack.wait(lambda: stack.health("--live", "flower")[0] == 0, 30, "the sign of life")
            reject = {"system": "dropday", "op": "create", "kind": "422", "times": 1}
            stack.admin.write("POST", "/_sandbox/faults", json=reject)
            stack.add(3)
            stack.wait(lambda: stack.created() == 23, 60, "the new orders")
            stack.wait(lambda: "FAILURE" in _get(f"{url}/api/tasks"), 30, "the tasks in Flower")
            yield url
            assert not stack.runtime.redis.keys("celery-task-meta-*")
        finally:
            process.terminate()
            process.wait(timeout=20)


def _is_up(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"Flower ended with {process.returncode}"
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/healthcheck", auth=ME, timeout=5).ok
    return False


def _tasks(url: str) -> set[str]:
    return {task["name"] for task in json.loads(_get(f"{url}/api/tasks")).values()}


def _get(url: str) -> str:
    response = requests.get(url, auth=ME, timeout=10)
    assert response.status_code == 200, (url, response.status_code)
    return response.text


@pytest.mark.timeout(180)
def test_flower_shows_no_page_without_the_password(flower: str) -> None:
    for path in ("/", "/workers", "/tasks", "/api/tasks", "/metrics", "/healthcheck", "/static/css/flower.css"):
        for auth in (None, (ME[0], "wrong")):
            response = requests.get(flower + path, auth=auth, timeout=10)
            assert response.status_code == 401, path
            assert "tasks." not in response.text


@pytest.mark.timeout(60)
def test_flower_shows_no_personal_data(flower: str) -> None:
    tasks = json.loads(_get(f"{flower}/api/tasks"))
    workers = json.loads(_get(f"{flower}/api/workers?refresh=1"))
    pages = ["/workers", "/tasks", "/broker", "/api/tasks", "/metrics"]
    pages += [f"/worker/{name}" for name in workers] + [f"/task/{uuid}" for uuid in tasks]
    pages += [f"/api/task/info/{uuid}" for uuid in tasks]
    for page in pages:
        text = _get(flower + page)
        assert not [word for word in PERSONAL if word in text], page


@pytest.mark.timeout(60)
def test_flower_shows_what_each_task_did_for_which_account_and_which_of_them_need_a_person(flower: str) -> None:
    tasks = json.loads(_get(f"{flower}/api/tasks")).values()
    done = {(task["name"], task["args"], task["state"], task["result"] or task["exception"]) for task in tasks}
    lines = {(name, account, state): line for name, account, state, line in done}
    assert lines["tasks.poll", "shop", "SUCCESS"].startswith("shop: ")
    (line,) = {line for (name, _, state), line in lines.items() if (name, state) == ("tasks.deliver", "FAILURE")}
    assert {name for name, _, _, _ in done} <= {f"tasks.{name}" for name in ("poll", "deliver", "sweep", "ingest")}
    counts = r"(\d delivered, )?1 dead(, \d delivered)?"
    assert re.fullmatch(rf"dropday: {counts}. Next: intake dead list --target dropday", line)
    assert {state for name, _, state, _ in done if name != "tasks.deliver"} <= {"SUCCESS", "STARTED", "RECEIVED"}
    query = "draw=1&start=0&length=100&order[0][column]=0&order[0][dir]=asc&columns[0][data]=name"
    table = json.loads(_get(f"{flower}/tasks/datatable?{query}&search[value]=state:FAILURE"))
    assert {row["result"] for row in table["data"]} == {line}
    # A sweep that found nothing to do is not shown.
    assert not [line for name, _, _, line in done if name == "tasks.sweep" and not str(line).startswith("sweep: ")]


@pytest.mark.timeout(60)
def test_flower_is_read_only(flower: str) -> None:
    for path in ("/api/worker/shutdown/worker@x", "/api/task/async-apply/tasks.poll", "/api/worker/pool/restart/x"):
        response = requests.post(flower + path, auth=ME, json={"args": ["shop"]}, timeout=10)
        assert response.status_code == 403, (path, response.status_code)


@pytest.mark.timeout(120)
def test_a_browser_shows_the_tasks_only_with_the_password(flower: str, tmp_path: Path) -> None:
    chromium = find_program("chromium-browser") or require_program("chromium")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000"]

    def page(url: str) -> str:
        command = [chromium, *quiet, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", url]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout

    shown = page(f"http://{ME[0]}:{ME[1]}@{flower.removeprefix('http://')}/tasks")
    assert "tasks." in shown
    assert "Account" in shown
    assert not [word for word in PERSONAL if word in shown]
    shutil.rmtree(tmp_path / "profile")
    assert "tasks." not in page(f"{flower}/tasks")
