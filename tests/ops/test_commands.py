"""`convo serve | config | user | migrate | doctor`, and what stops a start."""

import asyncio
import contextlib
import socket
import sqlite3

import psycopg
import pytest
import websockets
from websockets.asyncio.client import connect

from harness.certificates import Authority
from harness.events import WebSocket
from harness.postgres import Postgres
from harness.process import BINARY, Server, convo, free_port
from harness.world import World

SECRETS = {
    "JWT_SECRET": "the-jwt-secret-0123456789abcdef0123456789",
    "LIVEKIT_API_SECRET": "the-livekit-secret-0123456789abcdef01234",
    "SMTP_URL": "smtp://mailer:the-smtp-password@127.0.0.1:2525",
    "SMS_URL": "http://AC123:the-sms-password@127.0.0.1:8099/Messages.json?from=%2B15550001111&api_key=the-sms-key",
    "CONVO_WEBHOOK_URLS": "https://hooks.example.com/?token=the-webhook-token",
    "AI_BASE_URL": "https://me:the-ai-password@ai.example.com/v1",
    "AI_API_KEY": "sk-the-ai-key",
    "TURN_SECRET": "the-turn-secret",
    "TURN_URL": "turn:turn.example.com:3478",
}
HIDDEN = [
    "the-jwt-secret",
    "the-livekit-secret",
    "the-smtp-password",
    "the-sms-password",
    "the-sms-key",
    "the-webhook-token",
    "the-ai-password",
    "sk-the-ai-key",
    "the-turn-secret",
]


