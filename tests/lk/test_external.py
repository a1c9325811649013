"""Convo with an existing LiveKit server (`LIVEKIT_URL`): here a second Convo is that server, and knows nothing of the
meetings; or LiveKit's own, where the environment's `LIVEKIT_SERVER` names its binary. LiveKit clients go straight to it.
"""

import asyncio
import base64
import contextlib
import hashlib
import itertools
import time

import jwt
import pytest
from livekit import api, rtc

from harness import livekit_server
from harness.door import Door
from harness.events import WebSocket
from harness.livekit import Client, join, participants, taken_by_an_operator, until
from harness.livekit_server import LiveKitServer
from harness.postgres import Postgres
from harness.process import convo

pytestmark = pytest.mark.one_store


@pytest.fixture
async def serve_livekit(serve_media, tmp_path, key):
    """`server = await serve_livekit(webhook)`: the address is told of who comes and goes."""
    servers = []

    async def start(webhook=None):
        if livekit_server.BINARY:
            servers.append(LiveKitServer(tmp_path, key, webhook))
            return await servers[-1].start()
        return (await serve_media(**{"CONVO_WEBHOOK_URLS": webhook} if webhook else {})).server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
async def livekit(serve_livekit):
    return await serve_livekit()


@pytest.fixture
async def world(serve, livekit, key):
    return await serve(LIVEKIT_URL=livekit.ws_url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])


@pytest.fixture
def livekit_url(livekit):
    return livekit.ws_url


async def bridged(person, room, *clients):
    """Until what is posted reaches the clients: LiveKit's server says nothing of who has come to the room unseen."""
    for number in itertools.count():
        await person.via("platform").post(room, f"are you there? {number}")
        with contextlib.suppress(TimeoutError):
            for client in clients:
                await client.until(lambda client=client: client.chats, 1)
            break
    await person.via("platform").post(room, "good")
    for client in clients:
        await client.until(lambda client=client: client.chats[-1][1] == "good")
        client.chats.clear()


async def posts(person, room):
    return [post.text for post in await person.via("platform").history(room)]


async def texts(person, room):
    return [text for text in await posts(person, room) if "are you there?" not in text][1:]


async def test_the_embedded_server_is_off(world, livekit, ann, room):
    joined = await join(ann, room)
    assert joined["livekit_url"] == livekit.ws_url
    refused = await world.http.get("/rtc/validate", params={"access_token": joined["meeting_token"]})
    assert refused.status_code == 404


async def test_chat_goes_both_ways(ann, bob, room, connect):
    from_ann, from_bob = await connect(await join(ann, room)), await connect(await join(bob, room))
    live = await bob.via("platform").live(room)
    await bridged(ann, room, from_ann, from_bob)
    await from_ann.room.local_participant.send_text("by LiveKit", topic="lk.chat")
    assert (await live.expect_post("by LiveKit")).author == ann.id
    await bob.via("platform").post(room, "by REST")
    for client in (from_ann, from_bob):
        await client.until(lambda client=client: client.chats and client.chats[-1][1] == "by REST")
    assert await texts(ann, room) == ["by LiveKit", "by REST"]
    # What LiveKit brought to its clients comes once.
    assert [text for _, text, _ in from_bob.chats] == ["by LiveKit", "by REST"]
    assert [text for _, text, _ in from_ann.chats] == ["by REST"]
    identity, _, attributes = from_ann.chats[0]
    assert identity == from_bob.room.local_participant.identity
    assert attributes["sender_name"].startswith("Bob")
    # And nobody sees who carries it.
    assert list(from_ann.room.remote_participants) == [from_bob.room.local_participant.identity]


async def test_what_is_said_at_once_is_kept(ann, room, connect):
    for number in range(5):
        client = await connect(await join(ann, room))
        await client.room.local_participant.send_text(f"{number}", topic="lk.chat")
    found = await until(lambda: posts(ann, room), lambda found: len(found) == 5)
    assert sorted(found) == [f"{number}" for number in range(5)]


async def test_what_is_said_before_going_is_kept(ann, bob, room, connect):
    stays = await connect(await join(bob, room))
    for turn in range(5):
        client = await connect(await join(ann, room))
        identity = client.room.local_participant.identity
        await stays.until(lambda identity=identity: identity in stays.room.remote_participants)
        words = [f"{turn} {number}" for number in range(10)]
        await asyncio.gather(*(client.room.local_participant.send_text(text, topic="lk.chat") for text in words))
        await client.room.disconnect()
        await stays.until(lambda identity=identity: identity not in stays.room.remote_participants)
    heard = {text for _, text, _ in stays.chats}
    assert heard
    await until(lambda: posts(ann, room), lambda found: heard <= set(found))


