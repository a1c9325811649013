"""contract.md, "Host controls": the same by REST and on the socket."""

import pytest
import websockets

from harness.events import WebSocket
from harness.shape import TEXT, assert_like

MEETINGS = "/api/v1/meetings"

# The REST verb of a participant and its event on the socket.
PARTICIPANT_EVENTS = {
    "admit": "admit_participant",
    "deny": "deny_participant",
    "mute": "mute_participant",
    "ask-unmute": "ask_unmute",
    "remove": "remove_participant",
    "co-host": "make_co_host",
    "revoke-co-host": "revoke_co_host",
    "lower-hand": "lower_hand",
}
MEETING_EVENTS = {"lock": "lock_meeting", "unlock": "unlock_meeting", "mute-all": "mute_all"}


class Stage:
    """A running meeting: Ann hosts, Ben and Cleo take part, all connected with their microphones on."""

    def __init__(self, world):
        self.world = world

    async def open(self, **settings):
        self.ann, self.ben, self.cleo = [
            await self.world.regular(name) for name in ("Ann Lee", "Ben Hall", "Cleo Park")
        ]
        self.room = await self.ann.via("platform").create_room(**settings)
        self.joins, self.sockets = {}, {}
        for person in (self.ann, self.ben, self.cleo):
            await self.enter(person)
        return self

    async def enter(self, person, status=200):
        body = {"display_name": person.name, "audio_enabled": True, "video_enabled": True}
        self.joins[person] = await person.post(f"{MEETINGS}/{self.room.code}/join", body, status)
        if status == 200:
            self.sockets[person] = await self.connect(self.joins[person]["meeting_token"])

    async def connect(self, token):
        live = await WebSocket.open(f"{self.world.server.ws_url}/ws/meetings/{self.room.code}?token={token}")
        self.world.opened.append(live)
        return await live.settled()

    def id(self, person):
        return self.joins[person]["participant_id"]

    async def order(self, by, way, verb, target=None, status=200):
        """`by` gives an order over REST or the socket; 403 on the socket is an error event."""
        if way == "rest":
            what = f"participants/{self.id(target)}/{verb}" if target else verb
            await by.post(f"{MEETINGS}/{self.room.code}/{what}", status=status)
            return
        events, live = PARTICIPANT_EVENTS | MEETING_EVENTS, self.sockets[by]
        await live.send(events[verb], **({"participant_id": self.id(target)} if target else {}))
        if status != 200:
            assert_like(await live.expect_type("error"), {"code": "INSUFFICIENT_PERMISSIONS", "message": TEXT})
        await live.settled()

    async def updated(self, hearer, whom, **state):
        return await self.sockets[hearer].expect_type("participant_updated", participant_id=self.id(whom), **state)


both_ways = pytest.mark.parametrize("way", ["rest", "socket"])


@pytest.fixture
async def stage(world):
    return await Stage(world).open()


@both_ways
async def test_mute(stage, way):
    await stage.order(stage.ann, way, "mute", stage.ben)
    for hearer in (stage.ann, stage.ben, stage.cleo):
        await stage.updated(hearer, stage.ben, audio_enabled=False)


@both_ways
async def test_nobody_can_unmute_another(stage, way):
    await stage.order(stage.ann, way, "mute", stage.ben)
    await stage.order(stage.ann, way, "ask-unmute", stage.ben)
    await stage.sockets[stage.ben].expect_type("unmute_requested")
    shown = (await stage.ann.get(f"{MEETINGS}/{stage.room.code}"))["participants"]
    assert [p["audio_enabled"] for p in shown if p["user_id"] == stage.ben.id] == [False]
    assert stage.sockets[stage.cleo].of_type("unmute_requested") == []


@both_ways
async def test_mute_all_spares_hosts(stage, way):
    await stage.order(stage.ann, way, "mute-all")
    for muted in (stage.ben, stage.cleo):
        await stage.updated(stage.ann, muted, audio_enabled=False)
    shown = (await stage.ann.get(f"{MEETINGS}/{stage.room.code}"))["participants"]
    assert {p["user_id"]: p["audio_enabled"] for p in shown} == {
        stage.ann.id: True,
        stage.ben.id: False,
        stage.cleo.id: False,
    }


