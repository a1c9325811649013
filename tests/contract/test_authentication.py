"""contract.md, "Authentication": sessions and tokens."""

import asyncio
import json
import time
from types import SimpleNamespace

import jwt
import pytest

from harness.drivers import APIS
from harness.process import convo
from harness.shape import TEXT, assert_like
from harness.world import PASSWORD

REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"


def refreshed(world, token, status=200):
    return world.ask("POST", REFRESH, status, headers={"Authorization": f"Bearer {token}"})


async def held_back(world, person, method, path, body):
    """Sends a request's head; the body goes with the call of what is returned, which gives the status."""
    host, port = world.server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {person.token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    writer.write(head.encode())
    # The server asks for the body: it has looked at the token.
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")

    async def send():
        writer.write(body.encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    return send


async def test_a_body_that_comes_after_the_log_out_does_nothing(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    joins = await held_back(world, ann, "POST", f"/api/v1/meetings/{room.code}/join", '{"display_name": "Ann"}')
    changes = await held_back(world, ann, "PUT", f"/api/user/{ann.id}", '{"password": "Another12345"}')
    late = await held_back(world, ann, "POST", f"/api/v1/meetings/{room.code}/messages", '{"content": "hi"}')
    in_time = await held_back(world, ann, "POST", f"/api/v1/meetings/{room.code}/messages", '{"content": "in time"}')
    assert await in_time() == 201
    await ann.post(LOGOUT)
    assert [await send() for send in (joins, changes, late)] == [401, 401, 401]
    await world.ask("POST", "/api/login", 200, json={"email": ann.email, "password": PASSWORD})


async def lives_of(person, room):
    return [(await person.via(api).live(room)).events for api in APIS if api != "guest"]


async def test_a_body_that_comes_late_needs_no_access_token_where_none_is_asked_for(world):
    ann = await world.person()
    login = json.dumps({"email_or_phone": ann.email, "password": ann.password})
    stale = SimpleNamespace(token="of another day")
    assert await (await held_back(world, stale, "POST", "/api/v1/auth/login", login))() == 200
    # A refresh token is no access token.
    refresh = SimpleNamespace(token=ann.refresh_token)
    assert await (await held_back(world, refresh, "POST", REFRESH, "{}"))() == 200


async def test_an_access_token_is_a_jwt_of_an_hour(world):
    ann = await world.person()
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    assert 3500 < claims["exp"] - time.time() <= 3600
    assert ann.email not in str(claims)


@pytest.mark.one_store
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_the_secret_and_the_algorithm_are_configured(serve, algorithm):
    secret = "a secret of the operator's own, long enough for each of them: 0123456789abcdef"
    world = await serve(JWT_SECRET=secret, JWT_ALGO=algorithm)
    ann = await world.person()
    claims = jwt.decode(ann.token, secret, algorithms=[algorithm], options={"verify_aud": False})
    for forged in (
        jwt.encode(claims, "another secret of about the same length as the one above: 0123456789", algorithm),
        jwt.encode(claims, None, "none"),
        jwt.encode(claims | {"exp": int(time.time()) - 600}, secret, algorithm),
        jwt.encode(claims, secret, "HS512" if algorithm == "HS256" else "HS256"),
    ):
        ann.token = forged
        await ann.get("/api/v1/auth/me", 401)


@pytest.mark.one_store
async def test_a_bad_algorithm_stops_the_start(tmp_path):
    for algorithm in ("RS256", "none", "nonsense"):
        done = convo("serve", CONVO_DATA_DIR=str(tmp_path / "data"), JWT_ALGO=algorithm, CONVO_LISTEN="127.0.0.1:0")
        assert done.returncode != 0
        assert "JWT_ALGO" in done.stdout + done.stderr


@pytest.mark.one_store
async def test_the_secret_made_on_first_start_is_kept(serve):
    world = await serve()
    ann = await world.person()
    assert await world.server.stop() == 0
    await world.server.start()
    await ann.get("/api/v1/auth/me")
    # The directory is the owner's alone, and what can be read as a secret is so by itself too.
    assert world.server.data.stat().st_mode & 0o777 == 0o700
    secrets = [path for path in world.server.data.iterdir() if path.is_file() and "secret" in path.name.lower()]
    assert secrets and all(path.stat().st_mode & 0o077 == 0 for path in secrets)


async def test_refresh_tokens_rotate(world):
    ann = await world.person()
    first = await refreshed(world, ann.refresh_token)
    second = await refreshed(world, first["refresh_token"])
    ann.token = second["access_token"]
    await ann.get("/api/v1/auth/me")


async def test_a_refresh_whose_answer_was_lost_is_repeated_by_its_key(world):
    ann = await world.person()

    def with_key(key, status=200):
        headers = {"Authorization": f"Bearer {ann.refresh_token}", "Idempotency-Key": key}
        return world.ask("POST", REFRESH, status, headers=headers)

    first, again = [await with_key("a long key of Ann's") for _ in range(2)]
    assert refresh_id(again) == refresh_id(first)
    ann.token = again["access_token"]
    await ann.get("/api/v1/auth/me")
    # The next trade is the end of that.
    await refreshed(world, first["refresh_token"])
    await with_key("a long key of Ann's", 401)
    await ann.get("/api/v1/auth/me", 401)


@pytest.mark.parametrize("keys", [("a long key of Ann's", "a guess of sixteen"), ("1", "1")], ids=["another", "short"])
async def test_with_another_key_it_is_theft(world, keys):
    ann = await world.person()
    for key, status in zip(keys, (200, 401), strict=True):
        headers = {"Authorization": f"Bearer {ann.refresh_token}", "Idempotency-Key": key}
        await world.ask("POST", REFRESH, status, headers=headers)
    await ann.get("/api/v1/auth/me", 401)


async def test_the_reuse_of_a_spent_refresh_token_revokes_its_session(world):
    ann = await world.person()
    other = await ann.on_another_device()
    first = await refreshed(world, ann.refresh_token)
    ann.token = first["access_token"]
    room = await world.shared_room("chatrooms", ann)
    lives = await lives_of(ann, room)
    await refreshed(world, ann.refresh_token, 401)
    await refreshed(world, first["refresh_token"], 401)
    await ann.get("/api/v1/auth/me", 401)
    for live in lives:
        await live.closed()
    # Another session of the same person is not touched.
    await other.get("/api/v1/auth/me")


def refresh_id(tokens):
    return jwt.decode(tokens["refresh_token"], options={"verify_signature": False})["jti"]


class InMeetings:
    """A session that is in one meeting, and has been in another."""

    async def enter(self, person, here, before):
        self.http, driver = person.world.http, person.via("platform")
        self.places = [(room, (await driver.join(room))["meeting_token"]) for room in (here, before)]
        self.socket, left = [(await driver.live(room, token)).events for room, token in self.places]
        await left.close()
        return self

    async def statuses(self):
        """What LiveKit's door and the socket's say to the tokens."""
        for room, token in self.places:
            yield (await self.http.get("/rtc/validate", params={"access_token": token})).status_code
            yield (await self.http.get(f"/ws/meetings/{room.code}", params={"token": token})).status_code

    async def ended(self):
        await self.socket.closed()
        assert [status async for status in self.statuses()] == [401] * 4

    async def goes_on(self):
        # To plain HTTP the socket's door says that it is one.
        assert [status async for status in self.statuses()] == [200, 400] * 2
        await self.socket.settled()


async def in_meetings(world, *people):
    rooms = [await world.shared_room("platform", people[0]) for _ in range(2)]
    return [await InMeetings().enter(person, *rooms) for person in people]


async def test_the_reuse_of_a_spent_refresh_token_ends_its_meetings(world):
    ann = await world.person()
    stolen, other = await in_meetings(world, ann, await ann.on_another_device())
    await refreshed(world, ann.refresh_token)
    await stolen.goes_on()
    await refreshed(world, ann.refresh_token, 401)
    await stolen.ended()
    await other.goes_on()


async def test_changing_the_password_ends_the_meetings_of_the_other_sessions(world):
    ann = await world.person()
    mine, other = await in_meetings(world, ann, await ann.on_another_device())
    await ann.put(f"/api/user/{ann.id}", {"password": "AnotherPassword1"})
    await other.ended()
    await mine.goes_on()


async def test_logout_ends_every_session_on_every_api(world):
    ann = await world.person()
    others = [await ann.on_another_device(api) for api in APIS if api != "guest"]
    room = await world.shared_room("platform", ann)
    token = (await ann.via("platform").join(room))["meeting_token"]
    lives = [live for person in (ann, others[-1]) for live in await lives_of(person, room)]
    lives.append((await ann.via("platform").live(room, token)).events)
    await ann.post(LOGOUT)
    for live in lives:
        await live.closed()
    for person in (ann, *others):
        for path in ("/api/v1/auth/me", f"/api/messages/{room.id}", "/api/conversations", "/api/chatroom/"):
            await person.get(path, 401)
    await refreshed(world, ann.refresh_token, 401)
    ann.token = token
    await ann.get(f"/api/v1/meetings/{room.code}/messages", 401)
    await world.log_in("platform", ann.name, ann.email)


async def test_changing_the_password_ends_the_other_sessions(world):
    ann = await world.person()
    other = await ann.on_another_device()
    room = await world.shared_room("chatrooms", ann)
    lives = await lives_of(other, room)
    await ann.put(f"/api/user/{ann.id}", {"password": "AnotherPassword1"})
    for live in lives:
        await live.closed()
    await other.get("/api/v1/auth/me", 401)
    await refreshed(world, other.refresh_token, 401)
    await ann.get("/api/v1/auth/me")


async def test_a_refresh_token_is_no_access_token_anywhere(world):
    ann = await world.person()
    ann.token = ann.refresh_token
    for path in ("/api/v1/auth/me", "/api/conversations", "/api/chatroom/", "/api/user/", "/api/users/"):
        await ann.get(path, 401)


@pytest.mark.parametrize("path", ["/api/register", "/api/auth/register", "/api/user/"])
async def test_the_older_apis_ask_for_eight_characters(world, path):
    body = {"name": "Ann", "email": world.address(), "password": "password"}
    await world.ask("POST", path, 422, json=body | {"password": "passwor"})
    await world.ask("POST", path, 201, json=body)


async def test_no_hash_ever_leaves_the_server(world):
    ann = await world.person(api="convo")
    for path in ("/api/v1/auth/me", "/api/v1/users/profile", "/api/users/", "/api/user/", f"/api/user/{ann.id}"):
        assert "argon2" not in (await ann.request("GET", path)).text


async def test_long_and_strange_passwords_work(world):
    for password in ("Aa1" + "ä" * 60, "Aa1 " + "x" * 120, 'Aa1\t"quotes" and \\'):
        ann = await world.person(password=password)
        await world.ask("POST", "/api/login", 401, json={"email": ann.email, "password": password[:-1]})


@pytest.mark.one_store
async def test_deactivated(serve):
    world = await serve()
    ann = await world.person()
    done = convo("user", "deactivate", ann.email, **world.server.settings)
    assert done.returncode == 0, done.stderr
    refused = await world.ask(
        "POST", "/api/v1/auth/login", 401, json={"email_or_phone": ann.email, "password": PASSWORD}
    )
    assert_like(refused, {"detail": TEXT})
    # The command is another process: the running server hears of it within seconds.
    async with asyncio.timeout(15):
        while (await ann.request("GET", "/api/v1/auth/me")).status_code != 401:
            await asyncio.sleep(0.2)
    # Only who knows the password learns that the account is deactivated.
    wrong = await world.ask(
        "POST", "/api/v1/auth/login", 401, json={"email_or_phone": ann.email, "password": "Wrong12345"}
    )
    unknown = await world.ask(
        "POST", "/api/v1/auth/login", 401, json={"email_or_phone": world.address(), "password": "Wrong12345"}
    )
    assert wrong["detail"] == unknown["detail"]
    assert "deactivated" in refused["detail"].lower()


@pytest.mark.one_store
async def test_open_convo_api_for_old_clients(serve):
    world = await serve(CONVO_API_OPEN="true")
    ann = await world.person()
    nobody = world.nobody
    meeting = {"title": "T", "description": "", "start_time": "2024-09-07T10:00:00", "end_time": "2024-09-07T11:00:00"}
    created = await nobody.post("/api/meetings", meeting | {"creator_id": ann.number}, 201)
    message = {"content": "hi", "sender_id": ann.number, "meeting_id": created["id"]}
    assert_like(await nobody.post("/api/messages", message, 201), message)
    assert len(await nobody.get(f"/api/messages/{created['id']}")) == 1
    assert "CONVO_API_OPEN" in world.server.log()
    # The other APIs are as closed as ever.
    await nobody.get("/api/conversations", 401)


@pytest.mark.one_store
@pytest.mark.parametrize("end", ["deleted", "deactivated"])
async def test_an_open_meeting_outlives_its_creators_account(serve, end):
    world = await serve(CONVO_API_OPEN="true")
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    nobody = world.nobody
    room = await ann.via("convo").create_room()
    await ann.via("convo").post(room, "hi")
    await ben.via("convo").join(room)
    private = {"content": "between us", "is_private": True, "recipient_user_id": ben.id}
    await ann.post(f"/api/v1/meetings/{room.id}/messages", private, 201)
    match end:
        case "deleted":
            await ann.delete(f"/api/user/{ann.id}")
        case "deactivated":
            assert convo("user", "deactivate", ann.email, **world.server.settings).returncode == 0
    await ben.via("convo").post(room, "without her")
    await nobody.get(f"/api/meetings/{room.number}")
    shown = await nobody.get(f"/api/messages/{room.number}")
    assert [message["content"] for message in shown] == ["hi", "without her"]
    message = {"content": "hi", "sender_id": ben.number, "meeting_id": room.number}
    assert_like(await nobody.post("/api/messages", message, 201), message)
