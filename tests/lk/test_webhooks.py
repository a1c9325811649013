"""Webhooks: signed, in order, tried again, and not lost by a restart."""

import asyncio
import contextlib

import pytest
from aiohttp import web
from livekit import api

from harness.process import convo

SECONDS = 20


class Receiver:
    """Takes webhooks, as an application would; refuses while `refusing`."""

    def __init__(self, key, secret):
        self.verifier = api.WebhookReceiver(api.TokenVerifier(key, secret))
        self.taken, self.refused, self.refusing = [], 0, False
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
