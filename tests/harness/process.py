"""The `convo` binary as a process under test."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = REPOSITORY / os.environ.get("CONVO_BIN", "target/debug/convo")

# Quiet surroundings: no media ports, no limits, nothing taken from the caller's environment.
DEFAULTS = {
    "CONVO_RATE_LIMIT": "off",
    "CONVO_MEDIA_UDP": "off",
    "CONVO_MEDIA_TCP": "off",
    "CONVO_TURN": "off",
    "CONVO_LOG": os.environ.get("CONVO_LOG", "info"),
    "RUST_BACKTRACE": "1",
}
PASSED_ON = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE")

START_SECONDS = 30
STOP_SECONDS = 60

# Below the kernel's range for outgoing connections, so that no client socket takes a port between the
# test's look and the server's bind. Each pytest worker has a slice of its own.
PORTS_PER_WORKER = 1000
_next_port = 0


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    global _next_port
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for _ in range(PORTS_PER_WORKER):
        port = 20_000 + (worker % 12) * PORTS_PER_WORKER + _next_port
        _next_port = (_next_port + 1) % PORTS_PER_WORKER
        with contextlib.closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def environment(**settings: str) -> dict[str, str]:
    """The whole environment of a `convo` process: defaults, then `settings`."""
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return inherited | DEFAULTS | settings


def convo(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a `convo` command to its end."""
    return subprocess.run(
        [BINARY, *arguments], env=environment(**settings), capture_output=True, text=True, timeout=30, cwd="/"
    )


class Server:
    """One `convo serve`, its data directory and its log."""

    def __init__(self, directory: Path, scheme: str = "http", **settings: str):
        self.directory = directory
        self.data = Path(settings.get("CONVO_DATA_DIR", directory / "data"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{scheme}://{self.address}"
        self.ws_url = self.url.replace("http", "ws", 1)
        self.settings = {"CONVO_LISTEN": self.address, "CONVO_DATA_DIR": str(self.data)} | settings
        self.command = [str(BINARY), "serve"]
        self.log_path = directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        # People whom tests share: see World.regular.
        self.regulars: dict[str, object] = {}

    async def start(self) -> "Server":
        await self.spawn().until_ready()
        return self

    def spawn(self) -> "Server":
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=environment(**self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        return self

    async def until_ready(self, within: float = START_SECONDS) -> None:
        deadline = time.monotonic() + within
        async with httpx.AsyncClient(verify=False, timeout=5) as client:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, f"the server stopped at its start:\n{self.log()}"
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.02)
        raise AssertionError(f"not ready within {within} s:\n{self.log()}")

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exited(self, within: float = STOP_SECONDS) -> int:
        return await asyncio.to_thread(self.process.wait, within)

    async def kill(self) -> None:
        self.process.kill()
        await self.exited()

    async def stop(self) -> int | None:
        """SIGTERM, then the exit code; a server that hangs is killed and its hang is an error."""
        if not self.running:
            return self.process.returncode if self.process else None
        self.terminate()
        try:
            return await self.exited()
        except subprocess.TimeoutExpired:
            await self.kill()
            raise AssertionError(f"did not stop within {STOP_SECONDS} s of SIGTERM") from None

    def resident_bytes(self) -> int:
        """Physical memory held (VmRSS)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")
