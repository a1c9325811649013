"""A participant is shown in other rooms too (`ForwardParticipant`), on the same media worker and on another."""

import contextlib

import pytest
from livekit import api

pytestmark = pytest.mark.one_store


@pytest.fixture
async def lk(media_server, key):
    async with contextlib.aclosing(api.LiveKitAPI(media_server.url, *key)) as client:
        yield client


async def test_who_is_forwarded_is_seen_and_heard_in_other_rooms(enter, lk, token):
    ann = await enter("python", "ann", pass_=token("ann", "hall"))
    await ann.publish_pattern(colour="red")
    await ann.publish_tone(hz=440)
    # A room's name says on which of the two workers it lives: hall and garden are neighbours, the cellar is not.
    bob = await enter("browser", "bob", pass_=token("bob", "cellar"))
    cid = await enter("python", "cid", pass_=token("cid", "garden"))
    for room in ("cellar", "garden"):
        ask = api.ForwardParticipantRequest(room="hall", identity="ann", destination_room=room)
        await lk.room.forward_participant(ask)
    for viewer in (bob, cid):
        await viewer.sees(ann, "red")
        await viewer.hears(ann, 440)
    late = await enter("node", "late", pass_=token("late", "cellar"))
    await late.sees(ann, "red")

    seen = await lk.room.get_participant(api.RoomParticipantIdentity(room="cellar", identity="ann"))
    assert [api.ParticipantInfo.KindDetail.Name(detail) for detail in seen.kind_details] == ["FORWARDED"]
    await lk.room.remove_participant(api.RoomParticipantIdentity(room="garden", identity="ann"))
    await bob.sees(ann, "red")
    await ann.close()
    await bob.until("the copy is gone", lambda: others(bob))


async def others(person):
    return await person.others() == ["late"]


async def test_what_cannot_be_forwarded_is_refused(enter, lk, token):
    await enter("python", "ann", pass_=token("ann", "hall"))
    await enter("python", "bob", pass_=token("ann", "cellar"))
    for room, identity, to, code, message in [
        ("hall", "bob", "cellar", "not_found", "participant does not exist"),
        ("hall", "ann", "hall", "invalid_argument", "destination_room must be another room"),
        ("hall", "ann", "cellar", "failed_precondition", "a participant of this identity is in the destination room"),
    ]:
        with pytest.raises(api.TwirpError) as refused:
            ask = api.ForwardParticipantRequest(room=room, identity=identity, destination_room=to)
            await lk.room.forward_participant(ask)
        assert (refused.value.code, refused.value.message) == (code, message)
