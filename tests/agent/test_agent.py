"""The AI agent of api/conversations.md, on an endpoint of the tests' own."""

import asyncio

import pytest

from harness.model import KEY, Model
from harness.shape import TEXT, TIME, UUID, assert_like

pytestmark = pytest.mark.one_store

CONVERSATIONS = "/api/conversations"


@pytest.fixture
async def model():
    model = await Model().start()
    yield model
    await model.stop()


@pytest.fixture
async def scene(serve, model):
    """(the model, Ann, her conversation with it, her live connection)"""
    world = await serve(AI_BASE_URL=model.url, AI_API_KEY=KEY, AI_MODEL="test-model")
    ann = await world.person("Ann Lee")
    room = await ann.via("conversations").create_room(is_ai=True)
    return model, ann, room, await ann.via("conversations").live(room)


def deltas(live):
    return [event for event in live.events.seen if event.get("type") == "delta"]


async def answered(live, ann, count=1):
    """The agent's stored messages, once there are `count`."""

    def stored():
        found = [post for post in live.posts if post.author != ann.id]
        return found if len(found) >= count else None

    return await live.events.until(stored, within=20, what=f"{count} messages of the agent")


async def test_create(world):
    ann = await world.person()
    answer = await ann.post(CONVERSATIONS, {"is_ai": True, "title": "With the machine"}, 201)
    assert_like(answer, {"conversation_id": UUID, "is_ai": True, "created_at": TIME})
    again = await ann.post(CONVERSATIONS, {"is_ai": True}, 201)
    assert again["conversation_id"] != answer["conversation_id"]
    assert {c["conversation_id"] for c in await ann.get(CONVERSATIONS)} == {
        answer["conversation_id"],
        again["conversation_id"],
    }


async def test_the_answer_streams_and_is_stored(scene):
    model, ann, room, live = scene
    sent = await ann.via("conversations").post(room, "Who are you?")
    (answer,) = await answered(live, ann)
    assert answer.text == "Hello, I am the model."
    assert_like(answer.raw, {"message_id": UUID, "conversation_id": room.id, "sender_id": UUID, "timestamp": TIME})
    assert "".join(event["delta"] for event in deltas(live)) == answer.text
    for event in deltas(live):
        assert_like(event, {"type": "delta", "conversation_id": room.id, "delta": TEXT})
    history = await ann.via("conversations").history(room)
    assert [(post.author, post.text) for post in history] == [(ann.id, sent.text), (answer.author, answer.text)]
    assert model.asked.seen[0]["authorization"] == f"Bearer {KEY}"
    assert_like(model.asked.seen[0]["body"], {"model": "test-model", "stream": True})


async def test_it_streams_as_it_is_written(scene):
    model, ann, room, live = scene
    model.gate.clear()
    await live.say("Who are you?")
    await live.events.expect(lambda event: event.get("type") == "delta" and event["delta"] == "Hello")
    assert [post.author for post in await ann.via("conversations").history(room)] == [ann.id]
    model.gate.set()
    await answered(live, ann)


async def test_posting_does_not_wait_for_the_model(scene):
    model, ann, room, live = scene
    model.gate.clear()
    async with asyncio.timeout(5):
        await ann.via("conversations").post(room, "Take your time")
        await ann.via("conversations").history(room)
    model.gate.set()
    await answered(live, ann)


async def test_the_answer_reaches_the_other_apis(scene):
    model, ann, room, live = scene
    others = [await ann.via(api).live(room) for api in ("platform", "convo", "chatrooms")]
    await ann.via("chatrooms").post(room, "Who are you?")
    (answer,) = await answered(live, ann)
    for other in others:
        assert (await other.expect_post(answer.text)).author == answer.author
        assert [post.text for post in other.posts] == ["Who are you?", answer.text]


