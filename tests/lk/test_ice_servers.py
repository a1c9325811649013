"""STUN and TURN servers: what a join's answer (`webrtc_config.iceServers`) and LiveKit's own JoinResponse tell clients."""

import base64
import hashlib
import hmac
import time

import pytest
from livekit.protocol import rtc as proto
from websockets.asyncio.client import connect

from harness.livekit import join

pytestmark = pytest.mark.one_store

SECRET = "north"
EXTERNAL = {"TURN_URL": "turns:turn.example:5349?transport=tcp", "TURN_SECRET": SECRET}
A_DAY = 24 * 3600


async def told(world):
    """By the platform and by LiveKit's signalling, to the same participant; and their identity."""
    ann = await world.person("Ann")
    joined = await join(ann, await ann.via("platform").create_room())
    url = f"{world.server.ws_url}/rtc?protocol=17&access_token={joined['meeting_token']}"
    async with connect(url, proxy=None) as socket:
        entered = proto.SignalResponse.FromString(await socket.recv()).join
    by_livekit = [(list(one.urls), one.username, one.credential) for one in entered.ice_servers]
    # A text or a list of them: RTCIceServer takes both.
    by_platform = [
        ([one["urls"]], one.get("username") or "", one.get("credential") or "")
        for one in joined["webrtc_config"]["iceServers"]
    ]
    return by_platform, by_livekit, joined["identity"]


def holds(username, identity):
    """`<end>:<identity>`, and the end is a meeting's time away."""
    end, _, name = username.partition(":")
    return name == identity and time.time() + A_DAY - 60 <= int(end) <= time.time() + A_DAY + 5


async def test_an_external_server_with_coturns_credentials(serve_media):
    # Though there would be one of our own.
    world = await serve_media(CONVO_TURN="0", **EXTERNAL)
    *both, identity = await told(world)
    for servers in both:
        assert [urls for urls, *_ in servers] == [["stun:turn.example:5349"], [EXTERNAL["TURN_URL"]]]
        assert servers[0][1:] == ("", ""), "who only asks for its address needs none"
        _, username, credential = servers[1]
        assert holds(username, identity)
        expected = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
        assert credential == base64.b64encode(expected).decode()


async def test_the_embedded_server(serve_media):
    world = await serve_media(CONVO_TURN="0")
    *both, identity = await told(world)
    for servers in both:
        names = [urls[0].split(":") for urls, *_ in servers]
        assert {(scheme, host) for scheme, host, _ in names} == {("stun", "127.0.0.1"), ("turn", "127.0.0.1")}
        turns = [server for server in servers if server[0][0].startswith("turn:")]
        assert {urls[0].partition("?")[2] for urls, *_ in turns} == {"transport=udp", "transport=tcp"}
        assert all(holds(username, identity) and credential for _, username, credential in turns)
        assert all(int(port.partition("?")[0]) > 0 for _, _, port in names)
    assert [urls for urls, *_ in both[0]] == [urls for urls, *_ in both[1]]


async def test_none(serve_media):
    world = await serve_media()
    by_platform, by_livekit, _ = await told(world)
    assert by_platform == by_livekit == []
