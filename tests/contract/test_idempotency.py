"""Retries that never double a message: `Idempotency-Key`, and `client_message_id` on sockets."""

import asyncio

import pytest

from harness.drivers import APIS

SPEAKERS = [api for api in APIS if api != "guest"]


async def chat(world):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    return ann, ben, await world.shared_room("chatrooms", ann, ben)


async def marked(ann, room, live):
    """What `live` has heard up to a marker that comes last."""
    await ann.via("platform").post(room, "marker")
    await live.expect_post("marker")
    return [post.text for post in live.posts]


@pytest.mark.parametrize("api", SPEAKERS)
async def test_a_retried_post_is_one_message(world, api):
    ann, ben, room = await chat(world)
    live = await ben.via(api).live(room)
    key = world.unique("key")
    first = await ann.via(api).post(room, "once", key)
    again = await ann.via(api).post(room, "once", key)
    assert again == first
    assert await marked(ann, room, live) == ["once", "marker"]
    assert [post.text for post in await ben.via(api).history(room)] == ["once", "marker"]


@pytest.mark.parametrize("api", SPEAKERS)
async def test_also_when_the_retries_come_at_once(world, api):
    ann, ben, room = await chat(world)
    live = await ben.via(api).live(room)
    key = world.unique("key")
    posts = await asyncio.gather(*(ann.via(api).post(room, "once", key) for _ in range(8)))
    assert len({post.id for post in posts}) == 1
    assert await marked(ann, room, live) == ["once", "marker"]


async def test_a_guests_retry_is_one_message_too(world):
    ann = await world.person()
    room = await world.shared_room("guest", ann)
    guest = await world.guest(room)
    posts = [await guest.via("guest").post(room, "once", "a key") for _ in range(2)]
    assert posts[0] == posts[1]
    assert len(await ann.via("platform").history(room)) == 1


async def test_a_key_is_its_senders_own(world):
    ann, ben, room = await chat(world)
    key = world.unique("key")
    await ann.via("platform").post(room, "from Ann", key)
    await ben.via("platform").post(room, "from Ben", key)
    await ann.via("platform").post(room, "again from Ann", world.unique("key"))
    assert [post.text for post in await ben.via("platform").history(room)] == ["from Ann", "from Ben", "again from Ann"]


async def test_a_key_is_of_one_message_to_one_person(world):
    ann, ben, cid = [await world.person(name) for name in ("Ann Lee", "Ben Hall", "Cid Moss")]
    room = await world.shared_room("platform", ann, ben, cid)
    key = {"Idempotency-Key": world.unique("key")}

    async def post(to=None):
        private = {"is_private": True, "recipient_user_id": to.id} if to else {}
        body = {"content": "ok"} | private
        return await ann.request("POST", f"/api/v1/meetings/{room.id}/messages", json=body, headers=key)

    first = await post(ben)
    assert first.status_code == 201
    # Also when he has gone.
    await ben.post(f"/api/v1/meetings/{room.code}/leave")
    assert (await post(ben)).json() == first.json()
    assert [(await post(to)).status_code for to in (cid, None)] == [422, 422]
    assert len(await ann.via("platform").history(room)) == 1


async def test_without_a_key_the_same_text_is_two_messages(world):
    ann, ben, room = await chat(world)
    for _ in range(2):
        await ann.via("platform").post(room, "twice")
    assert len(await ben.via("platform").history(room)) == 2


@pytest.mark.parametrize("api", SPEAKERS)
async def test_a_message_resent_on_a_socket_is_one_message(world, api):
    ann, ben, room = await chat(world)
    anns, bens = await ann.via(api).live(room), await ben.via(api).live(room)
    key = world.unique("client")
    await anns.say("once", key)
    await anns.expect_post("once")
    await anns.say("once", key)
    # The same client, after it lost its connection.
    reconnected = await ann.via(api).live(room)
    await reconnected.say("once", key)
    await reconnected.say("next", world.unique("client"))
    await bens.expect_post("next")
    assert await marked(ann, room, bens) == ["once", "next", "marker"]


async def test_the_acknowledgement_of_a_resent_message_names_the_first(world):
    ann, _, room = await chat(world)
    live = (await ann.via("chatrooms").live(room)).events
    message = {"chatroomId": room.id, "message": "once", "client_message_id": world.unique("client")}
    first, again = await live.call("chatroomMessage", message), await live.call("chatroomMessage", message)
    assert first["ok"] is True and again == first
