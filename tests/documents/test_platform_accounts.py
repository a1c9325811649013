"""api/platform.md: authentication and users. Every example, every rule."""

import pytest

from harness.shape import BOOL, JWT, TEXT, TIME, UUID, assert_like, assert_names, either
from harness.world import PASSWORD

REGISTER = "/api/v1/auth/register"
LOGIN = "/api/v1/auth/login"
PROFILE = "/api/v1/users/profile"

TOKENS = {"access_token": JWT, "refresh_token": TEXT, "token_type": "bearer", "expires_in": 3600}


def registration(world, **changes):
    body = {
        "first_name": "John",
        "last_name": "Doe",
        "email": world.address("John"),
        "phone_number": phone(world),
        "password": "SecurePassword123",
        "confirm_password": "SecurePassword123",
    } | changes
    return {key: value for key, value in body.items() if value is not None}


def phone(world):
    digits = str(int(world.unique("")[1:], 16))[:10].rjust(10, "7")
    return f"+1{digits}"


def error(code=None):
    return {"detail": TEXT, "error_code": code or TEXT, "timestamp": TIME}


async def test_register(world):
    body = registration(world)
    answer = await world.ask("POST", REGISTER, 201, json=body)
    assert_like(
        answer,
        {
            "id": UUID,
            "email": body["email"],
            "phone_number": body["phone_number"],
            "first_name": "John",
            "last_name": "Doe",
            "display_name": "John Doe",
            "avatar_url": None,
            "email_verified": False,
            "phone_verified": False,
            "is_verified": False,
            "created_at": TIME,
        },
    )
    assert "password" not in answer


async def test_register_as_in_the_curl_example(world):
    body = {
        "first_name": "Test",
        "last_name": "User",
        "email": world.address("test"),
        "password": "TestPass123",
        "confirm_password": "TestPass123",
    }
    answer = await world.ask("POST", REGISTER, 201, json=body)
    assert_like(answer, {"phone_number": None, "display_name": "Test User"})
    login = {"email_or_phone": body["email"], "password": "TestPass123"}
    assert_like(await world.ask("POST", LOGIN, 200, json=login), TOKENS)


@pytest.mark.parametrize("missing", ["email", "phone_number"])
async def test_an_address_of_one_kind_is_enough(world, missing):
    body = registration(world, **{missing: None})
    answer = await world.ask("POST", REGISTER, 201, json=body)
    assert_like(answer, {missing: None})
    name = body.get("email") or body["phone_number"]
    assert_like(await world.ask("POST", LOGIN, 200, json={"email_or_phone": name, "password": PASSWORD}), TOKENS)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("password", {"password": "Short1a", "confirm_password": "Short1a"}),
        ("password", {"password": "nouppercase123", "confirm_password": "nouppercase123"}),
        ("password", {"password": "NOLOWERCASE123", "confirm_password": "NOLOWERCASE123"}),
        ("password", {"password": "NoDigitsHere", "confirm_password": "NoDigitsHere"}),
        ("confirm_password", {"confirm_password": "AnotherPassword123"}),
        ("email", {"email": None, "phone_number": None}),
        ("email", {"email": "no address"}),
        ("first_name", {"first_name": None}),
        ("password", {"password": None, "confirm_password": None}),
        ("first_name", {"first_name": 7}),
    ],
)
async def test_registration_rules(world, field, changes):
    answer = await world.ask("POST", REGISTER, 422, json=registration(world, **changes))
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)


async def test_a_taken_address_is_a_conflict_whatever_its_case(world):
    body = registration(world)
    await world.ask("POST", REGISTER, 201, json=body)
    again = registration(world, email=body["email"].upper())
    assert_like(await world.ask("POST", REGISTER, 409, json=again), error())
    again = registration(world, phone_number=body["phone_number"])
    assert_like(await world.ask("POST", REGISTER, 409, json=again), error())


async def test_login(world):
    body = registration(world)
    await world.ask("POST", REGISTER, 201, json=body)
    for name in (body["email"], body["phone_number"], body["email"].upper()):
        answer = await world.ask("POST", LOGIN, 200, json={"email_or_phone": name, "password": PASSWORD})
        assert_like(answer, TOKENS)


async def test_invalid_credentials_say_nothing_of_the_account(world):
    ann = await world.person()
    wrong = await world.ask("POST", LOGIN, 401, json={"email_or_phone": ann.email, "password": "WrongPassword1"})
    unknown = await world.ask(
        "POST", LOGIN, 401, json={"email_or_phone": world.address(), "password": "WrongPassword1"}
    )
    assert_like(wrong, error())
    assert (wrong["detail"], wrong["error_code"]) == (unknown["detail"], unknown["error_code"])


ME = {
    "id": UUID,
    "first_name": "John",
    "last_name": "Doe",
    "display_name": "John Doe",
    "avatar_url": None,
    "email_verified": BOOL,
    "phone_verified": BOOL,
    "is_verified": BOOL,
    "created_at": TIME,
}


