"""Schemathesis: requests made up from /openapi.json, good and bad."""

import asyncio
import sys
from pathlib import Path

import pytest

SECONDS = 100
EXAMPLES = 12
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What would end the fuzzer's own session; deleting oneself would too.
LEFT_OUT = r"/(logout|refresh)/?$"


@pytest.mark.one_store
@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_schemathesis(serve, tmp_path):
    world = await serve()
    ann = await world.person()
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{world.server.url}/openapi.json",
        "--checks",
        CHECKS,
        "--header",
        f"Authorization: Bearer {ann.token}",
        "--exclude-path-regex",
        LEFT_OUT,
        "--exclude-method",
        "DELETE",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        str(EXAMPLES),
        "--max-time",
        str(SECONDS),
        "--seed",
        "1",
        "--workers",
        "1",
        "--request-timeout",
        "10",
        "--suppress-health-check",
        "all",
        "--no-color",
        "--continue-on-failure",
        "--generation-database",
        "none",
    ]
    with (tmp_path / "schemathesis.out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, cwd=tmp_path
        )
        try:
            code = await asyncio.wait_for(process.wait(), SECONDS * 2)
        except TimeoutError:
            process.kill()
            await process.wait()
            code = "time-out"
    output = (tmp_path / "schemathesis.out").read_text(errors="replace")
    assert world.server.running, world.server.log()[-3000:]
    assert code == 0, output[-15_000:]
    # The session has lived through it: the requests were not all refused at the door.
    await ann.get("/api/v1/auth/me")
