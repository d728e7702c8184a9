"""`python -m worker.lab.sandbox`: serve the simulated systems until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from worker.lab.sandbox.faults import Fault
from worker.lab.sandbox.journal import Journal
from worker.lab.sandbox.server import Server
from worker.lab.sandbox.world import SYSTEMS, World

_PARENT_CHECK_EVERY = 0.3


_EPILOG = """\
An account of SYSTEM is served at http://HOST:PORT/SYSTEM/NAME. Its settings:
key=K, account_id=K, ...; orders=N fills it with orders.

A fault hits the calls of one operation (* for any) of a system. KIND is a
status (500, 503, 429), slow, cut or html, each also with _after: after the work
was done; or drip, oversize, malformed, truncated, insert. Its settings: rate,
skip, times, seconds, retry_after, code, size, record, field.

Examples:
  intake sandbox --port 9900 --account retailcrm:shop:key=K:orders=500
  intake sandbox --fault dropday:create:500_after:rate=0.1 --limit dropday=off
"""
_PORTS = 65_536


def port(text: str) -> int:
    """Return the number of a port; raise ValueError for another text."""
    number = int(text)
    if not 0 <= number < _PORTS:
        raise ValueError
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="intake sandbox",
        description="Serve the simulated systems until Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=0, help="0 (the default): any free one; it is printed")
    parser.add_argument("--certificate", type=Path, help="PEM file with a key and a certificate, for TLS")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="systems, with commas (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the orders (default: %(default)s)")
    parser.add_argument("--journal", type=Path, help="file or folder for a JSON line per request and effect")
    parser.add_argument("--salt", default="", help="salt of the digests in the journal; the same in one run")
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="SYSTEM:NAME[:KEY=VALUE...]",
        help="an account (default: 'main' of each system)",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="SYSTEM:OP:KIND[:KEY=VALUE...]", help="calls that fail, and how"
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="SYSTEM=[CALLS/]SECONDS",
        help="rate limit of a system; SYSTEM=off: none",
    )
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process is no longer the parent")
    return parser.parse_args()


async def _build(options: argparse.Namespace) -> World:
    names = [name for name in options.systems.split(",") if name]
    world = World(names, options.seed, Journal(options.journal, options.salt))
    for text in options.limit:
        world.read_limit(text)
    for text in options.fault:
        world.faults.add(Fault.parse(text))
    named = {text.partition(":")[0] for text in options.account}
    for text in [*options.account, *(f"{name}:main" for name in names if name not in named)]:
        await world.open_account(text)
    return world


async def _serve(options: argparse.Namespace, world: World) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = web.Server(Server(world).handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    tls = None
    if options.certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            tls.load_cert_chain(options.certificate)
        except OSError as error:
            await runner.cleanup()
            reason = (error.strerror or "it is not a PEM file with a key and a certificate").lower()
            sys.exit(f"Error: --certificate {options.certificate}: {reason}")
    site = web.TCPSite(runner, options.host, options.port, backlog=1024, ssl_context=tls)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        reason = os.strerror(error.errno or 0).lower()
        sys.exit(f"Error: {options.host}:{options.port}: {reason}. Next: name another --port")
    # The orders made so far live as long as the process. A garbage collection over them would take long enough to make
    # two evenly spaced calls look like a burst.
    gc.collect()
    gc.freeze()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)  # noqa: T201  # the only output of this process
    while not stop.is_set():
        if options.parent is not None and os.getppid() != options.parent:
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PARENT_CHECK_EVERY)
    await runner.cleanup()


async def _main(options: argparse.Namespace) -> None:
    try:
        world = await _build(options)
    except (ValueError, KeyError) as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        sys.exit(f"Error: --journal {options.journal}: {(error.strerror or '').lower()}")
    await _serve(options, world)


if __name__ == "__main__":
    asyncio.run(_main(_arguments()))
