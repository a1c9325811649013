from typing import Any

from harness.drivers.base import Driver, Live, Post
from harness.events import WebSocket


class Conversations(Driver):
    """api/conversations.md"""

    api = "conversations"

    @staticmethod
    async def register(world: Any, name: str, email: str, password: str) -> None:
        await world.ask("POST", "/api/auth/register", 201, json={"name": name, "email": email, "password": password})

    @staticmethod
    async def login(world: Any, email: str, password: str) -> dict[str, Any]:
        return await world.ask("POST", "/api/auth/login", 200, json={"email": email, "password": password})

    @staticmethod
    def token_of(answer: dict[str, Any]) -> str:
        return answer["token"]

    async def create_room(self, **settings: Any) -> Any:
        """With `others`: the people who share the conversation."""
        others = [person.id for person in settings.get("others", [])]
        body = {"is_ai": settings.get("is_ai", False), "participant_ids": others}
        return self.speaker.world.room(self.api, self.speaker, await self.speaker.post("/api/conversations", body, 201))

    async def join(self, room: Any) -> Any:
        """A conversation is between those it was made with: nobody joins it."""

    async def post(self, room: Any, text: str, key: str | None = None) -> Post:
        body = {"conversation_id": room.id, "sender_id": self.speaker.id, "message": text}
        answer = await self.speaker.post("/api/messages/", body, 200, headers=self.keyed(key))
        return Post(answer["message_id"], answer["message"], self.speaker.id, answer)

    async def history(self, room: Any) -> list[Post]:
        return list(map(self.read, await self.speaker.get(f"/api/conversations/{room.id}")))

    async def live(self, room: Any) -> Live:
        answer = await self.speaker.post(f"/api/conversations/{room.id}/connect", None, 200)
        socket = await WebSocket.open(answer["websocket_url"], f"{self.speaker.name} on the conversation's WebSocket")
        return ConversationLive(self, socket, lambda frame: frame if "message_id" in frame else None)

    def read(self, raw: dict[str, Any]) -> Post:
        return Post(raw.get("message_id"), raw["message"], raw["sender_id"], raw)


class ConversationLive(Live):
    async def say(self, text: str, client_message_id: str | None = None) -> None:
        key = {"client_message_id": client_message_id} if client_message_id else {}
        await self.events.send_json({"message": text} | key)
