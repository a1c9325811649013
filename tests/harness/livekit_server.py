"""LiveKit's own server as a process, where `LIVEKIT_SERVER` names its binary: what Convo is to work with."""

import asyncio
import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import httpx

from harness.process import START_SECONDS, free_port

BINARY = os.environ.get("LIVEKIT_SERVER")


class LiveKitServer:
    def __init__(self, directory: Path, key: tuple[str, str], webhook: str | None = None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.log_path = directory / f"livekit-{self.port}.log"
        rtc = {"udp_port": free_port(), "tcp_port": free_port(), "enable_loopback_candidate": True}
        # JSON is YAML.
        self.config = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "keys": dict([key]),
            "rtc": rtc | {"use_external_ip": False},
            "webhook": {"api_key": key[0], "urls": [webhook]} if webhook else {},
        }

    async def start(self) -> "LiveKitServer":
        with self.log_path.open("ab") as log:
            arguments = [BINARY, "--node-ip", "127.0.0.1", "--config-body", json.dumps(self.config)]
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient() as client:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, self.log_path.read_text()
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(self.url)).status_code == 200:
                        return self
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready: {self.log_path.read_text()}")

    def stop(self) -> None:
        # Asked to stop, it waits for its clients to go.
        self.process.kill()
        self.process.wait()
