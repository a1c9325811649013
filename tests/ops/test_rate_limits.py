"""platform.md, "Rate Limiting", and contract.md, "Rate limits"."""

import asyncio
import time

import pytest

from harness.shape import TEXT, assert_like

pytestmark = pytest.mark.one_store

# (requests, seconds) of each class.
AUTH, MEETINGS, CHAT, GENERAL = (10, 60), (60, 60), (100, 60), (1000, 3600)


@pytest.fixture
async def world(serve):
    return await serve(CONVO_RATE_LIMIT="on", TRUSTED_PROXIES="127.0.0.0/8")


_addresses = iter(range(1, 10_000))


def from_afar():
    """The header of a proxy that stands for a caller nobody has seen before."""
    n = next(_addresses)
    return {"X-Forwarded-For": f"198.18.{n // 250}.{n % 250 + 1}"}


async def person(world, name="Ann Lee"):
    """Registered and logged in from an address of their own."""
    world.http.headers.update(from_afar())
    return await world.person(name)


def limits(answer):
    return tuple(int(answer.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


async def budget(send, size, seconds):
    """Sends until refused: the headers count down to 0 within a window, then 429."""
    window, allowed = None, 0
    for _ in range(2 * size + 2):
        answer = await send()
        limit, remaining, reset = limits(answer)
        assert limit == size
        assert time.time() - 2 <= reset <= time.time() + seconds + 2
        if reset != window:
            # The first answer, or the window has turned over meanwhile.
            window, allowed = reset, size - remaining - (answer.status_code != 429)
        if answer.status_code == 429:
            assert remaining == 0 and allowed == size
            assert 1 <= int(answer.headers["Retry-After"]) <= seconds
            assert abs(time.time() + int(answer.headers["Retry-After"]) - reset) <= 2
            return answer
        allowed += 1
        assert remaining == size - allowed
    raise AssertionError(f"{size} requests in {seconds} s are allowed; {2 * size} were")


async def test_authentication_shares_one_budget_over_all_apis(world):
    wrong = {"email": "x@example.com", "password": "wrong-password"}
    paths = ["/api/login", "/api/auth/login", "/api/user/login", "/api/v1/auth/login", "/api/register"]
    turn = iter(range(100))
    headers = from_afar()

    async def send():
        path = paths[next(turn) % len(paths)]
        body = wrong | {"email_or_phone": wrong["email"]}
        return await world.http.post(path, json=body, headers=headers)

    refused = await budget(send, *AUTH)
    assert_like(refused.json(), {"detail": TEXT})
    for path in paths[:3]:
        answer = await world.http.post(path, json=wrong, headers=headers)
        assert answer.status_code == 429
        error = answer.json()
        assert error.get("detail") or error["error"]["status"] == 429
    # Another address has a budget of its own.
    assert (await world.http.post("/api/login", json=wrong, headers=from_afar())).status_code == 401


async def test_a_refresh_counts_for_the_person(world):
    """A house of people who came together renews its tokens together, whatever a neighbour does."""
    ann, ben = await person(world), await person(world, "Ben Hall")
    house, wrong = from_afar(), {"email": "x@example.com", "password": "wrong-password"}

    async def refresh(token):
        headers = house | {"Authorization": f"Bearer {token}"}
        return await world.http.post("/api/v1/auth/refresh", headers=headers)

    async def spent():
        # Tries beyond the budget, so that a new minute does not matter.
        answers = [await world.http.post("/api/login", json=wrong, headers=house) for _ in range(2 * AUTH[0] + 1)]
        assert 429 in [answer.status_code for answer in answers]

    await spent()
    first = await refresh(ben.refresh_token)
    assert first.status_code == 200 and limits(first)[:2] == (AUTH[0], AUTH[0] - 1)
    second = await refresh(first.json()["refresh_token"])
    assert second.status_code == 200
    assert limits(second)[1] == AUTH[0] - 2 or limits(second)[2] != limits(first)[2]
    assert limits(await refresh(ann.refresh_token))[1] == AUTH[0] - 1, "each has a budget of their own"
    # What is no refresh token of ours is anybody's, and buys no guesses.
    assert [(await refresh(token)).status_code for token in ["nonsense", ann.token] * AUTH[0]].count(429) > 0


async def test_the_error_of_the_platform(world):
    headers = from_afar()
    for _ in range(21):
        answer = await world.http.post(
            "/api/v1/auth/login", json={"email_or_phone": "x@example.com", "password": "x"}, headers=headers
        )
    assert answer.status_code == 429
    assert_like(answer.json(), {"detail": TEXT, "error_code": "RATE_LIMIT_EXCEEDED", "timestamp": TEXT})


async def test_the_error_of_a_path_that_two_documents_share(world):
    ann = await person(world)
    body = {"meeting_id": 1, "content": "x"}

    async def send():
        return await ann.request("POST", "/api/messages", json=body)

    refused = (await budget(send, *CHAT)).json()
    # Whose the body is has not been looked at: both shapes.
    assert_like(refused, {"detail": TEXT, "error_code": "RATE_LIMIT_EXCEEDED", "error": {"status": 429}})


async def test_meeting_operations(world):
    ann = await person(world)
    turn = iter(range(1000))

    async def send():
        match next(turn) % 4:
            case 0:
                return await ann.request("POST", "/api/v1/meetings", json={"title": "T"})
            case 1:
                return await ann.request("POST", "/api/chatroom/", json={"name": "T"})
            case 2:
                return await ann.request("POST", "/api/conversations", json={"is_ai": True})
            case _:
                return await ann.request(
                    "POST",
                    "/api/meetings",
                    json={"title": "T", "start_time": "2024-09-07T10:00:00", "end_time": "2024-09-07T11:00:00"},
                )

    await budget(send, *MEETINGS)
    # Reading is another budget.
    assert (await ann.request("GET", "/api/v1/meetings")).status_code == 200


WITH_SOCKETS = ["platform", "convo", "conversations", "chatrooms"]
# What a socket says to who has said too much; and how somebody types there.
REFUSALS = {
    "platform": {"type": "error", "data": {"code": "RATE_LIMIT_EXCEEDED", "message": TEXT}},
    "convo": {"type": "error", "data": {"code": "RATE_LIMIT_EXCEEDED", "message": TEXT}},
    "conversations": {"error": {"message": TEXT, "status": 429}},
    "chatrooms": {"code": "RATE_LIMIT_EXCEEDED", "message": TEXT},
}


def refusals(live, api):
    """What the socket was told that is no event of the room."""
    if api == "chatrooms":
        return live.events.of_type("error")
    return [event for event in live.events.seen if "error" in (event.get("type"), *event)]


async def in_one_window(attempt):
    """`attempt` answers with two readings of `X-RateLimit-Reset`: it counts where no window ended between them."""
    for _ in range(3):
        first, last = await attempt()
        if first == last:
            return
    raise AssertionError("three windows of a minute ended meanwhile")


@pytest.mark.parametrize("api", WITH_SOCKETS)
async def test_chat_over_all_apis_and_sockets(world, api):
    async def attempt():
        ann, ben = await person(world), await person(world, "Ben Hall")
        room = await world.shared_room(api, ann, ben)
        live = await ann.via(api).live(room)

        async def by_rest(number):
            body = {"message": f"message {number}", "conversation_id": room.id, "chatroom": room.id}
            path = "/api/messages/" if api == "conversations" else "/api/message/"
            return await ann.request("POST", path, json=body)

        first = limits(await by_rest(0))
        for number in range(1, CHAT[0] // 2):
            await ann.via(WITH_SOCKETS[number % 4]).post(room, f"message {number}")
        for number in range(CHAT[0] // 2, CHAT[0]):
            await live.say(f"message {number}")
        await live.expect_posts(CHAT[0])
        over = await by_rest(CHAT[0])
        if limits(over)[2] != first[2]:
            return first[2], limits(over)[2]
        assert (over.status_code, limits(over)[1]) == (429, 0)
        assert refusals(live, api) == []
        await live.say("over")
        # Where the window ends just here, it is posted.
        await live.events.until(lambda: refusals(live, api) or len(live.posts) > CHAT[0], what="a refusal")
        last = limits(await by_rest(CHAT[0] + 1))
        if last[2] == first[2]:
            [refusal] = refusals(live, api)
            assert_like(refusal, REFUSALS[api])
            assert len(await ann.via(api).history(room)) == CHAT[0]
            assert live.events.close_code is None
            # It is Ann's budget, not the room's.
            await ben.via(api).post(room, "not refused")
        return first[2], last[2]

    await in_one_window(attempt)


@pytest.mark.parametrize("api", WITH_SOCKETS)
async def test_frames_come_as_quickly_as_a_person_makes_them(world, api):
    """Others than posts: 200 at once, then 50 a second."""
    ann, ben = await person(world), await person(world, "Ben Hall")
    room = await world.shared_room(api, ann, ben)
    live = await ann.via(api).live(room)
    for _ in range(1_000):
        match api:
            case "chatrooms":
                await live.events.emit("typing", {"chatroomId": room.id, "isTyping": True})
            case "conversations":
                await live.events.send_json({"type": "typing", "is_typing": True})
            case _:
                await live.events.send("typing", meeting_id=room.number or room.id, is_typing=True)
    await live.events.until(lambda: refusals(live, api), what="a refusal")
    assert_like(refusals(live, api)[0], REFUSALS[api])
    # Nor is the connection ended for it, nor is the chat's budget touched.
    await live.say("still here")
    await live.expect_post("still here")
    assert live.events.close_code is None
    # To come in took a frame or two, and a quick machine lets none come back meanwhile.
    assert len(refusals(live, api)) <= 802


async def test_the_sockets_of_accounts_do_not_count_for_their_house(world):
    """Browsers bring the token in the address."""
    ann = await person(world)
    room = await ann.via("platform").create_room()
    joined = await ann.via("platform").join(room)
    headers = from_afar()

    async def opens(token):
        # Half a handshake: it counts, and is answered by HTTP.
        await world.http.get(f"/ws/meetings/{room.code}?token={token}", headers=headers | {"Upgrade": "websocket"})

    async def remaining():
        return int((await world.http.get("/api/v1/auth/me", headers=headers)).headers["X-RateLimit-Remaining"])

    before = await remaining()
    for token in (joined["meeting_token"], ann.token):
        await opens(token)
    assert before - await remaining() == 1
    await opens("nonsense")
    assert before - await remaining() == 3


@pytest.mark.slow
async def test_general_endpoints(world):
    ann = await person(world)
    first = await ann.request("GET", "/api/v1/auth/me")
    limit, remaining, reset = limits(first)
    assert limit == GENERAL[0] and reset <= time.time() + GENERAL[1] + 2
    second = await ann.request("GET", "/api/conversations")
    if limits(second)[2] == reset:
        assert limits(second)[1] == remaining - 1
    answers = await asyncio.gather(*(ann.request("GET", "/api/v1/auth/me") for _ in range(remaining - 1)))
    if all(limits(answer)[2] == reset for answer in answers):
        assert (await ann.request("GET", "/api/user/")).status_code == 429


async def test_a_users_budget_is_the_users_wherever_they_are(world):
    ann, ben = await person(world), await person(world, "Ben Hall")
    _, remaining, reset = limits(await ann.request("GET", "/api/v1/auth/me", headers=from_afar()))
    again = limits(await ann.request("GET", "/api/v1/auth/me", headers=from_afar()))
    assert again[1] == remaining - 1 or again[2] != reset
    # Two people behind one address have a budget each.
    _, bens, _ = limits(await ben.request("GET", "/api/v1/auth/me"))
    assert bens > again[1]


async def test_the_headers_are_on_every_answer(world):
    ann = await person(world)
    for answer in (
        await ann.request("GET", "/api/v1/auth/me"),
        await ann.request("GET", "/api/v1/meetings/000-000-000"),
        await ann.request("POST", "/api/v1/meetings", content=b"{", headers={"Content-Type": "application/json"}),
        await world.http.get("/api/v1/auth/me"),
        await world.http.get("/api/user/"),
        await world.http.get("/api/v1/meetings/000-000-000/exists"),
    ):
        limits(answer)


async def test_a_forged_address_counts_for_nothing(serve):
    world = await serve(CONVO_RATE_LIMIT="on")
    wrong = {"email": "x@example.com", "password": "wrong-password"}
    statuses = [(await world.http.post("/api/login", json=wrong, headers=from_afar())).status_code for _ in range(21)]
    assert 429 in statuses


async def test_the_address_is_the_last_one_that_no_trusted_proxy_wrote(world):
    """`X-Forwarded-For: forged, real`: the proxy appends what it saw; what stands before it is the client's word."""
    wrong = {"email": "x@example.com", "password": "wrong-password"}
    real = from_afar()["X-Forwarded-For"]
    statuses = []
    for number in range(21):
        headers = {"X-Forwarded-For": f"203.0.113.{number}, {real}"}
        statuses.append((await world.http.post("/api/login", json=wrong, headers=headers)).status_code)
    assert 429 in statuses


async def test_off_for_load_tests(serve):
    world = await serve(CONVO_RATE_LIMIT="off")
    wrong = {"email": "x@example.com", "password": "wrong-password"}
    statuses = {(await world.http.post("/api/login", json=wrong)).status_code for _ in range(21)}
    assert statuses == {401}
