"""Run as `python -m bench`, with the folder `tests` on PYTHONPATH."""

from __future__ import annotations

from bench.command import command

command(prog_name="bench")
