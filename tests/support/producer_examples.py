"""The examples of deploy/producers, run as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support import node
from support.programs import missing

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "producers"
#: For each file, the program that runs it and the other programs that it needs.
EXAMPLES: Final = {
    "push.py": (sys.executable,),
    "push.js": ("node",),
    "push.php": ("php",),
    "push.sh": ("sh", "redis-cli"),
    "push_nc.sh": ("sh", "nc"),
}
#: This example sends a Celery task; the others push onto the inbox.
CELERY: Final = {"push_celery.js": ("node",)}
SIGNING: Final = ("push.py", "push.js", "push.php")


def run(name: str, url: str, *jobs: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the example `name`. Skip the test if a program that it needs is missing."""
    command, *needs = (EXAMPLES | CELERY)[name]
    if lacking := missing(command, *needs):
        pytest.skip(lacking)
    folder = node.install(FOLDER) if name.endswith(".js") else FOLDER
    return subprocess.run(
        [command, str(folder / name), *jobs],
        input=stdin,
        env=os.environ | {"REDIS_URL": url} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
