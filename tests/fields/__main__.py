"""Write the pages of fields into deploy/docs/fields: `make fields`."""

from __future__ import annotations

from pathlib import Path

from fields.all_ways import pages

if __name__ == "__main__":
    folder = Path(__file__).parents[2] / "deploy" / "docs" / "fields"
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")
        print(name)
