from typing import Any

from harness.drivers.platform import V1, Platform


class Guest(Platform):
    """api/livekit-meetings.md. It has no chat of its own: a guest's meeting token opens the meeting's chat."""

    api = "guest"
    register = login = None

    async def create_room(self, **_settings: Any) -> Any:
        answer = await self.speaker.post(f"{V1}/meetings/create", None, 201)
        return self.speaker.world.room(self.api, self.speaker, answer)

    async def join(self, room: Any) -> Any:
        return await self.speaker.post(f"{self.path(room)}/join", {"user_name": self.speaker.name})