async def test_who_writes_before_the_server_tells_of_them(serve, livekit, key, connect):
    """As LiveKit's does, whose updates come late."""
    async with Door(livekit.url) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann, bob = await world.person("Ann"), await world.person("Bob")
        room = await ann.via("platform").create_room()
        hers, his = await connect(await join(ann, room)), await connect(await join(bob, room))
        await his.until(lambda: hers.room.local_participant.identity in his.room.remote_participants)
        for number in range(3):
            await his.room.local_participant.send_text(f"{number}", topic="lk.chat")
        await his.room.disconnect()
        assert await until(lambda: posts(ann, room), lambda found: len(found) == 3) == ["0", "1", "2"]


async def test_what_a_quick_client_writes_at_once(serve, livekit, key, connect):
    """Convo itself takes longer to come in than she does."""
    async with Door(livekit.url, entry=0.4) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        hers = await connect(await join(ann, room))
        await hers.room.local_participant.send_text("first", topic="lk.chat")
        assert await until(lambda: posts(ann, room), lambda found: found) == ["first"]


async def test_who_looks_at_their_camera_first_is_heard_too(serve, livekit, key, connect):
    """Ten seconds after the last has gone Convo would leave the room, and be too late for who is as quick."""
    async with Door(livekit.url, entry=0.4) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        joined = await join(ann, room)
        await asyncio.sleep(11)
        hers = await connect(joined)
        await hers.room.local_participant.send_text("ready", topic="lk.chat")
        assert await until(lambda: posts(ann, room), lambda found: found) == ["ready"]


async def test_a_room_that_is_closed_is_opened_for_who_is_awaited(serve, livekit, key, connect):
    """LiveKit closes a room in which nobody else has been for a while."""
    async with Door(livekit.url) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        joined = await join(ann, room)
        before = door.sockets
        await door.dismiss()
        async with asyncio.timeout(15):
            while door.sockets == before:
                await asyncio.sleep(0.05)
        hers = await connect(joined)
        await bridged(ann, room, hers)


@pytest.mark.slow
async def test_a_server_that_falls_silent_is_left(serve, livekit, key, connect):
    async with Door(livekit.url) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann, bob = await world.person("Ann"), await world.person("Bob")
        room = await ann.via("platform").create_room()
        hers = await connect(await join(ann, room))
        await bridged(ann, room, hers)
        door.deafen()
        async with asyncio.timeout(25):
            while door.sockets == door.deaf:
                await asyncio.sleep(0.1)
        his = await connect(await join(bob, room))
        await bridged(ann, room, hers, his)


async def test_a_meeting_of_those_admitted_is_heard(serve, livekit, key, connect):
    """Their host lets them in without being there."""
    async with Door(livekit.url, unanswered="ListRooms") as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann, bob = await world.person("Ann"), await world.person("Bob")
        for _ in range(5):
            room = await ann.via("platform").create_room(waiting_room_enabled=True, allow_join_before_host=True)
            waits = await join(bob, room)
            assert waits["status"] == "waiting"
            url = f"{world.server.ws_url}/ws/meetings/{room.code}?token={waits['meeting_token']}"
            door_bell = await WebSocket.open(url)
            await ann.post(f"/api/v1/meetings/{room.code}/participants/{waits['participant_id']}/admit")
            admitted = await door_bell.expect_type("participant_admitted")
            his = await connect(admitted)

            async def heard(his=his, room=room):
                await his.room.local_participant.send_text("in", topic="lk.chat")
                return await posts(ann, room)

            await until(heard, lambda found: found)
            await door_bell.close()
            await his.room.disconnect()


async def test_a_server_out_of_reach_keeps_nobody_from_joining(serve, key):
    async with Door() as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann = await world.person("Ann")
        assert (await join(ann, await ann.via("platform").create_room()))["meeting_token"]


async def test_who_comes_while_the_server_lists_its_rooms(serve, livekit, key, connect):
    """Nobody waits for the list."""
    async with Door(livekit.url, unanswered="ListRooms") as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        hers = await connect(await join(ann, room))
        await hers.room.local_participant.send_text("anybody?", topic="lk.chat")
        assert await until(lambda: posts(ann, room), lambda found: found) == ["anybody?"]
        await hers.room.disconnect()


