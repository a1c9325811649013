// What the scripts share: the scene that the test hands over, and a client that remembers what it hears.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

export const scene = JSON.parse(process.argv[2]);

const WITHIN_MS = 10_000;

/** Resolves with the first non-falsy `look()`, looked at again after every event that `ring` is told of. */
export class Bell {
  #waiting = new Set();

  ring() {
    for (const check of [...this.#waiting]) check();
  }

  until(look, what) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = look();
        if (!found) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`not heard within ${WITHIN_MS} ms: ${what}`));
      }, WITHIN_MS);
      this.#waiting.add(check);
      check();
    });
  }
}

/** A Socket.IO client that is connected, or throws the server's connect_error. */
export async function connected(token, options = {}) {
  const { namespace = scene.namespace ?? "", ...rest } = options;
  const socket = io(scene.url + namespace, {
    auth: token === undefined ? {} : { token },
    forceNew: true,
    reconnectionDelay: 50,
    transports: scene.transports ?? ["websocket"],
    ...rest,
  });
  const bell = new Bell();
  const heard = [];
  socket.onAny((event, ...data) => {
    heard.push([event, ...data]);
    bell.ring();
  });
  await new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", (error) => {
      socket.close();
      reject(error);
    });
  });
  return { socket, heard, bell, messages: () => heard.filter(([e]) => e === "newMessage").map(([, m]) => m.message) };
}

export async function joined(who, options) {
  const client = await connected(`Bearer ${who.token}`, options);
  const answer = await client.socket.timeout(WITHIN_MS).emitWithAck("joinRoom", { chatroomId: scene.room });
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return client;
}

export const say = (client, message, more = {}) =>
  client.socket.timeout(WITHIN_MS).emitWithAck("chatroomMessage", { chatroomId: scene.room, message, ...more });

export function post(who, message) {
  return fetch(`${scene.url}/api/message/`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${who.token}` },
    body: JSON.stringify({ chatroom: scene.room, message }),
  }).then(async (answer) => {
    assert.equal(answer.status, 201, await answer.clone().text());
    return answer.json();
  });
}
