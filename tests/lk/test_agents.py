"""Agent workers: the socket of livekit-agents, and who is given which job."""

import asyncio

import aiohttp
import jwt
import pytest
from livekit import api, rtc
from livekit.protocol import agent as proto

from harness.livekit import signalling

pytestmark = pytest.mark.one_store

SECONDS = 10


class Worker:
    def __init__(self, socket):
        self.socket = socket

    async def say(self, **message):
        await self.socket.send_bytes(proto.WorkerMessage(**message).SerializeToString())

    async def hear(self, kind):
        async with asyncio.timeout(SECONDS):
            while True:
                message = proto.ServerMessage.FromString(await self.socket.receive_bytes())
                if message.WhichOneof("message") == kind:
                    return getattr(message, kind)

    async def take(self, identity="agent-1"):
        offer = await self.hear("availability")
        answer = proto.AvailabilityResponse(
            job_id=offer.job.id, available=True, participant_identity=identity, participant_name="Agent"
        )
        await self.say(availability=answer)
        return await self.hear("assignment")


@pytest.fixture
async def worker(world, token):
    session = aiohttp.ClientSession()

    async def start(name="", kind=proto.JobType.JT_ROOM):
        headers = {"Authorization": f"Bearer {token('', '', agent=True, room_join=False)}"}
        worker = Worker(await session.ws_connect(f"{world.server.ws_url}/agent", headers=headers))
        await worker.say(register=proto.RegisterWorkerRequest(type=kind, agent_name=name, version="1"))
        assert (await worker.hear("register")).worker_id.startswith("AW_")
        return worker

    yield start
    await session.close()


async def test_who_may_be_a_worker(world, token):
    async with aiohttp.ClientSession() as session:
        for bad in ("nonsense", token("ann", "room")):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{world.server.ws_url}/agent", headers={"Authorization": f"Bearer {bad}"})
            assert refused.value.status == 401


async def test_a_room_calls_for_the_agents_without_a_name(lk, worker, key):
    agent = await worker()
    await lk.room.create_room(api.CreateRoomRequest(name="hall"))
    assignment = await agent.take()
    assert (assignment.job.room.name, assignment.job.type) == ("hall", proto.JobType.JT_ROOM)
    claims = jwt.decode(assignment.token, key[1], algorithms=["HS256"])
    assert (claims["iss"], claims["sub"], claims["kind"]) == (key[0], "agent-1", "agent")
    assert claims["video"]["room"] == "hall" and claims["video"]["roomJoin"] and claims["video"]["agent"]
    assert claims["attributes"]["lk.agent_name"] == ""


async def test_a_dispatch_calls_for_an_agent_by_name(lk, worker):
    unnamed, named = await worker(), await worker("helper")
    ask = api.CreateAgentDispatchRequest(agent_name="helper", room="hall", metadata="m")
    dispatch = await lk.agent_dispatch.create_dispatch(ask)
    assert dispatch.id.startswith("AD_")
    assignment = await named.take()
    assert (assignment.job.dispatch_id, assignment.job.metadata) == (dispatch.id, "m")
    [listed] = await lk.agent_dispatch.list_dispatch("hall")
    assert [job.id for job in listed.state.jobs] == [assignment.job.id]
    await named.say(update_job=proto.UpdateJobStatus(job_id=assignment.job.id, status=proto.JobStatus.JS_RUNNING))
    await lk.agent_dispatch.delete_dispatch(dispatch.id, "hall")
    assert (await named.hear("termination")).job_id == assignment.job.id
    assert not await lk.agent_dispatch.list_dispatch("hall")
    # The unnamed one was not called: the room had a dispatch of its own.
    await unnamed.say(ping=proto.WorkerPing(timestamp=7))
    assert (await unnamed.hear("pong")).last_timestamp == 7


