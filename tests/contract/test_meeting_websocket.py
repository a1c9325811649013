"""contract.md, "Meeting WebSocket": what both `/ws/meetings/{code}` and `/ws/` speak."""

import pytest

from harness.events import WebSocket
from harness.shape import INT, TEXT, assert_like, either


class Line:
    """One of the two sockets, already in a meeting. `/ws/` names the meeting in each frame."""

    def __init__(self, live, extra):
        self.live = live
        self.events = live.events
        self.extra = extra

    async def send(self, type_, **data):
        await self.events.send(type_, **self.extra | data)


@pytest.fixture(params=["platform", "convo"])
async def lines(request, world):
    """Ann, Ben and Cleo in one meeting, each on the socket under test."""
    people = [await world.regular(name) for name in ("Ann Lee", "Ben Hall", "Cleo Park")]
    room = await world.shared_room("platform", *people)
    opened = []
    for person in people:
        live = await person.via(request.param).live(room)
        opened.append(Line(live, {"meeting_id": room.id} if request.param == "convo" else {}))
    return people, room, opened


async def nothing_more(world, people, room, line):
    """Once a later message has come, so would have come what was sent before it."""
    text = world.unique("marker")
    await people[0].via("platform").post(room, text)
    await line.live.expect_post(text)


@pytest.mark.parametrize(
    ("type_", "data"),
    [("typing", {"is_typing": True}), ("reaction", {"emoji": "👍"}), ("raise_hand", {"raised": True})],
)
async def test_signals_reach_the_room_and_say_whose_they_are(lines, type_, data):
    people, _, (anns, bens, cleos) = lines
    await anns.send(type_, **data)
    for line in (bens, cleos):
        heard = await line.events.expect_type(type_, **data)
        assert people[0].id in heard.values()


async def test_a_raised_hand_is_a_state_of_the_participant(lines):
    """Whatever is told of the participant afterwards shows it."""
    people, room, (anns, bens, cleos) = lines
    for raised in (True, False):
        await bens.send("raise_hand", raised=raised)
        await anns.events.expect_type("raise_hand", raised=raised)
        heard = await cleos.events.expect_type("raise_hand", raised=raised)
        participant = heard["participant_id"]
        await people[0].post(f"/api/v1/meetings/{room.code}/participants/{participant}/mute")
        await cleos.events.expect_type("participant_updated", user_id=people[1].id, hand_raised=raised)


@pytest.mark.parametrize("type_", ["webrtc_offer", "webrtc_answer", "ice_candidate"])
async def test_signalling_goes_to_the_participant_or_user_named(world, lines, type_):
    people, room, (anns, bens, cleos) = lines
    details = await people[0].get(f"/api/v1/meetings/{room.code}")
    participant = next(p for p in details["participants"] if p["user_id"] == people[1].id)
    # A participant is a device in the meeting; on /ws/ it is the account that listens.
    names = [people[1].id] if anns.extra else [people[1].id, participant["participant_id"]]
    for number, name in enumerate(names):
        await anns.send(type_, to=name, sdp=f"v={number}", **{"from": people[2].id})
        heard = await bens.events.expect_type(type_, sdp=f"v={number}")
        # On /ws/ an account speaks that need not be there as a participant.
        participant = either(TEXT, None) if anns.extra else TEXT
        assert_like(heard, {"from": people[0].id, "from_participant_id": participant})
    await nothing_more(world, people, room, cleos)
    assert cleos.events.of_type(type_) == []


async def test_signalling_to_nobody_is_an_error(lines):
    _, _, (anns, bens, _) = lines
    for to in ({"to": "01890000-0000-7000-8000-000000000000"}, {"to": 7}, {}):
        before = len(anns.events.of_type("error"))
        await anns.send("webrtc_offer", sdp="v=0", **to)
        await anns.events.until(lambda n=before: len(anns.events.of_type("error")) > n, what="an error")
    assert bens.events.of_type("webrtc_offer") == []


async def test_chat_carries_seq_one_more_each(lines):
    people, room, (anns, bens, _) = lines
    for number in range(5):
        await anns.send("chat_message", content=f"message {number}")
    posts = await bens.live.expect_posts(5)
    seqs = [post.raw["seq"] for post in posts]
    assert all(map(INT.holds, seqs))
    assert seqs == list(range(seqs[0], seqs[0] + 5))


