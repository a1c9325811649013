"""A PostgreSQL server of the tests' own, in a temporary directory, as an unprivileged user."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from harness.process import free_port


def binaries() -> Path | None:
    """Debian keeps initdb and pg_ctl out of PATH, one directory a major version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class Postgres:
    def __init__(self, directory: Path, fsync: bool = False):
        tools = binaries()
        assert tools, "PostgreSQL is not installed: apt-get install postgresql (or run the tests with --store=sqlite)"
        self.tools = tools
        self.directory = directory
        self.port = free_port()
        self.options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200"
        )
        self.options += "" if fsync else " -c fsync=off"
        self.databases = 0
        self._own_directory()
        self._run(
            "initdb",
            "-D",
            str(directory / "data"),
            "-A",
            "trust",
            "-U",
            "app",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )

    def _own_directory(self) -> None:
        # initdb refuses to run as root; pytest's temporary directories are closed to others.
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres")
            for parent in self.directory.parents:
                if parent.stat().st_mode & 0o011 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self.tools / tool), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # A daemon that inherits a pipe keeps its reader waiting for ever: output goes to a file.
        with (self.directory / f"{tool}.out").open("ab") as out:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", timeout=60)
        assert done.returncode == 0, (self.directory / f"{tool}.out").read_text()

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-w", "-l", str(self.directory / "log"), *arguments)

    def speak_tls(self, certificate: Path, key: Path) -> None:
        """To be called before the start."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            copy = self.directory / "data" / name
            shutil.copy(source, copy)
            copy.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(copy, "postgres")
        self.options += " -c ssl=on"

    def start(self) -> "Postgres":
        self._control("-o", self.options, "start")
        return self

    def stop(self, mode: str = "fast") -> None:
        self._control("-m", mode, "stop")

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        self.databases += 1
        name = f"convo{self.databases}"
        self.execute(f"create database {name}")
        return f"postgres://app@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str) -> list[tuple]:
        """Runs an administrator's statement; the rows that it answers with."""
        with psycopg.connect(f"postgres://app@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """All its processes stand still: connections stay open, new ones are taken by the kernel, and nothing answers."""
        first = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        # It forks no other once it stands still.
        os.kill(first, signal.SIGSTOP)
        others = [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in [*others, first]:
                os.kill(pid, signal.SIGCONT)
