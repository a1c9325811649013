"""contract.md, "Guests and open meetings"."""

import asyncio
import contextlib

import pytest
import websockets

from harness.events import WebSocket
from harness.shape import TEXT, assert_like
from harness.world import GuestVisitor

MEETINGS = "/api/v1/meetings"
DETAIL = {"detail": TEXT}


async def test_who_knows_the_link_joins_reads_and_deletes(world):
    room = await world.nobody.via("guest").create_room()
    await world.guest(room)
    await world.nobody.get(f"{MEETINGS}/{room.code}/info")
    await world.nobody.get(f"{MEETINGS}/{room.code}/participants")
    await world.nobody.delete(f"{MEETINGS}/{room.code}")
    # It is gone, for deleting as for reading.
    await world.nobody.get(f"{MEETINGS}/{room.code}/info", 404)
    await world.nobody.delete(f"{MEETINGS}/{room.code}", 404)


async def test_a_meeting_made_with_a_token_belongs_to_its_maker(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("guest").create_room()
    assert_like(await world.nobody.delete(f"{MEETINGS}/{room.code}", 401), DETAIL)
    assert_like(await ben.delete(f"{MEETINGS}/{room.code}", 403), DETAIL)
    guest = await world.guest(room)
    assert (await guest.request("DELETE", f"{MEETINGS}/{room.code}")).status_code in (401, 403)
    listed = (await ann.get(MEETINGS))["meetings"]
    assert [meeting["meeting_id"] for meeting in listed] == [room.code]
    assert_like(await ann.get(f"{MEETINGS}/{room.code}"), {"host_user_id": ann.id})
    assert_like(await ann.delete(f"{MEETINGS}/{room.code}"), {"success": True})


async def test_an_invalid_token_is_401_also_where_none_is_needed(world):
    room = await world.nobody.via("guest").create_room()
    headers = {"Authorization": "Bearer nonsense"}
    path = f"{MEETINGS}/{room.code}"
    for method, target, body in (
        ("POST", f"{MEETINGS}/create", None),
        ("POST", f"{path}/join", {"user_name": "Gus"}),
        ("GET", f"{path}/info", None),
        ("GET", f"{path}/participants", None),
        ("DELETE", path, None),
    ):
        answer = await world.ask(method, target, 401, headers=headers, **({"json": body} if body else {}))
        assert_like(answer, DETAIL)


async def test_guests_turned_off(serve):
    world = await serve(CONVO_GUESTS="false")
    ann = await world.person()
    assert_like(await world.nobody.post(f"{MEETINGS}/create", status=403), DETAIL)
    room = await ann.via("guest").create_room()
    assert_like(await world.nobody.post(f"{MEETINGS}/{room.code}/join", {"user_name": "Gus"}, 403), DETAIL)


async def test_the_guessable_code_tells_little(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann)
    await world.nobody.get(f"{MEETINGS}/{room.code}/info")
    await world.nobody.get(f"{MEETINGS}/{room.code}/exists")
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/participants", 401), DETAIL)
    assert_like(await ben.get(f"{MEETINGS}/{room.code}/participants", 403), DETAIL)
    assert_like(await ann.get(f"{MEETINGS}/{room.code}/participants"), {"meeting_id": room.code})


async def test_passcode_waiting_room_lock_and_before_host_hold_for_guests(world):
    ann = await world.person()
    api = ann.via("platform")

    async def guest_join(room, status, **body):
        return await world.nobody.post(f"{MEETINGS}/{room.code}/join", {"user_name": "Gus"} | body, status)

    before_host = await api.create_room(allow_join_before_host=False)
    await guest_join(before_host, 403)

    locked = await world.shared_room("platform", ann)
    await ann.post(f"{MEETINGS}/{locked.code}/lock")
    await guest_join(locked, 403)

    closed = await api.create_room(require_password=True)
    await guest_join(closed, 403)
    await guest_join(closed, 403, passcode="not it")
    await guest_join(closed, 200, passcode=closed.raw["passcode"])

    waiting = await api.create_room(waiting_room_enabled=True)
    await api.join(waiting)
    assert_like(await guest_join(waiting, 200), {"status": "waiting"})


@pytest.mark.parametrize("api", ["convo", "conversations", "chatrooms"])
async def test_a_guest_counts_by_whichever_socket(world, api):
    """Who only joined keeps a seat for a minute and counts for nobody; who is connected does both."""
    ann = await world.person()
    room = await ann.via("platform").create_room(max_participants=1)
    gus, hal = await world.guest(room, "Gus"), await world.guest(room, "Hal")

    async def come(guest):
        if api != "convo":
            return await guest.via(api).live(room)
        world.opened.append(await WebSocket.open(f"{world.server.ws_url}/ws/?token={guest.token}"))
        return await world.opened[-1].settled()

    await come(gus)
    assert_like(await ann.get(f"{MEETINGS}/{room.code}"), {"current_participant_count": 1})
    with contextlib.suppress(Exception):
        await come(hal)
    assert_like(await ann.get(f"{MEETINGS}/{room.code}"), {"current_participant_count": 1})


async def test_who_comes_in_sees_no_guest_who_never_came(world):
    """Nobody would hear that they go: their seat is given back in silence."""
    ann = await world.person()
    room = await ann.via("platform").create_room()
    here = await world.guest(room, "Gus")
    await here.via("guest").live(room)
    await world.guest(room, "Hal")
    token = (await ann.post(f"{MEETINGS}/{room.code}/join", {"display_name": "Ann"}))["meeting_token"]
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={token}")
    world.opened.append(socket)
    people = (await socket.expect_type("connected"))["participants"]
    assert [person["display_name"] for person in people] == ["Gus", "Ann"]


async def wrong_guess(speaker, room, number):
    body = {"display_name": "X", "passcode": f"wrong {number}"}
    return (await speaker.request("POST", f"{MEETINGS}/{room.code}/join", json=body)).status_code


async def test_who_brings_no_passcode_does_not_guess(world):
    ann = await world.person("Ann Lee")
    room = await ann.via("platform").create_room(require_password=True)
    path = f"{MEETINGS}/{room.code}/join"
    for body in [{"user_name": "Gus"}, {"user_name": "Gus", "passcode": ""}] * 6:
        await world.nobody.post(path, body, 403)
    await world.nobody.post(path, {"user_name": "Gus", "passcode": room.raw["passcode"]})


async def test_ten_wrong_passcodes_then_not_even_the_right_one(world):
    ann, eve, ben = [await world.person(name) for name in ("Ann Lee", "Eve Stone", "Ben Hall")]
    room = await ann.via("platform").create_room(require_password=True)
    assert [await wrong_guess(eve, room, n) for n in range(11)] == [403] * 10 + [429]
    right = {"display_name": "X", "passcode": room.raw["passcode"]}
    refused = await eve.request("POST", f"{MEETINGS}/{room.code}/join", json=right)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    # The limit is per caller and meeting.
    await ben.post(f"{MEETINGS}/{room.code}/join", right)
    other = await ann.via("platform").create_room(require_password=True)
    await eve.post(f"{MEETINGS}/{other.code}/join", {"display_name": "X", "passcode": other.raw["passcode"]})


async def test_ten_guesses_also_when_all_come_at_once(world):
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await ann.via("platform").create_room(require_password=True)
    statuses = await asyncio.gather(*(wrong_guess(eve, room, n) for n in range(30)))
    assert sorted(statuses) == [403] * 10 + [429] * 20


async def test_a_hundred_wrong_passcodes_close_the_meeting_to_newcomers(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(require_password=True)
    for _ in range(10):
        eve = await world.person("Eve Stone")
        assert [await wrong_guess(eve, room, n) for n in range(10)] == [403] * 10
    right = {"display_name": "X", "passcode": room.raw["passcode"]}
    await ben.post(f"{MEETINGS}/{room.code}/join", right, 429)


async def test_a_guests_token_is_for_that_meetings_chat_alone(world):
    ann = await world.person()
    room = await ann.via("guest").create_room()
    other = await ann.via("guest").create_room()
    guest = await world.guest(room)
    sent = await guest.post(f"{MEETINGS}/{room.code}/messages", {"content": "hello"}, 201)
    assert_like(sent, {"sender_user_id": None, "content": "hello"})
    read = await guest.get(f"{MEETINGS}/{room.code}/messages")
    assert_like(read["messages"], [{"sender_user_id": None, "sender_name": "Gus", "content": "hello"}])
    for method, path, body in (
        ("GET", f"{MEETINGS}/{other.code}/messages", None),
        ("POST", f"{MEETINGS}/{other.code}/messages", {"content": "x"}),
        ("GET", "/api/v1/auth/me", None),
        ("GET", MEETINGS, None),
        ("POST", MEETINGS, {"title": "x"}),
        ("GET", "/api/users/", None),
        ("GET", "/api/user/", None),
        ("GET", "/api/conversations", None),
        ("GET", "/api/chatroom/?all=true", None),
        ("POST", "/api/v1/auth/refresh", None),
        ("POST", f"{MEETINGS}/{room.code}/end", None),
    ):
        answer = await guest.request(method, path, **({"json": body} if body else {}))
        assert answer.status_code in (401, 403), (method, path, answer.status_code, answer.text)
    with pytest.raises(websockets.InvalidStatus):
        await guest.via("guest").live(other)


async def test_a_guest_is_heard_under_their_name(world):
    ann = await world.person()
    room = await world.shared_room("guest", ann)
    anns = {api: await ann.via(api).live(room) for api in ("platform", "convo", "conversations", "chatrooms")}
    guest = await world.guest(room, "Gus Guest")
    guests = await guest.via("guest").live(room)
    await guests.say("over the socket")
    await guests.expect_post("over the socket")
    await guest.via("guest").post(room, "over REST")
    for live in anns.values():
        await live.expect_post("over REST")
        assert [post.text for post in live.posts] == ["over the socket", "over REST"]
    assert_like(anns["platform"].posts[0].raw, {"sender_id": None, "sender_name": "Gus Guest"})
    assert_like(anns["chatrooms"].posts[0].raw, {"sender": {"name": "Gus Guest"}})
    for post in await ann.via("platform").history(room):
        assert_like(post.raw, {"sender_user_id": None, "sender_name": "Gus Guest"})


async def test_a_guest_takes_a_seat_when_connected(world):
    ann = await world.person()
    room = await ann.via("platform").create_room(max_participants=2)
    await ann.via("platform").join(room)

    async def connect(number):
        """Joins and connects; a guest may be refused at either step."""
        body = {"user_name": f"Guest {number}"}
        answer = await world.nobody.request("POST", f"{MEETINGS}/{room.code}/join", json=body)
        if answer.status_code == 403:
            assert answer.json()["error_code"] == "MEETING_FULL"
            return None
        try:
            return await GuestVisitor(world, body["user_name"], answer.json()).via("guest").live(room)
        except (websockets.WebSocketException, AssertionError):
            return None

    connected = [
        live for live in await asyncio.gather(*map(connect, range(4))) if live and live.events.close_code is None
    ]
    assert len(connected) == 1
    assert_like(await ann.get(f"{MEETINGS}/{room.code}"), {"current_participant_count": 2})


async def test_a_meeting_of_the_simple_api_is_open(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("convo").create_room()
    # Posting joins.
    await ben.via("convo").post(room, "posted without joining")
    await ben.get(f"{MEETINGS}/{room.id}/messages")
    # So does subscribing.
    cleo = await world.person("Cleo Park")
    live = await cleo.via("convo").live(room)
    await ann.via("convo").post(room, "heard")
    await live.expect_post("heard")


@pytest.mark.parametrize("close", ["lock", "passcode", "waiting room"])
async def test_a_meeting_of_the_simple_api_that_its_host_closed_is_open_no_more(world, close):
    ann, ben, eve = await world.person("Ann Lee"), await world.person("Ben Hall"), await world.person("Eve Stone")
    room = await ann.via("convo").create_room()
    await ben.via("convo").post(room, "while it was open")
    match close:
        case "lock":
            await ann.post(f"{MEETINGS}/{room.id}/lock")
        case "passcode":
            await ann.put(f"{MEETINGS}/{room.id}", {"settings": {"require_password": True}})
        case "waiting room":
            await ann.put(f"{MEETINGS}/{room.id}", {"settings": {"waiting_room_enabled": True}})
    posted = {"content": "let me in", "meeting_id": room.number}
    assert_like(await eve.post("/api/messages", posted, 403), DETAIL)
    assert_like(await eve.get(f"/api/messages/{room.number}", 403), DETAIL)
    # Whoever has the code may look.
    for path in (f"/api/meetings/{room.id}", f"{MEETINGS}/{room.id}"):
        await eve.get(path)
    assert (await eve.get(MEETINGS))["meetings"] == []
    # Who had come stays.
    await ben.via("convo").post(room, "still here")


@pytest.mark.parametrize("kind", ["platform", "chatrooms"])
async def test_the_integer_of_a_room_made_elsewhere_opens_nothing(world, kind):
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await world.shared_room(kind, ann)
    sent = await ann.post("/api/messages", {"content": "hi", "meeting_id": room.id}, 201)
    number = sent["meeting_id"]
    assert isinstance(number, int)
    for method, path, body in (
        ("GET", f"/api/messages/{number}", None),
        ("POST", "/api/messages", {"content": "hi", "meeting_id": number}),
        ("GET", f"/api/meetings/{number}", None),
    ):
        await eve.request(method, path, **({"json": body} if body else {}))
        answer = await eve.request(method, path, **({"json": body} if body else {}))
        assert answer.status_code == 403, (method, path, answer.text)
    if kind == "platform":
        await eve.via("platform").join(room)
        assert len(await eve.get(f"/api/messages/{number}")) == 1
