"""`intake poll` and `intake cursor`: their output, their effects, and how to undo them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import tasks.poll
from support.command_line import intake
from support.pipeline import Pipeline
from support.redis_text import key_names
from worker.operations.cursor_words import cursor_time
from worker.store.feeds.work import read_work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis


PREVIEW_RULES = """
from schemas.transform import Hold, Skip


def change(order):
    if order.external_id == "25":
        return Skip("a gift card")
    if order.external_id == "18":
        return Hold("check it")
    if order.external_id == "12":
        raise KeyError(order.external_id)
    line = order.lines[0]
    lines = (line.model_copy(update={"sku": f"W-{line.sku}"}), *order.lines[1:])
    return order.model_copy(update={"lines": lines, "note": "trade"})
"""


@pytest.fixture
def pipeline(tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("INTAKE_CONFIG", str(tmp_path / "intake.toml"))
    monkeypatch.setenv("COLUMNS", "100")
    pipeline = Pipeline(tmp_path, redis_url, monkeypatch, orders=5)
    with pipeline.box:
        yield pipeline.open()
    pipeline.close()


def everything(redis: Redis) -> dict[str, Any]:
    """Return every key byte for byte, except for the limiter's own slots and the clock."""
    names = [name for name in key_names(redis) if not name.startswith(("intake:limit:", "intake:clock"))]
    raw = redis.connection_pool.connection_kwargs | {"decode_responses": False}
    with type(redis)(**{key: raw[key] for key in ("host", "port", "db", "decode_responses")}) as plain:
        return {name: (plain.dump(name), plain.pexpiretime(name)) for name in names}


def test_a_dry_run_of_a_poll_changes_nothing_in_redis_and_sends_no_write(pipeline: Pipeline, redis: Redis) -> None:
    pipeline.poll()
    pipeline.deliver_all()
    pipeline.box.add_orders(3)
    pipeline.box.change(4, customerComment="ring twice")
    before, since = everything(redis), len(pipeline.box.journal())
    result = intake("poll", "shop", "--dry-run", "--since", "7d", "--limit", "3", "--show", "9")
    assert result.exit_code == 0, result.output
    assert "3  would be created  (dropday)" in result.output
    assert everything(redis) == before
    calls = [entry["method"] for entry in pipeline.box.journal(since) if entry.get("method")]
    assert set(calls) == {"GET"}
    assert pipeline.box.journal(since, kind="effect") == []


def test_a_dry_run_shows_the_exact_requests_with_masked_secrets(pipeline: Pipeline) -> None:
    result = intake("poll", "shop", "--dry-run", "--json")
    (page,) = json.loads(result.output)
    assert pipeline.box.KEY not in result.output
    assert pipeline.box.ACCOUNT_ID not in result.output
    assert "/api/v5/orders/history" in page["reads"][-2]["url"] + page["reads"][0]["url"]
    writes = page["writes"]["dropday"]
    assert [write["method"] for write in writes] == ["POST"] * 5
    sent = [json.loads(write["body"]) for write in writes]
    pipeline.poll()
    pipeline.deliver_all()
    created = pipeline.box.orders("dropday")
    assert {order["external_id"] for order in sent} == {str(order["external_id"]) for order in created}


def test_a_dry_run_lists_the_fields_that_would_change(pipeline: Pipeline) -> None:
    pipeline.poll()
    pipeline.deliver_all()
    pipeline.box.change(4, firstName="Annemieke")
    page = json.loads(intake("poll", "shop", "--dry-run", "--since", "7d", "--json").output)[0]
    (verdict,) = [verdict for verdict in page["verdicts"] if verdict["key"] == "shop:4"]
    assert (verdict["what"], verdict["fields"]) == ("is there; its change is ignored", ["first_name"])


