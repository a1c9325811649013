"""CONVO_MEDIA_EXTERNAL_IP=stun:host:port: the server asks how the world sees it. Another Convo's STUN server is asked."""

import socket
import time

import pytest

from harness.process import convo, free_port

pytestmark = pytest.mark.one_store


async def test_the_address_is_asked_for(serve_media, tmp_path):
    port = free_port()
    await serve_media(CONVO_TURN=str(port))
    settings = {"CONVO_LISTEN": f"0.0.0.0:{free_port()}", "CONVO_DATA_DIR": str(tmp_path / "other")}
    said = convo("doctor", **settings, CONVO_MEDIA_EXTERNAL_IP=f"stun:127.0.0.1:{port}").stdout
    assert "clients are told 127.0.0.1 too" in said
    world = await serve_media(CONVO_MEDIA_EXTERNAL_IP=f"stun:127.0.0.1:{port}, 203.0.113.7")
    assert world.server.running


async def test_a_server_that_does_not_answer_stops_the_start(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = {"CONVO_LISTEN": f"127.0.0.1:{free_port()}", "CONVO_DATA_DIR": str(tmp_path / "data")}
        began = time.monotonic()
        outcome = convo("serve", **settings, CONVO_MEDIA_EXTERNAL_IP=f"stun:{name}")
    assert outcome.returncode != 0 and time.monotonic() - began < 25
    [line] = outcome.stderr.strip().splitlines()
    assert "CONVO_MEDIA_EXTERNAL_IP" in line and name in line
