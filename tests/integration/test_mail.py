"""E-mails about alarms: encrypted to the right server only; what fails is named, retried and delays nothing else."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.orders import order
from support.pipeline import log_lines, logged
from support.settings_texts import SHOP_TO_DROPDAY, table
from support.smtp_server import PASSWORD, USER, MailServer, write_certificate
from worker.errors import AuthFailed, IntakeError, Rejected, Unavailable
from worker.settings.receivers import Mail
from worker.store.health.alarms import AlarmState
from worker.store.letters import Letter
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.watch import mail as mail_module
from worker.watch import notify
from worker.watch.digest import collect, write_digest
from worker.watch.mail import MailSender
from worker.watch.messages import write, write_alarm
from worker.watch.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.settings_texts import Configured
    from worker.runtime import Runtime

OPS, BOSS = "ops@example.com", "boss@example.com"
ALARM = {
    "name": "orders_died", "subject": "dropday", "since": 1_800_000_000.0,
    "what": "2 orders died\nwithin the hour\x00 \udc80 é", "remedy": "intake dead list",
}  # fmt: skip
NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
MESSAGE = write_alarm("raised", ALARM, NOW, "https://intake.example")


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("mail") / "good.pem")


@pytest.fixture
def serve_mail(pem: Path) -> Iterator[Callable[..., MailServer]]:
    servers: list[MailServer] = []

    def start(certificate: Path | None = pem, **options: Any) -> MailServer:
        servers.append(MailServer(certificate, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def mail_of(server: MailServer, trusted: Path, **other: Any) -> Mail:
    settings = {"host": "127.0.0.1", "port": server.port, "sender": "intake@example.com", "user": USER}
    return Mail.model_validate(settings | {"password": PASSWORD, "ca_file": str(trusted)} | other)


def refusal(mail: Mail, address: str = OPS) -> IntakeError:
    sender = MailSender(mail, address)
    with pytest.raises(IntakeError) as refused:
        sender.send(MESSAGE)
    sender.close()
    return refused.value


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_an_email_is_sent_encrypted_and_only_after_a_login(
    serve_mail: Callable[..., MailServer], pem: Path, tls: str
) -> None:
    server = serve_mail(tls=tls)
    sender = MailSender(mail_of(server, pem, tls=tls), OPS)
    sender.send(MESSAGE)
    sender.send(write("test", "this is a test", "text\n.\nthe end", NOW, None))
    sender.close()
    first, second = server.received
    assert (first.sender, first.recipients, first.encrypted, first.user) == ("intake@example.com", [OPS], True, USER)
    assert first.email["Subject"] == "[Intake] dropday: 2 orders died within the hour ? é"
    assert first.email["To"] == OPS
    assert first.email["Auto-Submitted"] == "auto-generated"
    body = first.email.get_content()
    assert "What to do: intake dead list" in body
    assert "Console:    https://intake.example" in body
    assert second.email.get_content().split() == ["text", ".", "the", "end"]
    assert first.email["Message-ID"] != second.email["Message-ID"]
    assert set(server.in_the_clear) <= {"EHLO", "STARTTLS"}


def test_a_relay_on_this_machine_needs_neither_encryption_nor_a_login(serve_mail: Callable[..., MailServer]) -> None:
    server = serve_mail(None, tls="none")
    mail = Mail(host="127.0.0.1", port=server.port, sender="intake@example.com", tls="none")
    sender = MailSender(mail, OPS)
    sender.send(MESSAGE)
    sender.close()
    assert len(server.received) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ({}, "self-signed certificate"),
        ({"days": "-1"}, "certificate has expired"),
        ({"name": "DNS:other.example"}, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
    ids=["unknown issuer", "expired", "of another host"],
)
def test_a_server_with_a_wrong_certificate_gets_neither_the_login_nor_a_message(
    serve_mail: Callable[..., MailServer], pem: Path, tls: str, certificate: dict[str, str], reason: str
) -> None:
    shown = write_certificate(pem.with_name("shown.pem"), **certificate)
    server = serve_mail(shown, tls=tls)
    error = refusal(mail_of(server, shown if certificate else pem, tls=tls))
    assert isinstance(error, Unavailable)
    assert reason in str(error)
    assert server.received == []
    assert set(server.in_the_clear) <= {"EHLO", "STARTTLS"}


def test_a_login_is_never_sent_to_a_server_that_offers_no_encryption(
    serve_mail: Callable[..., MailServer], pem: Path
) -> None:
    server = serve_mail(None, tls="none")
    error = refusal(mail_of(server, pem))
    assert isinstance(error, AuthFailed)
    assert "offers no STARTTLS" in str(error)
    assert set(server.in_the_clear) == {"EHLO"}


@pytest.mark.parametrize(
    ("refusals", "kind", "reason"),
    [
        ({OPS: "452 4.2.2 <ops@example.com> over limit"}, Unavailable, "the mailbox is full: 452 4.2.2 … over"),
        ({OPS: "552 5.2.2 over quota"}, Rejected, "the mailbox is full: 552 5.2.2 over quota"),
        ({OPS: "550 5.1.1 <ops@example.com>: user unknown"}, Rejected, "refuses the address: 550 5.1.1 … user unknown"),
        ({"DATA": "554 5.7.1 spam"}, Rejected, "refuses the message: 554 5.7.1 spam"),
        ({"DATA": "451 try later"}, Unavailable, "refuses the message: 451 try later"),
        ({"MAIL": "550 sender intake@example.com not yours"}, AuthFailed, "refuses the sender: 550 sender … not yours"),
        ({"MAIL": "451 4.3.0 wait"}, Unavailable, ": 451 4.3.0 wait"),
        ({"AUTH": f"535 5.7.8 {USER} {PASSWORD} unknown"}, AuthFailed, "refuses the login: 535 5.7.8 … … unknown"),
        ({"AUTH": "454 4.7.0 later"}, Unavailable, ": 454 4.7.0 later"),
        ({"greeting": "421 too busy"}, Unavailable, ": 421 too busy"),
        ({"STARTTLS": "454 no TLS now"}, Unavailable, ": 454 no TLS now"),
    ],
)  # fmt: skip
def test_a_refusal_is_named_without_an_address_and_without_the_login(
    serve_mail: Callable[..., MailServer], pem: Path, refusals: dict[str, str], kind: type[IntakeError], reason: str
) -> None:
    server = serve_mail()
    server.refusals = refusals
    error = refusal(mail_of(server, pem))
    assert type(error) is kind
    assert reason in str(error)
    assert "@" not in str(error)
    assert PASSWORD not in str(error)


def test_a_server_that_is_not_there_or_speaks_no_tls_is_named(serve_mail: Callable[..., MailServer], pem: Path) -> None:
    gone = serve_mail()
    mail = mail_of(gone, pem)
    gone.close()
    assert str(refusal(mail)) == f"127.0.0.1:{mail.port}: connection refused"
    plain = serve_mail(None, tls="none")
    assert "TLS failed" in str(refusal(mail_of(plain, pem, tls="implicit")))


def test_a_server_that_answers_slowly_is_given_up_at_the_deadline(
    serve_mail: Callable[..., MailServer], pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "DEADLINE", 0.3)
    server = serve_mail()
    server.refusals = {"greeting": "220-not yet"}  # the greeting goes on
    began = time.monotonic()
    assert "took longer than" in str(refusal(mail_of(server, pem)))
    assert time.monotonic() - began < mail_module._OPERATION


def configure(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, server: MailServer, pem: Path, **ops: Any
) -> Runtime:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    mail = table(
        *("mail",), host="127.0.0.1", port=server.port, sender="intake@example.com", user=USER,
        password="env:MAIL_PASSWORD", ca_file=str(pem),
    )  # fmt: skip
    to = table("alarms.to.ops", **{"mail": [OPS, BOSS]} | ops)
    return configured.open(mail + table("alarms", every="1ms", grace="1ms") + to + SHOP_TO_DROPDAY)


def hold(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order("1"), "1")], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(claim, Outcome("hold", "held", "no mapping")) for claim in drain.claim(1)])


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_full_mailbox_delays_no_other_and_is_named_in_status_until_it_accepts_a_message(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "RETRY_AFTER", 0.05)
    server = serve_mail()
    server.refusals = {BOSS: "452 4.2.2 mailbox full"}
    rt = configure(configured, monkeypatch, server, pem)

    def unsent() -> list[str]:
        document = json.loads(intake("status", "--json").output)
        return [alarm["what"] for alarm in document["alarms"] if alarm["name"] == "messages_unsent"]

    with log_lines() as lines, Watch(rt):
        hold(rt)
        until(lambda: bool(logged(lines, "alarm.waiting")))
        until(lambda: bool(server.received))
        (what,) = unsent()
        assert what.endswith("the mailbox is full: 452 4.2.2 mailbox full (alarms.to.ops.mail[1])")
        server.refusals = {}
        until(lambda: {BOSS} in [set(mail.recipients) for mail in server.received])
        until(lambda: not unsent())
        assert "@" not in lines.getvalue()
    sent = [mail.recipients[0] for mail in server.received if "held" in mail.email["Subject"]]
    assert sorted(sent) == [BOSS, OPS], "one message for each address"


def test_a_refused_login_stops_no_work_and_is_tried_again_only_after_minutes(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_mail()
    server.refusals = {"AUTH": "535 5.7.8 no"}
    rt = configure(configured, monkeypatch, server, pem, mail=[OPS])
    hold(rt)
    watch = Watch(rt)
    with log_lines() as lines:
        for _ in range(50):
            time.sleep(0.005)
            watch.look()
        (waiting,) = logged(lines, "alarm.waiting")
    assert waiting["code"] == "auth_failed"
    left = max(rt.redis.pttl(key) for key in rt.redis.keys("intake:alarms:sender:*"))
    assert 200_000 < left <= 300_000


def test_a_message_that_is_older_than_a_day_is_not_sent(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_mail()
    rt = configure(configured, monkeypatch, server, pem, mail=[OPS])
    (destination,) = rt.settings.alarms.destinations()
    for at in (datetime.now(UTC) - timedelta(hours=25), datetime.now(UTC)):
        text = json.dumps(write("test", f"{at}", "text", at, None))
        rt.redis.lpush(f"intake:alarms:outbox:{destination.key}", text)
    with log_lines() as lines:
        notify.send_messages(rt.redis, rt.settings, destination)
    assert len(server.received) == len(logged(lines, "alarm.dropped")) == 1


def test_the_test_command_names_each_destination_and_changes_what_status_says(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_mail()
    server.refusals = {BOSS: "550 unknown"}
    configure(configured, monkeypatch, server, pem)
    result = intake("alarms", "test", "ops")
    assert result.exit_code == 1
    assert "accepted  alarms.to.ops.mail[0]" in result.output
    assert "failed    alarms.to.ops.mail[1]  the server refuses the address: 550 unknown" in result.output
    assert "intake alarms test ops" in intake("status").output
    server.refusals = {}
    assert intake("alarms", "test").exit_code == 0
    assert "intake alarms test ops" not in intake("status").output
    assert intake("alarms", "test", "nobody").exit_code == 2


def fill(rt: Runtime) -> None:
    """Let an order, a record and a job wait for a person."""
    shown = order("1").model_copy(update={"display_id": "SHOP-NL-100001"})
    rt.ledger.accept("dropday", [Delivery(shown, "1")], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(claim, Outcome("bury", "rejected", "zip: is required")) for claim in drain.claim(1)])
    rt.cursors.bury("shop", "9", {"id": 9, "email": "jane@example.com"}, "items[0].quantity", "not a number")
    rt.inbox.add_letters([Letter("not_a_job", "no provider", b'{"email": "jane@example.com"}', 29)])


def test_the_digest_lists_what_waits_with_numbers_and_reasons_and_nothing_personal(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = configure(configured, monkeypatch, serve_mail(), pem)
    assert collect(rt) == []
    hold(rt)
    rt.lanes["dropday"].release(["shop:1"], "send")
    fill(rt)
    message = write_digest(collect(rt), NOW, "https://intake.example")
    lines = message["text"].splitlines()
    assert lines[0] == "3 orders and records wait for a person (2026-11-30 08:00 UTC)."
    for text in ("dropday: 1 dead.  intake dead list --target dropday", "      rejected: zip: is required"):
        assert text in lines
    assert [line for line in lines if line.startswith("  SHOP-NL-100001  shop  since ")]
    assert "      items[0].quantity: not a number" in lines
    assert "      not_a_job: no provider" in lines
    customer = order("1").customer
    personal = {"jane@example.com", *(str(value) for value in customer.model_dump().values() if value)}
    assert not [value for value in personal if value in json.dumps(message)]
    assert [group.count for group in collect(rt, ["shop"])] == [1, 1]
    assert "  https://intake.example/lists/dead?account=dropday" in lines
    assert "      https://intake.example/orders/shop%3A1" in lines
    plain = [line for line in lines if "https://" not in line]
    assert intake("alarms", "digest").output.splitlines()[1:] == plain[1:-1]


def test_the_digest_of_a_day_is_sent_once_by_any_number_of_watches(
    serve_mail: Callable[..., MailServer], pem: Path, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve_mail()
    at = datetime.now(UTC) - timedelta(minutes=1)
    rt = configure(configured, monkeypatch, server, pem, mail=[OPS], digest=f"{at:%H:%M}", only=["redis_full"])
    fill(rt)
    watches = [Watch(rt) for _ in range(3)]
    for watch in watches:
        watch.__enter__()
    until(lambda: bool(server.received))
    time.sleep(0.1)
    for watch in watches:
        watch.__exit__()
    (received,) = server.received
    assert received.email["Subject"] == "[Intake] 3 orders and records wait for a person"
    assert "SHOP-NL-100001" in received.email.get_content()
    assert AlarmState(rt.redis).read_sent(["ops"])["ops"]["digest"] == at.date().isoformat()