async def test_resume_replays_what_was_missed(lines):
    _, room, (anns, bens, _) = lines
    for number in range(3):
        await anns.send("chat_message", content=f"message {number}")
    since = (await bens.live.expect_posts(3))[0].raw["seq"]
    again = await bens.live.driver.live(room)
    await again.events.send("resume", since_seq=since, **bens.extra)
    await again.expect_posts(2)
    await anns.send("chat_message", content="and on")
    await again.expect_post("and on")
    assert [post.text for post in again.posts] == ["message 1", "message 2", "and on"]


async def test_resume_repeats_nothing_that_came_live(lines):
    _, _, (anns, bens, _) = lines
    for number in range(3):
        await anns.send("chat_message", content=f"message {number}")
    since = (await bens.live.expect_posts(3))[0].raw["seq"]
    # What came live on this very socket was not missed, and does not come again.
    await bens.send("resume", since_seq=since)
    await anns.send("chat_message", content="message 3")
    await bens.live.expect_post("message 3")
    assert [post.text for post in bens.live.posts] == [f"message {number}" for number in range(4)]


async def test_errors_name_a_code_and_a_message_and_the_socket_lives_on(lines):
    _, _, (anns, bens, _) = lines
    bad = [
        {"type": "nonsense", "data": {}},
        {"type": "chat_message", "data": anns.extra},
        {"type": "chat_message", "data": anns.extra | {"content": ""}},
        {"type": "chat_message", "data": anns.extra | {"content": "x" * 10_001}},
        {"type": "chat_message", "data": anns.extra | {"content": 7}},
        {"type": "chat_message"},
        {"data": {}},
        {"type": 7, "data": {}},
        [],
        "text",
    ]
    for frame in bad:
        before = len(anns.events.of_type("error"))
        await anns.events.send_json(frame)
        await anns.events.until(
            lambda n=before: len(anns.events.of_type("error")) > n, what=f"an error for {frame}"[:80]
        )
        assert_like(anns.events.of_type("error")[-1], {"code": TEXT, "message": TEXT})
    await anns.send("chat_message", content="still here")
    await bens.live.expect_post("still here")
    assert len(bens.live.posts) == 1


async def test_ping(lines):
    _, _, (anns, _, _) = lines
    await anns.events.settled()


@pytest.mark.parametrize("way", ["query", "header", "frame"])
async def test_the_ways_of_a_token_on_the_simple_socket(world, way):
    ann = await world.person()
    room = await world.shared_room("convo", ann)
    url = f"{world.server.ws_url}/ws/"
    if way == "query":
        socket = await WebSocket.open(f"{url}?token={ann.token}")
    elif way == "header":
        socket = await WebSocket.open(url, headers={"Authorization": f"Bearer {ann.token}"})
    else:
        socket = await WebSocket.open(url)
        await socket.send("authenticate", token=ann.token)
    world.opened.append(socket)
    await socket.send("join_meeting", meeting_id=room.number)
    await socket.settled()
    await ann.via("convo").post(room, "heard")
    await socket.expect_type("chat_message", content="heard")


@pytest.mark.parametrize(
    "first",
    [
        {"type": "authenticate", "data": {"token": "nonsense"}},
        {"type": "chat_message", "data": {"meeting_id": 1, "content": "hi"}},
    ],
)
async def test_without_a_token_the_simple_socket_does_nothing(world, first):
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/")
    world.opened.append(socket)
    await socket.send_json(first)
    await socket.until(lambda: socket.close_code or socket.of_type("error"), what="a refusal")


async def test_a_simple_socket_is_one_persons(world):
    """What it hears for one would go on for another, and outlive the first one's log-out."""
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await world.shared_room("convo", ann)
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/")
    world.opened.append(socket)
    await socket.send("authenticate", token=ann.token)
    await socket.expect_type("authenticated")
    await socket.send("authenticate", token=eve.token)
    await socket.expect_type("error")
    await socket.send("authenticate", token=ann.token)
    await socket.until(lambda: len(socket.of_type("authenticated")) == 2)
    await socket.send("chat_message", meeting_id=room.number, content="still Ann's")
    assert_like(await socket.expect_type("chat_message"), {"content": "still Ann's"})
    await ann.post("/api/v1/auth/logout")
    await socket.closed()


