// Engine.IO 4 and Socket.IO 5 by hand, packet for packet: handshake, CONNECT, EVENT, ACK, long polling, binary, errors.
// https://socket.io/docs/v4/engine-io-protocol/ and https://socket.io/docs/v4/socket-io-protocol/
import assert from "node:assert/strict";
import { WebSocket } from "undici";
import { Bell, scene } from "./scene.mjs";

const base = `${scene.url}/socket.io/?EIO=4`;
const polling = `${base}&transport=polling`;
const RECORD_SEPARATOR = "\x1e";

// Handshake by polling.
const handshake = await fetch(polling);
assert.equal(handshake.status, 200);
const opening = await handshake.text();
assert.equal(opening[0], "0");
const session = JSON.parse(opening.slice(1));
assert.equal(typeof session.sid, "string");
assert(session.upgrades.includes("websocket"));
for (const field of ["pingInterval", "pingTimeout", "maxPayload"]) assert(Number.isInteger(session[field]), field);

// What the protocol document asks of bad requests.
for (const [method, query, status] of [
  ["GET", "", 400],
  ["GET", "EIO=4", 400],
  ["GET", "EIO=4&transport=abc", 400],
  ["POST", "EIO=4&transport=polling", 400],
  ["GET", "EIO=4&transport=polling&sid=unknown", 400],
  ["GET", "EIO=3&transport=polling", 400],
]) {
  const answer = await fetch(`${scene.url}/socket.io/?${query}`, { method });
  assert.equal(answer.status, status, `${method} ?${query}`);
}

const here = `${polling}&sid=${session.sid}`;
const push = async (body) => {
  const answer = await fetch(here, { method: "POST", body });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "ok");
};
const pull = async () => {
  const answer = await fetch(here);
  assert.equal(answer.status, 200);
  return (await answer.text()).split(RECORD_SEPARATOR);
};
const pulled = [];
const pullUntil = async (fits) => {
  for (;;) {
    const found = pulled.find(fits);
    if (found) return found;
    pulled.push(...(await pull()));
    if (pulled.includes("2")) {
      pulled.splice(pulled.indexOf("2"), 1);
      await push("3");
    }
  }
};

await push(`40${JSON.stringify({ token: scene.ann.token })}`);
const connect = await pullUntil((packet) => packet.startsWith("40"));
assert.equal(typeof JSON.parse(connect.slice(2)).sid, "string");

// Two packets in one body; the acknowledgement carries the id of its event.
const join = JSON.stringify(["joinRoom", { chatroomId: scene.room }]);
const speak = JSON.stringify(["chatroomMessage", { chatroomId: scene.room, message: "by hand" }]);
await push(`427${join}${RECORD_SEPARATOR}4212${speak}`);
assert.equal(JSON.parse((await pullUntil((p) => p.startsWith("437["))).slice(3))[0].ok, true);
assert.equal(JSON.parse((await pullUntil((p) => p.startsWith("4312["))).slice(4))[0].ok, true);
const heard = JSON.parse((await pullUntil((p) => p.startsWith("42[\"newMessage\""))).slice(2));
assert.equal(heard[1].message, "by hand");

// Upgrade: probe, then upgrade; the next event comes over the WebSocket.
function raw(url) {
  const socket = new WebSocket(url);
  const bell = new Bell();
  const frames = [];
  socket.addEventListener("message", (event) => {
    frames.push(event.data);
    if (event.data === "2") socket.send("3");
    bell.ring();
  });
  const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve({ socket, frames, bell, closed }));
    socket.addEventListener("error", () => reject(new Error("no WebSocket")));
  });
}
const wsBase = `${scene.wsUrl}/socket.io/?EIO=4&transport=websocket`;
const upgraded = await raw(`${wsBase}&sid=${session.sid}`);
upgraded.socket.send("2probe");
await upgraded.bell.until(() => upgraded.frames.includes("3probe"), "3probe");
// The open poll is released with a NOOP.
const released = await pull();
upgraded.socket.send("5");
assert(released.every((packet) => ["6", "2"].includes(packet[0])));
upgraded.socket.send(`4213${speak}`);
await upgraded.bell.until(() => upgraded.frames.some((f) => f.startsWith("4313[")), "the acknowledgement after the upgrade");
upgraded.socket.close();

// WebSocket only: open, CONNECT without a token is a CONNECT_ERROR, with one it is accepted.
const direct = await raw(wsBase);
await direct.bell.until(() => direct.frames.some((f) => f.startsWith("0{")), "open");
direct.socket.send("40");
await direct.bell.until(() => direct.frames.some((f) => f.startsWith("44{\"message\"")), "CONNECT_ERROR");
direct.socket.send(`40${JSON.stringify({ token: scene.ben.token })}`);
await direct.bell.until(() => direct.frames.some((f) => f.startsWith("40{")), "CONNECT");
direct.socket.send(`40/socket.io,${JSON.stringify({ token: scene.ben.token })}`);
await direct.bell.until(() => direct.frames.some((f) => f.startsWith("40/socket.io,{")), "CONNECT to the namespace");
// A binary event: its header, then its attachment. It is refused through its acknowledgement, and nothing breaks.
const withBinary = JSON.stringify(["chatroomMessage", { chatroomId: scene.room, message: { _placeholder: true, num: 0 } }]);
direct.socket.send(`451-8${withBinary}`);
direct.socket.send(new Uint8Array([1, 2, 3]));
const refusal = await direct.bell.until(() => direct.frames.find((f) => f.startsWith("438[")), "the refusal");
assert.equal(JSON.parse(refusal.slice(3))[0].ok, false);
direct.socket.send("41/socket.io,");
direct.socket.send(`429${join}`);
await direct.bell.until(() => direct.frames.some((f) => f.startsWith("439[")), "an event after all this");

// A packet of no known type ends the connection.
direct.socket.send("nonsense");
await direct.closed;
