// Everything but recovery, over each way to connect.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { once, start, until } from "./server.mjs";

let server;
before(async () => (server = await start()));
after(() => server.stop());

const ways = {
  "polling, then WebSocket": { transports: ["polling", "websocket"], ends: "websocket" },
  "WebSocket only": { transports: ["websocket"], ends: "websocket" },
  "polling only": { transports: ["polling"], ends: "polling" },
};

function connect(t, options = {}, path = "") {
  const socket = io(server.url + path, { forceNew: true, reconnection: false, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

for (const [name, { transports, ends }] of Object.entries(ways)) {
  test(name, { timeout: 20_000 }, async (t) => {
    await t.test("connects with its auth payload, and reaches its transport", async (t) => {
      const socket = connect(t, { transports, auth: { token: "123" } });
      const [auth] = await once(socket, "auth");
      assert.deepEqual(auth, { token: "123" });
      assert.ok(socket.connected && socket.id);
      await until(() => socket.io.engine.transport.name === ends);
    });

    await t.test("events and acknowledgements, text and binary, both ways", async (t) => {
      const socket = connect(t, { transports });
      const args = [1, "2 \u{1f600}", { 3: [true, null] }];
      socket.emit("message", ...args);
      assert.deepEqual(await once(socket, "message-back"), args);
      assert.deepEqual(await socket.emitWithAck("message-with-ack", "one"), "one");

      const bytes = Buffer.from([0, 1, 2, 254, 255]);
      socket.emit("message", bytes, { nested: [bytes] });
      const [first, second] = await once(socket, "message-back");
      assert.deepEqual(Buffer.from(first), bytes);
      assert.deepEqual(Buffer.from(second.nested[0]), bytes);
      assert.deepEqual(Buffer.from(await socket.emitWithAck("message-with-ack", bytes)), bytes);

      socket.on("question", (text, answer) => answer(text.toUpperCase(), bytes));
      socket.emit("ask", "why");
      const [answered] = await once(socket, "answered");
      assert.deepEqual(answered, { id: 7, args: ["WHY", { _placeholder: true, num: 0 }], bytes: bytes.length });
    });

    await t.test("two namespaces on one connection", async (t) => {
      const main = connect(t, { transports });
      const other = main.io.socket("/socket.io", { auth: { token: "other" } });
      const [[auth]] = await Promise.all([once(other, "auth"), once(main, "auth")]);
      assert.deepEqual(auth, { token: "other" });
      assert.notEqual(main.id, other.id);
      other.disconnect();
      assert.equal(await main.emitWithAck("message-with-ack", "still here"), "still here");
      other.connect();
      assert.equal(await other.emitWithAck("message-with-ack", "again"), "again");
    });

    await t.test("a namespace with the path's name", async (t) => {
      const socket = connect(t, { transports }, "/socket.io");
      socket.emit("message", "hello");
      assert.deepEqual(await once(socket, "message-back"), ["hello"]);
    });

    await t.test("connect_error, with its data", async (t) => {
      const socket = connect(t, { transports, auth: { token: "bad" } });
      const [error] = await once(socket, "connect_error");
      assert.equal(error.message, "Bad token");
      assert.deepEqual(error.data, { code: "BAD_TOKEN" });
      const [unknown] = await once(connect(t, { transports }, "/unknown"), "connect_error");
      assert.equal(unknown.message, "Invalid namespace");
    });

    await t.test("events start in the order in which they were sent", async (t) => {
      const socket = connect(t, { transports });
      // The first waits longest, so its acknowledgement comes last.
      const tag = `${name} `;
      const done = [];
      const emits = [300, 200, 100, 0].map(async (ms, n) => {
        const noted = await socket.emitWithAck("append", tag + n, ms);
        done.push(n);
        return noted.filter((note) => note.startsWith(tag));
      });
      const noted = await Promise.all(emits);
      for (const [n, notes] of noted.entries()) {
        assert.deepEqual(notes, [0, 1, 2, 3].map((m) => tag + m).slice(0, notes.length));
        assert.ok(notes.length > n);
      }
      assert.deepEqual(done, [3, 2, 1, 0], "they ran at the same time");
    });

    await t.test("no first event is lost, and order holds through an upgrade", async (t) => {
      for (let round = 0; round < 20; round++) {
        const socket = connect(t, { transports });
        const back = [];
        socket.on("message-back", (n) => back.push(n));
        for (let n = 0; n < 50; n++) {
          socket.emit("message", n);
          if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 2));
        }
        await until(() => back.length === 50);
        assert.deepEqual(back, [...Array(50).keys()]);
        socket.disconnect();
      }
    });

    await t.test("a room has one order for all", async (t) => {
      const sockets = [1, 2, 3].map(() => connect(t, { transports }));
      const heard = sockets.map((socket) => {
        const texts = [];
        socket.on("said", ({ text }) => texts.push(text));
        return texts;
      });
      for (const socket of sockets) assert.deepEqual(await socket.emitWithAck("join"), { ok: true });
      for (let n = 0; n < 100; n++) sockets[n % 3].emit("say", `${name} ${n}`);
      await until(() => heard.every((texts) => texts.length === 100));
      assert.deepEqual(heard[1], heard[0]);
      assert.deepEqual(heard[2], heard[0]);
      for (const n of [0, 1, 2]) {
        const own = heard[0].map((text) => Number(text.split(" ").at(-1))).filter((m) => m % 3 === n);
        assert.deepEqual(own, own.toSorted((a, b) => a - b), "each speaker's in the order of speaking");
      }
    });

    await t.test("the server disconnects a socket, not its connection", async (t) => {
      const socket = connect(t, { transports });
      await once(socket, "auth");
      const other = socket.io.socket("/custom");
      await once(other, "auth");
      socket.emit("kick");
      const [reason] = await once(socket, "disconnect");
      assert.equal(reason, "io server disconnect");
      assert.equal(await other.emitWithAck("message-with-ack", "still here"), "still here");
    });

    await t.test("a big message", async (t) => {
      const socket = connect(t, { transports });
      const big = "x".repeat(900_000);
      assert.equal(await socket.emitWithAck("message-with-ack", big), big);
    });
  });
}

test("a message over the limit closes the connection", { timeout: 10_000 }, async (t) => {
  const socket = connect(t, { transports: ["websocket"] });
  await once(socket, "auth");
  socket.emit("message", "x".repeat(1_000_001));
  await once(socket, "disconnect");
});

test("shutting down has clients reconnect", { timeout: 20_000 }, async (t) => {
  for (const transports of [["websocket"], ["polling"]]) {
    const leaving = await start();
    const socket = io(leaving.url, { transports, forceNew: true, reconnectionDelay: 10_000 });
    t.after(() => socket.disconnect());
    await once(socket, "auth");
    leaving.terminate();
    const [reason] = await once(socket, "disconnect");
    // A polling client may be between two requests, and then sees an error instead.
    assert.ok(["transport close", "transport error"].includes(reason), reason);
    assert.ok(socket.active, "it tries again");
    await until(() => leaving.log.some((line) => line.includes("server shutting down")));
    await leaving.stop();
  }
});