async def on_the_simple_socket(world, person, room):
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/?token={person.token}")
    world.opened.append(socket)
    await socket.send("join_meeting", meeting_id=room.id)
    await socket.expect_type("meeting_joined")
    return socket


async def test_who_was_removed_says_nothing_on_the_simple_socket(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    hers, his = await on_the_simple_socket(world, ann, room), await on_the_simple_socket(world, ben, room)
    people = (await ann.get(f"/api/v1/meetings/{room.code}"))["participants"]
    bens = next(person["participant_id"] for person in people if person["user_id"] == ben.id)
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{bens}/remove")
    for frame in ("typing", "reaction"):
        before = len(his.of_type("error"))
        await his.send(frame, meeting_id=room.id, emoji="👋")
        await his.until(lambda n=before: len(his.of_type("error")) > n, what="a refusal")
    await ann.via("platform").post(room, "without him")
    await hers.expect_type("chat_message", content="without him")
    await his.settled()
    assert [*hers.of_type("typing"), *hers.of_type("reaction"), *his.of_type("chat_message")] == []


@pytest.mark.parametrize("way", ["by the socket", "by another way"])
async def test_who_leaves_and_comes_back_hears_again_and_misses_nothing(world, way):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    his = await on_the_simple_socket(world, ben, room)
    api = ann.via("chatrooms")
    await api.post(room, "1")
    await his.expect_type("chat_message", content="1")
    for away, seq in ((2, 1), (4, 3)):
        if way == "by the socket":
            await his.send("leave_meeting", meeting_id=room.id)
            await his.expect_type("meeting_left")
        else:
            await ben.post(f"/api/chatroom/{room.id}/leave")
        await api.post(room, str(away))
        if way != "by the socket":
            await ben.via("chatrooms").join(room)
        his.seen.clear()
        await his.send("join_meeting", meeting_id=room.id)
        assert_like(await his.expect_type("meeting_joined"), {"seq": away})
        await his.send("resume", meeting_id=room.id, since_seq=seq)
        await his.expect_type("chat_message", content=str(away))
        await api.post(room, str(away + 1))
        await his.expect_type("chat_message", content=str(away + 1))
        await his.settled()
        assert [message["seq"] for message in his.of_type("chat_message")] == [away, away + 1]


async def test_one_simple_socket_hears_several_meetings(world):
    ann = await world.person()
    rooms = [await world.shared_room("convo", ann) for _ in range(2)]
    live = await ann.via("convo").live(rooms[0])
    await live.events.send("join_meeting", meeting_id=rooms[1].number)
    await live.events.settled()
    for number, room in enumerate(rooms):
        await ann.via("convo").post(room, f"in room {number}")
        heard = await live.events.expect_type("chat_message", content=f"in room {number}")
        assert room.number in heard.values() or room.id in heard.values(), (
            "the frame does not say which meeting it is of"
        )


async def test_the_simple_socket_opens_no_meeting_made_elsewhere(world):
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await world.shared_room("platform", ann)
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/?token={eve.token}")
    world.opened.append(socket)
    number = (await ann.post("/api/messages", {"content": "hi", "meeting_id": room.id}, 201))["meeting_id"]
    for meeting in (number, room.id):
        await socket.send("join_meeting", meeting_id=meeting)
        await socket.settled()
    assert len(socket.of_type("error")) == 2
    await ann.via("platform").post(room, "secret")
    await socket.settled()
    assert socket.of_type("chat_message") == []


async def test_cleartext_of_others_reaches_nobody_outside(world):
    """A member of one meeting hears nothing of another."""
    ann = await world.person()
    one, other = await world.shared_room("platform", ann), await world.shared_room("platform", ann)
    live = await ann.via("platform").live(one)
    await ann.via("platform").post(other, "elsewhere")
    await ann.via("platform").post(one, "here")
    await live.expect_post("here")
    assert [post.text for post in live.posts] == ["here"]
