"""The package without one of its extras: each command works, or names the extra and how to install it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from support.source_texts import ROOT
from worker.process.extras import install_command

if TYPE_CHECKING:
    from pathlib import Path

#: The packages of each extra, as they are imported, and the commands that need them.
EXTRAS = {
    "sandbox": (("aiohttp",), (["sandbox"], ["demo"], ["drill"])),
    "receive": (("starlette", "uvicorn"), (["receive"],)),
    "web": (("jinja2", "python_multipart", "starlette", "uvicorn"), (["web"],)),
    "otel": (("opentelemetry",), ()),
}
#: Runs commands in a process that cannot import some packages; prints the exit code and the output of each as JSON.
SCRIPT = """
import json, sys
packages, commands = json.loads(sys.argv[1])

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Missing())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in packages else find(name, package)
from click.testing import CliRunner
from worker.cli import COMMANDS, main
results = []
for words in [*commands, *([name, "--help"] for name in COMMANDS if name != "sandbox"), ["check", "--offline"]]:
    result = CliRunner().invoke(main, words)
    results.append([words, result.exit_code, result.output, type(result.exception).__name__])
print(json.dumps(results))
"""


def without(extra: str, folder: str) -> list[tuple[list[str], int, str, str]]:
    """Return the results of the commands in a process without the packages of an extra."""
    packages, commands = EXTRAS[extra]
    words = [sys.executable, "-c", SCRIPT, json.dumps([packages, commands])]
    environ = {"PATH": "/usr/bin:/bin", "HOME": folder}
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=True, timeout=120)
    results: list[tuple[list[str], int, str, str]] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.mark.parametrize("extra", EXTRAS)
def test_without_an_extra_each_command_works_or_names_it(extra: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    needy = EXTRAS[extra][1]
    for words, code, output, error in without(extra, str(tmp_path_factory.mktemp("empty"))):
        if words in needy:
            assert code == 1, words
            assert f"this command needs the extra `{extra}`: " in output
            assert output.rstrip().endswith("Next: pip install --require-hashes -r requirements.lock")
        elif words == ["check", "--offline"]:
            assert "intake.toml: (the file): does not exist" in output.replace("\n", " ")
        else:
            assert (code, error) == (0, "NoneType"), words


def test_an_installed_package_names_the_packages_of_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install_command("web") == "pip install --require-hashes -r requirements.lock"
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    requires = ["redis>=6", *(f'{package}; extra == "{extra}"' for extra in declared for package in declared[extra])]
    monkeypatch.setattr("worker.process.extras.LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr("worker.process.extras.metadata.requires", {"intake-orders": requires}.get)
    for extra, packages in declared.items():
        assert shlex.split(install_command(extra)) == ["pip", "install", *packages]


def test_every_extra_of_the_package_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == set(EXTRAS)
