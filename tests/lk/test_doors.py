"""`/rtc`, `/rtc/v1` and their `validate`: who is let in, and how the others are told."""

import asyncio

import jwt
import pytest
from livekit import api
from livekit.protocol import models
from livekit.protocol import rtc as proto

from harness.livekit import join_request, signalling

pytestmark = pytest.mark.one_store

SECONDS = 10


async def validate(world, path="/rtc/validate", **query):
    return await world.http.get(world.server.url + path, params=query, headers={"Origin": "https://elsewhere.example"})


async def test_a_good_token(world, token):
    good = token("ann", "room")
    for path, more in [
        ("/rtc/validate", {}),
        ("/rtc/validate", {"join_request": join_request()}),
        ("/rtc/v1/validate", {"join_request": join_request()}),
        ("//rtc//v1/validate", {"join_request": join_request()}),
    ]:
        answer = await validate(world, path, access_token=good, **more)
        assert (answer.status_code, answer.text) == (200, "success"), path
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    by_header = await world.http.get("/rtc/validate", headers={"Authorization": f"Bearer {good}"})
    assert by_header.status_code == 200


async def test_refusals(world, token):
    good = token("ann", "room")
    for status, query in [
        (401, {}),
        (401, {"access_token": "no.such.token"}),
        (401, {"access_token": good[:-2]}),
        (401, {"access_token": token("ann", "room", room_join=False)}),
        (401, {"access_token": token("ann", "room", seconds=-61)}),
        (400, {"access_token": token("", "room")}),
        (400, {"access_token": token("ann", "")}),
        (400, {"access_token": token("a" * 257, "room")}),
        (400, {"access_token": good, "join_request": "%"}),
        (401, {"access_token": good, "join_request": join_request(metadata="mine")}),
        (401, {"access_token": token("ann", "room", can_publish=False), "publish": "cam"}),
    ]:
        answer = await validate(world, **query)
        assert answer.status_code == status, (query, answer.text)
        assert answer.text and "<" not in answer.text and answer.headers["Access-Control-Allow-Origin"] == "*"
    missing = await validate(world, "/rtc/v1/validate", access_token=good)
    assert (missing.status_code, missing.text) == (400, "join_request is required")
    assert (await validate(world, access_token=token("ann", "room", seconds=-30))).status_code == 200


async def test_what_one_says_of_oneself_has_a_bound(world, token):
    allowed = token("ann", "room", can_update_own_metadata=True)
    for status, own in [
        (200, {"metadata": "m" * (512 << 10)}),
        (400, {"metadata": "m" * (512 << 10) + "m"}),
        (200, {"participant_attributes": {"a": "1" * (32 << 10), "b": "2" * ((32 << 10) - 2)}}),
        (400, {"participant_attributes": {"a": "1" * (32 << 10), "b": "2" * ((32 << 10) - 1)}}),
    ]:
        answer = await validate(world, access_token=allowed, join_request=join_request(**own))
        assert answer.status_code == status, answer.text


async def test_who_does_not_upgrade(world, token):
    for path in ("/rtc", "/rtc/v1"):
        assert (await world.http.get(path, params={"access_token": token("ann", "room")})).status_code == 404


