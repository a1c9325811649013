"""Whatever comes in a body: the documented error in that API's own shape, nothing stored, nothing leaked."""

import json

import pytest

from harness.shape import TEXT, TIME, assert_like

UNKNOWN = "01890000-0000-7000-8000-000000000000"
INSIDES = (
    "sqlx",
    "rusqlite",
    "sqlite",
    "postgres",
    "select ",
    "panick",
    "thread '",
    ".rs:",
    "serde",
    "unwrap",
    "stack",
)


def shape(api, status):
    return {
        "platform": {"detail": TEXT, "error_code": TEXT, "timestamp": TIME},
        "convo": {"detail": TEXT, "error_code": TEXT, "timestamp": TIME},
        "conversations": {"error": {"message": TEXT, "status": status}},
    }.get(api, {"detail": TEXT})


def assert_refused(answer, api, *statuses):
    assert answer.status_code in statuses, (
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
    )
    assert_like(answer.json(), shape(api, answer.status_code))
    for inside in INSIDES:
        assert inside not in answer.text.lower(), f"the error tells of the server's insides: {answer.text}"


def shaped_like(answer):
    return "conversations" if "error" in answer.json() else "convo"


class Scene:
    """One person in one room of each kind, and every body that can be sent there."""

    async def set_up(self, world):
        self.world = world
        self.ann = await world.regular("Ann Lee")
        self.meeting = await world.shared_room("platform", self.ann)
        self.chatroom = await world.shared_room("chatrooms", self.ann)
        self.guest_meeting = await world.nobody.via("guest").create_room()
        return self

    def bodies(self):
        """(api, method, path, a good body)"""
        mail = self.world.address()
        meeting, chatroom = self.meeting, self.chatroom
        names = {"name": "X", "email": mail, "password": "password123"}
        times = {"start_time": "2024-09-07T10:00:00", "end_time": "2024-09-07T11:00:00"}
        v1 = "/api/v1"
        return [
            (
                "platform",
                "POST",
                f"{v1}/auth/register",
                {
                    "first_name": "X",
                    "last_name": "Y",
                    "email": mail,
                    "password": "Password123",
                    "confirm_password": "Password123",
                },
            ),
            ("platform", "POST", f"{v1}/auth/login", {"email_or_phone": mail, "password": "Password123"}),
            ("platform", "POST", f"{v1}/auth/verify-email", {"verification_code": "abc123def456ghi789"}),
            (
                "platform",
                "PUT",
                f"{v1}/users/profile",
                {"display_name": "X", "meeting_settings": {"auto_join_audio": True}},
            ),
            (
                "platform",
                "POST",
                f"{v1}/meetings",
                {"title": "T", "description": "D", "settings": {"max_participants": 5}},
            ),
            ("platform", "PUT", f"{v1}/meetings/{meeting.code}", {"title": "T", "description": "D"}),
            ("platform", "POST", f"{v1}/meetings/{meeting.code}/join", {"display_name": "X", "video_enabled": True}),
            (
                "platform",
                "POST",
                f"{v1}/meetings/{meeting.code}/messages",
                {"content": "X", "message_type": "text", "is_private": False},
            ),
            ("guest", "POST", f"{v1}/meetings/{self.guest_meeting.code}/join", {"user_name": "X"}),
            ("convo", "POST", "/api/register", names),
            ("convo", "POST", "/api/login", {"email": mail, "password": "password123"}),
            ("convo", "POST", "/api/meetings", {"title": "T", "description": "D"} | times),
            ("convo", "POST", "/api/messages", {"meeting_id": meeting.id, "content": "X"}),
            ("conversations", "POST", "/api/auth/register", names),
            ("conversations", "POST", "/api/auth/login", {"email": mail, "password": "password123"}),
            ("conversations", "POST", "/api/conversations", {"is_ai": True, "title": "T"}),
            ("conversations", "POST", "/api/messages/", {"conversation_id": chatroom.id, "message": "X"}),
            ("chatrooms", "POST", "/api/user/", names),
            ("chatrooms", "POST", "/api/user/login", {"email": mail, "password": "password123"}),
            ("chatrooms", "PUT", f"/api/user/{self.ann.id}", {"name": "X"}),
            ("chatrooms", "POST", "/api/chatroom/", {"name": "X"}),
            ("chatrooms", "POST", "/api/message/", {"chatroom": chatroom.id, "message": "X"}),
        ]

    async def send(self, method, path, content):
        return await self.ann.request(method, path, content=content, headers={"Content-Type": "application/json"})

    async def state(self):
        """What of the room and the person could have been changed."""
        return [
            await self.ann.get("/api/v1/users/profile"),
            await self.ann.get(f"/api/v1/meetings/{self.meeting.code}/messages"),
            await self.ann.get(f"/api/message/{self.chatroom.id}"),
            (await self.ann.get("/api/v1/meetings"))["pagination"]["total"],
            len(await self.ann.get("/api/chatroom/")),
        ]


