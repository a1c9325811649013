from typing import Any

from harness.drivers.base import Driver, Live, Post, data_of
from harness.events import WebSocket


class Convo(Driver):
    """api/convo.md"""

    api = "convo"

    @staticmethod
    async def register(world: Any, name: str, email: str, password: str) -> None:
        await world.ask("POST", "/api/register", 201, json={"name": name, "email": email, "password": password})

    @staticmethod
    async def login(world: Any, email: str, password: str) -> dict[str, Any]:
        return await world.ask("POST", "/api/login", 200, json={"email": email, "password": password})

    @staticmethod
    def token_of(answer: dict[str, Any]) -> str:
        return answer["token"]

    def name(self, room: Any) -> Any:
        return room.number if room.number is not None else room.id

    async def create_room(self, **_settings: Any) -> Any:
        title = self.speaker.world.unique("Meeting")
        body = {
            "title": title,
            "description": "Meeting Description",
            "start_time": "2024-09-07T10:00:00",
            "end_time": "2024-09-07T11:00:00",
            "creator_id": self.speaker.number,
        }
        answer = await self.speaker.post("/api/meetings", body, 201)
        # convo.md shows the integer alone; the platform's list shows the same room's UUID.
        listed = await self.speaker.get("/api/v1/meetings?limit=100")
        uuid = next(meeting["id"] for meeting in listed["meetings"] if meeting["title"] == title)
        return self.speaker.world.room(self.api, self.speaker, answer | {"uuid": uuid.removeprefix("meeting-")})

    async def join(self, room: Any) -> Any:
        return await self.history(room)

    async def post(self, room: Any, text: str, key: str | None = None) -> Post:
        body = {"content": text, "sender_id": self.speaker.number, "meeting_id": self.name(room)}
        return self.read(await self.speaker.post("/api/messages", body, 201, headers=self.keyed(key)))

    async def history(self, room: Any) -> list[Post]:
        return list(map(self.read, await self.speaker.get(f"/api/messages/{self.name(room)}")))

    async def live(self, room: Any) -> Live:
        socket = await WebSocket.open(
            f"{self.server.ws_url}/ws/",
            f"{self.speaker.name} on /ws/",
            {"Authorization": f"Bearer {self.speaker.token}"},
        )
        await socket.send("join_meeting", meeting_id=self.name(room))
        return ConvoLive(self, await socket.settled(), data_of("chat_message"), self.name(room))

    def author_id(self, speaker: Any) -> Any:
        return speaker.number

    def read(self, raw: dict[str, Any]) -> Post:
        if "message_id" in raw:
            # A frame of `/ws/` is the meeting WebSocket's: its author is a UUID.
            return Post(raw["message_id"], raw["content"], raw["sender_id"], raw)
        return Post(raw["id"], raw["content"], raw["sender_id"], raw)


class ConvoLive(Live):
    def __init__(self, driver: Driver, events: Any, posted: Any, meeting: Any):
        super().__init__(driver, events, posted)
        self.meeting = meeting

    async def say(self, text: str, client_message_id: str | None = None) -> None:
        key = {"client_message_id": client_message_id} if client_message_id else {}
        await self.events.send("chat_message", meeting_id=self.meeting, content=text, **key)
