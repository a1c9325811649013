"""What is not looked at is not sent: adaptive stream at who looks, dynacast at who is seen."""

import pytest

pytestmark = pytest.mark.one_store

WIDTH, HEIGHT = 1280, 720


async def test_pictures_have_the_size_in_which_they_are_shown(enter):
    ann = await enter("browser", "ann", dynacast=True)
    bob = await enter("browser", "bob", adaptiveStream=True)
    camera = await ann.publish_pattern(colour="red", width=WIDTH, height=HEIGHT, simulcast=True)

    async def layers(*active: bool) -> None:
        async def look() -> bool:
            return tuple(on for _, on, _ in await ann.call("encodings", sid=camera)) == active

        await ann.until(f"the layers {active}", look)

    await bob.sees(ann, "red")
    # Elements of a page are as large as their video, until somebody lays them out.
    for shown, sizes, active in (
        (1280, (WIDTH, WIDTH), (True, True, True)),
        (120, (0, 320), (True, False, False)),
        (1280, (WIDTH, WIDTH), (True, True, True)),
    ):
        await bob.call("show", track="ann/camera", width=shown)
        await bob.sees(ann, "red", such=lambda picture, sizes=sizes: sizes[0] <= picture.width <= sizes[1])
        await layers(*active)
    await bob.call("show", track="ann/camera", width=None)
    await bob.sees_nothing_new(ann)
    await layers(False, False, False)
    await bob.call("show", track="ann/camera", width=1280)
    await bob.sees(ann, "red", such=lambda picture: picture.width == WIDTH)
    await layers(True, True, True)