async def test_me(world):
    john = await world.person("John Doe")
    assert_like(await john.get("/api/v1/auth/me"), ME | {"email": john.email, "phone_number": None, "id": john.id})


@pytest.mark.parametrize("path", ["/api/v1/auth/me", PROFILE, "/api/v1/meetings"])
@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Bearer", "Basic YTpi", "Bearer a.b.c"])
async def test_protected_endpoints_need_a_bearer_token(world, path, header):
    headers = {"Authorization": header} if header else None
    answer = await world.ask("GET", path, 401, headers=headers)
    assert_like(answer, error("AUTHENTICATION_REQUIRED"))


async def test_refresh(world):
    john = await world.person("John Doe")
    headers = {"Authorization": f"Bearer {john.refresh_token}"}
    answer = await world.ask("POST", "/api/v1/auth/refresh", 200, headers=headers)
    assert_like(answer, TOKENS)
    assert answer["refresh_token"] != john.refresh_token
    john.token = answer["access_token"]
    assert_like(await john.get("/api/v1/auth/me"), {"id": john.id})


async def test_refresh_takes_the_refresh_token_alone(world):
    john = await world.person("John Doe")
    assert_like(await john.post("/api/v1/auth/refresh", status=401), error())
    headers = {"Authorization": f"Bearer {john.refresh_token}"}
    await world.ask("GET", "/api/v1/auth/me", 401, headers=headers)


async def test_logout(world):
    john = await world.person("John Doe")
    assert_like(await john.post("/api/v1/auth/logout"), {"message": "Logged out successfully"})
    assert_like(await john.get("/api/v1/auth/me", 401), error("AUTHENTICATION_REQUIRED"))


async def test_profile(world):
    john = await world.person("John Doe")
    assert_like(
        await john.get(PROFILE),
        ME
        | {
            "id": john.id,
            "email": john.email,
            "phone_number": None,
            "last_login": either(None, TIME),
            "timezone": TEXT,
            "preferred_language": TEXT,
            "meeting_settings": {
                "default_video_enabled": BOOL,
                "default_audio_enabled": BOOL,
                "auto_join_audio": BOOL,
            },
        },
    )


async def test_last_login_is_the_last_log_in(world):
    john = await world.person("John Doe")
    first = (await john.get(PROFILE))["last_login"]
    assert_like(first, TIME)
    again = await john.on_another_device()
    assert (await again.get(PROFILE))["last_login"] >= first


UPDATE = {
    "first_name": "John",
    "last_name": "Smith",
    "display_name": "John Smith",
    "timezone": "America/New_York",
    "preferred_language": "en",
    "meeting_settings": {
        "default_video_enabled": True,
        "default_audio_enabled": True,
        "auto_join_audio": False,
    },
}


async def test_update_profile(world):
    john = await world.person("John Doe")
    assert_like(
        await john.put(PROFILE, UPDATE),
        {"id": john.id, "first_name": "John", "last_name": "Smith", "display_name": "John Smith", "updated_at": TIME},
    )
    assert_like(await john.get(PROFILE), UPDATE)
    assert_like(await john.get("/api/v1/auth/me"), {"display_name": "John Smith"})


async def test_an_update_leaves_what_it_does_not_name(world):
    john = await world.person("John Doe")
    await john.put(PROFILE, UPDATE)
    await john.put(PROFILE, {"meeting_settings": {"auto_join_audio": True}})
    settings = UPDATE["meeting_settings"] | {"auto_join_audio": True}
    assert_like(await john.get(PROFILE), UPDATE | {"meeting_settings": settings})


async def test_null_clears_the_picture_and_leaves_the_rest(world):
    john = await world.person("John Doe")
    await john.put(PROFILE, UPDATE | {"avatar_url": "https://example.com/john.png"})
    await john.put(PROFILE, {"last_name": "Smith"})
    assert_like(await john.get(PROFILE), {"avatar_url": "https://example.com/john.png"})
    await john.put(PROFILE, dict.fromkeys(UPDATE) | {"avatar_url": None})
    assert_like(await john.get(PROFILE), UPDATE | {"avatar_url": None})


async def test_a_display_name_of_its_own_stays_when_the_others_change(world):
    john = await world.person("John Doe")
    await john.put(PROFILE, {"first_name": "Jon"})
    assert_like(await john.get(PROFILE), {"display_name": "Jon Doe"})
    await john.put(PROFILE, {"display_name": "Johnny"})
    await john.put(PROFILE, {"last_name": "Dough"})
    assert_like(await john.get(PROFILE), {"first_name": "Jon", "last_name": "Dough", "display_name": "Johnny"})


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("display_name", {"display_name": 7}),
        ("auto_join_audio", {"meeting_settings": {"auto_join_audio": "maybe"}}),
    ],
)
async def test_profile_rules(world, field, body):
    john = await world.person("John Doe")
    before = await john.get(PROFILE)
    answer = await john.put(PROFILE, body, 422)
    assert_like(answer, error("VALIDATION_ERROR"))
    assert_names(answer, field)
    assert await john.get(PROFILE) == before
