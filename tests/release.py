"""`make release VERSION=X.Y.Z`: date the changelog section, set the version, build, try the wheel, commit and tag."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
UNRELEASED = "## [Unreleased]\n"
SOURCE: Final = "pyproject.toml"
#: The files that name the version, and how each does. The code asks the installed package; `SOURCE` decides.
NAMED: Final = {
    SOURCE: ('version = "{}"',),
    "deploy/helm/intake/Chart.yaml": ("\nversion: {}\n", '\nappVersion: "{}"\n'),
    "deploy/docs/openapi.json": ('"title": "Intake",\n    "version": "{}"',),
    "deploy/docs/commands.md": ("User-Agent: intake/{}\n",),
}


def dated(changelog: str, version: str, day: str) -> str:
    """Return the changelog with its unreleased entries as the section of a version, which may have been written before.

    Raise ValueError if there is nothing to release, or both.
    """
    head, found, rest = changelog.partition(UNRELEASED)
    section = re.split(r"^## \[", rest, maxsplit=1, flags=re.MULTILINE)[0]
    entries = "- " in section
    if re.search(rf"^## \[{re.escape(version)}\]", changelog, re.MULTILINE):
        if entries or not rest[len(section) :].startswith(f"## [{version}] - "):
            raise ValueError(f"CHANGELOG.md has a section {version} already, which must be the newest entries")
        return changelog
    if not found or not entries:
        raise ValueError("CHANGELOG.md has no entry under [Unreleased]")
    return f"{head}{UNRELEASED}\n## [{version}] - {day}\n{rest}"


def current_version(texts: dict[str, str]) -> str:
    return str(tomllib.loads(texts[SOURCE])["project"]["version"])


def raised(texts: dict[str, str], version: str) -> dict[str, str]:
    """Return the files that name the version with this one; raise ValueError if it is earlier or a file has another."""
    current = current_version(texts)
    match, before = VERSION.fullmatch(version), VERSION.fullmatch(current)
    if match is None or before is None:
        raise ValueError(f"{version} is not a version: write X.Y.Z")
    if tuple(map(int, match.groups())) < tuple(map(int, before.groups())):
        raise ValueError(f"{version} is not later than {current}")
    changed = {}
    for name, text in texts.items():
        changed[name] = text
        for form in NAMED[name]:
            if form.format(current) not in text:
                raise ValueError(f"{name} does not name the version {current} of {SOURCE}: {form.strip()}")
            # The source names other versions as well; elsewhere an example may repeat this one.
            many = 1 if name == SOURCE else -1
            changed[name] = changed[name].replace(form.format(current), form.format(version), many)
    return changed


def read_named(root: Path) -> dict[str, str]:
    """Read the files that name the version."""
    return {name: (root / name).read_text(encoding="utf-8") for name in NAMED}


def write(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def run(*command: str | Path, cwd: Path) -> None:
    print("$", *command, flush=True)
    subprocess.run(list(map(str, command)), cwd=cwd, check=True)


def output(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def unpinned(deploy: Path) -> list[str]:
    """Return the images of others in deploy/ that have no digest."""
    text = "".join((deploy / name).read_text(encoding="utf-8") for name in ("Dockerfile", "compose.yaml"))
    return sorted(set(re.findall(r"^(?:FROM| +image:) ([^\s@$]+)(?: AS \w+)?$", text, re.MULTILINE)))


def provenance(out: Path, version: str, commit: str) -> dict[str, Any]:
    """Return where the files of this version in `out` come from, as a statement in the form of SLSA."""

    def digest(file: Path) -> dict[str, str]:
        return {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}

    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": file.name, "digest": digest(file)} for file in sorted(out.glob(f"*-{version}[-.]*"))],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "make release",
                "externalParameters": {"version": version},
                "internalParameters": {
                    "python": platform.python_version(),
                    "platform": platform.platform(),
                    "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", ""),
                },
                "resolvedDependencies": [
                    {"uri": "git+.", "digest": {"gitCommit": commit}},
                    *({"uri": lock.name, "digest": digest(lock)} for lock in sorted(ROOT.glob("requirements*.lock"))),
                ],
            },
            "runDetails": {"builder": {"id": platform.node()}},
        },
    }


def build(source: Path, out: Path, tools: Path) -> Path:
    """Build the source archive and the wheel with locked tools, check them, and return the wheel."""
    run(sys.executable, "-m", "venv", tools, cwd=source)
    python = tools / "bin" / "python"
    locked: list[str | Path] = ["--require-hashes", "--no-deps", "-r", source / "requirements-release.lock"]
    run(python, "-m", "pip", "install", "-q", *locked, cwd=source)
    # The files in the archives are as old as the commit: whoever builds it again gets the same wheel.
    os.environ["SOURCE_DATE_EPOCH"] = output("git", "log", "-1", "--format=%ct", cwd=source)
    run(python, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=source)
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
        changed = {"CHANGELOG.md": changelog, **raised(read_named(ROOT), options.version)}
    except ValueError as error:
        sys.exit(f"Error: {error}")
    loose = unpinned(ROOT / "deploy")
    if loose and not options.dry_run:
        sys.exit(f"Error: {', '.join(loose)} in deploy/ have no digest. Next: make pin, read the difference, commit it")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = home / "source"
        # What is committed, and nothing else, is released.
        run("git", "clone", "-q", ROOT, source, cwd=ROOT)
        write(source, changed)
        run("git", "--no-pager", "diff", "--stat", cwd=source)
        wheel = build(source, home / "dist", home / "tools")
        try_out(wheel, options.version, home)
        if options.dry_run:
            for image in loose:
                print(f"{image} in deploy/ has no digest. Before the release: make pin")
            print(f"ok: {options.version} could be released; nothing was changed.")
            return
        (ROOT / "dist").mkdir(exist_ok=True)
        for file in (home / "dist").iterdir():
            (ROOT / "dist" / file.name).write_bytes(file.read_bytes())
    write(ROOT, changed)
    # A prepared release changes nothing; the commit is that of the tag all the same.
    run("git", "commit", "-q", "--allow-empty", "-m", f"Release {options.version}", *changed, cwd=ROOT)
    statement = provenance(ROOT / "dist", options.version, output("git", "rev-parse", "HEAD", cwd=ROOT))
    name = f"intake_orders-{options.version}.provenance.json"
    (ROOT / "dist" / name).write_text(json.dumps(statement, indent=2), encoding="utf-8")
    run("git", "tag", "-a", f"v{options.version}", "-m", f"Intake {options.version}", cwd=ROOT)
    print(f"Next: git push --follow-tags, then: twine upload dist/intake_orders-{options.version}[-.]*{{whl,gz}}")
    print(f"Sign dist/{name} with the key of your project, and publish it beside them.")


if __name__ == "__main__":
    main()
