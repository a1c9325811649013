"""What is said through A is seen through B, live and in history, for every ordered pair and every kind of room."""

import asyncio
import itertools

import pytest

from harness.drivers import APIS

# Conversations and chatrooms have no link: a guest can't come in.
GUESTS_COME_IN = ("platform", "guest", "convo")
PAIRS = [
    (kind, a, b)
    for kind, a, b in itertools.product(APIS, APIS, APIS)
    if kind in GUESTS_COME_IN or "guest" not in (a, b)
]


class Gathering:
    """A room with Ann, who speaks, and Ben, who reads; a guest stands in for each where the API has no accounts."""

    def __init__(self, world, kind):
        self.world = world
        self.kind = kind

    async def open(self):
        # Two people share one conversation for ever: a fresh one needs fresh people.
        someone = self.world.person if self.kind == "conversations" else self.world.regular
        self.ann, self.ben = await someone("Ann Lee"), await someone("Ben Hall")
        self.room = await self.world.shared_room(self.kind, self.ann, self.ben)
        if self.kind in GUESTS_COME_IN:
            self.gus, self.gia = await self.world.guest(self.room, "Gus"), await self.world.guest(self.room, "Gia")
        return self

    def speaker(self, api):
        return self.gus if api == "guest" else self.ann

    def reader(self, api):
        return self.gia if api == "guest" else self.ben

    async def live(self, api):
        return await self.reader(api).via(api).live(self.room)


def shows_author(driver, speaker, post):
    """The author as this API names authors: an id, or for a guest none."""
    if speaker.id is None:
        return post.author is None
    return post.author in (speaker.id, driver.author_id(speaker))


@pytest.mark.parametrize(("kind", "a", "b"), PAIRS)
async def test_said_through_a_seen_through_b(world, kind, a, b):
    gathering = await Gathering(world, kind).open()
    room, speaker, reader = gathering.room, gathering.speaker(a), gathering.reader(b)
    live = await gathering.live(b)
    texts = [f"{a} to {b}, {n}: ünïcödé 👋 <b>&amp;</b>" for n in range(3)]
    for text in texts:
        await speaker.via(a).post(room, text)
    await live.expect_post(texts[-1])
    assert [post.text for post in live.posts] == texts
    history = await reader.via(b).history(room)
    assert [post.text for post in history] == texts
    for post in (*live.posts, *history):
        assert shows_author(reader.via(b), speaker, post), post


@pytest.mark.parametrize(("kind", "a", "b"), PAIRS)
async def test_said_on_as_socket_heard_on_bs(world, kind, a, b):
    gathering = await Gathering(world, kind).open()
    live = await gathering.live(b)
    speaker = gathering.speaker(a)
    mouth = await speaker.via(a).live(gathering.room)
    await mouth.say("over the socket")
    heard = await live.expect_post("over the socket")
    assert shows_author(gathering.reader(b).via(b), speaker, heard)
    # The sender's own devices hear it too, once.
    await mouth.expect_post("over the socket")
    await speaker.via(a).post(gathering.room, "marker")
    for ear in (live, mouth):
        await ear.expect_post("marker")
        assert [post.text for post in ear.posts] == ["over the socket", "marker"]


@pytest.mark.parametrize("kind", APIS)
async def test_all_apis_at_once_one_order(world, kind):
    gathering = await Gathering(world, kind).open()
    apis = [api for api in APIS if api != "guest" or kind in GUESTS_COME_IN]
    lives = {api: await gathering.live(api) for api in apis}

    async def speak(api):
        for number in range(10):
            await gathering.speaker(api).via(api).post(gathering.room, f"{api} {number}")

    await asyncio.gather(*map(speak, apis))
    expected = {f"{api} {number}" for api in apis for number in range(10)}
    orders = {}
    for api, live in lives.items():
        orders[f"live {api}"] = [post.text for post in await live.expect_posts(len(expected))]
        orders[f"history {api}"] = [post.text for post in await gathering.reader(api).via(api).history(gathering.room)]
    first = orders["live platform"]
    assert set(first) == expected and len(first) == len(expected)
    for where, order in orders.items():
        assert order == first, where
    for api in apis:
        assert [text for text in first if text.startswith(f"{api} ")] == [f"{api} {number}" for number in range(10)]