@pytest.fixture
async def scene(world):
    return await Scene().set_up(world)


async def test_wrong_types(scene):
    before = await scene.state()
    for api, method, path, good in scene.bodies():
        for field, value in good.items():
            for wrong in (
                17,
                [],
                {},
                [1, 2],
                "" if not isinstance(value, str) else 1.5,
                True if not isinstance(value, bool) else "true",
            ):
                if field == "settings" and wrong == {} or field == "meeting_settings" and wrong == {}:
                    continue
                if field in ("meeting_id",) and wrong == 17:
                    wrong = 1.5
                answer = await scene.send(method, path, json.dumps(good | {field: wrong}))
                assert_refused(answer, api, 400, 422)
    assert await scene.state() == before


async def test_missing_fields(scene):
    before = await scene.state()
    needed = {
        "/api/v1/auth/login": ["email_or_phone", "password"],
        "/api/v1/auth/verify-email": ["verification_code"],
        "/api/v1/meetings": ["title"],
        "/api/register": ["name", "email", "password"],
        "/api/login": ["email", "password"],
        "/api/meetings": ["title"],
        "/api/auth/register": ["name", "email", "password"],
        "/api/auth/login": ["email", "password"],
        "/api/user/": ["name", "email", "password"],
        "/api/user/login": ["email", "password"],
        "/api/chatroom/": ["name"],
        "/api/message/": ["chatroom", "message"],
    }
    for api, method, path, good in scene.bodies():
        for field in needed.get(path, []) if method == "POST" else []:
            body = {key: value for key, value in good.items() if key != field}
            answer = await scene.send(method, path, json.dumps(body))
            assert_refused(answer, api, 422)
            assert field in answer.text, (path, field, answer.text)
    assert await scene.state() == before


RAW_VALUES = {
    "a NUL byte": b'"a\\u0000b"',
    "a lone surrogate": b'"a\\ud800b"',
    "a surrogate pair the wrong way round": b'"\\udc00\\ud800"',
    "invalid UTF-8": b'"a\xff\xfeb"',
    "an overlong form": b'"\xc0\x80"',
    "deep nesting": b"[" * 20_000 + b"]" * 20_000,
    "a deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "a huge number": b"1e400",
    "a long number": b"9" * 5_000,
}


@pytest.mark.parametrize("what", RAW_VALUES)
async def test_values_no_text_should_be(scene, what):
    before = await scene.state()
    for api, method, path, good in scene.bodies():
        for field, value in good.items():
            if not isinstance(value, str):
                continue
            rest = {key: other for key, other in good.items() if key != field}
            content = b'{"%s": %s' % (field.encode(), RAW_VALUES[what])
            content += b", " + json.dumps(rest).encode()[1:] if rest else b"}"
            answer = await scene.send(method, path, content)
            if path.endswith("/login") and what == "a NUL byte":
                # No account is called that: credentials that are simply wrong.
                assert_refused(answer, api, 400, 401, 422)
            elif path.endswith("/verify-email") or field in ("chatroom", "conversation_id", "meeting_id"):
                assert_refused(answer, api, 400, 401, 404, 422)
            else:
                assert_refused(answer, api, 400, 422)
    assert await scene.state() == before
    assert scene.world.server.running