async def test_it_is_told_the_conversation_so_far(scene):
    model, ann, room, live = scene
    await live.say("My name is Ann.")
    await answered(live, ann)
    model.say = ["Your name ", "is Ann."]
    await live.say("What is my name?")
    await answered(live, ann, 2)
    told = [(m["role"], m["content"]) for m in model.messages() if m["role"] != "system"]
    assert told == [("user", "My name is Ann."), ("assistant", "Hello, I am the model."), ("user", "What is my name?")]


async def test_what_is_asked_while_it_answers_is_answered_too(scene):
    model, ann, room, live = scene
    model.gate.clear()
    await live.say("Who are you?")
    await live.events.expect(lambda event: event.get("type") == "delta")
    await ann.via("conversations").post(room, "And who am I?")
    model.gate.set()
    await answered(live, ann, 2)
    told = [(m["role"], m["content"]) for m in model.messages() if m["role"] != "system"]
    assert told == [("user", "Who are you?"), ("assistant", "Hello, I am the model."), ("user", "And who am I?")]
    assert len(model.asked.seen) == 2


async def test_who_asks_and_hangs_up_is_answered(scene):
    model, ann, room, live = scene
    for number in range(5):
        other = await ann.via("conversations").live(room)
        await other.say(f"Who are you? {number}")
        await other.events.close()
        await answered(live, ann, number + 1)


async def test_it_is_told_no_more_than_a_budget(scene):
    model, ann, room, live = scene
    model.say = ["Noted."]
    chapters = 30
    for number in range(chapters):
        await live.say(f"Chapter {number}. " + "word " * 1_900)
        await answered(live, ann, number + 1)
    # 3,000 tokens of four bytes; and what a chapter has more than half of them is the newest alone.
    sizes = [
        sum(len(message["content"].encode()) for message in model.messages(n) if message["role"] != "system")
        for n in range(chapters)
    ]
    assert 9_500 < sizes[-1] <= 12_000
    last = [message for message in model.messages() if message["role"] == "user"][-1]
    assert last["content"].startswith(f"Chapter {chapters - 1}.")
    told = [m["content"].split(".")[0] for m in model.messages() if m["role"] == "user"]
    assert told == [f"Chapter {n}" for n in range(chapters - len(told), chapters)], "the newest, without a hole"


async def test_cancel(scene):
    model, ann, room, live = scene
    model.gate.clear()
    await live.say("Tell me everything.")
    await live.events.expect(lambda event: event.get("type") == "delta")
    await live.events.send_json({"type": "cancel"})
    await model.hung_up.expect(lambda _: True, what="that nobody listens any more")
    model.gate.set()
    model.say = ["Ready again."]
    await live.say("Are you there?")
    await live.expect_post("Ready again.")
    assert "I am the model." not in "".join(post.text for post in await ann.via("conversations").history(room))


async def test_what_is_asked_while_the_broken_off_answer_is_stored_is_answered(scene):
    model, ann, room, live = scene
    for number in range(15):
        model.gate.clear()
        model.say = [f"First {number}", " and more."]
        await live.say(f"One {number}?")
        await live.events.expect(lambda event, n=number: event.get("delta") == f"First {n}")
        model.say = [f"Second {number}"]
        await live.events.send_json({"type": "cancel"})
        await live.events.send_json({"message": f"Two {number}?"})
        await live.expect_post(f"Second {number}")
        model.gate.set()


async def test_what_was_read_of_an_answer_is_there_after_a_restart(scene):
    model, ann, room, live = scene
    model.gate.clear()
    await live.say("Tell me everything.")
    await live.events.expect(lambda event: event.get("type") == "delta" and event["delta"] == "Hello")
    world = ann.world
    assert await world.server.stop() == 0
    assert await live.events.closed() == 1012
    # Who read the words hears too that there will be no more, before the connection ends.
    (heard,) = await answered(live, ann)
    await world.server.start()
    asked, answer = await ann.via("conversations").history(room)
    assert asked.author == ann.id and answer.text == heard.text
    assert answer.text.startswith("Hello") and "the server restarts" in answer.text
    model.gate.set()
    again = await ann.via("conversations").live(room)
    await again.say("And now?")
    await again.expect_post("Hello, I am the model.")


