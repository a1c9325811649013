// socket.io-client: join, speak, hear, leave; both ways to connect, over the transports that the test names.
import assert from "node:assert/strict";
import { joined, say, scene } from "./scene.mjs";

const ann = await joined(scene.ann);
const ben = await joined(scene.ben);

if (scene.transports.length === 2) {
  // Starts with polling, then upgrades.
  await ann.bell.until(() => ann.socket.io.engine.transport.name === "websocket", "the upgrade").catch(async (error) => {
    const engine = ann.socket.io.engine;
    if (engine.transport.name !== "websocket") await new Promise((r, j) => (engine.once("upgrade", r), setTimeout(() => j(error), 5000)));
  });
} else {
  assert.equal(ann.socket.io.engine.transport.name, scene.transports[0]);
}

await ann.bell.until(() => ann.heard.some(([event, data]) => event === "userJoined" && data.user.id === scene.ben.id), "userJoined");

// Several under way at once keep their order.
const texts = Array.from({ length: 50 }, (_, n) => `message ${n} 👋 äöü`);
const answers = await Promise.all(texts.map((text) => say(ann, text)));
assert(answers.every((answer) => answer.ok === true), JSON.stringify(answers[0]));
await ben.bell.until(() => ben.messages().length >= texts.length, "the messages");
assert.deepEqual(ben.messages(), texts);
await ann.bell.until(() => ann.messages().length >= texts.length, "the sender's own");
assert.deepEqual(ann.messages(), texts);

const [, message] = ben.heard.find(([event]) => event === "newMessage");
assert.equal(message.chatroomId, scene.room);
assert.deepEqual(message.sender, { id: scene.ann.id, name: scene.ann.name });
assert.match(message.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);

// An unknown room: through the acknowledgement when one is asked for, else as an `error` event.
const refused = await ann.socket.timeout(5000).emitWithAck("joinRoom", { chatroomId: "nonsense" });
assert.equal(refused.ok, false);
assert.equal(typeof refused.error, "string");
ann.socket.emit("joinRoom", { chatroomId: "nonsense" });
await ann.bell.until(() => ann.heard.some(([event]) => event === "error"), "an error event");

// Binary where text belongs is an error, and the connection lives on.
const binary = await ann.socket.timeout(5000).emitWithAck("chatroomMessage", { chatroomId: scene.room, message: Buffer.from([1, 2, 3]) });
assert.equal(binary.ok, false);
assert.equal((await say(ann, "still here")).ok, true);

const left = await ben.socket.timeout(5000).emitWithAck("leaveRoom", { chatroomId: scene.room });
assert.equal(left.ok, true);
await ann.bell.until(() => ann.heard.some(([event, data]) => event === "userLeft" && data.user.id === scene.ben.id), "userLeft");

ann.socket.close();
ben.socket.close();
