"""`intake metrics`: serve the metrics to Prometheus."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Final

import click
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from worker.cli.terminal import never_wait
from worker.errors import ConfigError
from worker.operations.examples import examples
from worker.process.stopping import on_stop_signals
from worker.runtime import Runtime, read_settings
from worker.settings.take_over import take_over
from worker.telemetry import log
from worker.watch.metrics import RedisCollector
from worker.watch.watch import Watch

#: Seconds for a request to arrive.
_SECONDS: Final = 10.0


def impatient(handler: Any) -> type[Any]:
    """Return a handler of requests that closes a connection on which nothing arrives: each one is a thread."""
    return type("Handler", (handler,), {"timeout": _SECONDS})


@click.command("metrics", epilog=examples("intake metrics --port 9464", "intake metrics --once"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=9464, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0: any free one."
)
@click.option("--once", is_flag=True, help="Print the metrics and exit.")
def command(host: str, port: int, *, once: bool) -> None:
    """Serve metrics for Prometheus.

    Each scrape of /metrics reads Redis. If the secrets of the alarms are set, the command also sends alarms, even
    while beat is down.
    """
    settings = read_settings(offline=True)
    rt = click.get_current_context().with_resource(Runtime(settings, patience="short"))
    registry = CollectorRegistry()
    registry.register(RedisCollector(rt))
    if once:
        click.echo(generate_latest(registry).decode(), nl=False)
        return
    unset = sorted(key for key in settings.unset if key.startswith(("alarms.", "mail.")))
    never_wait()
    log.configure(settings.log.level, settings.log.format)
    try:
        server, _ = start_http_server(port, host, registry)
        server.RequestHandlerClass = impatient(server.RequestHandlerClass)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"{host}:{port}", "--port", reason, "Name another address with --host and --port.") from None
    click.echo(f"metrics: http://{host}:{server.server_port}/metrics", err=True)
    stopped = threading.Event()
    on_stop_signals(lambda *_: stopped.set())
    if reloader := take_over(settings, "metrics", stopped.set):
        reloader.heed()
    if unset:
        click.echo(f"metrics: sends no alarms (upkeep and listen do): {unset[0]} is not set here", err=True)
    with contextlib.nullcontext() if unset else Watch(rt):
        stopped.wait()
    server.shutdown()
    server.server_close()
