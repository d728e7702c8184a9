"""Addresses of Redis and RabbitMQ: each is either the same for every client, or refused with its remedy."""

from __future__ import annotations

import re
import ssl
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import Connection

from support.source_texts import ROOT
from worker.app.broker import redis_broker
from worker.app.flower_broker import queue_client
from worker.app.transport import install
from worker.settings.addresses import broker_url, has_password, redis_url
from worker.settings.amqp import AmqpAddress
from worker.settings.tables import SettingError
from worker.store.redis.address import _PARAMETERS, RedisAddress
from worker.store.redis.connection import connect

TCP = {"host": "redis.example", "port": 6379, "db": 0, "username": None, "password": None, "tls": None}
VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
#: Addresses that work, and what differs from TCP in the arguments of each client.
WORKING: list[tuple[str, dict[str, Any]]] = [
    ("redis://redis.example", {}),
    ("redis://redis.example/", {}),
    ("REDIS://redis.example:6379/0/", {}),
    (" redis://redis.example:6379/0\n", {}),
    ("redis://redis.example?db=3", {"db": 3}),
    ("redis://redis.example:7000/3?db=3", {"port": 7000, "db": 3}),
    ("redis://redis_1.internal/12", {"host": "redis_1.internal", "db": 12}),
    ("redis://[::1]:6380/1", {"host": "::1", "port": 6380, "db": 1}),
    ("redis://[fe80::1%25eth0]/0", {"host": "fe80::1%eth0"}),
    ("redis://:hush@redis.example/0", {"password": "hush"}),
    ("redis://intake@redis.example/0", {"username": "intake"}),
    ("redis://intake:hush@redis.example/0", {"username": "intake", "password": "hush"}),
    ("redis://in%3Atake:h%40s%2Fh%3B%23%25@redis.example/0", {"username": "in:take", "password": "h@s/h;#%"}),
    ("redis://redis.example/0?username=intake&password=hu%26sh", {"username": "intake", "password": "hu&sh"}),
    ("redis://:hush@redis.example/0?password=hush", {"password": "hush"}),
    ("rediss://redis.example:6380/0", {"port": 6380, "tls": VERIFIED}),
    ("rediss://redis.example/0?ssl_ca_certs=/a;b.pem", {"tls": VERIFIED | {"ssl_ca_certs": "/a;b.pem"}}),
    (
        "rediss://redis.example/0?ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
        {"tls": VERIFIED | {"ssl_certfile": "/c.pem", "ssl_keyfile": "/k.pem"}},
    ),
    ("rediss://redis.example/0?ssl_check_hostname=false", {"tls": VERIFIED | {"ssl_check_hostname": False}}),
    (
        "rediss://redis.example/0?ssl_cert_reqs=none",
        {"tls": {"ssl_cert_reqs": "none", "ssl_check_hostname": False}},
    ),
    ("unix:///run/redis.sock", {"host": None, "port": None, "path": "/run/redis.sock"}),
    (
        "unix://intake:h%40sh@/run/my%20redis.sock?db=4",
        {"host": None, "port": None, "path": "/run/my redis.sock", "db": 4, "username": "intake", "password": "h@sh"},
    ),
]
SENTINELS: list[tuple[str, tuple[tuple[str, int], ...], dict[str, Any]]] = [
    ("sentinel://one/intake", (("one", 26379),), {}),
    (
        "sentinel://in%3At:h%40@one:1,[::1]:2,three/intake?db=3&sentinel_username=w&sentinel_password=p%26q",
        (("one", 1), ("::1", 2), ("three", 26379)),
        {"db": 3, "username": "in:t", "password": "h@"},
    ),
    ("sentinels://intake@one/svc", (("one", 26379),), {"username": "intake", "tls": VERIFIED}),
    (
        "sentinels://one/svc?ssl_ca_certs=/ca.pem",
        (("one", 26379),),
        {"tls": VERIFIED | {"ssl_ca_certs": "/ca.pem"}},
    ),
]
#: Addresses that are refused, and a part of the reason and of the remedy.
REFUSED = [
    ("localhost:6379", "not an address that Intake can use", "redis://localhost:6379/0"),
    ("", "not an address", "redis://localhost:6379/0"),
    ("http://redis.example/0", "not an address", "redis://"),
    ("redis+socket:///run/redis.sock", "not an address", "unix:///run/redis.sock?db=0"),
    ("redis:redis.example", "not an address", "redis://"),
    ("redis:///0", "names no host", "Write the host"),
    ("redis://:hush@/0", "names no host", "Write the host"),
    ("redis://redis example/0", "a space or a line break", "redis://"),
    ("redis://redis.\nexample/0", "a space or a line break", "redis://"),
    ("redis://redis;example/0", "names no host", "Write the host"),
    ("redis://redis.example:port/0", "a port that is not a number", "host:6379"),
    ("redis://redis.example:0/0", "names no host", "the port"),
    ("redis://redis.example:65536/0", "a port that is not a number", "host:6379"),
    ("redis://one:6379,two:6379/0", "names several servers", "sentinel://"),
    ("redis://redis.example/zero", "a database that is not a number", "its number"),
    ("redis://redis.example/²", "a database that is not a number", "its number"),
    ("redis://redis.example/-1", "a database that is not a number", "its number"),
    ("redis://redis.example/0/1", "a database that is not a number", "its number"),
    ("redis://redis.example?db=x", "a database that is not a number", "its number"),
    ("redis://redis.example/1?db=2", "one db in the path, and another", "Write it once"),
    ("redis://redis.example?db=2&db=2", "a parameter twice", "each once"),
    ("redis://:one@redis.example?password=two", "one password in front of the host, and another", "Write it once"),
    ("redis://a@redis.example?username=b", "one username in front of the host, and another", "Write it once"),
    ("redis://:hu/sh@redis.example/0", "unencoded special character", "%2F for /"),
    ("redis://:hu?sh@redis.example/0", "unencoded special character", "%3F for ?"),
    ("redis://:hu#sh@redis.example/0", "unencoded special character", "%23 for #"),
    ("redis://:hu[sh@redis.example/0", "its host cannot be read", "%40 for @"),
    ("redis://redis.example/0#1", "unencoded special character", "%23 for #"),
    ("redis://redis.example?db", "not a parameter", "NAME=VALUE"),
    *(
        (f"{scheme}?{name}=5", f"the parameter {name}, which is not one of this address", "Choose from: db, ")
        for name in ("socket_timeout", "protocol", "health_check_interval", "client_name", "max_connections", "dbb")
        for scheme in ("redis://redis.example", "unix:///run/redis.sock", "sentinels://one/svc")
    ),
    (
        "redis://redis.example?ssl_ca_certs=/ca.pem",
        "the parameter ssl_ca_certs",
        "Choose from: db, password, username.",
    ),
    ("rediss://redis.example?ssl_ca_certs=ca.pem", "no absolute path by ssl_ca_certs", "begins with /"),
    ("rediss://redis.example?ssl_cert_reqs=maybe", "an unknown value of ssl_cert_reqs", "required or none"),
    ("rediss://redis.example?ssl_keyfile=/k.pem", "a key without its certificate", "ssl_certfile"),
    ("rediss://redis.example?ssl_password=hush", "the parameter ssl_password", "ssl_certfile"),
    ("unix://run/redis.sock", "no absolute path of a socket", "three slashes"),
    ("unix://", "no absolute path of a socket", "three slashes"),
    ("sentinel://one", "does not name the one service", "/service?db=0"),
    ("sentinel://one/", "does not name the one service", "/service?db=0"),
    ("sentinel://one/service/1", "does not name the one service", "/service?db=0"),
    ("sentinel://one,,two/service", "names no host", "host:26379"),
    ("sentinel://one:x/service", "a port that is not a number", "host:26379"),
    ("sentinel://one/intake?ssl_ca_certs=/etc/ssl/ca.pem", "the parameter ssl_ca_certs", "sentinel_password"),
    ("sentinels://one/intake?ssl_cert_reqs=none", "the parameter ssl_cert_reqs", "ssl_ca_certs"),
]
AMQP_REFUSED = [
    ("redis://redis.example/0", "not an address", "amqp://host:5672/vhost"),
    ("amqp:///vhost", "names no host", "the port"),
    ("amqp://one:5672,two:5672/", "names several servers", "Name one"),
    ("amqp://one;amqp://two", "names no host", "host:5672"),
    ("amqp://rabbit.example/v?heartbeat=10", "the parameter heartbeat", "Choose from: none."),
    ("amqps://rabbit.example/v?ssl_cert_reqs=none", "the parameter ssl_cert_reqs", "ssl_ca_certs"),
    ("amqp://me:hu@sh/v@rabbit.example/v", "unencoded special character", "%40 for @"),
]


