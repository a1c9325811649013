"""Notes which documented operations the tests have exercised, across all pytest workers."""

import json
import os
from pathlib import Path
from urllib.parse import unquote

import httpx

import operations

DIRECTORY = "CONVO_TESTS_EXERCISED"


def note(operation: operations.Operation) -> None:
    directory = os.environ.get(DIRECTORY)
    if directory:
        (Path(directory) / operation.key).touch()


def note_socket(path: str) -> None:
    """A WebSocket or Socket.IO connection that was accepted."""
    for operation in operations.find("GET", path, None):
        note(operation)


async def note_response(response: httpx.Response) -> None:
    """An httpx hook: an operation is exercised once it has succeeded."""
    if not response.is_success:
        return
    request = response.request
    try:
        body = json.loads(request.content)
    except (ValueError, httpx.RequestNotRead):
        body = None
    for operation in operations.find(request.method, unquote(request.url.path), body):
        note(operation)


def exercised(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}
