"""Every operation of the five documents, written down by hand from them.

The tests walk this list: each operation must be in the OpenAPI document and in the Postman collection, and some
test must have used it with success.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Body = Any


@dataclass(frozen=True)
class Operation:
    document: str
    method: str
    path: str
    # Where two documents share a path, the body tells which one is spoken.
    speaks: Callable[[Body], bool] = lambda body: True
    # A socket appears in the OpenAPI document as its GET, and can't be sent from Postman's HTTP requests.
    socket: bool = False
    # Socket.IO is a protocol of its own: its document shows no HTTP operation.
    http: bool = True

    @property
    def key(self) -> str:
        """A name that can be a file's name."""
        return f"{self.document} {self.method} {self.path}".replace("/", "|")

    def matches(self, method: str, path: str, body: Body) -> bool:
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.path.rstrip("/")))
        return method == self.method and re.fullmatch(pattern + "/?", path) is not None and self.speaks(body)


def _has(field: str) -> Callable[[Body], bool]:
    return lambda body: isinstance(body, dict) and field in body


def _lacks(field: str) -> Callable[[Body], bool]:
    return lambda body: not _has(field)(body)


V1 = "/api/v1"
DOCUMENTED = [
    Operation("platform", "POST", f"{V1}/auth/register"),
    Operation("platform", "POST", f"{V1}/auth/login"),
    Operation("platform", "POST", f"{V1}/auth/verify-email"),
    Operation("platform", "POST", f"{V1}/auth/verify-phone"),
    Operation("platform", "GET", f"{V1}/auth/me"),
    Operation("platform", "POST", f"{V1}/auth/refresh"),
    Operation("platform", "POST", f"{V1}/auth/logout"),
    Operation("platform", "GET", f"{V1}/users/profile"),
    Operation("platform", "PUT", f"{V1}/users/profile"),
    Operation("platform", "POST", f"{V1}/meetings"),
    Operation("platform", "GET", f"{V1}/meetings"),
    Operation("platform", "GET", f"{V1}/meetings/{{meeting_id}}"),
    Operation("platform", "PUT", f"{V1}/meetings/{{meeting_id}}"),
    Operation("platform", "POST", f"{V1}/meetings/{{meeting_id}}/join", _lacks("user_name")),
    Operation("platform", "POST", f"{V1}/meetings/{{meeting_id}}/leave"),
    Operation("platform", "POST", f"{V1}/meetings/{{meeting_id}}/end"),
    Operation("platform", "POST", f"{V1}/meetings/{{meeting_id}}/messages"),
    Operation("platform", "GET", f"{V1}/meetings/{{meeting_id}}/messages"),
    Operation("platform", "GET", "/ws/meetings/{meeting_id}", socket=True),
    Operation("platform", "GET", "/docs"),
    Operation("platform", "GET", "/redoc"),
    Operation("platform", "GET", "/docs/postman-collection.json"),
    Operation("livekit-meetings", "POST", f"{V1}/meetings/create"),
    Operation("livekit-meetings", "POST", f"{V1}/meetings/{{meeting_id}}/join", _has("user_name")),
    Operation("livekit-meetings", "GET", f"{V1}/meetings/{{meeting_id}}/info"),
    Operation("livekit-meetings", "GET", f"{V1}/meetings/{{meeting_id}}/exists"),
    Operation("livekit-meetings", "GET", f"{V1}/meetings/{{meeting_id}}/participants"),
    Operation("livekit-meetings", "DELETE", f"{V1}/meetings/{{meeting_id}}"),
    Operation("convo", "POST", "/api/meetings"),
    Operation("convo", "GET", "/api/meetings/{id}"),
    Operation("convo", "POST", "/api/messages", _has("meeting_id")),
    Operation("convo", "GET", "/api/messages/{meeting_id}"),
    Operation("convo", "POST", "/api/register"),
    Operation("convo", "POST", "/api/login"),
    Operation("convo", "GET", "/ws/", socket=True),
    Operation("conversations", "POST", "/api/auth/register"),
    Operation("conversations", "POST", "/api/auth/login"),
    Operation("conversations", "GET", "/api/conversations"),
    Operation("conversations", "GET", "/api/conversations/{conversation_id}"),
    Operation("conversations", "POST", "/api/conversations"),
    Operation("conversations", "POST", "/api/conversations/{conversation_id}/connect"),
    Operation("conversations", "GET", "/api/conversations/{conversation_id}/connect", socket=True),
    Operation("conversations", "POST", "/api/messages/", _has("conversation_id")),
    Operation("conversations", "GET", "/api/users/{user_id}"),
    Operation("conversations", "GET", "/api/users/"),
    Operation("chatrooms", "POST", "/api/user/"),
    Operation("chatrooms", "POST", "/api/user/login"),
    Operation("chatrooms", "GET", "/api/user/"),
    Operation("chatrooms", "GET", "/api/user/{id}"),
    Operation("chatrooms", "PUT", "/api/user/{id}"),
    Operation("chatrooms", "DELETE", "/api/user/{id}"),
    Operation("chatrooms", "GET", "/api/chatroom/"),
    Operation("chatrooms", "POST", "/api/chatroom/"),
    Operation("chatrooms", "GET", "/api/chatroom/{id}"),
    Operation("chatrooms", "POST", "/api/chatroom/{id}/join"),
    Operation("chatrooms", "POST", "/api/message/"),
    Operation("chatrooms", "GET", "/api/message/{chatroom}"),
    Operation("chatrooms", "GET", "/socket.io/", socket=True, http=False),
]

# What contract.md adds where the documents are silent.
_PARTICIPANT = f"{V1}/meetings/{{meeting_id}}/participants/{{participant_id}}"
ADDED = [
    *(
        Operation("contract", "POST", f"{_PARTICIPANT}/{verb}")
        for verb in (
            "admit",
            "deny",
            "mute",
            "ask-unmute",
            "remove",
            "co-host",
            "revoke-co-host",
            "lower-hand",
            "readmit",
        )
    ),
    *(Operation("contract", "POST", f"{V1}/meetings/{{meeting_id}}/{verb}") for verb in ("lock", "unlock", "mute-all")),
    Operation("contract", "POST", "/api/chatroom/{id}/leave"),
]

ALL = DOCUMENTED + ADDED


def find(method: str, path: str, body: Body) -> list[Operation]:
    """The operations that a request speaks; a literal path wins over one with a parameter."""
    found = [operation for operation in ALL if operation.matches(method, path, body)]
    literal = [operation for operation in found if "{" not in operation.path]
    return literal or found
