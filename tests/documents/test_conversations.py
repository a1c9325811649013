"""api/conversations.md: one-to-one conversations. The AI agent has tests of its own in tests/agent."""

import asyncio

import pytest

from harness.shape import JWT, TEXT, TIME, UUID, assert_like, assert_names, either, url

CONVERSATIONS = "/api/conversations"


def error(status):
    return {"error": {"message": TEXT, "status": status}}


async def pair(world):
    ann, ben = await world.person("John Doe", "conversations"), await world.person("Ben Hall", "conversations")
    return ann, ben, await world.shared_room("conversations", ann, ben)


async def test_register_and_login(world):
    body = {
        "email": world.address(),
        "password": "password123",
        "name": "John Doe",
        "profile_picture": "https://example.com/profile.jpg",
    }
    answer = await world.ask("POST", "/api/auth/register", 201, json=body)
    shown = {key: body[key] for key in ("email", "name", "profile_picture")}
    assert_like(answer, shown | {"user_id": UUID})
    login = {"email": body["email"], "password": "password123"}
    assert_like(await world.ask("POST", "/api/auth/login", 200, json=login), {"token": JWT})
    assert_like(
        await world.ask("POST", "/api/auth/login", 401, json=login | {"password": "wrong password"}), error(401)
    )
    assert_like(await world.ask("POST", "/api/auth/login", 401, json=login | {"email": world.address()}), error(401))
    assert_like(await world.ask("POST", "/api/auth/register", 409, json=body), error(409))


async def test_a_profile_picture_may_be_left_out(world):
    body = {"email": world.address(), "password": "password123", "name": "John Doe"}
    assert_like(await world.ask("POST", "/api/auth/register", 201, json=body), {"profile_picture": None})


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"password": "1234567"}),
        ("email", {"email": "x"}),
        ("email", {"email": None}),
        ("name", {"name": 7}),
        ("name", {"name": None}),
    ],
)
async def test_registration_rules(world, field, changes):
    body = {"name": "User Name", "email": world.address(), "password": "password123"} | changes
    body = {key: value for key, value in body.items() if value is not None}
    answer = await world.ask("POST", "/api/auth/register", 422, json=body)
    assert_like(answer, error(422))
    assert_names(answer, field)


async def test_create(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    answer = await ann.post(CONVERSATIONS, {"is_ai": False, "participant_ids": [ben.id]}, 201)
    assert_like(answer, {"conversation_id": UUID, "is_ai": False, "created_at": TIME})
    assert {ann.id, ben.id} == participant_ids(answer)


async def test_with_the_agent_the_list_of_people_is_not_looked_at(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    for ids in (["ai"], [""], [ben.id], []):
        answer = await ann.post(CONVERSATIONS, {"is_ai": True, "participant_ids": ids}, 201)
        assert_like(answer, {"is_ai": True})
        assert ann.id in participant_ids(answer) and ben.id not in participant_ids(answer)


def participant_ids(conversation):
    """The participants' ids, shown bare or as objects."""
    return {p["user_id"] if isinstance(p, dict) else p for p in conversation["participants"]}


async def test_two_people_share_one_conversation(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    first = await ann.post(CONVERSATIONS, {"is_ai": False, "participant_ids": [ben.id]}, 201)
    for person, other in ((ann, ben), (ben, ann)):
        again = await person.post(CONVERSATIONS, {"is_ai": False, "participant_ids": [other.id]}, 200)
        assert again["conversation_id"] == first["conversation_id"]


async def test_one_conversation_also_when_both_ask_at_once(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    asks = [
        person.request("POST", CONVERSATIONS, json={"is_ai": False, "participant_ids": [other.id]})
        for person, other in ((ann, ben), (ben, ann)) * 5
    ]
    answers = await asyncio.gather(*asks)
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["conversation_id"] for answer in answers}) == 1


async def test_rules_of_creation(world):
    ann = await world.person()
    unknown = "01890000-0000-7000-8000-000000000000"
    for field, body in (
        ("is_ai", {"participant_ids": []}),
        ("is_ai", {"is_ai": "no"}),
        ("participant_ids", {"is_ai": False}),
        ("participant_ids", {"is_ai": False, "participant_ids": "all"}),
    ):
        answer = await ann.post(CONVERSATIONS, body, 422)
        assert_like(answer, error(422))
        assert_names(answer, field)
    strangers = await ann.request("POST", CONVERSATIONS, json={"is_ai": False, "participant_ids": [unknown]})
    assert strangers.status_code in (404, 422)
    assert_like(strangers.json(), error(strangers.status_code))
    assert await ann.get(CONVERSATIONS) == []


async def test_list_newest_activity_first(world):
    ann = await world.person("Ann Lee")
    others = [await world.person(name) for name in ("Ben Hall", "Cleo Park")]
    rooms = [await world.shared_room("conversations", ann, other) for other in others]
    api = ann.via("conversations")
    for room in (rooms[1], rooms[0]):
        await api.post(room, f"to {room.id}")
    listed = await ann.get(CONVERSATIONS)
    assert [conversation["conversation_id"] for conversation in listed] == [rooms[0].id, rooms[1].id]
    await api.post(rooms[1], "again")
    listed = await ann.get(CONVERSATIONS)
    assert [conversation["conversation_id"] for conversation in listed] == [rooms[1].id, rooms[0].id]
    last = listed[0]["last_message"]
    assert "again" in (last if isinstance(last, str) else last["message"])
    assert_like(listed[0], {"is_ai": False, "created_at": TIME})


async def test_a_conversation_without_messages_is_listed(world):
    ann, _, room = await pair(world)
    assert_like(await ann.get(CONVERSATIONS), [{"conversation_id": room.id, "last_message": None}])


async def test_messages(world):
    ann, ben, room = await pair(world)
    body = {"conversation_id": room.id, "sender_id": ann.id, "message": "Hi, how are you?"}
    first = await ann.post("/api/messages/", body, 200)
    assert_like(first, {"message_id": UUID, "message": "Hi, how are you?", "timestamp": TIME})
    second = await ben.post("/api/messages/", body | {"sender_id": ben.id, "message": "I'm good, thanks!"}, 200)
    for reader in (ann, ben):
        assert_like(
            await reader.get(f"{CONVERSATIONS}/{room.id}"),
            [
                {"sender_id": ann.id, "message": "Hi, how are you?", "timestamp": first["timestamp"]},
                {"sender_id": ben.id, "message": "I'm good, thanks!", "timestamp": second["timestamp"]},
            ],
        )


async def test_the_sender_may_be_left_out_but_not_another(world):
    ann, ben, room = await pair(world)
    await ann.post("/api/messages/", {"conversation_id": room.id, "message": "mine"})
    body = {"conversation_id": room.id, "sender_id": ben.id, "message": "forged"}
    assert_like(await ann.post("/api/messages/", body, 403), error(403))
    assert_like(await ann.get(f"{CONVERSATIONS}/{room.id}"), [{"sender_id": ann.id, "message": "mine"}])


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("message", {}),
        ("message", {"message": ""}),
        ("message", {"message": 7}),
        ("message", {"message": "x" * 10_001}),
        ("sender_id", {"message": "hi", "sender_id": 1}),
    ],
)
async def test_message_rules(world, field, body):
    ann, _, room = await pair(world)
    answer = await ann.post("/api/messages/", body | {"conversation_id": room.id}, 422)
    assert_like(answer, error(422))
    assert_names(answer, field)
    assert await ann.get(f"{CONVERSATIONS}/{room.id}") == []


