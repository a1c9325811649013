"""LiveKit's server API, by its own client (PyPI livekit-api), and Twirp itself."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict, MessageToJson
from livekit import api
from livekit.protocol import agent_dispatch as dispatch
from livekit.protocol import models
from livekit.protocol import room as proto

from harness.livekit import signalling
from harness.media import STILL_SECONDS, Python

pytestmark = pytest.mark.one_store


async def twirp(world, method, token, body=b"{}", kind="application/json", service="livekit.RoomService"):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    return await world.http.post(f"/twirp/{service}/{method}", content=body, headers=headers)


async def test_rooms(lk):
    made = await lk.room.create_room(api.CreateRoomRequest(name="hall", max_participants=7, metadata="m"))
    assert (made.name, made.max_participants, made.metadata) == ("hall", 7, "m") and made.sid.startswith("RM_")
    assert (await lk.room.create_room(api.CreateRoomRequest(name="hall"))).sid == made.sid
    rooms = (await lk.room.list_rooms(api.ListRoomsRequest())).rooms
    assert [room.name for room in rooms] == ["hall"]
    assert not (await lk.room.list_rooms(api.ListRoomsRequest(names=["other"]))).rooms
    changed = await lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="hall", metadata="n"))
    assert changed.metadata == "n"
    assert not (await lk.room.list_participants(api.ListParticipantsRequest(room="hall"))).participants
    await lk.room.delete_room(api.DeleteRoomRequest(room="hall"))
    assert not (await lk.room.list_rooms(api.ListRoomsRequest())).rooms


async def test_the_sdk_for_node(world, key):
    scene = json.dumps({"url": world.server.url, "key": key[0], "secret": key[1]})
    script = Path(__file__).resolve().parents[1] / "node" / "livekit.mjs"
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec("node", script, scene, stdout=pipe, stderr=pipe)
    _, errors = await asyncio.wait_for(node.communicate(), 60)
    assert node.returncode == 0, errors.decode()


async def test_what_is_not_there(lk):
    for call in (
        lk.room.get_participant(api.RoomParticipantIdentity(room="hall", identity="ann")),
        lk.room.remove_participant(api.RoomParticipantIdentity(room="hall", identity="ann")),
        lk.room.delete_room(api.DeleteRoomRequest(room="hall")),
    ):
        with pytest.raises(api.TwirpError) as refused:
            await call
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
    assert not (await lk.room.list_participants(api.ListParticipantsRequest(room="hall"))).participants


async def test_grants(world, token):
    # What each method asks for; a token that allows everything else is not enough.
    everything = {
        "room_create": True,
        "room_list": True,
        "room_admin": True,
        "room": "hall",
        "destination_room": "cellar",
    }
    for method, needed, body in [
        ("CreateRoom", "room_create", {"name": "hall"}),
        ("DeleteRoom", "room_create", {"room": "hall"}),
        ("ListRooms", "room_list", {}),
        ("ListParticipants", "room_admin", {"room": "hall"}),
        ("GetParticipant", "room_admin", {"room": "hall", "identity": "a"}),
        ("RemoveParticipant", "room_admin", {"room": "hall", "identity": "a"}),
        ("MutePublishedTrack", "room_admin", {"room": "hall", "identity": "a", "trackSid": "TR_a"}),
        ("UpdateParticipant", "room_admin", {"room": "hall", "identity": "a"}),
        ("UpdateSubscriptions", "room_admin", {"room": "hall", "identity": "a"}),
        ("SendData", "room_admin", {"room": "hall"}),
        ("UpdateRoomMetadata", "room_admin", {"room": "hall"}),
        ("PerformRpc", "room_admin", {"room": "hall", "destinationIdentity": "a"}),
        ("ForwardParticipant", "destination_room", {"room": "hall", "destinationRoom": "cellar"}),
        ("MoveParticipant", "destination_room", {"room": "hall", "destinationRoom": "cellar"}),
    ]:
        lacking = everything | ({needed: ""} if needed == "destination_room" else {needed: False})
        answer = await world.http.post(
            f"/twirp/livekit.RoomService/{method}",
            json=body,
            headers={"Authorization": f"Bearer {token('op', **lacking)}"},
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), method
        elsewhere = everything | {"room": "other"}
        if needed == "room_admin":
            answer = await world.http.post(
                f"/twirp/livekit.RoomService/{method}",
                json=body,
                headers={"Authorization": f"Bearer {token('op', **elsewhere)}"},
            )
            assert answer.status_code == 401, f"{method}: the token is for another room"


async def test_twirp_itself(world, token):
    good = token("op", room_list=True, room_create=True)
    for status, code, answer in [
        (401, "unauthenticated", await twirp(world, "ListRooms", "nonsense")),
        (404, "bad_route", await twirp(world, "NoSuchMethod", good)),
        (404, "bad_route", await twirp(world, "ListRooms", good, kind="text/plain")),
        (404, "bad_route", await twirp(world, "ListRooms", good, service="livekit.NoSuchService")),
        (404, "bad_route", await world.http.get("/twirp/livekit.RoomService/ListRooms")),
        (400, "malformed", await twirp(world, "ListRooms", good, b"{")),
        (400, "malformed", await twirp(world, "ListRooms", good, b"\xff\xff", "application/protobuf")),
        (400, "invalid_argument", await twirp(world, "CreateRoom", good, b'{"name": ""}')),
        (400, "invalid_argument", await twirp(world, "CreateRoom", good, b'{"name": "' + b"x" * 257 + b'"}')),
        (501, "unimplemented", await twirp(world, "ListEgress", good, service="livekit.Egress")),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["msg"] and answer.headers["Content-Type"] == "application/json"
    as_json = await twirp(world, "CreateRoom", good, b'{"name": "hall", "unknown_field": 1}')
    assert as_json.status_code == 200 and as_json.json()["name"] == "hall"
    body = proto.ListRoomsRequest(names=["hall"]).SerializeToString()
    as_protobuf = await twirp(world, "ListRooms", good, body, "application/protobuf")
    assert as_protobuf.headers["Content-Type"] == "application/protobuf"
    assert proto.ListRoomsResponse.FromString(as_protobuf.content).rooms[0].sid == as_json.json()["sid"]


async def test_json_says_what_livekit_says(world, token, lk):
    """The fields have the protocol's names, and are there though they say nothing."""
    good = token("op", "hall", room_list=True, room_create=True, room_admin=True)
    assert (await twirp(world, "ListRooms", good)).json() == {"rooms": []}
    await lk.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(agent_name="a", room="hall"))
    async with await signalling(world, token("ann", "hall")):
        for service, method, ask, answer in [
            ("RoomService", "ListRooms", proto.ListRoomsRequest(), proto.ListRoomsResponse),
            (
                "RoomService",
                "ListParticipants",
                proto.ListParticipantsRequest(room="hall"),
                proto.ListParticipantsResponse,
            ),
            (
                "AgentDispatchService",
                "ListDispatch",
                dispatch.ListAgentDispatchRequest(room="hall"),
                dispatch.ListAgentDispatchResponse,
            ),
        ]:
            where = {"method": method, "token": good, "service": f"livekit.{service}"}
            as_protobuf = await twirp(world, **where, body=ask.SerializeToString(), kind="application/protobuf")
            as_json = await twirp(world, **where, body=MessageToJson(ask).encode())
            options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
            expected = MessageToDict(answer.FromString(as_protobuf.content), **options)
            assert without_nulls(as_json.json()) == expected
            assert all(expected.values()), "somebody, or something, is listed"
    [room] = (await twirp(world, "ListRooms", good)).json()["rooms"]
    assert (room["num_publishers"], room["version"]) == (0, None)


