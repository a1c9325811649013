"""Live connections: each collects every event it hears, and tests wait on events, never on time."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import socketio
import websockets
from websockets.asyncio.client import ClientConnection, connect

from harness import record

WITHIN = 30
Predicate = Callable[[Any], bool]


class Events:
    """What a connection has heard so far, in order."""

    def __init__(self, name: str):
        self.name = name
        self.seen: list[Any] = []
        self.close_code: int | None = None
        self._changed = asyncio.Event()

    def heard(self, event: Any) -> None:
        self.seen.append(event)
        self._changed.set()

    def ended(self, code: int) -> None:
        self.close_code = code
        self._changed.set()

    async def until(self, holds: Callable[[], Any], within: float = WITHIN, what: str = "what was expected") -> Any:
        """Waits until `holds()` is something: not None, False or empty."""
        try:
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    result = holds()
                    if result:
                        return result
                    await self._changed.wait()
        except TimeoutError:
            last = "\n  ".join(repr(event)[:300] for event in self.seen[-12:])
            raise AssertionError(
                f"{self.name} did not hear {what} within {within} s (closed: {self.close_code}); last heard:\n  {last}"
            ) from None

    async def expect(self, predicate: Predicate, within: float = WITHIN, what: str = "the event") -> Any:
        """The first event, already heard or still to come, that satisfies `predicate`."""
        return await self.until(lambda: next(filter(predicate, self.seen), None), within, what)

    async def closed(self, within: float = WITHIN) -> int:
        """The close code of a connection that the server ends."""
        return await self.until(lambda: self.close_code, within, "the end of the connection")


class WebSocket(Events):
    """A plain WebSocket with JSON frames; `{"type", "data"}` for the APIs that use this envelope."""

    def __init__(self, name: str, connection: ClientConnection):
        super().__init__(name)
        self.connection = connection
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, name: str = "", headers: dict[str, str] | None = None, **options: Any) -> "WebSocket":
        options.setdefault("max_size", None)
        connection = await connect(url, additional_headers=headers, proxy=None, ping_interval=None, **options)
        record.note_socket("/" + url.split("://", 1)[1].split("/", 1)[1].split("?")[0])
        return cls(name or url.split("?")[0], connection)

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                self.heard(json.loads(frame))
        except websockets.ConnectionClosed:
            pass
        self.ended(self.connection.close_code or 1006)

    async def send(self, type_: str, **data: Any) -> None:
        await self.send_json({"type": type_, "data": data})

    async def send_json(self, frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def expect_type(self, type_: str, within: float = WITHIN, **data: Any) -> dict[str, Any]:
        """The data of the first event of this type that has these fields."""

        def fits(event: Any) -> bool:
            if not isinstance(event, dict) or event.get("type") != type_:
                return False
            return all(event.get("data", {}).get(key) == value for key, value in data.items())

        return (await self.expect(fits, within, f"{type_} {data or ''}"))["data"]

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.seen if event.get("type") == type_]

    async def settled(self) -> "WebSocket":
        """Everything sent before has been taken up: the server answers a connection's frames in order."""

        def pongs() -> int:
            return sum(event.get("type") == "pong" for event in self.seen)

        before = pongs()
        await self.send("ping")
        await self.until(lambda: pongs() > before, what="pong")
        return self

    async def close(self) -> None:
        await self.connection.close()
        await self._reader


class SocketIo(Events):
    """A Socket.IO connection by the python-socketio client. An event is heard as `(name, data)`."""

    def __init__(self, name: str, namespace: str):
        super().__init__(name)
        self.namespace = namespace
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._event, namespace=namespace)
        self.client.on("disconnect", self._disconnect, namespace=namespace)
        self.client.on("connect_error", lambda data: self.heard(("connect_error", data)), namespace=namespace)

    @classmethod
    async def open(
        cls,
        url: str,
        token: str | None,
        name: str = "",
        namespace: str = "/",
        transports: list[str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> "SocketIo":
        """Raises `socketio.exceptions.ConnectionError` where the server says `connect_error`."""
        self = cls(name, namespace)
        auth = {"token": token} if token is not None else None
        await self.client.connect(
            url,
            auth=auth,
            namespaces=[namespace],
            transports=transports or ["websocket"],
            headers=headers or {},
            wait_timeout=10,
        )
        record.note_socket("/socket.io/")
        return self

    def _event(self, event: str, *data: Any) -> None:
        self.heard((event, data[0] if len(data) == 1 else list(data)))

    def _disconnect(self, *_reason: Any) -> None:
        self.ended(1000)

    async def emit(self, event: str, data: Any) -> None:
        await self.client.emit(event, data, namespace=self.namespace)

    async def call(self, event: str, data: Any) -> Any:
        """Emits and waits for the acknowledgement."""
        return await self.client.call(event, data, namespace=self.namespace, timeout=WITHIN)

    async def expect_event(self, name: str, within: float = WITHIN, **fields: Any) -> Any:
        def fits(event: Any) -> bool:
            return event[0] == name and all(event[1].get(key) == value for key, value in fields.items())

        return (await self.expect(fits, within, f"{name} {fields or ''}"))[1]

    def of_type(self, name: str) -> list[Any]:
        return [data for event, data in self.seen if event == name]

    async def close(self) -> None:
        await self.client.disconnect()
        # The client's HTTP session is closed with its last task.
        if self.client.eio.http and not self.client.eio.http.closed:
            await self.client.eio.http.close()
