"""api/platform.md: chat, and the events of the meeting WebSocket."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import websockets

from harness.events import WebSocket
from harness.shape import MEETING_ID, MESSAGE_ID, TEXT, TIME, assert_like, assert_names, parse_time


def error(code=None):
    return {"detail": TEXT, "error_code": code or TEXT, "timestamp": TIME}


def messages(room):
    return f"/api/v1/meetings/{room.code}/messages"


async def meeting_of(world):
    ann, ben = await world.regular("John Doe"), await world.regular("Ben Hall")
    return ann, ben, await world.shared_room("platform", ann, ben)


EXAMPLE = {"content": "Hello everyone!", "message_type": "text", "recipient_user_id": None, "is_private": False}


async def test_send(world):
    ann, _, room = await meeting_of(world)
    answer = await ann.post(messages(room), EXAMPLE, 201)
    assert_like(
        answer,
        {
            "id": MESSAGE_ID,
            "meeting_id": MEETING_ID,
            "sender_user_id": ann.id,
            "content": "Hello everyone!",
            "message_type": "text",
            "is_private": False,
            "created_at": TIME,
        },
    )


async def test_get(world):
    ann, ben, room = await meeting_of(world)
    sent = await ann.post(messages(room), EXAMPLE, 201)
    assert_like(
        await ben.get(messages(room)),
        {
            "messages": [
                {
                    "id": sent["id"],
                    "sender_user_id": ann.id,
                    "sender_name": "John Doe",
                    "content": "Hello everyone!",
                    "message_type": "text",
                    "is_private": False,
                    "created_at": sent["created_at"],
                }
            ],
            "pagination": {"page": 1, "limit": 50, "total": 1, "has_next": False},
        },
    )


async def test_pages_oldest_first(world):
    ann, _, room = await meeting_of(world)
    for number in range(5):
        await ann.via("platform").post(room, f"message {number}")
    read = []
    for page in (1, 2, 3):
        answer = await ann.get(f"{messages(room)}?page={page}&limit=2")
        assert_like(answer["pagination"], {"page": page, "limit": 2, "total": 5, "has_next": page < 3})
        read += [message["content"] for message in answer["messages"]]
    assert read == [f"message {number}" for number in range(5)]


async def test_a_page_holds_a_hundred_at_most(world):
    ann, _, room = await meeting_of(world)
    assert_like((await ann.get(f"{messages(room)}?limit=100"))["pagination"], {"limit": 100})
    above = await ann.request("GET", f"{messages(room)}?limit=101")
    assert above.status_code == 422 or above.json()["pagination"]["limit"] == 100
    for query in ("page=0", "limit=0", "since=yesterday"):
        assert_like(await ann.get(f"{messages(room)}?{query}", 422), error("VALIDATION_ERROR"))


async def test_since(world):
    ann, _, room = await meeting_of(world)
    first = await ann.post(messages(room), EXAMPLE | {"content": "first"}, 201)
    between = parse_time(first["created_at"]).replace(microsecond=0) + timedelta(seconds=1)
    # Times may be shown in whole seconds: the second message is sent in a later one.
    while datetime.now(UTC) <= between:
        await asyncio.sleep(0.05)
    await ann.post(messages(room), EXAMPLE | {"content": "second"}, 201)

    async def since(when):
        answer = await ann.get(messages(room), params={"since": when})
        assert answer["pagination"]["total"] == len(answer["messages"])
        return [message["content"] for message in answer["messages"]]

    assert await since(between.isoformat().replace("+00:00", "Z")) == ["second"]
    assert await since(between.isoformat()) == ["second"]
    assert await since("2020-01-01T00:00:00Z") == ["first", "second"]
    assert await since("2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("content", {}),
        ("content", {"content": ""}),
        ("content", {"content": 7}),
        ("content", {"content": "x" * 10_001}),
        ("is_private", {"content": "hi", "is_private": "no"}),
        ("recipient_user_id", {"content": "hi", "is_private": True}),
        ("message_type", {"content": "hi", "message_type": 3}),
    ],
)
async def test_message_rules(world, field, body):
    ann, _, room = await meeting_of(world)
    answer = await ann.post(messages(room), body, 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)
    assert (await ann.get(messages(room)))["messages"] == []


async def test_ten_thousand_characters_are_a_message(world):
    ann, _, room = await meeting_of(world)
    text = "ä" * 10_000
    assert_like(await ann.post(messages(room), {"content": text}, 201), {"content": text})


async def test_only_members_read_and_write(world):
    _, _, room = await meeting_of(world)
    eve = await world.person("Eve Stone")
    assert_like(await eve.get(messages(room), 403), error("INSUFFICIENT_PERMISSIONS"))
    assert_like(await eve.post(messages(room), EXAMPLE, 403), error("INSUFFICIENT_PERMISSIONS"))
    assert_like(await world.nobody.get(messages(room), 401), error("AUTHENTICATION_REQUIRED"))
    assert_like(await world.nobody.post(messages(room), EXAMPLE, 401), error("AUTHENTICATION_REQUIRED"))


async def test_a_meeting_without_chat(world):
    ann = await world.person()
    room = await ann.via("platform").create_room(chat_enabled=False)
    await ann.via("platform").join(room)
    assert_like(await ann.post(messages(room), EXAMPLE, 403), error())


async def test_the_socket_hears_a_chat_message(world):
    ann, ben, room = await meeting_of(world)
    live = await ben.via("platform").live(room)
    sent = await ann.post(messages(room), EXAMPLE, 201)
    heard = await live.events.expect_type("chat_message", content="Hello everyone!")
    assert_like(
        heard,
        {
            "message_id": sent["id"],
            "sender_id": ann.id,
            "sender_name": "John Doe",
            "content": "Hello everyone!",
            "timestamp": sent["created_at"],
        },
    )


async def test_a_chat_message_over_the_socket_is_stored(world):
    ann, ben, room = await meeting_of(world)
    anns, bens = await ann.via("platform").live(room), await ben.via("platform").live(room)
    await anns.say("Hello everyone!")
    heard = await bens.expect_post("Hello everyone!")
    assert heard.author == ann.id
    assert await anns.expect_post("Hello everyone!") == heard
    assert [(post.id, post.text) for post in await ben.via("platform").history(room)] == [(heard.id, heard.text)]


async def test_the_url_of_the_join_answer_is_the_socket(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    answer = await ann.via("platform").join(room)
    socket = await WebSocket.open(f"{answer['websocket_url']}?token={answer['meeting_token']}")
    world.opened.append(socket)
    await socket.send("join_meeting", user_id=ann.id, display_name="Ann", video_enabled=True, audio_enabled=True)
    await socket.settled()
    assert socket.of_type("error") == []


@pytest.mark.parametrize("query", ["", "?token=", "?token=nonsense"])
async def test_the_socket_needs_a_token(world, query):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    with pytest.raises(websockets.InvalidStatus) as refused:
        await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}{query}")
    assert refused.value.response.status_code == 401


async def test_the_socket_is_for_members(world):
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await ann.via("platform").create_room()
    with pytest.raises(websockets.InvalidStatus) as refused:
        await eve.via("platform").live(room)
    assert refused.value.response.status_code == 403
    with pytest.raises(websockets.InvalidStatus) as refused:
        await WebSocket.open(f"{world.server.ws_url}/ws/meetings/000-000-000?token={eve.token}")
    assert refused.value.response.status_code == 404


async def test_joining_and_leaving_are_told(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann)
    anns = (await ann.via("platform").live(room)).events
    join = await ben.via("platform").join(room, display_name="Benny", video_enabled=False, audio_enabled=True)
    socket = await WebSocket.open(f"{join['websocket_url']}?token={join['meeting_token']}")
    world.opened.append(socket)
    await socket.send("join_meeting", user_id=ben.id, display_name="Benny", video_enabled=False, audio_enabled=True)
    heard = await anns.expect_type("participant_joined", user_id=ben.id)
    assert_like(
        heard,
        {
            "participant_id": join["participant_id"],
            "user_id": ben.id,
            "display_name": "Benny",
            "role": "participant",
            "status": "joined",
            "audio_enabled": True,
            "video_enabled": False,
            "hand_raised": False,
        },
    )
    await socket.send("leave_meeting", user_id=ben.id)
    assert_like(await anns.expect_type("participant_left", user_id=ben.id), {"participant_id": join["participant_id"]})


OFFER = {"sdp": "v=0\r\no=- 123456 123456 IN IP4...", "type": "offer"}


@pytest.mark.parametrize(
    ("type_", "payload"),
    [
        ("webrtc_offer", OFFER),
        ("webrtc_answer", OFFER | {"type": "answer"}),
        (
            "ice_candidate",
            {"candidate": {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}},
        ),
    ],
)
async def test_webrtc_signalling_goes_to_one(world, type_, payload):
    ann, ben, room = await meeting_of(world)
    eve = await world.person("Eve Stone")
    await eve.via("platform").join(room)
    anns, bens, eves = [(await who.via("platform").live(room)).events for who in (ann, ben, eve)]
    await anns.send(type_, **{"from": "forged", "to": ben.id}, **payload)
    heard = await bens.expect_type(type_)
    assert_like(heard, {"from": ann.id, "to": ben.id} | payload)
    # What comes after it has come to Eve; so would the offer have.
    await ann.via("platform").post(room, "after")
    await eves.expect_type("chat_message", content="after")
    assert eves.of_type(type_) == [] and anns.of_type(type_) == []
