from typing import Any
from urllib.parse import quote

from harness.drivers.base import Driver, Live, Post, data_of
from harness.events import WebSocket

V1 = "/api/v1"
PAGE = 100


class Platform(Driver):
    """api/platform.md"""

    api = "platform"

    @staticmethod
    async def register(world: Any, name: str, email: str, password: str) -> None:
        first, _, last = name.partition(" ")
        await world.ask(
            "POST",
            f"{V1}/auth/register",
            201,
            json={
                "first_name": first,
                "last_name": last or "Doe",
                "email": email,
                "password": password,
                "confirm_password": password,
            },
        )

    @staticmethod
    async def login(world: Any, email: str, password: str) -> dict[str, Any]:
        return await world.ask("POST", f"{V1}/auth/login", 200, json={"email_or_phone": email, "password": password})

    @staticmethod
    def token_of(answer: dict[str, Any]) -> str:
        return answer["access_token"]

    def path(self, room: Any) -> str:
        return f"{V1}/meetings/{room.code or room.id}"

    async def create_room(self, **settings: Any) -> Any:
        body = {"title": "Weekly Team Standup", "settings": {"allow_join_before_host": True} | settings}
        return self.speaker.world.room(self.api, self.speaker, await self.speaker.post(f"{V1}/meetings", body, 201))

    async def join(self, room: Any, **body: Any) -> Any:
        return await self.speaker.post(f"{self.path(room)}/join", {"display_name": self.speaker.name} | body)

    async def post(self, room: Any, text: str, key: str | None = None, **more: Any) -> Post:
        body = {"content": text, "message_type": "text"} | more
        return self.read(await self.speaker.post(f"{self.path(room)}/messages", body, 201, headers=self.keyed(key)))

    async def history(self, room: Any) -> list[Post]:
        posts: list[Post] = []
        page = 1
        while True:
            answer = await self.speaker.get(f"{self.path(room)}/messages?page={page}&limit={PAGE}")
            posts += map(self.read, answer["messages"])
            if not answer["pagination"]["has_next"]:
                return posts
            page += 1

    async def live(self, room: Any, token: str | None = None) -> Live:
        url = f"{self.server.ws_url}/ws/meetings/{room.code or room.id}?token={quote(token or self.speaker.token)}"
        socket = await WebSocket.open(url, f"{self.speaker.name} on /ws/meetings")
        return MeetingLive(self, await socket.settled(), data_of("chat_message"))

    def read(self, raw: dict[str, Any]) -> Post:
        # History and REST say `id` and `sender_user_id`, the socket `message_id` and `sender_id`.
        if "message_id" in raw:
            return Post(raw["message_id"], raw["content"], raw["sender_id"], raw)
        return Post(raw["id"], raw["content"], raw["sender_user_id"], raw)


class MeetingLive(Live):
    async def say(self, text: str, client_message_id: str | None = None) -> None:
        key = {"client_message_id": client_message_id} if client_message_id else {}
        await self.events.send("chat_message", content=text, **key)
