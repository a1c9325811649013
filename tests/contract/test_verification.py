"""contract.md, "Authentication": verification by e-mail and by phone."""

import asyncio

import pytest

from harness.mail import SmsGateway, SmtpServer, mail_codes, outbox, parse_mail, phone_code
from harness.shape import TEXT, assert_like
from harness.world import PASSWORD

REGISTER = "/api/v1/auth/register"
LOGIN = "/api/v1/auth/login"
RESEND = "/api/v1/auth/resend-verification"
VERIFY_EMAIL = "/api/v1/auth/verify-email"
VERIFY_PHONE = "/api/v1/auth/verify-phone"
PHONE = "+12025550123"


async def register(world, **address):
    body = {"first_name": "John", "last_name": "Doe", "password": PASSWORD, "confirm_password": PASSWORD}
    return await world.ask("POST", REGISTER, 201, json=body | address)


def new_phone(world):
    return "+1" + str(int(world.unique("")[1:], 16))[:10].rjust(10, "7")


async def texted_code(world, phone):
    """The code of the newest text to the phone."""
    content = await outbox(world.server.data, "sms", phone)
    return phone_code(content.replace("\r\n", "\n").split("\n\n", 1)[1])


def texts_to(world, phone):
    return [path for path in (world.server.data / "outbox").glob("[!.]*.sms") if phone in path.read_text()]


def credentials(name):
    return {"email_or_phone": name, "password": PASSWORD}


async def verify_email(world, codes):
    """Enters the mail's code: one of the long words in it."""
    for code in codes:
        assert len(code) >= 16
        answer = await world.nobody.request("POST", VERIFY_EMAIL, json={"verification_code": code})
        if answer.status_code == 200:
            assert_like(answer.json(), {"message": "Email verified successfully"})
            return code
    raise AssertionError(f"no code in the mail works: {codes}")


@pytest.fixture
async def smtp():
    server = SmtpServer()
    yield server
    server.stop()


@pytest.fixture
async def gateway():
    server = SmsGateway()
    yield server
    server.stop()


async def test_by_mail_from_the_outbox(world):
    ann = await world.person()
    content = await outbox(world.server.data, "eml", ann.email)
    message = parse_mail(content)
    for header in ("From", "To", "Date", "Message-ID", "Subject"):
        assert message[header], header
    assert ann.email in message["To"]
    await verify_email(world, mail_codes(message))
    assert_like(
        await ann.get("/api/v1/auth/me"), {"email_verified": True, "phone_verified": False, "is_verified": True}
    )


async def test_a_mail_code_works_once(world):
    ann = await world.person()
    code = await verify_email(world, mail_codes(parse_mail(await outbox(world.server.data, "eml", ann.email))))
    again = await world.nobody.request("POST", VERIFY_EMAIL, json={"verification_code": code})
    assert again.status_code in (400, 401, 404, 422)


