"""The states that a Redis can be in without being usable: how each is recognized, what it is, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class State:
    """One state, in words for a person; nothing in it is secret or personal."""

    name: str
    #: Matches "CODE text" of an error, or the name of its class.
    pattern: re.Pattern[str]
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence}. {self.remedy}"


_PASSWORD: Final = "Correct the user and the password in redis.url."  # noqa: S105  # a remedy
_ADDRESS: Final = "Correct the host and the port in redis.url."
_MASTER: Final = "Name its master in redis.url, or the Sentinels."
#: Each state: its name, its pattern, its sentence, its remedy. The first pattern that matches decides.
_ROWS: Final = (
    (
        "loading",
        r"^(?:LOADING|BusyLoadingError)\b",
        "Redis is still loading its data after a start",
        "Wait: work continues when the data is loaded. Its log shows the progress.",
    ),
    (
        "master_down",
        r"^MASTERDOWN\b",
        "this Redis is a replica without a connection to its master",
        "Name the master in redis.url, or the Sentinels.",
    ),
    (
        "replica",
        r"^(?:READONLY|UNBLOCKED)\b|-READONLY\b|read only replica",
        "Redis is a read-only replica, and accepts no writes",
        _MASTER,
    ),
    (
        "not_saving",
        r"^MISCONF\b",
        "Redis cannot write to its disk, and accepts no writes",
        "Free space on its disk, or find the reason in its log; then work continues.",
    ),
    (
        "full",
        r"^OOM\b|OutOfMemoryError",
        "Redis is full (maxmemory)",
        "Raise maxmemory, or free memory; then work continues.",
    ),
    (
        "no_replicas",
        r"^NOREPLICAS\b",
        "Redis has no replica that keeps up, and accepts no writes",
        "Start its replicas, or lower min-replicas-to-write there.",
    ),
    (
        "no_password",
        r"^NOAUTH\b",
        "Redis requires a password",
        _PASSWORD,
    ),
    (
        "wrong_password",
        r"^WRONGPASS\b|invalid password|AUTH <password> called without any password|for '(?i:auth)' command",
        "Redis does not accept the user or the password",
        _PASSWORD,
    ),
    (
        "no_permission",
        r"^NOPERM\b|executing the script can't|[Nn]o permissions? to",
        "Redis does not let this user do what Intake needs",
        "Give the user of redis.url the rights of `worker` in deploy/users.acl.example; ACL LOG names what is missing.",
    ),
    (
        "busy",
        r"^(?:BUSY|UNKILLABLE)\b",
        "Redis is busy with a script that does not end",
        "Find out which program runs it, and end it with SCRIPT KILL (a function: FUNCTION KILL).",
    ),
    (
        "cluster",
        r"^(?:CLUSTERDOWN|MOVED|ASK|TRYAGAIN|CROSSSLOT)\b|in cluster mode",
        "this Redis is a cluster, which spreads its keys over several servers",
        "Use one Redis, or one behind Sentinels: an order moves between several keys in one step.",
    ),
    (
        "aborted",
        r"^EXECABORT\b",
        "Redis refused a command of a transaction, and executed none of it",
        "Check its log and `ACL LOG`: Redis is full, or the user lacks a right.",
    ),
    (
        "too_many_clients",
        r"max number of clients",
        "Redis has reached its maximum number of clients (maxclients)",
        "Raise maxclients there, or close connections that are not needed (CLIENT LIST).",
    ),
    (
        "protected",
        r"^DENIED\b",
        "Redis is in protected mode, and refuses connections from other hosts",
        "Set a password there (requirepass, or ACL users), and name it in redis.url.",
    ),
    (
        "no_database",
        r"DB index is out of range",
        "Redis has no database with this number",
        "Write a smaller number in redis.url, or raise `databases` there.",
    ),
    (
        "too_old",
        r"^NOPROTO\b|unknown command|unknown subcommand|Unknown Redis command",
        "Redis lacks a command that Intake needs",
        "Use Redis 7.0 or newer, or Valkey, and rename no command there (rename-command).",
    ),
    (
        "no_file",
        r"^no file\b",
        "a certificate or key that redis.url names cannot be read",
        "Correct the paths after ssl_…, and let the user that runs Intake read the files.",
    ),
    (
        "http",
        r"Protocol Error: b'HTTP/|Protocol error, got .H\W",
        "the server at this address is an HTTP server, not Redis",
        _ADDRESS,
    ),
    (
        "tls_only",
        r'got "\\x15"|Protocol Error: b.\\x15\\x03',
        "Redis requires TLS at this port, but redis.url does not use it",
        "Write rediss:// (sentinels:// behind Sentinels).",
    ),
    (
        "no_redis",
        r"Protocol Error: b'|Protocol error, got ",
        "the server at this address is not Redis",
        _ADDRESS,
    ),
    (
        "certificate_name",
        r"CERTIFICATE_VERIFY_FAILED.*(?:mismatch|not valid for)",
        "the certificate of Redis is not for this host",
        "Write the host in redis.url as the certificate names it.",
    ),
    (
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED",
        "the certificate of Redis is not trusted here",
        "Name the authority that signed it: ?ssl_ca_certs=/etc/ssl/our-ca.pem.",
    ),
    (
        "client_certificate",
        r"CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE|certificate required",
        "Redis requires a certificate of Intake",
        "Name it: &ssl_certfile=/etc/ssl/intake.pem&ssl_keyfile=/etc/ssl/intake.key.",
    ),
    (
        "no_tls",
        r"WRONG_VERSION_NUMBER|RECORD_LAYER|PACKET_LENGTH|UNEXPECTED_EOF|SSLEOF|HTTP_REQUEST",
        "redis.url requires TLS, and the server does not support it at this port",
        "Write redis:// (sentinel://), or the port for TLS.",
    ),
    (
        "no_handshake",
        r"handshake operation timed out",
        "the server does not respond to the TLS handshake",
        "Write redis:// (sentinel://) if it speaks no TLS at this port; otherwise the server hangs: check its log.",
    ),
    (
        "tls_failed",
        r"\[SSL|SSLError|_ssl\.c",
        "the TLS handshake with Redis failed",
        "Check the log of Redis, and the files that ?ssl_… in redis.url names.",
    ),
    (
        "unknown_host",
        r"Name or service not known|getaddrinfo|nodename nor servname|name resolution|No address associated",
        "the host of redis.url cannot be resolved",
        "Correct its name, or the DNS settings of this machine.",
    ),
    (
        "refused",
        r"Connection refused|No such file or directory|Error 111\b|Error 61\b|Error 2 connecting",
        "Redis does not respond: nothing listens at this address",
        "Start it (`intake up` starts an embedded one), or correct redis.url.",
    ),
    (
        "unreachable",
        r"Timeout connecting|[Nn]o route to host|[Nn]etwork is unreachable",
        "Redis does not respond: no connection could be established",
        "Check the network between this machine and the host of redis.url, and firewalls.",
    ),
    (
        "slow",
        r"Redis responds too slowly",
        "Redis responds too slowly",
        "Check its load (SLOWLOG, other users of the host) and the network in between. Nothing was changed.",
    ),
    (
        "silent",
        r"Timeout reading|TimeoutError|timed out|Timeout writing",
        "Redis accepts connections, but does not respond",
        "It hangs, is stopped, or is overloaded: check its process, its log and SLOWLOG.",
    ),
    (
        "no_master",
        r"MasterNotFoundError",
        "the Sentinels know no master of the service in redis.url, or it is down",
        "Compare the service with `sentinel monitor` there, and check their logs.",
    ),
    (
        "closed",
        r"[Cc]onnection closed|[Cc]onnection reset|Broken pipe|Server closed|Error while reading",
        "Redis closed the connection",
        "It is stopping or starting, or accepts only TLS (rediss://): check its log.",
    ),
)
#: The states by name.
STATES: Final = {name: State(name, re.compile(pattern), sentence, remedy) for name, pattern, sentence, remedy in _ROWS}
#: Those that do not pass by themselves: a process that finds one does not start.
LASTING: Final = frozenset({"cluster", "no_database", "too_old"})
#: Those in which Redis can be read, and takes no writes.
NO_WRITES: Final = frozenset({"full", "replica", "not_saving", "no_replicas", "no_permission"})
