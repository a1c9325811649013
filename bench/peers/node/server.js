// The Node peer: the part of the chatrooms API that the loader uses, written as a good Node team would write it.
// socket.io on the WebSocket transport alone, express, better-sqlite3. Environment: PORT, DATA_DIR, JWT_SECRET.

import { createSecretKey, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";

import { hash, verify } from "@node-rs/argon2";
import express from "express";
import jwt from "jsonwebtoken";
import { Server } from "socket.io";

import { openDatabase } from "./database.js";

// OWASP's second Argon2id setting, the one that Convo uses: 19 MiB, 2 passes, 1 lane. Argon2id is the library's default.
const ARGON2 = { memoryCost: 19456, timeCost: 2, parallelism: 1 };

const { PORT = "3000", DATA_DIR = ".", JWT_SECRET = "only-for-the-benchmark" } = process.env;
// A KeyObject: with a string secret, jsonwebtoken first tries to parse a public key, which costs 0.3 ms a token.
const key = createSecretKey(Buffer.from(JWT_SECRET));
const database = openDatabase(join(DATA_DIR, "peer.sqlite"));

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function tokenFor(user) {
  return jwt.sign({ sub: user.id, name: user.name }, key, { algorithm: "HS256", expiresIn: 3600 });
}

function userOf(token) {
  try {
    const claims = jwt.verify((token ?? "").replace(/^Bearer /, ""), key, { algorithms: ["HS256"] });
    return { id: claims.sub, name: claims.name };
  } catch {
    throw new Refusal(401, "Invalid token");
  }
}

function requireMember(roomId, user) {
  if (!database.isMember.get(roomId, user.id)) throw new Refusal(403, "Not a member of this chatroom");
}

/** Stores the message, then tells the room; the caller's answer follows. */
function post(user, roomId, text) {
  if (typeof text !== "string" || text.length === 0 || text.length > 10_000) throw new Refusal(422, "Invalid message");
  requireMember(roomId, user);
  const row = [randomUUID(), user.id, user.name, text, new Date().toISOString()];
  const [id, ...rest] = row;
  database.addMessage.run(id, roomId, ...rest);
  const message = messageOf(roomId, row);
  io.to(roomId).emit("newMessage", message);
  return message;
}

function messageOf(roomId, [id, sender, name, message, timestamp]) {
  return { id, chatroomId: roomId, sender: { id: sender, name }, message, timestamp };
}

function roomOf(row) {
  return { id: row.id, name: row.name, members: database.members.all(row.id), created_at: row.created_at };
}

const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.use(express.json());

const authenticated = (request, _response, next) => {
  request.user = userOf(request.headers.authorization);
  next();
};

app.get("/healthz", (_request, response) => response.json({ status: "ok" }));

app.post("/api/user/", async (request, response) => {
  const { name, email, password } = request.body;
  const user = { id: randomUUID(), name, email };
  database.addUser.run(user.id, name, email, await hash(password, ARGON2));
  response.status(201).json(user);
});

app.post("/api/user/login", async (request, response) => {
  const { email, password } = request.body;
  const user = database.userByEmail.get(email);
  if (!user || !(await verify(user.hash, password))) throw new Refusal(401, "Invalid credentials");
  const token = tokenFor(user);
  response.json({ token, access_token: token, token_type: "bearer" });
});

app.post("/api/chatroom/", authenticated, (request, response) => {
  const row = { id: randomUUID(), name: request.body.name, created_at: new Date().toISOString() };
  database.addRoom.run(row.id, row.name, row.created_at);
  database.addMember.run(row.id, request.user.id);
  response.status(201).json(roomOf(row));
});

app.post("/api/chatroom/:id/join", authenticated, (request, response) => {
  const row = database.room.get(request.params.id);
  if (!row) throw new Refusal(404, "No such chatroom");
  database.addMember.run(row.id, request.user.id);
  response.json(roomOf(row));
});

app.post("/api/message/", authenticated, (request, response) => {
  const { chatroom, message } = request.body;
  response.status(201).json(post(request.user, chatroom, message));
});

app.get("/api/message/:chatroom", authenticated, (request, response) => {
  const { chatroom } = request.params;
  requireMember(chatroom, request.user);
  const limit = Number(request.query.limit ?? 1000);
  const rows = database.lastMessages.all(chatroom, limit).reverse();
  response.json(rows.map((row) => messageOf(chatroom, row)));
});

app.use((error, _request, response, _next) => {
  response.status(error.status ?? 500).json({ detail: error.message });
});

const server = createServer(app);
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

// socket.io's own advice for memory: the upgrade request is of no use after the handshake.
io.engine.on("connection", (socket) => {
  socket.request = null;
});

io.use((socket, next) => {
  try {
    socket.data.user = userOf(socket.handshake.auth.token);
    next();
  } catch (error) {
    next(error);
  }
});

/** Answers through the acknowledgement, when asked for, as Convo does. */
function answer(acknowledge, act) {
  let result;
  try {
    result = { ok: true, ...act() };
  } catch (error) {
    result = { ok: false, error: error.message };
  }
  acknowledge?.(result);
}

io.on("connection", (socket) => {
  const { user } = socket.data;
  socket.on("joinRoom", ({ chatroomId }, acknowledge) =>
    answer(acknowledge, () => {
      requireMember(chatroomId, user);
      socket.join(chatroomId);
    }),
  );
  socket.on("chatroomMessage", ({ chatroomId, message }, acknowledge) =>
    answer(acknowledge, () => ({ id: post(user, chatroomId, message).id })),
  );
});

server.listen(Number(PORT), "127.0.0.1");
process.once("SIGTERM", () => process.exit(0));