async def test_mute_all_says_nothing_of_who_never_came(stage):
    """A guest who is told of would stay in everybody's list: nobody hears that they go."""
    gus = await stage.world.guest(stage.room, "Gus")
    muted = (await stage.ann.post(f"{MEETINGS}/{stage.room.code}/mute-all"))["participants"]
    assert {p["user_id"] for p in muted} == {stage.ben.id, stage.cleo.id}
    for muted in (stage.ben, stage.cleo):
        await stage.updated(stage.ann, muted, audio_enabled=False)
    heard = stage.sockets[stage.ann].of_type("participant_updated")
    assert gus.answer["participant_id"] not in [update["participant_id"] for update in heard]


@both_ways
async def test_remove_sticks(stage, way):
    room, ben = stage.room, stage.ben
    old = stage.joins[ben]["meeting_token"]
    await stage.order(stage.ann, way, "remove", ben)
    await stage.sockets[ben].closed()
    await stage.sockets[stage.cleo].expect_type("participant_left", participant_id=stage.id(ben))
    for token in (old, ben.token):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await stage.connect(token)
        assert refused.value.response.status_code in (401, 403)
    await ben.post(f"{MEETINGS}/{room.code}/join", {"display_name": "Ben again"}, 403)
    await ben.get(f"{MEETINGS}/{room.code}/messages", 403)
    await ben.post(f"{MEETINGS}/{room.code}/messages", {"content": "hi"}, 403)
    for path in (f"/api/messages/{room.id}", f"/api/message/{room.id}"):
        await ben.get(path, 403)
    # The token of the removed participant is dead over REST too.
    answer = await stage.world.nobody.request(
        "GET", f"{MEETINGS}/{room.code}/messages", headers={"Authorization": f"Bearer {old}"}
    )
    assert answer.status_code in (401, 403)
    shown = await stage.ann.get(f"{MEETINGS}/{room.code}")
    assert [(p["user_id"], p["status"]) for p in shown["removed"]] == [(ben.id, "removed")]
    assert (await stage.cleo.get(f"{MEETINGS}/{room.code}"))["removed"] == [], "for hosts alone"
    await stage.order(stage.ann, "rest", "readmit", ben)
    await stage.enter(ben)
    assert (await stage.ann.get(f"{MEETINGS}/{room.code}"))["removed"] == []


async def test_who_is_removed_is_gone_from_the_chatroom_too(stage):
    bens, cleos = [(await person.via("chatrooms").live(stage.room)).events for person in (stage.ben, stage.cleo)]
    stage.world.opened += [bens, cleos]
    await cleos.call("typing", {"chatroomId": stage.room.id, "isTyping": True})
    await bens.expect_event("typing")
    await stage.order(stage.ann, "rest", "remove", stage.ben)
    left = await cleos.expect_event("userLeft", within=5)
    assert left["user"]["id"] == stage.ben.id
    answer = await bens.call("typing", {"chatroomId": stage.room.id, "isTyping": True})
    assert answer["ok"] is False
    await stage.ann.via("chatrooms").post(stage.room, "to those who are left")
    await cleos.expect_event("newMessage")
    assert cleos.of_type("typing") == [], "Ben types outside"


@pytest.mark.parametrize("frame", [{"type": "typing"}, {"type": "resume", "since_seq": 0}, {"type": "ping"}])
async def test_who_is_removed_is_put_out_of_the_conversation_too(stage, frame):
    bens = (await stage.ben.via("conversations").live(stage.room)).events
    await bens.send_json({"type": "typing"})
    cleos = stage.sockets[stage.cleo]
    await cleos.expect_type("typing")
    await stage.order(stage.ann, "rest", "remove", stage.ben)
    await bens.send_json(frame)
    assert await bens.closed() == 4403
    assert [heard["error"]["status"] for heard in bens.seen if "error" in heard] == [403]
    await cleos.settled()
    assert len(cleos.of_type("typing")) == 1, "Ben types outside"


async def test_a_removed_guest_stays_out(stage):
    guest = await stage.world.guest(stage.room, "Gus")
    live = (await guest.via("guest").live(stage.room)).events
    heard = await stage.sockets[stage.ann].expect_type("participant_joined", display_name="Gus")
    await stage.ann.post(f"{MEETINGS}/{stage.room.code}/participants/{heard['participant_id']}/remove")
    await live.closed()
    with pytest.raises(websockets.InvalidStatus):
        await guest.via("guest").live(stage.room)
    answer = await guest.request("POST", f"{MEETINGS}/{stage.room.code}/messages", json={"content": "hi"})
    assert answer.status_code in (401, 403)


