"""Clients that others wrote: socket.io-client and a browser-standard WebSocket in Node, python-socketio here."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from harness.events import SocketIo
from harness.shape import assert_like

NODE = Path(__file__).resolve().parents[1] / "node"


async def node(script, **scene):
    """Runs a Node script with a scene as JSON; it exits 0 when its assertions hold."""
    assert shutil.which("node"), "Node is not installed"
    process = await asyncio.create_subprocess_exec(
        "node",
        str(NODE / script),
        json.dumps(scene),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        raise AssertionError(f"{script} hangs:\n{output.decode()}") from None
    assert process.returncode == 0, output.decode()


@pytest.fixture
async def scene(world):
    # One of the scripts logs Ann out.
    ann, ben = await world.person("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    return {
        "url": world.server.url,
        "wsUrl": world.server.ws_url,
        "room": room.id,
        "ann": {"id": ann.id, "name": ann.name, "token": ann.token},
        "ben": {"id": ben.id, "name": ben.name, "token": ben.token},
    }


@pytest.mark.parametrize("namespace", ["", "/socket.io"])
@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="-".join)
async def test_socket_io_client(scene, namespace, transports):
    await node("socketio.mjs", **scene, namespace=namespace, transports=transports)


@pytest.mark.parametrize("namespace", ["", "/socket.io"])
async def test_socket_io_connection_state_recovery(scene, namespace):
    await node("recovery.mjs", **scene, namespace=namespace)


async def test_socket_io_refusals(scene):
    await node("refusals.mjs", **scene)


async def test_a_browsers_websocket(scene):
    await node("websocket.mjs", **scene)


async def test_engine_io_packets_to_the_letter(scene):
    await node("engineio.mjs", **scene)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="-".join)
async def test_python_socketio(world, transports):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    anns, bens = [await SocketIo.open(world.server.url, p.token, p.name, transports=transports) for p in (ann, ben)]
    world.opened += [anns, bens]
    for socket in (anns, bens):
        assert_like(await socket.call("joinRoom", {"chatroomId": room.id}), {"ok": True})
    for number in range(20):
        await anns.emit("chatroomMessage", {"chatroomId": room.id, "message": f"message {number}"})
    await bens.expect_event("newMessage", message="message 19")
    assert [data["message"] for data in bens.of_type("newMessage")] == [f"message {number}" for number in range(20)]
