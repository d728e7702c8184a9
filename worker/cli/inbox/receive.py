"""`intake receive`: receive webhooks over HTTP and push them into the inbox."""

from __future__ import annotations

import click

from worker.cli.terminal import never_wait
from worker.errors import ConfigError
from worker.operations.examples import examples
from worker.operations.extras import require_extra
from worker.process.reloader import stop_process
from worker.runtime import read_settings, redis_url
from worker.settings.needs import SIGNATURES
from worker.settings.take_over import take_over
from worker.store.inbox import Inbox
from worker.store.redis.connection import connect
from worker.telemetry import log


@click.command("receive", epilog=examples("intake receive --port 8080"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0: any free one."
)
@click.option(
    "--timeout", default=10.0, show_default=True, type=click.FloatRange(0.1, 300), help="Seconds for a request."
)
def command(host: str, port: int, timeout: float) -> None:
    """Receive webhooks over HTTP.

    Each producer with a kind has the address /hooks/NAME. Run the command behind a proxy that terminates TLS.
    """
    require_extra("receive", "starlette", "uvicorn")
    from worker.inbox.receiver.server import bind, serve
    from worker.inbox.receiver.service import service
    from worker.systems.webhooks import senders

    never_wait()
    settings = read_settings(needs=SIGNATURES)
    log.configure(settings.log.level, settings.log.format)
    all_senders = senders(settings)
    if not all_senders:
        remedy = 'Write kind = "standard", or another one, into [producers.NAME].'
        raise ConfigError(settings.file, "producers", "none of them has a kind, so nothing can be received", remedy)
    clocks = settings.clocks
    redis = connect(redis_url(settings), text="raw", patience="short")
    inbox = Inbox(redis, lease=clocks.lease, heartbeat=clocks.heartbeat)
    app = service(all_senders, inbox, settings.inbox.max_bytes, timeout)
    with bind(host, port) as listening:
        base = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        for sender in all_senders:
            click.echo(f"{sender.producer.kind}: {base}/hooks/{sender.name}", err=True)
        if reloader := take_over(settings, "receive", stop_process):
            reloader.heed()
        serve(app, listening, timeout)
