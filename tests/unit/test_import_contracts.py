"""Each import contract of pyproject.toml reports a forbidden import wherever in the product it is planted."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("schemas", "tasks", "worker")
CONFIG: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
CONTRACTS: Final = {contract["id"]: contract for contract in CONFIG["contracts"]}
#: The rooms that may call tasks.
CALL_TASKS: Final = {"worker.cli", "worker.lab", "worker.operations"}
SYSTEMS: Final = ("dropboy", "dropday", "dropstream", "ordercloud", "retailcrm")


def children(package: str) -> list[str]:
    """Return the modules and packages directly inside a package, by their dotted names."""
    folder = ROOT / package.replace(".", "/")
    entries = [entry for entry in folder.iterdir() if (entry / "__init__.py").exists() or entry.suffix == ".py"]
    return sorted(f"{package}.{entry.stem}" for entry in entries if not entry.stem.startswith("__"))


ROOMS: Final = children("worker")
#: The floors of the product, from the top; rooms that share a floor do not know each other.
FLOORS: Final = [[f"worker.{room.strip()}" for room in floor.split("|")] for floor in CONTRACTS["floors"]["layers"]]


def upward() -> list[tuple[str, str]]:
    """Return every pair of rooms whose first must not import the second."""
    level = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    return [(low, high) for low in level for high in level if level[low] >= level[high] and low != high]


def outside(*allowed: str) -> list[str]:
    """Return the modules of the product that are neither one of `allowed` nor contain one."""
    holders = {name.rsplit(".", levels)[0] for name in allowed for levels in range(name.count("."))}
    beside = [child for holder in holders - set(allowed) for child in children(holder) if child not in holders]
    return [room for room in (*ROOMS, *beside, "schemas", "tasks") if room not in holders]


def each_to(sources: list[str], *imported: str) -> list[tuple[str, str]]:
    return [(source, name) for source in sources for name in imported]


#: By contract: pairs of a room and a module that it must not import, each of which must be reported.
PLANTS: Final[dict[str, list[tuple[str, str]]]] = {
    "floors": upward(),
    "tasks": each_to(["schemas", *(room for room in ROOMS if room not in CALL_TASKS)], "tasks"),
    "lab": each_to(["schemas", "tasks"], "worker.lab.demo"),
    "cli": each_to(["tasks"], "worker.cli", "worker.operations", "worker.web"),
    "schemas": each_to(["schemas"], "tasks", *ROOMS),
    "systems": [
        (f"worker.systems.{system}", f"worker.systems.{other}")
        for system in SYSTEMS
        for other in SYSTEMS
        if other != system
    ],
    "adapters": each_to(children("worker.systems"), "redis", "celery", "kombu", "worker.store"),
    "http": each_to(outside("worker.http"), "requests", "urllib3"),
    "redis": each_to(outside("worker.store", "worker.lab"), "redis"),
    "receiver": each_to(outside("worker.inbox.receiver", "worker.web"), "jinja2", "starlette", "uvicorn"),
    "simulator": each_to(
        ["worker.lab.sandbox"],
        "schemas",
        "tasks",
        *(room for room in (*ROOMS, *children("worker.lab")) if room not in {"worker.lab", "worker.lab.sandbox"}),
    ),
    "otel": each_to(outside("worker.telemetry.otel"), "opentelemetry"),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the product and its contracts."""
    home = tmp_path_factory.mktemp("product")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


@pytest.fixture
def copy(original: Path) -> Iterator[Path]:
    """Yield the copy; take out afterwards what the test planted."""
    before = {path: path.read_bytes() for path in original.rglob("*.py")}
    yield original
    for path in [path for path in original.rglob("*.py") if path.read_bytes() != before.get(path)]:
        if path in before:
            path.write_bytes(before[path])
        else:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def plant(copy: Path, room: str, imported: str, number: int) -> str:
    """Add an import to a room; return the name of the importing module."""
    path = copy / room.replace(".", "/")
    if path.is_dir():
        module, path = f"{room}.planted{number}", path / f"planted{number}.py"
        path.write_text(f'"""Planted."""\n\nimport {imported}\n', encoding="utf-8")
        return module
    path = path.with_suffix(".py")
    path.write_text(path.read_text(encoding="utf-8") + f"\nimport {imported}\n", encoding="utf-8")
    return room


def lint(copy: Path, *options: str) -> tuple[int, str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *options]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_every_contract_has_planted_violations() -> None:
    assert set(PLANTS) == set(CONTRACTS)
    assert all(PLANTS.values())


def test_the_copy_keeps_every_contract_before_anything_is_planted(copy: Path) -> None:
    code, output = lint(copy)
    assert code == 0, output


@pytest.mark.parametrize("contract", PLANTS)
def test_a_planted_violation_is_reported_in_every_room(copy: Path, contract: str) -> None:
    planted = [
        (plant(copy, room, imported, number), imported) for number, (room, imported) in enumerate(PLANTS[contract])
    ]
    code, output = lint(copy, "--contract", contract)
    assert code == 1, output
    reported = set(re.findall(r"([\w.]+) -> ([\w.]+) \(l\.", output))
    assert [pair for pair in planted if pair not in reported] == []


@pytest.mark.parametrize("new", ["worker.helpers", "worker.utils"])
def test_a_room_without_a_floor_is_reported(copy: Path, new: str) -> None:
    folder = copy / new.replace(".", "/")
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Planted."""\n', encoding="utf-8")
    code, output = lint(copy, "--contract", "floors")
    assert code == 1, output
    assert new in output