async def test_ids_in_paths(scene):
    ann = scene.ann
    bad = [
        "%00",
        "%ff",
        "..%2f..%2fetc%2fpasswd",
        "x" * 2000,
        "%F0%9F%91%8B",
        "' or 1=1 --",
        "1;drop table users",
        "-9223372036854775809",
        "null",
    ]
    for api, method, path in (
        ("platform", "GET", "/api/v1/meetings/{}"),
        ("platform", "GET", "/api/v1/meetings/{}/messages"),
        ("platform", "POST", "/api/v1/meetings/{}/leave"),
        ("platform", "POST", "/api/v1/meetings/{}/join"),
        ("guest", "GET", "/api/v1/meetings/{}/info"),
        ("convo", "GET", "/api/meetings/{}"),
        ("convo", "GET", "/api/messages/{}"),
        ("conversations", "GET", "/api/conversations/{}"),
        ("conversations", "GET", "/api/users/{}"),
        ("chatrooms", "GET", "/api/user/{}"),
        ("chatrooms", "GET", "/api/chatroom/{}"),
        ("chatrooms", "GET", "/api/message/{}"),
    ):
        for name in bad:
            assert_refused(await ann.request(method, path.format(name)), api, 400, 404, 414, 422)


async def test_bodies_of_two_mebibytes(scene):
    before = await scene.state()
    for api, method, path, good in scene.bodies():
        content = json.dumps(good)[:-1] + ', "x": "' + "x" * (2 << 20) + '"}'
        answer = await scene.send(method, path, content)
        # Where two documents share a path only the body could say which shape the error should have.
        assert_refused(answer, api if "/api/messages" not in path else shaped_like(answer), 413)
    assert await scene.state() == before


async def test_a_body_without_json(scene):
    for api, method, path, _ in scene.bodies():
        for content, content_type in (
            (b"", "application/json"),
            (b"a=b", "application/x-www-form-urlencoded"),
            (b"\0\0\0", "application/octet-stream"),
        ):
            if path.endswith("/join") and not content:
                # Every field of a join may be left out; so may its body.
                continue
            answer = await scene.ann.request(method, path, content=content, headers={"Content-Type": content_type})
            assert_refused(answer, api, 400, 415, 422)


async def test_other_peoples_ids(world):
    ann, eve = await world.regular("Ann Lee"), await world.regular("Eve Stone")
    ben = await world.person("Ben Hall")
    dan = await world.person("Dan Reed")
    conversation = await world.shared_room("conversations", ben, dan)
    meeting = await world.shared_room("platform", ann)
    chatroom = await world.shared_room("chatrooms", ann)
    for api, method, path, body, *statuses in (
        ("conversations", "POST", "/api/messages/", {"conversation_id": conversation.id, "message": "x"}, 404),
        ("conversations", "GET", f"/api/conversations/{conversation.id}", None, 404),
        ("platform", "GET", f"/api/v1/meetings/{conversation.id}/messages", None, 404),
        ("platform", "GET", f"/api/v1/meetings/{conversation.id}", None, 404),
        ("convo", "GET", f"/api/messages/{conversation.id}", None, 404),
        ("chatrooms", "GET", f"/api/message/{conversation.id}", None, 404),
        ("chatrooms", "POST", f"/api/chatroom/{conversation.id}/join", None, 403, 404),
        ("platform", "POST", f"/api/v1/meetings/{conversation.id}/join", {"display_name": "x"}, 403, 404),
        ("guest", "POST", f"/api/v1/meetings/{conversation.id}/join", {"user_name": "x"}, 403, 404),
        ("platform", "PUT", f"/api/v1/meetings/{meeting.code}", {"title": "x"}, 403),
        ("chatrooms", "PUT", f"/api/user/{ann.id}", {"name": "x"}, 403),
        ("chatrooms", "DELETE", f"/api/user/{ann.id}", None, 403),
        ("chatrooms", "POST", "/api/message/", {"chatroom": chatroom.id, "message": "x"}, 403),
        ("convo", "POST", "/api/messages", {"meeting_id": meeting.id, "content": "x", "sender_id": eve.number}, 403),
    ):
        answer = await eve.request(method, path, **({"json": body} if body else {}))
        assert_refused(answer, api, *statuses)
    assert await ben.via("conversations").history(conversation) == []


async def test_unknown_fields_are_ignored(world):
    ann = await world.regular("Ann Lee")
    await ann.post("/api/chatroom/", {"name": "Lobby", "unheard": {"of": [1, 2]}}, 201)
    await ann.post(
        "/api/v1/meetings", {"title": "T", "settings": {"unheard": 1}, "id": UNKNOWN, "host_user_id": UNKNOWN}, 201
    )
