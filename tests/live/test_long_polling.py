"""Socket.IO by long polling, packet by packet: clients that post and do not fetch, or fetch late."""

import json

import httpx


class Polling:
    """A client that does nothing by itself: it sends what it is told to, and hears only when it asks."""

    def __init__(self, world, query):
        self.world, self.query = world, query

    @classmethod
    async def open(cls, world, token, **auth):
        """Connected to the namespace `/`: `state` is the answer, `missed` what came with it."""
        query = "/socket.io/?EIO=4&transport=polling"
        opening = (await world.http.get(query)).text
        self = cls(world, f"{query}&sid={json.loads(opening[1:])['sid']}")
        await self.post("40" + json.dumps({"token": token} | auth))
        connected, *self.missed = await self.get()
        assert connected.startswith("40"), connected
        self.state = json.loads(connected[2:])
        return self

    async def post(self, *packets):
        answer = await self.world.http.post(self.query, content="\x1e".join(packets))
        assert (answer.status_code, answer.text) == (200, "ok")

    async def emit(self, event, data, ack=""):
        await self.post(f"42{ack}{json.dumps([event, data])}")

    async def call(self, event, data):
        """Emits, and fetches until the acknowledgement; what it was given, and what came with it after it."""
        await self.emit(event, data, 1)
        heard = await self.until(lambda packet: packet.startswith("431"))
        place = next(n for n, packet in enumerate(heard) if packet.startswith("431"))
        return json.loads(heard[place][3:])[0], heard[place + 1 :]

    async def ask(self) -> httpx.Response:
        return await self.world.http.get(self.query)

    async def get(self):
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        return answer.text.split("\x1e")

    async def until(self, fits):
        """Fetches until a packet fits; all that came."""
        heard = []
        while not any(map(fits, heard)):
            heard += await self.get()
        return heard


async def chatroom(world, *names):
    people = [await world.regular(name) for name in names]
    return await world.shared_room("chatrooms", *people), *people


async def test_a_slow_reader_is_not_told_to_stay_away(world):
    """DISCONNECT would keep official clients from coming back."""
    room, ann, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    slow = await Polling.open(world, ann.token)
    assert (await slow.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    quick = (await ben.via("chatrooms").live(room)).events
    # Each is told to who is there, and is no message that could be read again.
    for _ in range(130):
        for event in ("leaveRoom", "joinRoom"):
            assert (await quick.call(event, {"chatroomId": room.id}))["ok"]
    while (answer := await slow.ask()).status_code == 200:
        assert not any(packet.startswith("41") for packet in answer.text.split("\x1e")), answer.text
    assert answer.status_code == 400


async def test_who_logs_out_and_does_not_fetch_says_nothing_more(world):
    ann = await world.person("Ann Lee")
    room = await world.shared_room("chatrooms", ann)
    socket = await Polling.open(world, ann.token)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    await ann.post("/api/v1/auth/logout")
    await socket.emit("chatroomMessage", {"chatroomId": room.id, "message": "still here"}, 7)
    heard = await socket.get()
    assert [packet[:2] for packet in heard] == ["43", "41"], heard
    refusal = {"ok": False, "error": "Invalid or expired token", "code": "AUTHENTICATION_REQUIRED"}
    assert json.loads(heard[0][3:]) == [refusal]
    again = await ann.on_another_device()
    assert await again.via("chatrooms").history(room) == []


async def test_what_is_read_late_does_not_undo_a_return(world):
    room, _, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    socket = await Polling.open(world, ben.token)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    await ben.post(f"/api/chatroom/{room.id}/leave")
    await ben.via("chatrooms").join(room)
    # That Ben has left is fetched with the acknowledgement, when he is back.
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    assert (await socket.call("typing", {"chatroomId": room.id, "isTyping": True}))[0] == {"ok": True}


async def test_nothing_of_a_chatroom_follows_the_leaves_acknowledgement(world):
    room, ann, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    socket = await Polling.open(world, ben.token)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    for number in range(5):
        await ann.via("chatrooms").post(room, f"message {number}")
    answer, after = await socket.call("leaveRoom", {"chatroomId": room.id})
    assert answer["ok"]
    after += (await socket.call("leaveRoom", {"chatroomId": room.id}))[1]
    assert not any("newMessage" in packet for packet in after), after


async def test_who_came_and_went_is_recovered_too(world):
    """A client is told `recovered: true`, and does not ask anew who is there."""
    room, ann, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    anns = (await ann.via("chatrooms").live(room)).events
    world.opened.append(anns)
    socket = await Polling.open(world, ben.token, recovery=True)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    await ann.via("chatrooms").post(room, "before")
    said = next(packet for packet in await socket.until(lambda p: "newMessage" in p) if "newMessage" in packet)
    offset = json.loads(said[2:])[-1]
    assert (await anns.call("leaveRoom", {"chatroomId": room.id}))["ok"]
    left = next(packet for packet in await socket.until(lambda p: "userLeft" in p) if "userLeft" in packet)
    # As if that had been lost on its way.
    again = await Polling.open(world, ben.token, recovery=True, pid=socket.state["pid"], offset=offset)
    assert again.state["sid"] == socket.state["sid"], "the same socket"
    assert again.missed == [left]


async def test_who_is_lost_goes_after_a_moment_and_comes_back(world):
    """The socket is kept for longer: its rooms need not take somebody who closed a tab for present that long."""
    room, ann, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    anns = (await ann.via("chatrooms").live(room)).events
    world.opened.append(anns)

    def moves():
        return [event for event, *_ in anns.seen if event in ("userJoined", "userLeft")]

    socket = await Polling.open(world, ben.token, recovery=True)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    await anns.until(lambda: moves() == ["userJoined"])
    for _ in range(2):
        # Back at once, and nobody hears of it: of the last loss alone they do.
        await socket.post("1")
        socket = await Polling.open(world, ben.token, recovery=True, pid=socket.state["pid"])
    await socket.post("1")
    await anns.until(lambda: moves() == ["userJoined", "userLeft"], what="that he is away")
    again = await Polling.open(world, ben.token, recovery=True, pid=socket.state["pid"])
    assert again.state["sid"] == socket.state["sid"], "the same socket"
    await anns.until(lambda: moves() == ["userJoined", "userLeft", "userJoined"], what="that he is back")
    assert (await again.call("typing", {"chatroomId": room.id, "isTyping": True}))[0] == {"ok": True}


async def test_who_leaves_while_away_does_not_come_back(world):
    room, ann, ben = await chatroom(world, "Ann Lee", "Ben Hall")
    anns = (await ann.via("chatrooms").live(room)).events
    world.opened.append(anns)
    socket = await Polling.open(world, ben.token, recovery=True)
    assert (await socket.call("joinRoom", {"chatroomId": room.id}))[0]["ok"]
    await socket.post("1")
    await anns.expect(lambda event: event[0] == "userLeft")
    await ben.post(f"/api/chatroom/{room.id}/leave")
    before = len([event for event in anns.seen if event[0] == "userJoined"])
    again = await Polling.open(world, ben.token, recovery=True, pid=socket.state["pid"])
    assert again.state["sid"] == socket.state["sid"], "the same socket"
    await ann.via("chatrooms").post(room, "who is here?")
    await anns.expect(lambda event: event[0] == "newMessage")
    assert len([event for event in anns.seen if event[0] == "userJoined"]) == before
