-- Asked every two seconds: who went for good lately, whoever saw to it.
CREATE INDEX participants_departed ON participants (left_at) WHERE presence >= 3;
