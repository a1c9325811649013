"""Health, metrics, request ids, logs without secrets, headers, CORS, TLS."""

import asyncio
import ipaddress
import json
import re
import signal
import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.events import WebSocket
from harness.shape import TEXT, TIME, assert_like, url
from harness.world import World

pytestmark = pytest.mark.one_store


async def test_health_and_readiness(world):
    for path in ("/healthz", "/readyz"):
        assert (await world.http.get(path)).status_code == 200


async def test_metrics_are_prometheus_text(world):
    ann = await world.person()
    room = await world.shared_room("chatrooms", ann)
    await ann.via("platform").live(room)
    await ann.via("platform").post(room, "hi")
    answer = await world.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    samples = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    assert samples
    sample = re.compile(r'[a-zA-Z_:][\w:]*(\{(\w+="[^"]*",?)*\})? \S+')
    for line in samples:
        assert sample.fullmatch(line), line
        float(line.rsplit(" ", 1)[1])
    assert "# TYPE " in answer.text
    # Labels are routes, not names of people or rooms.
    assert room.id not in answer.text and ann.id not in answer.text


async def test_what_a_client_calls_its_method_is_no_label(serve):
    """Each label is kept for ever: no client's text may be one."""
    world = await serve()
    for number in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
        writer.write(b"A" * 300_000 + b"%d / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % number)
        assert (await reader.read()).startswith(b"HTTP/1.1 405 ")
        writer.close()
    metrics = (await world.http.get("/metrics")).text
    assert len(metrics) < 1 << 20 and "AAAA" not in metrics
    assert 'method="other"' in metrics
    assert "AAAA" not in world.server.log()


async def test_a_request_id_is_in_the_answer_and_in_the_log(serve):
    world = await serve(CONVO_LOG="debug")
    answer = await world.http.get("/api/v1/auth/me")
    request_id = answer.headers["X-Request-Id"]
    assert re.fullmatch(r"[\w.-]{8,}", request_id)
    other = await world.http.get("/api/v1/auth/me")
    assert other.headers["X-Request-Id"] != request_id
    assert await world.server.stop() == 0
    assert request_id in world.server.log()


async def test_log_lines_are_structured(serve):
    world = await serve(CONVO_LOG="debug", CONVO_LOG_FORMAT="json")
    request_id = (await world.http.get("/api/v1/auth/me")).headers["X-Request-Id"]
    assert await world.server.stop() == 0
    lines = [json.loads(line) for line in world.server.log().splitlines() if line.startswith("{")]
    assert lines
    for line in lines:
        assert_like(line, {"timestamp": TIME, "level": TEXT})
    assert any(request_id in str(line) for line in lines)


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/auth/me", "/api/nonsense", "/docs", "/openapi.json"])
async def test_security_headers(world, path):
    headers = (await world.http.get(path, follow_redirects=True)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors" in headers.get("Content-Security-Policy", "") or headers["X-Frame-Options"] in (
        "DENY",
        "SAMEORIGIN",
    )
    assert headers["Referrer-Policy"] in (
        "no-referrer",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
    )


async def test_answers_about_people_are_not_cached(world):
    ann = await world.person()
    for path in ("/api/v1/auth/me", "/api/conversations"):
        assert "no-store" in (await ann.request("GET", path)).headers["Cache-Control"]


FRONTEND = "https://meet.example.com"


async def test_cors_is_for_the_frontend_alone(serve):
    world = await serve(FRONTEND_URL=FRONTEND)
    ann = await world.person()
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    for path in (
        "/api/v1/meetings",
        "/api/messages",
        "/api/conversations",
        "/api/chatroom/",
        "/socket.io/?EIO=4&transport=polling",
    ):
        answer = await world.http.options(path, headers={"Origin": FRONTEND} | asked)
        assert answer.status_code in (200, 204), path
        assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert allowed == "*" or all(
            name in allowed for name in ("authorization", "content-type", "idempotency-key")
        ), allowed
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        for origin in ("https://evil.example.com", "null", FRONTEND + ".evil.example", "http://meet.example.com"):
            refused = await world.http.options(path, headers={"Origin": origin} | asked)
            assert refused.headers.get("Access-Control-Allow-Origin") not in ("*", origin), (path, origin)
    answer = await ann.request("GET", "/api/v1/auth/me", headers={"Origin": FRONTEND})
    assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
    exposed = answer.headers.get("Access-Control-Expose-Headers", "").lower()
    assert "x-ratelimit-remaining" in exposed or exposed == "*"
    answer = await ann.request("GET", "/api/v1/auth/me", headers={"Origin": "https://evil.example.com"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    # Links to meetings lead to the frontend.
    room = await ann.via("platform").create_room()
    assert room.raw["join_url"] == f"{FRONTEND}/meeting/{room.code}"
    guest = await world.nobody.via("guest").create_room()
    assert guest.raw["meeting_link"] == f"{FRONTEND}/meeting/{guest.code}"


async def test_urls_follow_public_url(serve):
    world = await serve(PUBLIC_URL="https://convo.example.com")
    ann = await world.person()
    room = await ann.via("platform").create_room()
    answer = await ann.via("platform").join(room)
    assert answer["websocket_url"] == f"wss://convo.example.com/ws/meetings/{room.code}"
    assert answer["livekit_url"].rstrip("/") == "wss://convo.example.com"
    assert room.raw["join_url"] == f"https://convo.example.com/meeting/{room.code}"
    connect = await ann.post(f"/api/conversations/{room.id}/connect")
    assert connect["websocket_url"].startswith("wss://convo.example.com/")


def certificate(directory):
    """A self-signed certificate for 127.0.0.1; the paths of (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


async def test_tls_by_certificate_files(serve, tmp_path):
    cert, key = certificate(tmp_path)
    world: World = await serve("https", CONVO_TLS_CERT=str(cert), CONVO_TLS_KEY=str(key))
    trust = ssl.create_default_context(cafile=cert)
    async with httpx.AsyncClient(verify=trust) as client:
        assert (await client.get(f"{world.server.url}/healthz")).status_code == 200
    ann = await world.person()
    room = await ann.via("platform").create_room()
    answer = await ann.via("platform").join(room)
    assert_like(answer["websocket_url"], url(f":{world.server.port}/ws/meetings/{room.code}", "wss"))
    socket = await WebSocket.open(f"{answer['websocket_url']}?token={answer['meeting_token']}", ssl=trust)
    world.opened.append(socket)
    await socket.settled()
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient() as client:
            await client.get(f"http://{world.server.address}/healthz")


async def test_a_new_certificate_is_used_without_a_restart(serve, tmp_path):
    cert, key = certificate(tmp_path)
    world: World = await serve("https", CONVO_TLS_CERT=str(cert), CONVO_TLS_KEY=str(key))
    served = ("127.0.0.1", world.server.port)

    async def until(check):
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(check):
                await asyncio.sleep(0.05)

    ann = await world.person()
    room = await ann.via("platform").create_room()
    answer = await ann.via("platform").join(room)
    trust = ssl.create_default_context(cafile=cert)
    socket = await WebSocket.open(f"{answer['websocket_url']}?token={answer['meeting_token']}", ssl=trust)
    world.opened.append(socket)
    # What cannot be used leaves the old one in force.
    before = ssl.get_server_certificate(served)
    whole = key.read_bytes()
    key.write_text("no key")
    world.server.process.send_signal(signal.SIGHUP)
    await until(lambda: "the old TLS certificate stays in force" in world.server.log())
    assert await asyncio.to_thread(ssl.get_server_certificate, served) == before
    key.write_bytes(whole)
    certificate(tmp_path)
    world.server.process.send_signal(signal.SIGHUP)
    await until(lambda: ssl.get_server_certificate(served) == cert.read_text())
    await socket.settled()


async def test_starting_and_memory(serve):
    """Not a measurement (bench/ has those): only that nothing is grossly off."""
    world = await serve()
    assert world.server.resident_bytes() < 200 << 20
