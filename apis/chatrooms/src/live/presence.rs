//! Who is in a room with a socket: a person with two of them comes once and goes once.

use convo_domain::{id::RoomId, user::Party};
use parking_lot::Mutex;
use std::collections::{HashMap, hash_map::Entry};

/// Sockets that joined a room, by whose they are; of all clients of this server.
#[derive(Default)]
pub(crate) struct Presence {
    sockets: Mutex<HashMap<(RoomId, Party), u32>>,
}

impl Presence {
    /// One more socket. `tell` runs if it is the first, and before any other change is told.
    pub(crate) fn came(&self, room: RoomId, party: Party, tell: impl FnOnce()) {
        let mut sockets = self.sockets.lock();
        let count = sockets.entry((room, party)).or_default();
        *count += 1;
        if *count == 1 {
            tell();
        }
    }

    /// One socket less. `tell` runs if it was the last, and before any other change is told.
    pub(crate) fn went(&self, room: RoomId, party: Party, tell: impl FnOnce()) {
        let mut sockets = self.sockets.lock();
        let Entry::Occupied(mut count) = sockets.entry((room, party)) else { return };
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
            tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::id::UserId;
    use std::cell::RefCell;

    #[test]
    fn the_first_comes_and_the_last_goes() {
        let presence = Presence::default();
        let (room, ann, ben) = (RoomId::new(), Party::User(UserId::new()), Party::User(UserId::new()));
        let told = RefCell::new(Vec::new());
        let heard = &told;
        let say = |what: &'static str| move || heard.borrow_mut().push(what);
        presence.came(room, ann, say("ann came"));
        presence.came(room, ann, say("ann came again"));
        presence.came(room, ben, say("ben came"));
        presence.went(room, ann, say("ann went with one"));
        presence.went(RoomId::new(), ann, say("ann was never there"));
        presence.went(room, ann, say("ann went"));
        presence.went(room, ann, say("ann went twice"));
        presence.came(room, ann, say("ann is back"));
        assert_eq!(*told.borrow(), ["ann came", "ben came", "ann went", "ann is back"]);
        assert_eq!(presence.sockets.lock().len(), 2);
    }
}