def without_nulls(value):
    match value:
        case dict():
            return {key: without_nulls(each) for key, each in value.items() if each is not None}
        case list():
            return [without_nulls(each) for each in value]
    return value


async def test_sources_that_nobody_knows_are_no_leave_to_publish_all(world, token, lk):
    who = api.RoomParticipantIdentity(room="hall", identity="ann")
    admin = token("op", "hall", room_admin=True)

    async def publishes():
        answer = await twirp(world, "GetParticipant", admin, b'{"room": "hall", "identity": "ann"}')
        may = answer.json()["permission"]
        assert may["can_publish_data"] and may["can_subscribe"]
        return may["can_publish"], may["can_publish_sources"]

    async with await signalling(world, token("ann", "hall", can_publish_sources=["mic"])):
        assert await publishes() == (False, [])
        every = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
        for sources, seen in [
            ([], (True, [])),
            ([99], (False, [])),
            ([99, models.TrackSource.CAMERA], (True, ["CAMERA"])),
        ]:
            every.can_publish_sources[:] = sources
            ask = api.UpdateParticipantRequest(room=who.room, identity=who.identity, permission=every)
            await lk.room.update_participant(ask)
            assert await publishes() == seen


async def test_a_name_that_a_meeting_refuses_is_shown_as_far_as_it_can_be(world, lk):
    ann = await world.person("Ann")
    room = await ann.via("platform").create_room()
    joined = await ann.post(f"/api/v1/meetings/{room.code}/join", {}, 200)
    where = {"room": room.code, "identity": joined["identity"]}
    async with await signalling(world, joined["meeting_token"]):
        for name, shown in [("x" * 256, "x" * 200), ("   ", joined["identity"]), ("A\0B", "AB")]:
            await lk.room.update_participant(api.UpdateParticipantRequest(**where, name=name))
            [seen] = (await ann.get(f"/api/v1/meetings/{room.code}"))["participants"]
            assert seen["display_name"] == shown