@both_ways
async def test_lock_and_unlock(stage, way):
    dan = await stage.world.person("Dan Reed")
    await stage.order(stage.ann, way, "lock")
    refused = await dan.post(f"{MEETINGS}/{stage.room.code}/join", {"display_name": "Dan"}, 403)
    assert_like(refused, {"error_code": "MEETING_LOCKED", "detail": TEXT})
    await stage.order(stage.ann, way, "unlock")
    await stage.enter(dan)


@both_ways
async def test_co_hosts(stage, way):
    await stage.order(stage.ann, way, "co-host", stage.ben)
    await stage.updated(stage.cleo, stage.ben, role="co_host")
    await stage.order(stage.ben, way, "mute", stage.cleo)
    await stage.updated(stage.ann, stage.cleo, audio_enabled=False)
    # A co-host is spared by mute-all; ending is for the host.
    await stage.order(stage.ann, way, "mute-all")
    await stage.ben.post(f"{MEETINGS}/{stage.room.code}/end", status=403)
    shown = (await stage.ann.get(f"{MEETINGS}/{stage.room.code}"))["participants"]
    assert {p["user_id"]: (p["role"], p["audio_enabled"]) for p in shown} == {
        stage.ann.id: ("host", True),
        stage.ben.id: ("co_host", True),
        stage.cleo.id: ("participant", False),
    }


@both_ways
async def test_a_co_host_is_a_participant_again(stage, way):
    await stage.order(stage.ann, "rest", "co-host", stage.ben)
    await stage.order(stage.ben, way, "revoke-co-host", stage.ben, status=403)
    await stage.order(stage.ann, way, "revoke-co-host", stage.ben)
    await stage.updated(stage.cleo, stage.ben, role="participant")
    await stage.order(stage.ben, way, "mute", stage.cleo, status=403)
    await stage.ben.post(f"{MEETINGS}/{stage.room.code}/lock", status=403)


async def test_who_has_stepped_out_is_co_host_no_more(stage):
    await stage.order(stage.ann, "rest", "co-host", stage.ben)
    await stage.updated(stage.ann, stage.ben, role="co_host")
    await stage.ben.post(f"{MEETINGS}/{stage.room.code}/leave")
    await stage.order(stage.ben, "rest", "lock")
    await stage.order(stage.ben, "rest", "unlock")
    path = f"{MEETINGS}/{stage.room.code}/participants/{stage.id(stage.ben)}/revoke-co-host"
    assert_like(await stage.ann.post(path), {"role": "participant"})
    await stage.ben.post(f"{MEETINGS}/{stage.room.code}/lock", status=403)
    await stage.enter(stage.ben)
    assert_like(stage.joins[stage.ben], {"role": "participant"})


async def test_who_was_removed_or_never_let_in_is_made_no_participant(stage):
    dan = await stage.world.person("Dan Reed")
    await stage.ann.put(f"{MEETINGS}/{stage.room.code}", {"settings": {"waiting_room_enabled": True}})
    stage.joins[dan] = await dan.post(f"{MEETINGS}/{stage.room.code}/join", {"display_name": "Dan"})
    assert_like(stage.joins[dan], {"status": "waiting"})
    await stage.order(stage.ann, "rest", "remove", stage.ben)
    for person in (dan, stage.ben):
        await stage.order(stage.ann, "rest", "revoke-co-host", person, status=404)
    await stage.ben.post(f"{MEETINGS}/{stage.room.code}/join", {"display_name": "Ben"}, 403)


async def test_the_simple_socket_hears_the_door_as_one_is_co_host_or_not(stage):
    simple = await WebSocket.open(f"{stage.world.server.ws_url}/ws/?token={stage.ben.token}")
    stage.world.opened.append(simple)
    await simple.send("join_meeting", meeting_id=stage.room.id)
    await simple.expect_type("meeting_joined")
    await stage.ann.put(f"{MEETINGS}/{stage.room.code}", {"settings": {"waiting_room_enabled": True}})

    async def knocks(name):
        guest = await stage.world.guest(stage.room, name)
        await stage.sockets[stage.ann].expect_type("participant_waiting", display_name=name)
        return guest

    await knocks("Gus")
    await stage.order(stage.ann, "rest", "co-host", stage.ben)
    await knocks("Hal")
    await simple.expect_type("participant_waiting", display_name="Hal")
    await stage.order(stage.ann, "rest", "revoke-co-host", stage.ben)
    await knocks("Ida")
    await simple.settled()
    heard = [waiting["display_name"] for waiting in simple.of_type("participant_waiting")]
    assert heard == ["Gus", "Hal"], "who waits already is told with the promotion"