def test_config_prints_what_is_in_force_and_masks_secrets(tmp_path):
    database = "postgres://app:the-database-password@127.0.0.1:5432/convo?password=the-database-password"
    done = convo(
        "config",
        CONVO_DATA_DIR=str(tmp_path / "data"),
        CONVO_LISTEN="127.0.0.1:8123",
        DATABASE_URL=database,
        AI_MODEL="a-model",
        AI_TIMEOUT_SECONDS="1234",
        **SECRETS,
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:8123" in done.stdout and "a-model" in done.stdout and "1234" in done.stdout
    shown = done.stdout + done.stderr
    assert [secret for secret in [*HIDDEN, "the-database-password"] if secret in shown] == []


def test_help_names_the_commands():
    done = convo("--help")
    assert done.returncode == 0
    for command in ("serve", "config", "user", "migrate", "doctor"):
        assert command in done.stdout


def test_migrate_makes_the_database(store, tmp_path):
    settings = {"CONVO_DATA_DIR": str(tmp_path / "data")} | store.settings()
    for _ in range(2):
        done = convo("migrate", **settings)
        assert done.returncode == 0, done.stderr
    if store.name == "sqlite":
        (database,) = [path for path in (tmp_path / "data").iterdir() if path.read_bytes()[:15] == b"SQLite format 3"]
        with sqlite3.connect(database) as connection:
            assert connection.execute("select count(*) from sqlite_master where type = 'table'").fetchone()[0] > 0


@pytest.mark.one_store
def test_a_machine_without_certificate_authorities_is_no_hindrance(store, tmp_path):
    """A slim container has none. Only the doctor speaks of it, where an endpoint is to be reached over TLS."""
    settings = {
        "CONVO_DATA_DIR": str(tmp_path / "data"),
        "SSL_CERT_FILE": "/nonexistent",
        "SSL_CERT_DIR": "/nonexistent",
    }
    settings |= store.settings()
    done = convo("migrate", **settings)
    assert done.returncode == 0, done.stderr
    assert "CA certificates" not in convo("doctor", **settings).stdout
    done = convo("doctor", AI_BASE_URL="https://127.0.0.1:1/v1", **settings)
    (line,) = [line for line in done.stdout.splitlines() if "AI endpoint" in line]
    assert line.startswith("BAD") and "CA certificates" in line, done.stdout
    assert done.returncode != 0


def test_tls_to_postgres_is_what_the_url_asks_for(request, tmp_path):
    """As libpq reads it: without an authority the certificate is not looked at, with one it is, and so may be the name."""
    if request.config.getoption("--store") == "sqlite":
        pytest.skip("for Postgres: --store=postgres or both")
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    own, key = ours.server("localhost", "db.example.com")
    postgres = Postgres(tmp_path / "postgres")
    postgres.speak_tls(own, key)
    url = postgres.start().new_database()

    def migrate(query, host="localhost"):
        database = url.replace("127.0.0.1", host) + query
        done = convo("migrate", CONVO_DATA_DIR=str(tmp_path / "data"), DATABASE_URL=database)
        assert (done.returncode == 0) == (done.stderr == "")
        return done.stderr

    try:
        for query in (
            "",
            "?sslmode=prefer",
            "?sslmode=require",
            f"?sslmode=require&sslrootcert={ours.path}",
            f"?sslmode=verify-ca&sslrootcert={ours.path}",
            f"?sslmode=verify-full&sslrootcert={ours.path}",
            # The certificate itself instead of who signed it.
            f"?sslmode=verify-full&sslrootcert={own}",
        ):
            assert migrate(query) == "", query
        # A signature is for any name, unless the name is asked for too.
        assert migrate(f"?sslmode=verify-ca&sslrootcert={ours.path}", "127.0.0.1") == ""
        assert "not valid for" in migrate(f"?sslmode=verify-full&sslrootcert={ours.path}", "127.0.0.1")
        for query in (
            f"?sslmode=require&sslrootcert={other.path}",
            f"?sslmode=verify-ca&sslrootcert={other.path}",
            f"?sslmode=verify-full&sslrootcert={other.path}",
            "?sslmode=verify-full",
            "?sslmode=verify-ca",
            "?sslrootcert=system",
        ):
            assert "UnknownIssuer" in migrate(query), query
        assert "sslrootcert /nonexistent" in migrate("?sslmode=require&sslrootcert=/nonexistent")
    finally:
        postgres.stop("immediate")


async def test_migrations_run_at_start(serve):
    await serve()


async def test_user_deactivate(serve):
    world = await serve()
    ann = await world.person()
    unknown = convo("user", "deactivate", world.address(), **world.server.settings)
    assert unknown.returncode != 0 and unknown.stderr.strip()
    done = convo("user", "deactivate", ann.email, **world.server.settings)
    assert done.returncode == 0, done.stderr
    await world.ask("POST", "/api/login", 401, json={"email": ann.email, "password": ann.password})


async def test_who_is_deactivated_is_out_of_meetings_and_media(serve):
    """The command is a process of its own: the server notices."""
    world = await serve()
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room()
    hers, his = await ann.via("platform").join(room), await ben.via("platform").join(room)

    async def door(path, token, name):
        socket = await connect(f"{world.server.ws_url}{path}?{name}={token}&protocol=17", proxy=None)
        await socket.recv()
        return socket

    async def end_of(socket):
        # In its own words: logged out, or just closed.
        with contextlib.suppress(websockets.ConnectionClosedError):
            async for _ in socket:
                pass

    anns = await WebSocket.open(f"{world.server.ws_url}/ws/meetings/{room.code}?token={hers['meeting_token']}")
    world.opened.append(anns)
    bens = await door(f"/ws/meetings/{room.code}", his["meeting_token"], "token")
    media = await door("/rtc", his["meeting_token"], "access_token")
    done = convo("user", "deactivate", ben.email, **world.server.settings)
    assert done.returncode == 0, done.stderr
    async with asyncio.timeout(20):
        await end_of(bens)
        await end_of(media)
    assert bens.close_code != 1006
    await anns.expect_type("participant_left", user_id=ben.id)
    await anns.settled()
    assert len(anns.of_type("participant_left")) == 1


@pytest.mark.one_store
async def test_user_activate_list_and_admin(serve):
    world = await serve()
    ann = await world.person()
    settings = world.server.settings
    for command in (("deactivate", ann.email), ("activate", ann.email), ("admin", ann.email)):
        done = convo("user", *command, **settings)
        assert done.returncode == 0, done.stderr
    await world.log_in("convo", ann.name, ann.email)
    ben, eve = await world.person("Ben Hall"), await world.person("Eve Stone")
    assert convo("user", "deactivate", ben.email, **settings).returncode == 0
    await eve.delete(f"/api/user/{eve.id}")
    listed = convo("user", "list", **settings)
    assert listed.returncode == 0
    shown = {line.split("\t")[1]: line.split("\t")[2] for line in listed.stdout.splitlines()}
    # Who may be activated again is there; who is gone for good is not, nor the agent.
    assert shown == {ann.email: "active", ben.email: "deactivated"}
    assert [user["email"] for user in await ann.get("/api/user/")] == [ann.email]


def test_flags_then_environment_then_file(tmp_path):
    file = tmp_path / "convo.toml"
    file.write_text("""
        ai_model = "from the file"
        public_url = "https://file.example.com"
        frontend_url = "https://file.example.com"
    """)
    settings = {
        "CONVO_DATA_DIR": str(tmp_path / "data"),
        "PUBLIC_URL": "https://environment.example.com",
        "FRONTEND_URL": "https://environment.example.com",
    }
    done = convo("config", "--config", str(file), "--frontend-url", "https://flag.example.com", **settings)
    assert done.returncode == 0, done.stderr
    assert "from the file" in done.stdout
    assert "PUBLIC_URL=https://environment.example.com" in done.stdout
    assert "FRONTEND_URL=https://flag.example.com" in done.stdout


@pytest.mark.parametrize("content", ["convo_listen = 7", "unheard = 1", "not TOML", 'convo_guests = "perhaps"'])
def test_a_file_that_can_not_be_right_stops_the_start(tmp_path, content):
    file = tmp_path / "convo.toml"
    file.write_text(content)
    done = convo(
        "serve", "--config", str(file), CONVO_DATA_DIR=str(tmp_path / "data"), CONVO_LISTEN=f"127.0.0.1:{free_port()}"
    )
    assert_one_line(done)


@pytest.mark.one_store
async def test_doctor(serve):
    world = await serve()
    # Beside a server that has its port, and with no language model.
    done = convo("doctor", **world.server.settings)
    lines = done.stdout.splitlines()
    assert "panicked" not in done.stderr and lines
    assert {line[:6].strip() for line in lines} <= {"ok", "note", "BAD"}, done.stdout
    assert done.returncode == (1 if any(line.startswith("BAD") for line in lines) else 0)


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8123", "http://[::1]:8123", "http://convo.localhost:8123"])
def test_the_doctor_finds_nothing_wrong_with_loopback(tmp_path, public_url):
    """A page of this very machine may use its camera without https."""
    done = convo("doctor", CONVO_DATA_DIR=str(tmp_path / "data"), PUBLIC_URL=public_url)
    assert "note  PUBLIC_URL" in done.stdout and "BAD   PUBLIC_URL" not in done.stdout


def test_the_doctor_only_looks(tmp_path):
    done = convo("doctor", CONVO_DATA_DIR=str(tmp_path / "data"), CONVO_LISTEN=f"127.0.0.1:{free_port()}")
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("url", "port"), [("smtps://127.0.0.1", 465), ("smtp://127.0.0.1?tls=required", 587), ("smtp://127.0.0.1", 25)]
)
def test_the_doctor_asks_the_mail_server_where_mail_would_go(tmp_path, url, port):
    done = convo("doctor", CONVO_DATA_DIR=str(tmp_path / "data"), SMTP_URL=url)
    assert f"mail server: 127.0.0.1:{port}" in done.stdout


