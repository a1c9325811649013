// Connection state recovery: what was missed while the connection was cut comes after it, once and in order.
import assert from "node:assert/strict";
import { joined, post, say, scene } from "./scene.mjs";

const ann = await joined(scene.ann);
const ben = await joined(scene.ben);

const first = await say(ann, "before");
assert.equal(first.ok, true);
await ben.bell.until(() => ben.messages().includes("before"), "before");
const id = ben.socket.id;

const again = new Promise((resolve) => ben.socket.once("connect", resolve));
ben.socket.io.engine.close();
for (let n = 0; n < 5; n++) await post(scene.ann, `missed ${n}`);
await again;
assert.equal(ben.socket.recovered, true, "the connection was not recovered");
assert.equal(ben.socket.id, id, "a recovered connection keeps its id");

await post(scene.ann, "after");
await ben.bell.until(() => ben.messages().includes("after"), "after");
assert.deepEqual(ben.messages(), ["before", ...Array.from({ length: 5 }, (_, n) => `missed ${n}`), "after"]);

ann.socket.close();
ben.socket.close();
