"""api/livekit-meetings.md: meetings by link, without an account."""

import jwt
import pytest

from harness.shape import COUNT, GUEST_CODE, JWT, TEXT, TIME, assert_like, assert_names, url

MEETINGS = "/api/v1/meetings"
NOT_FOUND = {"detail": "Meeting not found"}
UNKNOWN = ["zzz-zzzz-zzz", "nonsense", "01890000-0000-7000-8000-000000000000"]


async def test_create(world):
    answer = await world.nobody.post(f"{MEETINGS}/create", status=201)
    assert_like(answer, {"meeting_id": GUEST_CODE, "created_at": TIME, "livekit_url": url("", "wss?")})
    assert_like(answer["meeting_link"], url(f"/meeting/{answer['meeting_id']}"))


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_create_takes_no_body_or_an_empty_one(world, body):
    headers = {"Content-Type": "application/json"}
    await world.ask("POST", f"{MEETINGS}/create", 201, content=body, headers=headers)


async def test_join(world):
    room = await world.nobody.via("guest").create_room()
    answer = await world.nobody.post(f"{MEETINGS}/{room.code}/join", {"user_name": "John Doe"})
    assert_like(
        answer,
        {
            "token": JWT,
            "meeting_id": room.code,
            "user_name": "John Doe",
            "livekit_url": url("", "wss?"),
            "user_id": TEXT,
        },
    )
    name, _, suffix = answer["user_id"].rpartition("_")
    assert name == "john_doe" and len(suffix) == 8 and set(suffix) <= set("0123456789abcdef")
    grants = jwt.decode(answer["token"], options={"verify_signature": False})
    assert_like(grants, {"sub": answer["user_id"], "name": "John Doe", "video": {"roomJoin": True, "room": room.code}})


async def test_everybody_who_joins_is_somebody_else(world):
    room = await world.nobody.via("guest").create_room()
    guests = [await world.guest(room, "John Doe") for _ in range(3)]
    assert len({guest.identity for guest in guests}) == 3


@pytest.mark.parametrize("body", [{"user_name": ""}, {"user_name": 7}, {"user_name": None}])
async def test_join_rules(world, body):
    room = await world.nobody.via("guest").create_room()
    answer = await world.nobody.post(f"{MEETINGS}/{room.code}/join", body, 422)
    assert_like(answer, {"detail": TEXT})
    assert_names(answer, "user_name")


async def test_info(world):
    created = await world.nobody.post(f"{MEETINGS}/create", status=201)
    assert_like(
        await world.nobody.get(f"{MEETINGS}/{created['meeting_id']}/info"),
        {
            "meeting_id": created["meeting_id"],
            "exists": True,
            "num_participants": 0,
            "created_at": created["created_at"],
            "max_participants": COUNT,
        },
    )


async def test_exists(world):
    room = await world.nobody.via("guest").create_room()
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/exists"), {"exists": True, "meeting_id": room.code})


async def test_participants(world):
    room = await world.nobody.via("guest").create_room()
    empty = {"meeting_id": room.code, "participants": [], "count": 0}
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/participants"), empty)
    # A guest counts once connected.
    guest = await world.guest(room, "John Doe")
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/participants"), empty)
    await guest.via("guest").live(room)
    answer = await world.nobody.get(f"{MEETINGS}/{room.code}/participants")
    assert_like(answer, {"meeting_id": room.code, "count": 1})
    person = {"sid": TEXT, "identity": guest.identity, "name": "John Doe", "state": "ACTIVE", "joined_at": COUNT}
    assert_like(answer["participants"], [person])
    assert answer["participants"][0]["sid"].startswith("PA_")
    assert answer["participants"][0]["joined_at"] > 1_600_000_000
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/info"), {"num_participants": 1})


async def test_delete(world):
    room = await world.nobody.via("guest").create_room()
    answer = await world.nobody.delete(f"{MEETINGS}/{room.code}")
    assert_like(answer, {"success": True, "message": "Meeting deleted successfully", "meeting_id": room.code})
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/exists"), {"exists": False, "meeting_id": room.code})
    assert_like(await world.nobody.get(f"{MEETINGS}/{room.code}/info", 404), NOT_FOUND)


async def test_deleting_ends_the_connections(world):
    room = await world.nobody.via("guest").create_room()
    guest = await world.guest(room)
    live = (await guest.via("guest").live(room)).events
    await world.nobody.delete(f"{MEETINGS}/{room.code}")
    await live.expect_type("meeting_ended")
    await live.closed()
    answer = await guest.request("POST", f"{MEETINGS}/{room.code}/messages", json={"content": "hi"})
    assert answer.status_code in (400, 401, 404)


@pytest.mark.parametrize("code", UNKNOWN)
async def test_an_unknown_meeting(world, code):
    assert_like(await world.nobody.get(f"{MEETINGS}/{code}/exists"), {"exists": False, "meeting_id": code})
    assert_like(await world.nobody.get(f"{MEETINGS}/{code}/info", 404), NOT_FOUND)
    assert_like(await world.nobody.get(f"{MEETINGS}/{code}/participants", 404), NOT_FOUND)
    assert_like(await world.nobody.post(f"{MEETINGS}/{code}/join", {"user_name": "John"}, 404), NOT_FOUND)
    assert_like(await world.nobody.delete(f"{MEETINGS}/{code}", 404), NOT_FOUND)


async def test_the_meeting_flow(world):
    """The document's flow: create, share, join, connect; both hear each other."""
    room = await world.nobody.via("guest").create_room()
    a, b = await world.guest(room, "User A"), await world.guest(room, "User B")
    alive, blive = await a.via("guest").live(room), await b.via("guest").live(room)
    await alive.say("hello")
    await blive.expect_post("hello")
    await blive.say("hello yourself")
    await alive.expect_post("hello yourself")
