"""What was acknowledged is there: after `kill -9`, with the database gone, on a full disk, and over SIGTERM."""

import asyncio
import contextlib
import json
import os
import subprocess
import uuid

import httpx
import psycopg
import pytest
import socketio
import websockets

from harness.drivers import APIS
from harness.events import WebSocket
from harness.postgres import Postgres
from harness.process import Server
from harness.world import World

SPEAKERS = [api for api in APIS if api != "guest"]
ACKNOWLEDGED_BEFORE_KILL = 400


class Stream:
    """One client that posts through one API, one message after another, and notes what was acknowledged."""

    def __init__(self, world, person, api, room, name):
        self.world, self.person, self.api, self.room, self.name = world, person, api, room, name
        self.acknowledged = []
        self.pending = None

    async def run(self, progress):
        for number in range(100_000):
            text = f"{self.name} {number}"
            self.pending = (text, uuid.uuid4().hex)
            await self.person.via(self.api).post(self.room, *self.pending)
            self.acknowledged.append(text)
            progress()

    async def retry(self):
        """What a client does after the crash: sends again what got no answer, with the same key."""
        text, key = self.pending
        await self.person.via(self.api).post(self.room, text, key)
        self.acknowledged.append(text)


async def assert_all_there(streams, reader, room):
    for api in SPEAKERS:
        history = [post.text for post in await reader.via(api).history(room)]
        assert len(set(history)) == len(history), f"doubled, by {api}"
        for stream in streams:
            own = [text for text in history if text.startswith(f"{stream.name} ")]
            assert own == stream.acknowledged, f"{stream.name}, by {api}"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_kill_nine_amid_a_stream_of_posts(serve):
    world = await serve()
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    lives = [await ben.via(api).live(room) for api in SPEAKERS]
    streams = [
        Stream(world, person, api, room, f"{person.name} {api} {n}")
        for person in (ann, ben)
        for api in SPEAKERS
        for n in range(3)
    ]
    for round_ in (1, 2):
        enough = asyncio.Event()
        goal = sum(len(stream.acknowledged) for stream in streams) + ACKNOWLEDGED_BEFORE_KILL

        def progress():
            if sum(len(stream.acknowledged) for stream in streams) >= goal:  # noqa: B023
                enough.set()  # noqa: B023

        tasks = [asyncio.create_task(stream.run(progress)) for stream in streams]
        async with asyncio.timeout(60):
            await enough.wait()
        await world.server.kill()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, httpx.TransportError) for result in results), results
        heard = [{post.text for post in live.posts} for live in lives]
        await world.server.start()
        await asyncio.gather(*(stream.retry() for stream in streams))
        await assert_all_there(streams, ann, room)
        # What a client has heard was stored before.
        history = {post.text for post in await ann.via("platform").history(room)}
        for texts in heard:
            assert texts <= history
        lives = [await ben.via(api).live(room) for api in SPEAKERS]
        # The next round's texts are new ones.
        for stream in streams:
            stream.name = f"{stream.name}+{round_}"
            stream.acknowledged = []


async def shapes_of_unavailability(person, room):
    """A post through each API while the store is away: 503 in that API's own shape."""
    for method, path, body in (
        ("POST", f"/api/v1/meetings/{room.id}/messages", {"content": "x"}),
        ("POST", "/api/messages", {"meeting_id": room.id, "content": "x"}),
        ("POST", "/api/messages/", {"conversation_id": room.id, "message": "x"}),
        ("POST", "/api/message/", {"chatroom": room.id, "message": "x"}),
    ):
        answer = await person.request(method, path, json=body)
        assert answer.status_code == 503, (path, answer.status_code, answer.text)
        error = answer.json()
        assert error.get("detail") or error["error"]["status"] == 503


async def until(check, within=30):
    async with asyncio.timeout(within):
        while not await check():
            await asyncio.sleep(0.1)


async def ready(world):
    return (await world.http.get("/readyz")).status_code == 200


