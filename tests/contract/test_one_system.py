"""contract.md, "One system" and "Identifiers"."""

import itertools

import pytest

from harness.drivers import APIS
from harness.shape import INT, UUID, assert_like

ACCOUNT_APIS = [api for api in APIS if api != "guest"]

# A request of each API that needs a token and shows that it is understood.
OWN = {
    "platform": "/api/v1/users/profile",
    "convo": "/api/messages/{number}",
    "conversations": "/api/conversations",
    "chatrooms": "/api/chatroom/",
}


@pytest.mark.parametrize(("made", "used"), list(itertools.permutations(ACCOUNT_APIS, 2)))
async def test_an_account_made_through_one_api_logs_in_through_any_other(world, made, used):
    ann = await world.person("Ann Lee", made)
    again = await world.log_in(used, ann.name, ann.email.upper(), ann.password)
    assert again.id == ann.id


@pytest.mark.parametrize("api", ACCOUNT_APIS)
async def test_the_token_of_one_api_works_on_every_other(world, api):
    ann = await world.person("Ann Lee", api)
    room = await ann.via("convo").create_room()
    for path in OWN.values():
        await ann.get(path.format(number=room.number))


@pytest.mark.parametrize("api", ACCOUNT_APIS)
async def test_a_person_has_one_name_everywhere(world, api):
    ann = await world.person("Ann Lee", api)
    assert_like(await ann.get("/api/v1/auth/me"), {"display_name": "Ann Lee", "email": ann.email, "number": INT})
    assert_like(await ann.get(f"/api/users/{ann.id}"), {"user_id": ann.id, "name": "Ann Lee", "email": ann.email})
    assert_like(await ann.get(f"/api/user/{ann.id}"), {"id": ann.id, "name": "Ann Lee", "email": ann.email})


async def test_every_path_works_with_and_without_a_trailing_slash(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    meeting = await world.shared_room("platform", ann)
    legacy = await world.shared_room("convo", ann)
    conversation = await world.shared_room("conversations", ann, ben)
    chatroom = await world.shared_room("chatrooms", ann)
    paths = [
        "/api/v1/auth/me",
        "/api/v1/users/profile",
        "/api/v1/meetings",
        f"/api/v1/meetings/{meeting.code}",
        f"/api/v1/meetings/{meeting.code}/messages",
        f"/api/v1/meetings/{meeting.code}/info",
        f"/api/v1/meetings/{meeting.code}/exists",
        f"/api/v1/meetings/{meeting.code}/participants",
        f"/api/meetings/{legacy.number}",
        f"/api/messages/{legacy.number}",
        "/api/conversations",
        f"/api/conversations/{conversation.id}",
        "/api/users",
        f"/api/users/{ben.id}",
        "/api/user",
        f"/api/user/{ben.id}",
        "/api/chatroom",
        f"/api/chatroom/{chatroom.id}",
        f"/api/message/{chatroom.id}",
        "/docs",
        "/redoc",
    ]
    for path in paths:
        bare, slashed = await ann.request("GET", path), await ann.request("GET", path + "/")
        assert (bare.status_code, slashed.status_code) == (200, 200), path
        if not path.startswith("/docs"):
            assert bare.content == slashed.content, path


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/chatroom", {"name": "Lobby"}, 201),
        ("/api/conversations", {"is_ai": True}, 201),
        ("/api/meetings", {"title": "T", "start_time": "2024-09-07T10:00:00", "end_time": "2024-09-07T11:00:00"}, 201),
        ("/api/v1/meetings", {"title": "T"}, 201),
        ("/api/v1/meetings/create", {}, 201),
    ],
)
async def test_a_post_works_with_and_without_a_trailing_slash(world, path, body, status):
    ann = await world.person()
    await ann.post(path, body, status)
    await ann.post(path + "/", body, status)


async def test_a_meeting_of_the_simple_api_is_the_platforms_too(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("convo").create_room()
    listed = (await ann.get("/api/v1/meetings"))["meetings"]
    code = next(meeting["meeting_id"] for meeting in listed if meeting["id"] == f"meeting-{room.id}")
    # It is open: no passcode, no waiting room, joinable before the host.
    joined = await ben.post(f"/api/v1/meetings/{code}/join", {"display_name": "Ben"})
    assert_like(joined, {"user_id": ben.id})
    live = await ben.via("platform").live(room)
    await ann.via("convo").post(room, "hello from the simple API")
    await live.expect_post("hello from the simple API")


@pytest.mark.parametrize("kind", APIS)
async def test_the_uuid_names_a_room_in_every_api(world, kind):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room(kind, ann, ben)
    assert_like(room.id, UUID)
    await ann.via("platform").post(room, "hello")
    for path in (
        f"/api/v1/meetings/{room.id}/messages",
        f"/api/v1/meetings/meeting-{room.id}/messages",
        f"/api/messages/{room.id}",
        f"/api/conversations/{room.id}",
        f"/api/message/{room.id}",
    ):
        answer = await ben.get(path)
        messages = answer["messages"] if isinstance(answer, dict) else answer
        assert len(messages) == 1, path


async def test_integers_do_not_tell_of_other_peoples_conversations(world):
    ann, ben, eve = [await world.person(name) for name in ("Ann Lee", "Ben Hall", "Eve Stone")]
    room = await world.shared_room("conversations", ann, ben)
    number = (await ann.post("/api/messages", {"content": "hi", "meeting_id": room.id}, 201))["meeting_id"]
    for method, path, body in (
        ("GET", "/api/meetings/{}", None),
        ("GET", "/api/messages/{}", None),
        ("POST", "/api/messages", {"content": "x"}),
    ):
        answers = []
        for n in (number, number + 1_000_000):
            options = {"json": body | {"meeting_id": n}} if body else {}
            answer = await eve.request(method, path.format(n), **options)
            answers.append((answer.status_code, answer.json() | {"timestamp": None}))
        assert answers[0] == answers[1], path


async def test_integers_are_stable_and_ones_own(world):
    people = [await world.person(api=api) for api in ACCOUNT_APIS]
    assert len({person.number for person in people}) == len(people)
    again = await people[0].on_another_device("convo")
    assert again.number == people[0].number
    registered = {"name": "Dan", "email": world.address(), "password": "password123"}
    shown = await world.ask("POST", "/api/register", 201, json=registered)
    dan = await world.log_in("platform", "Dan", registered["email"], "password123")
    assert dan.number == shown["id"]


async def test_the_people_of_a_room_hear_a_message_on_every_device(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    lives = [await person.via(api).live(room) for person in (ann, ben) for api in ACCOUNT_APIS for _ in range(2)]
    await ann.via("chatrooms").post(room, "first")
    await ben.via("convo").post(room, "second")
    for live in lives:
        await live.expect_post("second")
        assert [post.text for post in live.posts] == ["first", "second"]
