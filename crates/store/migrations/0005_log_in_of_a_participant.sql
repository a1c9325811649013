-- By which log-in an account came in, so that what ends the log-in ends its meetings. NULL: a guest, or who came before this.
ALTER TABLE participants ADD COLUMN login {{bytes}};
