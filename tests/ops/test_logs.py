"""Nothing secret in the log, whatever is logged; the databases have libraries of their own."""

from harness.events import WebSocket


async def test_no_secret_in_the_log(serve):
    world = await serve(JWT_SECRET="the-secret-of-the-operator-0123456789abcdef", CONVO_LOG="debug")
    ann, ben = await world.person("Ann Lee", password="A-Password-of-Ann-1"), await world.person("Ben Hall")
    passcode = "the-passcode-of-the-room"
    made = await ann.post(
        "/api/v1/meetings", {"title": "T", "passcode": passcode, "settings": {"require_password": True}}, 201
    )
    room = world.room("platform", ann, made)
    token = (await ann.via("platform").join(room))["meeting_token"]
    await ann.via("platform").live(room, token)
    socket = await WebSocket.open(f"{world.server.ws_url}/ws/?token={ann.token}")
    world.opened.append(socket)
    await ann.via("chatrooms").live(room)
    connect = await ann.post(f"/api/conversations/{room.id}/connect")
    ticket = connect["websocket_url"].rsplit("=", 1)[-1]
    world.opened.append(await WebSocket.open(connect["websocket_url"]))
    await ann.via("platform").post(room, "the-text-of-a-message")
    await world.nobody.request(
        "POST", "/api/v1/auth/login", json={"email_or_phone": ann.email, "password": "A-Wrong-Password-1"}
    )
    await ben.request(
        "POST", f"/api/v1/meetings/{room.code}/join", json={"display_name": "x", "passcode": "a-wrong-passcode"}
    )
    refreshed = await world.ask(
        "POST", "/api/v1/auth/refresh", 200, headers={"Authorization": f"Bearer {ann.refresh_token}"}
    )
    await world.http.get("/api/v1/auth/me", headers={"Authorization": "Bearer a-bad-token-of-somebody"})
    await world.http.post("/api/login", content=b'{"email": "x@example.com", "password": "broken-json-password')
    await ann.put(f"/api/user/{ann.id}", {"password": "Another-Password-2"})
    assert await world.server.stop() == 0
    log = world.server.log()
    assert log
    secrets = {
        "a password": ann.password,
        "a new password": "Another-Password-2",
        "a wrong password": "A-Wrong-Password-1",
        "a password in broken JSON": "broken-json-password",
        "a passcode": passcode,
        "a wrong passcode": "a-wrong-passcode",
        "an access token": ann.token.split(".")[2],
        "a new access token": refreshed["access_token"].split(".")[2],
        "a refresh token": ann.refresh_token[-20:],
        "a meeting token": token.split(".")[2],
        "a ticket": ticket,
        "a bad token": "a-bad-token-of-somebody",
        "the server's secret": world.server.settings["JWT_SECRET"],
        "a message": "the-text-of-a-message",
        "an e-mail address": ann.email,
    }
    assert [what for what, secret in secrets.items() if secret in log] == []