def postgres_is_chosen(config):
    return config.getoption("--store") in ("postgres", "both")


@pytest.fixture
async def on_postgres(request, tmp_path_factory):
    """(a world, its own Postgres, the URL of its database there)"""
    if not postgres_is_chosen(request.config):
        pytest.skip("for Postgres: --store=postgres or both")
    postgres = Postgres(tmp_path_factory.mktemp("postgres")).start()
    url = postgres.new_database()
    world = World(Server(tmp_path_factory.mktemp("server"), DATABASE_URL=url))
    try:
        await world.server.start()
        yield world, postgres, url
    finally:
        await world.close()
        await world.server.stop()
        postgres.stop("immediate")


@pytest.mark.timeout(180)
async def test_a_lost_database_gives_503_and_recovers_by_itself(request, tmp_path_factory):
    if not postgres_is_chosen(request.config):
        pytest.skip("for Postgres: --store=postgres or both")
    postgres = Postgres(tmp_path_factory.mktemp("lost"), fsync=True).start()
    directory = tmp_path_factory.mktemp("lost-server")
    world = World(Server(directory, DATABASE_URL=postgres.new_database()))
    await world.server.start()
    try:
        ann = await world.person()
        room = await world.shared_room("chatrooms", ann)
        live = await ann.via("platform").live(room)
        await ann.via("platform").post(room, "before")
        postgres.stop("immediate")
        await shapes_of_unavailability(ann, room)
        await live.events.send("chat_message", content="while away")
        await live.events.expect_type("error")
        assert (await world.http.get("/readyz")).status_code == 503
        assert (await world.http.get("/healthz")).status_code == 200
        login = await world.http.post("/api/login", json={"email": ann.email, "password": ann.password})
        assert login.status_code == 503
        postgres.start()
        await until(lambda: ready(world))
        await ann.via("platform").post(room, "after")
        assert [post.text for post in await ann.via("platform").history(room)] == ["before", "after"]
        await live.expect_post("after")
        assert live.events.close_code is None
    finally:
        await world.close()
        await world.server.stop()
        with contextlib.suppress(AssertionError):
            postgres.stop("immediate")


async def posted(person, room, text):
    """The status of a post through the oldest API, and what is said of it."""
    body = {"chatroom": room.id, "message": text}
    answer = await person.request("POST", "/api/message/", json=body, timeout=60)
    return answer.status_code, answer.json().get("detail", "")


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_silent_database_gives_503_and_nothing_of_it_comes_later(on_postgres):
    """Not a connection is lost: only answers don't come."""
    world, postgres, _ = on_postgres
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    await ann.via("platform").post(room, "before")
    meeting = await world.shared_room("platform", ann)
    socket = (await ann.via("platform").live(meeting)).events
    with postgres.silent():
        async with asyncio.timeout(5):
            assert not await ready(world)
        await socket.close()
        for status, said in await asyncio.gather(*(posted(ann, room, f"lost {n}") for n in range(40))):
            assert status == 503 and "nothing was stored" in said, (status, said)
    await until(lambda: ready(world), within=10)
    await ann.via("platform").post(room, "after")
    assert [post.text for post in await ann.via("platform").history(room)] == ["before", "after"]

    async def gone():
        return (await ann.get(f"/api/v1/meetings/{meeting.code}"))["current_participant_count"] == 0

    await until(gone, within=30)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_whose_token_cannot_be_looked_at_is_to_come_again(on_postgres):
    """It is no bad token, after which clients stay away for good."""
    world, postgres, _ = on_postgres
    ann = await world.person()
    room = await world.shared_room("guest", ann)
    # A guest's token is looked at each time.
    guest = await world.guest(room)
    simple = await WebSocket.open(f"{world.server.ws_url}/ws/")
    world.opened.append(simple)
    rooms = await websockets.connect(f"{world.server.ws_url}/socket.io/?EIO=4&transport=websocket", proxy=None)
    with postgres.silent():
        await rooms.send("40" + json.dumps({"token": guest.token}))
        await simple.send("authenticate", token=guest.token)
        assert await simple.closed() == 1013
        assert [error["code"] for error in simple.of_type("error")] == ["SERVICE_UNAVAILABLE"]
        async with asyncio.timeout(30):
            said = [frame async for frame in rooms]
        assert len(said) == 1 and said[0].startswith("0{"), "no connect_error"


