"""Whatever comes in a frame: an error event, nothing stored, and the connection lives on where the protocol allows."""

import json

import pytest
from websockets.frames import Frame, Opcode

SOCKETS = ["platform", "convo", "conversations"]


@pytest.fixture(params=SOCKETS)
async def line(request, world):
    """(the API, Ann's live socket, Ben's ear, the room)"""
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    return request.param, await ann.via(request.param).live(room), await ben.via("platform").live(room), room


def chat(api, room, value):
    """A chat frame with `value` (JSON text) in the place of the message's text."""
    if api == "conversations":
        return b'{"message": %s}' % value
    meeting = b'"meeting_id": "%s", ' % room.id.encode() if api == "convo" else b""
    return b'{"type": "chat_message", "data": {%s"content": %s}}' % (meeting, value)


def errors(live):
    return [e for e in live.events.seen if isinstance(e, dict) and (e.get("type") == "error" or "error" in e)]


async def raw(live, payload, opcode=Opcode.TEXT):
    """Sends a frame as it is: the client library would not let bad UTF-8 through."""
    connection = live.events.connection
    connection.transport.write(Frame(opcode, payload).serialize(mask=True))


async def still_works(live, ear, room):
    await live.say("still here")
    await ear.expect_post("still here")
    assert [post.text for post in ear.posts] == ["still here"]
    assert [post.text for post in await ear.driver.history(room)] == ["still here"]


BAD_TEXT = {
    "not JSON": b"nonsense",
    "half a frame": b'{"type": "chat_message", "data": {',
    "a number": b"7",
    "null": b"null",
    "an empty frame": b"",
    "an unknown type": b'{"type": "nonsense", "data": {}}',
    "a deep nesting": b"[" * 20_000,
    "a deep object": b'{"type":' * 5_000,
}
BAD_VALUES = {
    "a number": b"7",
    "nothing": b"null",
    "an empty text": b'""',
    "a list": b"[]",
    "a NUL": b'"a\\u0000b"',
    "a lone surrogate": b'"\\ud800"',
    "too long a text": b'"' + b"x" * 10_001 + b'"',
}


@pytest.mark.parametrize("what", BAD_TEXT)
async def test_bad_frames(line, what):
    api, live, ear, room = line
    await raw(live, BAD_TEXT[what])
    await live.events.until(lambda: errors(live), what="an error")
    await still_works(live, ear, room)


@pytest.mark.parametrize("what", BAD_VALUES)
async def test_bad_messages(line, what):
    api, live, ear, room = line
    await raw(live, chat(api, room, BAD_VALUES[what]))
    await live.events.until(lambda: errors(live), what="an error")
    await still_works(live, ear, room)


@pytest.mark.parametrize("field", ["client_message_id", "message_type", "display_name"])
async def test_a_number_for_a_text(line, field):
    """A client that numbers its messages is not left to think that its retries are known by that."""
    api, live, ear, room = line
    data = {"meeting_id": room.id} if api == "convo" else {}
    match field:
        case "display_name" if api == "conversations":
            pytest.skip("its socket knows no names")
        case "message_type" if api == "conversations":
            pytest.skip("its socket knows no types")
        case "display_name":
            frame = {"type": "join_meeting", "data": data | {field: 7}}
        case _ if api == "conversations":
            frame = {"message": "hi", field: 7}
        case _:
            frame = {"type": "chat_message", "data": data | {"content": "hi", field: 7}}
    await live.events.send_json(frame)
    await live.events.until(lambda: errors(live), what="an error")
    assert field in json.dumps(errors(live)[0])
    await still_works(live, ear, room)


async def test_binary_frames(line):
    _, live, ear, room = line
    await raw(live, b"\x00\x01\x02", Opcode.BINARY)
    await live.events.until(lambda: errors(live) or live.events.close_code, what="an error or the end (1003)")
    if live.events.close_code is None:
        await still_works(live, ear, room)
    else:
        assert live.events.close_code == 1003


async def test_invalid_utf8_ends_the_connection(line):
    """RFC 6455, 8.1: the endpoint must fail the connection; 1007."""
    api, live, ear, room = line
    await raw(live, chat(api, room, b'"\xff\xfe"'))
    assert await live.events.closed() in (1007, 1006)
    assert await ear.driver.history(room) == []


async def test_a_frame_of_two_mebibytes(line):
    api, live, ear, room = line
    await raw(live, chat(api, room, b'"' + b"x" * (2 << 20) + b'"'))
    await live.events.until(lambda: errors(live) or live.events.close_code, what="an error or the end (1009)")
    assert live.events.close_code in (None, 1009, 1006)
    assert await ear.driver.history(room) == []


async def test_unknown_and_others_meetings_on_the_simple_socket(world):
    ann, eve = await world.regular("Ann Lee"), await world.regular("Eve Stone")
    own, others = await world.shared_room("convo", eve), await world.shared_room("platform", ann)
    live = await eve.via("convo").live(own)
    for meeting in (999_999_999, -1, "nonsense", 1.5, None, [], others.id):
        before = len(errors(live))
        await live.events.send("chat_message", meeting_id=meeting, content="x")
        await live.events.until(lambda n=before: len(errors(live)) > n, what=f"an error for {meeting!r}")
    assert await ann.via("platform").history(others) == []
    await live.say("still here")
    await live.expect_post("still here")


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        "text",
        [],
        {},
        {"chatroomId": 7},
        {"chatroomId": None, "message": "x"},
        {"chatroomId": "ROOM"},
        {"chatroomId": "ROOM", "message": 7},
        {"chatroomId": "ROOM", "message": ""},
        {"chatroomId": "ROOM", "message": "a\0b"},
        {"chatroomId": "ROOM", "message": "x" * 10_001},
        {"chatroomId": "ROOM", "message": {"a": []}},
    ],
    ids=lambda data: json.dumps(data)[:40],
)
async def test_bad_socket_io_events(world, data):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    live, ear = await ann.via("chatrooms").live(room), await ben.via("platform").live(room)
    if isinstance(data, dict) and data.get("chatroomId") == "ROOM":
        data = data | {"chatroomId": room.id}
    answer = await live.events.call("chatroomMessage", data)
    assert answer["ok"] is False and isinstance(answer["error"], str), answer
    await still_works(live, ear, room)


async def test_unknown_socket_io_events(world):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    live, ear = await ann.via("chatrooms").live(room), await ben.via("platform").live(room)
    for name in ("nonsense", "newMessage", "userJoined"):
        await live.events.emit(name, {"chatroomId": room.id, "message": "forged"})
    await still_works(live, ear, room)


@pytest.mark.parametrize("seq", [-1, "x", None, 10**30, 1.5])
async def test_bad_resume(world, seq):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    live, ear = await ann.via("platform").live(room), await ben.via("platform").live(room)
    await live.events.send("resume", since_seq=seq)
    await live.events.settled()
    assert len(errors(live)) == 1
    await still_works(live, ear, room)
