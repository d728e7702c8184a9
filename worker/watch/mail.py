"""Send e-mails over SMTP: encrypted, to the server that the certificate names, within a deadline."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import TYPE_CHECKING, Any, Final

from worker.errors import AuthFailed, IntakeError, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from worker.settings.receivers import Mail

#: Seconds that one operation of the connection may take, and sending one message altogether.
_OPERATION: Final = 10.0
DEADLINE: Final = 30.0
#: Seconds before the next attempt where a person must act: a login that is repeated often may lock the account.
_BLOCKED: Final = 300.0
#: Characters of a server's sentence that are shown.
_SHOWN: Final = 160
_FULL: Final = re.compile(r"\b[45]\.2\.2\b|full|quota", re.IGNORECASE)
#: The reply code of a mailbox without room (RFC 5321), and the first one of permanent errors.
_NO_ROOM: Final = (452, 552)
_PERMANENT: Final = 500
#: The reply code of a server that is ready.
_GREETING: Final = 220


class MailSender:
    """Sends messages to one address, over one connection while it lasts."""

    def __init__(self, mail: Mail, address: str) -> None:
        self._mail, self._address = mail, address
        self._server: smtplib.SMTP | None = None
        self._late = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            Rejected: The server refuses this message or its address for good.
            AuthFailed: A person must act: the server refuses the login or the sender.
            Unavailable: Anything else; the next attempt may succeed.
        """
        with self._deadline(), self._errors():
            server = self._server = self._server or self._connect()
            server.send_message(self._email(message), self._mail.sender, [self._address])

    def close(self) -> None:
        """End the connection."""
        if self._server is not None:
            server, self._server = self._server, None
            with suppress(OSError):  # as all errors of smtplib are
                server.close()

    def _connect(self) -> smtplib.SMTP:
        mail, (host, port) = self._mail, self._mail.address
        trusted = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
        server: smtplib.SMTP
        if mail.tls == "implicit":
            server = smtplib.SMTP_SSL(timeout=_OPERATION, context=trusted)
        else:
            server = smtplib.SMTP(timeout=_OPERATION)
        self._server = server
        # Where `connect` is called without the constructor, the name for the certificate has to be set as well.
        server._host = host  # type: ignore[attr-defined]  # noqa: SLF001
        code, sentence = server.connect(host, port)
        if code != _GREETING:
            raise smtplib.SMTPConnectError(code, sentence)
        if mail.tls == "starttls":
            server.starttls(context=trusted)
        if mail.user is not None and mail.password is not None:
            server.login(mail.user, mail.password.get_secret_value())
        return server

    def _email(self, message: Mapping[str, Any]) -> EmailMessage:
        email = EmailMessage(policy=SMTP_POLICY)
        email["From"] = f"Intake <{self._mail.sender}>"
        email["To"] = self._address
        # A subject is one line: what a system said may contain line breaks.
        email["Subject"] = " ".join(_clean(f"[Intake] {message['title']}").split())[:200]
        email["Date"] = datetime.fromisoformat(message["at"])
        email["Message-ID"] = f"<{message['id']}.intake@{self._mail.sender.rpartition('@')[2]}>"
        # No program replies to it with a note of absence (RFC 3834).
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(_clean(_body(message)))
        return email

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """Break the connection at the deadline: each operation has a time limit, but a slow server may make many."""
        self._late = False
        timer = threading.Timer(DEADLINE, self._break)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _break(self) -> None:
        self._late = True
        if self._server is not None and self._server.sock is not None:
            with suppress(OSError):
                self._server.sock.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the caller does next. The connection is closed after an error: its state is unknown."""
        try:
            yield
        except (OSError, ValueError) as error:  # all errors of smtplib are OSErrors
            raised = self._translate(error)
        else:
            return
        self.close()
        raise raised

    def _translate(self, error: Exception) -> IntakeError:
        at = ":".join(map(str, self._mail.address))
        if self._late:
            return Unavailable(f"{at} took longer than {DEADLINE:.0f} s")
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return self._refused("address", *error.recipients[self._address])
        if isinstance(error, smtplib.SMTPDataError):
            return self._refused("message", error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPResponseException):
            return self._response(at, error)
        return _broken(at, error)

    def _response(self, at: str, error: smtplib.SMTPResponseException) -> IntakeError:
        sentence = self._plain(error.smtp_code, error.smtp_error)
        what = {smtplib.SMTPSenderRefused: "sender", smtplib.SMTPAuthenticationError: "login"}.get(type(error))
        if what is not None and error.smtp_code >= _PERMANENT:
            return AuthFailed(f"{at} refuses the {what}: {sentence}", _BLOCKED)
        return Unavailable(f"{at}: {sentence}", answered=True)

    def _refused(self, what: str, code: int, sentence: bytes | str) -> IntakeError:
        text = self._plain(code, sentence)
        full = code in _NO_ROOM or _FULL.search(text) is not None
        reason = f"the mailbox is full: {text}" if full else f"the server refuses the {what}: {text}"
        return Rejected(reason) if code >= _PERMANENT else Unavailable(reason, answered=True)

    def _plain(self, code: int, sentence: bytes | str) -> str:
        """Return a reply without addresses and without the login, which a server may repeat."""
        text = sentence.decode("utf-8", "replace") if isinstance(sentence, bytes) else sentence
        text = re.sub(r"\S*@\S*", "…", " ".join(text.split()))
        for secret in (self._mail.user, self._mail.password and self._mail.password.get_secret_value()):
            text = text.replace(secret, "…") if secret else text
        return f"{code} {''.join(filter(str.isprintable, text))[:_SHOWN]}".strip()


def _broken(at: str, error: Exception) -> IntakeError:
    """Return why there was no response, or none that can be used."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        what = "login" if "AUTH" in str(error) else "STARTTLS"
        return AuthFailed(f"{at} offers no {what}", _BLOCKED)
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not valid: {error.verify_message}"
    elif isinstance(error, ssl.SSLError):
        reason = f"TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}"
    elif isinstance(error, smtplib.SMTPServerDisconnected):
        reason = "the server closed the connection"
    elif isinstance(error, TimeoutError):
        reason = "the server does not respond"
    else:
        reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
    return Unavailable(f"{at}: {reason}")


def _clean(text: str) -> str:
    """Return a text that every e-mail can carry: what a system said may hold anything."""
    text = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _body(message: Mapping[str, Any]) -> str:
    if "what" not in message:
        return f"{message['text']}\n"
    rows = {"What to do": message["remedy"], "Since": message["since"], "Alarm": message["name"]}
    if message["event"] == "cleared":
        rows = {"Alarm": message["name"], "It was": message["what"], "Since": message["since"]}
    rows |= {"Console": message.get("link")}
    lines = [f"{name + ':':<12}{text}" for name, text in rows.items() if text]
    return "\n".join([f"{message['title']}.", "", *lines, ""])