def values(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the arguments of a connection say of the place, the login and TLS."""
    secure = {name: value for name, value in arguments.items() if name.startswith("ssl_") and value is not None}
    kept = {name: arguments.get(name) for name in ("host", "port", "path", "db", "username", "password")}
    known = ("ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
    kept["tls"] = {name: secure[name] for name in known if name in secure} if "ssl_cert_reqs" in secure else None
    return kept


def of_ledger(url: str) -> dict[str, Any]:
    with connect(url) as client:
        return values(client.connection_pool.connection_kwargs)


def of_celery(url: str) -> dict[str, Any]:
    """Return what Kombu makes of Celery's settings, as in every worker, in beat and in Flower."""
    install()
    configured = redis_broker(url)
    connection = Connection(
        configured["broker_url"],
        ssl=configured.get("broker_use_ssl", False),
        transport_options=configured["broker_transport_options"],
    )
    transport: Any = connection.transport
    channel = object.__new__(transport.Channel)
    channel.connection = SimpleNamespace(client=connection, default_port=6379)
    return values(channel._connparams())


def of_flower(url: str) -> dict[str, Any]:
    return values(queue_client(url).connection_pool.connection_kwargs)


@pytest.mark.parametrize(("url", "differs"), WORKING)
def test_every_client_gets_the_same_values(url: str, differs: dict[str, Any]) -> None:
    wanted = {"path": None} | TCP | differs
    assert redis_url(url) == url
    assert of_ledger(url) == of_celery(url) == of_flower(url) == wanted
    assert has_password(url) == (wanted["password"] is not None)


@settings(max_examples=15)
@given(
    host=st.sampled_from(["redis.example", "10.0.0.1", "[2001:db8::7]"]),
    db=st.integers(0, 99),
    username=st.text(min_size=1),
    password=st.text(min_size=1),
    queried=st.booleans(),
)
def test_any_user_and_password_are_the_same_for_every_client(
    host: str, db: int, username: str, password: str, *, queried: bool
) -> None:
    login = {"username": username, "password": password}
    own = "" if queried else f"{quote(username, safe='')}:{quote(password, safe='')}@"
    url = f"redis://{own}{host}:6379/{db}" + (f"?{urlencode(login)}" if queried else "")
    wanted = {"path": None} | TCP | {"host": host.strip("[]"), "db": db} | login
    assert of_ledger(url) == of_celery(url) == of_flower(url) == wanted


@pytest.mark.parametrize(("url", "hosts", "login"), SENTINELS)
def test_every_client_asks_the_same_sentinels_for_the_same_service(
    url: str, hosts: tuple[tuple[str, int], ...], login: dict[str, Any]
) -> None:
    address = RedisAddress.parse(redis_url(url))
    wanted = {"db": 0, "username": None, "password": None, "tls": None} | login
    for client in (address.client(), address.async_client()):
        pool: Any = client.connection_pool
        assert values(pool.connection_kwargs) | wanted == values(pool.connection_kwargs)
        asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
        assert [(place["host"], place["port"]) for place in asked] == list(hosts)
        assert {place["password"] for place in asked} == {address.sentinel_password}
        assert [values(place)["tls"] for place in asked] == [wanted["tls"]] * len(hosts)
        assert pool.service_name == address.service
    assert of_celery(url) | wanted == of_celery(url)
    configured = redis_broker(url)
    parsed = [Connection(one) for one in configured["broker_url"].split(";")]
    assert [(one.hostname, one.port) for one in parsed] == list(hosts)
    assert configured["broker_transport_options"]["master_name"] == address.service
    assert configured["broker_transport_options"]["sentinel_kwargs"] == address.sentinel_connection()


@pytest.mark.parametrize(("url", "reason", "remedy"), REFUSED)
def test_an_address_that_clients_read_in_different_ways_is_refused(url: str, reason: str, remedy: str) -> None:
    with pytest.raises(SettingError) as refused:
        redis_url(url)
    assert reason in str(refused.value)
    assert remedy in refused.value.remedy
    assert "hush" not in str(refused.value) + refused.value.remedy


@pytest.mark.parametrize(("url", "reason", "remedy"), AMQP_REFUSED)
def test_an_address_of_a_rabbitmq_that_celery_cannot_use_is_refused(url: str, reason: str, remedy: str) -> None:
    with pytest.raises(SettingError) as refused:
        broker_url(url)
    assert reason in str(refused.value)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("amqp://rabbit.example", ("rabbit.example", 5672, "/", None, None)),
        ("amqp://rabbit.example//", ("rabbit.example", 5672, "/", None, None)),
        ("amqp://me:h%40%2F@[::1]:5673/a%2Fb", ("::1", 5673, "a/b", "me", "h@/")),
        ("amqps://me@rabbit.example/v?ssl_ca_certs=/ca.pem", ("rabbit.example", 5671, "v", "me", None)),
    ],
)
def test_celery_gets_the_parts_of_the_address_of_a_rabbitmq(url: str, wanted: tuple[Any, ...]) -> None:
    made = Connection(AmqpAddress.parse(broker_url(url)).celery()["broker_url"])
    assert (made.hostname, made.port, made.virtual_host, made.userid, made.password) == wanted