async def test_a_new_password_is_stored_in_one_go(on_postgres):
    """What takes two may be half stored when the database goes away between them, and then the refusal is not true."""
    world, _, url = on_postgres
    ann = await world.person("Ann Lee", "chatrooms")
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
        database.execute(
            "create trigger refuse before update on users for each row"
            " when (old.password = new.password) execute function refuse()"
        )
    await ann.put(f"/api/user/{ann.id}", {"password": "new password"})
    shown = await ann.put(f"/api/user/{ann.id}", {"name": "Annie Lee", "password": "newer password"})
    assert shown["name"] == "Annie Lee"


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_post_that_hangs_is_not_said_to_be_lost(on_postgres):
    """Somebody holds the room's row: the first post has begun and may yet be stored, the one behind it never begins."""
    world, postgres, url = on_postgres
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    live = await ann.via("platform").live(room)
    with psycopg.connect(url) as holder:
        holder.execute("select from rooms for update")
        first = asyncio.create_task(posted(ann, room, "first"))

        async def hangs():
            waiting = "select 1 from pg_stat_activity where application_name = 'convo' and wait_event_type = 'Lock'"
            return len(postgres.execute(waiting)) > 0

        await until(hangs)
        status, said = await posted(ann, room, "second")
        assert status == 503 and "nothing was stored" in said, (status, said)
        status, said = await first
        assert status == 503 and "not known" in said, (status, said)
    await live.expect_post("first")
    await ann.via("platform").post(room, "third")
    assert [post.text for post in await ann.via("platform").history(room)] == ["first", "third"]
    await live.expect_post("third")