@both_ways
async def test_a_hand_is_lowered(stage, way):
    await stage.sockets[stage.ben].send("raise_hand", raised=True)
    await stage.updated(stage.cleo, stage.ben, hand_raised=True)
    await stage.order(stage.ann, way, "lower-hand", stage.ben)
    await stage.sockets[stage.cleo].expect_type("raise_hand", raised=False)
    await stage.updated(stage.cleo, stage.ben, hand_raised=False)


async def test_who_comes_in_learns_what_the_meeting_is_called(world):
    stage = await Stage(world).open()
    await stage.ann.put(f"{MEETINGS}/{stage.room.code}", {"title": "Retro", "settings": {"chat_enabled": False}})
    guest = await world.guest(stage.room, "Gus")
    live = await stage.connect(guest.token)
    about = live.of_type("connected")[0]["meeting"]
    assert (about["title"], about["chat_enabled"], about["is_locked"]) == ("Retro", False, False)
    await stage.ann.put(f"{MEETINGS}/{stage.room.code}", {"title": "Retrospective"})
    heard = await live.expect_type("meeting_updated", title="Retrospective")
    assert heard["chat_enabled"] is False


@both_ways
async def test_admit_over_both_ways(world, way):
    stage = await Stage(world).open()
    await stage.ann.put(f"{MEETINGS}/{stage.room.code}", {"settings": {"waiting_room_enabled": True}})
    dan, eve = await world.person("Dan Reed"), await world.person("Eve Stone")
    for person in (dan, eve):
        body = {"display_name": person.name}
        stage.joins[person] = await person.post(f"{MEETINGS}/{stage.room.code}/join", body)
        assert_like(stage.joins[person], {"status": "waiting"})
        url = f"{world.server.ws_url}/ws/meetings/{stage.room.code}?token={stage.joins[person]['meeting_token']}"
        stage.sockets[person] = await WebSocket.open(url)
        world.opened.append(stage.sockets[person])
    await stage.order(stage.ann, way, "admit", dan)
    await stage.order(stage.ann, way, "deny", eve)
    await stage.sockets[dan].expect_type("participant_admitted")
    await stage.sockets[eve].expect_type("participant_denied")
    await stage.sockets[eve].closed()


@both_ways
@pytest.mark.parametrize(
    "verb", ["mute", "ask-unmute", "remove", "co-host", "lower-hand", "lock", "unlock", "mute-all"]
)
async def test_a_participant_gives_no_orders(stage, way, verb):
    target = stage.cleo if verb in PARTICIPANT_EVENTS else None
    await stage.order(stage.ben, way, verb, target, status=403)
    shown = (await stage.ann.get(f"{MEETINGS}/{stage.room.code}"))["participants"]
    assert {p["user_id"]: (p["role"], p["audio_enabled"]) for p in shown} == {
        stage.ann.id: ("host", True),
        stage.ben.id: ("participant", True),
        stage.cleo.id: ("participant", True),
    }


async def test_orders_to_unknown_participants(stage):
    for unknown in ("participant-01890000-0000-7000-8000-000000000000", "nonsense"):
        for verb in PARTICIPANT_EVENTS:
            await stage.ann.post(f"{MEETINGS}/{stage.room.code}/participants/{unknown}/{verb}", status=404)


async def test_a_host_elsewhere_gives_no_orders_here(stage):
    eve = await stage.world.person("Eve Stone")
    other = await eve.via("platform").create_room()
    await eve.post(f"{MEETINGS}/{other.code}/participants/{stage.id(stage.ben)}/remove", status=404)
    await eve.post(f"{MEETINGS}/{stage.room.code}/participants/{stage.id(stage.ben)}/remove", status=403)
    await eve.post(f"{MEETINGS}/{stage.room.code}/lock", status=403)


async def test_ending_is_told_and_closes(stage):
    await stage.ann.post(f"{MEETINGS}/{stage.room.code}/end")
    for person in (stage.ben, stage.cleo):
        await stage.sockets[person].expect_type("meeting_ended")
        await stage.sockets[person].closed()
    answer = await stage.ben.request("POST", f"{MEETINGS}/{stage.room.code}/messages", json={"content": "hi"})
    assert answer.status_code == 400 and answer.json()["error_code"] == "MEETING_ENDED"
    # What was said stays readable.
    await stage.ben.get(f"{MEETINGS}/{stage.room.code}/messages")
