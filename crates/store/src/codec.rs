//! Enums as the small integers that the columns hold. A number once given is never given again.

use convo_domain::{
    error::{Error, Result},
    meeting::Presence,
    message::MessageKind,
    room::{MemberStanding, Origin, Role, RoomKind, Status},
    user::{Channel, Standing},
};

pub(crate) trait Code: Sized + Copy {
    fn code(self) -> i64;
    fn decode(code: i64) -> Result<Self>;
}

macro_rules! codes {
    ($($type:ty { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        impl Code for $type {
            fn code(self) -> i64 {
                match self { $(Self::$variant => $code),* }
            }

            fn decode(code: i64) -> Result<Self> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    other => Err(Error::internal(format!("no {} has the code {other}", stringify!($type)))),
                }
            }
        }
    )*};
}

codes! {
    Standing { Active = 0, Deactivated = 1, Deleted = 2, Agent = 3 }
    Channel { Email = 0, Phone = 1 }
    RoomKind { Meeting = 0, Conversation = 1, Chatroom = 2 }
    Origin { Platform = 0, Guest = 1, Convo = 2, Conversations = 3, Chatrooms = 4 }
    Status { Scheduled = 0, Active = 1, Ended = 2, Cancelled = 3 }
    Role { Host = 0, CoHost = 1, Participant = 2 }
    MemberStanding { In = 0, Removed = 1 }
    Presence { Waiting = 0, Joined = 1, Left = 2, Gone = 3, Removed = 4, Denied = 5 }
    MessageKind { Text = 0, Emoji = 1, File = 2, System = 3 }
}
