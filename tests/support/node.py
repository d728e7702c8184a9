"""Node programs, installed outside the source tree from their lock file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.programs import missing

#: The clients of other systems.
CLIENTS = Path(__file__).parents[1] / "clients"
#: npm's errors for a registry that is unreachable or lacks a package.
_UNREACHABLE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|ENOTCACHED|E40[134]|network")


def environment() -> dict[str, str]:
    """Return the environment without proxies, which do not reach loopback."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def install(source: Path = CLIENTS) -> Path:
    """Install the programs of `source` and return their folder. Skip the test without node, npm or a registry."""
    if lacking := missing("node", "npm"):
        pytest.skip(lacking)
    lock = (source / "package-lock.json").read_bytes()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intake-tests"
    folder = caches / f"{source.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        caches.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as fresh:
            _install(source, Path(fresh))
            # The rename is atomic: a second process finds the complete folder.
            if not folder.exists():
                Path(fresh, "node").rename(folder)
    for program in source.glob("*.*js"):
        shutil.copy(program, folder)
    return folder


def _install(source: Path, fresh: Path) -> None:
    target = fresh / "node"
    target.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, target)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False, timeout=100)
    if done.returncode and (match := _UNREACHABLE.search(done.stderr)):
        pytest.skip(f"npm cannot fetch the clients here ({match.group()})")
    assert done.returncode == 0, done.stderr