@pytest.mark.timeout(180)
async def test_a_server_that_only_reads_gives_503_until_another_writes(on_postgres):
    """What a failover leaves behind: the connections are new, and lead to a server that only reads."""
    world, postgres, url = on_postgres
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    await ann.via("platform").post(room, "before")
    name = url.rpartition("/")[2]
    postgres.execute(f"alter database {name} set default_transaction_read_only = on")
    postgres.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'convo'")
    await shapes_of_unavailability(ann, room)
    assert not await ready(world)
    # More of them than there are connections: each has seen the server that only reads.
    for _ in range(20):
        assert (await ann.request("PUT", "/api/v1/users/profile", json={"first_name": "Anna"})).status_code == 503
    postgres.execute(f"alter database {name} reset default_transaction_read_only")
    await until(lambda: ready(world), within=10)
    await ann.via("platform").post(room, "after")
    assert [post.text for post in await ann.via("platform").history(room)] == ["before", "after"]
    assert await ready(world)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB of its own. Where nobody looks at what was skipped (`CI`), it must be there."""
    unfit = pytest.fail if os.environ.get("CI") else pytest.skip
    if os.geteuid() != 0:
        unfit("mounting a small file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode != 0:
        unfit(f"mounting is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(path):
    """Writes until there is no space left."""
    ballast = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        with contextlib.suppress(OSError):
            while os.write(ballast, b"\0" * 4096):
                pass
    finally:
        os.close(ballast)


@pytest.mark.timeout(180)
async def test_a_full_disk_gives_503_and_recovers_by_itself(request, small_disk, tmp_path):
    if request.config.getoption("--store") == "postgres":
        pytest.skip("for SQLite: --store=sqlite or both")
    world = World(Server(tmp_path, CONVO_DATA_DIR=str(small_disk / "data")))
    await world.server.start()
    try:
        ann = await world.person()
        room = await world.shared_room("chatrooms", ann)
        acknowledged = []
        text = "x" * 9_000

        async def post(number):
            answer = await ann.request(
                "POST", "/api/message/", json={"chatroom": room.id, "message": f"{number} {text}"}
            )
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])
            return answer.status_code

        assert await post(0) == 201
        fill(small_disk / "ballast")
        statuses = [await post(number) for number in range(1, 300)]
        assert set(statuses) <= {201, 503} and 503 in statuses, set(statuses)
        await shapes_of_unavailability(ann, room)
        assert world.server.running
        assert (await world.http.get("/readyz")).status_code == 503
        (small_disk / "ballast").unlink()
        # Nobody need write for that: a load balancer sends nobody to who is not ready.
        await until(lambda: ready(world))
        assert await post("again") == 201
        assert [m["id"] for m in await ann.get(f"/api/message/{room.id}")] == acknowledged
        # Also after a crash.
        await world.server.kill()
        await world.server.start()
        assert [m["id"] for m in await ann.get(f"/api/message/{room.id}")] == acknowledged
    finally:
        await world.close()
        await world.server.stop()


async def begin_to_post(person, room, text):
    """A request whose headers have been read (100 Continue says so) and whose body is still to come: by what is returned,
    which expects that it is stored."""
    server, body = person.world.server, json.dumps({"content": text}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = [
        f"POST /api/v1/meetings/{room.id}/messages HTTP/1.1",
        f"Host: {server.address}",
        f"Authorization: Bearer {person.token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    assert b" 100 " in await asyncio.wait_for(reader.readline(), 10)

    async def finish():
        writer.write(body)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b"HTTP/1.1 201" in answer, answer
        writer.close()

    return finish


async def test_sigterm_finishes_what_is_in_flight_and_tells_sockets_to_reconnect(serve):
    world = await serve()
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    lives = {api: (await ann.via(api).live(room)).events for api in SPEAKERS}

    finish = await begin_to_post(ann, room, "in flight")
    world.server.terminate()
    for api in ("platform", "convo", "conversations"):
        assert await lives[api].closed() == 1012, api
    await lives["chatrooms"].closed()
    await finish()
    assert await world.server.exited() == 0
    await world.server.start()
    assert [post.text for post in await ann.via("platform").history(room)] == ["in flight"]


async def test_a_stopping_server_takes_no_new_connections(serve):
    world = await serve()
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    live = (await ann.via("platform").live(room)).events
    finish = await begin_to_post(ann, room, "in flight")
    world.server.terminate()
    assert await live.closed() == 1012

    async def refused():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await until(refused)
    # It was not gone: somebody is waited for.
    await finish()
    assert await world.server.exited() == 0


async def test_a_restart_keeps_everything(serve):
    world = await serve()
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    rooms = {kind: await world.shared_room(kind, ann, ben) for kind in APIS}
    for kind, room in rooms.items():
        await ann.via("platform").post(room, f"in {kind}")
    seen = {path: await ann.get(path) for path in ("/api/v1/auth/me", "/api/conversations", "/api/chatroom/")}
    assert await world.server.stop() == 0
    await world.server.start()
    for kind, room in rooms.items():
        assert [post.text for post in await ben.via("platform").history(room)] == [f"in {kind}"]
    for path, body in seen.items():
        assert await ann.get(path) == body


@pytest.mark.one_store
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_after_a_restart_socket_io_clients_come_back(serve, transport):
    world = await serve()
    ann = await world.person()
    client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
    connected = asyncio.Queue()
    client.on("connect", lambda: connected.put_nowait(True))
    await client.connect(world.server.url, auth={"token": ann.token}, transports=[transport])
    try:
        await connected.get()
        assert await world.server.stop() == 0
        await world.server.start()
        async with asyncio.timeout(30):
            await connected.get()
    finally:
        await client.shutdown()
