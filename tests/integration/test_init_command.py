"""`intake init` writes a valid and documented file for every kind."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.command_line import intake
from worker.settings.load import load
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds

if TYPE_CHECKING:
    from worker.settings.load import Settings


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTAKE_CONFIG", raising=False)
    return tmp_path


def load_written(text: str) -> Settings:
    """Return the settings of the file, with all its variables set."""
    names = re.findall(r'"env:([A-Z0-9_]+)"', text)
    path = Path("written.toml")
    path.write_text(text)
    values = {name: "https://shop.example" if name.endswith("URL") else "x" * 24 for name in names}
    return load(path, values, provider_kinds(), target_kinds(), webhook_kinds())


KINDS = [("--provider", kind) for kind in provider_kinds()] + [("--target", kind) for kind in target_kinds()]


@pytest.mark.parametrize(("option", "kind"), KINDS)
def test_init_writes_a_valid_file_with_correct_defaults_for_every_kind(option: str, kind: str) -> None:
    other = ("--target", "dropday:there") if option == "--provider" else ("--provider", "dropstream:here")
    assert intake("init", option, f"{kind}:mine", *other, "--yes").exit_code == 0
    text = Path("intake.toml").read_text()
    plain = load_written(text)
    assert "mine" in {**plain.providers, **plain.targets}
    # A line that begins with "# key = " shows the default: removing the # changes nothing.
    uncommented = re.sub(r"(?m)^# (\[redis\]|(?!env_file)\w+ = (?!.*…).*)$", r"\1", text)
    uncommented = uncommented.replace("[redis]\nurl", "[redis]\n# url").replace("only = ", "# only = ")
    with_defaults = load_written(uncommented)
    own = {"file", "text", "fingerprint"}
    assert with_defaults.model_dump(exclude=own) == plain.model_dump(exclude=own)


@pytest.mark.parametrize(("option", "kind"), KINDS)
@pytest.mark.parametrize("url", ["http://127.0.0.1:9900/mine", "env:MY_URL"])
def test_init_writes_the_address_that_is_named_for_every_kind(option: str, kind: str, url: str) -> None:
    other = ("--target", "dropday:there") if option == "--provider" else ("--provider", "dropstream:here")
    result = intake("init", option, f"{kind}:mine", *other, "--url", f"mine={url}", "--yes")
    plain = load_written(Path("intake.toml").read_text())
    written = "https://shop.example" if url.startswith("env:") else url
    assert {**plain.providers, **plain.targets}["mine"].url == written
    assert ("export MY_URL=" in result.output) == url.startswith("env:")


def test_init_writes_every_option_of_a_kind() -> None:
    for section, kinds in (("--provider", provider_kinds()), ("--target", target_kinds())):
        for kind, adapter in kinds.items():
            other = ("--target", "dropday:there") if section == "--provider" else ("--provider", "dropstream:here")
            text = intake("init", section, kind, *other, "--yes", "--dry-run").output
            for key in adapter.Options.model_fields:
                assert re.search(rf"(?m)^(# )?{key} = |\.{key}\]$", text), (kind, key)


def test_init_writes_distinct_references_for_two_providers() -> None:
    text = intake(
        "init",
        *("--provider", "dropday:a"),
        *("--provider", "dropday:b"),
        "--target",
        "retailcrm",
        "--yes",
        "--dry-run",
    ).output
    assert {route.reference for route in load_written(text).routes} == {"{provider}:{external_id}"}


def test_init_overwrites_an_existing_file_only_with_force() -> None:
    Path("intake.toml").write_text("mine")
    words = ("init", "--provider", "dropday", "--target", "retailcrm", "--yes")
    result = intake(*words)
    assert (result.exit_code, Path("intake.toml").read_text()) == (1, "mine")
    assert "--force" in result.output
    assert intake(*words, "--dry-run").exit_code == 0
    assert Path("intake.toml").read_text() == "mine"
    assert intake(*words, "--force").exit_code == 0
    assert "[[routes]]" in Path("intake.toml").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--provider", "magento", "--target", "dropday"], "magento is not a kind of provider. Choose from:"),
        (["--provider", "dropday"], "name both"),
        (["--provider", "dropday:A B", "--target", "dropday"], "is not a name"),
        (["--provider", "dropday:a", "--target", "dropday:b", "--url", "a=http://shop.example"], "is http"),
        ([], "this is not a terminal"),
    ],
)
def test_init_explains_what_to_write_for_an_unknown_option(words: list[str], message: str) -> None:
    result = intake("init", *words, "--yes")
    assert result.exit_code == 2
    assert message in result.output
    assert not Path("intake.toml").exists()


def test_init_names_every_variable_to_set_next() -> None:
    output = intake("init", "--provider", "retailcrm:shop-nl", "--target", "dropday", "--yes").output
    for part in (
        "export SHOP_NL_URL=…",
        "export SHOP_NL_API_KEY=…",
        "export DROPDAY_ACCOUNT_ID=…",
        "intake check",
        "intake up",
    ):
        assert part in output


def test_init_asks_its_questions_one_by_one_at_a_terminal() -> None:
    answers = [
        ("Kind of provider", "retailcrm"),
        ("Its name here", "shop-nl"),
        ("shop-nl: url", "https://shop-nl.retailcrm.example"),
        ("holds its api_key", "aSecretThatWasPasted"),
        ("never write the secret itself here", "SHOP_KEY"),
        ("Another provider?", ""),
        ("Kind of target", "dropday"),
        ("Its name here", ""),
        ("holds its api_key", ""),
        ("holds its account_id", ""),
        ("Another target?", "y"),
        ("Kind of target", "retailcrm"),
        ("Its name here", "crm"),
        ("crm: url", "https://crm.retailcrm.example"),
        ("holds its api_key", ""),
        ("Another target?", "n"),
        ("Orders of shop-nl go to", "dropday,crm"),
    ]
    leader, follower = pty.openpty()
    command = [str(Path(sys.executable).with_name("intake")), "init"]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, close_fds=True)
    os.close(follower)
    try:
        for question, answer in answers:
            assert question in _until(leader, question), question
            os.write(leader, f"{answer}\n".encode())
        output = _until(leader, "intake up")
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert "export SHOP_KEY=…" in output
    written = Path("intake.toml").read_text()
    assert "aSecretThatWasPasted" not in written
    assert tomllib.loads(written)["routes"][0]["to"] == ["dropday", "crm"]
    assert set(load_written(written).targets) == {"dropday", "crm"}


def _until(leader: int, words: str, seconds: float = 60.0) -> str:
    """Return the output of the terminal up to these words, or until the timeout."""
    seen, until = "", time.monotonic() + seconds
    while words not in seen and time.monotonic() < until:
        if select.select([leader], [], [], 0.2)[0]:
            try:
                seen += os.read(leader, 4096).decode("utf-8", "replace")
            except OSError:  # the process has ended
                break
    return seen


def test_init_names_a_file_for_the_variables_and_writes_it_for_its_owner() -> None:
    words = ("init", "--provider", "retailcrm:shop", "--target", "dropday", "--env-file", ".env", "--yes")
    Path(".env").write_text("SHOP_API_KEY=s3cret")
    result = intake(*words)
    assert "fill in .env: SHOP_URL, SHOP_API_KEY, DROPDAY_API_KEY, DROPDAY_ACCOUNT_ID" in result.output
    assert "export" not in result.output
    lines = ["SHOP_API_KEY=s3cret", "SHOP_URL=", "DROPDAY_API_KEY=", "DROPDAY_ACCOUNT_ID="]
    assert Path(".env").read_text().splitlines() == lines
    assert tomllib.loads(Path("intake.toml").read_text())["secrets"] == {"env_file": ".env"}
    Path(".env").unlink()
    assert intake(*words, "--force").exit_code == 0
    assert Path(".env").stat().st_mode & 0o777 == 0o600