async def test_what_waits_for_its_turn_at_a_restart_is_answered_after_it(scene):
    model, ann, room, live = scene
    model.gate.clear()
    # As many as one account may have under way; the last one waits.
    for _ in range(4):
        busy = await ann.via("conversations").live(await ann.via("conversations").create_room(is_ai=True))
        await busy.say("Tell me everything.")
        await busy.events.expect(lambda event: event.get("type") == "delta")
    await live.say("And here?")
    await live.expect_post("And here?")
    assert await ann.world.server.stop() == 0
    await ann.world.server.start()
    model.gate.set()
    async with asyncio.timeout(20):
        while len(history := await ann.via("conversations").history(room)) < 2:
            await asyncio.sleep(0.05)
    assert [post.text for post in history] == ["And here?", "Hello, I am the model."]


async def test_what_was_asked_before_a_crash_is_answered_after_it(scene):
    model, ann, room, live = scene
    model.gate.clear()
    await live.say("Who are you?")
    await live.events.expect(lambda event: event.get("type") == "delta" and event["delta"] == "Hello")
    done = await ann.via("conversations").create_room(is_ai=True)
    model.say = ["Done."]
    other = await ann.via("conversations").live(done)
    await other.say("And here?")
    await other.expect_post("Done.")
    model.say = ["Hello", " again."]
    await ann.world.server.kill()
    await ann.world.server.start()
    again = await ann.via("conversations").live(room)
    model.gate.set()
    await again.expect_post("Hello again.")
    assert [post.text for post in await ann.via("conversations").history(room)] == ["Who are you?", "Hello again."]
    assert [post.text for post in await ann.via("conversations").history(done)] == ["And here?", "Done."]


async def test_who_asks_everywhere_at_once_leaves_others_their_turn(scene):
    model, ann, room, _ = scene
    ben = await ann.world.person("Ben Hall")
    model.gate.clear()
    lives = []
    for _ in range(20):
        room = await ann.via("conversations").create_room(is_ai=True)
        lives.append(await ann.via("conversations").live(room))
        await ann.via("conversations").post(room, "Who are you?")
    await model.asked.until(lambda: len(model.asked.seen) >= 4, what="four questions")
    bens = await ben.via("conversations").live(await ben.via("conversations").create_room(is_ai=True))
    await bens.say("And who am I?")
    await bens.events.expect(lambda event: event.get("type") == "delta")
    assert len(model.asked.seen) == 5
    # Whose turn has not come can still be called off.
    await lives[-1].events.send_json({"type": "cancel"})
    assert (await answered(lives[-1], ann))[0].text == "(no answer)"
    model.gate.set()
    for live in lives:
        await answered(live, ann)
    await answered(bens, ben)
    assert model.peak == 5 and len(model.asked.seen) == 20


@pytest.mark.parametrize("mood", ["fail", "cut", "garbage"])
async def test_when_it_fails_the_conversation_says_so(scene, mood):
    model, ann, room, live = scene
    model.mood = mood
    await live.say("Are you there?")
    (answer,) = await answered(live, ann)
    assert answer.text and answer.text not in ("Hello", "Hello, I am the model.")
    for inside in (KEY, model.url, "127.0.0.1", "reqwest", "hyper", "panick"):
        assert inside not in answer.text
    assert [post.text for post in await ann.via("conversations").history(room)] == ["Are you there?", answer.text]
    model.mood = "answer"
    await live.say("And now?")
    await live.expect_post("Hello, I am the model.")


