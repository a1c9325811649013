"""Participants with LiveKit's own clients (Python, Node, Chromium), who look at what they see and listen to what they hear.

All have the same verbs. `node/media/` has those in Node and in Chromium, `Python` here is the third. What is published is
a picture that counts and a tone (`node/media/signals.mjs` says how they look).
"""

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from livekit import rtc

NODE = Path(__file__).resolve().parents[1] / "node" / "media"
SECONDS = 30
# A browser on a busy machine.
START_SECONDS = 90
LOOK_AGAIN_SECONDS = 0.05
# Ten pictures' time.
STILL_SECONDS = 1.0

COLOURS = {"red": (255, 40, 40), "green": (40, 255, 40), "blue": (40, 40, 255), "yellow": (255, 255, 40)}
COLUMNS = 8
LIT, DARK = 140, 90
RATE = 48_000
TONE_SAMPLES = 4_800


@dataclass(frozen=True)
class Picture:
    """A decoded picture. `count` and `colour` are None when it is not one of ours, or not whole."""

    count: int | None
    colour: str | None
    width: int
    height: int


def follow(pictures: list[Picture]) -> bool:
    """Whether the pictures are whole and come in their order (some may be left out)."""
    counts = [picture.count for picture in pictures]
    return None not in counts and all(0 < (b - a) % 256 < 128 for a, b in itertools.pairwise(counts))


class Participant:
    """Somebody in a room: the verbs of `page.mjs` and `rtc-node.mjs`, and waiting for what must come."""

    name: str

    async def call(self, verb: str, **args: Any) -> Any:
        raise NotImplementedError

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda **args: self.call(verb, **args)

    async def until(self, what: str, look: Callable[[], Any], within: float = SECONDS) -> Any:
        """The first answer of `look` that is true."""
        try:
            async with asyncio.timeout(within):
                while not (found := await look()):
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
                return found
        except TimeoutError:
            state = {verb: await self.call(verb) for verb in ("log", "others", "tones")}
            state["pictures"] = {track: seen[-5:] for track, seen in (await self.call("pictures")).items()}
            raise AssertionError(f"{self.name} waited in vain for {what}; {state}") from None

    async def sees(
        self,
        whom: "Participant | str",
        colour: str,
        source: str = "camera",
        *,
        at_least: int = 5,
        such: Callable[[Picture], bool] = lambda picture: True,
        within: float = SECONDS,
    ) -> list[Picture]:
        """Waits until the last `at_least` pictures are of the colour, and `such`; all pictures since `forget`."""
        track = f"{whom if isinstance(whom, str) else whom.name}/{source}"

        async def look() -> list[Picture] | None:
            seen = [Picture(*picture) for picture in (await self.call("pictures")).get(track, [])]
            last = seen[-at_least:]
            good = len(last) == at_least and all(p.colour == colour and such(p) for p in last) and follow(last)
            return seen if good else None

        return await self.until(f"{colour} pictures of {track}", look, within)

    async def hears(self, whom: "Participant | str", hz: int | None, source: str = "microphone") -> None:
        """Waits until the tone has this pitch; None: until there is silence."""
        track = f"{whom if isinstance(whom, str) else whom.name}/{source}"

        async def look() -> bool:
            tones = await self.call("tones")
            return track in tones and tones[track] == hz

        await self.until(f"{hz} Hz from {track}", look)

    async def sees_nothing_new(self, whom: "Participant | str", source: str = "camera") -> None:
        """Waits until no more pictures come."""
        track = f"{whom if isinstance(whom, str) else whom.name}/{source}"

        async def look() -> bool:
            before = (await self.call("pictures")).get(track)
            await asyncio.sleep(STILL_SECONDS)
            return (await self.call("pictures")).get(track) == before

        await self.until(f"no more pictures of {track}", look)

    async def notes(self, event: str, *values: Any, since: int = 0, within: float = SECONDS) -> list[Any]:
        """Waits for an event that begins with these values; answers with it."""
        wanted = [event, *values]

        async def look() -> list[Any] | None:
            log = (await self.call("log"))[since:]
            return next((entry for entry in log if list(entry)[: len(wanted)] == wanted), None)

        return await self.until(f"{wanted}", look, within)

    async def meets(self, *others: "Participant") -> None:
        """Waits until exactly these are in the room too."""
        names = sorted(other.name for other in others)

        async def look() -> bool:
            return await self.call("others") == names

        await self.until(f"the company of {names}", look)


