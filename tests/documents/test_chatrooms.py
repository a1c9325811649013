"""api/chatrooms.md: chatrooms, and Socket.IO."""

import pytest
import socketio

from harness.events import SocketIo
from harness.shape import JWT, TEXT, TIME, UUID, assert_like, assert_names


async def lobby(world):
    ann, ben = await world.regular("Ann Lee"), await world.regular("Ben Hall")
    return ann, ben, await world.shared_room("chatrooms", ann, ben)


DETAIL = {"detail": TEXT}


@pytest.mark.parametrize("name_field", ["name", "username"])
async def test_register_and_login(world, name_field):
    body = {name_field: "User Name", "email": world.address(), "password": "password123"}
    answer = await world.ask("POST", "/api/user/", 201, json=body)
    assert_like(answer, {"id": UUID, "name": "User Name", "email": body["email"]})
    login = {"email": body["email"], "password": "password123"}
    tokens = await world.ask("POST", "/api/user/login", 200, json=login)
    assert_like(tokens, {"token": JWT, "access_token": tokens["token"], "token_type": "bearer"})
    assert_like(await world.ask("POST", "/api/user/login", 401, json=login | {"password": "wrong password"}), DETAIL)
    assert_like(await world.ask("POST", "/api/user/login", 401, json=login | {"email": world.address()}), DETAIL)
    assert_like(await world.ask("POST", "/api/user/", 409, json=body), DETAIL)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"password": "1234567"}),
        ("email", {"email": "x"}),
        ("email", {"email": None}),
        ("name", {"name": 7}),
        ("name", {"name": None}),
    ],
)
async def test_registration_rules(world, field, changes):
    body = {"name": "User Name", "email": world.address(), "password": "password123"} | changes
    body = {key: value for key, value in body.items() if value is not None}
    answer = await world.ask("POST", "/api/user/", 422, json=body)
    assert_like(answer, DETAIL)
    assert_names(answer, field)


async def test_users(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    shown = {"id": ben.id, "name": "Ben Hall", "email": ben.email}
    assert_like(await ann.get(f"/api/user/{ben.id}"), shown)
    assert_like([user for user in await ann.get("/api/user/") if user["id"] == ben.id], [shown])
    assert_like(await ann.get("/api/user/01890000-0000-7000-8000-000000000000", 404), DETAIL)


async def test_update_oneself(world):
    ann = await world.person("Ann Lee", "chatrooms")
    email = world.address("annie")
    body = {"name": "Annie Lee", "email": email, "password": "new password"}
    assert_like(await ann.put(f"/api/user/{ann.id}", body), {"id": ann.id, "name": "Annie Lee", "email": email})
    again = await world.log_in("chatrooms", "Annie Lee", email, "new password")
    assert again.id == ann.id
    await world.ask("POST", "/api/user/login", 401, json={"email": email, "password": ann.password})
    await world.ask("POST", "/api/user/login", 401, json={"email": ann.email, "password": "new password"})


async def test_update_names_one_field(world):
    ann = await world.person("Ann Lee", "chatrooms")
    assert_like(await ann.put(f"/api/user/{ann.id}", {"name": "Annie"}), {"name": "Annie", "email": ann.email})
    assert_like(await ann.put(f"/api/user/{ann.id}", {"password": "short"}, 422), DETAIL)
    other = await world.person("Ben Hall")
    assert_like(await ann.put(f"/api/user/{ann.id}", {"email": other.email}, 409), DETAIL)


async def test_only_oneself_updates_and_deletes(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    assert_like(await ben.put(f"/api/user/{ann.id}", {"name": "Mine"}, 403), DETAIL)
    assert_like(await ben.delete(f"/api/user/{ann.id}", 403), DETAIL)
    assert_like(await ben.get(f"/api/user/{ann.id}"), {"name": "Ann Lee"})


async def test_delete_oneself(world):
    ann, ben = await world.person("Ann Lee", "chatrooms"), await world.person("Ben Hall")
    gone = await ann.request("DELETE", f"/api/user/{ann.id}")
    assert gone.status_code in (200, 204)
    await ann.get("/api/user/", 401)
    await world.ask("POST", "/api/user/login", 401, json={"email": ann.email, "password": ann.password})
    assert ann.id not in [user["id"] for user in await ben.get("/api/user/")]
    # The address is free again.
    await world.ask("POST", "/api/user/", 201, json={"name": "Ann", "email": ann.email, "password": "password123"})


async def test_create_a_chatroom(world):
    ann = await world.person("Ann Lee")
    answer = await ann.post("/api/chatroom/", {"name": "Lobby"}, 201)
    room = {"id": UUID, "name": "Lobby", "members": [{"id": ann.id, "name": "Ann Lee"}], "created_at": TIME}
    assert_like(answer, room)
    assert_like(await ann.get(f"/api/chatroom/{answer['id']}"), answer)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 7}])
