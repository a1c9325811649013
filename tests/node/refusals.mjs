// A bad token, and a namespace that is not there, get connect_error.
import assert from "node:assert/strict";
import { connected, scene } from "./scene.mjs";

for (const namespace of ["", "/socket.io"]) {
  for (const transports of [["websocket"], ["polling"]]) {
    for (const token of [undefined, "", "Bearer nonsense", "a.b.c", 7, { token: "x" }]) {
      const error = await connected(token, { namespace, transports }).then(() => undefined, (e) => e);
      assert(error instanceof Error, `${namespace} ${transports} took ${JSON.stringify(token)}`);
    }
  }
}
const error = await connected(scene.ann.token, { namespace: "/elsewhere" }).then(() => undefined, (e) => e);
assert(error instanceof Error, "an unknown namespace was accepted");

// The token of the documents' examples, with and without `Bearer `, and as a header.
for (const namespace of ["", "/socket.io"]) {
  for (const options of [{}, { transports: ["polling"] }]) {
    for (const token of [scene.ann.token, `Bearer ${scene.ann.token}`]) {
      (await connected(token, { namespace, ...options })).socket.close();
    }
    const extraHeaders = { authorization: `Bearer ${scene.ann.token}` };
    (await connected(undefined, { namespace, extraHeaders, ...options })).socket.close();
  }
}