async def test_any_page_may_ask(world):
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    headers["Access-Control-Request-Headers"] = "authorization"
    for path in ("/rtc/validate", "/rtc/v1/validate", "/twirp/livekit.RoomService/ListRooms"):
        answer = await world.http.options(path, headers=headers)
        assert answer.is_success and answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = await world.http.options("/api/v1/auth/me", headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def renewed(socket, so):
    """The first token from now on whose claims are so."""
    async with asyncio.timeout(SECONDS):
        while True:
            heard = proto.SignalResponse.FromString(await socket.recv())
            if heard.HasField("refresh_token"):
                claims = jwt.decode(heard.refresh_token, options={"verify_signature": False})
                if so(claims):
                    return heard.refresh_token


async def test_a_connection_ends_in_order_whoever_ends_it(world, token, lk):
    socket = await signalling(world, token("ann", "room"))
    await socket.close()
    assert socket.close_code == 1000, "the close frame is answered"

    socket = await signalling(world, token("bob", "room"))
    leave = proto.SignalRequest(leave=proto.LeaveRequest(reason=models.CLIENT_INITIATED))
    await socket.send(leave.SerializeToString())
    await asyncio.wait_for(socket.wait_closed(), SECONDS)
    assert socket.close_code == 1000

    socket = await signalling(world, token("cem", "room"))
    await lk.room.remove_participant(api.RoomParticipantIdentity(room="room", identity="cem"))
    await asyncio.wait_for(socket.wait_closed(), SECONDS)
    assert socket.close_code == 1000


async def test_a_token_is_renewed_inside(world, token):
    """A client comes back with the newest token it was given, however long ago it came."""
    short = token("ann", "room", seconds=5, can_publish=False)
    socket = await signalling(world, short)
    heard = proto.SignalResponse.FromString(await asyncio.wait_for(socket.recv(), SECONDS))
    assert heard.WhichOneof("message") == "refresh_token"
    before, after = (jwt.decode(each, options={"verify_signature": False}) for each in (short, heard.refresh_token))
    assert after["exp"] >= before["exp"] + 300
    assert (after["sub"], after["video"]) == (before["sub"], before["video"])
    again = await signalling(world, heard.refresh_token)
    await asyncio.wait_for(socket.wait_closed(), SECONDS)
    await again.close()


async def test_what_the_operator_changed_holds_over_a_new_session(world, token, lk):
    socket = await signalling(world, token("ann", "hall"))
    muzzled = api.ParticipantPermission(can_subscribe=True, can_publish=False)
    change = {"name": "A", "metadata": "m", "attributes": {"a": "1"}, "permission": muzzled}
    await lk.room.update_participant(api.UpdateParticipantRequest(room="hall", identity="ann", **change))
    newest = await renewed(socket, lambda claims: claims.get("name") == "A" and not claims["video"]["canPublish"])
    async with await signalling(world, newest):
        seen = await lk.room.get_participant(api.RoomParticipantIdentity(room="hall", identity="ann"))
        assert (seen.name, seen.metadata, dict(seen.attributes)) == ("A", "m", {"a": "1"})
        assert seen.permission == muzzled
    await socket.close()


async def meeting(world, **settings):
    ann = await world.person("Ann")
    return ann, await ann.via("platform").create_room(**settings)


async def join(person, room):
    return await person.via("platform").join(room)


async def test_what_the_operator_wrote_on_one_in_a_meeting_holds_over_a_new_session(world, lk):
    ann, room = await meeting(world)
    joined = await join(ann, room)
    where = {"room": room.code, "identity": joined["identity"]}
    socket = await signalling(world, joined["meeting_token"])
    change = {"metadata": "m", "attributes": {"a": "1"}}
    await lk.room.update_participant(api.UpdateParticipantRequest(**where, **change))
    newest = await renewed(socket, lambda claims: claims.get("metadata") == "m")
    async with await signalling(world, newest):
        seen = await lk.room.get_participant(api.RoomParticipantIdentity(**where))
        assert (seen.metadata, seen.attributes["a"], seen.attributes["role"]) == ("m", "1", "host")
    await socket.close()


async def test_a_meeting_token_dies_with_the_log_in(world):
    ann, room = await meeting(world)
    joined = await join(ann, room)
    held = joined["meeting_token"]
    assert (await validate(world, access_token=held)).status_code == 200
    await ann.post("/api/v1/auth/logout")
    assert (await validate(world, access_token=held)).status_code == 401


async def test_who_waits_gets_no_media(world):
    ann, room = await meeting(world, waiting_room_enabled=True)
    await join(ann, room)
    waiting = await join(await world.person("Bob"), room)
    assert waiting["status"] == "waiting"
    assert (await validate(world, access_token=waiting["meeting_token"])).status_code == 401


async def test_an_ended_meeting_is_closed_to_the_operators_tokens_too(world, token):
    ann, room = await meeting(world)
    await join(ann, room)
    assert (await validate(world, access_token=token("robot", room.code))).status_code == 200
    people = await ann.get(f"/api/v1/meetings/{room.code}")
    assert "robot" not in str(people["participants"]), "asking whether one may come is not coming"
    await ann.post(f"/api/v1/meetings/{room.code}/end")
    refused = await validate(world, access_token=token("robot", room.code))
    assert (refused.status_code, refused.text) == (403, "Meeting has ended")
