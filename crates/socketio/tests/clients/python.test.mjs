// python-socketio, asyncio and blocking; the assertions are in python_client.py.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { start } from "./server.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

test("python-socketio", { timeout: 60_000 }, async (t) => {
  const server = await start();
  t.after(() => server.stop());
  const python = [here("python_client.py"), server.url];
  const { stdout } = await promisify(execFile)(here(".venv/bin/python"), python, { timeout: 50_000 });
  assert.equal(stdout, "ok\n");
});
