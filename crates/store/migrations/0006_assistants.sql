-- An agent or a recorder of an operator's: it takes nobody's place.
ALTER TABLE participants ADD COLUMN assists BIGINT NOT NULL DEFAULT 0;