async def test_webhooks_tell_who_is_there(serve, serve_livekit, key, token):
    """Here nothing else does: the server's updates never come."""
    async with Door(seconds=3_600) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        livekit = await serve_livekit(f"{world.server.url}/livekit/webhook")
        door.server = livekit.url
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        hers = await Client().connect(livekit.ws_url, (await join(ann, room))["meeting_token"])
        await hers.room.local_participant.send_text("the steward is here", topic="lk.chat")
        await until(lambda: posts(ann, room), lambda found: found)
        robot = await Client().connect(livekit.ws_url, token("robot", room.code))
        people = await until(lambda: participants(ann, room), lambda people: len(people) == 2)
        assert {person["identity"] for person in people} >= {"robot"}
        await robot.room.disconnect()
        await until(lambda: participants(ann, room), lambda people: len(people) == 1)
        await hers.room.disconnect()


async def test_what_an_unseen_one_writes_is_not_the_rooms(ann, room, connect, token):
    hers = await connect(await join(ann, room))
    await bridged(ann, room, hers)
    unseen = await connect(token("unseen", room.code, hidden=True))
    await unseen.room.local_participant.send_text("boo", topic="lk.chat")
    await hers.until(lambda: hers.chats)
    await hers.room.local_participant.send_text("who is there?", topic="lk.chat")
    await until(lambda: posts(ann, room), lambda found: found[-1] == "who is there?")
    assert "boo" not in await posts(ann, room) and len(await participants(ann, room)) == 1


async def test_a_long_message_comes_whole(ann, room, connect):
    client = await connect(await join(ann, room))
    await bridged(ann, room, client)
    long = "x€" * 4_000
    await client.room.local_participant.send_text(long, topic="lk.chat")
    assert await until(lambda: texts(ann, room), lambda found: found) == [long]


async def test_a_private_message_reaches_the_two_alone(world, ann, bob, room, connect):
    cid = await world.person("Cid")
    clients = [await connect(await join(person, room)) for person in (ann, bob, cid)]
    await bridged(ann, room, *clients)
    await ann.via("platform").post(room, "for Bob", is_private=True, recipient_user_id=bob.id)
    await ann.via("platform").post(room, "for all")
    for client in clients:
        await client.until(lambda client=client: client.chats and client.chats[-1][1] == "for all")
    heard = [[text for _, text, _ in client.chats] for client in clients]
    assert heard == [["for Bob", "for all"], ["for Bob", "for all"], ["for all"]]


async def test_who_is_removed_stays_out(ann, bob, room, connect):
    hers = await connect(await join(ann, room))
    joined = await join(bob, room)
    his = await connect(joined)
    await bridged(ann, room, hers, his)
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/remove")
    await his.until(lambda: his.reason is not None)
    assert his.reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    # The token is still good for LiveKit; Convo sends him away again.
    with contextlib.suppress(rtc.ConnectError, TimeoutError):
        again = await connect(joined)
        await again.until(lambda: again.reason is not None)
    assert len(await participants(ann, room)) == 1 and hers.reason is None


async def test_media_goes_with_the_log_in_and_with_the_meeting(ann, bob, room, connect):
    hers, his = await connect(await join(ann, room)), await connect(await join(bob, room))
    await bridged(ann, room, hers, his)
    await bob.post("/api/v1/auth/logout")
    await his.until(lambda: his.reason is not None)
    assert hers.reason is None
    await ann.post(f"/api/v1/meetings/{room.code}/end")
    await hers.until(lambda: hers.reason is not None)
    assert hers.reason == rtc.DisconnectReason.ROOM_DELETED


async def test_what_is_ordered_while_the_server_is_away(serve, livekit, key, connect):
    """It is done when the server is back."""
    async with Door(livekit.url) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        ann, bob = await world.person("Ann"), await world.person("Bob")
        room = await ann.via("platform").create_room()
        joined = await join(bob, room)
        hers, his = await connect(await join(ann, room)), await connect(joined)
        await bridged(ann, room, hers, his)

        async def meanwhile(path, call):
            door.server = None
            await ann.post(f"/api/v1/meetings/{room.code}/{path}")
            async with asyncio.timeout(15):
                # More often than a call is tried.
                while door.refused.count(call) < 4:
                    await asyncio.sleep(0.05)
            door.server = livekit.url

        await meanwhile(f"participants/{joined['participant_id']}/remove", "RemoveParticipant")
        await his.until(lambda: his.reason is not None)
        assert his.reason == rtc.DisconnectReason.PARTICIPANT_REMOVED and hers.reason is None
        await meanwhile("end", "DeleteRoom")
        await hers.until(lambda: hers.reason is not None)
        assert hers.reason == rtc.DisconnectReason.ROOM_DELETED


