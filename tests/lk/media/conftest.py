"""A server with media for all tests of this folder, and people who enter its rooms with LiveKit's own clients."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from harness.media import Participant, Program, Python, Remote
from harness.process import Server

PROGRAMS = {"node": "rtc-node.mjs", "browser": "chromium.mjs", "firefox": "firefox.mjs"}
# The tests of this folder share one server: each has a room of its own.
SETTINGS = {
    "CONVO_MEDIA_UDP": "0",
    "CONVO_MEDIA_TCP": "0",
    "CONVO_TURN": "0",
    "CONVO_MEDIA_WORKERS": "2",
    "CONVO_MEDIA_SIMULATE": "on",
}


@pytest.fixture(scope="session")
async def media_server(store, tmp_path_factory: pytest.TempPathFactory, key) -> AsyncIterator[Server]:
    settings = SETTINGS | dict(zip(("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"), key, strict=True))
    running = await Server(tmp_path_factory.mktemp("media"), **store.settings() | settings).start()
    yield running
    assert running.running, f"the server died:\n{running.log()[-5000:]}"
    assert await running.stop() == 0


@pytest.fixture(scope="session")
async def programs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Callable[[str], Awaitable[Program]]]:
    """Each program is started once, when somebody first needs it."""
    started: dict[str, Program] = {}
    directory: Path = tmp_path_factory.mktemp("clients")

    async def get(kind: str) -> Program:
        if kind not in started:
            started[kind] = await Program(PROGRAMS[kind], directory / f"{kind}.log").start()
        return started[kind]

    yield get
    for program in started.values():
        await program.stop()


Enter = Callable[..., Awaitable[Participant]]


@pytest.fixture
async def enter(media_server: Server, programs, token) -> AsyncIterator[Enter]:
    """`ann = await enter("node", "ann")`: a client of a kind (python, node, browser, firefox), connected to the test's room."""
    entered: list[Participant] = []
    room = uuid.uuid4().hex

    async def start(
        kind: str, name: str, *, url: str | None = None, pass_: str | None = None, **options
    ) -> Participant:
        person = Python(name) if kind == "python" else Remote(name, await programs(kind))
        entered.append(person)
        await person.connect(url=url or media_server.ws_url, token=pass_ or token(name, room), **options)
        return person

    yield start
    for person in entered:
        with contextlib.suppress(Exception):
            await person.close()
