"""Apply one mutation of the code at a time, and print the mutations that no test detected."""

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

#: Seconds until the tests of one mutation count as hanging, which counts as caught: without it they pass.
PATIENCE: Final = 120
IGNORED: Final = shutil.ignore_patterns(
    ".git", ".venv", ".intake", "__pycache__", ".*_cache", "*.egg-info", "node_modules"
)
#: pytest's exit codes.
PASSED, FAILED = 0, 1


def run(tree: Path, arguments: list[str], patience: float) -> tuple[str, str]:
    """Run tests in `tree`; return "passed", "failed", "hung" or the exit code, and pytest's output."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--timeout={patience - 10:.0f}"]
    # No byte code: Python would mistake two versions of the same size and second for each other.
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
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        return "hung", process.communicate()[0]
    return {PASSED: "passed", FAILED: "failed"}.get(process.returncode, f"exit code {process.returncode}"), output


def check(tree: Path, mutation: Mutation) -> tuple[str, str]:
    """Apply a mutation to `tree`, run its tests, undo it; return "caught", "SURVIVED" or an error, and the output."""
    file = tree / mutation.file
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutation.broken(text), encoding="utf-8")
        verdict, output = run(tree, mutation.arguments(), PATIENCE)
    except ValueError as error:
        return "NOT FOUND", str(error)
    finally:
        file.write_text(text, encoding="utf-8")
    return {"passed": "SURVIVED", "failed": "caught", "hung": "caught (hung)"}.get(verdict, verdict.upper()), output


@click.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=2, show_default=True, help="Mutations to check at a time, each in its own copy.")
def main(names: tuple[str, ...], jobs: int) -> None:
    """Check all mutations, or those whose name or file contains one of NAMES."""
    chosen = [m for m in mutations() if not names or any(name in f"{m.name} {m.file}" for name in names)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="intake-mutation-") as home:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(jobs):
            trees.put(shutil.copytree(ROOT, Path(home) / str(number), ignore=IGNORED, symlinks=True))

        def check_one(mutation: Mutation) -> str:
            tree, at = trees.get(), time.monotonic()
            verdict, output = check(tree, mutation)
            trees.put(tree)
            print(f"{verdict:<14}{time.monotonic() - at:5.1f} s  {mutation.file:<38}{mutation.name}", flush=True)
            if verdict.isupper():
                print("\n".join(output.splitlines()[-15:]), flush=True)
            return verdict

        every = sorted({word for mutation in chosen for word in mutation.arguments() if word.startswith("tests/")})
        print(f"{len(chosen)} mutations; first their {len(every)} tests with the unchanged code", flush=True)
        tree = trees.get()
        verdict, output = run(tree, every, 900)
        trees.put(tree)
        if verdict != "passed":
            raise click.ClickException(f"the tests fail with the unchanged code: {verdict}\n{output[-3000:]}")
        with ThreadPoolExecutor(jobs) as pool:
            verdicts = list(pool.map(check_one, chosen))
    bad = [f"{v}: {m.file}: {m.name} ({m.promise})" for v, m in zip(verdicts, chosen, strict=True) if v.isupper()]
    print(f"{len(chosen) - len(bad)} of {len(chosen)} caught in {time.monotonic() - began:.0f} s", *bad, sep="\n")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
