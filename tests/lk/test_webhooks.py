"""Webhooks: signed, in order, tried again, and not lost by a restart."""

import asyncio
import contextlib

import pytest
from aiohttp import web
from livekit import api
from livekit.protocol import models
from livekit.protocol import rtc as proto
from websockets.asyncio.client import connect

from harness.media import Python
from harness.process import convo

SECONDS = 20


class Receiver:
    """Takes webhooks, as an application would; refuses while `refusing`."""

    def __init__(self, key, secret):
        self.verifier = api.WebhookReceiver(api.TokenVerifier(key, secret))
        self.taken, self.refused, self.refusing = [], 0, False
        self.told = {}
        self.changed = asyncio.Condition()

    async def start(self):
        app = web.Application()
        app.router.add_post("/hook", self.take)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def take(self, request):
        assert request.headers["Content-Type"] == "application/webhook+json"
        event = self.verifier.receive(await request.text(), request.headers["Authorization"])
        async with self.changed:
            if self.refusing:
                self.refused += 1
            else:
                self.taken.append(event)
            self.changed.notify_all()
        return web.Response(status=503 if self.refusing else 200)

    async def until(self, condition):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(condition), SECONDS)

    def names(self, room):
        return [event.event for event in self.taken if event.room.name == room]

    async def next(self, room, *names):
        """Waits until the room's next events are these."""
        told = self.told.get(room, 0)
        await self.until(lambda: len(self.names(room)) >= told + len(names))
        self.told[room] = told + len(names)
        events = [event for event in self.taken if event.room.name == room][told:]
        assert [event.event for event in events] == list(names)
        return events


@pytest.fixture
async def receiver(key):
    receiver = await Receiver(*key).start()
    yield receiver
    await receiver.runner.cleanup()


async def make_and_delete(world, new_lk, *rooms):
    async with contextlib.aclosing(new_lk(world)) as lk:
        for room in rooms:
            await lk.room.create_room(api.CreateRoomRequest(name=room))
        for room in rooms:
            await lk.room.delete_room(api.DeleteRoomRequest(room=room))


async def test_rooms_begin_and_end(serve_media, new_lk, receiver):
    world = await serve_media(CONVO_WEBHOOK_URLS=receiver.url)
    await make_and_delete(world, new_lk, "one", "two")
    await receiver.until(lambda: len(receiver.taken) == 4)
    for room in ("one", "two"):
        assert receiver.names(room) == ["room_started", "room_finished"]
    assert len({event.id for event in receiver.taken}) == 4
    assert all(event.id.startswith("EV_") and event.created_at for event in receiver.taken)


@contextlib.asynccontextmanager
async def present(world, token, name):
    person = Python(name)
    await person.connect(url=world.server.ws_url, token=token(name, "hall"))
    yield person
    await person.close()


async def test_people_and_tracks(serve_media, new_lk, receiver, token):
    world = await serve_media(CONVO_WEBHOOK_URLS=receiver.url)
    states = models.ParticipantInfo.State
    async with present(world, token, "ann") as ann:
        started, joined = await receiver.next("hall", "room_started", "participant_joined")
        assert (joined.participant.identity, joined.participant.sid) == ("ann", await ann.sid())
        assert joined.participant.state == states.ACTIVE
        assert joined.room.sid == started.room.sid and not joined.HasField("track")
        assert not started.HasField("participant")

        sid = await ann.publish_tone(hz=440)
        [published] = await receiver.next("hall", "track_published")
        assert (published.track.sid, published.track.type) == (sid, models.TrackType.AUDIO)
        assert published.track.source == models.TrackSource.MICROPHONE
        assert (published.participant.identity, published.participant.sid) == ("ann", joined.participant.sid)

        await ann.unpublish(sid=sid)
        [unpublished] = await receiver.next("hall", "track_unpublished")
        assert (unpublished.track.sid, unpublished.participant.identity) == (sid, "ann")

        async with present(world, token, "bob") as bob:
            [joined] = await receiver.next("hall", "participant_joined")
            assert joined.participant.identity == "bob"
            sid = await bob.publish_tone(hz=880)
            await receiver.next("hall", "track_published")
            async with contextlib.aclosing(new_lk(world)) as lk:
                await lk.room.remove_participant(api.RoomParticipantIdentity(room="hall", identity="bob"))
            unpublished, left = await receiver.next("hall", "track_unpublished", "participant_left")
            assert (unpublished.track.sid, unpublished.participant.identity) == (sid, "bob")
            assert (left.participant.identity, left.participant.sid) == ("bob", joined.participant.sid)
            assert left.participant.disconnect_reason == models.DisconnectReason.PARTICIPANT_REMOVED
            assert left.participant.state == states.DISCONNECTED

    [left] = await receiver.next("hall", "participant_left")
    assert left.participant.identity == "ann"
    assert left.participant.disconnect_reason == models.DisconnectReason.CLIENT_INITIATED


