"""`python -m worker.cli`: the `intake` command of this Python interpreter."""

from worker.cli import main

main(prog_name="intake")
