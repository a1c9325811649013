"""api/platform.md: meetings. Every example, field, filter, page and status."""

import jwt
import pytest

from harness.shape import (
    CODE,
    COUNT,
    IDENTITY,
    JWT,
    MEETING_ID,
    PARTICIPANT_ID,
    TEXT,
    TIME,
    UUID,
    assert_like,
    assert_names,
    url,
)

MEETINGS = "/api/v1/meetings"

EXAMPLE = {
    "title": "Weekly Team Standup",
    "description": "Weekly team synchronization meeting",
    "scheduled_start_time": "2024-01-20T15:00:00Z",
    "scheduled_end_time": "2024-01-20T16:00:00Z",
    "timezone": "UTC",
    "settings": {
        "waiting_room_enabled": True,
        "require_password": False,
        "allow_join_before_host": False,
        "recording_enabled": True,
        "auto_recording": False,
        "chat_enabled": True,
        "screen_sharing_enabled": True,
        "max_participants": 50,
    },
}


def error(code=None):
    return {"detail": TEXT, "error_code": code or TEXT, "timestamp": TIME}


def path(room, *more):
    return "/".join([f"{MEETINGS}/{room.code}", *more])


async def test_create(world):
    ann = await world.person()
    answer = await ann.post(MEETINGS, EXAMPLE, 201)
    assert_like(
        answer,
        EXAMPLE
        | {
            "id": MEETING_ID,
            "meeting_id": CODE,
            "host_user_id": ann.id,
            "status": "scheduled",
            "passcode": None,
            "created_at": TIME,
        },
    )
    assert_like(answer["join_url"], url(f"/meeting/{answer['meeting_id']}"))


async def test_create_as_in_the_curl_example(world):
    ann = await world.person()
    answer = await ann.post(MEETINGS, {"title": "Test Meeting", "scheduled_start_time": "2024-01-20T15:00:00Z"}, 201)
    assert_like(answer, {"title": "Test Meeting", "status": "scheduled", "scheduled_end_time": None, "timezone": "UTC"})
    assert answer["settings"].keys() >= EXAMPLE["settings"].keys()


async def test_times_with_an_offset_are_shown_in_utc(world):
    ann = await world.person()
    body = EXAMPLE | {"scheduled_start_time": "2024-01-20T16:30:00+01:30"}
    assert_like(await ann.post(MEETINGS, body, 201), {"scheduled_start_time": "2024-01-20T15:00:00Z"})


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("title", {"title": None}),
        ("title", {"title": ""}),
        ("title", {"title": 7}),
        ("scheduled_start_time", {"scheduled_start_time": "tomorrow"}),
        ("scheduled_end_time", {"scheduled_end_time": "2024-01-20T14:00:00Z"}),
        ("max_participants", {"settings": {"max_participants": 0}}),
        ("max_participants", {"settings": {"max_participants": -1}}),
        ("max_participants", {"settings": {"max_participants": "many"}}),
        ("waiting_room_enabled", {"settings": {"waiting_room_enabled": "yes"}}),
    ],
)
async def test_meeting_rules(world, field, changes):
    ann = await world.person()
    body = {key: value for key, value in (EXAMPLE | changes).items() if value is not None}
    answer = await ann.post(MEETINGS, body, 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)
    assert (await ann.get(MEETINGS))["meetings"] == []


async def test_a_meeting_needs_an_account(world):
    assert_like(await world.nobody.post(MEETINGS, EXAMPLE, 401), error("AUTHENTICATION_REQUIRED"))


async def test_get(world):
    ann = await world.person("John Doe")
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    await ann.post(
        f"{MEETINGS}/{meeting['meeting_id']}/join",
        {"display_name": "John Doe", "video_enabled": True, "audio_enabled": True},
    )
    details = await ann.get(f"{MEETINGS}/{meeting['meeting_id']}")
    assert_like(
        details,
        {
            "id": meeting["id"],
            "meeting_id": meeting["meeting_id"],
            "title": "Weekly Team Standup",
            "description": "Weekly team synchronization meeting",
            "host_user_id": ann.id,
            "scheduled_start_time": "2024-01-20T15:00:00Z",
            "scheduled_end_time": "2024-01-20T16:00:00Z",
            "actual_start_time": TIME,
            "actual_end_time": None,
            "timezone": "UTC",
            "status": "active",
            "current_participant_count": 1,
            "join_url": meeting["join_url"],
            "settings": {
                "waiting_room_enabled": True,
                "recording_enabled": True,
                "chat_enabled": True,
                "screen_sharing_enabled": True,
                "max_participants": 50,
            },
            "participants": [
                {
                    "user_id": ann.id,
                    "display_name": "John Doe",
                    "role": "host",
                    "status": "joined",
                    "join_time": TIME,
                    "video_enabled": True,
                    "audio_enabled": True,
                }
            ],
        },
    )


