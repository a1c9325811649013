-- One event on its way to one address; outstanding while done_at is null.
CREATE TABLE deliveries (
    number     {{serial}},
    id         TEXT NOT NULL,
    url        TEXT NOT NULL,
    room       TEXT NOT NULL,
    event      TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    done_at    BIGINT,
    error      TEXT
);
CREATE INDEX deliveries_id ON deliveries (id);
-- The news of a room wait for each other: which is the first? Few rows, though the table grows.
CREATE INDEX deliveries_outstanding ON deliveries (url, room, number) WHERE done_at IS NULL;
CREATE INDEX deliveries_done ON deliveries (done_at) WHERE done_at IS NOT NULL;