@pytest.mark.parametrize(("public", "others"), [("https://meet.example", True), ("http://localhost:8000", False)])
def test_behind_a_proxy_on_the_same_machine_media_is_for_others(tmp_path, public, others):
    done = convo(
        "doctor", CONVO_DATA_DIR=str(tmp_path / "data"), CONVO_LISTEN=f"127.0.0.1:{free_port()}", PUBLIC_URL=public
    )
    assert ("media: clients are told this machine's own addresses" in done.stdout) is others, done.stdout


BAD = {
    "CONVO_LISTEN": ["nonsense", "127.0.0.1:99999"],
    "DATABASE_URL": ["mysql://localhost/convo", "nonsense"],
    "CONVO_RATE_LIMIT": ["perhaps"],
    "CONVO_GUESTS": ["perhaps"],
    "REQUIRE_VERIFICATION": ["perhaps"],
    "CONVO_MEDIA_UDP": ["70000", "nonsense"],
    "CONVO_MEDIA_TCP": ["-1"],
    "CONVO_TURN": ["everywhere"],
    "TRUSTED_PROXIES": ["10.0.0.0/99", "nonsense"],
    "PUBLIC_URL": ["nonsense", "ftp://example.com"],
    "FRONTEND_URL": ["nonsense"],
    "SMTP_URL": ["nonsense", "http://example.com"],
    "SMS_URL": ["nonsense"],
    "AI_BASE_URL": ["nonsense"],
    "AI_TIMEOUT_SECONDS": ["soon", "0", "-1"],
    "JWT_ALGO": ["none", "RS256"],
    "REDIS_URL": ["nonsense"],
    "LIVEKIT_URL": ["nonsense"],
    "CONVO_LOG": ["warning", "info,hyper=loud"],
    "CONVO_TLS_CERT": ["/nonexistent/cert.pem"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_value_that_can_not_be_right_stops_the_start_with_one_line(tmp_path, name, value):
    settings = {"CONVO_DATA_DIR": str(tmp_path / "data"), "CONVO_LISTEN": f"127.0.0.1:{free_port()}"} | {name: value}
    assert_one_line(convo("serve", **settings), name)


def assert_one_line(done, *names):
    assert done.returncode != 0
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    assert len(lines) == 1, lines
    for name in names:
        assert name in lines[0]
    assert "panicked" not in lines[0]


def test_a_taken_port_stops_the_start_with_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        address = "{}:{}".format(*taken.getsockname())
        done = convo("serve", CONVO_DATA_DIR=str(tmp_path / "data"), CONVO_LISTEN=address)
    errors = [line for line in (done.stderr + done.stdout).splitlines() if address in line]
    assert done.returncode != 0 and errors
    assert "panicked" not in done.stderr + done.stdout


def test_an_unusable_data_directory_stops_the_start(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    done = convo("serve", CONVO_DATA_DIR=str(tmp_path / "file"), CONVO_LISTEN=f"127.0.0.1:{free_port()}")
    assert_one_line(done, str(tmp_path / "file"))


def kept_from_their_owners(world):
    """Seats that were given up."""
    query = "select count(*) from participants where presence = 1 and seat_until is not null"
    url = world.server.settings.get("DATABASE_URL")
    with psycopg.connect(url) if url else sqlite3.connect(world.server.data / "convo.db") as connection:
        return connection.execute(query).fetchone()[0]


async def in_a_meeting(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    live = await ann.via("platform").live(room)
    await live.events.settled()
    assert kept_from_their_owners(world) == 0


async def test_a_second_server_that_fails_to_start_leaves_the_seats_alone(serve, tmp_path):
    world = await serve()
    await in_a_meeting(world)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", free_port()))
        second = {
            "CONVO_LISTEN": f"127.0.0.1:{free_port()}",
            "CONVO_MEDIA_UDP": str(taken.getsockname()[1]),
            "CONVO_MEDIA_WORKERS": "1",
        }
        done = convo("serve", **world.server.settings | second)
        assert_one_line(done, str(world.server.data))
        assert kept_from_their_owners(world) == 0
        # With a data folder of its own, and the same database, it is the port that stops it.
        other = tmp_path / "other"
        other.mkdir()
        if world.server.settings.get("DATABASE_URL") is None:
            (other / "convo.db").symlink_to(world.server.data / "convo.db")
        done = convo("serve", **world.server.settings | second | {"CONVO_DATA_DIR": str(other)})
        assert done.returncode != 0 and second["CONVO_MEDIA_UDP"] in done.stderr
        assert kept_from_their_owners(world) == 0


@pytest.mark.one_store
async def test_a_data_folder_is_free_again_after_a_crash(serve):
    world = await serve()
    await world.server.kill()
    await world.server.start()


@pytest.mark.one_store
async def test_idle_connections_do_not_use_up_the_descriptors(tmp_path):
    """A shell's soft limit is not what a server has to do with."""
    world = World(Server(tmp_path))
    world.server.command = ["sh", "-c", 'ulimit -Sn 64 && ulimit -Hn 4096 && exec "$0" serve', str(BINARY)]
    await world.server.start()
    idle = []
    try:
        for _ in range(200):
            idle.append(await asyncio.open_connection("127.0.0.1", world.server.port))
        assert (await world.http.get("/healthz")).status_code == 200
    finally:
        for _, writer in idle:
            writer.close()
        await world.close()
        await world.server.stop()
