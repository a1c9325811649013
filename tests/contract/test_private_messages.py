"""contract.md: private messages reach the sender and the recipient alone, live and in every history."""

import pytest

from harness.drivers import APIS
from harness.shape import assert_like

READERS = [api for api in APIS if api != "guest"]


@pytest.mark.parametrize("kind", ["platform", "convo", "guest", "chatrooms"])
@pytest.mark.parametrize("way", ["rest", "socket"])
async def test_private_everywhere(world, kind, way):
    ann, ben, eve = [await world.person(name) for name in ("Ann Lee", "Ben Hall", "Eve Stone")]
    room = await world.shared_room(kind, ann, ben, eve)
    lives = {(person, api): await person.via(api).live(room) for person in (ann, ben, eve) for api in READERS}
    private = {"content": "for Ben alone", "is_private": True, "recipient_user_id": ben.id}
    if way == "rest":
        sent = await ann.post(f"/api/v1/meetings/{room.id}/messages", private | {"message_type": "text"}, 201)
        assert_like(sent, {"is_private": True, "content": "for Ben alone"})
    else:
        await lives[ann, "platform"].events.send("chat_message", **private)
        await lives[ben, "platform"].expect_post("for Ben alone")
    await ann.via("platform").post(room, "for all")
    for (person, api), live in lives.items():
        await live.expect_post("for all")
        expected = ["for all"] if person is eve else ["for Ben alone", "for all"]
        assert [post.text for post in live.posts] == expected, f"{person.name} on {api}"
        assert [post.text for post in await person.via(api).history(room)] == expected, f"{person.name} by {api}"
    # Nor does a count, a list or a resumed socket tell of it.
    page = await eve.get(f"/api/v1/meetings/{room.id}/messages")
    assert page["pagination"]["total"] == 1
    await lives[eve, "platform"].events.send("resume", since_seq=0)
    await lives[eve, "platform"].events.settled()
    assert {post.text for post in lives[eve, "platform"].posts} == {"for all"}


async def test_the_platform_says_what_is_private(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    await ann.via("platform").post(room, "psst", is_private=True, recipient_user_id=ben.id)
    for person in (ann, ben):
        (post,) = await person.via("platform").history(room)
        assert_like(post.raw, {"is_private": True, "sender_user_id": ann.id})


@pytest.mark.parametrize("recipient", ["01890000-0000-7000-8000-000000000000", "stranger", "nonsense"])
async def test_a_private_message_to_nobody_there(world, recipient):
    ann, stranger = await world.person("Ann Lee"), await world.person("Sam Gray")
    room = await world.shared_room("platform", ann)
    to = stranger.id if recipient == "stranger" else recipient
    body = {"content": "hi", "is_private": True, "recipient_user_id": to}
    answer = await ann.request("POST", f"/api/v1/meetings/{room.code}/messages", json=body)
    assert answer.status_code in (400, 403, 404, 422)
    assert await ann.via("platform").history(room) == []
