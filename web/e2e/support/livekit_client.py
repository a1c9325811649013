"""People in a meeting whose client is LiveKit's own for Python: `livekit_client.py URL TOKEN…`.

Each is connected, shows a figure that sways, and says what it meets, a JSON object a line:
`{"who": 0, "connected": true}`, `{"who": 0, "from": "Ann", "text": "Hello"}`, `{"who": 0, "sees": "Ann"}` (that person's
picture moved). What is written to it, `{"who": 0, "text": "Hello"}`, is said in the chat. It ends with its input.

With `CROWD=1` they are a crowd: they see nobody, and their pictures are small.
"""

import asyncio
import json
import os
import sys

import numpy as np
from figure import FRAMES, HEIGHT, WIDTH, figure
from livekit import rtc

SECONDS = 2.0
CROWD = os.environ.get("CROWD") == "1"


def say(who: int, **what: object) -> None:
    print(json.dumps({"who": who} | what), flush=True)


async def show(room: rtc.Room, who: int) -> None:
    step = 2 if CROWD else 1
    width, height = WIDTH // step, HEIGHT // step
    source = rtc.VideoSource(width, height)
    track = rtc.LocalVideoTrack.create_video_track("camera", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
    await room.local_participant.publish_track(track, options)
    pictures = [picture[::step, ::step].tobytes() for picture in figure(who)]
    while True:
        for picture in pictures:
            source.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, picture))
            await asyncio.sleep(SECONDS / FRAMES)


# Between two pictures, of eight a second; and so many are decoded at least in as long.
PATIENCE = 5.0
DECODED = 10


async def watch(track: rtc.Track, who: int, name: str) -> None:
    """Until two pictures differ in more than noise, or many were decoded.

    Where processors are scarce the SDK decodes all pictures and hands out none any more, of LiveKit's own server as of ours
    (perhaps livekit/rust-sdks#293), so that the test would not be one of the server.
    """
    before = None
    stream = rtc.VideoStream(track, format=rtc.VideoBufferType.RGBA)
    async with asyncio.timeout(60):
        while True:
            decoded = await pictures_decoded(track)
            try:
                event = await asyncio.wait_for(anext(stream), PATIENCE)
            except TimeoutError:
                if await pictures_decoded(track) < decoded + DECODED:
                    continue
                return say(who, sees=name)
            picture = np.frombuffer(event.frame.data, dtype=np.uint8)[::997].astype(np.int16)
            if before is not None and before.shape == picture.shape and (np.abs(picture - before) > 24).sum() > 5:
                return say(who, sees=name)
            before = picture


async def pictures_decoded(track: rtc.Track) -> int:
    stats = [one.inbound_rtp.inbound for one in await track.get_stats() if one.HasField("inbound_rtp")]
    return max((inbound.frames_decoded for inbound in stats), default=0)


async def join(url: str, token: str, who: int, tasks: set) -> rtc.Room:
    room = rtc.Room()

    def start(coroutine) -> None:
        task = asyncio.create_task(coroutine)
        tasks.add(task)

    def on_chat(reader, identity: str) -> None:
        async def read() -> None:
            sender = room.remote_participants.get(identity)
            say(
                who,
                **{
                    "from": sender.name if sender else identity,
                    "text": await reader.read_all(),
                },
            )

        start(read())

    @room.on("track_subscribed")
    def on_track(track, _publication, participant) -> None:
        if who == 0 and track.kind == rtc.TrackKind.KIND_VIDEO:
            start(watch(track, who, participant.name))

    room.register_text_stream_handler("lk.chat", on_chat)
    await room.connect(url, token, rtc.RoomOptions(auto_subscribe=not CROWD))
    start(show(room, who))
    say(who, connected=True)
    return room


async def main(url: str, tokens: list[str]) -> None:
    tasks: set = set()
    rooms = [await join(url, token, who, tasks) for who, token in enumerate(tokens)]
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        said = json.loads(line)
        await rooms[said["who"]].local_participant.send_text(said["text"], topic="lk.chat")
    for room in rooms:
        await room.disconnect()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
