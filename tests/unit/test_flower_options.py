"""Options of Flower: each has the effect that Flower documents, or is refused in words that show no secret."""

from __future__ import annotations

import socket
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from worker.errors import ConfigError
from worker.settings import flower as module
from worker.settings.flower import check_address, flower_options

if TYPE_CHECKING:
    from pathlib import Path

AUTH = {"FLOWER_BASIC_AUTH": "me:pw"}
OAUTH = {
    "FLOWER_AUTH": "me@example.com",
    "FLOWER_AUTH_PROVIDER": "flower.views.auth.GithubLoginHandler",
    "FLOWER_OAUTH2_KEY": "a-key",
    "FLOWER_OAUTH2_SECRET": "hush-hush",
    "FLOWER_OAUTH2_REDIRECT_URI": "https://flower.example.com/login",
}
SECRETS = ("pa,ss", "hush")


def refused(environ: dict[str, str]) -> str:
    """Return the words with which the options are refused."""
    with pytest.raises(ConfigError) as error:
        flower_options(environ)
    assert not [secret for secret in SECRETS if secret in str(error.value)]
    return str(error.value)


def test_every_option_of_flower_is_read_refused_or_known_to_have_no_effect() -> None:
    ours = import_module("flower.options")
    defined = {option.name.replace("-", "_") for option in ours.options._options.values()}
    of_tornado = {name for name in defined if name.startswith("log") or name == "help"}
    known = module._NUMBERS | module._FLAGS | module._TEXTS | module._SECRETS | module._OWN
    assert known | module._REFUSED.keys() | {"conf"} == defined - of_tornado
    assert not known & module._REFUSED.keys()


def test_flower_listens_to_this_machine_only_and_keeps_what_its_memory_allows() -> None:
    options = flower_options(AUTH)
    assert (options["address"], options["port"], options["max_tasks"]) == ("127.0.0.1", 5555, 20_000)
    assert options["read_only"] is True
    assert flower_options({**AUTH, "FLOWER_ADDRESS": "0.0.0.0"})["address"] == "0.0.0.0"
    assert flower_options({**AUTH, "FLOWER_MAX_TASKS": "7"})["max_tasks"] == 7


def test_a_service_link_and_what_opens_flower_have_no_effect() -> None:
    hostile = {"FLOWER_PORT": "tcp://10.0.0.7:5555", "FLOWER_CONF": "other.py", "FLOWER_UNAUTHENTICATED_API": "true"}
    assert flower_options(AUTH | hostile) == flower_options(AUTH)
    assert flower_options({**AUTH, "FLOWER_PORT": "80"})["port"] == 80


