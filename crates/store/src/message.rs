//! Messages. A room's messages are found by its number and `seq`, which has no holes: the writer takes the next one in
//! the same transaction.

use crate::{
    codec::Code,
    sql::{Row, values},
    tx::Tx,
};
use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
    id::{MessageId, ParticipantId, RoomId, UserId},
    message::{
        Message, MessageKind,
        store::{MessageStore, Viewer},
    },
    page::{Page, Window},
    user::Party,
};
use uuid::Uuid;

macro_rules! message_columns {
    () => {
        "number, id, seq, sender, sender_guest, sender_number, sender_name, content, kind, recipient, \
         recipient_guest, nonce, created_at"
    };
}

/// Private messages are for their sender and recipient; `?3` is the viewer, `?4` is 1 for the server, which sees all.
macro_rules! visible {
    () => {
        "(recipient IS NULL OR recipient = ?3 OR sender = ?3 OR ?4 = 1)"
    };
}

/// The room as messages know it.
struct Head {
    id: RoomId,
    number: i64,
    seq: i64,
    private: i64,
}

fn message(head: &Head, row: &dyn Row) -> Result<Message> {
    let recipient = row.uuid(9)?.map(|id| Ok(party(id, row.flag(10)?))).transpose()?;
    Ok(Message {
        number: row.req_int(0)?,
        id: MessageId(row.req_uuid(1)?),
        room: head.id,
        room_number: head.number,
        seq: row.req_int(2)?,
        sender: party(row.req_uuid(3)?, row.flag(4)?),
        sender_number: row.req_int(5)?,
        sender_name: row.req_text(6)?,
        content: row.req_text(7)?,
        kind: MessageKind::decode(row.req_int(8)?)?,
        recipient,
        nonce: row.text(11)?,
        created_at: row.time(12)?,
    })
}

fn party(id: Uuid, guest: bool) -> Party {
    if guest { Party::Guest(ParticipantId(id)) } else { Party::User(UserId(id)) }
}

fn is_guest(party: Party) -> bool {
    matches!(party, Party::Guest(_))
}

/// The viewer's id, and whether it sees everything.
fn eyes(viewer: Viewer) -> (Uuid, bool) {
    match viewer {
        Viewer::Party(party) => (party.uuid(), false),
        Viewer::Server => (Uuid::nil(), true),
    }
}

impl Tx<'_> {
    fn head(&mut self, id: RoomId) -> Result<Head> {
        const HEAD: &str = "SELECT number, seq, private_messages FROM rooms WHERE id = ?1";
        let head = self.sql.row(HEAD, values![&id], |row| {
            Ok(Head { id, number: row.req_int(0)?, seq: row.req_int(1)?, private: row.req_int(2)? })
        });
        head?.ok_or_else(|| Error::not_found("Room"))
    }

    /// The last `seq` at or before `time`: times rise with `seq`, so halving finds it.
    fn seq_at(&mut self, head: &Head, time: Timestamp) -> Result<i64> {
        const TIME: &str = "SELECT created_at FROM messages WHERE room = ?1 AND seq = ?2";
        let (mut low, mut high) = (0, head.seq);
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if self.sql.count(TIME, values![head.number, middle])? <= time.0 {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        Ok(low)
    }

    /// How many messages after `seq` the viewer may not see.
    fn hidden(&mut self, head: &Head, viewer: Viewer, seq: i64) -> Result<i64> {
        const HIDDEN: &str = "SELECT COUNT(*) FROM messages WHERE room = ?1 AND seq > ?2 AND recipient IS NOT NULL AND NOT (recipient = ?3 OR sender = ?3)";
        let (id, all) = eyes(viewer);
        if head.private == 0 || all {
            return Ok(0);
        }
        self.sql.count(HIDDEN, values![head.number, seq, &id])
    }
}

