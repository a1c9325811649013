"""contract.md, "Errors" and "Where two documents meet"."""

import pytest

from harness.shape import TEXT, TIME, assert_like

PLATFORM = {"detail": TEXT, "error_code": TEXT, "timestamp": TIME}
DETAIL = {"detail": TEXT}

# A POST of each API that reads a body, and how that API words an error.
POSTS = {
    "/api/v1/meetings": "platform",
    "/api/v1/auth/login": "platform",
    "/api/meetings": "convo",
    "/api/login": "convo",
    "/api/conversations": "conversations",
    "/api/auth/login": "conversations",
    "/api/chatroom/": "chatrooms",
    "/api/user/login": "chatrooms",
    "/api/message/": "chatrooms",
}


def shape(api, status):
    if api == "conversations":
        return {"error": {"message": TEXT, "status": status}}
    return PLATFORM if api in ("platform", "convo") else DETAIL


async def send(world, path, content, content_type="application/json"):
    ann = await world.regular("Ann Lee")
    return await ann.request("POST", path, content=content, headers={"Content-Type": content_type})


@pytest.mark.parametrize(("path", "api"), POSTS.items())
@pytest.mark.parametrize("content", [b"{", b'{"a": }', b"\xff\xfe", b'{"title": "x"} trailing', b'{"title": NaN}'])
async def test_malformed_json(world, path, api, content):
    answer = await send(world, path, content)
    assert answer.status_code == 400, answer.text
    assert_like(answer.json(), shape(api, 400))


@pytest.mark.parametrize(("path", "api"), POSTS.items())
@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"7", b"{}"])
async def test_a_well_formed_body_that_breaks_a_rule(world, path, api, content):
    answer = await send(world, path, content)
    assert answer.status_code == 422, answer.text
    assert_like(answer.json(), shape(api, 422))


async def test_an_object_is_no_list_of_its_values(world):
    ann = await world.regular("Ann Lee")
    for path, values in (
        ("/api/v1/auth/login", [ann.email, ann.password]),
        ("/api/login", [ann.email, ann.password]),
        ("/api/auth/login", [ann.email, ann.password]),
        ("/api/user/login", [ann.email, ann.password]),
        ("/api/v1/meetings", {"title": "T", "settings": [True] * 7 + [5]}),
    ):
        assert_like(await ann.post(path, values, 422), shape(POSTS[path], 422))
    assert_like(await ann.put("/api/v1/users/profile", {"meeting_settings": [True] * 3}, 422), PLATFORM)


@pytest.mark.parametrize("wrong", [b"17", b'"text"', b"[1]", b"null"])
async def test_an_error_names_no_type_of_ours(world, wrong):
    answers = [await send(world, path, wrong) for path in POSTS]
    if wrong != b"null":
        answers.append(await send(world, "/api/v1/meetings", b'{"title": "T", "settings": %s}' % wrong))
    for answer in answers:
        assert answer.status_code == 422 and "struct" not in answer.text


@pytest.mark.parametrize(("path", "api"), POSTS.items())
async def test_a_body_over_one_mebibyte(world, path, api):
    answer = await send(world, path, b'{"title": "' + b"x" * (1 << 20) + b'"}')
    assert answer.status_code == 413, answer.text
    assert_like(answer.json(), shape(api, 413))


