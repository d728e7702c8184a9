"""Settings that are accepted, and files that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.settings_files import ENV, GOOD, CrmOptions, read
from worker.errors import ConfigError
from worker.settings.load import load
from worker.store.limits.limit import Limit
from worker.systems.providers import provider_kinds
from worker.systems.targets import target_kinds
from worker.systems.webhooks import webhook_kinds


def test_a_small_file_is_enough_and_the_kind_has_the_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    provider, target = settings.providers["shop-nl"], settings.targets["store"]
    assert provider.url == "https://shop-nl.crm.example"
    assert provider.limits == (Limit(8, 1.0),)
    assert provider.limit_scope == "crm@address"
    assert (provider.poll_every, provider.start) == (60.0, datetime(2020, 1, 1, tzinfo=UTC))
    assert isinstance(provider.options, CrmOptions)
    assert provider.options.api_key.get_secret_value() == "k-123456"
    assert (target.url, target.limit_scope) == ("https://api.shop.example", "shop:store")
    assert (target.concurrency, target.max_tries) == (64, 12)
    assert settings.redis_url is None
    assert settings.data_dir == tmp_path / ".intake"
    assert settings.routes[0].reference == "{external_id}"


def test_every_setting_is_read(tmp_path: Path) -> None:
    text = GOOD.replace(
        'api_key = "env:KEY"\n\n[targets',
        'api_key = "env:KEY"\nlimit = ["50000/d", "300/m"]\nlimit_scope = "nl"\npoll_every = "1m30s"\n'
        "max_bytes = 100000\nsites = ['a']\n\n[targets",
    )
    settings = read(
        tmp_path,
        '[redis]\nurl = "env:REDIS"\ndata_dir = "/var/lib/intake"\n[clocks]\nsweep = "500ms"\n[log]\nlevel = "debug"\n'
        "format = 'json'\n" + text,
        ENV | {"REDIS": "rediss://:pw@redis.example:6380/1"},
    )
    provider = settings.providers["shop-nl"]
    assert provider.limits == (Limit(300, 60.0), Limit(50000, 86400.0))
    assert (provider.limit_scope, provider.poll_every, provider.max_bytes) == ("nl", 90.0, 100000)
    assert settings.redis_url == "rediss://:pw@redis.example:6380/1"
    assert settings.data_dir == Path("/var/lib/intake")
    assert settings.clocks.sweep == 0.5
    assert (settings.log.level, settings.log.format) == ("debug", "json")


def test_a_process_with_its_own_address_has_its_own_limits_per_address(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD, ENV | {"INTAKE_ADDRESS": "nat-a"})
    assert settings.providers["shop-nl"].limit_scope == "crm@nat-a"
    assert settings.targets["store"].limit_scope == "shop:store"
    named = GOOD.replace('"crm"', '"crm"\nlimit_scope = "nl"')
    assert read(tmp_path, named, ENV | {"INTAKE_ADDRESS": "nat-a"}).providers["shop-nl"].limit_scope == "nl"
    with pytest.raises(ConfigError, match="INTAKE_ADDRESS is not a name"):
        read(tmp_path, GOOD, ENV | {"INTAKE_ADDRESS": "nat a"})


def test_the_broker_can_be_configured_and_defaults_to_the_redis_of_the_ledger(tmp_path: Path) -> None:
    broker = '[celery]\nbroker = "env:BROKER"\n'
    settings = read(tmp_path, broker + GOOD, ENV | {"BROKER": "amqps://me:hush@rabbit.example/intake"})
    assert settings.broker_url == "amqps://me:hush@rabbit.example/intake"
    assert "hush" not in repr(settings)
    assert read(tmp_path, GOOD).broker_url is None


def test_no_secret_is_in_the_text_of_the_settings(tmp_path: Path) -> None:
    settings = read(tmp_path, '[redis]\nurl = "env:REDIS"\n' + GOOD, ENV | {"REDIS": "redis://:hush@localhost/0"})
    assert "hush" not in repr(settings)
    assert "k-123456" not in repr(settings)


def test_a_provider_and_a_target_may_share_a_name(tmp_path: Path) -> None:
    assert set(read(tmp_path, GOOD.replace("store", "shop-nl")).targets) == {"shop-nl"}


def test_http_to_loopback_is_accepted(tmp_path: Path) -> None:
    for address in ("http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:8000/api"):
        settings = read(tmp_path, GOOD.replace("https://shop-nl.crm.example/", address))
        assert settings.providers["shop-nl"].url == address


def test_a_limit_may_be_lowered_or_stated_over_a_longer_window(tmp_path: Path) -> None:
    for limit in ("1/s", "10/s", "600/m", "100/10s"):
        assert read(tmp_path, GOOD.replace('"crm"', f'"crm"\nlimit = "{limit}"')).providers


def test_a_number_may_come_from_the_environment(tmp_path: Path) -> None:
    text = GOOD.replace('"shop"', '"shop"\nconcurrency = "env:MANY"')
    assert read(tmp_path, text, ENV | {"MANY": "7"}).targets["store"].concurrency == 7


def test_the_file_in_the_readme_is_accepted_by_the_real_kinds(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    file = tmp_path / "intake.toml"
    file.write_text(readme.partition("```toml\n")[2].partition("```")[0])
    environ = {"SHOP_NL_KEY": "a", "DROPDAY_KEY": "b", "DROPDAY_ACCOUNT": "c"}
    assert load(file, environ, provider_kinds(), target_kinds(), webhook_kinds()).routes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = = 2\n", "is not TOML: Invalid value (at line 2, column 5). Correct that line."),
        (b"a = 1\nb = ", "is not TOML: Invalid value (at line 2, column 5). Correct that line."),
        (b"a = '\xff'", "is not UTF-8 text. Save it as UTF-8."),
        (
            None,
            (
                "does not exist. Write it (intake init asks for what it needs),"
                " or name another one with --config or $INTAKE_CONFIG."
            ),
        ),
    ],
)
def test_an_unreadable_file_is_refused_with_place_and_reason(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "other.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load(None, {"INTAKE_CONFIG": str(file)}, {}, {}, {})
    assert str(refused.value) == f"{file}: (the file): {message}"


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load(tmp_path, {}, {}, {}, {})


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "\ufeff" + GOOD).providers


def test_an_account_may_have_maintenance_windows_in_its_own_zone(tmp_path: Path) -> None:
    text = GOOD.replace('"crm"', '"crm"\nmaintenance = "Sun 02:00-04:00"\nmaintenance_zone = "Europe/Amsterdam"')
    maintenance = read(tmp_path, text).providers["shop-nl"].maintenance
    assert (len(maintenance.windows), maintenance.zone) == (1, "Europe/Amsterdam")
    assert read(tmp_path, GOOD).targets["store"].maintenance.windows == ()


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('"2026-12-01"', datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ('"2026-12-01T08:00:00+01:00"', datetime(2026, 12, 1, 7, tzinfo=UTC)),
        ('"2026-12-01 08:00Z"', datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T08:00:00-05:00", datetime(2026, 12, 1, 13, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_date_in_utc_or_a_time_with_its_zone(tmp_path: Path, text: str, start: datetime) -> None:
    settings = read(tmp_path, GOOD.replace('"2020-01-01"', text))
    assert settings.providers["shop-nl"].start == start
    assert settings.providers["shop-nl"].start.tzinfo is UTC