async def test_an_answer_that_is_cut_says_so(scene):
    model, ann, room, live = scene
    model.finish = "length"
    await live.say("Tell me everything.")
    (cut,) = await answered(live, ann)
    assert cut.text == "Hello, I am the model.\n\n(The answer ends here: the AI service allows no longer answer.)"
    model.finish, model.say = "content_filter", []
    await live.say("Tell me a secret.")
    filtered = (await answered(live, ann, 2))[1]
    assert filtered.text == "I can't answer right now: the content filter of the AI service stepped in."
    model.finish, model.say = "stop", ["Well, "] + ["and so on, " * 100] * 10
    await live.say("And everything else?")
    full = (await answered(live, ann, 3))[2]
    assert len(full.text) == 10_000
    assert full.text.endswith("(The answer ends here: a message holds no more.)")


async def test_the_log_says_why_an_answer_is_not_whole(scene):
    model, ann, room, live = scene
    model.mood = "fail"
    await live.say("Are you there?")
    await answered(live, ann)
    model.mood = "cut"
    await live.say("And now?")
    await answered(live, ann, 2)
    log = ann.world.server.log()
    assert "the AI service refused the request (status 500)" in log and "the AI service broke off its answer" in log
    for secret in (KEY, model.url, "Are you there?"):
        assert secret not in log


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_when_it_never_answers_the_conversation_says_so(scene):
    model, ann, room, live = scene
    model.mood = "stall"
    await live.say("Are you there?")
    await live.expect_post("Are you there?")
    await live.events.until(
        lambda: [p for p in live.posts if p.author != ann.id], within=150, what="an answer of the agent"
    )
    assert len(await ann.via("conversations").history(room)) == 2


async def test_when_it_only_keeps_alive_the_conversation_says_so(serve, model):
    world = await serve(AI_BASE_URL=model.url, AI_TIMEOUT_SECONDS="1")
    ann = await world.person()
    room = await ann.via("conversations").create_room(is_ai=True)
    live = await ann.via("conversations").live(room)
    model.mood = "keep-alive"
    await live.say("Are you there?")
    (answer,) = await answered(live, ann)
    assert answer.text == "Hello\n\n(The answer ends here: the AI service took too long to answer.)"
    model.mood = "answer"
    await live.say("And now?")
    await live.expect_post("Hello, I am the model.")


async def test_without_an_endpoint_the_conversation_says_so(serve):
    world = await serve(AI_BASE_URL="http://127.0.0.1:9/v1")
    ann = await world.person()
    room = await ann.via("conversations").create_room(is_ai=True)
    live = await ann.via("conversations").live(room)
    await live.say("Are you there?")
    (answer,) = await answered(live, ann)
    history = await ann.via("conversations").history(room)
    assert [post.text for post in history] == ["Are you there?", answer.text]


async def test_people_among_themselves_are_not_answered(scene):
    model, ann, _, _ = scene
    ben = await ann.world.person("Ben Hall")
    room = await ann.world.shared_room("conversations", ann, ben)
    bens = await ben.via("conversations").live(room)
    await ann.via("conversations").post(room, "just us")
    await bens.expect_post("just us")
    own = await ann.via("conversations").create_room(is_ai=True)
    live = await ann.via("conversations").live(own)
    await live.say("and you?")
    await answered(live, ann)
    assert len(model.asked.seen) == 1


async def test_a_guest_or_another_person_has_no_part_in_it(scene):
    _, ann, room, _ = scene
    eve = await ann.world.person("Eve Stone")
    await eve.get(f"{CONVERSATIONS}/{room.id}", 404)
    await eve.post("/api/messages/", {"conversation_id": room.id, "message": "hi"}, 404)


async def test_it_is_met_only_where_it_answers(scene):
    """Its id stands in every conversation with it."""
    _, ann, room, live = scene
    ben = await ann.world.person("Ben Hall")
    await ann.via("conversations").post(room, "hi")
    (answer,) = await answered(live, ann)
    for others in ([answer.author], [answer.author, ben.id]):
        refused = await ann.post("/api/conversations", {"is_ai": False, "participant_ids": others}, 422)
        assert "is_ai" in refused["error"]["message"]