def test_the_certificate_of_a_rabbitmq_is_verified_for_its_host() -> None:
    address = AmqpAddress.parse("amqps://rabbit.example/v?ssl_ca_certs=/ca.pem")
    assert address.celery()["broker_use_ssl"] == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "rabbit.example",
        "ca_certs": "/ca.pem",
    }


def test_each_address_that_the_documentation_shows_is_one_that_every_process_can_use() -> None:
    pages = [ROOT / "README.md", *(ROOT / "deploy" / "docs").glob("*.md")]
    found = {
        address.rstrip(".,;)").replace("…", "host")
        for page in pages
        for address in re.findall(r"(?:rediss?|unix|sentinels?|amqps?)://[^\s`\"')|]{3,}", page.read_text())
    }
    assert len(found) > 12
    for address in found:
        (broker_url if address.startswith("amqp") else redis_url)(address)
    schemes = {address.partition(":")[0] for address in found}
    assert schemes == {"redis", "rediss", "unix", "sentinel", "sentinels", "amqp"}


def test_each_parameter_that_the_table_of_addresses_names_is_accepted_and_no_other() -> None:
    table = (ROOT / "deploy" / "docs" / "growing.md").read_text().split("## Addresses of Redis")[1]
    rows = re.findall(r"^\| [^|]+ \| `([^`]+)` \| (also )?([^|]+) \|$", table, re.MULTILINE)
    assert len(rows) == 5
    common = set[str]()
    for address, also, names in rows:
        named = set(re.findall(r"`(\w+)`", names)) | (common if also else set())
        common = named & {"db", "username", "password", "sentinel_username", "sentinel_password"}
        scheme = address.partition(":")[0]
        assert named == _PARAMETERS[scheme], address