async def test_nobody_waits_for_anothers_orders(serve, livekit, key, connect):
    async with Door(livekit.url) as door:
        world = await serve(LIVEKIT_URL=door.url, LIVEKIT_API_KEY=key[0], LIVEKIT_API_SECRET=key[1])
        people = [await world.person(name) for name in ("Ann", "Bob", "Cid")]
        ann = people[0]
        room = await ann.via("platform").create_room()
        joined = [await join(person, room) for person in people]
        clients = [await connect(answer) for answer in joined]
        await bridged(ann, room, *clients)
        door.unanswered = "UpdateParticipant"
        path = f"/api/v1/meetings/{room.code}/participants"
        await ann.post(f"{path}/{joined[1]['participant_id']}/co-host")
        for answer, client in list(zip(joined, clients, strict=True))[1:]:
            await ann.post(f"{path}/{answer['participant_id']}/remove")
            await client.until(lambda client=client: client.reason is not None, 8)


@pytest.fixture
async def known(livekit, key):
    """`info = await known(room, joined)`: what the LiveKit server knows of somebody."""
    client = api.LiveKitAPI(livekit.url, *key)

    async def ask(room, joined):
        identity = api.RoomParticipantIdentity(room=room.code, identity=joined["identity"])
        return await client.room.get_participant(identity)

    yield ask
    await client.aclose()


async def test_who_comes_with_an_older_token(world, ann, bob, room, connect, known):
    path, cid = f"/api/v1/meetings/{room.code}", await world.person("Cid")
    his = await join(bob, room)
    await ann.put(path, {"settings": {"screen_sharing_enabled": False}})
    theirs = await join(cid, room)
    await ann.post(f"{path}/participants/{theirs['participant_id']}/co-host")
    for joined in (his, theirs):
        await connect(joined)
    all_but_the_screen = [api.TrackSource.CAMERA, api.TrackSource.MICROPHONE]
    await until(lambda: known(room, his), lambda info: list(info.permission.can_publish_sources) == all_but_the_screen)
    info = await until(lambda: known(room, theirs), lambda info: info.attributes["role"] == "co_host")
    assert info.permission.can_publish and not info.permission.can_publish_sources


async def test_what_an_operator_took_is_not_given_back(livekit, ann, bob, room, connect, key):
    client = api.LiveKitAPI(livekit.url, *key)
    await taken_by_an_operator(client, ann, bob, room, connect, lambda his: bridged(ann, room, his))
    await client.aclose()


@pytest.fixture
def postgres(request, tmp_path_factory):
    """One that may be lost."""
    if request.config.getoption("--store") not in ("postgres", "both"):
        pytest.skip("for Postgres: --store=postgres or both")
    server = Postgres(tmp_path_factory.mktemp("lost")).start()
    yield server
    with contextlib.suppress(AssertionError):
        server.stop("immediate")


@pytest.mark.timeout(180)
async def test_a_lost_database_sends_nobody_away(postgres, serve, livekit, key, connect):
    settings = {"LIVEKIT_URL": livekit.ws_url, "LIVEKIT_API_KEY": key[0], "LIVEKIT_API_SECRET": key[1]}
    world = await serve(**settings, DATABASE_URL=postgres.new_database())
    ann, bob = await world.person("Ann"), await world.person("Bob")
    room = await ann.via("platform").create_room()
    hers, joined = await connect(await join(ann, room)), await join(bob, room)
    await bridged(ann, room, hers)
    postgres.stop("immediate")
    his = await connect(joined)
    await his.until(lambda: "cannot be looked up" in world.server.log() or his.reason is not None, 60)
    await his.room.local_participant.send_text("by LiveKit", topic="lk.chat")
    postgres.start()

    async def ready():
        return (await world.http.get("/readyz")).status_code

    await until(ready, lambda status: status == 200)
    assert await until(lambda: texts(ann, room), lambda found: found) == ["by LiveKit"]
    await bridged(ann, room, his)
    assert his.reason is None and hers.reason is None


async def test_devices_and_muting(ann, bob, room, connect):
    await connect(await join(ann, room))
    joined = await join(bob, room, audio_enabled=False)
    his = await connect(joined)
    track = rtc.LocalAudioTrack.create_audio_track("mic", rtc.AudioSource(48_000, 1))
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await his.room.local_participant.publish_track(track, options)

    async def audio():
        return next(p for p in await participants(ann, room) if p["display_name"] == "Bob")["audio_enabled"]

    await until(audio, lambda on: on)
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/mute")
    await his.until(lambda: publication.muted)


