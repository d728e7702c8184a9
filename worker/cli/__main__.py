"""`python -m worker.cli`: the `intake` command of this very Python."""

from worker.cli import main

main(prog_name="intake")
