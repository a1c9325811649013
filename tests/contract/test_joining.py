"""contract.md, "Joining" and "Waiting room"."""

import asyncio
import contextlib
from collections import Counter

import pytest
import websockets

from harness.events import WebSocket
from harness.shape import PASSCODE, TEXT, assert_like

MEETINGS = "/api/v1/meetings"


def error(code):
    return {"detail": TEXT, "error_code": code}


async def join(person, room, status=200, **body):
    return await person.post(f"{MEETINGS}/{room.code}/join", {"display_name": person.name} | body, status)


async def details(person, room):
    return await person.get(f"{MEETINGS}/{room.code}")


async def socket(world, room, token):
    live = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={token}")
    world.opened.append(live)
    return await live.settled()


async def test_a_join_starts_the_meeting(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    await join(ann, room)
    started = await details(ann, room)
    assert started["status"] == "active"
    await join(ann, room)
    assert (await details(ann, room))["actual_start_time"] == started["actual_start_time"]


async def test_the_host_is_who_owns_the_meeting_not_who_came_first(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room()
    await join(ben, room)
    await join(ann, room)
    roles = {p["user_id"]: p["role"] for p in (await details(ann, room))["participants"]}
    assert roles == {ann.id: "host", ben.id: "participant"}
    await ben.post(f"{MEETINGS}/{room.code}/end", status=403)


async def test_each_join_is_a_participant_of_its_own(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    first, second = await join(ann, room), await join(ann, room)
    assert first["participant_id"] != second["participant_id"]
    assert first["identity"] != second["identity"]
    assert_like(await details(ann, room), {"current_participant_count": 2})
    await ann.post(f"{MEETINGS}/{room.code}/leave", {"participant_id": first["participant_id"]})
    assert_like(await details(ann, room), {"current_participant_count": 1})
    await join(ann, room)
    await ann.post(f"{MEETINGS}/{room.code}/leave")
    assert_like(await details(ann, room), {"current_participant_count": 0})


async def test_a_second_device_takes_a_second_seat(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(max_participants=2)
    await join(ann, room)
    await join(ann, room)
    assert_like(await join(ben, room, 403), error("MEETING_FULL"))


async def test_one_leaves_with_ones_own_devices_alone(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann)
    other = await world.shared_room("platform", ann)
    here, there, bens = await join(ann, room), await join(ann, other), await join(ben, room)
    path = f"{MEETINGS}/{room.code}/leave"
    for not_mine_here in (bens["participant_id"], there["participant_id"]):
        refused = await ann.post(path, {"participant_id": not_mine_here}, 404)
        assert_like(refused, error("RESOURCE_NOT_FOUND"))
    assert_like(await details(ann, room), {"current_participant_count": 3})
    # Leaving twice is leaving.
    for _ in range(2):
        await ann.post(path, {"participant_id": here["participant_id"]})
    assert_like(await details(ann, room), {"current_participant_count": 2})


async def test_total_participants_and_durations(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    # Whole seconds: they have been there for one at least.
    await asyncio.sleep(1.1)
    assert 1 <= (await ben.post(f"{MEETINGS}/{room.code}/leave"))["duration_seconds"] < 60
    ended = await ann.post(f"{MEETINGS}/{room.code}/end")
    assert ended["total_participants"] == 2 and 1 <= ended["total_duration_seconds"] < 60


async def test_a_hundred_joins_at_once_for_twenty_seats(world):
    ann = await world.person()
    room = await ann.via("platform").create_room(max_participants=20)
    others = [await world.person(f"Guest {n}") for n in range(10)]
    path = f"{MEETINGS}/{room.code}/join"
    answers = await asyncio.gather(*(other.request("POST", path, json={"display_name": "X"}) for other in others * 10))
    assert Counter(answer.status_code for answer in answers) == {200: 20, 403: 80}
    assert {answer.json()["error_code"] for answer in answers if answer.status_code == 403} == {"MEETING_FULL"}
    assert_like(await details(ann, room), {"current_participant_count": 20})


async def test_the_last_seat_is_given_once(world):
    ann = await world.person()
    others = [await world.person(f"Guest {n}") for n in range(3)]
    for _ in range(10):
        room = await ann.via("platform").create_room(max_participants=1)
        path = f"{MEETINGS}/{room.code}/join"
        answers = await asyncio.gather(*(other.request("POST", path, json={"display_name": "X"}) for other in others))
        assert sorted(answer.status_code for answer in answers) == [200, 403, 403]


@pytest.mark.one_store
@pytest.mark.slow
async def test_a_seat_that_nobody_takes_is_given_back_after_a_minute(world):
    ann, ben, cleo = [await world.person(name) for name in ("Ann Lee", "Ben Hall", "Cleo Park")]
    room = await ann.via("platform").create_room(max_participants=2)
    taken = await join(ann, room)
    seated = await socket(world, room, taken["meeting_token"])
    await join(ben, room)
    body = {"display_name": "Cleo"}
    started = asyncio.get_running_loop().time()
    while (await cleo.request("POST", f"{MEETINGS}/{room.code}/join", json=body)).status_code == 403:
        waited = asyncio.get_running_loop().time() - started
        assert waited < 90, "the seat was not given back"
        await asyncio.sleep(1)
    assert asyncio.get_running_loop().time() - started > 50, "the seat was given back too early"
    assert seated.close_code is None
    members = {p["user_id"] for p in (await details(ann, room))["participants"] if p["status"] == "joined"}
    assert members == {ann.id, cleo.id}


async def test_a_members_access_token_opens_the_socket(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    await socket(world, room, ben.token)


async def test_the_meeting_token_is_for_that_meeting(world):
    ann = await world.person()
    room, other = await ann.via("platform").create_room(), await ann.via("platform").create_room()
    token = (await join(ann, room))["meeting_token"]
    await socket(world, room, token)
    with pytest.raises(websockets.InvalidStatus):
        await socket(world, other, token)


async def test_before_the_host(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(allow_join_before_host=False)
    assert_like(await join(ben, room, 403), error("MEETING_NOT_STARTED"))
    await join(ann, room)
    await join(ben, room)


async def test_a_generated_passcode(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(require_password=True)
    assert_like(room.raw["passcode"], PASSCODE)
    # Only hosts see it.
    assert_like(await details(ann, room), {"passcode": room.raw["passcode"]})
    assert room.raw["passcode"] not in str((await details(ben, room)).get("passcode"))
    assert_like(await join(ben, room, 403), error("INVALID_PASSCODE"))
    assert_like(await join(ben, room, 403, passcode="wrong"), error("INVALID_PASSCODE"))
    await join(ben, room, passcode=room.raw["passcode"])
    assert room.raw["passcode"] not in (await ben.request("GET", f"{MEETINGS}/{room.code}")).text
    await join(ann, room)


async def test_a_passcode_of_the_hosts_own(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    body = {
        "title": "Standup",
        "passcode": "open sesame",
        "settings": {"require_password": True, "allow_join_before_host": True},
    }
    made = await ann.post(MEETINGS, body, 201)
    assert_like(made, {"passcode": "open sesame"})
    path = f"{MEETINGS}/{made['meeting_id']}/join"
    assert_like(await ben.post(path, {"display_name": "Ben", "passcode": "sesame"}, 403), error("INVALID_PASSCODE"))
    await ben.post(path, {"display_name": "Ben", "passcode": "open sesame"})


async def test_a_passcode_of_the_hosts_own_is_shown_as_required_and_outlives_an_update(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    body = {"title": "Standup", "settings": {"require_password": False, "allow_join_before_host": True}}
    made = await ann.post(MEETINGS, body | {"passcode": "open sesame"}, 201)
    plain = await ann.post(MEETINGS, body, 201)
    changed = await ann.put(f"{MEETINGS}/{plain['meeting_id']}", {"passcode": "open sesame"})
    for shown in (made, changed, await ben.get(f"{MEETINGS}/{plain['meeting_id']}")):
        assert shown["settings"]["require_password"] is True
    for meeting in (made, plain):
        path = f"{MEETINGS}/{meeting['meeting_id']}"
        # What was shown is sent again, with another number.
        settings = (await ann.get(path))["settings"] | {"max_participants": 7}
        assert_like(await ann.put(path, {"settings": settings}), {"passcode": "open sesame", "settings": settings})
        assert_like(await ben.post(f"{path}/join", {"display_name": "Ben"}, 403), error("INVALID_PASSCODE"))
        # Knowingly, it is dropped.
        dropped = await ann.put(path, {"settings": {"require_password": False}})
        assert_like(dropped, {"passcode": None, "settings": settings | {"require_password": False}})
        await ben.post(f"{path}/join", {"display_name": "Ben"})


async def test_who_was_let_in_comes_back_without_passcode_waiting_room_or_lock(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(require_password=True)
    await join(ann, room)
    await join(ben, room, passcode=room.raw["passcode"])
    await ben.post(f"{MEETINGS}/{room.code}/leave")
    await ann.put(f"{MEETINGS}/{room.code}", {"settings": {"waiting_room_enabled": True}})
    await ann.post(f"{MEETINGS}/{room.code}/lock")
    back = await join(ben, room)
    assert back.get("status") != "waiting"
    await socket(world, room, back["meeting_token"])


async def test_any_account_with_the_code_reads_details_members_also_who_is_in(world):
    ann, eve = await world.person("Ann Lee"), await world.person("Eve Stone")
    room = await world.shared_room("platform", ann)
    shown = await details(eve, room)
    assert_like(shown, {"meeting_id": room.code, "title": room.raw["title"]})
    assert not shown.get("participants")
    assert len((await details(ann, room))["participants"]) == 1


async def waiting_room(world):
    """A running meeting with a waiting room: Ann hosts it and is connected."""
    ann = await world.person("Ann Lee")
    room = await ann.via("platform").create_room(waiting_room_enabled=True)
    token = (await join(ann, room))["meeting_token"]
    return ann, room, await socket(world, room, token)


async def test_waiting_and_being_admitted(world):
    ann, room, anns = await waiting_room(world)
    ben = await world.person("Ben Hall")
    waiting = await join(ben, room)
    assert_like(waiting, {"status": "waiting"})
    assert_like(await details(ann, room), {"current_participant_count": 1})
    # The token is for the waiting room alone.
    bens = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={waiting['meeting_token']}")
    world.opened.append(bens)
    heard = await anns.expect_type("participant_waiting", user_id=ben.id)
    assert_like(heard, {"display_name": "Ben Hall", "role": "participant", "status": "waiting"})
    await ann.via("platform").post(room, "not for those who wait")
    await ben.get(f"{MEETINGS}/{room.code}/messages", 403)
    await ben.post(f"{MEETINGS}/{room.code}/messages", {"content": "hi"}, 403)
    # Who waits hears nothing of the meeting by their plain access token either.
    early = []
    with contextlib.suppress(websockets.InvalidStatus):
        early.append(await socket(world, room, ben.token))
        await ann.via("platform").post(room, "nor for them")
        await early[0].settled()
    assert [message for live in (bens, *early) for message in live.of_type("chat_message")] == []
    await ann.post(f"{MEETINGS}/{room.code}/participants/{heard['participant_id']}/admit")
    admitted = await bens.expect_type("participant_admitted")
    token = admitted.get("meeting_token") or admitted["token"]
    assert token != waiting["meeting_token"]
    live = await socket(world, room, token)
    await ann.via("platform").post(room, "welcome")
    await live.expect_type("chat_message", content="welcome")


async def test_a_device_comes_back_in_the_role_that_its_owner_has_now(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room()
    anns = await socket(world, room, (await join(ann, room))["meeting_token"])
    away, here = await join(ben, room), await join(ben, room)
    device = await socket(world, room, away["meeting_token"])
    for order, role in (("co-host", "co_host"), ("revoke-co-host", "participant")):
        await device.close()
        await anns.expect_type("participant_left")
        await ann.post(f"{MEETINGS}/{room.code}/participants/{here['participant_id']}/{order}")
        anns.seen.clear()
        device = await socket(world, room, away["meeting_token"])
        assert_like(await anns.expect_type("participant_joined", user_id=ben.id), {"role": role})
        anns.seen.clear()


async def test_who_is_admitted_while_their_socket_opens_hears_of_it(world):
    """As by a host that lets everybody in: the answer to their coming may be faster than their socket."""
    ann, room, _ = await waiting_room(world)

    async def come(number):
        guest = await world.guest(room, f"Guest {number}")
        url = f"{world.server.ws_url}/ws/meetings/{room.code}?token={guest.token}"
        admit = ann.post(f"{MEETINGS}/{room.code}/participants/{guest.answer['participant_id']}/admit")
        live, _ = await asyncio.gather(WebSocket.open(url), admit)
        world.opened.append(live)
        admitted = await live.expect_type("participant_admitted")
        await socket(world, room, admitted.get("meeting_token") or admitted["token"])

    await asyncio.gather(*map(come, range(40)))


async def test_the_sockets_path_tells_a_page_why_it_may_not_come_in(world):
    """Browsers close such a socket with 1006, and say no more."""
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room()
    await join(ann, room)
    bens = await join(ben, room)

    async def told(token, status):
        answer = await world.http.get(f"/ws/meetings/{room.code}", params={"token": token})
        assert answer.status_code == status, answer.text
        return answer.json()

    for token in (bens["meeting_token"], ann.token):
        assert "WebSocket" in (await told(token, 400))["detail"], "they may"
    await ann.post(f"{MEETINGS}/{room.code}/participants/{bens['participant_id']}/remove")
    await told(bens["meeting_token"], 403)
    await told("nonsense", 401)
    # Who left and was removed on another device would be let in by no door.
    cem = await world.person("Cem Kaya")
    cems = [await join(cem, room) for _ in range(2)]
    anns = await socket(world, room, ann.token)
    await (await socket(world, room, cems[0]["meeting_token"])).close()
    await anns.expect_type("participant_left", user_id=cem.id)
    await told(cems[0]["meeting_token"], 400)
    await ann.post(f"{MEETINGS}/{room.code}/participants/{cems[1]['participant_id']}/remove")
    await told(cems[0]["meeting_token"], 403)
    await ann.post(f"{MEETINGS}/{room.code}/end")
    assert "ended" in (await told(ann.token, 400))["detail"]


async def test_being_denied(world):
    ann, room, anns = await waiting_room(world)
    ben = await world.person("Ben Hall")
    waiting = await join(ben, room)
    bens = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={waiting['meeting_token']}")
    world.opened.append(bens)
    heard = await anns.expect_type("participant_waiting", user_id=ben.id)
    await ann.post(f"{MEETINGS}/{room.code}/participants/{heard['participant_id']}/deny")
    await bens.expect_type("participant_denied")
    await bens.closed()
    with pytest.raises(websockets.InvalidStatus):
        await socket(world, room, waiting["meeting_token"])


@pytest.mark.parametrize("who", ["an account", "a guest"])
async def test_who_goes_from_the_door_and_comes_back_waits_again(world, who):
    ann, room, anns = await waiting_room(world)
    if who == "a guest":
        token = (await world.guest(room, "Ben Hall")).token
    else:
        token = (await join(await world.person("Ben Hall"), room))["meeting_token"]

    async def at_the_door():
        live = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={token}")
        world.opened.append(live)
        return live, await anns.expect_type("participant_waiting", display_name="Ben Hall")

    async def gone(live):
        await live.close()
        await anns.expect_type("participant_left")
        anns.seen.clear()

    for _ in range(2):
        await gone((await at_the_door())[0])
    # The lock is for them, too: they were never in.
    await ann.post(f"{MEETINGS}/{room.code}/lock")
    with pytest.raises(websockets.InvalidStatus):
        await socket(world, room, token)
    await ann.post(f"{MEETINGS}/{room.code}/unlock")
    live, waiting = await at_the_door()
    assert_like(await details(ann, room), {"current_participant_count": 1})
    assert anns.of_type("participant_joined") == []
    await ann.post(f"{MEETINGS}/{room.code}/participants/{waiting['participant_id']}/admit")
    admitted = await live.expect_type("participant_admitted")
    await socket(world, room, admitted.get("meeting_token") or admitted["token"])


async def test_hosts_and_co_hosts_do_not_wait(world):
    ann, room, anns = await waiting_room(world)
    ben = await world.person("Ben Hall")
    waiting = await join(ben, room)
    participant = f"{MEETINGS}/{room.code}/participants/{waiting['participant_id']}"
    await ann.post(f"{participant}/admit")
    await ann.post(f"{participant}/co-host")
    assert (await join(ben, room)).get("status") != "waiting"
    assert (await join(ann, room)).get("status") != "waiting"


async def test_a_host_who_comes_later_hears_who_waits(world):
    """That is the usual order of things: people come a little early."""
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(waiting_room_enabled=True)
    bens = await socket(world, room, (await join(ben, room))["meeting_token"])
    guest = await world.guest(room, "Gus")
    anns = await socket(world, room, (await join(ann, room))["meeting_token"])
    assert [(event["type"], event["data"].get("display_name")) for event in anns.seen[:3]] == [
        ("connected", None),
        ("participant_waiting", "Ben Hall"),
        ("participant_waiting", "Gus"),
    ]
    # Who is here already has heard it, and who waits is no host.
    again = await socket(world, room, (await join(ann, room))["meeting_token"])
    assert len(again.of_type("participant_waiting")) == 2
    await anns.send("resume", since_seq=0)
    await anns.settled()
    await bens.settled()
    assert (len(anns.of_type("participant_waiting")), bens.of_type("participant_waiting")) == (2, [])
    for waiting in anns.of_type("participant_waiting"):
        assert_like(waiting, {"status": "waiting", "role": "participant"})
        await anns.send("admit_participant", participant_id=waiting["participant_id"])
    await bens.expect_type("participant_admitted")
    await again.expect_type("participant_joined", participant_id=guest.answer["participant_id"])
    third = await socket(world, room, (await join(ann, room))["meeting_token"])
    assert third.of_type("participant_waiting") == [], "nobody waits any more"


@pytest.mark.parametrize("way", ["query", "authenticate", "join_meeting"])
async def test_a_host_on_the_simple_socket_hears_who_waits_too(world, way):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    url = f"{world.server.ws_url}/ws/"

    async def opened(query=""):
        live = await WebSocket.open(url + query)
        world.opened.append(live)
        return live

    # A meeting that is made later is heard only when it is joined.
    live = await opened(f"?token={ann.token}") if way == "join_meeting" else None
    if live:
        await live.settled()
    room = await ann.via("platform").create_room(waiting_room_enabled=True)
    waiting = await join(ben, room)
    match way:
        case "query":
            live = await opened(f"?token={ann.token}")
        case "authenticate":
            live = await opened()
            await live.send("authenticate", token=ann.token)
        case "join_meeting":
            await live.send("join_meeting", meeting_id=room.id)
    heard = await live.expect_type("participant_waiting", user_id=ben.id)
    said = {"query": [], "authenticate": ["authenticated"], "join_meeting": ["meeting_joined"]}[way]
    kinds = [event["type"] for event in live.seen if event["type"] != "pong"]
    assert kinds == [*said, "participant_waiting"]
    # Once is enough, whatever is asked on the same socket.
    await live.send("authenticate", token=ann.token)
    await live.send("join_meeting", meeting_id=room.id)
    await live.send("resume", meeting_id=room.id, since_seq=0)
    await live.settled()
    assert len(live.of_type("participant_waiting")) == 1
    assert heard["participant_id"] == waiting["participant_id"]
    await live.send("admit_participant", meeting_id=heard["meeting_id"], participant_id=heard["participant_id"])
    await live.expect_type("participant_joined", user_id=ben.id)


async def test_who_becomes_co_host_hears_who_waits(world):
    ann, room, anns = await waiting_room(world)
    ben, cleo = await world.person("Ben Hall"), await world.person("Cleo Park")
    bens = (await join(ben, room))["participant_id"]
    await ann.post(f"{MEETINGS}/{room.code}/participants/{bens}/admit")
    device = await socket(world, room, ben.token)
    await join(cleo, room)
    for _ in range(2):
        await ann.post(f"{MEETINGS}/{room.code}/participants/{bens}/co-host")
        heard = await device.expect_type("participant_waiting", user_id=cleo.id)
    await device.settled()
    await anns.settled()
    assert len(device.of_type("participant_waiting")) == 1, "once"
    assert len(anns.of_type("participant_waiting")) == 2, "when they knocked: Ben, and Cleo"
    await device.send("admit_participant", participant_id=heard["participant_id"])
    await anns.expect_type("participant_joined", user_id=cleo.id)


async def test_who_waits_comes_in_when_the_waiting_room_is_switched_off(world):
    """As they knocked, while there is room; whoever comes after them would just walk in."""
    ann, room, anns = await waiting_room(world)
    path = f"{MEETINGS}/{room.code}"
    ben, cleo = await world.person("Ben Hall"), await world.person("Cleo Park")
    waiting = await join(ben, room)
    bens = await socket(world, room, waiting["meeting_token"])
    gus = await world.guest(room, "Gus")
    cleos = await socket(world, room, (await join(cleo, room))["meeting_token"])
    # Other changes open no door.
    await ann.put(path, {"title": "Later", "settings": {"waiting_room_enabled": True}})
    await bens.settled()
    assert bens.of_type("participant_admitted") == []
    await ann.put(path, {"settings": {"waiting_room_enabled": False, "max_participants": 3}})
    token = (await bens.expect_type("participant_admitted"))["meeting_token"]
    assert token != waiting["meeting_token"]
    await anns.expect_type("participant_joined", participant_id=gus.answer["participant_id"])
    joined = [participant["display_name"] for participant in anns.of_type("participant_joined")]
    assert joined == ["Ben Hall", "Gus"]
    # There is no room for Cleo, who goes on waiting; the host can let her in later.
    await cleos.settled()
    assert (cleos.of_type("participant_admitted"), cleos.close_code) == ([], None)
    shown = {p["display_name"]: p["status"] for p in (await details(ann, room))["participants"]}
    assert shown == {"Ann Lee": "joined", "Ben Hall": "joined", "Gus": "joined", "Cleo Park": "waiting"}
    await ann.via("platform").post(room, "welcome")
    await bens.expect_type("chat_message", content="welcome")


async def test_before_the_host_nobody_comes_in_from_a_waiting_room_that_is_no_more(world):
    """MEETING_NOT_STARTED is what they would hear if they came now; they wait for the host."""
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(waiting_room_enabled=True, allow_join_before_host=False)
    bens = await socket(world, room, (await join(ben, room))["meeting_token"])
    await ann.put(f"{MEETINGS}/{room.code}", {"settings": {"waiting_room_enabled": False}})
    await bens.settled()
    assert bens.of_type("participant_admitted") == []
    assert_like(await details(ann, room), {"status": "scheduled"})
    anns = await socket(world, room, (await join(ann, room))["meeting_token"])
    heard = await anns.expect_type("participant_waiting", user_id=ben.id)
    await anns.send("admit_participant", participant_id=heard["participant_id"])
    await bens.expect_type("participant_admitted")


async def test_a_waiting_room_opens_before_the_host_is_there(world):
    """MEETING_NOT_STARTED is for meetings without a waiting room."""
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(waiting_room_enabled=True, allow_join_before_host=False)
    assert_like(await join(ben, room), {"status": "waiting"})
