"""Meetings through LiveKit's own client (PyPI livekit): presence, chat and what hosts do."""

import pytest
from livekit import api, rtc

from harness.livekit import Client, join, participants, taken_by_an_operator, until

pytestmark = pytest.mark.one_store


async def test_the_joins_answer_says_where_and_who(world, ann, room, connect):
    joined = await join(ann, room)
    assert joined["livekit_url"] == world.server.ws_url
    client = await connect(joined)
    assert client.room.name == room.code
    assert client.room.local_participant.identity == joined["identity"]
    assert client.room.local_participant.attributes["role"] == "host"


async def test_chat_is_the_rooms_chat(world, ann, room, connect):
    bob = await world.person("Bob")
    from_ann, from_bob = await connect(await join(ann, room)), await connect(await join(bob, room))
    await from_ann.room.local_participant.send_text("by LiveKit", topic="lk.chat")
    history = await until(lambda: ann.via("platform").history(room), lambda messages: messages)
    assert [post.text for post in history] == ["by LiveKit"]
    await from_bob.until(lambda: from_bob.chats)
    identity, text, attributes = from_bob.chats[0]
    assert (identity, text) == (from_ann.room.local_participant.identity, "by LiveKit")
    assert attributes["sender_name"].startswith("Ann")
    await bob.via("platform").post(room, "by REST")
    await from_ann.until(lambda: from_ann.chats)
    await from_bob.until(lambda: len(from_bob.chats) == 2)
    assert [text for _, text, _ in from_ann.chats] == ["by REST"], "one's own message does not come back"
    assert from_ann.chats[0][0] == from_bob.room.local_participant.identity


async def test_chat_with_a_destination_is_private(world, ann, room, connect):
    bob, cid = await world.person("Bob"), await world.person("Cid")
    clients = [await connect(await join(person, room)) for person in (ann, bob, cid)]
    to = [clients[1].room.local_participant.identity]
    await clients[0].room.local_participant.send_text("for Bob", topic="lk.chat", destination_identities=to)
    await clients[1].until(lambda: clients[1].chats)
    await ann.via("platform").post(room, "for all")
    await clients[2].until(lambda: clients[2].chats)
    assert [text for _, text, _ in clients[2].chats] == ["for all"]
    assert clients[1].chats[0][2]["is_private"] == "true"
    shown = {person: [post.text for post in await person.via("platform").history(room)] for person in (bob, cid)}
    assert shown == {bob: ["for Bob", "for all"], cid: ["for all"]}


async def test_several_destinations_are_as_many_private_messages(world, ann, room, connect):
    others = [await world.person(name) for name in ("Bob", "Cid", "Dan")]
    hers, *theirs = [await connect(await join(person, room)) for person in (ann, *others)]
    to = [client.room.local_participant.identity for client in theirs[:2]]
    await hers.room.local_participant.send_text("for two", topic="lk.chat", destination_identities=to)
    for client in theirs[:2]:
        await client.until(lambda client=client: client.chats)
    await ann.via("platform").post(room, "for all")
    for client in (hers, *theirs):
        await client.until(lambda client=client: client.chats and client.chats[-1][1] == "for all")
    assert len(hers.chats) == 1
    heard = [[text for _, text, _ in client.chats] for client in theirs]
    assert heard == [["for two", "for all"], ["for two", "for all"], ["for all"]]


async def test_of_several_destinations_those_there_hear_it_once(world, ann, room, connect):
    bob = await world.person("Bob")
    here = [await join(person, room) for person in (ann, bob, bob)]
    hers, *his = [await connect(joined) for joined in here]
    gone = (await join(await world.person("Cid"), room))["identity"]
    to = ["nobody_00000000", *(client.room.local_participant.identity for client in his)]
    await hers.room.local_participant.send_text("for Bob", topic="lk.chat", destination_identities=[gone, *to])
    for client in his:
        await client.until(lambda client=client: client.chats)
    await ann.via("platform").post(room, "for all")
    for client in his:
        await client.until(lambda client=client: client.chats and client.chats[-1][1] == "for all")
        assert [text for _, text, _ in client.chats] == ["for Bob", "for all"]
    history = await bob.via("platform").history(room)
    assert sorted(post.text for post in history) == ["for Bob", "for all"]