async def test_others_conversations_do_not_exist(world):
    _, _, room = await pair(world)
    eve = await world.person("Eve Stone")
    assert_like(await eve.get(f"{CONVERSATIONS}/{room.id}", 404), error(404))
    assert_like(await eve.post(f"{CONVERSATIONS}/{room.id}/connect", status=404), error(404))
    assert_like(await eve.post("/api/messages/", {"conversation_id": room.id, "message": "hi"}, 404), error(404))


@pytest.mark.parametrize("name", ["01890000-0000-7000-8000-000000000000", "nonsense"])
async def test_an_unknown_conversation(world, name):
    ann = await world.person()
    assert_like(await ann.get(f"{CONVERSATIONS}/{name}", 404), error(404))
    assert_like(await ann.post(f"{CONVERSATIONS}/{name}/connect", status=404), error(404))


async def test_connect(world):
    ann, ben, room = await pair(world)
    answer = await ann.post(f"{CONVERSATIONS}/{room.id}/connect")
    assert_like(answer, {"status": "WebSocket connected", "conversation_id": room.id})
    assert_like(answer["websocket_url"].split("?")[0], url("", "wss?"))
    anns, bens = await ann.via("conversations").live(room), await ben.via("conversations").live(room)
    await anns.say("Hello, how are you?")
    heard = await bens.expect_post("Hello, how are you?")
    assert_like(
        heard.raw,
        {
            "message_id": UUID,
            "conversation_id": room.id,
            "sender_id": ann.id,
            "message": "Hello, how are you?",
            "timestamp": TIME,
        },
    )
    assert await anns.expect_post("Hello, how are you?") == heard


async def test_users(world):
    body = {
        "email": world.address(),
        "password": "password123",
        "name": "John Doe",
        "profile_picture": "https://example.com/profile.jpg",
    }
    made = await world.ask("POST", "/api/auth/register", 201, json=body)
    shown = {
        "user_id": made["user_id"],
        "email": body["email"],
        "name": "John Doe",
        "profile_picture": "https://example.com/profile.jpg",
    }
    ann = await world.person()
    assert_like(await ann.get(f"/api/users/{made['user_id']}"), shown)
    users = await ann.get("/api/users/")
    assert_like([user for user in users if user["user_id"] == made["user_id"]], [shown])
    assert_like(
        users[0], {"user_id": UUID, "email": either(TEXT, None), "name": TEXT, "profile_picture": either(TEXT, None)}
    )
    assert not any("password" in user for user in users)
    assert_like(await ann.get("/api/users/01890000-0000-7000-8000-000000000000", 404), error(404))


async def test_a_token_is_required(world):
    _, _, room = await pair(world)
    for method, path, body in (
        ("GET", CONVERSATIONS, None),
        ("POST", CONVERSATIONS, {"is_ai": True}),
        ("GET", f"{CONVERSATIONS}/{room.id}", None),
        ("POST", f"{CONVERSATIONS}/{room.id}/connect", None),
        ("POST", "/api/messages/", {"conversation_id": room.id, "message": "hi"}),
        ("GET", "/api/users/", None),
        ("GET", f"/api/users/{room.owner.id}", None),
    ):
        answer = await world.ask(method, path, 401, **({"json": body} if body else {}))
        assert_like(answer, error(401))