def test_a_dry_run_shows_what_the_transform_of_a_route_changes(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "preview_rules.py").write_text(PREVIEW_RULES)
    file = tmp_path / "intake.toml"
    file.write_text(
        file.read_text().replace("[[routes]]", '[[routes]]\ntransform = "preview_rules:change"', 1), encoding="utf-8"
    )
    page = json.loads(intake("poll", "shop", "--dry-run", "--json").output)[0]
    verdicts = {verdict["key"]: verdict for verdict in page["verdicts"]}
    changes = {field: (json.loads(before), json.loads(after)) for field, before, after in verdicts["shop:4"]["changes"]}
    before, after = changes["lines[0].sku"]
    assert (set(changes), after) == ({"lines[0].sku", "note"}, f"W-{before}")
    assert "W-" in "".join(write["body"] for write in page["writes"]["dropday"])
    assert (verdicts["shop:25"]["what"], verdicts["shop:25"]["detail"]) == (
        "is left out",
        "its transform left it out: a gift card",
    )
    assert (verdicts["shop:18"]["what"], verdicts["shop:18"]["detail"]) == ("would be held", "check it")
    assert verdicts["shop:12"]["what"] == "would be a dead letter"
    assert "transform preview_rules:change failed with KeyError" in verdicts["shop:12"]["detail"]
    output = intake("poll", "shop", "--dry-run").output
    assert f'transform lines[0].sku: "{before}" → "W-{before}"' in output


def test_the_poll_command_ignores_the_interval_since_the_last_poll(pipeline: Pipeline, redis: Redis) -> None:
    redis.hset("intake:cursor:shop", "retry_at", 2**52)
    output = intake("poll", "shop").output
    assert output.startswith("shop: 5 records read. Everything is read up to ")
    assert redis.zcard("intake:lane:dropday:due") == 5


def test_the_poll_command_for_a_paused_provider_names_the_resume_command(pipeline: Pipeline) -> None:
    pipeline.rt.cursors.pause("shop", "status 403")
    result = intake("poll", "shop")
    assert (result.exit_code, "intake resume shop" in result.output) == (1, True)
    assert intake("poll", "nobody").exit_code == 2


def test_a_cursor_is_set_by_command_and_restored(pipeline: Pipeline) -> None:
    pipeline.poll()
    before = pipeline.rt.cursors.status("shop")["value"]
    assert "Nothing was changed" in intake("cursor", "set", "shop", "--since", "3d", "--dry-run").output
    assert pipeline.rt.cursors.status("shop")["value"] == before
    assert intake("cursor", "set", "shop", "--since", "3d").exit_code == 1  # not confirmed
    assert pipeline.rt.cursors.status("shop")["value"] == before
    output = intake("cursor", "set", "shop", "--since", "2026-01-02", "--yes").output
    assert "UTC are" in output
    moment = cursor_time(pipeline.rt.cursors.status("shop")["value"])
    assert moment is not None
    assert moment.isoformat() == "2026-01-02T00:00:00+00:00"
    assert "poll" in read_work(pipeline.rt.redis, {"shop": 3600.0})["shop"]
    assert "everything read up to" in intake("cursor", "show", "shop").output
    assert intake("cursor", "undo", "shop", "--yes").exit_code == 0
    assert pipeline.rt.cursors.status("shop")["value"] == before
    assert "was never moved by hand" in intake("cursor", "undo", "shop", "--yes").output


def test_a_running_poll_does_not_overwrite_a_cursor_that_was_set_meanwhile(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.poll()
    value = pipeline.rt.cursors.status("shop")["value"]
    moment, provider = cursor_time(value), pipeline.rt.providers["shop"]
    assert moment is not None
    placed, fetch = provider.start(moment), provider.fetch

    def place_and_fetch(cursor: str) -> Any:
        assert pipeline.rt.cursors.place("shop", value, placed)
        return fetch(cursor)

    pipeline.box.add_orders(1)
    monkeypatch.setattr(provider, "fetch", place_and_fetch)
    tasks.poll.poll(pipeline.rt, "shop", pipeline.nudge)
    assert pipeline.rt.cursors.status("shop")["value"] == placed
    assert not pipeline.rt.cursors.place("shop", value, "another")


def test_a_repeated_cursor_set_moves_the_cursor_once(pipeline: Pipeline) -> None:
    assert pipeline.rt.cursors.place("shop", "", "b")
    assert pipeline.rt.cursors.place("shop", "", "b")
    assert [value for _, value in pipeline.rt.cursors.former_values("shop")] == [""]
    assert pipeline.rt.cursors.undo("shop", "b", "")
    assert pipeline.rt.cursors.undo("shop", "b", "")
    assert "value" not in pipeline.rt.cursors.status("shop")


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "12345678", "2999-01-01"])
def test_an_invalid_date_is_refused_with_an_explanation(pipeline: Pipeline, date: str) -> None:
    result = intake("cursor", "set", "shop", "--since", date, "--yes")
    assert result.exit_code == 2
    assert "2026-11-20" in result.output or "is in the future" in result.output