async def test_who_never_had_media_and_who_was_there_at_the_end(serve_media, new_lk, receiver, token):
    world = await serve_media(CONVO_WEBHOOK_URLS=receiver.url)
    async with connect(f"{world.server.ws_url}/rtc?protocol=17&access_token={token('cid', 'hall')}", proxy=None) as cid:
        assert proto.SignalResponse.FromString(await cid.recv()).HasField("join")
        leave = proto.SignalRequest(leave=proto.LeaveRequest(reason=models.CLIENT_INITIATED))
        await cid.send(leave.SerializeToString())
        _, aborted = await receiver.next("hall", "room_started", "participant_connection_aborted")
        assert aborted.participant.identity == "cid"
    async with present(world, token, "ann") as ann:
        await receiver.next("hall", "participant_joined")
        await ann.publish_tone(hz=440)
        await receiver.next("hall", "track_published")
        async with contextlib.aclosing(new_lk(world)) as lk:
            await lk.room.delete_room(api.DeleteRoomRequest(room="hall"))
        _, left, _ = await receiver.next("hall", "track_unpublished", "participant_left", "room_finished")
        assert left.participant.disconnect_reason == models.DisconnectReason.ROOM_DELETED


async def test_what_is_refused_is_sent_again_in_its_order(serve_media, new_lk, receiver):
    world = await serve_media(CONVO_WEBHOOK_URLS=receiver.url)
    receiver.refusing = True
    await make_and_delete(world, new_lk, "one")
    await receiver.until(lambda: receiver.refused >= 1)
    receiver.refusing = False
    await receiver.until(lambda: len(receiver.taken) == 2)
    assert receiver.names("one") == ["room_started", "room_finished"]


async def test_who_never_answers_holds_up_nobody_else(serve_media, new_lk, receiver):
    given_up = []

    async def swallow(reader, _):
        with contextlib.suppress(ConnectionError):
            given_up.append(await reader.read(-1))

    black_hole = await asyncio.start_server(swallow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{black_hole.sockets[0].getsockname()[1]}/hook"
    world = await serve_media(CONVO_WEBHOOK_URLS=f"{url},{receiver.url}")
    rounds = 4
    for _ in range(rounds):
        await make_and_delete(world, new_lk, "one")
    await receiver.until(lambda: len(receiver.taken) == 2 * rounds)
    assert given_up == [], "the first that is not answered is still waited for"
    assert receiver.names("one") == ["room_started", "room_finished"] * rounds
    black_hole.close()


async def test_a_restart_loses_none(serve_media, new_lk, receiver):
    world = await serve_media(CONVO_WEBHOOK_URLS=receiver.url)
    receiver.refusing = True
    await make_and_delete(world, new_lk, "one")
    # The second try shows that the first one's end is stored.
    await receiver.until(lambda: receiver.refused >= 2)
    await world.server.kill()
    listed = convo("webhooks", "list", **world.server.settings).stdout
    assert "room_started" in listed and "status 503" in listed
    receiver.refusing = False
    await world.server.start()
    await receiver.until(lambda: len(receiver.taken) == 2)
    assert receiver.names("one") == ["room_started", "room_finished"]
    # Taken, and yet sent again when asked for.
    event = receiver.taken[0].id
    replayed = convo("webhooks", "replay", event, **world.server.settings)
    assert replayed.returncode == 0, replayed.stderr
    await receiver.until(lambda: len(receiver.taken) == 3)
    assert receiver.taken[2].id == event
