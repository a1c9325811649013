"""What a client goes through and its meeting does not notice: a broken signalling connection, another room, a server that
goes down and comes again. The client is PyPI livekit."""

import asyncio
import base64
import contextlib

import pytest
import websockets
from livekit import api, rtc
from livekit.protocol import rtc as signalling
from websockets.asyncio.client import connect as open_socket

from harness.livekit import Client, join, participants, until

pytestmark = pytest.mark.one_store


class Proxy:
    """A TCP connection's way to the server, which can be cut. Media does not go through it."""

    def __init__(self, world):
        self.host, port = world.server.address.split(":")
        self.port = int(port)
        self.writers = set()

    async def __aenter__(self):
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        self.cut()

    async def serve(self, reader, writer):
        ahead, onwards = await asyncio.open_connection(self.host, self.port)
        self.writers |= {writer, onwards}
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self.carry(reader, onwards), self.carry(ahead, writer))
        self.writers -= {writer, onwards}

    async def carry(self, reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    def cut(self):
        for writer in self.writers:
            writer.transport.abort()


@pytest.fixture
async def client():
    clients = []

    def make():
        clients.append(Client())
        clients[-1].told = []
        for name in ("reconnecting", "reconnected", "moved"):
            clients[-1].room.on(name, lambda *_, name=name, told=clients[-1].told: told.append(name))
        return clients[-1]

    yield make
    for each in clients:
        with contextlib.suppress(Exception):
            await each.room.disconnect()


async def test_a_client_that_resumes_is_the_same_participant(world, client):
    ann, bob = await world.person("Ann"), await world.person("Bob")
    room = await ann.via("platform").create_room()
    hers = await client().connect(world.server.ws_url, (await join(ann, room))["meeting_token"])
    live = await ann.via("platform").live(room)
    async with Proxy(world) as proxy:
        his = await client().connect(proxy.url, (await join(bob, room))["meeting_token"])
        await live.events.expect_type("participant_joined", display_name="Bob")
        before = hers.room.remote_participants[his.room.local_participant.identity].sid
        await ann.via("platform").post(room, "before")
        proxy.cut()
        await ann.via("platform").post(room, "meanwhile")
        await his.until(lambda: "reconnected" in his.told)
        await ann.via("platform").post(room, "after")
        await his.until(lambda: his.chats and his.chats[-1][1] == "after")
        assert [text for _, text, _ in his.chats] == ["before", "meanwhile", "after"]
        await his.room.local_participant.send_text("by the one who resumed", topic="lk.chat")
        assert (await live.expect_post("by the one who resumed")).author == bob.id
        assert hers.room.remote_participants[his.room.local_participant.identity].sid == before
        assert not live.events.of_type("participant_left")
        # The bridge still knows him: he is removed by it.
        joined = next(p for p in await participants(ann, room) if p["display_name"] == "Bob")
        await ann.post(f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/remove")
        await his.until(lambda: his.reason is not None)


@pytest.mark.parametrize("door", ["/rtc", "/rtc/v1"])
async def test_a_resume_that_is_refused_does_not_hide_its_participant(world, client, door):
    """Whoever asks to resume a session that is not there is still to be muted, heard and removed where they are."""
    ann, bob = await world.person("Ann"), await world.person("Bob")
    room = await ann.via("platform").create_room()
    await join(ann, room)
    joined = await join(bob, room)
    his = await client().connect(world.server.ws_url, joined["meeting_token"])
    query = f"access_token={joined['meeting_token']}&reconnect=1&sid=PA_nobody&protocol=17"
    if door == "/rtc/v1":
        request = signalling.JoinRequest(reconnect=True, participant_sid="PA_nobody")
        wrapped = signalling.WrappedJoinRequest(join_request=request.SerializeToString())
        encoded = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
        query = f"access_token={joined['meeting_token']}&join_request={encoded}"
    for _ in range(2):
        async with open_socket(f"{world.server.ws_url}{door}?{query}", proxy=None) as socket:
            said = signalling.SignalResponse.FromString(await asyncio.wait_for(socket.recv(), 15))
            assert said.leave.action == signalling.LeaveRequest.Action.RECONNECT
            with contextlib.suppress(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 15)
    await ann.via("platform").post(room, "to all who are here")
    await his.until(lambda: his.chats)
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/remove")
    await his.until(lambda: his.reason is not None)
    assert his.reason == rtc.DisconnectReason.PARTICIPANT_REMOVED


async def test_who_is_removed_in_a_tunnel_does_not_come_back(world, client):
    ann, bob = await world.person("Ann"), await world.person("Bob")
    room = await ann.via("platform").create_room()
    await join(ann, room)
    joined = await join(bob, room)
    async with Proxy(world) as proxy:
        his = await client().connect(proxy.url, joined["meeting_token"])
        await until(lambda: participants(ann, room), lambda people: len(people) == 2)
        proxy.listener.close()
        proxy.cut()
        await his.until(lambda: "reconnecting" in his.told)
        await ann.post(f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/remove")
    refused = await world.http.get("/rtc/validate", params={"access_token": joined["meeting_token"]})
    assert refused.status_code == 403


async def test_a_server_that_stops_asks_to_come_again(world, token):
    url = f"{world.server.ws_url}/rtc?protocol=17&access_token={token('ann', 'room')}"
    async with open_socket(url, proxy=None) as socket:
        assert signalling.SignalResponse.FromString(await socket.recv()).HasField("join")
        world.server.terminate()
        leave = None
        async with asyncio.timeout(15):
            while leave is None:
                said = signalling.SignalResponse.FromString(await socket.recv())
                leave = said.leave if said.HasField("leave") else None
    assert (leave.action, leave.can_reconnect) == (signalling.LeaveRequest.Action.RECONNECT, True)
    assert await world.server.exited() == 0


async def test_clients_come_again_after_a_restart(world, client):
    ann = await world.person("Ann")
    room = await ann.via("platform").create_room()
    hers = await client().connect(world.server.ws_url, (await join(ann, room))["meeting_token"])
    assert await world.server.stop() == 0
    await world.server.start()
    await hers.until(lambda: "reconnected" in hers.told, 30)
    await ann.via("platform").post(room, "welcome back")
    await hers.until(lambda: hers.chats and hers.chats[-1][1] == "welcome back")


async def test_a_participant_is_moved_to_another_room(world, lk, token, client):
    mover = await client().connect(world.server.ws_url, token("ann", "hall", can_update_own_metadata=True))
    await lk.room.move_participant(api.MoveParticipantRequest(room="hall", identity="ann", destination_room="cellar"))

    async def there():
        with contextlib.suppress(api.TwirpError):
            return await lk.room.get_participant(api.RoomParticipantIdentity(room="cellar", identity="ann"))

    seen = await until(there, lambda seen: seen is not None)
    assert seen.permission.can_publish and seen.permission.can_update_metadata
    with pytest.raises(api.TwirpError) as gone:
        await lk.room.get_participant(api.RoomParticipantIdentity(room="hall", identity="ann"))
    assert gone.value.code == "not_found"
    assert mover.reason is None


@pytest.mark.parametrize("verb", ["move", "forward"])
async def test_nobody_is_brought_into_a_meeting_they_were_removed_from(world, lk, token, client, verb):
    ann = await world.person("Ann")
    room = await ann.via("platform").create_room()
    await join(ann, room)
    robot = await client().connect(world.server.ws_url, token("robot", room.code))
    people = await until(lambda: participants(ann, room), lambda people: len(people) == 2)
    seen = next(person for person in people if person["display_name"] == "robot")
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{seen['participant_id']}/remove")
    await robot.until(lambda: robot.reason is not None)
    await client().connect(world.server.ws_url, token("robot", "hall"))
    ways = {
        "move": (lk.room.move_participant, api.MoveParticipantRequest),
        "forward": (lk.room.forward_participant, api.ForwardParticipantRequest),
    }
    bring, request = ways[verb]
    with pytest.raises(api.TwirpError) as refused:
        await bring(request(room="hall", identity="robot", destination_room=room.code))
    assert refused.value.code == "failed_precondition"
