"""Break the code on purpose, one promise at a time, and print which breakages no test saw."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import click

from mutation.mutations import ROOT, Mutation, mutations

#: Seconds until the tests of one breakage count as hanging: they saw it, if they pass without it.
PATIENCE: Final = 120
IGNORED: Final = shutil.ignore_patterns(
    ".git", ".venv", ".intake", "__pycache__", ".*_cache", "*.egg-info", "node_modules"
)
#: pytest's exit codes.
PASSED, FAILED = 0, 1


def run(tree: Path, arguments: list[str], patience: float) -> tuple[str, str]:
    """Run tests in `tree`: "passed", "failed", "hung", or what else went wrong; and what pytest said."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--timeout={patience - 10:.0f}"]
    # No byte code: two texts of one length, written within a second, would be taken for each other.
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=tree,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        return "hung", process.communicate()[0]
    return {PASSED: "passed", FAILED: "failed"}.get(process.returncode, f"exit code {process.returncode}"), said


def check(tree: Path, mutation: Mutation) -> tuple[str, str]:
    """Apply one breakage to `tree`, run its tests, and take it back; "caught", "SURVIVED", or what went wrong."""
    file = tree / mutation.file
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutation.broken(text), encoding="utf-8")
        verdict, said = run(tree, mutation.arguments(), PATIENCE)
    except ValueError as error:
        return "NOT FOUND", str(error)
    finally:
        file.write_text(text, encoding="utf-8")
    return {"passed": "SURVIVED", "failed": "caught", "hung": "caught (hung)"}.get(verdict, verdict.upper()), said


@click.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=2, show_default=True, help="So many at a time, each in a copy of its own.")
def main(names: tuple[str, ...], jobs: int) -> None:
    """Check all breakages, or those whose name or file holds one of NAMES."""
    wanted = [it for it in mutations() if not names or any(name in f"{it.name} {it.file}" for name in names)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="intake-mutation-") as home:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            trees.put(shutil.copytree(ROOT, Path(home) / str(number), ignore=IGNORED, symlinks=True))

        def one(mutation: Mutation) -> str:
            tree, at = trees.get(), time.monotonic()
            verdict, said = check(tree, mutation)
            trees.put(tree)
            print(f"{verdict:<14}{time.monotonic() - at:5.1f} s  {mutation.file:<38}{mutation.name}", flush=True)
            if verdict.isupper():
                print("\n".join(said.splitlines()[-15:]), flush=True)
            return verdict

        every = sorted({word for it in wanted for word in it.arguments() if word.startswith("tests/")})
        print(f"{len(wanted)} breakages; first their {len(every)} tests, with nothing broken", flush=True)
        tree = trees.get()
        verdict, said = run(tree, every, 900)
        trees.put(tree)
        if verdict != "passed":
            raise click.ClickException(f"the tests do not pass as they are: {verdict}\n{said[-3000:]}")
        with ThreadPoolExecutor(jobs) as pool:
            verdicts = list(pool.map(one, wanted))
    bad = [f"{v}: {it.file}: {it.name} ({it.promise})" for v, it in zip(verdicts, wanted, strict=True) if v.isupper()]
    print(f"{len(wanted) - len(bad)} of {len(wanted)} caught in {time.monotonic() - began:.0f} s", *bad, sep="\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