class Program:
    """A Node program that moves participants: see `stdio.mjs`."""

    def __init__(self, script: str, log: Path):
        self.script = script
        self.log = log
        self.process: asyncio.subprocess.Process | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        # 0 is the word that it is ready.
        self._serial = itertools.count(1)

    async def start(self) -> "Program":
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                "node",
                str(NODE / self.script),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 24,
            )
        ready = self._answers[0] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())
        await asyncio.wait_for(ready, START_SECONDS)
        return self

    async def _read(self) -> None:
        async for line in self.process.stdout:
            # The SDKs write to the standard output, too.
            if not line.startswith(b'{"id":'):
                continue
            answer = json.loads(line)
            future = self._answers.pop(answer["id"])
            if not future.done():
                future.set_result(answer)
        for future in self._answers.values():
            future.set_exception(
                AssertionError(f"{self.script} ended:\n{self.log.read_text(errors='replace')[-3000:]}")
            )

    async def call(self, who: str, verb: str, args: dict[str, Any]) -> Any:
        serial = next(self._serial)
        future = self._answers[serial] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(json.dumps({"id": serial, "who": who, "call": verb, "args": args}).encode() + b"\n")
        async with asyncio.timeout(SECONDS):
            answer = await future
        assert "error" not in answer, f"{who}.{verb}: {answer['error']}"
        return answer["value"]

    async def stop(self) -> None:
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), SECONDS)
        except TimeoutError:
            self.process.kill()
            raise
        await self._reader


class Remote(Participant):
    """A participant in a program."""

    _serial = itertools.count()

    def __init__(self, name: str, program: Program):
        self.name = name
        self.program = program
        # Names come again from test to test, and the program outlives them.
        self.key = f"{name} {next(Remote._serial)}"

    async def call(self, verb: str, **args: Any) -> Any:
        return await self.program.call(self.key, verb, args)


SOURCES = {
    "camera": rtc.TrackSource.SOURCE_CAMERA,
    "microphone": rtc.TrackSource.SOURCE_MICROPHONE,
    "screen_share": rtc.TrackSource.SOURCE_SCREENSHARE,
    "screen_share_audio": rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO,
}
SOURCE_NAMES = {value: name for name, value in SOURCES.items()}
QUALITIES = {"low": 0, "medium": 1, "high": 2}
SCENARIOS = {
    "resume": 0,
    "node_failure": 2,
    "server_leave": 3,
    "migration": 4,
    "force_tcp": 5,
    "force_tls": 6,
    "full_reconnect": 7,
    "disconnect_signal_on_resume": 8,
}


def paint(width: int, height: int, count: int, colour: str) -> bytes:
    """Picture number `count` as RGBA."""
    lit = numpy.array([[count >> (COLUMNS - 1 - column) & 1 for column in range(COLUMNS)]], dtype=bool)
    squares = numpy.where(numpy.vstack([lit, ~lit])[:, :, None], numpy.array((*COLOURS[colour], 255)), (0, 0, 0, 255))
    rows, columns = numpy.arange(height) * 2 // height, numpy.arange(width) * COLUMNS // width
    return squares[rows][:, columns].astype(numpy.uint8).tobytes()


