"""People and rooms, as the tests speak of them: `ann = await world.person("Ann")`, `ann.via("platform").post(room, "hi")`."""

import itertools
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from harness import record
from harness.drivers import DRIVERS, Conversations, Driver, Platform
from harness.events import Events
from harness.process import Server

PASSWORD = "SecurePassword123"
REQUEST_SECONDS = 30


@dataclass
class Room:
    """A room of any kind, with the names that it goes by. `kind` is the API it was made through."""

    kind: str
    owner: "Speaker"
    id: str
    raw: dict[str, Any]
    code: str | None = None
    number: int | None = None


class Speaker:
    """Somebody with a bearer token (or none at all)."""

    name: str
    id: str | None = None
    number: int | None = None

    def __init__(self, world: "World", token: str | None):
        self.world = world
        self.token = token

    def via(self, api: str) -> Driver:
        return DRIVERS[api](self)

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request with the speaker's token; any answer is returned."""
        headers = dict(options.pop("headers", None) or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        return await self.world.http.request(method, path, headers=headers, **options)

    async def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        """A request that must be answered with `status`; the answer's body."""
        answer = await self.request(method, path, **options)
        assert answer.status_code == status, (
            f"{method} {path}: expected {status}, got {answer.status_code} {answer.text}"
        )
        return answer.json() if answer.content else None

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.ask("GET", path, status, **options)

    async def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return await self.ask("POST", path, status, **({"json": body} if body is not None else {}), **options)

    async def put(self, path: str, body: Any, status: int = 200) -> Any:
        return await self.ask("PUT", path, status, json=body)

    async def delete(self, path: str, status: int = 200) -> Any:
        return await self.ask("DELETE", path, status)


class Person(Speaker):
    """Somebody with an account."""

    def __init__(self, world: "World", name: str, email: str, password: str, login: dict[str, Any], token: str):
        super().__init__(world, token)
        self.name = name
        self.email = email
        self.password = password
        self.refresh_token = login.get("refresh_token")

    async def know_oneself(self) -> "Person":
        me = await self.get("/api/v1/auth/me")
        self.id, self.number = me["id"], me["number"]
        return self

    async def on_another_device(self, api: str = "platform") -> "Person":
        """The same person with a session of its own."""
        return await self.world.log_in(api, self.name, self.email, self.password)


class GuestVisitor(Speaker):
    """Somebody with a link and no account."""

    def __init__(self, world: "World", name: str, answer: dict[str, Any]):
        super().__init__(world, answer["token"])
        self.name = name
        self.answer = answer
        self.identity = answer["user_id"]


class World:
    """The people of one server. `http` is nobody's: it sends no token."""

    def __init__(self, server: Server):
        self.server = server
        self.opened: list[Events] = []
        self.http = httpx.AsyncClient(
            base_url=server.url,
            timeout=REQUEST_SECONDS,
            limits=httpx.Limits(max_connections=None),
            verify=False,
            event_hooks={"response": [record.note_response]},
        )
        self._serial = itertools.count(1)

    @property
    def nobody(self) -> Speaker:
        return Speaker(self, None)

    async def ask(self, method: str, path: str, status: int, **options: Any) -> Any:
        return await self.nobody.ask(method, path, status, **options)

    def unique(self, text: str) -> str:
        return f"{text} {uuid.uuid4().hex[:12]}"

    def address(self, name: str = "someone") -> str:
        return f"{name.split()[0].lower()}.{uuid.uuid4().hex[:12]}@example.com"

    async def person(self, name: str = "Ann Lee", api: str = "platform", password: str = PASSWORD) -> Person:
        """Registers and logs in through `api`."""
        email = self.address(name)
        await DRIVERS[api].register(self, name, email, password)
        return await self.log_in(api, name, email, password)

    async def regular(self, name: str) -> Person:
        """Somebody who comes again in many tests: saves a password's hashing where the account does not matter."""
        known = self.server.regulars.get(name)
        if known is None:
            known = await self.person(name)
            self.server.regulars[name] = known
        again = Person(self, name, known.email, known.password, {}, known.token)
        again.id, again.number = known.id, known.number
        return again

    async def log_in(self, api: str, name: str, email: str, password: str = PASSWORD) -> Person:
        answer = await DRIVERS[api].login(self, email, password)
        return await Person(self, name, email, password, answer, DRIVERS[api].token_of(answer)).know_oneself()

    async def guest(self, room: Room, name: str = "Gus") -> GuestVisitor:
        """Joins by the room's link."""
        path = f"/api/v1/meetings/{room.code or room.id}/join"
        return GuestVisitor(self, name, await self.ask("POST", path, 200, json={"user_name": name}))

    def room(self, kind: str, owner: Speaker, raw: dict[str, Any]) -> Room:
        match kind:
            case "platform":
                return Room(kind, owner, raw["id"].removeprefix("meeting-"), raw, code=raw["meeting_id"])
            case "guest":
                # The link's code is all that this API shows; a meeting of an account has its UUID in its details.
                return Room(kind, owner, raw.get("uuid", raw["meeting_id"]), raw, code=raw["meeting_id"])
            case "convo":
                return Room(kind, owner, raw["uuid"], raw, number=raw["id"])
            case "conversations":
                return Room(kind, owner, raw["conversation_id"], raw)
            case "chatrooms":
                return Room(kind, owner, raw["id"], raw)
        raise ValueError(kind)

    async def shared_room(self, kind: str, owner: Person, *others: Person, **settings: Any) -> Room:
        """A room of one kind that `owner` made and the others have entered."""
        if kind == "conversations":
            return await owner.via(kind).create_room(others=others, **settings)
        room = await owner.via(kind).create_room(**settings)
        if kind == "guest":
            details = await owner.get(f"/api/v1/meetings/{room.code}")
            room.id = details["id"].removeprefix("meeting-")
        # A guest link is joined with an account through the platform's join.
        way = "platform" if kind == "guest" else kind
        for person in (owner, *others) if way == "platform" else others:
            await person.via(way).join(room)
        return room

    async def close(self) -> None:
        for events in self.opened:
            await events.close()
        await self.http.aclose()


__all__ = ["PASSWORD", "Conversations", "GuestVisitor", "Person", "Platform", "Room", "Speaker", "World"]