async def test_the_operators_guest_is_seen_and_can_be_removed(ann, room, connect, token):
    await connect(await join(ann, room))
    robot = await connect(token("robot", room.code))
    people = await until(lambda: participants(ann, room), lambda people: len(people) == 2)
    seen = next(person for person in people if person["display_name"] == "robot")
    assert seen["user_id"] is None
    await robot.room.local_participant.send_text("beep", topic="lk.chat")
    await until(lambda: ann.via("platform").history(room), lambda messages: messages)
    await ann.post(f"/api/v1/meetings/{room.code}/participants/{seen['participant_id']}/remove")
    await robot.until(lambda: robot.reason is not None)
    assert robot.reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    with pytest.raises(rtc.ConnectError):
        await connect(token("robot", room.code))


async def test_an_agent_takes_nobodys_place(ann, bob, connect, token):
    room = await ann.via("platform").create_room(max_participants=1)
    helper = await connect(token("helper", room.code, agent=True))
    await until(lambda: participants(ann, room), lambda people: len(people) == 1)
    await connect(await join(ann, room))
    # Nor is an agent turned away from a full meeting, as anybody else is.
    await connect(token("second", room.code, agent=True))
    people = await until(lambda: participants(ann, room), lambda people: len(people) == 3)
    assert {person["display_name"] for person in people} == {"Ann", "helper", "second"}, "they are seen"
    assert (await ann.get(f"/api/v1/meetings/{room.code}"))["current_participant_count"] == 1
    for identity in ("robot", "helper"):
        # Nor does it help to be known as an agent.
        with pytest.raises(rtc.ConnectError):
            await connect(token(identity, room.code))
    refused = await bob.post(f"/api/v1/meetings/{room.code}/join", {"display_name": "Bob"}, 403)
    assert refused["error_code"] == "MEETING_FULL"
    await helper.room.local_participant.send_text("Hello", topic="lk.chat")
    await until(lambda: ann.via("platform").history(room), lambda messages: messages)
    assert (await ann.post(f"/api/v1/meetings/{room.code}/end"))["total_participants"] == 1


async def test_an_agent_that_is_made_ready_begins_no_meeting(ann, bob, connect, token):
    room = await ann.via("platform").create_room(allow_join_before_host=False)
    await connect(token("helper", room.code, agent=True))
    path = f"/api/v1/meetings/{room.code}"
    await until(lambda: participants(ann, room), lambda people: len(people) == 1)
    assert (await ann.get(path))["status"] == "scheduled"
    refused = await bob.post(f"{path}/join", {"display_name": "Bob"}, 403)
    assert refused["error_code"] == "MEETING_NOT_STARTED"
    await connect(await join(ann, room))
    assert (await ann.get(path))["status"] == "active"


async def test_the_operators_guest_changes_names(ann, room, connect, key):
    """The name is the one that was said last, by the operator or by the guest."""

    def token(name):
        grants = api.VideoGrants(room_join=True, room=room.code, can_update_own_metadata=True)
        return api.AccessToken(*key).with_identity("user-42").with_name(name).with_grants(grants).to_jwt()

    async def called(name):
        await until(lambda: participants(ann, room), lambda people: [p["display_name"] for p in people] == [name])

    client = await connect(token("Gus"))
    await called("Gus")
    await client.room.disconnect()
    await connect(token("Gus Lee"))
    await called("Gus Lee")
    client = await connect(token("Gus Leigh"))
    await called("Gus Leigh")
    await client.room.local_participant.set_name("Gustav")
    await called("Gustav")
    await client.room.local_participant.send_text("by me", topic="lk.chat")
    [post] = await until(lambda: ann.via("platform").history(room), lambda messages: messages)
    assert post.raw["sender_name"] == "Gustav"
    await connect(token(""))
    await called("Gustav")