async def test_by_text_from_the_outbox(world):
    phone = new_phone(world)
    await register(world, phone_number=phone)
    content = await outbox(world.server.data, "sms", phone)
    head, _, text = content.replace("\r\n", "\n").partition("\n\n")
    assert head == f"To: {phone}"
    answer = await world.ask("POST", VERIFY_PHONE, 200, json={"verification_code": phone_code(text)})
    assert_like(answer, {"message": "Phone number verified successfully"})
    tokens = await world.ask("POST", LOGIN, 200, json=credentials(phone))
    me = await world.ask("GET", "/api/v1/auth/me", 200, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert_like(me, {"email_verified": False, "phone_verified": True, "is_verified": True})


@pytest.mark.parametrize("path", [VERIFY_EMAIL, VERIFY_PHONE])
async def test_wrong_codes(world, path):
    for code in ("000000", "abc123def456ghi789"):
        answer = await world.nobody.request("POST", path, json={"verification_code": code})
        assert 400 <= answer.status_code < 500
        assert_like(answer.json(), {"detail": TEXT, "error_code": TEXT})
    answer = await world.ask("POST", path, 422, json={})
    assert "verification_code" in str(answer)


async def test_required_without_a_transport(serve):
    world = await serve(REQUIRE_VERIFICATION="true")
    email = world.address("John")
    await register(world, email=email)
    refused = await world.ask("POST", LOGIN, 401, json=credentials(email))
    assert "verified" in refused["detail"].lower()
    for path in ("/api/login", "/api/auth/login", "/api/user/login"):
        await world.ask("POST", path, 401, json={"email": email, "password": PASSWORD})
    # Who does not know the password does not learn that there is an account.
    wrong = await world.ask("POST", LOGIN, 401, json=credentials(email) | {"password": "Wrong12345"})
    unknown = await world.ask("POST", LOGIN, 401, json=credentials(world.address()) | {"password": "Wrong12345"})
    assert wrong["detail"] == unknown["detail"] != refused["detail"]
    await verify_email(world, mail_codes(parse_mail(await outbox(world.server.data, "eml", email))))
    await world.ask("POST", LOGIN, 200, json=credentials(email))


async def test_by_smtp(serve, smtp):
    world = await serve(SMTP_URL=smtp.url)
    email = world.address("John")
    await register(world, email=email)
    await world.ask("POST", LOGIN, 401, json=credentials(email))
    message = await smtp.mail_to(email)
    assert email in message["To"] and message["Subject"] and message["From"]
    await verify_email(world, mail_codes(message))
    await world.ask("POST", LOGIN, 200, json=credentials(email))
    # No mail transport helps a phone: that account does not wait.
    await register(world, phone_number=PHONE)
    await world.ask("POST", LOGIN, 200, json=credentials(PHONE))


async def test_by_the_sms_gateway(serve, gateway):
    world = await serve(SMS_URL=gateway.url)
    await register(world, phone_number=PHONE)
    await world.ask("POST", LOGIN, 401, json=credentials(PHONE))
    sms = await gateway.sms_to(PHONE)
    assert sms.path.split("?")[0] == "/2010-04-01/Accounts/AC123/Messages.json"
    assert sms.authorization == f"{gateway.USER}:{gateway.PASSWORD}"
    assert sms.form.keys() == {"To", "From", "Body"}
    assert sms.form["From"] == gateway.FROM
    await world.ask("POST", VERIFY_PHONE, 200, json={"verification_code": phone_code(sms.form["Body"])})
    await world.ask("POST", LOGIN, 200, json=credentials(PHONE))
    email = world.address("John")
    await register(world, email=email)
    await world.ask("POST", LOGIN, 200, json=credentials(email))


async def test_guesses_of_a_phone_code_are_limited(serve):
    world = await serve(REQUIRE_VERIFICATION="true")
    await register(world, phone_number=PHONE)
    right = await texted_code(world, PHONE)
    statuses = []
    for number in range(120):
        wrong = f"{number:06}"
        if wrong != right:
            answer = await world.nobody.request("POST", VERIFY_PHONE, json={"verification_code": wrong})
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                break
    assert statuses[-1] == 429, "120 guesses were free"
    await world.ask("POST", VERIFY_PHONE, 429, json={"verification_code": right})


async def test_a_phone_code_is_bound_to_the_caller(world):
    """With a token along, another person's code is no code."""
    phone = new_phone(world)
    await register(world, phone_number=phone)
    code = await texted_code(world, phone)
    eve = await world.person("Eve Stone")
    answer = await eve.request("POST", VERIFY_PHONE, json={"verification_code": code})
    assert 400 <= answer.status_code < 500
    await world.ask("POST", VERIFY_PHONE, 200, json={"verification_code": code})


async def test_an_unreachable_mail_server_does_not_hold_up_registration(serve):
    world = await serve(SMTP_URL="smtp://127.0.0.1:9")
    await register(world, email=world.address("John"))


async def test_who_asks_again_at_once_is_sent_nothing(world):
    """Else anybody could flood an address, and each code would make the one before worthless."""
    phone, other = new_phone(world), new_phone(world)
    await register(world, phone_number=phone)
    first = await texted_code(world, phone)
    asks = [world.ask("POST", RESEND, 200, json={"email_or_phone": phone}) for _ in range(8)]
    for answer in await asyncio.gather(*asks):
        assert_like(answer, {"message": TEXT})
    await register(world, phone_number=other)
    await texted_code(world, other)
    await world.ask("POST", VERIFY_PHONE, 200, json={"verification_code": first})
    assert len(texts_to(world, phone)) == 1


async def test_a_new_email_gets_its_code_at_once_and_the_phone_none(world):
    email, phone = world.address("John"), new_phone(world)
    await register(world, email=email, phone_number=phone)
    first = await texted_code(world, phone)
    john = await world.log_in("platform", "John Doe", email)
    for _ in range(2):
        email = world.address("John")
        await john.put(f"/api/user/{john.id}", {"email": email})
        mail = parse_mail(await outbox(world.server.data, "eml", email))
    await verify_email(world, mail_codes(mail))
    await world.ask("POST", VERIFY_PHONE, 200, json={"verification_code": first})
    assert len(texts_to(world, phone)) == 1
