"""contract.md: deleting a user keeps the rooms readable; the author becomes "Deleted user"."""

from harness.drivers import APIS
from harness.shape import assert_like

DELETED = "Deleted user"
MEETINGS = "/api/v1/meetings"


async def test_the_messages_stay_and_the_author_is_gone(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    lives = [(await ann.via(api).live(room)).events for api in APIS if api != "guest"]
    await ann.via("chatrooms").post(room, "I was here")
    await ann.request("DELETE", f"/api/user/{ann.id}")
    for live in lives:
        await live.closed()
    for api in APIS:
        if api != "guest":
            assert [post.text for post in await ben.via(api).history(room)] == ["I was here"], api
    (shown,) = await ben.via("platform").history(room)
    assert_like(shown.raw, {"sender_name": DELETED})
    (shown,) = await ben.via("chatrooms").history(room)
    assert_like(shown.raw, {"sender": {"name": DELETED}})
    page = (await ben.request("GET", f"/api/v1/meetings/{room.id}/messages")).text
    assert "Ann" not in page and ann.email not in page


async def test_who_left_before_is_forgotten_there_too(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("chatrooms", ann, ben)
    await ann.via("chatrooms").post(room, "I was here")
    await ann.post(f"/api/chatroom/{room.id}/leave")
    people = (await ben.get(f"/api/chatroom/{room.id}/")).get("members", [])
    assert ann.id not in str(people)
    await ann.request("DELETE", f"/api/user/{ann.id}")
    (shown,) = await ben.via("chatrooms").history(room)
    assert_like(shown.raw, {"sender": {"name": DELETED}})


async def test_a_deleted_persons_tokens_are_dead_everywhere(world):
    ann = await world.person("Ann Lee")
    await ann.request("DELETE", f"/api/user/{ann.id}")
    for path in ("/api/v1/auth/me", "/api/conversations", "/api/chatroom/", "/api/v1/meetings"):
        await ann.get(path, 401)
    await world.ask("POST", "/api/v1/auth/refresh", 401, headers={"Authorization": f"Bearer {ann.refresh_token}"})


async def test_a_deleted_person_is_in_no_list_of_users(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    await ann.request("DELETE", f"/api/user/{ann.id}")
    for path in ("/api/users/", "/api/user/"):
        assert ann.id not in (await ben.request("GET", path)).text
    answer = await ben.request("GET", f"/api/users/{ann.id}")
    assert answer.status_code == 404 or answer.json()["name"] == DELETED
    assert ann.email not in answer.text


async def test_a_conversation_with_a_deleted_person_stays_readable(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("conversations", ann, ben)
    await ann.via("conversations").post(room, "goodbye")
    await ann.request("DELETE", f"/api/user/{ann.id}")
    assert [post.text for post in await ben.via("conversations").history(room)] == ["goodbye"]
    assert_like(await ben.get("/api/conversations"), [{"conversation_id": room.id}])


async def test_no_private_message_is_taken_for_who_is_gone(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ben, ann)
    private = {"is_private": True, "recipient_user_id": ann.id}
    sent = {"Idempotency-Key": "one"}
    first = await ben.post(f"{MEETINGS}/{room.code}/messages", private | {"content": "hi"}, 201, headers=sent)
    await ann.request("DELETE", f"/api/user/{ann.id}")
    refused = await ben.post(f"{MEETINGS}/{room.code}/messages", private | {"content": "are you there?"}, 422)
    assert "recipient_user_id" in str(refused)
    again = await ben.post(f"{MEETINGS}/{room.code}/messages", private | {"content": "hi"}, 201, headers=sent)
    assert again["id"] == first["id"], "what was sent before is"
    assert [post.text for post in await ben.via("platform").history(room)] == ["hi"]


async def test_who_was_removed_before_is_not_among_the_removed(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ben)
    joined = await ann.post(f"{MEETINGS}/{room.code}/join", {})
    await ben.post(f"{MEETINGS}/{room.code}/participants/{joined['participant_id']}/remove")
    shown = await ben.get(f"{MEETINGS}/{room.code}")
    assert [person["user_id"] for person in shown["removed"]] == [ann.id]
    await ann.request("DELETE", f"/api/user/{ann.id}")
    shown = await ben.get(f"{MEETINGS}/{room.code}")
    assert shown["removed"] == []
    assert joined["identity"] not in str(shown)


async def test_the_meetings_go_and_their_history_stays(world):
    """Nobody else could end them, nor let anybody in."""
    ann, ben, cleo = [await world.person(name) for name in ("Ann Lee", "Ben Hall", "Cleo Park")]
    running = await world.shared_room("platform", ann, ben)
    await ben.via("platform").post(running, "I was here too")
    lobby = await ann.via("platform").create_room(waiting_room_enabled=True)
    await cleo.post(f"/api/v1/meetings/{lobby.code}/join", {"display_name": "Cleo Park"})
    link = await ann.via("guest").create_room()
    guest = await world.guest(link)
    bens = (await ben.via("platform").live(running)).events
    guests = (await guest.via("guest").live(link)).events
    await ann.request("DELETE", f"/api/user/{ann.id}")
    for events in (bens, guests):
        assert_like(await events.expect_type("meeting_ended"), {"reason": "deleted"})
        await events.closed()
    for room, status in ((running, "ended"), (lobby, "cancelled")):
        assert_like(await ben.get(f"/api/v1/meetings/{room.code}"), {"status": status})
        await ben.post(f"/api/v1/meetings/{room.code}/join", {"display_name": "Ben"}, 400)
    await world.ask("GET", f"/api/v1/meetings/{link.code}/participants", 404)
    assert [post.text for post in await ben.via("platform").history(running)] == ["I was here too"]


async def test_meetings_that_need_no_host_stay_and_so_do_those_of_others(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    open_to_all = await world.shared_room("convo", ann, ben)
    bens = await world.shared_room("platform", ben, ann)
    await ann.request("DELETE", f"/api/user/{ann.id}")
    for api, room in (("convo", open_to_all), ("platform", bens)):
        await ben.via(api).post(room, "still here")
        assert [post.text for post in await ben.via(api).history(room)] == ["still here"], api
    assert_like(await ben.get(f"/api/v1/meetings/{bens.code}"), {"status": "active"})
