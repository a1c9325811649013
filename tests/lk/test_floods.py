"""What one client does to the signalling must not be felt by the others (OWASP ASVS 5.0, V17.3)."""

import asyncio
import re
import time

import pytest
import websockets
from livekit.protocol import rtc as proto
from websockets.asyncio.client import connect

pytestmark = pytest.mark.one_store

SECONDS = 15


async def enter(world, token):
    """A signalling connection that was let in."""
    socket = await connect(f"{world.server.ws_url}/rtc?protocol=17&access_token={token}", proxy=None)
    async with asyncio.timeout(SECONDS):
        assert proto.SignalResponse.FromString(await socket.recv()).HasField("join")
    return socket


async def hear(socket, kind):
    async with asyncio.timeout(SECONDS):
        while True:
            said = proto.SignalResponse.FromString(await socket.recv())
            if said.HasField(kind):
                return getattr(said, kind)


async def ping(socket, number):
    """How long the answer takes."""
    began = time.monotonic()
    await socket.send(proto.SignalRequest(ping=number).SerializeToString())
    while await hear(socket, "pong") < 0:
        pass
    return time.monotonic() - began


async def test_a_flood_of_requests_is_read_slowly_and_others_go_on(world, token):
    flooder, other = await enter(world, token("ann", "hall")), await enter(world, token("bob", "hall"))
    pings = 5_000
    answered = 0

    async def flood():
        for number in range(pings):
            await flooder.send(proto.SignalRequest(ping=number + 1).SerializeToString())

    async def count():
        nonlocal answered
        while True:
            await hear(flooder, "pong")
            answered += 1

    tasks = [asyncio.create_task(flood()), asyncio.create_task(count())]
    began = time.monotonic()
    worst = max([await ping(other, number) for number in range(1, 101)])
    newcomer = await enter(world, token("cid", "hall"))
    passed = time.monotonic() - began
    # A burst of 500, then 100 a second: the rest waits where the sender must wait too.
    assert answered <= 500 + 100 * (passed + 1)
    assert answered < pings and worst < 5
    assert await ping(newcomer, 1) < 5
    for task in tasks:
        task.cancel()
    for socket in (flooder, other, newcomer):
        await socket.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff" * 64,
        b"\x0a\xff\xff\xff\xff\x0f",
        "{",
        '{"offer": 1}',
        b"\x00" * (3 << 20),
    ],
    ids=["noise", "a length of 4 GiB", "half of JSON", "JSON of another type", "3 MiB"],
)
async def test_what_cannot_be_read_ends_its_own_connection_alone(world, token, frame):
    bad, other = await enter(world, token("ann", "hall")), await enter(world, token("bob", "hall"))
    with pytest.raises(websockets.ConnectionClosed):
        await bad.send(frame)
        async with asyncio.timeout(SECONDS):
            while True:
                await bad.recv()
    assert await ping(other, 1) < 5
    await other.close()


async def test_what_is_readable_and_wrong_is_survived(world, token):
    other = await enter(world, token("bob", "hall"))
    for request in (
        proto.SignalRequest(offer=proto.SessionDescription(type="offer", sdp="v=0\r\nnot at all", id=2**32 - 1)),
        proto.SignalRequest(offer=proto.SessionDescription(type="offer", sdp="a=" * 100_000)),
        proto.SignalRequest(answer=proto.SessionDescription(type="answer", sdp="")),
        proto.SignalRequest(trickle=proto.TrickleRequest(candidateInit='{"candidate": "candidate:x"}')),
        proto.SignalRequest(trickle=proto.TrickleRequest(candidateInit="nonsense", target=99)),
        proto.SignalRequest(mute=proto.MuteTrackRequest(sid="TR_nobody", muted=True)),
        proto.SignalRequest(subscription=proto.UpdateSubscription(track_sids=["x" * 1_000] * 100, subscribe=True)),
        proto.SignalRequest(track_setting=proto.UpdateTrackSettings(width=2**32 - 1, height=2**32 - 1, fps=2**32 - 1)),
    ):
        wrong = await enter(world, token("ann", "hall"))
        await wrong.send(request.SerializeToString())
        assert await ping(other, 1) < 10
        await wrong.close()
    await other.close()
    assert "panicked" not in world.server.log()


async def fingerprint(world, token):
    """Of the DTLS certificate, as the server's own offer names it."""
    socket = await enter(world, token)
    offer = await hear(socket, "offer")
    await socket.close()
    return re.search(r"a=fingerprint:sha-256 (\S+)", offer.sdp).group(1)


async def test_the_dtls_key_lives_in_memory_alone(world, token):
    first = await fingerprint(world, token("ann", "hall"))
    assert await fingerprint(world, token("bob", "cellar")) == first
    kept = {path.name: path.read_bytes() for path in world.server.data.rglob("*") if path.is_file()}
    assert kept and not any(b"PRIVATE KEY" in data for data in kept.values())
    assert await world.server.stop() == 0
    await world.server.start()
    assert await fingerprint(world, token("ann", "hall")) != first, "every start has a key of its own"
