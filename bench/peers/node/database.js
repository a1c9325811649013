// Storage: SQLite in WAL with synchronous=NORMAL (or what SYNCHRONOUS says), one prepared statement a query.

import Database from "better-sqlite3";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS user (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, hash TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS room (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS member (room TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (room, user)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, room TEXT NOT NULL,
    sender TEXT NOT NULL, sender_name TEXT NOT NULL, content TEXT NOT NULL, created_at TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS message_room ON message (room, number);
`;

/** Opens the database at `path` and answers the queries that the server needs, each prepared once. */
export function openDatabase(path) {
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${process.env.SYNCHRONOUS ?? "NORMAL"}`);
  database.exec(SCHEMA);
  return {
    addUser: database.prepare("INSERT INTO user (id, name, email, hash) VALUES (?, ?, ?, ?)"),
    userByEmail: database.prepare("SELECT id, name, email, hash FROM user WHERE email = ?"),
    addRoom: database.prepare("INSERT INTO room (id, name, created_at) VALUES (?, ?, ?)"),
    room: database.prepare("SELECT id, name, created_at FROM room WHERE id = ?"),
    addMember: database.prepare("INSERT OR IGNORE INTO member (room, user) VALUES (?, ?)"),
    isMember: database.prepare("SELECT 1 FROM member WHERE room = ? AND user = ?").pluck(),
    members: database.prepare("SELECT user.id, user.name FROM member JOIN user ON user.id = member.user WHERE room = ?"),
    addMessage: database.prepare(
      "INSERT INTO message (id, room, sender, sender_name, content, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    // Newest first, as rows of values: half the cost of sorted rows of objects.
    lastMessages: database
      .prepare("SELECT id, sender, sender_name, content, created_at FROM message WHERE room = ? ORDER BY number DESC LIMIT ?")
      .raw(),
  };
}
