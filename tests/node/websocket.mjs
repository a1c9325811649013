// A browser-standard WebSocket (WHATWG), as undici has it: the meeting WebSocket, `/ws/` and the conversation's.
import assert from "node:assert/strict";
import { WebSocket } from "undici";
import { Bell, post, scene } from "./scene.mjs";

function open(url) {
  const socket = new WebSocket(url);
  const bell = new Bell();
  const heard = [];
  socket.addEventListener("message", (event) => {
    assert.equal(typeof event.data, "string");
    heard.push(JSON.parse(event.data));
    bell.ring();
  });
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve({ socket, heard, bell }));
    socket.addEventListener("error", () => reject(new Error(`no connection to ${url}`)));
  });
}

const send = (client, frame) => client.socket.send(JSON.stringify(frame));
const hear = (client, fits, what) => client.bell.until(() => client.heard.find(fits), what);

const meeting = await open(`${scene.wsUrl}/ws/meetings/${scene.room}?token=${scene.ann.token}`);
// A browser can't set headers: the token comes in the query, or first as a frame.
const simple = await open(`${scene.wsUrl}/ws/`);
send(simple, { type: "authenticate", data: { token: scene.ben.token } });
send(simple, { type: "join_meeting", data: { meeting_id: scene.room } });
send(simple, { type: "ping", data: {} });
await hear(simple, (event) => event.type === "pong", "pong");

const answer = await fetch(`${scene.url}/api/conversations/${scene.room}/connect`, {
  method: "POST",
  headers: { authorization: `Bearer ${scene.ben.token}` },
});
const conversation = await open((await answer.json()).websocket_url);

send(meeting, { type: "chat_message", data: { content: "from the meeting" } });
send(conversation, { message: "from the conversation" });
await post(scene.ben, "from the chatroom");
for (const text of ["from the meeting", "from the conversation", "from the chatroom"]) {
  for (const client of [meeting, simple]) {
    await hear(client, (event) => event.type === "chat_message" && event.data.content === text, text);
  }
  await hear(conversation, (event) => event.message === text, text);
}
const order = (client) => client.heard.map((e) => e.data?.content ?? e.message).filter(Boolean);
assert.deepEqual(order(simple), order(meeting));
assert.deepEqual(order(conversation), order(meeting));

const closed = new Promise((resolve) => meeting.socket.addEventListener("close", resolve));
await fetch(`${scene.url}/api/v1/auth/logout`, { method: "POST", headers: { authorization: `Bearer ${scene.ann.token}` } });
await closed;

simple.socket.close();
conversation.socket.close();