async def test_a_screen_is_no_camera(ann, bob, room, connect):
    await connect(await join(ann, room))
    his = await connect(await join(bob, room, audio_enabled=False, video_enabled=False))
    screen = rtc.LocalVideoTrack.create_video_track("screen", rtc.VideoSource(320, 180))
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_SCREENSHARE)
    await his.room.local_participant.publish_track(screen, options)
    # Without a source, as programs do.
    voice = rtc.LocalAudioTrack.create_audio_track("voice", rtc.AudioSource(48_000, 1))
    await his.room.local_participant.publish_track(voice)

    async def his_devices():
        return next(p for p in await participants(ann, room) if p["display_name"] == "Bob")

    seen = await until(his_devices, lambda seen: seen["audio_enabled"])
    assert not seen["video_enabled"]


async def test_who_disconnects_has_left(ann, bob, room, connect):
    hers, his = await connect(await join(ann, room)), await connect(await join(bob, room))
    await bridged(ann, room, hers, his)
    await his.room.disconnect()
    await until(lambda: participants(ann, room), lambda people: len(people) == 1)


async def test_guests_by_link_and_by_the_operators_token(world, ann, room, connect, token):
    made = (await world.nobody.post("/api/v1/meetings/create", {}, 201))["meeting_id"]
    guest = await world.nobody.post(f"/api/v1/meetings/{made}/join", {"user_name": "Gus"})
    client = await connect(guest["token"])
    path = f"/api/v1/meetings/{made}/participants"
    await until(lambda: world.nobody.get(path), lambda found: "Gus" in str(found))
    assert client.reason is None
    await connect(await join(ann, room))
    robot = await connect(token("robot", room.code))
    people = await until(lambda: participants(ann, room), lambda people: len(people) == 2)
    seen = next(person for person in people if person["display_name"] == "robot")
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{seen['participant_id']}/remove")
    await robot.until(lambda: robot.reason is not None)


async def test_the_operators_token_opens_the_waiting_room(ann, bob, connect, token):
    """As with the embedded server."""
    room = await ann.via("platform").create_room(waiting_room_enabled=True, allow_join_before_host=True)
    waits = await join(bob, room)
    assert waits["status"] == "waiting"
    his = await connect(token(waits["identity"], room.code))
    await until(lambda: participants(ann, room), lambda people: [p["display_name"] for p in people] == ["Bob"])
    await bridged(ann, room, his)


async def test_a_restart_of_convo_is_not_noticed(world, ann, room, connect):
    client = await connect(await join(ann, room))
    await bridged(ann, room, client)
    assert await world.server.stop() == 0
    await world.server.start()
    await bridged(ann, room, client)
    await client.room.local_participant.send_text("still here", topic="lk.chat")
    await until(lambda: texts(ann, room), lambda found: "still here" in found)
    assert client.reason is None


async def test_webhooks_are_taken_from_who_has_the_secret(world, key):
    body = '{"event": "room_started", "room": {"name": "hall"}, "createdAt": "1"}'

    async def send(secret, body, signed):
        digest = base64.b64encode(hashlib.sha256(signed.encode()).digest()).decode()
        token = jwt.encode({"iss": key[0], "exp": int(time.time()) + 60, "sha256": digest}, secret, "HS256")
        headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
        return (await world.http.post("/livekit/webhook", content=body, headers=headers)).status_code

    assert await send(key[1], body, body) == 200
    assert await send("another secret of thirty-two characters", body, body) == 401
    assert await send(key[1], body.replace("hall", "cellar"), body) == 401
    assert (await world.http.post("/livekit/webhook", content=body)).status_code == 401
    # Nor is their body waited for.
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(b"POST /livekit/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] == b"401"
    writer.close()


async def test_webhooks_of_the_server_are_understood(world, ann, room, serve_media):
    hooked = await serve_media(CONVO_WEBHOOK_URLS=f"{world.server.url}/livekit/webhook")
    client = await Client().connect(hooked.server.ws_url, (await join(ann, room))["meeting_token"])
    await client.room.disconnect()

    async def listed():
        lines = convo("webhooks", "list", "--all", **hooked.server.settings).stdout.splitlines()
        return {line.split("\t")[3]: line.split("\t")[-1] for line in lines}

    told = await until(listed, lambda told: told.get("participant_left", "outstanding") != "outstanding")
    assert set(told.values()) == {"taken"} and "participant_joined" in told


async def test_the_doctor_looks(world, livekit):
    said = convo("doctor", **world.server.settings)
    assert "takes the key and secret" in said.stdout
    wrong = world.server.settings | {"LIVEKIT_API_SECRET": "another secret of thirty-two characters"}
    async with Door(livekit.url) as door:
        for url in (livekit.ws_url, door.url):
            said = await asyncio.to_thread(convo, "doctor", **wrong | {"LIVEKIT_URL": url})
            assert said.returncode != 0 and "does not take the key and secret" in said.stdout