async def test_an_agent_is_called_once_for_who_publishes(worker, connect, token):
    agent = await worker(kind=proto.JobType.JT_PUBLISHER)
    clients = [await connect(token(identity, "hall")) for identity in ("ann", "bob")]

    async def publish(client):
        audio = rtc.LocalAudioTrack.create_audio_track("mic", rtc.AudioSource(48_000, 1))
        video = rtc.LocalVideoTrack.create_video_track("camera", rtc.VideoSource(320, 180))
        person = client.room.local_participant
        return await asyncio.gather(*(person.publish_track(track) for track in (audio, video)))

    for publication in await publish(clients[0]):
        await clients[0].room.local_participant.unpublish_track(publication.sid)
    await publish(clients[0])
    await publish(clients[1])
    assert [(await agent.take()).job.participant.identity for _ in clients] == ["ann", "bob"]


async def test_an_agent_is_not_called_for_who_is_only_coming(world, lk, worker, connect, token):
    """It will be, when they are there."""
    agent = await worker("helper", proto.JobType.JT_PARTICIPANT)
    async with await signalling(world, token("bob", "hall")):
        await connect(token("ann", "hall"))
        await lk.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(agent_name="helper", room="hall"))
        await connect(token("cid", "hall"))
        called = [(await agent.hear("availability")).job.participant.identity for _ in range(2)]
        assert sorted(called) == ["ann", "cid"]


async def test_a_dispatch_is_deleted_while_a_worker_thinks(lk, worker):
    named = await worker("helper")
    ask = api.CreateAgentDispatchRequest(agent_name="helper", room="hall")
    dispatch = await lk.agent_dispatch.create_dispatch(ask)
    job = (await named.hear("availability")).job.id
    await lk.agent_dispatch.delete_dispatch(dispatch.id, "hall")
    await named.say(availability=proto.AvailabilityResponse(job_id=job, available=True, participant_identity="agent-1"))
    assert (await named.hear("termination")).job_id == job


async def test_a_dispatch_of_a_meeting_by_its_id(lk, worker, room):
    named = await worker("helper")
    ask = api.CreateAgentDispatchRequest(agent_name="helper", room=room.id)
    dispatch = await lk.agent_dispatch.create_dispatch(ask)
    job = (await named.take()).job.id
    for name in (room.id, room.code):
        [listed] = await lk.agent_dispatch.list_dispatch(name)
        assert (listed.id, listed.room) == (dispatch.id, room.code)
    await lk.agent_dispatch.delete_dispatch(dispatch.id, room.id)
    assert (await named.hear("termination")).job_id == job


async def test_a_room_names_its_agents(lk, worker):
    named = await worker("helper")
    wanted = [api.RoomAgentDispatch(agent_name="helper", metadata="from the room")]
    await lk.room.create_room(api.CreateRoomRequest(name="hall", agents=wanted))
    assert (await named.take()).job.metadata == "from the room"


async def test_who_declines_is_passed_over(lk, worker):
    workers = [await worker() for _ in range(2)]
    await lk.room.create_room(api.CreateRoomRequest(name="hall"))
    offers = [asyncio.create_task(one.hear("availability")) for one in workers]
    done, waiting = await asyncio.wait(offers, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
    first = offers.index(next(iter(done)))
    job = offers[first].result().job.id
    await workers[first].say(availability=proto.AvailabilityResponse(job_id=job, available=False))
    offer = await next(iter(waiting))
    assert offer.job.id == job
    other = workers[1 - first]
    await other.say(availability=proto.AvailabilityResponse(job_id=job, available=True, participant_identity="agent-2"))
    assert (await other.hear("assignment")).job.state.participant_identity == "agent-2"


async def test_who_is_gone_is_not_waited_for(lk, worker):
    workers = [await worker() for _ in range(2)]
    await lk.room.create_room(api.CreateRoomRequest(name="hall"))
    offers = [asyncio.create_task(one.hear("availability")) for one in workers]
    done, waiting = await asyncio.wait(offers, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
    job = next(iter(done)).result().job.id
    await workers[offers.index(next(iter(done)))].socket.close()
    # A worker that is there has ten seconds.
    assert (await asyncio.wait_for(next(iter(waiting)), 5)).job.id == job