@pytest.mark.parametrize("port", ["web", "-1", "0", "70000", "1.5", "", "²"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert "FLOWER_PORT" in refused({**AUTH, "FLOWER_PORT": port})


def test_a_port_in_use_and_an_address_of_another_machine_are_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options: dict[str, Any] = {"address": "127.0.0.1", "port": taken.getsockname()[1]}
        with pytest.raises(ConfigError, match=r"cannot be used at 127\.0\.0\.1 \(\d+\): address already in use"):
            check_address(options)
        for address in ("192.0.2.7", "flower.invalid"):
            with pytest.raises(ConfigError, match=f"cannot be used at {address}"):
                check_address({**options, "address": address})
    with pytest.raises(ConfigError, match="FLOWER_UNIX_SOCKET: is in a folder that does not exist"):
        check_address({"unix_socket": str(tmp_path / "run" / "flower.sock")})


@pytest.mark.parametrize(
    "auth", ["", "admin:pa,ss", "admin", ":pw", "admin:", "a:b,", "a:b, c:d", "a:pä", "a:b\n", ","]
)
def test_a_password_of_which_flower_would_make_another_is_refused(auth: str) -> None:
    assert "FLOWER_BASIC_AUTH=user:password" in refused({"FLOWER_BASIC_AUTH": auth})
    assert "FLOWER_BASIC_AUTH=user:password" in refused({})


@pytest.mark.parametrize("auth", ["admin:pa ss", "a:b,c:d", "a:b:c", "a:#$%&@/"])
def test_a_password_that_flower_takes_as_it_is_passes(auth: str) -> None:
    assert flower_options({"FLOWER_BASIC_AUTH": auth})["basic_auth"] == auth.split(",")


def test_secrets_stand_in_files_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("me:pa,ss\nyou:word\n")
    (tmp_path / "secret").write_text(" hush-hush\n")
    environ = {"INTAKE_CONFIG": str(tmp_path / "intake.toml"), "FLOWER_BASIC_AUTH": "file:users"}
    options = flower_options({**environ, **OAUTH, "FLOWER_OAUTH2_SECRET": f"file:{tmp_path / 'secret'}"})
    assert options["basic_auth"] == ["me:pa,ss", "you:word"]
    assert options["oauth2_secret"] == "hush-hush"
    for content, reason in (
        (b" \n", "is empty"),
        (b"me\n", "in part 1"),
        (b"a:b\n\nc:d", "in part 2"),
        (b"\xff", "read"),
    ):
        (tmp_path / "users").write_bytes(content)
        assert reason in refused(environ)
    assert "cannot be read: no such file" in refused({**environ, "FLOWER_BASIC_AUTH": "file:missing"})


def test_a_login_by_oauth_needs_all_of_its_options() -> None:
    assert "basic_auth" not in flower_options(OAUTH)
    assert "basic_auth" not in flower_options({**OAUTH, "FLOWER_BASIC_AUTH": ""})
    assert flower_options(OAUTH | AUTH)["basic_auth"] == ["me:pw"]
    for name in OAUTH:
        for environ in (AUTH | OAUTH, OAUTH):
            incomplete = {key: value for key, value in environ.items() if key != name}
            assert f"{name}: is missing, and FLOWER_" in refused(incomplete)
            assert f"{name}: is " in refused({**environ, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("AUTH", who) for who in ("*", "*@example.com", ".*@*", ".*", "me", "me@a.com|.*@b.com", "a@b.com, c@d.com")),
        *(("AUTH_PROVIDER", path) for path in ("GithubLoginHandler", "os.system", "flower.views.auth.LoginHandler")),
        *(("OAUTH2_REDIRECT_URI", url) for url in ("/login", "http://flower.example.com/login", "https://a.example/")),
        ("URL_PREFIX", "https://flower.example.com"),
        ("URL_PREFIX", "a//b"),
        ("URL_PREFIX", "flower"),  # the redirect does not name it
        ("COOKIE_SECRET", "hush"),
    ],
)
def test_an_option_of_oauth_that_lets_nobody_or_everybody_in_is_refused(name: str, value: str) -> None:
    assert "the environment: FLOWER_" in refused({**OAUTH, f"FLOWER_{name}": value})


def test_okta_is_asked_at_an_address_of_its_own() -> None:
    okta = {**OAUTH, "FLOWER_AUTH_PROVIDER": "flower.views.auth.OktaLoginHandler", "FLOWER_AUTH": ".*@example.com"}
    assert "FLOWER_OAUTH2_OKTA_BASE_URL: is not the address" in refused(okta)
    assert (
        flower_options({**okta, "FLOWER_OAUTH2_OKTA_BASE_URL": "https://x.okta.com/oauth2"})["auth"]
        == okta["FLOWER_AUTH"]
    )


@pytest.mark.parametrize("prefix", ["flower", "/flower", "/ops/flower/"])
def test_a_prefix_is_the_beginning_of_a_path(prefix: str) -> None:
    redirect = f"https://flower.example.com/{prefix.strip('/')}/login"
    options = flower_options({**OAUTH, "FLOWER_URL_PREFIX": prefix, "FLOWER_OAUTH2_REDIRECT_URI": redirect})
    assert options["url_prefix"] == prefix.strip("/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("MAX_TASKS", value) for value in ("many", "0", "-1", "1e5", "")),
        ("INSPECT_TIMEOUT", "soon"),
        ("XHEADERS", "perhaps"),
        *((name, "true") for name in ("PERSISTENT", "READ_ONLY", "DEBUG", "FORMAT_TASK")),
        ("READ_ONLY", "false"),
        ("DB", "flower.db"),
        ("CERTFILE", "/dev/null"),
        ("KEYFILE", "/dev/null"),
        ("CA_CERTS", "/missing/ca.pem"),
    ],
)
def test_an_option_with_which_flower_would_fail_or_do_harm_is_refused(name: str, value: str) -> None:
    assert "the environment: FLOWER_" in refused({**AUTH, f"FLOWER_{name}": value})


def test_a_flag_is_true_or_false() -> None:
    for value, flag in (("true", True), ("Yes", True), ("1", True), ("OFF", False), ("no", False)):
        assert flower_options({**AUTH, "FLOWER_XHEADERS": value})["xheaders"] is flag
