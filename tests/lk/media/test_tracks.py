"""Muting, publishing again, screens, the browser's devices, encryption: with every kind of client."""

import pytest

pytestmark = pytest.mark.one_store

KINDS = ["python", "node", "browser"]


# livekit's SDK for Node cannot mute a track.
@pytest.mark.parametrize("kind", ["python", "browser"])
async def test_muting(enter, kind):
    ann, bob = await enter(kind, "ann"), await enter("browser" if kind == "python" else "python", "bob")
    tracks = [await ann.publish_pattern(colour="red"), await ann.publish_tone(hz=440)]
    await bob.sees(ann, "red")
    await bob.hears(ann, 440)
    for sid in tracks:
        await ann.mute(sid=sid, muted=True)
    await bob.notes("muted", "ann/camera")
    await bob.notes("muted", "ann/microphone")
    await bob.sees_nothing_new(ann)
    await bob.hears(ann, None)
    for sid in tracks:
        await ann.mute(sid=sid, muted=False)
    await bob.forget()
    await bob.sees(ann, "red")
    await bob.hears(ann, 440)


@pytest.mark.parametrize("kind", KINDS)
async def test_unpublishing_and_publishing_again(enter, kind):
    ann = await enter(kind, "ann")
    viewers = [await enter(other, other) for other in KINDS]
    for colour, hz in (("red", 440), ("blue", 880)):
        tracks = [await ann.publish_pattern(colour=colour), await ann.publish_tone(hz=hz)]
        for viewer in viewers:
            await viewer.sees(ann, colour)
            await viewer.hears(ann, hz)
        for sid in tracks:
            await ann.unpublish(sid=sid)
        for viewer in viewers:
            await viewer.notes("unpublished", "ann/camera")
            await viewer.notes("unpublished", "ann/microphone")
            await viewer.forget()


@pytest.mark.parametrize("kind", KINDS)
async def test_many_tracks_and_who_comes_late(enter, kind):
    ann = await enter("browser", "ann")
    await ann.publish_pattern(colour="red")
    await ann.publish_tone(hz=440)
    await ann.publish_pattern(colour="green", source="screen_share")
    await ann.publish_tone(hz=660, source="screen_share_audio")
    for name, single in (("bob", True), ("cid", False)):
        late = await enter(kind, name, single=single)
        await late.sees(ann, "red")
        await late.sees(ann, "green", "screen_share")
        await late.hears(ann, 440)
        await late.hears(ann, 660, "screen_share_audio")


async def test_a_shared_screen_and_the_devices_of_the_browser(enter):
    ann, bob = await enter("browser", "ann"), await enter("python", "bob")
    await ann.share_screen(colour="yellow")
    await bob.sees(ann, "yellow", "screen_share")
    await ann.devices()

    async def moves() -> bool:
        return len((await bob.pictures()).get("ann/camera", [])) > 10

    await bob.until("pictures of the fake camera", moves)

    # The fake microphone does so now and then.
    async def beeps() -> bool:
        return bool((await bob.tones()).get("ann/microphone"))

    await bob.until("a beep", beeps)


async def test_encrypted_from_end_to_end(enter):
    key = "a shared secret"
    ann = await enter("browser", "ann", key=key)
    bob = await enter("python", "bob", key=key)
    cid = await enter("node", "cid", key=key)
    eve = await enter("python", "eve")
    people = {ann: ("red", 440), bob: ("green", 660), cid: ("blue", 880)}
    for person, (colour, hz) in people.items():
        await person.publish_pattern(colour=colour)
        await person.publish_tone(hz=hz)
    for viewer in people:
        for person, (colour, hz) in people.items():
            if person is not viewer:
                await viewer.sees(person, colour)
                await viewer.hears(person, hz)
    assert len(await eve.others()) == 3
    assert not any(picture[0] is not None for seen in (await eve.pictures()).values() for picture in seen)
    assert not any((await eve.tones()).values())
