"""`make release VERSION=X.Y.Z`: date the changelog section, build, check with twine, try the wheel, commit and tag."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
UNRELEASED = "## [Unreleased]\n"


def dated(changelog: str, version: str, day: str) -> str:
    """Return the changelog with its unreleased section as that of a version; raise ValueError if there is nothing."""
    head, found, rest = changelog.partition(UNRELEASED)
    section = re.split(r"^## \[", rest, maxsplit=1, flags=re.MULTILINE)[0]
    if not found or "- " not in section:
        raise ValueError("CHANGELOG.md has no entry under [Unreleased]")
    if f"## [{version}]" in changelog:
        raise ValueError(f"CHANGELOG.md has a section {version} already")
    return f"{head}{UNRELEASED}\n## [{version}] - {day}\n{rest}"


def raised(pyproject: str, version: str) -> str:
    """Return pyproject.toml with this version; raise ValueError unless it is a later one, or the first release."""
    current = tomllib.loads(pyproject)["project"]["version"]
    match, before = VERSION.fullmatch(version), VERSION.fullmatch(current)
    if match is None or before is None:
        raise ValueError(f"{version} is not a version: write X.Y.Z")
    if tuple(map(int, match.groups())) < tuple(map(int, before.groups())):
        raise ValueError(f"{version} is not later than {current}")
    return pyproject.replace(f'version = "{current}"', f'version = "{version}"', 1)


def run(*command: str | Path, cwd: Path) -> None:
    print("$", *command, flush=True)
    subprocess.run(list(map(str, command)), cwd=cwd, check=True)


def build(source: Path, out: Path, tools: Path) -> Path:
    """Build the source archive and the wheel, check them, and return the wheel."""
    run(sys.executable, "-m", "venv", tools, cwd=source)
    python = tools / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "build", "twine", cwd=source)
    run(python, "-m", "build", "--outdir", out, source, cwd=source)
    run(python, "-m", "twine", "check", "--strict", *sorted(out.iterdir()), cwd=source)
    (wheel,) = out.glob("*.whl")
    return wheel


def try_out(wheel: Path, version: str, home: Path) -> None:
    """Install the wheel where nothing else is, and run commands outside the checkout."""
    run(sys.executable, "-m", "venv", home / "env", cwd=home)
    run(home / "env" / "bin" / "python", "-m", "pip", "install", "-q", f"{wheel}[sandbox]", cwd=home)
    intake = home / "env" / "bin" / "intake"
    run(intake, "--version", cwd=home)
    run(intake, "init", "--provider", "retailcrm:shop", "--target", "dropday", "--yes", cwd=home)
    run(intake, "demo", "--orders", "40", cwd=home)
    assert version in subprocess.run([intake, "--version"], capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--dry-run", action="store_true", help="build and check a copy; change nothing here")
    options = parser.parse_args()
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        changelog = dated((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), options.version, day)
        pyproject = raised((ROOT / "pyproject.toml").read_text(encoding="utf-8"), options.version)
    except ValueError as error:
        sys.exit(f"Error: {error}")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = home / "source"
        # What is committed, and nothing else, is released.
        run("git", "clone", "-q", ROOT, source, cwd=ROOT)
        (source / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
        (source / "pyproject.toml").write_text(pyproject, encoding="utf-8")
        run("git", "--no-pager", "diff", "--stat", cwd=source)
        wheel = build(source, home / "dist", home / "tools")
        try_out(wheel, options.version, home)
        if options.dry_run:
            print(f"ok: {options.version} could be released; nothing was changed.")
            return
        (ROOT / "dist").mkdir(exist_ok=True)
        for file in (home / "dist").iterdir():
            (ROOT / "dist" / file.name).write_bytes(file.read_bytes())
    (ROOT / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    (ROOT / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    run("git", "commit", "-q", "-m", f"Release {options.version}", "CHANGELOG.md", "pyproject.toml", cwd=ROOT)
    run("git", "tag", "-a", f"v{options.version}", "-m", f"Intake {options.version}", cwd=ROOT)
    print(f"Next: git push --follow-tags, then: twine upload dist/intake_orders-{options.version}*")


if __name__ == "__main__":
    main()
