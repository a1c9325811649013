-- A log-out ends the meeting tokens of those who left, too.
CREATE INDEX participants_left_user ON participants (user_id) WHERE presence = 2;
