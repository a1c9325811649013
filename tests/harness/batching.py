"""A LiveKit server's habit that a second Convo does not have: of who publishes nothing it tells others seconds later.

The door to such a server: all that comes goes on to it, but updates of participants wait.
"""

import asyncio
import contextlib
from functools import partial

import aiohttp
from aiohttp import web
from livekit.protocol.rtc import SignalResponse

# As LiveKit 1.13 has it.
SECONDS = 3


@contextlib.asynccontextmanager
async def batching(server):
    """The WebSocket URL of the door to `server`, an `http` URL."""
    async with aiohttp.ClientSession(server, auto_decompress=False) as session:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", partial(_pass, session))
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"ws://{host}:{port}"
        finally:
            await runner.cleanup()


async def _pass(session, request):
    headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _socket(session, request, headers)
    body = await request.read()
    async with session.request(request.method, request.path_qs, data=body, headers=headers) as answer:
        return web.Response(
            status=answer.status, body=await answer.read(), headers={"Content-Type": answer.content_type}
        )


async def _socket(session, request, headers):
    client = web.WebSocketResponse()
    await client.prepare(request)
    headers.pop("Content-Type", None)
    async with session.ws_connect(request.path_qs, headers=headers) as server:
        up = asyncio.create_task(_pump(client, server))
        down = asyncio.create_task(_pump(server, _Late(client)))
        await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
        for task in (up, down):
            task.cancel()
    await client.close()
    return client


async def _pump(source, sink):
    async for message in source:
        if message.type == aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)


class _Late:
    """Sends updates of participants later, the rest at once."""

    def __init__(self, socket):
        self.socket = socket
        self.tasks = set()

    async def send_bytes(self, data):
        if SignalResponse.FromString(data).WhichOneof("message") == "update":
            self.tasks.add(asyncio.create_task(self._later(data)))
        else:
            await self.socket.send_bytes(data)

    async def _later(self, data):
        await asyncio.sleep(SECONDS)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.socket.send_bytes(data)
