"""One order for everybody; resume without a gap or a double; slow readers."""

import asyncio
import json
import socket as sockets
import time
from urllib.parse import quote

import pytest
import websockets
from websockets.asyncio.client import connect

from harness.drivers import APIS
from harness.events import WebSocket

SOCKETS = ["platform", "convo", "conversations", "chatrooms"]


async def club(world, size):
    people = [await world.regular(f"Member {n}") for n in range(size)]
    return people, await world.shared_room("chatrooms", *people)


@pytest.mark.parametrize("api", SOCKETS)
async def test_one_order_with_four_posts_of_each_client_under_way(world, api):
    """Each client sends over its own socket without waiting for an answer."""
    people, room = await club(world, 4)
    lives = [await person.via(api).live(room) for person in people]
    rounds, abreast = 10, 4

    async def speak(number, live):
        for turn in range(rounds):
            said = [f"{number} {turn * abreast + n}" for n in range(abreast)]
            for text in said:
                await live.say(text)
            await live.expect_post(said[-1])

    await asyncio.gather(*(speak(number, live) for number, live in enumerate(lives)))
    total = len(lives) * rounds * abreast
    orders = [[post.text for post in await live.expect_posts(total)] for live in lives]
    history = [post.text for post in await people[0].via(api).history(room)]
    assert len(set(history)) == len(history) == total
    for order in orders:
        assert order == history
    for number in range(len(lives)):
        own = [text for text in history if text.startswith(f"{number} ")]
        assert own == [f"{number} {n}" for n in range(rounds * abreast)]


async def resumed(world, person, api, room, seq, count):
    """Comes back after `seq`, and the next `count` messages or more, as a client takes them: by `seq`, without a gap. What
    comes live may overtake what is caught up."""
    path, meeting = {
        "platform": (f"/ws/meetings/{room.id}", {}),
        "convo": ("/ws/", {"meeting_id": room.id}),
    }[api]
    socket = await WebSocket.open(f"{world.server.ws_url}{path}?token={quote(person.token)}")
    world.opened.append(socket)
    if api == "convo":
        await socket.send("join_meeting", **meeting)
    await socket.send("resume", since_seq=seq, **meeting)

    def fresh():
        return [message for message in socket.of_type("chat_message") if message["seq"] > seq]

    def unbroken():
        messages = sorted(fresh(), key=lambda message: message["seq"])
        return [message for place, message in enumerate(messages, seq + 1) if message["seq"] == place]

    await socket.until(lambda: len(unbroken()) >= count, what=f"{count} messages after {seq}")
    seqs = [message["seq"] for message in fresh()]
    assert len(set(seqs)) == len(seqs), f"a double: {seqs}"
    socket.connection.transport.abort()
    return unbroken()


@pytest.mark.parametrize("api", ["platform", "convo"])
async def test_resume_while_others_post(world, api):
    """A client that drops and comes back, again and again, has every message once and in order."""
    (ann, ben), room = await club(world, 2)
    total = 120

    async def post():
        for number in range(total):
            await ann.via("platform").post(room, f"message {number}")

    posting = asyncio.create_task(post())
    heard, seq = [], 0
    while len(heard) < total:
        messages = await resumed(world, ben, api, room, seq, min(20, total - len(heard)))
        heard += [message["content"] for message in messages]
        seq = messages[-1]["seq"]
    await posting
    assert heard == [f"message {number}" for number in range(total)]


async def test_resume_from_the_beginning_gives_the_whole_history(world):
    (ann, ben), room = await club(world, 2)
    for number in range(30):
        await ann.via("platform").post(room, f"message {number}")
    live = await ben.via("platform").live(room)
    await live.events.send("resume", since_seq=0)
    await live.expect_post("message 29")
    assert [post.text for post in live.posts] == [f"message {number}" for number in range(30)]


@pytest.mark.parametrize("ahead", [1000, 2**63 - 1])
async def test_who_claims_to_have_more_than_there_is_hears_what_is_new(world, ahead):
    """As a client does whose server's data were set back, and went on from there."""
    (ann, ben), room = await club(world, 2)
    live = await ben.via("platform").live(room)
    await live.events.send("resume", since_seq=ahead)
    for number in range(3):
        await ann.via("platform").post(room, f"message {number}")
    await live.expect_post("message 2")
    await live.events.send("resume", since_seq=0)
    await live.events.settled()
    assert [post.text for post in live.posts] == [f"message {number}" for number in range(3)]


