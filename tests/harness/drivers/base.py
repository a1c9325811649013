from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.events import WITHIN, Events

if TYPE_CHECKING:
    from harness.world import Room, Speaker


@dataclass(frozen=True)
class Post:
    """A message as one API shows it. `author` is in that API's own terms: see `Driver.author_id`."""

    id: Any
    text: str
    author: Any
    raw: dict[str, Any] = field(compare=False, repr=False)


class Driver:
    """`speaker` using one API."""

    api: str

    def __init__(self, speaker: "Speaker"):
        self.speaker = speaker
        self.server = speaker.world.server

    # The rooms an API makes are of one kind, named after the API.
    async def create_room(self, **settings: Any) -> "Room":
        raise NotImplementedError

    async def join(self, room: "Room") -> Any:
        """Becomes a member, as this API's users do."""
        raise NotImplementedError

    async def post(self, room: "Room", text: str, key: str | None = None) -> Post:
        """Sends a message; `key` is the retry's nonce (`Idempotency-Key`)."""
        raise NotImplementedError

    async def history(self, room: "Room") -> list[Post]:
        raise NotImplementedError

    async def live(self, room: "Room") -> "Live":
        """A live connection that hears the room."""
        raise NotImplementedError

    def author_id(self, speaker: "Speaker") -> Any:
        """How this API names an author: a UUID, or convo.md's integer; None for a guest."""
        return speaker.id

    def read(self, raw: dict[str, Any]) -> Post:
        raise NotImplementedError

    def keyed(self, key: str | None) -> dict[str, str]:
        return {"Idempotency-Key": key} if key else {}


class Live:
    """A driver's live connection to one room, read as posts."""

    def __init__(self, driver: Driver, events: Events, posted: Any):
        self.driver = driver
        self.events = events
        self._posted = posted
        driver.speaker.world.opened.append(events)

    @property
    def posts(self) -> list[Post]:
        return [self.driver.read(raw) for raw in map(self._posted, self.events.seen) if raw is not None]

    async def expect_post(self, text: str, within: float = WITHIN) -> Post:
        return await self.events.until(
            lambda: next((post for post in self.posts if post.text == text), None), within, f"a message {text!r}"
        )

    async def expect_posts(self, count: int, within: float = WITHIN) -> list[Post]:
        return await self.events.until(
            lambda: self.posts if len(self.posts) >= count else None, within, f"{count} messages"
        )

    async def say(self, text: str, client_message_id: str | None = None) -> None:
        """Sends a message over the connection itself."""
        raise NotImplementedError


def data_of(type_: str) -> Any:
    """Picks the data of `{"type", "data"}` frames of one type."""
    return lambda frame: frame["data"] if isinstance(frame, dict) and frame.get("type") == type_ else None
