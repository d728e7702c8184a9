"""Each process gets its own secrets and its own user of Redis: in systemd, in compose, and on the security page.

The chart is in tests/integration/test_chart.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from support.process_secrets import GROUP_OF, Rights, expected

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
GROUPS: Final = {*GROUP_OF.values(), "flower"}
#: The passwords of what compose.yaml runs itself are in deploy/.env, and each reaches one service.
OF_COMPOSE: Final = {"flower"}


def unit_files(unit: str) -> list[str]:
    """Return the files that systemd reads for this unit, in their order."""
    template = re.sub(r"@\w+", "@", unit)
    parts = [DEPLOY / "systemd" / template, *sorted((DEPLOY / "systemd" / f"{unit}.d").glob("*.conf"))]
    files: list[str] = []
    for part in parts:
        for file in re.findall(r"^EnvironmentFile=-?(.*)$", part.read_text(), re.MULTILINE):
            files = [*files, file.removeprefix("/etc/intake/").removesuffix(".env")] if file else []
    return files


def of_systemd() -> dict[str, Rights]:
    found: dict[str, Rights] = {}
    for name in expected():
        files = unit_files("intake-metrics.service" if name == "metrics" else f"intake@{name}.service")
        (user,) = [file.removeprefix("redis-") for file in files if file.startswith("redis-")]
        found[name] = user, frozenset(files) - {f"redis-{user}", "common"}
    return found


def of_compose() -> dict[str, Rights]:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    found: dict[str, Rights] = {}
    for name in expected():
        service = services[name]
        (user,) = re.findall(r"redis://(\w+):\$\{REDIS_", service["environment"]["REDIS_URL"])
        assert f"${{REDIS_{user.upper()}_PASSWORD" in service["environment"]["REDIS_URL"]
        assert service["environment"]["INTAKE_PROCESS"] == name
        files = {Path(file["path"] if isinstance(file, dict) else file).stem for file in service["env_file"]}
        own = {"flower"} if "FLOWER_BASIC_AUTH" in service["environment"] else set()
        found[name] = user, frozenset(files - {"common"} | own)
    return found


def of_the_page() -> dict[str, Rights]:
    found: dict[str, Rights] = {}
    for line in (DEPLOY / "docs/security.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].strip("`").removeprefix("intake ").lower()
        if len(cells) == 4 and name in expected():
            (user,) = re.findall(r"^`(\w+)`", cells[2])
            found[name] = user, frozenset(re.findall(r"`(\w+)`", cells[3]))
    return found


def test_systemd_compose_and_the_page_give_each_process_what_it_needs_and_nothing_else() -> None:
    assert of_systemd() == expected()
    assert of_compose() == expected()
    assert of_the_page() == expected()


def test_there_is_an_example_of_each_file_of_secrets_and_git_ignores_the_real_ones() -> None:
    examples = {path.name.removesuffix(".env.example") for path in (DEPLOY / "secrets").glob("*.example")}
    assert examples == GROUPS - OF_COMPOSE | {"common"}
    assert {"deploy/.env", "deploy/secrets/*.env"} <= {*(DEPLOY.parent / ".gitignore").read_text().split()}


def test_only_redis_itself_knows_more_than_one_password_and_all_users_have_one() -> None:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    known = {
        name: {*re.findall(r"\$\{([A-Z_]+_PASSWORD|FLOWER_BASIC_AUTH)", yaml.safe_dump(service))}
        - {"GF_SECURITY_ADMIN_PASSWORD"}
        for name, service in services.items()
    }
    users = re.findall(r">CHANGE-ME-(\w+) ", (DEPLOY / "users.acl.example").read_text())
    assert known.pop("redis") == {f"REDIS_{user}_PASSWORD" for user in users}
    assert {name: passwords for name, passwords in known.items() if len(passwords) > 1} == {
        "flower": {"REDIS_FLOWER_PASSWORD", "FLOWER_BASIC_AUTH"}
    }
    example = (DEPLOY / "env.example").read_text()
    assert {*re.findall(r"^(\w+)=$", example, re.MULTILINE)} == set().union(*known.values()) | {
        f"REDIS_{user}_PASSWORD" for user in users
    }


def test_redis_shares_no_network_with_what_only_watches() -> None:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert services["redis"]["networks"] == ["redis"]
    assert "ports" not in services["redis"]
    reach = {name for name, service in services.items() if "redis" in service["networks"]}
    assert reach == {"redis", *expected()}
