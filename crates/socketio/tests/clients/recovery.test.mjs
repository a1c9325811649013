// Connection state recovery, as socket.io-client knows it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { once, start, until } from "./server.mjs";

let server;
// However slow the machine is, nobody's time is over.
before(async () => (server = await start({ RECOVERY_WINDOW: "600000" })));
after(() => server.stop());

function connect(t, { url = server.url, ...options } = {}) {
  const socket = io(url, { forceNew: true, reconnectionDelay: 50, randomizationFactor: 0, ...options });
  t.after(() => socket.disconnect());
  return socket;
}

/** Loses the socket, which stays away until `meanwhile` has happened, and has come back then. */
async function awayFor(socket, lose, meanwhile) {
  socket.io.reconnection(false);
  lose(socket);
  await until(() => !socket.connected);
  await meanwhile();
  const back = once(socket, "connect");
  socket.connect();
  await back;
}

const closed = (socket) => socket.io.engine.close();

/** A socket in the room, with all it hears. */
async function listener(t, options) {
  const socket = connect(t, options);
  const heard = [];
  socket.on("said", ({ text }) => heard.push(text));
  await socket.emitWithAck("join");
  return { socket, heard };
}

const losses = {
  "the client closes its transport": closed,
  "the connection breaks": (socket) => {
    const { transport } = socket.io.engine;
    if (transport.name === "websocket") transport.ws._socket.destroy();
    else socket.io.engine.close();
  },
};

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  for (const [loss, lose] of Object.entries(losses)) {
    test(`${transports}: ${loss}`, { timeout: 20_000 }, async (t) => {
      const speaker = connect(t);
      await once(speaker, "connect");
      const { socket, heard } = await listener(t, { transports });
      await until(() => socket.io.engine.transport.name === transports.at(-1));
      const { id } = socket;
      const said = [];
      const say = async (text) => {
        said.push(text);
        await speaker.emitWithAck("say", text);
      };
      for (let round = 0; round < 3; round++) {
        // Some before, some while it is away, some right after; and it is lost in the midst of a burst.
        await say(`${round} before`);
        const burst = Array.from({ length: 20 }, (_, n) => say(`${round} burst ${n}`));
        await until(() => heard.length > 0);
        await awayFor(socket, lose, async () => {
          await Promise.all(burst);
          await say(`${round} away`);
        });
        assert.equal(socket.recovered, true);
        assert.equal(socket.id, id);
        await say(`${round} after`);
        await until(() => heard.length >= said.length);
        assert.deepEqual(heard, said, "no gap, no double");
      }
    });
  }
}

test("a connection that the server takes for alive is replaced", { timeout: 10_000 }, async (t) => {
  const { socket, heard } = await listener(t, { transports: ["websocket"] });
  const { id } = socket;
  await socket.emitWithAck("say", "one");
  await until(() => heard.length === 1);
  // The client forgets the connection, which stays open.
  const { ws } = socket.io.engine.transport;
  t.after(() => ws.terminate());
  for (const event of ["onopen", "onclose", "onmessage", "onerror"]) ws[event] = () => {};
  socket.io.engine._onClose("transport error");
  await once(socket, "connect");
  assert.equal(socket.recovered, true);
  assert.equal(socket.id, id);
  await socket.emitWithAck("say", "two");
  await until(() => heard.length === 2);
  assert.deepEqual(heard, ["one", "two"]);
});

test("who missed much comes back through polling, upgrades, and is answered", { timeout: 15_000 }, async (t) => {
  const speaker = connect(t);
  const { socket, heard } = await listener(t);
  await until(() => socket.io.engine.transport.name === "websocket");
  await awayFor(socket, closed, () =>
    Promise.all(Array.from({ length: 200 }, (_, n) => speaker.emitWithAck("say", `${n}`))),
  );
  assert.equal(socket.recovered, true);
  assert.deepEqual(await socket.timeout(8_000).emitWithAck("join"), { ok: true });
  await until(() => heard.length === 200);
  await until(() => socket.io.engine.transport.name === "websocket");
});

test("a client that has heard nothing yet recovers too", { timeout: 10_000 }, async (t) => {
  const speaker = connect(t);
  const { socket, heard } = await listener(t);
  await awayFor(socket, closed, () => speaker.emitWithAck("say", "first"));
  assert.equal(socket.recovered, true);
  await until(() => heard.length === 1);
});

/** Loses the socket, has `meanwhile` happen, and expects a fresh session. */
async function comesBackFresh(t, socket, meanwhile = () => {}) {
  const { id } = socket;
  await awayFor(socket, closed, meanwhile);
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, id);
}

test("what fell out of the memory is not recovered", { timeout: 10_000 }, async (t) => {
  const speaker = connect(t);
  const { socket, heard } = await listener(t);
  await speaker.emitWithAck("say", "one");
  await until(() => heard.length === 1);
  await comesBackFresh(t, socket, async () => {
    // More than the mailbox holds, so that the application drops them and says so.
    const many = Array.from({ length: 1100 }, (_, n) => speaker.emitWithAck("say", `${n}`));
    await Promise.all(many);
  });
});

test("after a gap nothing older is recovered", { timeout: 10_000 }, async (t) => {
  const { socket, heard } = await listener(t);
  await socket.emitWithAck("say", "one");
  await until(() => heard.length === 1);
  socket.emit("lag");
  assert.equal(await socket.emitWithAck("message-with-ack", "passed"), "passed");
  await comesBackFresh(t, socket);
});

test("the window ends", { timeout: 10_000 }, async (t) => {
  const hasty = await start({ RECOVERY_WINDOW: "100" });
  t.after(() => hasty.stop());
  const { socket } = await listener(t, { url: hasty.url });
  const { id } = socket;
  await awayFor(socket, closed, () => until(() => hasty.log.some((line) => line.startsWith(id))));
  assert.ok(!socket.recovered);
});

test("a revoked token does not recover", { timeout: 10_000 }, async (t) => {
  const { socket } = await listener(t);
  socket.auth = { revoked: true };
  socket.io.engine.close();
  const [error] = await once(socket, "connect_error");
  assert.equal(error.message, "Bad token");
});

test("leaving is for good", { timeout: 10_000 }, async (t) => {
  const { socket } = await listener(t);
  const { id } = socket;
  socket.disconnect();
  socket.connect();
  await once(socket, "connect");
  assert.ok(!socket.recovered);
  assert.notEqual(socket.id, id);
  await until(() => server.log.some((line) => line.startsWith(id) && line.includes("client namespace disconnect")));
});
