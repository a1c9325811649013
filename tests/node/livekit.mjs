// LiveKit's server SDK for Node (npm livekit-server-sdk): rooms, data, dispatches, tokens.
import assert from "node:assert/strict";
import { AccessToken, AgentDispatchClient, RoomServiceClient } from "livekit-server-sdk";

const { url, key, secret } = JSON.parse(process.argv[2]);
const rooms = new RoomServiceClient(url, key, secret);

const made = await rooms.createRoom({ name: "hall", emptyTimeout: 60, maxParticipants: 3, metadata: "m" });
assert.equal(made.name, "hall");
assert.equal(made.maxParticipants, 3);
assert.deepEqual((await rooms.listRooms()).map((room) => room.name), ["hall"]);
assert.equal((await rooms.updateRoomMetadata("hall", "n")).metadata, "n");
assert.deepEqual(await rooms.listParticipants("hall"), []);
await rooms.sendData("hall", new TextEncoder().encode("hello"), 0, { topic: "greeting" });
await assert.rejects(rooms.getParticipant("hall", "ann"), { status: 404, code: "not_found" });
await assert.rejects(new RoomServiceClient(url, key, "another secret").listRooms(), { status: 401 });

const dispatches = new AgentDispatchClient(url, key, secret);
const dispatch = await dispatches.createDispatch("hall", "helper", { metadata: "m" });
assert.ok((await dispatches.listDispatch("hall")).some((one) => one.id === dispatch.id));
await dispatches.deleteDispatch(dispatch.id, "hall");

const token = new AccessToken(key, secret, { identity: "ann", name: "Ann", attributes: { a: "b" } });
token.addGrant({ room: "hall", roomJoin: true });
const answer = await fetch(`${url}/rtc/validate?access_token=${await token.toJwt()}`);
assert.equal(await answer.text(), "success");

await rooms.deleteRoom("hall");
assert.deepEqual(await rooms.listRooms(), []);
