"""Patterns for JSON bodies.

A pattern is an example from a document with the values that vary replaced by a `Form`. Every field of the
pattern must be in the body; a body may say more, because a client of a document ignores what it doesn't know.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any


class Form:
    """A value known by its form only, such as "any UUID"."""

    def __init__(self, name: str, holds: Callable[[Any], bool]):
        self.name = name
        self.holds = holds

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _text(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_CLOCK = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?"

ANY = Form("anything", lambda value: True)
BOOL = Form("a boolean", lambda value: isinstance(value, bool))
INT = Form("an integer", _is_int)
COUNT = Form("an integer, zero or more", lambda value: _is_int(value) and value >= 0)
TEXT = Form("a text", lambda value: isinstance(value, str) and value != "")
# Contract, "Identifiers": every entity has one UUID (v7).
UUID = Form("a UUIDv7", _text(_UUID))
MEETING_ID = Form("meeting-<UUIDv7>", _text(f"meeting-{_UUID}"))
MESSAGE_ID = Form("message-<UUIDv7>", _text(f"message-{_UUID}"))
PARTICIPANT_ID = Form("participant-<UUIDv7>", _text(f"participant-{_UUID}"))
CODE = Form("a code like 123-456-789", _text(r"\d{3}-\d{3}-\d{3}"))
GUEST_CODE = Form("a code like abc-defg-hij", _text(r"[a-z]{3}-[a-z]{4}-[a-z]{3}"))
IDENTITY = Form("a LiveKit identity <name>_<8 hex>", _text(r".+_[0-9a-f]{8}"))
# Contract, "Times": RFC 3339 in UTC with `Z`; convo.md's carry no zone.
TIME = Form("an RFC 3339 time with Z", _text(_CLOCK + "Z"))
NAIVE_TIME = Form("a time without a zone", _text(_CLOCK))
JWT = Form("a JWT", _text(r"[\w-]+\.[\w-]+\.[\w-]+"))
PASSCODE = Form("a passcode of 6 digits", _text(r"\d{6}"))


def url(path: str, scheme: str = "https?") -> Form:
    """A URL that ends in `path`."""
    return Form(f"a URL ending in {path}", _text(rf"{scheme}://[^/]+?(/.*)?{re.escape(path)}"))


def either(*forms: Any) -> Form:
    return Form(" or ".join(map(repr, forms)), lambda value: any(not differences(value, f) for f in forms))


def differences(body: Any, pattern: Any, at: str = "$") -> list[str]:
    """Where `body` departs from `pattern`, one line a place."""
    if isinstance(pattern, Form):
        return [] if pattern.holds(body) else [f"{at}: expected {pattern!r}, got {body!r}"]
    if isinstance(pattern, dict):
        if not isinstance(body, dict):
            return [f"{at}: expected an object, got {body!r}"]
        found = [f"{at}.{key}: missing" for key in pattern if key not in body]
        for key in pattern.keys() & body.keys():
            found += differences(body[key], pattern[key], f"{at}.{key}")
        return sorted(found)
    if isinstance(pattern, list):
        if not isinstance(body, list) or len(body) != len(pattern):
            return [f"{at}: expected {len(pattern)} items, got {body!r}"]
        return [d for n, (b, p) in enumerate(zip(body, pattern, strict=True)) for d in differences(b, p, f"{at}[{n}]")]
    if type(body) is not type(pattern) or body != pattern:
        return [f"{at}: expected {pattern!r}, got {body!r}"]
    return []


def assert_like(body: Any, pattern: Any) -> None:
    found = differences(body, pattern)
    assert not found, "\n".join(["the body departs from the document:", *found, f"body: {body!r}"])


def assert_names(error: dict[str, Any], field: str) -> None:
    """An error of validation says which field it means, in its text or beside it."""
    assert field in str(error), f"the error does not name {field}: {error}"


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