async def test_media_goes_with_the_meeting_and_the_log_in(world, ann, room, connect):
    bob = await world.person("Bob")
    hers, his = await connect(await join(ann, room)), await connect(await join(bob, room))
    await bob.post("/api/v1/auth/logout")
    await his.until(lambda: his.reason is not None)
    assert hers.reason is None
    await ann.post(f"/api/v1/meetings/{room.code}/end")
    await hers.until(lambda: hers.reason is not None)
    assert hers.reason == rtc.DisconnectReason.ROOM_DELETED


async def test_who_disconnects_has_left(world, ann, room, connect):
    bob = await world.person("Bob")
    await connect(await join(ann, room))
    his = await connect(await join(bob, room))
    await until(lambda: participants(ann, room), lambda people: len(people) == 2)
    await his.room.disconnect()
    await until(lambda: participants(ann, room), lambda people: len(people) == 1)


async def test_devices_and_muting(world, ann, room, connect):
    bob = await world.person("Bob")
    await connect(await join(ann, room))
    joined = await join(bob, room, audio_enabled=False)
    his = await connect(joined)
    source = rtc.AudioSource(48_000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await his.room.local_participant.publish_track(track, options)

    async def audio():
        return next(p for p in await participants(ann, room) if p["display_name"] == "Bob")["audio_enabled"]

    await until(audio, lambda on: on)
    path = f"/api/v1/meetings/{room.code}/participants/{joined['participant_id']}/mute"
    await ann.post(path)
    await his.until(lambda: publication.muted)
    assert not await audio()


async def test_a_log_out_ends_the_token_of_one_who_had_left(world, ann, room, connect):
    bob = await world.person("Bob")
    joined = await join(bob, room)
    his = await connect(joined)
    await until(lambda: participants(ann, room), lambda people: [p["display_name"] for p in people] == ["Bob"])
    await his.room.disconnect()
    await until(lambda: participants(ann, room), lambda people: not people)
    question = {"access_token": joined["meeting_token"]}
    assert (await world.http.get("/rtc/validate", params=question)).status_code == 200, "he may come back"
    await bob.post("/api/v1/auth/logout")
    assert (await world.http.get("/rtc/validate", params=question)).status_code == 401


async def test_what_an_operator_took_is_not_given_back(world, lk, ann, room, connect):
    async def met(_):
        await until(lambda: participants(ann, room), lambda people: people)

    await taken_by_an_operator(lk, ann, await world.person("Bob"), room, connect, met)


async def test_what_a_client_says_is_taken_from_the_persons_budget(serve_media):
    """A hundred messages a minute, by whatever way; LiveKit's chat has no way to say that there were more."""
    world = await serve_media(CONVO_RATE_LIMIT="on")
    for _ in range(3):
        ann = await world.person("Ann")
        room = await ann.via("platform").create_room()
        client = await Client().connect(world.server.ws_url, (await join(ann, room))["meeting_token"])

        async def by_rest(ann=ann, room=room):
            return await ann.request("POST", f"/api/v1/meetings/{room.code}/messages", json={"content": "by REST"})

        async def history(ann=ann, room=room):
            return await ann.via("platform").history(room)

        first = await by_rest()
        for _ in range(89):
            await by_rest()
        for number in range(10):
            await client.room.local_participant.send_text(f"{number}", topic="lk.chat")
        await until(history, lambda found: len(found) >= 100)
        over = await by_rest()
        await client.room.disconnect()
        if over.headers["X-RateLimit-Reset"] == first.headers["X-RateLimit-Reset"]:
            assert over.status_code == 429
            return
    raise AssertionError("three windows of a minute ended meanwhile")