async def test_a_connection_loses_no_first_event(world):
    """What is said right after the connection was accepted is heard, and what it says first is taken up."""
    ann = await world.regular("Member 0")
    room = await world.shared_room("chatrooms", ann)
    api = ann.via("platform")
    for number in range(20):
        live = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.id}?token={quote(ann.token)}")
        world.opened.append(live)
        await live.send("chat_message", content=f"first {number}")
        await live.expect_type("chat_message", content=f"first {number}")
        answer = await ann.post(f"/api/conversations/{room.id}/connect")
        quiet = await WebSocket.open(answer["websocket_url"])
        world.opened.append(quiet)
        await api.post(room, f"second {number}")
        await quiet.expect(lambda frame, n=number: frame.get("message") == f"second {n}")
    history = [post.text for post in await api.history(room)]
    assert history == [f"{which} {n}" for n in range(20) for which in ("first", "second")]


async def test_a_ticket_opens_one_connection(world):
    ann = await world.regular("Member 0")
    room = await world.shared_room("chatrooms", ann)
    answer = await ann.post(f"/api/conversations/{room.id}/connect")
    world.opened.append(await WebSocket.open(answer["websocket_url"]))
    with pytest.raises(websockets.InvalidStatus):
        await WebSocket.open(answer["websocket_url"])


async def test_a_conversations_websocket_takes_a_bearer_token_too(world):
    """`GET …/connect` with an upgrade is that WebSocket."""
    ann = await world.regular("Member 0")
    room = await world.shared_room("chatrooms", ann)
    url = f"{world.server.ws_url}/api/conversations/{room.id}/connect"
    live = await WebSocket.open(url, headers={"Authorization": f"Bearer {ann.token}"})
    world.opened.append(live)
    await live.send_json({"message": "hello"})
    await live.expect(lambda frame: frame.get("message") == "hello")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await WebSocket.open(url)
    assert refused.value.response.status_code == 401


MESSAGES = 20_000
ROOM_FOR_A_SLOW_READER = 48 << 20


async def slow_socket(world, url):
    """A WebSocket whose client does not read, with the smallest buffers on its side."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", world.server.port))
    # No queue on our side either: unread frames stay in the kernel, then with the server.
    return await connect(url, sock=raw, max_queue=1, ping_interval=None, max_size=None, proxy=None, compression=None)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_slow_reader_costs_bounded_memory(serve):
    """Twenty thousand messages go by a client that does not read. Then it reads: in order, or told to resync."""
    world = await serve()
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    slow = await slow_socket(world, f"{world.server.ws_url}/ws/meetings/{room.id}?token={quote(ben.token)}")
    mouths = [await ann.via("platform").live(room) for _ in range(4)]
    text = "x" * 1000
    before = None
    for start in range(0, MESSAGES, 400):
        for number in range(start, start + 400):
            await mouths[number % 4].events.send("chat_message", content=f"{number} {text}")
        await asyncio.gather(*(mouth.events.settled() for mouth in mouths))
        for mouth in mouths:
            mouth.events.seen.clear()
        if start == 1200:
            before = world.server.resident_bytes()
    grown = world.server.resident_bytes() - before
    assert grown < ROOM_FOR_A_SLOW_READER, f"{grown >> 20} MiB for one slow reader (20 MB went by)"

    seqs, resync = [], False

    async def read_on(connection, until):
        nonlocal resync
        async for frame in connection:
            event = json.loads(frame)
            if event["type"] == "chat_message":
                seqs.append(event["data"]["seq"])
                if seqs[-1] >= until:
                    return
            elif event["type"] in ("resync", "error"):
                resync = True
                return

    last = (await ann.post(f"/api/v1/meetings/{room.id}/messages", {"content": "the last"}, 201)).get("seq")
    history_total = (await ann.get(f"/api/v1/meetings/{room.id}/messages?limit=1"))["pagination"]["total"]
    assert history_total == MESSAGES + 1
    async with asyncio.timeout(60):
        try:
            await read_on(slow, last or MESSAGES + 1)
        except websockets.ConnectionClosed:
            resync = True
        if resync or not seqs or seqs[-1] < MESSAGES + 1:
            # Told to resync, or cut off: a new connection resumes from what it has.
            live = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.id}?token={quote(ben.token)}")
            world.opened.append(live)
            while not seqs or seqs[-1] < MESSAGES + 1:
                since = seqs[-1] if seqs else 0
                await live.send("resume", since_seq=since)
                await live.until(lambda s=since: any(d["seq"] > s for d in live.of_type("chat_message")), within=30)
                await live.settled()
                seqs += [data["seq"] for data in live.of_type("chat_message") if data["seq"] > since]
                live.seen.clear()
    assert seqs == sorted(set(seqs)), "a double, or out of order"
    assert len(seqs) == seqs[-1] - seqs[0] + 1, "a gap"
    await slow.close()


# Of each socket two slow readers, who read a frame now and then: somebody is at the other end.
SLOW_OF_EACH = 2
NOW_AND_THEN_SECONDS = 0.5
LARGE = "x" * 5_000
# What mailboxes, the first pages of what was missed and the database's caches hold; and then 30 MB go by.
BEFORE_IT_COUNTS, LARGE_MESSAGES = 4_000, 10_000
# Longer than a write may make no progress, on every socket.
WATCHED_SECONDS = 30
ROOM_FOR_ALL_OF_THEM = 16 << 20


async def slow_line(world, person, api, room):
    """A live connection of the person's that hears the room, with the smallest buffers on the client's side."""
    url, token = world.server.ws_url, quote(person.token)
    match api:
        case "platform":
            return await slow_socket(world, f"{url}/ws/meetings/{room.id}?token={token}")
        case "convo":
            socket = await slow_socket(world, f"{url}/ws/?token={token}")
            await socket.send(json.dumps({"type": "join_meeting", "data": {"meeting_id": room.id}}))
        case "conversations":
            ticket = (await person.post(f"/api/conversations/{room.id}/connect", None, 200))["websocket_url"]
            return await slow_socket(world, ticket)
        case "chatrooms":
            socket = await slow_socket(world, f"{url}/socket.io/?EIO=4&transport=websocket")
            await socket.send("40" + json.dumps({"token": person.token}))
            await socket.send("42" + json.dumps(["joinRoom", {"chatroomId": room.id}]))
    return socket


async def read_now_and_then(line, api):
    """And say what an Engine.IO client's answer to a ping is, as the ping stands behind much else."""
    while True:
        await line.recv()
        if api == "chatrooms":
            await line.send("3")
        await asyncio.sleep(NOW_AND_THEN_SECONDS)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_slow_readers_cost_bounded_memory_on_every_socket(serve):
    world = await serve()
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    mouths = [await ann.via("platform").live(room) for _ in range(4)]
    lines = [(api, await slow_line(world, ben, api, room)) for api in SOCKETS * SLOW_OF_EACH]
    readers = [asyncio.create_task(read_now_and_then(line, api)) for api, line in lines]

    async def sessions():
        lines = (await world.http.get("/metrics")).text.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("convo_sessions "))

    async def all_there():
        return await sessions() == len(readers) + len(mouths)

    async with asyncio.timeout(30):
        while not await all_there():
            await asyncio.sleep(0.05)

    async def talk(count):
        for start in range(0, count, 200):
            for number in range(start, start + 200):
                await mouths[number % 4].events.send("chat_message", content=LARGE)
            await asyncio.gather(*(mouth.events.settled() for mouth in mouths))
            for mouth in mouths:
                mouth.events.seen.clear()

    start = time.monotonic()
    await talk(BEFORE_IT_COUNTS)
    before = world.server.resident_bytes()
    await talk(LARGE_MESSAGES - BEFORE_IT_COUNTS)
    grown = world.server.resident_bytes() - before
    while time.monotonic() - start < WATCHED_SECONDS:
        await talk(200)
        await asyncio.sleep(1)
    assert await all_there(), "nobody was cut off meanwhile"
    assert not any(reader.done() for reader in readers)
    for reader, (_, line) in zip(readers, lines, strict=True):
        reader.cancel()
        line.transport.abort()
    assert grown < ROOM_FOR_ALL_OF_THEM, f"{grown >> 20} MiB for {len(readers)} slow readers"


