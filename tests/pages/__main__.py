"""Build the site with every warning an error."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

CONFIG = Path(__file__).parents[2] / "deploy" / "mkdocs.yml"


def main() -> int:
    """Build the site; return 1 if a page has a fault."""
    config = load_config(str(CONFIG), strict=True)
    try:
        build(config)
    except Abort as error:
        print(error)
        return 1
    print(f"{config.site_dir}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
