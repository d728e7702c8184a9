"""The tutorial and the pages on changes, command by command as they are written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.page_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.paced, pytest.mark.repeat]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    somebody = Reader(tmp_path)
    yield somebody
    somebody.stop()


@pytest.mark.timeout(600)
def test_the_tutorial_and_the_pages_on_changes_work_as_they_are_written(reader: Reader) -> None:
    """Run each command, and write each table.

    In `make test`, `test_each_command_of_intake_on_a_page_is_valid` and `test_what_the_pages_show_is_taken` read them.
    """
    said = reader.follow("tutorial.md")
    assert "error" not in "".join(said[2:3])
    assert re.search(r"shop-nl +retailcrm", "".join(said))
    reader.until_delivered("shop-nl", "shop-be", "shop-de")
    for shop in ("shop-nl", "shop-be", "shop-de"):
        reader.run(f"intake reconcile {shop} warehouse --since 30d")
    changed = reader.follow("change-a-key.md", **{"THE_NEW_KEY": "key-of-nl", "secrets/shop_nl": "secrets/nl"})
    assert "shop-nl" in "".join(changed)
    text = (reader.home / "intake.toml").read_text()
    reader.run('intake pause shop-be --reason "shop closed"')
    kept = re.sub(r"(?s)\[providers\.shop-be\].*?\n\n", "", text)
    (reader.home / "intake.toml").write_text(re.sub(r'(?s)\[\[routes\]\]\nfrom = "shop-be".*?\n\n', "", kept))
    left = reader.follow("remove-a-shop.md")
    assert "shop-be is given up" in left[-1]
    assert "shop-be" not in reader.status()["providers"]
