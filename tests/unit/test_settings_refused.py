"""The exact messages with which wrong settings are refused."""
# ruff: noqa: E501  # each message is on one line, as it is printed

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.settings_files import GOOD, problems, read

if TYPE_CHECKING:
    from pathlib import Path

NO_START = 'is neither a date nor a time. Write "2026-12-01", which is midnight UTC, or a time with its zone: "2026-12-01T08:00:00+01:00".'
FAR_START = 'is out of range. Write a time from "1970-01-01" to "9000-01-01".'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'kind = "shop"',
            'kind = "crm"\nurl = "https://x.example"',
            "targets.store.kind: crm cannot be a target: its API cannot write orders. It can be a provider only; targets are: shop.",
        ),
        (
            "[providers.shop-nl]",
            "[provider.x]\n[providers.shop-nl]",
            "provider: is not a setting. Did you mean providers?",
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\nlaese = '9s'\n[providers.shop-nl]",
            "clocks.laese: is not a setting. Did you mean lease?",
        ),
        (
            'kind = "crm"',
            'kind = "crm"\npol_every = "1m"',
            "providers.shop-nl.pol_every: is not a setting. Did you mean poll_every?",
        ),
        (
            'kind = "crm"',
            'kind = "crm"\napi_kye = "x"',
            "providers.shop-nl.api_kye: is not a setting. Did you mean api_key?",
        ),
        (
            'kind = "shop"',
            'kind = "shop"\nzzz = 1',
            "targets.store.zzz: is not a setting. Choose from: api_key, concurrency, formerly, kind, limit, limit_scope, maintenance, maintenance_zone, max_bytes, max_tries, page_size, sites, url.",
        ),
        ('kind = "crm"', 'kind = "crn"', "providers.shop-nl.kind: is not known. Choose from: crm, shop."),
        ('kind = "crm"\n', "", "providers.shop-nl.kind: is missing. Choose from: crm, shop."),
        (
            'api_key = "env:KEY"\n\n[targets',
            "[targets",
            (
                "providers.shop-nl.api_key: is missing."
                ' Add api_key = "env:SHOP_NL_API_KEY" and put the secret into the environment.'
            ),
        ),
        (
            'api_key = "env:KEY"\n\n[targets',
            'api_key = "s3cret"\n[targets',
            (
                "providers.shop-nl.api_key: is a secret, and is written in the file itself."
                ' Put it into the environment and write api_key = "env:SHOP_NL_API_KEY".'
            ),
        ),
        (
            'api_key = "env:KEY"\n\n[targets',
            'api_key = "env:NOPE"\n[targets',
            "providers.shop-nl.api_key: the environment variable NOPE is not set. Set it before the start: export NOPE=…",
        ),
        (
            'api_key = "env:KEY"\n\n[targets',
            'api_key = "env:EMPTY"\n[targets',
            (
                "providers.shop-nl.api_key: the environment variable EMPTY is empty."
                " Set it before the start: export EMPTY=…"
            ),
        ),
        (
            'api_key = "env:KEY"\n\n[targets',
            'api_key = "env:MY KEY"\n[targets',
            "providers.shop-nl.api_key: names no environment variable. Write env:NAME, with letters, digits and _ only.",
        ),
        (
            'url = "https://shop-nl.crm.example/"\n',
            "",
            'providers.shop-nl.url: is missing. Add url = "https://…", the address of this account.',
        ),
        (
            "https://shop-nl.crm.example/",
            "http://shop-nl.crm.example/",
            "providers.shop-nl.url: is http, and credentials and orders would travel unencrypted. Write https://.",
        ),
        (
            "https://shop-nl.crm.example/",
            "http://127.0.0.1.crm.example/",
            "providers.shop-nl.url: is http, and credentials and orders would travel unencrypted. Write https://.",
        ),
        (
            "https://shop-nl.crm.example/",
            "shop-nl.crm.example",
            "providers.shop-nl.url: is not a web address. Write it in full: https://shop.example.",
        ),
        (
            "https://shop-nl.crm.example/",
            "https://me:pw@shop-nl.crm.example/",
            (
                "providers.shop-nl.url: has more than an address in it."
                " Leave out user, password, ? and #; credentials have their own keys."
            ),
        ),
        (
            'kind = "crm"',
            'kind = "crm"\nlimit = "11/s"',
            'providers.shop-nl.limit: 11/s is more than crm allows, which is 10/s. Write limit = "10/s" or less.',
        ),
        (
            'kind = "crm"',
            'kind = "crm"\nlimit = ["20/s", "600/m"]',
            'providers.shop-nl.limit: 20/s is more than crm allows, which is 10/s. Write limit = "10/s" or less.',
        ),
        (
            'kind = "crm"',
            'kind = "crm"\nlimit = "ten"',
            'providers.shop-nl.limit: is not a limit. Write "10/s", "600/m", or several windows: ["10/s", "50000/d"].',
        ),
        (
            'kind = "crm"',
            'kind = "crm"\nlimit = ["5/s", "6/s"]',
            'providers.shop-nl.limit: needs one limit for each window. Write each window once: ["10/s", "50000/d"].',
        ),
        (
            'kind = "crm"',
            'kind = "crm"\npoll_every = 60',
            (
                "providers.shop-nl.poll_every: is not a duration."
                ' Write a number with a unit: "500ms", "10s", "5m", "2h", "30d".'
            ),
        ),
        (
            'kind = "shop"',
            'kind = "shop"\nconcurrency = 0',
            "targets.store.concurrency: is too small. Write 1 or more.",
        ),
        (
            'kind = "shop"',
            'kind = "shop"\nmax_tries = "many"',
            "targets.store.max_tries: must be a whole number. Write it without quotes and without a dot.",
        ),
        (
            'kind = "crm"',
            'kind = "crm"\npage_size = 500',
            "providers.shop-nl.page_size: is too large. Write 100 or less.",
        ),
        (
            "[providers.shop-nl]",
            "[log]\nlevel = 'loud'\n[providers.shop-nl]",
            "log.level: is not one of the choices. Write 'debug', 'info', 'warning' or 'error'.",
        ),
        (
            "[providers.shop-nl]",
            "log = 'json'\n[providers.shop-nl]",
            "log: must be a table. Write its keys under a heading of their own, in brackets.",
        ),
        (
            "[providers.shop-nl]",
            "[redis]\nurl = 'localhost:6379'\n[providers.shop-nl]",
            (
                "redis.url: is not an address that Intake can use. Write redis://localhost:6379/0, rediss:// for TLS,"
                " unix:///run/redis.sock?db=0, or sentinel://host:26379,host2:26379/service?db=0 (sentinels:// for TLS)."
            ),
        ),
        (
            "[providers.shop-nl]",
            "[redis]\nurl = 'redis://:hush@redis.example/0'\n[providers.shop-nl]",
            (
                "redis.url: is a secret, and is written in the file itself."
                ' Put it into the environment and write url = "env:REDIS_URL".'
            ),
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\nheartbeat = '4s'\n[providers.shop-nl]",
            (
                "clocks.heartbeat: three heartbeats of 4s do not fit into a lease of 10s: one late heartbeat would take the"
                " orders from a worker that is alive. Make heartbeat at most a third of lease."
            ),
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\nlease = '13s'\n[providers.shop-nl]",
            (
                "clocks.lease: a lease of 13s and two sweeps of 1s are not under 15s: the work of a killed worker would be"
                " taken over too late. Keep lease + 2 * sweep under 15s."
            ),
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\ndrain = '1s'\n[providers.shop-nl]",
            (
                "clocks.drain: a drain of 1s ends before the next sweep, which comes every 1s: a full lane would stop in"
                " between. Make drain longer than sweep."
            ),
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\nhint = '500ms'\n[providers.shop-nl]",
            "clocks.hint: a hint of 500ms ends before the next sweep, which comes every 1s: each sweep would send busy workers an extra message. Make hint longer than sweep.",
        ),
        (
            "[providers.shop-nl]",
            "[clocks]\nhint = '13s'\n[providers.shop-nl]",
            "clocks.hint: a hint of 13s and two sweeps of 1s are not under 15s: a message that was lost with a killed worker would be sent again too late. Keep hint + 2 * sweep under 15s.",
        ),
        ('to = ["store"]', "to = []", "routes[0].to: is empty. Name at least one."),
        (
            'to = ["store"]',
            'to = ["store", "stroe"]',
            "routes[0].to: stroe is not one of the targets. Choose from: store.",
        ),
        (
            'from = "shop-nl"',
            'from = "shop-nl"\nreference = "{external_id} {"',
            (
                "routes[0].reference: has a brace that is not part of a field."
                " Use text and {provider}, {external_id}, {display_id}, {source_id}, {store}."
            ),
        ),
        (
            'from = "shop-nl"',
            'from = "shop-nl"\nreference = "{external_id} {email}"',
            (
                "routes[0].reference: has a field that a reference cannot use."
                " Use text and {provider}, {external_id}, {display_id}, {source_id}, {store}."
            ),
        ),
        (
            'from = "shop-nl"',
            'from = "shop-nl"\nreference = "{external_id.__class__}"',
            (
                "routes[0].reference: has a field that a reference cannot use."
                " Use text and {provider}, {external_id}, {display_id}, {source_id}, {store}."
            ),
        ),
        (
            'from = "shop-nl"',
            'from = "shop-nl"\nreference = "{provider}-{display_id}"',
            "routes[0].reference: does not distinguish one order from another. Use {external_id} or {source_id} in it.",
        ),
        (
            'from = "shop-nl"',
            'from = "shop-nl"\nreference = "{external_id} "',
            "routes[0].reference: begins or ends with a blank. Remove the blank.",
        ),
        (
            'to = ["store"]',
            'to = ["store"]\nonly = { state = ["new"] }',
            "routes[0].only.state: is not a setting. Did you mean status?",
        ),
        (
            'to = ["store"]',
            'to = ["store"]\nonly = { status = ["fresh"] }',
            (
                "routes[0].only.status[0]: is not one of the choices. Write 'new', 'paid', 'processing', 'shipped',"
                " 'delivered', 'cancelled', 'returned', "
                "'on_hold', 'excluded' or 'unknown'."
            ),
        ),
        (
            "[targets.store]",
            '[targets.spare]\nkind = "shop"\napi_key = "env:KEY"\n[targets.store]',
            "targets.spare: is in no route. Add a [[routes]] table for it, or remove it.",
        ),
        (
            "[targets.store]",
            '[providers.b]\nstart = "2020-01-01"\nkind = "shop"\napi_key = "env:KEY"\n[targets.store]',
            "providers.b: is in no route: its orders would go nowhere. Add a [[routes]] table for it, or remove it.",
        ),
        *(
            ('"2020-01-01"', text, f"providers.shop-nl.start: {NO_START}")
            for text in ('"soon"', '"2026"', "true", "1764547200")
        ),
        (
            '"2020-01-01"',
            "2026-12-01T08:00:00",
            'providers.shop-nl.start: is a time without its zone. Write "2026-12-01T08:00:00+01:00", or "2026-12-01T08:00:00Z" for UTC.',
        ),
        *(
            ('"2020-01-01"', text, f"providers.shop-nl.start: {FAR_START}")
            for text in ('"1969-12-31"', '"9999-12-31T23:00:00-10:00"', '"0001-01-01T00:00:00+10:00"')
        ),
        (
            "[targets.store]",
            '[targets.Big_Store]\nkind = "shop"\napi_key = "env:KEY"\n[targets.store]',
            "targets.Big_Store: is not a name. Use a-z, 0-9 and -, at most 41, and begin with a letter or a digit.",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key_the_reason_and_the_remedy(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    assert message in problems(tmp_path, GOOD.replace(old, new, 1))


def test_a_provider_without_a_start_is_refused_with_the_line_to_write(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GOOD.replace('start = "2020-01-01"\n', ""))
    where, remedy = "providers.shop-nl.start: is missing. Add below [providers.shop-nl]: ", problem.partition("]: ")[2]
    line = remedy.partition(". ")[0]
    assert problem == f"{where}{line}. Orders placed before that day are not created."
    assert re.fullmatch(r'start = "20\d\d-\d\d-\d\d"', line)
    read(tmp_path, GOOD.replace('start = "2020-01-01"', line))


def test_all_problems_are_reported_together_and_only_once(tmp_path: Path) -> None:
    text = GOOD.replace('"crm"', '"crm"\nlimit = "99/s"\ntypo = 1').replace('from = "shop-nl"', 'from = "shop"')
    assert problems(tmp_path, "[clocks]\nlease = 10\n" + text.replace("env:KEY", "env:NOPE", 1)) == [
        "providers.shop-nl.api_key: the environment variable NOPE is not set. Set it before the start: export NOPE=…",
        'clocks.lease: is not a duration. Write a number with a unit: "500ms", "10s", "5m", "2h", "30d".',
        (
            "providers.shop-nl.typo: is not a setting. Choose from: api_key, formerly, kind, limit, limit_scope,"
            " maintenance, maintenance_zone, max_bytes, page_size, poll_every, sites, start, url."
        ),
        'providers.shop-nl.limit: 99/s is more than crm allows, which is 10/s. Write limit = "10/s" or less.',
        "routes[0].from: shop is not one of the providers. Choose from: shop-nl.",
        "providers.shop-nl: is in no route: its orders would go nowhere. Add a [[routes]] table for it, or remove it.",
    ]


def test_a_file_without_accounts_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == [
        "providers: names no account. Write a table [providers.NAME] with its kind.",
        "targets: names no account. Write a table [targets.NAME] with its kind.",
        "routes: has no route. Write a table [[routes]] with from and to.",
    ]
