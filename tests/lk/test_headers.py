"""LiveKit's routes answer with the security headers of all others."""

import pytest

pytestmark = pytest.mark.one_store


async def test_security_headers(world, token):
    good = token("ann", "hall", room_list=True)
    by_header = {"Authorization": f"Bearer {good}"}
    answers = [
        await world.http.get("/rtc/validate", headers=by_header),
        await world.http.get("/rtc/v1/validate"),
        await world.http.get("/rtc"),
        await world.http.get("/agent"),
        await world.http.post("/twirp/livekit.RoomService/ListRooms", json={}, headers=by_header),
        await world.http.post("/twirp/livekit.RoomService/ListRooms", json={}),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 404, 200, 401]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["Cache-Control"] == "no-store"
