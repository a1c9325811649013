"""Servers with media, and tokens as LiveKit's server SDKs make them."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import jwt
import pytest
from livekit import api

from harness.livekit import Client

KEY = "devkey"
SECRET = "a secret of more than thirty-two characters"
MEDIA = {
    "CONVO_MEDIA_UDP": "0",
    "CONVO_MEDIA_TCP": "0",
    "CONVO_MEDIA_WORKERS": "2",
    "LIVEKIT_API_KEY": KEY,
    "LIVEKIT_API_SECRET": SECRET,
}


@pytest.fixture
async def serve_media(serve):
    """As `serve`, with media ports and a known key."""

    async def start(**settings: str):
        return await serve(**MEDIA | settings)

    return start


@pytest.fixture
async def world(serve_media):
    return await serve_media()


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@pytest.fixture
def token() -> Callable[..., str]:
    """`token("ann", "room", can_publish=False)`: an operator's token."""

    def make(identity: str = "", room: str = "", *, seconds: int = 600, **grants: object) -> str:
        grants = {"roomJoin": True, "room": room} | {camel(name): value for name, value in grants.items()}
        now = int(time.time())
        claims = {"iss": KEY, "sub": identity, "nbf": now - 3600, "exp": now + seconds, "video": grants}
        return jwt.encode(claims, SECRET, "HS256")

    return make


@pytest.fixture
async def lk(world):
    """LiveKit's own client of the server API."""
    client = api.LiveKitAPI(world.server.url, KEY, SECRET)
    yield client
    await client.aclose()


@pytest.fixture
def new_lk():
    return lambda world: api.LiveKitAPI(world.server.url, KEY, SECRET)


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    """LIVEKIT_API_KEY and LIVEKIT_API_SECRET."""
    return KEY, SECRET


@pytest.fixture
def livekit_url(world) -> str:
    """Where LiveKit's clients go."""
    return world.server.ws_url


@pytest.fixture
async def connect(livekit_url) -> AsyncIterator[Callable[[str | dict], Awaitable[Client]]]:
    """`client = await connect(joined)`: with the answer to a join, or with a token."""
    clients: list[Client] = []

    async def start(joined: str | dict) -> Client:
        clients.append(Client())
        return await clients[-1].connect(livekit_url, joined if isinstance(joined, str) else joined["meeting_token"])

    yield start
    for client in clients:
        with contextlib.suppress(Exception):
            await client.room.disconnect()


@pytest.fixture
async def ann(world):
    return await world.person("Ann")


@pytest.fixture
async def bob(world):
    return await world.person("Bob")


@pytest.fixture
async def room(ann):
    return await ann.via("platform").create_room()
