//! Sizes and counts: every bound that the domain keeps, with its unit and its reason.

/// Characters in one message (contract.md, "Errors").
pub const MESSAGE_CHARS: usize = 10_000;
/// Characters in a name or a title.
pub const NAME_CHARS: usize = 200;
/// Characters in a LiveKit identity, as LiveKit has it.
pub const IDENTITY_CHARS: usize = 256;
/// Characters in a description.
pub const DESCRIPTION_CHARS: usize = 5_000;
/// Bytes of a client's message id or `Idempotency-Key`.
pub const NONCE_BYTES: usize = 255;
/// Bytes of an e-mail address (RFC 5321, 4.5.3.1.3, less the brackets).
pub const EMAIL_BYTES: usize = 254;
/// Bytes of a password: more would only feed the hash function work.
pub const PASSWORD_BYTES: usize = 1_024;
/// Participants of one meeting, at most: one node holds the whole meeting.
pub const MAX_PARTICIPANTS: i64 = 10_000;
/// Participants where nobody said how many; the documents' example.
pub const DEFAULT_PARTICIPANTS: i64 = 50;
/// People in one conversation.
pub const CONVERSATION_PEOPLE: usize = 100;
/// Rows of one page, whatever was asked for.
pub const PAGE: i64 = 100;
/// Seconds that a seat waits for its socket or media (contract.md, "Joining").
pub const SEAT_SECONDS: u64 = 60;
/// Seconds that a seat outlives a connection that broke off without a goodbye.
pub const RECONNECT_SECONDS: u64 = 20;
/// Wrong passcodes of one caller for one meeting, and of everybody for one meeting, in [`GUESS_SECONDS`].
pub const PASSCODE_GUESSES: u32 = 10;
pub const PASSCODE_GUESSES_ALL: u32 = 100;
/// Wrong verification codes of one caller in [`GUESS_SECONDS`].
pub const CODE_GUESSES: u32 = 10;
pub const GUESS_SECONDS: u64 = 600;
/// Verification codes that are sent for one account by mail, and as many by text, in [`DAY_SECONDS`].
pub const CODES_A_DAY: u32 = 10;
pub const DAY_SECONDS: u64 = 24 * 3600;
/// Events that wait for one session before the oldest ephemeral ones are dropped; what one transaction tells to a reader who is
/// in time comes on top.
pub const MAILBOX: usize = 256;
/// Messages read from the store at a time to catch a session up.
pub const CATCH_UP: i64 = 200;
/// Bytes of content that end such a page: it waits in memory for as long as its client takes to read it.
pub const CATCH_UP_BYTES: usize = 256 * 1024;
