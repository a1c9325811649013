"""Firefox, with livekit-client. Without a sound card it has no Web Audio: its microphone is the browser's own fake one, and
what it hears is told by its energy."""

import pytest

pytestmark = pytest.mark.one_store


@pytest.mark.parametrize("single", [True, False], ids=["one connection", "two connections"])
async def test_firefox_meets_python(enter, single):
    ann = await enter("python", "ann", single=single)
    bob = await enter("firefox", "bob", single=single)
    await ann.publish_pattern(colour="red")
    await ann.publish_tone(hz=440)
    sid = await bob.publish_pattern(colour="green")
    await bob.microphone()
    await bob.sees(ann, "red")
    await ann.sees(bob, "green")
    await ann.hears(bob, 1_000)

    async def heard():
        return await bob.energy(track="ann/microphone") > 0.01

    await bob.until("Ann's tone", heard)
    for one, other in ((ann, bob), (bob, ann)):
        await one.send(text="surely", topic="news")
        await other.notes("data", one.name, "surely", "news")
        await one.chat(text="hello")
        await other.notes("chat", one.name, "hello")
        assert await one.rpc(to=other.name, payload="hear me") == "HEAR ME"
    await bob.mute(sid=sid, muted=True)
    await ann.notes("muted", "bob/camera")
    await ann.sees_nothing_new(bob)
    await bob.mute(sid=sid, muted=False)
    await ann.forget()
    await ann.sees(bob, "green")


@pytest.mark.parametrize("scenario", ["resume", "full_reconnect"])
async def test_firefox_comes_back(enter, scenario):
    ann, bob = await enter("python", "ann"), await enter("firefox", "bob")
    await ann.publish_pattern(colour="red")
    await bob.publish_pattern(colour="green")
    await bob.sees(ann, "red")
    await ann.sees(bob, "green")
    await bob.simulate(scenario=scenario)
    await bob.notes("reconnected")
    await ann.forget()
    await bob.forget()
    await bob.sees(ann, "red")
    await ann.sees(bob, "green")


async def test_the_layers_of_firefox(enter):
    ann, bob = await enter("firefox", "ann"), await enter("browser", "bob", adaptiveStream=True)
    await ann.publish_pattern(colour="red", width=1280, height=720, simulcast=True)
    await bob.sees(ann, "red")
    for width, wide in ((1280, 1280), (160, 320), (1280, 1280)):
        await bob.show(track="ann/camera", width=width)
        await bob.sees(ann, "red", such=lambda picture, wide=wide: picture.width == wide)
