"""Recordings, and a real HTTP server on loopback that plays them and keeps the requests."""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import simplejson
from pydantic import SecretStr

from worker.http.client import Client
from worker.lab.conformance.recorded import Facts, NotRecorded, Scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from schemas.order import Order

Json = dict[str, Any]


def load(text: str) -> Any:
    """Return the JSON of a file as the worker reads it: a number with a fraction is a Decimal."""
    return simplejson.loads(text, parse_float=Decimal)


def repriced(order: Order, price: Decimal) -> Order:
    """Return the order with another price for each piece, and the total that they come to: others may be held."""
    lines = tuple(line.model_copy(update={"unit_price": price}) for line in order.lines)
    order = order.model_copy(update={"lines": lines, "totals": order.totals.model_copy(update={"grand": None})})
    return order.model_copy(update={"totals": order.totals.model_copy(update={"grand": order.grand_total})})


@dataclass(frozen=True)
class Failure:
    """A failure instead of the recorded response, and the errors that it must cause for a read and for a write."""

    name: str
    read: str
    write: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    text: str = "{}"
    #: The connection is cut when the request has been read.
    cut: bool = False


@dataclass(frozen=True)
class Case:
    """One adapter with all recordings of its system. A check that lacks one raises NotRecorded."""

    sort: str
    kind: str
    adapter: type[Any]
    account: Json
    scenes: dict[str, Json]

    def __post_init__(self) -> None:
        object.__setattr__(self, "account", Facts(self.account, self.sort, self.kind))
        object.__setattr__(self, "scenes", Scenes(self.scenes, self.sort, self.kind))

    @classmethod
    def of(cls, folder: Path, sort: str, kind: str, adapter: type[Any]) -> Case:
        """Return the recordings of a kind, from the files of `folder`."""
        files = {file.stem: load(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))}
        return cls(sort, kind, adapter, files.pop("account", {}), files)

    def scenes_of(self, call: str, least: str = "") -> dict[str, Json]:
        """Return the recordings of a call; `least` names the one that there has to be."""
        scenes = {name: scene for name, scene in self.scenes.items() if scene["call"] == call}
        if least and not scenes:
            raise NotRecorded(self.sort, self.kind, least)
        return scenes

    def scenes_named(self, start: str) -> list[Json]:
        """Return the recordings whose names begin with `start`, which is the name of the least."""
        return [self.scenes[start], *(self.scenes[name] for name in self.scenes if name.startswith(f"{start}_"))]

    def secrets(self) -> set[str]:
        options = self.adapter.Options.model_validate(self.account["options"])
        values = (getattr(options, name) for name in self.adapter.Options.model_fields)
        return {value.get_secret_value() for value in values if isinstance(value, SecretStr)}

    def private(self) -> set[str]:
        """Return what no message may repeat: the secrets, and the personal data of the recordings."""
        if not (words := set(self.account["private"])):
            raise NotRecorded(self.sort, self.kind, "account", "the key private: at least one name of a person")
        return self.secrets() | words

    @contextmanager
    def playing(self, scene: Json, failure: Failure | None = None, at: int = -1) -> Iterator[tuple[Any, Stage]]:
        """Run a server that plays `scene`, with `failure` at exchange number `at`, and yield a new adapter for it.

        The `options` of a scene override those of the account.
        """
        options = self.adapter.Options.model_validate({**self.account["options"], **scene.get("options", {})})
        stage = Stage(scene["exchanges"], failure, at)
        with stage.open() as url:
            client = Client(
                url, gate=stage.gate, headers={}, deadline=5, throttle_statuses=self.adapter.throttle_statuses
            )
            try:
                yield self.adapter(self.account["name"], options, client), stage
            finally:
                client.close()


@dataclass
class Notebook:
    """An open gate that keeps the seconds for which it was closed."""

    closed: list[float | None] = field(default_factory=list)

    def enter(self) -> None:
        pass

    def depart(self) -> None:
        pass

    def close(self, delay: float | None) -> float:
        self.closed.append(delay)
        return delay or 1.0


class Stage:
    """A server that returns the recorded responses with their headers, and 418 for other requests.

    A recorded body of null is any body.
    """

    def __init__(self, exchanges: Sequence[Json], failure: Failure | None = None, at: int = -1) -> None:
        self.exchanges, self.failure, self.at = exchanges, failure, at % max(len(exchanges), 1)
        self.gate = Notebook()
        self.asked: list[Json] = []
        self.bodies: list[str] = []

    @contextmanager
    def open(self) -> Iterator[str]:
        server = self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.away()
            thread.join()

    def away(self) -> None:
        """Stop listening: the next connection is refused."""
        self._server.shutdown()
        self._server.server_close()

    def wanted(self) -> list[Json]:
        """Return the expected requests, in order."""
        return [exchange["ask"] for exchange in self.exchanges]

    def answer(self, ask: Json, headers: Any, body: str) -> tuple[int, list[tuple[str, str]], str] | None:
        """Record the request and return its recorded response, or None to cut the connection."""
        self.bodies.append(body)
        for number, exchange in enumerate(self.exchanges):
            named = exchange["ask"].get("headers", {})
            asked = {**ask, "headers": {name: headers.get(name) for name in named}} if named else ask
            if asked != exchange["ask"] and {**asked, "body": None} != exchange["ask"]:
                continue
            self.asked.append(asked)
            if self.failure and number == self.at:
                failed = self.failure
                return None if failed.cut else (failed.status, list(failed.headers), failed.text)
            return (
                exchange["status"],
                list(exchange.get("headers", {}).items()),
                exchange["text"] if "text" in exchange else simplejson.dumps(exchange["json"]),
            )
        self.asked.append(ask)
        return 418, [], "{}"

    def _handler(stage) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # `self` is the handler's, below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are two writes, which would cost 40 ms per response

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                kind = self.headers.get("Content-Type", "")
                answered = stage.answer(_asked(self.command, self.path, body, kind), self.headers, body)
                if answered is None:
                    self.close_connection = True
                    return
                status, headers, text = answered
                self.send_response_only(status)
                for name, value in [*headers, ("Content-Length", str(len(text.encode())))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815  # http.server looks for these

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _asked(method: str, target: str, body: str, kind: str) -> Json:
    split = urlsplit(target)
    query = [list(pair) for pair in parse_qsl(split.query, keep_blank_values=True)]
    ask: Json = {"method": method, "path": split.path}
    if query:
        ask["query"] = query
    if kind.startswith("multipart/"):
        ask["files"] = _files(body, kind)
    elif body:
        ask["body"] = (
            load(body) if body[0] in "[{" else [list(pair) for pair in parse_qsl(body, keep_blank_values=True)]
        )
    return ask


def _files(body: str, kind: str) -> list[Json]:
    """Return the parts of a form without their boundary, which differs each time."""
    message = message_from_string(f"Content-Type: {kind}\n\n{body}")
    return [
        {
            "part": part.get_param("name", header="Content-Disposition"),
            "name": part.get_filename(),
            "type": part.get_content_type(),
            "content": load(str(part.get_payload())),
        }
        for part in message.walk()
        if not part.is_multipart()
    ]


def promises(suite: ModuleType) -> dict[str, Callable[[Case], None]]:
    """Return the checks of a module by name: its public functions."""
    functions = {name: f for name, f in vars(suite).items() if inspect.isfunction(f) and f.__module__ == suite.__name__}
    return {name: f for name, f in functions.items() if not name.startswith("_")}


def story_of(error: BaseException | None) -> str:
    """Return all texts that a log could print of an error and its causes."""
    texts: list[str] = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)
