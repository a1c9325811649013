-- One text for SQLite and Postgres. {{serial}} is a rowid or an identity column, {{bytes}} a BLOB or BYTEA.
-- Ids are 16 bytes, times are microseconds since 1970 (UTC), yes and no are 1 and 0.
-- `number` is the integer id of convo.md; rows that have one are never deleted, so it is never used again.

CREATE TABLE users (
    number         {{serial}},
    id             {{bytes}} NOT NULL,
    email          TEXT,
    phone          TEXT,
    password       TEXT NOT NULL,
    first_name     TEXT NOT NULL,
    last_name      TEXT NOT NULL,
    display_name   TEXT NOT NULL,
    avatar_url     TEXT,
    email_verified BIGINT NOT NULL,
    phone_verified BIGINT NOT NULL,
    standing       BIGINT NOT NULL,
    admin          BIGINT NOT NULL,
    timezone       TEXT NOT NULL,
    language       TEXT NOT NULL,
    video_enabled  BIGINT NOT NULL,
    audio_enabled  BIGINT NOT NULL,
    auto_join      BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    last_login     BIGINT
);
CREATE UNIQUE INDEX users_id ON users (id);
-- Addresses are stored in lower case: compared without regard to case.
CREATE UNIQUE INDEX users_email ON users (email);
CREATE UNIQUE INDEX users_phone ON users (phone);

CREATE TABLE logins (
    id           {{bytes}} PRIMARY KEY,
    user_id      {{bytes}} NOT NULL,
    refresh_hash {{bytes}} NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    revoked_at   BIGINT
);
CREATE INDEX logins_user ON logins (user_id);
-- Asked every two seconds: which log-ins ended lately, whoever ended them.
CREATE INDEX logins_revoked ON logins (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE verifications (
    channel    BIGINT NOT NULL,
    code_hash  {{bytes}} NOT NULL,
    user_id    {{bytes}} NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (channel, user_id)
);
CREATE UNIQUE INDEX verifications_code ON verifications (channel, code_hash);

CREATE TABLE rooms (
    number           {{serial}},
    id               {{bytes}} NOT NULL,
    kind             BIGINT NOT NULL,
    origin           BIGINT NOT NULL,
    code             TEXT NOT NULL,
    title            TEXT NOT NULL,
    description      TEXT,
    host             {{bytes}},
    scheduled_start  BIGINT,
    scheduled_end    BIGINT,
    timezone         TEXT NOT NULL,
    status           BIGINT NOT NULL,
    actual_start     BIGINT,
    actual_end       BIGINT,
    passcode         TEXT,
    locked           BIGINT NOT NULL,
    waiting_room     BIGINT NOT NULL,
    require_password BIGINT NOT NULL,
    before_host      BIGINT NOT NULL,
    recording        BIGINT NOT NULL,
    auto_recording   BIGINT NOT NULL,
    chat             BIGINT NOT NULL,
    screen_sharing   BIGINT NOT NULL,
    max_participants BIGINT NOT NULL,
    is_ai            BIGINT NOT NULL,
    pair             TEXT,
    seq              BIGINT NOT NULL,
    private_messages BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    last_activity    BIGINT NOT NULL
);
CREATE UNIQUE INDEX rooms_id ON rooms (id);
CREATE UNIQUE INDEX rooms_code ON rooms (code);
-- The same two people share one conversation, also when both ask at once.
CREATE UNIQUE INDEX rooms_pair ON rooms (pair);

CREATE TABLE members (
    room     {{bytes}} NOT NULL,
    user_id  {{bytes}} NOT NULL,
    role     BIGINT NOT NULL,
    standing BIGINT NOT NULL,
    since    BIGINT NOT NULL,
    PRIMARY KEY (room, user_id)
);
CREATE INDEX members_user ON members (user_id, room);

CREATE TABLE participants (
    id            {{bytes}} PRIMARY KEY,
    room          {{bytes}} NOT NULL,
    user_id       {{bytes}},
    identity      TEXT NOT NULL,
    display_name  TEXT NOT NULL,
    role          BIGINT NOT NULL,
    presence      BIGINT NOT NULL,
    joined_at     BIGINT NOT NULL,
    left_at       BIGINT,
    video_enabled BIGINT NOT NULL,
    audio_enabled BIGINT NOT NULL,
    hand_raised   BIGINT,
    counted       BIGINT NOT NULL,
    seat_until    BIGINT
);
CREATE UNIQUE INDEX participants_identity ON participants (room, identity);
-- Those who wait (0) or are there (1): few, though the table grows.
CREATE INDEX participants_present ON participants (room) WHERE presence <= 1;
CREATE INDEX participants_present_user ON participants (user_id) WHERE presence <= 1;
CREATE INDEX participants_seat ON participants (seat_until) WHERE presence <= 1;

CREATE TABLE messages (
    number          {{serial}},
    id              {{bytes}} NOT NULL,
    room            BIGINT NOT NULL,
    seq             BIGINT NOT NULL,
    sender          {{bytes}} NOT NULL,
    sender_guest    BIGINT NOT NULL,
    sender_number   BIGINT NOT NULL,
    sender_name     TEXT NOT NULL,
    content         TEXT NOT NULL,
    kind            BIGINT NOT NULL,
    recipient       {{bytes}},
    recipient_guest BIGINT,
    nonce           TEXT,
    created_at      BIGINT NOT NULL
);
-- The order of a room, its cursor and its resume point.
CREATE UNIQUE INDEX messages_seq ON messages (room, seq);
-- A retry finds what its first try stored.
CREATE UNIQUE INDEX messages_nonce ON messages (room, sender, nonce) WHERE nonce IS NOT NULL;
CREATE INDEX messages_private ON messages (room, seq) WHERE recipient IS NOT NULL;
