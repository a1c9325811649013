"""What Chromium encodes, with its layers: seen whole in another Chromium and in Python, also across a change of layers."""

import pytest

pytestmark = pytest.mark.one_store

CODECS = {"vp8": "video/VP8", "h264": "video/H264", "vp9": "video/VP9", "av1": "video/AV1"}


@pytest.mark.parametrize("codec", CODECS)
async def test_layers(enter, codec):
    width, height = 640, 360
    ann = await enter("browser", "ann")
    bob, cid = await enter("browser", "bob"), await enter("python", "cid")
    camera = await ann.publish_pattern(colour="red", codec=codec, width=width, height=height, simulcast=True)
    for viewer in (bob, cid):
        await viewer.sees(ann, "red", such=lambda picture: picture.width == width)
    assert await ann.codec(sid=camera) == CODECS[codec]
    for quality, size in (("low", (0, 320)), ("high", (width, width)), ("low", (0, 320))):
        for viewer in (bob, cid):
            await viewer.forget()
            await viewer.set_quality(track="ann/camera", quality=quality)
        for viewer in (bob, cid):
            seen = await viewer.sees(ann, "red", such=lambda p, size=size: size[0] <= p.width <= size[1])
            assert all(picture.count is not None for picture in seen), seen
