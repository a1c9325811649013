"""A language model's endpoint that says what the tests tell it to: OpenAI's chat completions, streamed."""

import asyncio
import json
from typing import Any

from aiohttp import web

from harness.events import Events
from harness.process import free_port

KEY = "sk-the-key-of-the-tests"


class Model:
    """`say` is what it answers next. `gate` holds it back after the first piece while it is cleared."""

    def __init__(self) -> None:
        self.say = ["Hello", ", ", "I am ", "the model."]
        # "answer", "fail" (500), "cut" (the connection ends in the middle), "garbage" (no SSE), "stall" (never answers),
        # "keep-alive" (never goes on after the first piece, but keeps the connection alive)
        self.mood = "answer"
        # Why it says that it ends.
        self.finish = "stop"
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = Events("the model")
        # Requests under way, and the most there were at once.
        self.now = self.peak = 0
        self.hung_up = Events("the model's hang-ups")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> "Model":
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/chat/completions", self._complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def stop(self) -> None:
        self.gate.set()
        await self._runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            return await self._answer(request)
        finally:
            self.now -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.heard({"authorization": request.headers.get("Authorization"), "body": body})
        if self.mood == "fail":
            return web.json_response({"error": {"message": "the model is on fire", "type": "server_error"}}, status=500)
        if self.mood == "garbage":
            return web.Response(text="<html>not a model</html>", content_type="text/html")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            if self.mood == "stall":
                await asyncio.Event().wait()
            await self._stream(response)
        except (asyncio.CancelledError, ConnectionError):
            self.hung_up.heard(body)
            raise
        if self.mood == "cut":
            request.transport.abort()
        return response

    async def _stream(self, response: web.StreamResponse) -> None:
        for number, piece in enumerate(self.say):
            if number == 1:
                await self.gate.wait()
                if self.mood == "cut":
                    return
                while self.mood == "keep-alive":
                    await response.write(b": PROCESSING\n\n")
                    await asyncio.sleep(0.1)
            await response.write(
                _event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
            )
        await response.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}))
        await response.write(b"data: [DONE]\n\n")

    def messages(self, number: int = -1) -> list[dict[str, Any]]:
        """The messages of a request that was made."""
        return self.asked.seen[number]["body"]["messages"]


def _event(more: dict[str, Any]) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test-model"} | more
    return f"data: {json.dumps(chunk)}\n\n".encode()
