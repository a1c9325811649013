"""LiveKit clients (PyPI livekit) in Convo's meetings."""

import asyncio
import base64
import gzip

import websockets
from livekit import api, rtc
from livekit.protocol import models
from livekit.protocol import rtc as signals

SECONDS = 15


class Client:
    """A LiveKit client, and what it hears."""

    def __init__(self):
        self.room = rtc.Room()
        self.chats: list[tuple[str, str, dict[str, str]]] = []
        self.reason = None
        self.tasks = set()
        self._turn = asyncio.Lock()
        self.room.register_text_stream_handler("lk.chat", self._stream)
        self.room.on("disconnected", self._gone)

    def _stream(self, reader, identity):
        async def read():
            # Streams are told in the order in which they began; this SDK reads each on a thread pool of its own, and
            # of two that came together the second may be whole first.
            async with self._turn:
                text = await reader.read_all()
            self.chats.append((identity, text, dict(reader.info.attributes or {})))

        task = asyncio.create_task(read())
        self.tasks.add(task)

    def _gone(self, reason):
        self.reason = reason

    async def connect(self, url, token):
        await asyncio.wait_for(self.room.connect(url, token), SECONDS)
        return self

    async def until(self, condition, seconds=SECONDS):
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            name = self.room.local_participant.identity
            raise TimeoutError(f"{name} heard {self.chats}, and is gone for {self.reason}") from error


def join_request(**fields):
    info = models.ClientInfo(protocol=17)
    inner = gzip.compress(signals.JoinRequest(client_info=info, **fields).SerializeToString())
    wrapped = signals.WrappedJoinRequest(compression=signals.WrappedJoinRequest.GZIP, join_request=inner)
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


async def signalling(world, token):
    """A connection that was let in."""
    url = f"{world.server.ws_url}/rtc/v1?access_token={token}&join_request={join_request()}"
    socket = await websockets.connect(url)
    joined = signals.SignalResponse.FromString(await socket.recv())
    assert joined.WhichOneof("message") == "join"
    return socket


async def join(person, room, **body):
    return await person.via("platform").join(room, **body)


async def participants(person, room):
    return (await person.get(f"/api/v1/meetings/{room.code}"))["participants"]


async def until(read, condition):
    """What is read once the condition holds of it."""
    last = None
    try:
        async with asyncio.timeout(SECONDS):
            while not condition(last := await read()):
                await asyncio.sleep(0.05)
    except TimeoutError as late:
        raise AssertionError(f"after {SECONDS} s there is {last!r}") from late
    return last


async def taken_by_an_operator(lk, ann, bob, room, connect, met):
    """An operator takes the right to publish from Bob; whatever Ann changes then does not give it back.

    `met(client)`: until the meeting knows him.
    """
    joined = await join(bob, room)
    his = await connect(joined)
    await met(his)
    path, whom = f"/api/v1/meetings/{room.code}", {"room": room.code, "identity": joined["identity"]}
    taken = api.ParticipantPermission(can_subscribe=True, can_publish_data=True)
    await lk.room.update_participant(api.UpdateParticipantRequest(**whom, permission=taken))
    await ann.put(path, {"title": "Another title"})
    await ann.post(f"{path}/participants/{joined['participant_id']}/co-host")
    # What was ordered before has been done when this shows.
    await his.until(lambda: his.room.local_participant.attributes.get("role") == "co_host")
    found = await lk.room.get_participant(api.RoomParticipantIdentity(**whom))
    assert found.permission.can_subscribe and not found.permission.can_publish
