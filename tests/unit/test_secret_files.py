"""A secret may stand in a file of its own, as Kubernetes, Docker and systemd hand them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.settings_files import GOOD, problems, read

if TYPE_CHECKING:
    from pathlib import Path

EVERYWHERE = (
    GOOD.replace('api_key = "env:KEY"', 'api_key = "file:run/key"')
    + """
[redis]
url = "file:run/redis"
[celery]
broker = "file:run/broker"
[alarms.to.slack]
url = "file:run/alarms"
[mail]
host = "smtp.example.com"
sender = "intake@example.com"
user = "intake"
password = "file:run/mail"
[producers.web]
secret = "file:run/producer"
"""
)


def write(folder: Path) -> None:
    """Write a file for each secret of `EVERYWHERE`, as an editor does: with a line break at the end."""
    run = folder / "run"
    run.mkdir()
    for name, text in {
        "key": "s3cret",
        "redis": "redis://me:s3cret@redis.internal:6379/0",
        "broker": "amqp://me:s3cret@rabbit.internal:5672/vhost",
        "alarms": "https://hooks.example/T0/s3cret",
        "mail": "s3cret-of-the-mailbox",
        "producer": "s3cret-of-the-producer",
    }.items():
        (run / name).write_text(f"{text}\n")


def test_every_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    settings = read(tmp_path, EVERYWHERE)
    assert settings.redis_url == "redis://me:s3cret@redis.internal:6379/0"
    assert settings.broker_url == "amqp://me:s3cret@rabbit.internal:5672/vhost"
    hook, mail = settings.alarms.to["slack"].url, settings.mail
    assert hook is not None
    assert hook.get_secret_value() == "https://hooks.example/T0/s3cret"
    assert mail is not None
    assert mail.password is not None
    assert mail.password.get_secret_value() == "s3cret-of-the-mailbox"
    secret = settings.producers["web"].secret
    assert secret is not None
    assert secret.get_secret_value() == "s3cret-of-the-producer"
    for account in (*settings.providers.values(), *settings.targets.values()):
        assert account.options.api_key.get_secret_value() == "s3cret"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["key", "redis", "broker", "alarms", "mail", "producer"])
@pytest.mark.parametrize("state", ["does not exist", "is empty", "cannot be read: is a directory"])
def test_a_file_without_a_secret_is_named_once_for_each_key(tmp_path: Path, name: str, state: str) -> None:
    write(tmp_path)
    file = tmp_path / "run" / name
    file.unlink()
    if state == "is empty":
        file.write_text("\n")
    elif state != "does not exist":
        file.mkdir()
    found = problems(tmp_path, EVERYWHERE)
    assert found
    for problem in found:
        assert problem.endswith(f": the file run/{name} {state}. Write the secret into it."), problem
        assert "s3cret" not in problem
    assert len(found) == (EVERYWHERE.count("file:run/key") if name == "key" else 1)


def test_a_file_is_no_way_to_set_anything_but_a_secret(tmp_path: Path) -> None:
    (tmp_path / "level").write_text("debug")
    (problem,) = problems(tmp_path, GOOD + '\n[log]\nlevel = "file:level"\n')
    assert problem.startswith("log.level: ")