def read(rgba: numpy.ndarray) -> tuple[int | None, str | None]:
    """The number and the colour of a picture (height x width x RGBA)."""
    height, width, _ = rgba.shape
    middles = [(2 * column + 1) * width // (2 * COLUMNS) for column in range(COLUMNS)]
    squares = rgba[[height // 4, height * 3 // 4]][:, middles, :3].astype(int)
    light = squares.max(axis=2)
    if (light.max(axis=0) < LIT).any() or (light.min(axis=0) > DARK).any():
        return None, None
    bits = light[0] > light[1]
    shade = numpy.where(bits[:, None], squares[0], squares[1]).mean(axis=0)
    count = int("".join("01"[int(bit)] for bit in bits), 2)
    colours = (name for name, rgb in COLOURS.items() if ((numpy.array(rgb) > 128) == (shade > 128)).all())
    return count, next(colours, None)


def pitch(samples: numpy.ndarray) -> int | None:
    """The pitch in Hz, if most of the energy is in one tone."""
    if (samples**2).mean() < 1e-5:
        return None
    powers = numpy.abs(numpy.fft.rfft(samples)) ** 2
    strongest = int(powers.argmax())
    return round(strongest * RATE / len(samples)) if powers[strongest] > powers.sum() / 2 else None


class Python(Participant):
    """A participant with PyPI's livekit."""

    def __init__(self, name: str):
        self.name = name
        self.room = rtc.Room()
        self.events: list[list[Any]] = []
        self.albums: dict[str, deque[tuple[Any, ...]]] = defaultdict(lambda: deque(maxlen=100))
        self.samples: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=TONE_SAMPLES))
        self.published: dict[str, tuple[rtc.LocalTrack, asyncio.Task[None]]] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.watching: dict[str, asyncio.Task[None]] = {}

    async def call(self, verb: str, **args: Any) -> Any:
        answer = getattr(type(self), f"_{verb}")(self, **args)
        return await answer if asyncio.iscoroutine(answer) else answer

    def _task(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _connect(
        self, url: str, token: str, single: bool | None = None, key: str | None = None, **options: Any
    ) -> None:
        for event in ("reconnecting", "reconnected", "disconnected"):
            self.room.on(event, lambda *values, event=event: self.events.append([event, *values]))
        for event in ("muted", "unmuted", "unpublished"):
            self.room.on(f"track_{event}", lambda *what, event=event: self._heard_of_track(event, what))
        self.room.on("data_received", self._heard_data)
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("track_unsubscribed", lambda track, *_: self.watching.pop(track.sid).cancel())
        self.room.register_text_stream_handler("lk.chat", lambda *stream: self._task(self._heard_chat(*stream)))
        if key:
            provider = rtc.KeyProviderOptions(shared_key=key.encode())
            options["encryption"] = rtc.E2EEOptions(key_provider_options=provider)
        await self.room.connect(url, token, rtc.RoomOptions(single_peer_connection=single, **options))
        self.room.local_participant.register_rpc_method("shout", self._shout)

    async def _shout(self, call: rtc.RpcInvocationData) -> str:
        return call.payload.upper()

    def _heard_of_track(self, event: str, what: tuple[Any, Any]) -> None:
        # The SDK is of two minds about the order.
        publication, whose = sorted(what, key=lambda one: isinstance(one, rtc.Participant))
        self.events.append([event, f"{whose.identity}/{SOURCE_NAMES[publication.source]}"])

    def _heard_data(self, packet: rtc.DataPacket) -> None:
        sender = packet.participant.identity if packet.participant else ""
        self.events.append(["data", sender, packet.data.decode(), packet.topic or ""])

    async def _heard_chat(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self.events.append(["chat", identity, await reader.read_all()])

    def _subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant
    ) -> None:
        name = f"{whose.identity}/{SOURCE_NAMES[publication.source]}"
        watch = self._listen if track.kind == rtc.TrackKind.KIND_AUDIO else self._look
        self.watching[track.sid] = self._task(watch(name, track))

    async def _listen(self, name: str, track: rtc.Track) -> None:
        async with contextlib.aclosing(rtc.AudioStream(track, sample_rate=RATE, num_channels=1)) as stream:
            async for event in stream:
                self.samples[name].extend(numpy.frombuffer(event.frame.data, dtype=numpy.int16) / 32_768)

    async def _look(self, name: str, track: rtc.Track) -> None:
        async with contextlib.aclosing(rtc.VideoStream(track, format=rtc.VideoBufferType.RGBA)) as stream:
            async for event in stream:
                frame = event.frame
                rgba = numpy.frombuffer(frame.data, dtype=numpy.uint8).reshape(frame.height, frame.width, 4)
                self.albums[name].append((*read(rgba), frame.width, frame.height))

    async def _publish_pattern(
        self,
        colour: str,
        source: str = "camera",
        codec: str = "vp8",
        width: int = 320,
        height: int = 180,
        fps: int = 10,
        simulcast: bool = False,
    ) -> str:
        origin = rtc.VideoSource(width, height)

        async def run() -> None:
            for count in itertools.count():
                rgba = paint(width, height, count % 256, colour)
                origin.capture_frame(rtc.VideoFrame(width, height, rtc.VideoBufferType.RGBA, rgba))
                await asyncio.sleep(1 / fps)

        track = rtc.LocalVideoTrack.create_video_track(source, origin)
        codec = rtc.VideoCodec.Value(codec.upper())
        return await self._publish(
            track, rtc.TrackPublishOptions(source=SOURCES[source], video_codec=codec, simulcast=simulcast), run()
        )

    async def _publish_tone(self, hz: int) -> str:
        origin = rtc.AudioSource(RATE, 1)
        wave = 0.3 * numpy.sin(2 * numpy.pi * hz * numpy.arange(TONE_SAMPLES) / RATE)
        data = (wave * 32_767).astype(numpy.int16).tobytes()

        async def run() -> None:
            while True:
                await origin.capture_frame(rtc.AudioFrame(data, RATE, 1, TONE_SAMPLES))

        track = rtc.LocalAudioTrack.create_audio_track("tone", origin)
        return await self._publish(track, rtc.TrackPublishOptions(source=SOURCES["microphone"]), run())

    async def _publish(self, track: rtc.LocalTrack, options: rtc.TrackPublishOptions, run: Any) -> str:
        publication = await self.room.local_participant.publish_track(track, options)
        self.published[publication.sid] = track, self._task(run)
        return publication.sid

    def _mute(self, sid: str, muted: bool) -> None:
        track = self.published[sid][0]
        if muted:
            track.mute()
        else:
            track.unmute()

    async def _unpublish(self, sid: str) -> None:
        self.published.pop(sid)[1].cancel()
        await self.room.local_participant.unpublish_track(sid)

    async def _send(self, text: str, topic: str = "", reliable: bool = True) -> None:
        await self.room.local_participant.publish_data(text, reliable=reliable, topic=topic)

    async def _chat(self, text: str) -> None:
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def _rpc(self, to: str, payload: str) -> str:
        return await self.room.local_participant.perform_rpc(destination_identity=to, method="shout", payload=payload)

    def _remote(self, track: str) -> rtc.RemoteTrackPublication:
        identity, source = track.split("/")
        publications = self.room.remote_participants[identity].track_publications.values()
        return next(publication for publication in publications if publication.source == SOURCES[source])

    def _set_quality(self, track: str, quality: str) -> None:
        self._remote(track).set_video_quality(QUALITIES[quality])

    def _set_subscribed(self, track: str, subscribed: bool) -> None:
        self._remote(track).set_subscribed(subscribed)

    async def _simulate(self, scenario: str) -> None:
        await self.room.simulate_scenario(SCENARIOS[scenario])

    def _sid(self) -> str:
        return self.room.local_participant.sid

    def _others(self) -> list[str]:
        return sorted(self.room.remote_participants)

    def _log(self) -> list[list[Any]]:
        return self.events

    def _pictures(self) -> dict[str, list[tuple[Any, ...]]]:
        return {track: list(pictures) for track, pictures in self.albums.items()}

    def _tones(self) -> dict[str, int | None]:
        whole = {track: samples for track, samples in self.samples.items() if len(samples) == TONE_SAMPLES}
        return {track: pitch(numpy.array(samples)) for track, samples in whole.items()}

    def _forget(self) -> None:
        self.albums.clear()
        self.samples.clear()

    async def _close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await self.room.disconnect()