async def test_rooms_are_listed_by_their_ids_too(world, lk):
    ann = await world.person("Ann")
    room = await ann.via("platform").create_room()
    await lk.room.create_room(api.CreateRoomRequest(name=room.code))
    listed = await lk.room.list_rooms(api.ListRoomsRequest(names=[room.id, "other"]))
    assert [found.name for found in listed.rooms] == [room.code]


async def test_who_may_not_call_is_not_waited_for(world):
    """The answer comes while nearly all of the body is outstanding."""
    for path, kind, status in [
        ("/twirp/livekit.RoomService/ListRooms", "application/json", b"401"),
        ("/twirp/a/b", "text/plain", b"404"),
    ]:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 10485760\r\n\r\n{{"
        writer.write(head.encode())
        async with asyncio.timeout(10):
            assert (await reader.readline()).split()[1] == status
        writer.close()


async def test_deleting_a_meetings_room_ends_the_meeting(world, lk):
    ann = await world.person("Ann")
    room = await ann.via("platform").create_room()
    await ann.post(f"/api/v1/meetings/{room.code}/join", {}, 200)
    await lk.room.delete_room(api.DeleteRoomRequest(room=room.code))
    assert (await ann.get(f"/api/v1/meetings/{room.code}"))["status"] == "ended"


async def test_a_participant_removed_by_the_operator_stays_out(world, lk):
    ann, bob = await world.person("Ann"), await world.person("Bob")
    room = await ann.via("platform").create_room()
    await ann.post(f"/api/v1/meetings/{room.code}/join", {}, 200)
    joined = await bob.post(f"/api/v1/meetings/{room.code}/join", {}, 200)
    await lk.room.remove_participant(api.RoomParticipantIdentity(room=room.code, identity=joined["identity"]))
    await bob.post(f"/api/v1/meetings/{room.code}/join", {}, 403)
    refused = await world.http.get("/rtc/validate", params={"access_token": joined["meeting_token"]})
    assert refused.status_code == 403


@pytest.fixture
async def enter(world, token):
    """`ann = await enter("ann")`: a client in the room "hall"."""
    entered = []

    async def start(name):
        entered.append(Python(name))
        await entered[-1].connect(url=world.server.ws_url, token=token(name, "hall"))
        return entered[-1]

    yield start
    for person in entered:
        with contextlib.suppress(Exception):
            await person.close()


async def test_subscribing_somebody(enter, lk):
    ann, bob = await enter("ann"), await enter("bob")
    sid = await ann.publish_tone(hz=440)
    await bob.hears(ann, 440)
    whom = {"room": "hall", "identity": "bob"}

    async def silence():
        await bob.forget()
        await asyncio.sleep(STILL_SECONDS)
        return (await bob.tones()).get("ann/microphone") is None

    await lk.room.update_subscriptions(api.UpdateSubscriptionsRequest(**whom, track_sids=[sid], subscribe=False))
    await bob.until("silence", silence)
    theirs = models.ParticipantTracks(participant_sid=await ann.sid(), track_sids=[sid])
    await lk.room.update_subscriptions(
        api.UpdateSubscriptionsRequest(**whom, participant_tracks=[theirs], subscribe=True)
    )
    await bob.hears(ann, 440)


async def test_calling_somebody(world, enter, token):
    admin = token("op", "hall", room_admin=True)

    async def call(method, payload, **more):
        body = {"room": "hall", "destinationIdentity": "bob", "method": method, "payload": payload} | more
        return await twirp(world, "PerformRpc", admin, json.dumps(body).encode())

    await enter("bob")
    answer = await call("shout", "hear me")
    assert (answer.status_code, answer.json()) == (200, {"payload": "HEAR ME"})
    body = proto.PerformRpcRequest(room="hall", destination_identity="bob", method="shout", payload="again")
    answer = await twirp(world, "PerformRpc", admin, body.SerializeToString(), "application/protobuf")
    assert proto.PerformRpcResponse.FromString(answer.content).payload == "AGAIN"
    # The SDKs' codes for failed calls, as Twirp's: 1400 says that nobody there knows the method.
    refused = await call("whisper", "x")
    assert refused.json()["meta"]["rpc_code"] == "1400", refused.text
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_argument")
    refused = await call("shout", "x", destinationIdentity="cid")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_telling_everybody(enter, lk):
    ann, bob = await enter("ann"), await enter("bob")
    await lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="hall", metadata="news"))
    for person in (ann, bob):

        async def known(person=person):
            return person.room.metadata == "news"

        await person.until("the room's metadata", known)
    send = {"room": "hall", "kind": models.DataPacket.Kind.RELIABLE}
    await lk.room.send_data(
        api.SendDataRequest(**send, data=b"for bob", destination_identities=["bob"], topic="greeting")
    )
    await lk.room.send_data(api.SendDataRequest(**send, data=b"for all"))
    for person, texts in ((ann, ["for all"]), (bob, ["for bob", "for all"])):
        await person.notes("data", "", "for all", "")
        assert [entry[2] for entry in await person.log() if entry[0] == "data"] == texts
    await bob.notes("data", "", "for bob", "greeting")
