"""The documentation a developer expects: /docs, /redoc, /openapi.json, the Postman collection."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import operations
from harness.shape import JWT, TEXT, assert_like

pytestmark = pytest.mark.one_store


def skeleton(path):
    """A path with its parameters' names taken out."""
    return re.sub(r"\{[^}]*\}|:[a-z_]+|\{\{[^}]*\}\}", "{}", path).rstrip("/") or "/"


@pytest.fixture
async def document(world):
    return await world.ask("GET", "/openapi.json", 200)


async def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()
    assert_like(document["info"], {"title": TEXT, "version": TEXT})


@pytest.mark.parametrize(
    "operation", [o for o in operations.ALL if o.http], ids=lambda o: f"{o.document} {o.method} {o.path}"
)
async def test_every_operation_is_in_the_document(document, operation):
    paths = {skeleton(path): {m.upper() for m in item} for path, item in document["paths"].items()}
    assert operation.method in paths.get(skeleton(operation.path), ())


async def test_operations_are_described(document):
    ids = []
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "delete"}:
            described = item[method]
            ids.append(described.get("operationId"))
            assert described["responses"], (method, path)
            assert described.get("summary") or described.get("description"), (method, path)
    assert len(set(ids)) == len(ids), "an operationId is used twice"


async def test_protected_operations_say_so(document):
    schemes = document["components"]["securitySchemes"]
    assert any(s["type"] == "http" and s["scheme"] == "bearer" for s in schemes.values())
    me = document["paths"]["/api/v1/auth/me"]["get"]
    assert me.get("security") or document.get("security")


JOIN = ("post", "/api/v1/meetings/{meeting_id}/join")
MESSAGE = ("post", "/api/messages")


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (JOIN, {"user_name": "Ann"}),
        (JOIN, {"user_name": "Ann", "passcode": "1234"}),
        (JOIN, {"display_name": "Ann", "video_enabled": True, "audio_enabled": False, "passcode": "1234"}),
        (JOIN, {}),
        (MESSAGE, {"conversation_id": "c", "message": "Hello"}),
        (MESSAGE, {"meeting_id": 1, "content": "Hello"}),
        (MESSAGE, {"conversation_id": "c", "message": "Hello", "meeting_id": 1, "content": "Hello"}),
    ],
)
async def test_a_body_of_either_document_is_valid_where_two_meet(document, operation, body):
    method, path = operation
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    # Its references lead into the document.
    Draft202012Validator({"allOf": [schema], "components": document["components"]}).validate(body)


async def test_a_join_needs_no_body(document):
    described = document["paths"]["/api/v1/meetings/{meeting_id}/join"]["post"]["requestBody"]
    assert not described.get("required", False)


async def test_errors_have_a_shape_and_503_is_one_of_them(document):
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "delete"}:
            described = item[method]
            if described["tags"] == ["documentation"]:
                continue
            assert "503" in described["responses"], (method, path)
            for status, response in described["responses"].items():
                if int(status) >= 400:
                    assert "schema" in response["content"]["application/json"], (method, path, status)


PAGES = ["/docs", "/redoc"]


async def page(world, path):
    answer = await world.http.get(path, follow_redirects=True)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    return answer


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_work(world, path):
    answer = await page(world, path)
    references = re.findall(r"""(?:src|href)=["']([^"'#]+)["']""", answer.text)
    assert any(reference.split("?")[0].endswith(".js") for reference in references), "no script"
    for reference in references:
        if not reference.startswith("data:"):
            assert (await world.http.get(urljoin(str(answer.url), reference))).status_code == 200, reference


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_ask_no_other_host(world, path):
    answer = await page(world, path)
    for reference in re.findall(r"""(?:src|href|action)=["']([^"'#]+)["']|url\(["']?([^"')]+)""", answer.text):
        target = urljoin(str(answer.url), next(filter(None, reference)))
        assert urlsplit(target).scheme == "data" or urlsplit(target).netloc == world.server.address, target
    # Their scripts can't either: the page's policy names no other host.
    policy = answer.headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";") if part.strip())
    assert "default-src" in directives, policy
    for name, sources in directives.items():
        for source in sources.split():
            assert source.startswith("'") or source in ("data:", "blob:"), f"{name} {source}"


@pytest.fixture
async def collection(world):
    return await world.ask("GET", "/docs/postman-collection.json", 200)


def requests_of(item):
    for child in item.get("item", []):
        yield from requests_of(child)
    if "request" in item:
        yield item


def path_of(request):
    url = request["url"]
    if isinstance(url, dict):
        return "/" + "/".join(url["path"])
    return re.sub(r"^\{\{\w+\}\}|^https?://[^/]+", "", url).split("?")[0]


