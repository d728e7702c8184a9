"""A server that returns recorded responses immediately.

`python -m bench.programs.replay FILE`, where FILE is JSON {"GET /path": body}, prints its port. Query strings are
ignored.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.programs.target import Server, response


class Recording:
    """The recorded responses."""

    def __init__(self, file: Path) -> None:
        recorded = json.loads(file.read_text(encoding="utf-8"))
        self.responses = {request.encode(): response(body.encode()) for request, body in recorded.items()}

    def reply(self, request: bytes) -> bytes:
        """Return the response to a request."""
        method, path, _ = request.split(b" ", 2)
        recorded = self.responses.get(method + b" " + path.partition(b"?")[0])
        return recorded or response(b"{}", b"404 Not Found")


async def serve(file: Path) -> None:
    """Serve until killed."""
    recording = Recording(file)
    server = await asyncio.get_running_loop().create_server(lambda: Server(recording.reply), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
