"""`intake alarms`: test the receivers of alarms, and preview their digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from worker.cli.options import json_option, open_runtime, require_name
from worker.cli.terminal import echo_styled
from worker.errors import IntakeError
from worker.operations.examples import examples
from worker.store.health.outbox import Outbox
from worker.telemetry.printable import one_line
from worker.watch.digest import collect, write_digest
from worker.watch.messages import write
from worker.watch.notify import sender_to

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.settings.receivers import Destination


@click.group("alarms", epilog=examples("intake alarms test", "intake alarms digest"))
def command() -> None:
    """Test the receivers of alarms.

    Receivers are the tables [alarms.to.NAME] of the settings.
    """


@command.command("test", epilog=examples("intake alarms test", "intake alarms test ops"))
@click.argument("receiver", required=False)
@json_option
def test(receiver: str | None, *, as_json: bool) -> None:
    """Send a test message.

    The message goes to RECEIVER, or to all receivers. The exit code is 1 if a receiver does not accept it.
    """
    rt = open_runtime()
    receivers = rt.settings.alarms.to
    if receiver is not None:
        require_name(receiver, "receiver of [alarms.to]", receivers)
    chosen = [to for to in rt.settings.alarms.destinations() if receiver in (None, to.receiver)]
    if not chosen:
        raise click.ClickException("there is no receiver. Add one to the settings: [alarms.to.NAME]")
    results = []
    for destination in chosen:
        results.append(_send_test(rt, destination))
        if not as_json:
            accepted = results[-1]["accepted"]
            echo_styled("accepted" if accepted else "failed  ", nl=False, fg="green" if accepted else "red")
            click.echo(one_line(f"  {destination.setting}  {results[-1]['reason']}".rstrip()))
    if as_json:
        click.echo(json.dumps(results, indent=2))
    if not all(result["accepted"] for result in results):
        raise SystemExit(1)


def _send_test(rt: Runtime, destination: Destination) -> dict[str, Any]:
    """Send a test message; note how it went, so that `status` shows the present state of the destination."""
    text = "Intake: this is a test. Messages about alarms arrive here."
    message = write("test", "this is a test", text, datetime.now(UTC), rt.settings.web.url)
    outbox, sender = Outbox(rt.redis, destination.key), sender_to(destination, rt.settings)
    result = {"destination": destination.setting, "accepted": True, "code": "", "reason": ""}
    try:
        sender.send(message)
        outbox.note_success()
    except IntakeError as error:
        outbox.note_failure(error.code, str(error))
        result |= {"accepted": False, "code": error.code, "reason": str(error)}
    finally:
        sender.close()
    return result


@command.command("digest", epilog=examples("intake alarms digest", "intake alarms digest ops --json"))
@click.argument("receiver", required=False)
@json_option
def digest(receiver: str | None, *, as_json: bool) -> None:
    """Print what waits for a person.

    The output is the digest that RECEIVER would get now, or the digest of everything.
    """
    rt = open_runtime(offline=True)
    accounts: tuple[str, ...] = ()
    if receiver is not None:
        require_name(receiver, "receiver of [alarms.to]", rt.settings.alarms.to)
        accounts = rt.settings.alarms.to[receiver].accounts
    message = write_digest(collect(rt, accounts), datetime.now(UTC), rt.settings.web.url)
    click.echo(json.dumps(message, indent=2) if as_json else message["text"])
