"""Connections break in every way that LiveKit's clients can ask for; afterwards all is seen and heard as before."""

import asyncio

import pytest
from livekit.rtc import DisconnectReason

pytestmark = pytest.mark.one_store

KINDS = ["python", "node", "browser"]


async def meet(enter, kind, **options):
    """Ann, whose connection shall break, and Bob."""
    ann, bob = await enter(kind, "ann", **options), await enter("python", "bob")
    await ann.publish_pattern(colour="red")
    await ann.publish_tone(hz=440)
    await bob.publish_pattern(colour="green")
    await bob.publish_tone(hz=660)
    await all_is_well(ann, bob)
    return ann, bob


async def all_is_well(ann, bob):
    for person in (ann, bob):
        await person.forget()
    async with asyncio.TaskGroup() as group:
        for check in (ann.sees(bob, "green"), ann.hears(bob, 660), bob.sees(ann, "red"), bob.hears(ann, 440)):
            group.create_task(check)
    assert await ann.rpc(to="bob", payload="still there?") == "STILL THERE?"
    assert await bob.rpc(to="ann", payload="still there?") == "STILL THERE?"


@pytest.mark.parametrize("single", [True, False], ids=["one connection", "two connections"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_resume_loses_nothing(enter, kind, single):
    ann, bob = await meet(enter, kind, single=single)
    sid = await ann.sid()
    await ann.simulate(scenario="resume")
    for number in range(20):
        await bob.send(text=f"{number}")
    await ann.notes("reconnected")
    assert await ann.sid() == sid
    await ann.notes("data", "bob", "19")
    assert [entry[2] for entry in await ann.log() if entry[0] == "data"] == [str(number) for number in range(20)]
    await all_is_well(ann, bob)


@pytest.mark.parametrize("scenario", ["full_reconnect", "node_failure"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_session(enter, kind, scenario):
    ann, bob = await meet(enter, kind)
    sid = await ann.sid()
    await ann.simulate(scenario=scenario)
    await ann.notes("reconnected")
    assert await ann.sid() != sid
    await all_is_well(ann, bob)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_migration(enter, kind):
    ann, bob = await meet(enter, kind)
    await ann.simulate(scenario="migration")
    await ann.notes("reconnected")
    await all_is_well(ann, bob)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_server_sends_one_away(enter, kind):
    ann, bob = await enter(kind, "ann"), await enter("python", "bob")
    await bob.meets(ann)
    await ann.simulate(scenario="server_leave")
    await ann.notes("disconnected", DisconnectReason.SERVER_SHUTDOWN)
    await bob.meets()


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_identity_twice(enter, kind):
    ann, bob = await enter(kind, "ann"), await enter("python", "bob")
    again = await enter("python", "ann")
    await ann.notes("disconnected", DisconnectReason.DUPLICATE_IDENTITY)
    await again.publish_pattern(colour="blue")
    await bob.sees("ann", "blue")
    await bob.meets(again)
