"""An SMTP server that checks logins and records what it accepts; a test chooses its certificate and its refusals."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

USER, PASSWORD = "intake", "s3cret-of-the-mailbox"


def write_certificate(path: Path, *, name: str = "IP:127.0.0.1", days: str = "1") -> Path:
    """Write a key and a self-signed certificate for `name` into one file; it expired with `days="-1"`."""
    request = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=mail"
    wanted = _openssl(*request.split(), "-addext", f"subjectAltName={name}", "-keyout", str(path))
    signed = f"x509 -req -signkey {path} -copy_extensions copy -days {days}"
    certificate = _openssl(*signed.split(), content=wanted)
    path.write_bytes(path.read_bytes() + certificate)
    return path


def _openssl(*words: str, content: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], check=True, capture_output=True, input=content).stdout


@dataclass
class Received:
    sender: str
    recipients: list[str]
    email: EmailMessage
    encrypted: bool
    user: str


@dataclass
class _Session:
    encrypted: bool = False
    user: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


def _say(sock: socket.socket, text: str) -> None:
    sock.sendall(f"{text}\r\n".encode())


class MailServer:
    """A server on loopback. `refusals` maps a verb, or an address, to the reply that it gets instead."""

    def __init__(self, certificate: Path | None, tls: Literal["starttls", "implicit", "none"] = "starttls") -> None:
        self.received: list[Received] = []
        self.refusals: dict[str, str] = {}
        #: The commands that arrived before the connection was encrypted.
        self.in_the_clear: list[str] = []
        self._tls, self._context = tls, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate is not None:
            self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _listen(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        session = _Session()
        with suppress(OSError), ExitStack() as opened:
            opened.enter_context(sock)
            if self._tls == "implicit":
                sock = opened.enter_context(self._context.wrap_socket(sock, server_side=True))
                session.encrypted = True
            while self._converse(sock, session):
                sock = opened.enter_context(self._context.wrap_socket(sock, server_side=True))
                session = _Session(encrypted=True)

    def _converse(self, sock: socket.socket, session: _Session) -> bool:
        """Answer commands; return True when the client begins TLS."""
        with sock.makefile("rb", buffering=0) as raw:
            stream = cast("BinaryIO", raw)
            if not (session.encrypted and self._tls == "starttls"):
                _say(sock, self.refusals.get("greeting", "220 mail ESMTP"))
            while line := stream.readline().decode("utf-8", "replace").strip():
                verb = line.split()[0].upper()
                if not session.encrypted:
                    self.in_the_clear.append(verb)
                if verb == "DATA":
                    _say(sock, "354 go on")
                    self._take(stream, session)
                reply = self.refusals.get(verb) or self._reply(verb, line, session)
                _say(sock, reply)
                if verb in {"STARTTLS", "QUIT"} and reply.startswith("2"):
                    return verb == "STARTTLS"
        return False

    def _reply(self, verb: str, line: str, session: _Session) -> str:
        address = line.partition("<")[2].partition(">")[0]
        if verb == "EHLO":
            offers = "250-STARTTLS\r\n" if self._tls == "starttls" and not session.encrypted else ""
            return f"250-mail\r\n{offers}250-AUTH PLAIN LOGIN\r\n250 8BITMIME"
        if verb == "AUTH":
            _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            session.user = user if (user, password) == (USER, PASSWORD) else ""
            return "235 welcome" if session.user else "535 5.7.8 no such login"
        if verb == "MAIL":
            session.sender, session.recipients = address, []
        elif verb == "RCPT":
            session.recipients.append(address)
            return self.refusals.get(address, "250 ok")
        return "220 ready" if verb == "STARTTLS" else "250 ok"

    def _take(self, stream: BinaryIO, session: _Session) -> None:
        lines = []
        while (line := stream.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b"..") else line)
        if "DATA" not in self.refusals:
            email = message_from_bytes(b"".join(lines), policy=policy.default)
            self.received.append(Received(session.sender, session.recipients, email, session.encrypted, session.user))
