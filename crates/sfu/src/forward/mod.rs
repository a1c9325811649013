//! What of a track goes to a subscriber, and how it is rewritten on the way.