@pytest.mark.parametrize("api", SOCKETS)
async def test_a_socket_closes_when_its_session_is_revoked(world, api):
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    live = (await ann.via(api).live(room)).events
    await ann.post("/api/v1/auth/logout")
    await live.closed()


async def test_a_member_who_leaves_hears_nothing_more(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    lives = [await ben.via(api).live(room) for api in SOCKETS]
    await ben.post(f"/api/chatroom/{room.id}/leave")
    anns = await ann.via("platform").live(room)
    await ann.via("platform").post(room, "without Ben")
    await anns.expect_post("without Ben")
    again = await world.person("Cleo Park")
    await again.via("chatrooms").join(room)
    cleos = await again.via("chatrooms").live(room)
    await ann.via("platform").post(room, "later")
    await cleos.expect_post("later")
    for live in lives:
        assert live.posts == []
    for api in APIS:
        if api != "guest":
            answer = await ben.request("GET", f"/api/message/{room.id}")
            assert answer.status_code == 403


async def test_a_member_who_comes_back_hears_the_conversation_again(world):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    live = await ben.via("conversations").live(room)
    await ben.post(f"/api/chatroom/{room.id}/leave")
    await ben.via("chatrooms").join(room)
    await live.say("back")
    await live.expect_post("back")
    await ann.via("platform").post(room, "welcome")
    await live.expect_post("welcome")


async def test_typing_reaches_the_other_apis_sockets_of_the_meeting(world):
    ann, ben = await world.regular("Member 0"), await world.regular("Member 1")
    room = await world.shared_room("platform", ann, ben)
    anns, bens = await ann.via("convo").live(room), await ben.via("platform").live(room)
    await anns.events.send("typing", meeting_id=room.id, is_typing=True)
    await bens.events.expect_type("typing", is_typing=True)
