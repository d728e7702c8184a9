"""The command that installs an optional part of the package."""

from __future__ import annotations

import shlex
from importlib import metadata
from pathlib import Path
from typing import Final

#: The lock of a checkout, which is not part of an installed package.
LOCK: Final = Path(__file__).parents[2] / "requirements.lock"


def install_command(extra: str) -> str:
    """Return the command: in a checkout from the lock, elsewhere with the packages that this version names.

    It names the packages, not `intake-orders[extra]`: nobody can know from which index this package was installed.
    """
    if LOCK.is_file():
        return f"pip install --require-hashes -r {LOCK.name}"
    mark = f'extra == "{extra}"'
    named = (each.partition(";") for each in metadata.requires("intake-orders") or ())
    return f"pip install {shlex.join(package.strip() for package, _, marker in named if mark in marker)}"
