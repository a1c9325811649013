"""Python, Node and Chromium meet: pictures move, tones have their pitch, and data, calls and chat arrive."""

import asyncio
import itertools

import pytest

from harness.world import World

pytestmark = pytest.mark.one_store


@pytest.mark.parametrize("single", [True, False], ids=["one connection", "two connections"])
@pytest.mark.parametrize("kind", ["node", "browser"])
async def test_two_kinds_of_clients_meet(enter, kind, single):
    ann = await enter("python", "ann", single=single)
    bob = await enter(kind, "bob", single=single)
    await ann.publish_pattern(colour="red")
    await ann.publish_tone(hz=440)
    await bob.publish_pattern(colour="green")
    await bob.publish_tone(hz=660)
    await ann.sees(bob, "green")
    await ann.hears(bob, 660)
    await bob.sees(ann, "red")
    await bob.hears(ann, 440)
    for one, other in ((ann, bob), (bob, ann)):
        await one.send(text="surely", topic="news")
        await other.notes("data", one.name, "surely", "news")
        await one.send(text="perhaps", reliable=False)
        await other.notes("data", one.name, "perhaps", "")
        await one.chat(text="hello")
        await other.notes("chat", one.name, "hello")
        assert await one.rpc(to=other.name, payload="hear me") == "HEAR ME"


async def test_two_browsers_a_python_and_a_node_program_in_one_meeting(enter, media_server):
    world = World(media_server)
    host = await world.person("Ann")
    room = await host.via("platform").create_room()
    wishes = {
        "browser": ("red", 440, {}),
        "older browser": ("green", 660, {"single": False}),
        "python": ("blue", 880, {}),
        "node": ("yellow", 1100, {}),
    }
    people = {}
    for kind, (colour, hz, options) in wishes.items():
        account = host if kind == "browser" else await world.regular(kind.title())
        joined = await account.via("platform").join(room)
        assert joined["livekit_url"] == media_server.ws_url
        person = await enter(kind.split()[-1], joined["identity"], pass_=joined["meeting_token"], **options)
        people[person] = (colour, hz)
        await person.publish_pattern(colour=colour)
        await person.publish_tone(hz=hz)
    async with asyncio.TaskGroup() as group:
        for viewer, person in itertools.permutations(people, 2):
            colour, hz = people[person]
            group.create_task(viewer.sees(person, colour))
            group.create_task(viewer.hears(person, hz))
    # Long enough to be sent in pieces, or compressed.
    words = {person: f"{colour} was here" + ", and there" * 300 for person, (colour, _) in people.items()}
    for speaker, text in words.items():
        await speaker.chat(text=text)
        for other in people.keys() - {speaker}:
            await other.notes("chat", speaker.name, text)
    assert [post.text for post in await host.via("platform").history(room)] == list(words.values())
    await host.post(f"/api/v1/meetings/{room.code}/end")
    for person in people:
        await person.notes("disconnected")
    await world.close()
