"""The pages of deploy/docs are a site without a single warning, with a reference made from the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from worker.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.mark.repeat
def test_the_site_is_built_without_a_warning_and_has_every_setting_and_command(tmp_path: Path) -> None:
    """Build the site, which no deployment needs.

    In `make test`, `test_every_page_is_listed_with_its_title_and_printed` reads its pages.
    """
    code = (
        "import sys; from mkdocs.commands.build import build; from mkdocs.config import load_config; "
        "build(load_config(sys.argv[1], strict=True, site_dir=sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "deploy" / "mkdocs.yml"), str(tmp_path)]
    done = subprocess.run(
        command, env={"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / "reference" / "commands.html").read_text()
    assert [name for name in COMMANDS if f"intake {name}" not in commands] == []
    settings = (tmp_path / "reference" / "settings.html").read_text()
    for key in ("poll_every", "product_map", "max_tries", "heartbeat", "also_create", "status_map"):
        assert f"<code>{key}</code>" in settings, key