async def test_a_body_of_one_mebibyte_is_read(world):
    answer = await send(world, "/api/v1/meetings", b'{"title": "x"}' + b" " * ((1 << 20) - 14))
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("PATCH", "/api/v1/meetings", "platform"),
        ("GET", "/api/v1/auth/login", "platform"),
        ("DELETE", "/api/meetings", "convo"),
        ("GET", "/api/login", "convo"),
        ("PUT", "/api/conversations", "conversations"),
        ("GET", "/api/auth/login", "conversations"),
        ("DELETE", "/api/chatroom/", "chatrooms"),
        ("PUT", "/api/user/login", "chatrooms"),
    ],
)
async def test_a_wrong_method(world, method, path, api):
    ann = await world.regular("Ann Lee")
    answer = await ann.request(method, path)
    assert answer.status_code == 405, answer.text
    assert_like(answer.json(), shape(api, 405))


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/api/v1/nonsense", "platform"),
        ("/api/v1/meetings/123-456-789/nonsense", "platform"),
        ("/api/conversations/01890000-0000-7000-8000-000000000000/nonsense", "conversations"),
        ("/api/chatroom/01890000-0000-7000-8000-000000000000/nonsense", "chatrooms"),
        ("/api/nonsense", "convo"),
    ],
)
async def test_an_unknown_path(world, path, api):
    ann = await world.regular("Ann Lee")
    answer = await ann.request("GET", path)
    assert answer.status_code == 404, answer.text
    assert_like(answer.json(), shape(api, 404))


@pytest.mark.parametrize(("path", "api"), POSTS.items())
async def test_errors_are_json_for_everybody(world, path, api):
    answer = await world.nobody.request("POST", path, content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 401)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert_like(answer.json(), shape(api, answer.status_code))


@pytest.mark.parametrize("path", ["/api/messages", "/api/messages/"])
async def test_one_path_two_documents(world, path):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    meeting = await ann.via("convo").create_room()
    conversation = await world.shared_room("conversations", ann, ben)
    assert_like(
        await ann.post(path, {"meeting_id": meeting.number, "content": "hi"}, 201), {"meeting_id": meeting.number}
    )
    assert_like(await ann.post(path, {"conversation_id": conversation.id, "message": "hi"}, 200), {"message": "hi"})
    neither = await ann.request("POST", path, json={"message": "hi"})
    assert neither.status_code == 422
    # Errors follow the body's shape.
    assert_like(await ann.post(path, {"meeting_id": meeting.number}, 422), PLATFORM)
    assert_like(
        await ann.post(path, {"conversation_id": conversation.id}, 422), {"error": {"message": TEXT, "status": 422}}
    )
    assert_like(await world.nobody.post(path, {"meeting_id": 1, "content": "x"}, 401), PLATFORM)
    body = {"conversation_id": conversation.id, "message": "x"}
    assert_like(await world.nobody.post(path, body, 401), {"error": {"message": TEXT, "status": 401}})


async def test_one_join_two_documents(world):
    ann = await world.person("Ann Lee")
    room = await ann.via("platform").create_room()
    path = f"/api/v1/meetings/{room.code}/join"
    assert_like(await ann.post(path, {"display_name": "Ann"}), {"meeting_token": TEXT})
    assert_like(await world.nobody.post(path, {"user_name": "Gus"}), {"token": TEXT, "user_name": "Gus"})
    assert_like(await world.nobody.post(path, {"display_name": "Gus"}, 401), PLATFORM)
    assert_like(await world.nobody.post(path, {"user_name": 7}, 422), DETAIL)


async def test_delete_cancels_what_is_scheduled_and_ends_what_runs(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    api = ann.via("platform")
    scheduled, running = await api.create_room(), await world.shared_room("platform", ann, ben)
    live = (await ben.via("platform").live(running)).events
    assert_like(await ann.delete(f"/api/v1/meetings/{scheduled.code}"), {"success": True, "meeting_id": scheduled.code})
    await ann.delete(f"/api/v1/meetings/{running.code}")
    await live.expect_type("meeting_ended")
    statuses = {m["meeting_id"]: m["status"] for m in (await ann.get("/api/v1/meetings"))["meetings"]}
    assert statuses == {scheduled.code: "cancelled", running.code: "ended"}
    # A cancelled meeting is MEETING_ENDED to who would join it.
    for room in (scheduled, running):
        answer = await ben.post(f"/api/v1/meetings/{room.code}/join", {"display_name": "Ben"}, 400)
        assert_like(answer, PLATFORM | {"error_code": "MEETING_ENDED"})
