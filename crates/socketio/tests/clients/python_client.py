"""python-socketio against the server at argv[1]: no argument too many, whatever the transport."""

import asyncio
import sys

import socketio

URL = sys.argv[1]


async def asynchronous(transports):
    client = socketio.AsyncClient()
    said = asyncio.Queue()

    # Exactly the documented arguments: one more raises a TypeError in here, and nothing arrives.
    @client.event
    async def said_handler(message):
        await said.put(message)

    client.on("said", said_handler)
    client.on("question", lambda text: text.upper())
    answered = asyncio.Queue()
    client.on("answered", answered.put)

    await client.connect(URL, transports=transports, auth={"token": "123"})
    assert client.transport() == transports[-1], client.transport()
    assert await client.call("join") == {"ok": True}
    for n in range(50):
        await client.emit("say", f"{transports} {n}")
    for n in range(50):
        message = await asyncio.wait_for(said.get(), 5)
        assert message["text"] == f"{transports} {n}", message
    assert await client.call("message-with-ack", b"\x00\xff") == b"\x00\xff"
    await client.emit("ask", "why")
    assert (await asyncio.wait_for(answered.get(), 5))["args"] == ["WHY"]
    await client.disconnect()


async def namespaces():
    client = socketio.AsyncClient()
    back = asyncio.Queue()
    client.on("message-back", back.put, namespace="/socket.io")
    await client.connect(URL, namespaces=["/socket.io"])
    await client.emit("message", {"a": 1}, namespace="/socket.io")
    assert await asyncio.wait_for(back.get(), 5) == {"a": 1}
    await client.disconnect()


async def refused():
    client = socketio.AsyncClient()
    try:
        await client.connect(URL, auth={"token": "bad"}, retry=False)
    except socketio.exceptions.ConnectionError:
        return
    raise AssertionError("a bad token was let in")


def blocking(transports):
    with socketio.SimpleClient() as client:
        client.connect(URL, transports=transports)
        assert client.receive(timeout=5) == ["auth", {}]
        client.emit("message", "hello")
        assert client.receive(timeout=5) == ["message-back", "hello"]
        assert client.call("message-with-ack", 1, timeout=5) == 1


async def main():
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]):
        await asynchronous(transports)
    await namespaces()
    await refused()


asyncio.run(main())
for transports in (["websocket"], ["polling"]):
    blocking(transports)
print("ok")
