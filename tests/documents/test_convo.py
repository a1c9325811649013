"""api/convo.md: simple meetings and messages with integer ids."""

import pytest

from harness.shape import INT, JWT, NAIVE_TIME, TEXT, TIME, assert_like, assert_names

EXAMPLE = {
    "title": "Meeting Title",
    "description": "Meeting Description",
    "start_time": "2024-09-07T10:00:00",
    "end_time": "2024-09-07T11:00:00",
}


def error(code=None):
    return {"detail": TEXT, "error_code": code or TEXT, "timestamp": TIME}


async def test_register_and_login(world):
    body = {"name": "User Name", "email": world.address(), "password": "password123"}
    answer = await world.ask("POST", "/api/register", 201, json=body)
    assert_like(answer, {"id": INT, "name": "User Name", "email": body["email"], "password": "hashed_password"})
    login = {"email": body["email"], "password": "password123"}
    assert_like(await world.ask("POST", "/api/login", 200, json=login), {"token": JWT})
    assert_like(await world.ask("POST", "/api/login", 401, json=login | {"password": "wrong password"}), error())
    assert_like(await world.ask("POST", "/api/login", 401, json=login | {"email": world.address()}), error())
    assert_like(await world.ask("POST", "/api/register", 409, json=body), error())


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"password": "1234567"}),
        ("password", {"password": None}),
        ("email", {"email": "nonsense"}),
        ("email", {"email": None}),
        ("name", {"name": None}),
        ("name", {"name": ""}),
        ("name", {"name": 5}),
    ],
)
async def test_registration_rules(world, field, changes):
    body = {"name": "User Name", "email": world.address(), "password": "password123"} | changes
    body = {key: value for key, value in body.items() if value is not None}
    answer = await world.ask("POST", "/api/register", 422, json=body)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)


async def test_meetings(world):
    ann = await world.person(api="convo")
    created = await ann.post("/api/meetings", EXAMPLE | {"creator_id": ann.number}, 201)
    assert_like(created, EXAMPLE | {"id": INT, "creator_id": ann.number})
    assert_like(await ann.get(f"/api/meetings/{created['id']}"), created)


async def test_the_creator_may_be_left_out(world):
    ann = await world.person()
    assert_like(await ann.post("/api/meetings", EXAMPLE, 201), {"creator_id": ann.number})


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("title", {"title": None}),
        ("title", {"title": ""}),
        ("start_time", {"start_time": "soon"}),
        ("end_time", {"end_time": "2024-09-07T09:00:00"}),
        ("creator_id", {"creator_id": "one"}),
    ],
)
async def test_meeting_rules(world, field, changes):
    ann = await world.person()
    body = {key: value for key, value in (EXAMPLE | changes).items() if value is not None}
    answer = await ann.post("/api/meetings", body, 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)


async def test_messages(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("convo").create_room()
    body = {"content": "Hello, this is a message!", "sender_id": ann.number, "meeting_id": room.number}
    created = await ann.post("/api/messages", body, 201)
    assert_like(created, body | {"id": INT, "timestamp": NAIVE_TIME})
    assert_like(await ben.get(f"/api/messages/{room.number}"), [created])


async def test_the_sender_may_be_left_out(world):
    ann = await world.person()
    room = await ann.via("convo").create_room()
    answer = await ann.post("/api/messages", {"content": "hi", "meeting_id": room.number}, 201)
    assert_like(answer, {"sender_id": ann.number})


async def test_nobody_speaks_for_another(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("convo").create_room()
    assert_like(
        await ben.post("/api/meetings", EXAMPLE | {"creator_id": ann.number}, 403), error("INSUFFICIENT_PERMISSIONS")
    )
    body = {"content": "hi", "sender_id": ann.number, "meeting_id": room.number}
    assert_like(await ben.post("/api/messages", body, 403), error("INSUFFICIENT_PERMISSIONS"))
    assert await ann.get(f"/api/messages/{room.number}") == []


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("content", {}),
        ("content", {"content": ""}),
        ("content", {"content": 7}),
        ("content", {"content": "x" * 10_001}),
        ("sender_id", {"content": "hi", "sender_id": "me"}),
    ],
)
async def test_message_rules(world, field, body):
    ann = await world.person()
    room = await ann.via("convo").create_room()
    answer = await ann.post("/api/messages", body | {"meeting_id": room.number}, 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)
    assert await ann.get(f"/api/messages/{room.number}") == []


async def test_a_token_is_required(world):
    ann = await world.person()
    room = await ann.via("convo").create_room()
    nobody = world.nobody
    assert_like(await nobody.post("/api/meetings", EXAMPLE, 401), error("AUTHENTICATION_REQUIRED"))
    assert_like(await nobody.get(f"/api/meetings/{room.number}", 401), error("AUTHENTICATION_REQUIRED"))
    assert_like(await nobody.get(f"/api/messages/{room.number}", 401), error("AUTHENTICATION_REQUIRED"))
    body = {"content": "hi", "meeting_id": room.number}
    assert_like(await nobody.post("/api/messages", body, 401), error("AUTHENTICATION_REQUIRED"))


@pytest.mark.parametrize("number", ["999999999", "0", "-1", "99999999999999999999"])
async def test_an_unknown_meeting(world, number):
    ann = await world.person()
    assert_like(await ann.get(f"/api/meetings/{number}", 404), error("MEETING_NOT_FOUND"))
    assert_like(await ann.get(f"/api/messages/{number}", 404), error("MEETING_NOT_FOUND"))


async def test_posting_to_an_unknown_meeting(world):
    ann = await world.person()
    assert_like(
        await ann.post("/api/messages", {"content": "hi", "meeting_id": 999999999}, 404), error("MEETING_NOT_FOUND")
    )


async def test_the_websocket(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("convo").create_room()
    anns, bens = await ann.via("convo").live(room), await ben.via("convo").live(room)
    await anns.say("Hello, this is a message!")
    heard = await bens.expect_post("Hello, this is a message!")
    assert heard.author == ann.id
    assert [post.text for post in await ben.via("convo").history(room)] == [heard.text]
