"""A secret in a file follows its file: a key is rotated without a restart."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from support.settings_texts import Configured, dropboy, dropday, ordercloud, retailcrm, route, table
from worker.runtime import Adapters, read_settings
from worker.settings import secret_files
from worker.settings.secret_files import FileSecret
from worker.systems.webhooks import senders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILES = ("api_key", "client_secret", "password", "account_id")
SETTINGS = (
    retailcrm("providers.crm")
    + dropday("providers.day", url="http://127.0.0.1:10")
    + dropboy("providers.boy")
    + ordercloud("providers.cloud")
    + table("providers.stream", kind="dropstream", url="http://127.0.0.1:9", user="me", password="env:TEST_KEY")
    + retailcrm("targets.to-crm", url="http://127.0.0.1:11")
    + dropday("targets.to-day")
    + dropboy("targets.to-boy", url="http://127.0.0.1:12")
    + ordercloud("targets.to-cloud", url="http://127.0.0.1:13")
    + "".join(
        route(name, "to-crm", "to-day", "to-boy", "to-cloud", reference="{provider}:{external_id}")
        for name in ("crm", "day", "boy", "cloud", "stream")
    )
).replace("env:TEST_KEY", "file:key")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Let each look at a file be a second after the one before."""
    now = SimpleNamespace(seconds=0.0)

    def monotonic() -> float:
        now.seconds += 1
        return float(now.seconds)

    monkeypatch.setattr(secret_files, "time", SimpleNamespace(monotonic=monotonic, time=lambda: 1e12))
    return now


def texts(value: Any, seen: set[int]) -> Iterator[str]:
    """Yield every text that an adapter has kept for its calls, with what Basic authentication encodes."""
    if id(value) in seen or isinstance(value, FileSecret):
        return
    seen.add(id(value))
    if isinstance(value, str):
        yield value
        if value.startswith("Basic "):
            yield base64.b64decode(value.removeprefix("Basic ")).decode()
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item, seen)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item, seen)
    elif type(value).__module__.startswith("worker.") or callable(value):
        parts = [getattr(value, "__dict__", {}), getattr(value, "__self__", None)]
        parts += [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
        parts += [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        for part in parts:
            yield from texts(part, seen)


def test_every_adapter_uses_the_new_key_after_its_file_changed(configured: Configured) -> None:
    key = configured.file.parent / "key"
    key.write_text("old-key\n")
    accounts = Adapters(read_settings(configured.write(SETTINGS)))
    adapted: list[tuple[Mapping[str, Any], str]] = [
        *((accounts.providers, name) for name in accounts.providers),
        *((accounts.targets, name) for name in accounts.targets),
    ]
    assert len(adapted) == 9
    for adapters, name in adapted:
        assert any("old-key" in text for text in texts(adapters[name], set())), name
    key.write_text("new-key\n")
    for adapters, name in adapted:
        found = list(texts(adapters[name], set()))
        assert any("new-key" in text for text in found), name
        assert not any("old-key" in text for text in found), name


@pytest.mark.parametrize("replaced", ["in place", "by another file"])
def test_a_secret_is_what_its_file_holds_now(tmp_path: Path, replaced: str) -> None:
    file = tmp_path / "key"
    file.write_text("one\n")
    secret = FileSecret(file)
    assert secret.get_secret_value() == "one"
    if replaced == "in place":
        file.write_text("two")
    else:
        (tmp_path / "new").write_text("two\n")
        (tmp_path / "new").replace(file)
    assert secret.get_secret_value() == "two"
    assert "two" not in repr(secret)


@pytest.mark.parametrize("state", ["does not exist", "is empty", "cannot be read: is a directory"])
def test_a_file_without_a_secret_leaves_the_last_one_in_use_and_is_logged_once(tmp_path: Path, state: str) -> None:
    file = tmp_path / "key"
    file.write_text("one")
    secret = FileSecret(file)
    file.unlink()
    if state == "is empty":
        file.write_text(" \n")
    elif state != "does not exist":
        file.mkdir()
    with capture_logs() as lines:
        assert [secret.get_secret_value() for _ in range(3)] == ["one"] * 3
    assert [(line["event"], line["file"], line["reason"]) for line in lines] == [("secret.unreadable", "key", state)]
    file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
    file.write_text("two")
    assert secret.get_secret_value() == "two"


def test_signatures_and_alarms_follow_their_files_too(configured: Configured) -> None:
    folder = configured.file.parent
    for name, text in {"alarms": "https://hooks.example/old", "hooks": "whsec_" + "b2xk" * 8, "key": "k"}.items():
        (folder / name).write_text(text)
    settings = read_settings(
        configured.write(
            retailcrm("providers.shop")
            + dropday("targets.t")
            + route("shop", "t")
            + table("alarms.to.chat", url="file:alarms")
            + table("producers.web", kind="standard", secret="file:hooks", **{"for": ["shop"]})
        )
    )
    (sender,) = senders(settings)
    new = "whsec_" + "bmV3" * 8
    (folder / "alarms").write_text("https://hooks.example/new")
    (folder / "hooks").write_text(new)
    hook = settings.alarms.to["chat"].url
    assert hook is not None
    assert hook.get_secret_value() == "https://hooks.example/new"
    assert sender.secret == new
    producer = settings.producers["web"].secret
    assert producer is not None
    assert producer.get_secret_value() == new
