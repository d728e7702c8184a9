"""`intake push`: its input is checked and becomes jobs in the inbox."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.redis_text import text
from support.settings_texts import NO_REDIS, Configured, dropday, retailcrm, route, table
from worker.inbox.reading import read_job
from worker.runtime import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result
    from redis import Redis

SETTINGS = (
    retailcrm("providers.shop")
    + table("producers.web")
    + table("producers.hook", secret="env:PUSH_SECRET", **{"for": "shop"})
    + table("inbox", unsigned="accept")
    + dropday("targets.dropday")
    + route("shop", "dropday", reference="{provider}-{external_id}")
    + route("web", "dropday", reference="{provider}-{external_id}")
)
ORDER = {
    "external_id": "9",
    "status": "new",
    "ordered_at": "2026-01-01T10:00:00+01:00",
    "lines": [{"name": "Mug", "quantity": 2, "unit_price": "49.9"}],
    "totals": {"grand": "99.80"},
}


@pytest.fixture(autouse=True)
def config(configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PUSH_SECRET", "hush-0123456789abcdefghij")
    monkeypatch.chdir(tmp_path)
    return configured.write(SETTINGS)


def push(*args: str, stdin: str | bytes = "") -> Result:
    return intake("push", *args, stdin=stdin)


def inbox(redis: Redis) -> list[Any]:
    """Return the jobs of the inbox, the oldest first."""
    return [json.loads(job) for job in reversed(redis.lrange("intake:inbox", 0, -1))]


def hint(number: int, **more: Any) -> dict[str, Any]:
    return {"v": 1, "provider": "shop", "external_id": str(number), **more}


LINES = "\n".join(json.dumps(hint(n)) for n in range(3))


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\n\n" + LINES + "\n\n",
        "\ufeff" + LINES,
        LINES.replace("\n", "\r\n"),
        json.dumps([hint(n) for n in range(3)]),
        json.dumps([hint(n) for n in range(3)], indent=2),
        json.dumps([hint(0), hint(1)]) + "\n" + json.dumps(hint(2)),
    ],
    ids=["lines", "blank lines", "byte order mark", "DOS", "list", "indented list", "a list in a line"],
)
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_json_lines_or_one_document_are_pushed_in_their_order(
    tmp_path: Path, redis: Redis, text: str, way: str
) -> None:
    (tmp_path / "jobs.json").write_bytes(text.encode())
    result = push("jobs.json") if way == "file" else push("-", stdin=text.encode())
    assert (result.exit_code, result.output) == (0, "3 pushed.\n")
    assert inbox(redis) == [hint(n) for n in range(3)]


def test_one_indented_job_is_one_job(redis: Redis) -> None:
    assert push("-", stdin=json.dumps(hint(1), indent=2)).output == "1 pushed.\n"
    assert inbox(redis) == [hint(1)]


def test_pushed_amounts_stay_exact(tmp_path: Path, redis: Redis) -> None:
    (tmp_path / "record.json").write_text('[{"id": 1, "sum": 0.10000000000000000001, "big": 123456789012345678901}]')
    assert push("--provider", "shop", "--record", "record.json").exit_code == 0
    job = redis.lrange("intake:inbox", 0, -1)[0]
    assert job == (
        '{"v":1,"provider":"shop","record":{"id":1,"sum":0.10000000000000000001,"big":123456789012345678901}}'
    )


def test_jobs_are_built_from_options(tmp_path: Path, redis: Redis) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER, indent=2))
    assert push("--provider", "shop", "--external-id", "17", "--external-id", "18").output == "2 pushed.\n"
    assert push("--provider", "web", "--order", "order.json").output == "1 pushed.\n"
    assert push("--provider", "shop", "--record", "-", stdin='{"id": 3}\n{"id": 4}').output == "2 pushed.\n"
    assert inbox(redis) == [
        hint(17),
        hint(18),
        {"v": 1, "provider": "web", "order": ORDER},
        {"v": 1, "provider": "shop", "record": {"id": 3}},
        {"v": 1, "provider": "shop", "record": {"id": 4}},
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"v": 1', "<stdin>: it is not JSON: Expecting ',' delimiter or '}': line 1 column 8"),
        (LINES + "\n{oops}\n" + LINES, "<stdin>: line 4: it is not JSON: "),
        ('[\n{"v": 1,\n}]', "<stdin>: it is not JSON: "),
        ('\n\n{\n"v": oops}', "line 4 column 6"),
        (LINES + "\n5", "<stdin>: line 4: the job: Input should be a valid dictionary"),
        (json.dumps([hint(1), {"v": 1}]), "<stdin>: line 1: item 2: provider: Field required"),
        (json.dumps(hint(1, colour="red")), "<stdin>: line 1: colour: Extra inputs are not permitted"),
        (json.dumps(hint(1) | {"provider": "nobody"}), "<stdin>: line 1: no provider or producer nobody is known here"),
        (json.dumps(hint(1) | {"provider": "web"}), "<stdin>: line 1: web is a producer: it pushes `order`"),
        (
            json.dumps({"v": 1, "provider": "web", "order": ORDER | {"status": "lost"}}),
            "<stdin>: line 1: order.status: Input should be 'new'",
        ),
        (json.dumps({"v": 1, "provider": "shop", "record": {"x": "y" * 1_100_000}}), "a job has at most 1048576"),
        ("[" * 100_000, "<stdin>: it is not JSON: a number is too long, or it is nested too deep"),
        (b'{"v": 1, "provider": "\xff"}', "<stdin>: it is not UTF-8"),
        ("", "0 pushed."),
    ],
)
def test_invalid_input_is_reported_with_its_place_and_reason(redis: Redis, text: str | bytes, reason: str) -> None:
    result = push("-", stdin=text)
    assert reason in result.output
    assert result.exit_code == (1 if text else 0)
    assert "Traceback" not in result.output


def test_valid_jobs_among_invalid_ones_are_pushed_and_the_exit_code_is_1(redis: Redis) -> None:
    bad = "\n".join(["{oops}"] * 30)
    result = push("-", stdin=f"{LINES}\n{bad}\n{json.dumps(hint(3))}")
    assert result.exit_code == 1
    assert inbox(redis) == [hint(n) for n in range(4)]
    assert "<stdin>: line 4: it is not JSON" in result.output
    assert "… and 10 more\n4 pushed, 30 invalid.\n" in result.output


def test_no_reason_contains_content_of_the_job(redis: Redis) -> None:
    secret = "Ada Lovelace"
    jobs = [
        {"v": 1, "provider": "web", "order": ORDER | {"status": secret}},
        hint(1, sent_at=secret),
        hint(1) | {"external_id": f" {secret}"},
        secret,
    ]
    text = "\n".join([*map(json.dumps, jobs), secret])
    assert secret not in push("-", stdin=text).output
    assert inbox(redis) == []


def test_a_dry_run_checks_and_pushes_nothing(redis: Redis) -> None:
    assert push("--dry-run", "-", stdin=LINES).output == "3 valid, nothing pushed.\n"
    result = push("--dry-run", "-", stdin=LINES + "\n{}")
    assert "3 valid, nothing pushed, 1 invalid.\n" in result.output
    assert result.exit_code == 1
    assert inbox(redis) == []


def test_a_dry_run_needs_no_redis(configured: Configured) -> None:
    configured.write(SETTINGS, redis_url=NO_REDIS)
    assert push("--dry-run", "-", stdin=LINES).exit_code == 0
    assert push("-", stdin=LINES).exit_code == 1


def test_push_signs_jobs_that_the_inbox_accepts(config: Path, redis: Redis) -> None:
    config.write_text(config.read_text().replace('"accept"', '"refuse"'))
    refused = push("-", stdin=LINES)
    assert refused.exit_code == 1
    assert "<stdin>: line 1: jobs must be signed here" in refused.output
    assert push("--producer", "hook", "-", stdin=LINES).output == "3 pushed.\n"
    assert push("--producer", "hook", "--provider", "shop", "--external-id", "é").exit_code == 0
    raw = [text(job) for job in redis.lrange("intake:inbox", 0, -1)]
    jobs = [read_job(read_settings(), job.encode(), time.time) for job in raw]
    assert [job.external_id for job in jobs] == ["é", "2", "1", "0"]
    signed = raw[0]
    assert push("-", stdin=signed).output == "1 pushed.\n"
    assert "does not match" in push("-", stdin=signed.replace("é", "e")).output


def test_push_refuses_a_producer_without_the_right_for_a_provider(redis: Redis) -> None:
    output = push("--producer", "hook", "--provider", "web", "--order", "-", stdin=json.dumps(ORDER)).output
    assert "producer hook may not push for web" in output
    assert inbox(redis) == []


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ([], "name jobs (FILE, or - for stdin), or one of --record, --order and --external-id"),
        (["-", "--external-id", "1"], "name jobs (FILE, or - for stdin), or one of"),
        (["-", "--provider", "shop"], "jobs name their provider"),
        (["--external-id", "1"], "--external-id needs --provider NAME"),
        (["--record", "-"], "--record needs --provider NAME"),
        (["nowhere.json"], "No such file"),
        (["-", "--producer", "web"], "web is not a producer with a secret. Choose from: hook"),
    ],
)
def test_push_explains_an_invalid_command_line(args: list[str], reason: str) -> None:
    result = push(*args)
    assert reason in result.output
    assert result.exit_code in (1, 2)


def test_push_reports_a_full_redis(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    try:
        result = push("-", stdin=LINES)
    finally:
        redis.config_set("maxmemory", 0)
    assert result.exit_code == 1
    assert "Redis is full (maxmemory): no job was pushed; 0 jobs pushed before. Raise its maxmemory." in result.output


def test_push_sends_thousands_of_jobs_a_second(tmp_path: Path, redis: Redis) -> None:
    order = json.dumps({"v": 1, "provider": "web", "order": ORDER})
    (tmp_path / "many.jsonl").write_text("\n".join([order] * 10_000))
    began = time.perf_counter()
    assert push("many.jsonl").output == "10000 pushed.\n"
    rate = 10_000 / (time.perf_counter() - began)
    print(f"{rate:.0f} jobs/s")
    assert redis.llen("intake:inbox") == 10_000
    assert rate > 1_000
