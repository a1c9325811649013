"""Habits of a LiveKit server that a second Convo does not have: of who publishes nothing it tells others seconds later, a
token that it cannot check is refused in plain text, and one with many rooms takes long to list them."""

import asyncio
import contextlib

import aiohttp
from aiohttp import web
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, SignalResponse


class Door:
    """The door to such a server: all that comes goes on to it, but its updates of participants come late.

    Used with `async with`; `server` (an `http` URL) may be set later, and away for a while: `refused` says what was asked for
    without it. What `unanswered` names is never answered; who comes waits `entry` seconds. `sockets` counts who came.
    """

    def __init__(self, server=None, seconds=3, unanswered=None, entry=0):
        self.server = server
        self.seconds = seconds
        self.unanswered = unanswered
        self.entry = entry
        self.clients = []
        self.deaf = 0
        self.url = None
        self.refused = []
        self.closed = asyncio.Event()

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self.runner = web.AppRunner(app, shutdown_timeout=0)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}"
        return self

    async def __aexit__(self, *_):
        self.closed.set()
        await self.session.close()
        await self.runner.cleanup()

    @property
    def sockets(self):
        return len(self.clients)

    def deafen(self):
        """Those who are here hear nothing more."""
        self.deaf = self.sockets

    async def dismiss(self):
        """Those who are here hear that the room was closed, as it was empty."""
        leave = LeaveRequest(reason=DisconnectReason.ROOM_CLOSED, action=LeaveRequest.Action.DISCONNECT)
        for client in self.clients:
            await client.send_bytes(SignalResponse(leave=leave).SerializeToString())
            await client.close()

    async def _pass(self, request):
        if self.server is None:
            self.refused.append(request.path.rpartition("/")[2])
            return web.Response(status=503)
        if self.unanswered and request.path.endswith(f"/{self.unanswered}"):
            await self.closed.wait()
        url = self.server + request.path_qs
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, url, headers)
        body = await request.read()
        async with self.session.request(request.method, url, data=body, headers=headers) as answer:
            if answer.status == 401:
                return web.Response(status=401, text="invalid token")
            return web.Response(status=answer.status, body=await answer.read())

    async def _socket(self, request, url, headers):
        client = web.WebSocketResponse()
        self.clients.append(client)
        number = self.sockets
        await client.prepare(request)
        await asyncio.sleep(self.entry)
        async with self.session.ws_connect(url, headers=headers) as server, asyncio.TaskGroup() as tasks:

            async def late(data):
                await asyncio.sleep(self.seconds)
                with contextlib.suppress(ConnectionError):
                    await client.send_bytes(data)

            async def down():
                waiting = []
                async for message in server:
                    if number <= self.deaf:
                        continue
                    if SignalResponse.FromString(message.data).WhichOneof("message") == "update":
                        waiting.append(tasks.create_task(late(message.data)))
                    else:
                        await client.send_bytes(message.data)
                for task in waiting:
                    task.cancel()
                await client.close()

            async def up():
                async for message in client:
                    await server.send_bytes(message.data)
                await server.close()

            tasks.create_task(down())
            tasks.create_task(up())
        return client