impl MessageStore for Tx<'_> {
    fn append(&mut self, m: &mut Message) -> Result<()> {
        // Taking the number locks the room's row: numbers are given in commit order, and a rollback gives them back.
        const NEXT: &str = "UPDATE rooms SET seq = seq + 1, private_messages = private_messages + ?3, last_activity = \
             CASE WHEN last_activity >= ?2 THEN last_activity + 1 ELSE ?2 END WHERE id = ?1";
        const PLACE: &str = "SELECT seq, last_activity, number FROM rooms WHERE id = ?1";
        const ADD: &str = "INSERT INTO messages (id, room, seq, sender, sender_guest, sender_number, sender_name, \
             content, kind, recipient, recipient_guest, nonce, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        self.sql.execute(NEXT, values![&m.room, m.created_at, i64::from(m.recipient.is_some())])?;
        let place = self.sql.row(PLACE, values![&m.room], |row| Ok((row.req_int(0)?, row.time(1)?, row.req_int(2)?)));
        (m.seq, m.created_at, m.room_number) = place?.ok_or_else(|| Error::not_found("Room"))?;
        let (sender, recipient) = (m.sender.uuid(), m.recipient.map(Party::uuid));
        let values = values![
            &m.id,
            m.room_number,
            m.seq,
            &sender,
            is_guest(m.sender),
            m.sender_number,
            &m.sender_name,
            &m.content,
            m.kind.code(),
            recipient.as_ref(),
            m.recipient.map(is_guest),
            m.nonce.as_ref(),
            m.created_at,
        ];
        m.number = self.sql.insert(ADD, values)?;
        Ok(())
    }

    fn by_nonce(&mut self, room: RoomId, sender: Party, nonce: &str) -> Result<Option<Message>> {
        const ONE: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND sender = ?2 AND nonce = ?3 AND nonce IS NOT NULL"
        );
        let head = self.head(room)?;
        self.sql.row(ONE, values![head.number, &sender.uuid(), nonce], |row| message(&head, row))
    }

    fn after(&mut self, room: RoomId, viewer: Viewer, seq: i64, limit: i64) -> Result<Vec<Message>> {
        const AFTER: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND seq > ?2 AND ",
            visible!(),
            " ORDER BY seq LIMIT ?5"
        );
        let head = self.head(room)?;
        let (id, all) = eyes(viewer);
        self.sql.rows(AFTER, values![head.number, seq, &id, i64::from(all), limit], |row| message(&head, row))
    }

    fn latest(&mut self, room: RoomId, viewer: Viewer, before: Option<i64>, limit: i64) -> Result<Vec<Message>> {
        const BEFORE: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND seq < ?2 AND ",
            visible!(),
            " ORDER BY seq DESC LIMIT ?5"
        );
        let head = self.head(room)?;
        let (id, all) = eyes(viewer);
        let values = values![head.number, before.unwrap_or(i64::MAX), &id, i64::from(all), limit];
        let mut rows = self.sql.rows(BEFORE, values, |row| message(&head, row))?;
        rows.reverse();
        Ok(rows)
    }

    fn history(
        &mut self,
        room: RoomId,
        viewer: Viewer,
        since: Option<Timestamp>,
        window: Window,
    ) -> Result<Page<Message>> {
        const PAGE: &str = concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room = ?1 AND seq > ?2 AND ",
            visible!(),
            " ORDER BY seq LIMIT ?5 OFFSET ?6"
        );
        let head = self.head(room)?;
        let floor = match since {
            Some(time) => self.seq_at(&head, time)?,
            None => 0,
        };
        let hidden = self.hidden(&head, viewer, floor)?;
        // Without hidden rows the page's place is plain arithmetic; with them it must be counted off.
        let (after, skip) =
            if hidden == 0 { (floor.saturating_add(window.offset()), 0) } else { (floor, window.offset()) };
        let (id, all) = eyes(viewer);
        let values = values![head.number, after, &id, i64::from(all), window.limit, skip];
        let rows = self.sql.rows(PAGE, values, |row| message(&head, row))?;
        Ok(Page { rows, total: head.seq - floor - hidden, window })
    }
}
