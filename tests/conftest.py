"""Servers for the tests: one a database for the whole session, and others where a test needs its own configuration."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import operations
from harness import record
from harness.postgres import Postgres
from harness.process import BINARY, Server
from harness.world import World

STORES = ("sqlite", "postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=[*STORES, "both"], default="sqlite", help="the databases to test on")


def chosen_stores(config: pytest.Config) -> tuple[str, ...]:
    choice = config.getoption("--store")
    return STORES if choice == "both" else (choice,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        stores = chosen_stores(metafunc.config)
        if metafunc.definition.get_closest_marker("one_store"):
            stores = stores[:1]
        metafunc.parametrize("store", stores, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One store after the other, as a server is started for each; in each, first what takes long."""

    def turn(item: pytest.Item) -> tuple[int, bool]:
        callspec = getattr(item, "callspec", None)
        store = callspec.params.get("store", STORES[0]) if callspec else STORES[0]
        return STORES.index(store), item.get_closest_marker("slow") is None

    items.sort(key=turn)


def pytest_configure(config: pytest.Config) -> None:
    if not BINARY.exists() and not config.option.collectonly:
        raise pytest.UsageError(f"{BINARY} is missing: cargo build -p convo-server (or set CONVO_BIN)")
    # The workers of pytest-xdist inherit the directory in which exercised operations are noted.
    if not hasattr(config, "workerinput"):
        os.environ[record.DIRECTORY] = tempfile.mkdtemp(prefix="convo-exercised-")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After a run of the whole suite, every operation must have been used with success by some test."""
    config = session.config
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS and not (
        config.option.keyword or config.option.markexpr
    )
    if hasattr(config, "workerinput") or config.option.collectonly or not whole or exitstatus != pytest.ExitCode.OK:
        return
    missed = sorted({o.key for o in operations.ALL} - record.exercised(Path(os.environ[record.DIRECTORY])))
    if missed:
        print("\noperations that no test has used with success:", *missed, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class StoreChoice:
    """One of the databases. `settings()` names a fresh, empty one in the server's terms."""

    def __init__(self, name: str, postgres: Postgres | None):
        self.name = name
        self.postgres = postgres

    def settings(self) -> dict[str, str]:
        return {"DATABASE_URL": self.postgres.new_database()} if self.postgres else {}


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreChoice]:
    if request.param == "sqlite":
        yield StoreChoice("sqlite", None)
        return
    postgres = Postgres(tmp_path_factory.mktemp("postgres")).start()
    yield StoreChoice("postgres", postgres)
    postgres.stop("immediate")


@pytest.fixture(scope="session")
async def server(store: StoreChoice, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The server that most tests share."""
    running = await Server(tmp_path_factory.mktemp(f"server-{store.name}"), **store.settings()).start()
    yield running
    assert running.running, f"the server died:\n{running.log()[-5000:]}"
    assert await running.stop() == 0


@pytest.fixture
async def world(server: Server) -> AsyncIterator[World]:
    world = World(server)
    yield world
    await world.close()


Serve = Callable[..., Awaitable[World]]


@pytest.fixture
async def serve(store: StoreChoice, tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts servers of a test's own: `world = await serve(CONVO_GUESTS="false")`."""
    worlds: list[World] = []

    async def start(scheme: str = "http", **settings: str) -> World:
        directory = tmp_path / f"server{len(worlds)}"
        directory.mkdir()
        world = World(Server(directory, scheme, **store.settings() | settings))
        worlds.append(world)
        await world.server.start()
        return world

    yield start
    for world in worlds:
        await world.close()
        await world.server.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows the end of its server's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        funcargs = getattr(item, "funcargs", {})
        running = funcargs.get("server")
        if running:
            report.sections.append((f"log {running.log_path}", running.log()[-4000:]))
