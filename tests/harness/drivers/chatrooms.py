from typing import Any

from harness.drivers.base import Driver, Live, Post
from harness.events import SocketIo


class Chatrooms(Driver):
    """api/chatrooms.md"""

    api = "chatrooms"

    @staticmethod
    async def register(world: Any, name: str, email: str, password: str) -> None:
        await world.ask("POST", "/api/user/", 201, json={"name": name, "email": email, "password": password})

    @staticmethod
    async def login(world: Any, email: str, password: str) -> dict[str, Any]:
        return await world.ask("POST", "/api/user/login", 200, json={"email": email, "password": password})

    @staticmethod
    def token_of(answer: dict[str, Any]) -> str:
        return answer["token"]

    async def create_room(self, **settings: Any) -> Any:
        answer = await self.speaker.post("/api/chatroom/", {"name": settings.get("name", "Lobby")}, 201)
        return self.speaker.world.room(self.api, self.speaker, answer)

    async def join(self, room: Any) -> Any:
        return await self.speaker.post(f"/api/chatroom/{room.id}/join", None)

    async def post(self, room: Any, text: str, key: str | None = None) -> Post:
        body = {"chatroom": room.id, "message": text}
        return self.read(await self.speaker.post("/api/message/", body, 201, headers=self.keyed(key)))

    async def history(self, room: Any) -> list[Post]:
        return list(map(self.read, await self.speaker.get(f"/api/message/{room.id}")))

    async def live(self, room: Any, **options: Any) -> Live:
        socket = await SocketIo.open(
            self.server.url, f"Bearer {self.speaker.token}", f"{self.speaker.name} on Socket.IO", **options
        )
        answer = await socket.call("joinRoom", {"chatroomId": room.id})
        assert answer["ok"] is True, answer
        return ChatroomLive(self, socket, room)

    def read(self, raw: dict[str, Any]) -> Post:
        return Post(raw["id"], raw["message"], raw["sender"]["id"], raw)


class ChatroomLive(Live):
    def __init__(self, driver: Driver, events: SocketIo, room: Any):
        super().__init__(driver, events, lambda event: event[1] if event[0] == "newMessage" else None)
        self.room = room

    async def say(self, text: str, client_message_id: str | None = None) -> None:
        key = {"client_message_id": client_message_id} if client_message_id else {}
        await self.events.emit("chatroomMessage", {"chatroomId": self.room.id, "message": text} | key)