async def test_rules_of_creation(world, body):
    ann = await world.person()
    answer = await ann.post("/api/chatroom/", body, 422)
    assert_like(answer, DETAIL)
    assert_names(answer, "name")
    assert await ann.get("/api/chatroom/") == []


async def test_chatrooms_of_ones_own_and_all(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("chatrooms").create_room()
    assert [r["id"] for r in await ann.get("/api/chatroom/")] == [room.id]
    assert await ben.get("/api/chatroom/") == []
    for yes in ("true", "True", "1", "yes", "on"):
        assert room.id in [r["id"] for r in await ben.get(f"/api/chatroom/?all={yes}")], yes
    for no in ("false", "False", "0", "no", "off"):
        assert await ben.get(f"/api/chatroom/?all={no}") == [], no
    assert "all" in (await ben.get("/api/chatroom/?all=some", 422))["detail"]
    await ben.via("chatrooms").join(room)
    assert [r["id"] for r in await ben.get("/api/chatroom/")] == [room.id]


async def test_join_and_leave(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("chatrooms").create_room()
    path = f"/api/chatroom/{room.id}"
    assert_like(await ben.get(path, 403), DETAIL)
    await ben.post(f"{path}/join")
    assert {member["id"] for member in (await ben.get(path))["members"]} == {ann.id, ben.id}
    await ben.post(f"{path}/join")
    assert len((await ben.get(path))["members"]) == 2
    await ben.post(f"{path}/leave")
    assert_like(await ben.get(path, 403), DETAIL)
    assert [member["id"] for member in (await ann.get(path))["members"]] == [ann.id]


@pytest.mark.parametrize("name", ["01890000-0000-7000-8000-000000000000", "nonsense"])
async def test_an_unknown_chatroom(world, name):
    ann = await world.person()
    assert_like(await ann.get(f"/api/chatroom/{name}", 404), DETAIL)
    assert_like(await ann.post(f"/api/chatroom/{name}/join", status=404), DETAIL)
    assert_like(await ann.get(f"/api/message/{name}", 404), DETAIL)
    assert_like(await ann.post("/api/message/", {"chatroom": name, "message": "hi"}, 404), DETAIL)


@pytest.mark.parametrize("room_field", ["chatroom", "chatroomId"])
async def test_messages(world, room_field):
    ann, ben, room = await lobby(world)
    sent = await ann.post("/api/message/", {room_field: room.id, "message": "Hello World!"}, 201)
    message = {
        "id": UUID,
        "chatroomId": room.id,
        "sender": {"id": ann.id, "name": "Ann Lee"},
        "message": "Hello World!",
        "timestamp": TIME,
    }
    assert_like(sent, message)
    assert_like(await ben.get(f"/api/message/{room.id}"), [sent])


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": 7}, {"message": "x" * 10_001}])
async def test_message_rules(world, body):
    ann, _, room = await lobby(world)
    answer = await ann.post("/api/message/", body | {"chatroom": room.id}, 422)
    assert_like(answer, DETAIL)
    assert_names(answer, "message")
    assert await ann.get(f"/api/message/{room.id}") == []


async def test_only_members_read_and_write(world):
    _, _, room = await lobby(world)
    eve = await world.person("Eve Stone")
    assert_like(await eve.get(f"/api/message/{room.id}", 403), DETAIL)
    assert_like(await eve.post("/api/message/", {"chatroom": room.id, "message": "hi"}, 403), DETAIL)


async def test_a_token_is_required(world):
    ann, _, room = await lobby(world)
    for method, path, body in (
        ("GET", "/api/user/", None),
        ("GET", f"/api/user/{ann.id}", None),
        ("PUT", f"/api/user/{ann.id}", {"name": "x"}),
        ("DELETE", f"/api/user/{ann.id}", None),
        ("GET", "/api/chatroom/", None),
        ("POST", "/api/chatroom/", {"name": "x"}),
        ("GET", f"/api/chatroom/{room.id}", None),
        ("POST", f"/api/chatroom/{room.id}/join", None),
        ("POST", "/api/message/", {"chatroom": room.id, "message": "x"}),
        ("GET", f"/api/message/{room.id}", None),
    ):
        assert_like(await world.ask(method, path, 401, **({"json": body} if body else {})), DETAIL)


async def socket_of(world, person, **options):
    socket = await SocketIo.open(world.server.url, f"Bearer {person.token}", person.name, **options)
    world.opened.append(socket)
    return socket


@pytest.mark.parametrize("namespace", ["/", "/socket.io"])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_socket_io(world, namespace, transport):
    ann, ben, room = await lobby(world)
    anns = await socket_of(world, ann, namespace=namespace, transports=[transport])
    bens = await socket_of(world, ben)
    for socket in (anns, bens):
        assert_like(await socket.call("joinRoom", {"chatroomId": room.id}), {"ok": True})
    assert_like(await anns.call("chatroomMessage", {"chatroomId": room.id, "message": "Hello World!"}), {"ok": True})
    heard = await bens.expect_event("newMessage", message="Hello World!")
    assert_like(
        heard, {"id": UUID, "chatroomId": room.id, "sender": {"id": ann.id, "name": "Ann Lee"}, "timestamp": TIME}
    )
    assert await anns.expect_event("newMessage", message="Hello World!") == heard
    assert_like(await ann.get(f"/api/message/{room.id}"), [heard])


async def test_events_without_an_acknowledgement(world):
    ann, ben, room = await lobby(world)
    bens = await ben.via("chatrooms").live(room)
    anns = await socket_of(world, ann)
    await anns.emit("joinRoom", {"chatroomId": room.id})
    await anns.emit("chatroomMessage", {"chatroomId": room.id, "message": "Hello World!"})
    await bens.expect_post("Hello World!")
    await anns.expect_event("newMessage", message="Hello World!")
    await anns.emit("leaveRoom", {"chatroomId": room.id})
    await bens.events.expect_event("userLeft", chatroomId=room.id)


async def test_user_joined_and_user_left(world):
    ann, ben, room = await lobby(world)
    anns = await ann.via("chatrooms").live(room)
    bens = await ben.via("chatrooms").live(room)
    said = {"chatroomId": room.id, "user": {"id": ben.id, "name": "Ben Hall"}}
    await anns.events.expect(lambda e: e[0] == "userJoined" and e[1]["user"]["id"] == ben.id)
    assert_like(anns.events.of_type("userJoined")[-1], said)
    assert_like(await bens.events.call("leaveRoom", {"chatroomId": room.id}), {"ok": True})
    assert_like(await anns.events.expect_event("userLeft", chatroomId=room.id), said)


async def test_after_leave_room_nothing_is_heard(world):
    ann, ben, room = await lobby(world)
    bens = await ben.via("chatrooms").live(room)
    await bens.events.call("leaveRoom", {"chatroomId": room.id})
    await ann.via("chatrooms").post(room, "while away")
    await bens.events.call("joinRoom", {"chatroomId": room.id})
    await ann.via("chatrooms").post(room, "back")
    await bens.expect_post("back")
    assert [post.text for post in bens.posts] == ["back"]


@pytest.mark.parametrize("event", ["joinRoom", "chatroomMessage"])
async def test_a_room_that_is_not_ones_own(world, event):
    _, _, room = await lobby(world)
    eve = await world.person("Eve Stone")
    socket = await socket_of(world, eve)
    for chatroom in (room.id, "01890000-0000-7000-8000-000000000000", "nonsense"):
        answer = await socket.call(event, {"chatroomId": chatroom, "message": "hi"})
        assert_like(answer, {"ok": False, "error": TEXT})
    await socket.emit(event, {"chatroomId": room.id, "message": "hi"})
    await socket.expect_event("error")


@pytest.mark.parametrize("token", [None, "", "nonsense", "Bearer nonsense"])
@pytest.mark.parametrize("namespace", ["/", "/socket.io"])
async def test_a_bad_token_gets_connect_error(world, token, namespace):
    with pytest.raises(socketio.exceptions.ConnectionError):
        await SocketIo.open(world.server.url, token, namespace=namespace)


async def test_the_ways_of_a_token(world):
    ann = await world.person()
    for token, headers in (
        (ann.token, None),
        (f"Bearer {ann.token}", None),
        (None, {"Authorization": f"Bearer {ann.token}"}),
    ):
        socket = await SocketIo.open(world.server.url, token, headers=headers)
        await socket.close()
