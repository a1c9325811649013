// The example server, one process for each test file that asks.
import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const workspace = fileURLToPath(new URL("../../../../", import.meta.url));

function binary() {
  if (process.env.ECHO_BIN) return process.env.ECHO_BIN;
  const build = ["build", "-q", "-p", "convo-socketio", "--example", "echo", "--message-format", "json"];
  const output = execFileSync("cargo", build, { cwd: workspace, encoding: "utf8", maxBuffer: 1 << 28 });
  const messages = output.trim().split("\n").map((line) => JSON.parse(line));
  return messages.find((message) => message.target?.name === "echo" && message.executable).executable;
}

/** Starts a server; `env` has its times in milliseconds. */
export async function start(env = {}) {
  const child = spawn(binary(), { env: { ...process.env, PORT: "0", ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const log = [];
  createInterface(child.stderr).on("line", (line) => log.push(line));
  const [line] = await once(createInterface(child.stdout), "line");
  const ended = once(child, "exit");
  return {
    url: line.replace("listening on ", "http://"),
    /** What the server wrote of sockets that left. */
    log,
    terminate: () => child.kill("SIGTERM"),
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The arguments of the next `event`. */
export function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

/** Waits until `check` gives a truthy value; the test's own timeout is the limit. */
export async function until(check) {
  for (;;) {
    const value = await check();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