async def test_a_meeting_goes_by_its_code_its_prefixed_id_and_its_uuid(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    for name in (meeting["meeting_id"], meeting["id"], meeting["id"].removeprefix("meeting-")):
        assert_like(await ann.get(f"{MEETINGS}/{name}"), {"id": meeting["id"], "meeting_id": meeting["meeting_id"]})


async def test_before_anybody_joins_a_meeting_has_not_started(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    assert_like(
        await ann.get(f"{MEETINGS}/{meeting['meeting_id']}"),
        {"status": "scheduled", "actual_start_time": None, "current_participant_count": 0, "participants": []},
    )


@pytest.mark.parametrize("name", ["000-000-000", "meeting-01890000-0000-7000-8000-000000000000", "nonsense"])
async def test_an_unknown_meeting(world, name):
    ann = await world.person()
    assert_like(await ann.get(f"{MEETINGS}/{name}", 404), error("MEETING_NOT_FOUND"))
    assert_like(await ann.post(f"{MEETINGS}/{name}/join", {"display_name": "Ann"}, 404), error("MEETING_NOT_FOUND"))
    assert_like(await ann.get(f"{MEETINGS}/{name}/messages", 404), error("MEETING_NOT_FOUND"))


async def test_list(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    assert_like(
        await ann.get(f"{MEETINGS}?page=1&limit=10&status=scheduled"),
        {
            "meetings": [
                {
                    "id": meeting["id"],
                    "meeting_id": meeting["meeting_id"],
                    "title": "Weekly Team Standup",
                    "scheduled_start_time": "2024-01-20T15:00:00Z",
                    "scheduled_end_time": "2024-01-20T16:00:00Z",
                    "status": "scheduled",
                    "participant_count": 0,
                    "max_participants": 50,
                }
            ],
            "pagination": {"page": 1, "limit": 10, "total": 1, "pages": 1, "has_next": False, "has_prev": False},
        },
    )


async def test_pages_of_the_list_newest_first(world):
    ann = await world.person()
    for number in range(5):
        await ann.post(MEETINGS, {"title": f"Meeting {number}"}, 201)
    titles = []
    for page in (1, 2, 3):
        answer = await ann.get(f"{MEETINGS}?page={page}&limit=2")
        titles += [meeting["title"] for meeting in answer["meetings"]]
        assert_like(
            answer["pagination"],
            {"page": page, "limit": 2, "total": 5, "pages": 3, "has_next": page < 3, "has_prev": page > 1},
        )
    assert titles == [f"Meeting {number}" for number in (4, 3, 2, 1, 0)]
    beyond = await ann.get(f"{MEETINGS}?page=9&limit=2")
    assert_like(beyond, {"meetings": [], "pagination": {"page": 9, "has_next": False}})


async def test_the_list_defaults_to_twenty_and_gives_a_hundred_at_most(world):
    ann = await world.person()
    assert_like((await ann.get(MEETINGS))["pagination"], {"page": 1, "limit": 20, "total": 0, "has_next": False})
    assert_like((await ann.get(f"{MEETINGS}?limit=100"))["pagination"], {"limit": 100})
    above = await ann.request("GET", f"{MEETINGS}?limit=101")
    assert above.status_code == 422 or above.json()["pagination"]["limit"] == 100


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "limit=0", "limit=x", "status=unheard", "start_date=soon", "end_date=13"]
)
async def test_rules_of_the_list(world, query):
    ann = await world.person()
    answer = await ann.get(f"{MEETINGS}?{query}", 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, query.split("=")[0])


async def test_the_list_by_status(world):
    ann = await world.person()
    made = {}
    for status in ("scheduled", "active", "ended", "cancelled"):
        made[status] = (await ann.post(MEETINGS, {"title": status}, 201))["meeting_id"]
    await ann.post(f"{MEETINGS}/{made['active']}/join", {"display_name": "Ann"})
    await ann.post(f"{MEETINGS}/{made['ended']}/join", {"display_name": "Ann"})
    await ann.post(f"{MEETINGS}/{made['ended']}/end")
    await ann.delete(f"{MEETINGS}/{made['cancelled']}")
    for status in made:
        answer = await ann.get(f"{MEETINGS}?status={status}")
        assert [(m["title"], m["status"]) for m in answer["meetings"]] == [(status, status)]
        assert answer["pagination"]["total"] == 1


async def test_the_list_by_date(world):
    ann = await world.person()
    for day in (10, 20, 30):
        times = {"scheduled_start_time": f"2024-01-{day}T15:00:00Z", "scheduled_end_time": f"2024-01-{day}T16:00:00Z"}
        await ann.post(MEETINGS, {"title": str(day)} | times, 201)

    async def titles(query):
        return [meeting["title"] for meeting in (await ann.get(f"{MEETINGS}?{query}"))["meetings"]]

    assert await titles("start_date=2024-01-15") == ["30", "20"]
    assert await titles("end_date=2024-01-25") == ["20", "10"]
    assert await titles("start_date=2024-01-15&end_date=2024-01-25") == ["20"]
    # A day is meant whole: what starts on it is in.
    assert await titles("start_date=2024-01-20&end_date=2024-01-20") == ["20"]
    assert await titles("start_date=2024-01-20T14:00:00Z&end_date=2024-01-20T16:00:00Z") == ["20"]


async def test_others_meetings_are_not_listed(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    await ann.post(MEETINGS, EXAMPLE, 201)
    assert (await ben.get(MEETINGS))["meetings"] == []


async def test_update(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    change = {
        "title": "Updated Meeting Title",
        "description": "Updated description",
        "scheduled_start_time": "2024-01-20T16:00:00Z",
        "settings": {"max_participants": 100, "recording_enabled": False},
    }
    # The example moves the start to the old end: the end moves with the request here, so that it stays after.
    change_with_end = change | {"scheduled_end_time": "2024-01-20T17:00:00Z"}
    answer = await ann.put(f"{MEETINGS}/{meeting['meeting_id']}", change_with_end)
    assert_like(
        answer,
        {
            "id": meeting["id"],
            "title": "Updated Meeting Title",
            "description": "Updated description",
            "scheduled_start_time": "2024-01-20T16:00:00Z",
            "updated_at": TIME,
        },
    )
    settings = EXAMPLE["settings"] | {"max_participants": 100, "recording_enabled": False}
    details = await ann.get(f"{MEETINGS}/{meeting['meeting_id']}")
    assert_like(
        details, {"title": "Updated Meeting Title", "scheduled_end_time": "2024-01-20T17:00:00Z", "settings": settings}
    )


async def test_update_word_for_word(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE, 201)
    change = {
        "title": "Updated Meeting Title",
        "description": "Updated description",
        "scheduled_start_time": "2024-01-20T16:00:00Z",
        "settings": {"max_participants": 100, "recording_enabled": False},
    }
    answer = await ann.put(f"{MEETINGS}/{meeting['meeting_id']}", change)
    assert_like(answer, {key: change[key] for key in ("title", "description", "scheduled_start_time")})


OPTIONAL = ["description", "scheduled_start_time", "scheduled_end_time", "timezone", "settings", "passcode"]


async def test_null_is_as_good_as_left_out(world):
    ann = await world.person()
    made = await ann.post(MEETINGS, {"title": "T"} | dict.fromkeys(OPTIONAL), 201)
    plain = await ann.post(MEETINGS, {"title": "T"}, 201)
    assert {field: made[field] for field in OPTIONAL} == {field: plain[field] for field in OPTIONAL}
    settings = {"title": "T", "settings": dict.fromkeys(EXAMPLE["settings"])}
    assert (await ann.post(MEETINGS, settings, 201))["settings"] == plain["settings"]


async def test_null_clears_what_may_be_null_and_leaves_the_rest(world):
    ann = await world.person()
    meeting = await ann.post(MEETINGS, EXAMPLE | {"passcode": "open sesame"}, 201)
    place = f"{MEETINGS}/{meeting['meeting_id']}"
    kept = dict.fromkeys(["title", "timezone", "settings", "passcode"])
    assert_like(await ann.put(place, kept), {field: meeting[field] for field in kept})
    for field in ("scheduled_end_time", "scheduled_start_time", "description"):
        assert_like(await ann.put(place, {field: None}), {field: None})
        assert_like(await ann.get(place), {field: None})
    # What is left out stays.
    await ann.put(place, {"scheduled_end_time": EXAMPLE["scheduled_end_time"]})
    assert_like(await ann.put(place, {"title": "Retro"}), {"scheduled_end_time": EXAMPLE["scheduled_end_time"]})


async def test_only_the_host_updates_and_ends(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    for status, body in ((403, {"title": "Mine"}),):
        assert_like(await ben.put(path(room), body, status), error("INSUFFICIENT_PERMISSIONS"))
    assert_like(await ben.post(path(room, "end"), status=403), error("INSUFFICIENT_PERMISSIONS"))
    # Deleting is an operation of livekit-meetings.md: its errors have a `detail` for certain.
    assert_like(await ben.delete(path(room), 403), {"detail": TEXT})
    assert_like(await ann.get(path(room)), {"title": "Weekly Team Standup", "status": "active"})


async def test_join(world):
    ann = await world.person("John Doe")
    room = await ann.via("platform").create_room()
    answer = await ann.post(
        path(room, "join"),
        {
            "display_name": "John Doe",
            "video_enabled": True,
            "audio_enabled": True,
            "passcode": "optional_meeting_passcode",
        },
    )
    assert_like(
        answer,
        {
            "participant_id": PARTICIPANT_ID,
            "meeting_token": JWT,
            # This server has no TURN, and knows of none; lk/test_ice_servers.py has one that does.
            "webrtc_config": {"iceServers": []},
            "websocket_url": url(f"/ws/meetings/{room.code}", "wss?"),
            # contract.md, "Joining": also these.
            "livekit_url": url("", "wss?"),
            "user_id": ann.id,
            "identity": IDENTITY,
        },
    )
    grants = jwt.decode(answer["meeting_token"], options={"verify_signature": False})
    assert_like(grants, {"sub": answer["identity"], "video": {"roomJoin": True, "room": room.code}})


async def test_the_display_name_of_a_join_is_the_participants(world):
    ann = await world.person("John Doe")
    room = await ann.via("platform").create_room()
    await ann.post(path(room, "join"), {"display_name": "Johnny", "video_enabled": False, "audio_enabled": True})
    details = await ann.get(path(room))
    assert_like(details["participants"], [{"display_name": "Johnny", "video_enabled": False, "audio_enabled": True}])


async def test_leave(world):
    ann = await world.person()
    room = await ann.via("platform").create_room()
    await ann.via("platform").join(room)
    answer = await ann.post(path(room, "leave"))
    assert_like(answer, {"message": "Left meeting successfully", "duration_seconds": COUNT})
    assert_like(await ann.get(path(room)), {"current_participant_count": 0})


async def test_end(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await world.shared_room("platform", ann, ben)
    assert_like(
        await ann.post(path(room, "end")),
        {
            "message": "Meeting ended successfully",
            "ended_at": TIME,
            "total_duration_seconds": COUNT,
            "total_participants": 2,
        },
    )
    assert_like(await ann.get(path(room)), {"status": "ended", "actual_start_time": TIME, "actual_end_time": TIME})
    assert_like(await ben.post(path(room, "join"), {"display_name": "Ben"}, 400), error("MEETING_ENDED"))
    assert_like(await ann.post(path(room, "join"), {"display_name": "Ann"}, 400), error("MEETING_ENDED"))


async def test_a_full_meeting(world):
    ann, ben = await world.person("Ann Lee"), await world.person("Ben Hall")
    room = await ann.via("platform").create_room(max_participants=1)
    await ann.via("platform").join(room)
    assert_like(await ben.post(path(room, "join"), {"display_name": "Ben"}, 403), error("MEETING_FULL"))
    await ann.post(path(room, "leave"))
    assert_like(await ben.post(path(room, "join"), {"display_name": "Ben"}), {"user_id": ben.id})


async def test_ids_are_of_version_seven(world):
    ann = await world.person()
    assert_like(ann.id, UUID)