async def test_the_collection_is_postmans_2_1(collection):
    assert_like(
        collection["info"],
        {"name": TEXT, "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
    )
    for item in requests_of(collection):
        assert_like(item, {"name": TEXT, "request": {"method": TEXT}})
        assert "url" in item["request"]


@pytest.mark.parametrize(
    "operation", [o for o in operations.ALL if not o.socket], ids=lambda o: f"{o.document} {o.method} {o.path}"
)
async def test_every_operation_is_in_the_collection(collection, operation):
    found = {(item["request"]["method"], skeleton(path_of(item["request"]))) for item in requests_of(collection)}
    assert (operation.method, skeleton(operation.path)) in found


async def test_the_collection_passes_the_token_on_by_itself(collection):
    logins = [
        item
        for item in requests_of(collection)
        if item["request"]["method"] == "POST" and path_of(item["request"]).endswith("/login")
    ]
    assert len(logins) == 4
    kept = set()
    for login in logins:
        script = "\n".join(
            line for event in login["event"] if event["listen"] == "test" for line in event["script"]["exec"]
        )
        kept |= set(re.findall(r"""(?:collectionVariables|environment|variables)\.set\(["'](\w+)["']""", script))
        # The document's own field is what is kept.
        assert "access_token" in script or "token" in script
    bearer = collection["auth"]
    assert bearer["type"] == "bearer"
    used = {value["value"].strip("{}") for value in bearer["bearer"] if value["key"] == "token"}
    assert used and used <= kept


async def test_the_collections_bodies_are_accepted(world, collection):
    """A registration and a log-in of each API, sent as the collection has them, with its variables filled in."""
    variables = {v["key"]: v["value"] for v in collection.get("variable", [])}
    sent = set()
    for item in requests_of(collection):
        body = item["request"].get("body")
        path = path_of(item["request"])
        if not body or not path.endswith(("/auth/register", "/api/register", "/api/user", "/api/user/")):
            continue
        if item["request"]["method"] != "POST":
            continue
        raw = re.sub(r"\{\{(\w+)\}\}", lambda m: str(variables.get(m[1], "x")), body["raw"])
        raw = re.sub(r'"[^"@]+@[^"]+"', f'"{world.address()}"', raw)
        raw = re.sub(r'"\+\d+"', f'"+1{str(int(world.unique("")[1:], 16))[:10].rjust(10, "7")}"', raw)
        answer = await world.http.post(path, content=raw, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, (path, raw, answer.text)
        sent.add(path.rstrip("/"))
    assert sent == {"/api/v1/auth/register", "/api/register", "/api/auth/register", "/api/user"}


async def test_the_login_answers_hold_what_the_collection_keeps(world):
    ann = await world.person()
    for path in ("/api/login", "/api/auth/login", "/api/user/login"):
        assert_like(
            await world.ask("POST", path, 200, json={"email": ann.email, "password": ann.password}), {"token": JWT}
        )


class Runner:
    """What Postman's collection runner does: the requests in their order, with the variables that the answers fill."""

    def __init__(self, world, collection):
        self.world, self.collection = world, collection
        self.variables = {variable["key"]: variable["value"] for variable in collection["variable"]}

    def filled(self, text):
        return re.sub(r"\{\{(\w+)\}\}", lambda m: str(self.variables.get(m[1], m[0])), text)

    async def send(self, item):
        request = item["request"]
        path = request["url"]["raw"].removeprefix("{{base_url}}")
        for part in request["url"].get("variable", []):
            path = re.sub(rf":{part['key']}(?=/|$|\?)", part["value"], path)
        headers = {h["key"]: self.filled(h["value"]) for h in request["header"] if not h.get("disabled")}
        bearer = request.get("auth", self.collection["auth"])
        if bearer["type"] == "bearer" and (token := self.filled(bearer["bearer"][0]["value"])):
            headers["Authorization"] = f"Bearer {token}"
        body = self.filled(request["body"]["raw"]) if request.get("body") else None
        answer = await self.world.http.request(request["method"], self.filled(path), headers=headers, content=body)
        if answer.is_success and item.get("event"):
            self.keep(item, answer.json())
        return answer

    def keep(self, item, answer):
        script = "\n".join(line for event in item.get("event", []) for line in event["script"]["exec"])
        for name, variable in re.findall(r'answer\.(\w+) != null\) pm\.collectionVariables\.set\("(\w+)"', script):
            if answer.get(name) is not None:
                self.variables[variable] = answer[name]


# Codes come by mail, controls want a second person, and a socket an upgrade.
NOT_ALONE = re.compile(r"verify|/participants/:participant_id/| /ws|GET .*/connect$")
# Two ways to end a meeting stand one after the other.
ENDED = "DELETE /api/v1/meetings/:meeting_id"


async def test_the_collection_works_from_top_to_bottom(serve):
    world = await serve()
    runner = Runner(world, await world.ask("GET", "/docs/postman-collection.json", 200))
    over, failed = False, []
    for item in requests_of(runner.collection):
        path = path_of(item["request"])
        name = f"{item['request']['method']} {path}"
        answer = await runner.send(item)
        over |= path.endswith("/logout")
        if over or NOT_ALONE.search(name) or (name == ENDED and answer.status_code == 400):
            # Nothing of what follows the log-out has a token: a run deletes no account.
            assert not (over and path.endswith(("/profile", "/:id")) and answer.is_success), path
        elif not answer.is_success:
            failed.append((answer.status_code, name, answer.text[:150]))
    assert over and not failed, "\n".join(map(str, failed))
