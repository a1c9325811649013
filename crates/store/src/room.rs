//! Rooms, members, participants.

use crate::{
    codec::Code,
    sql::{Row, values},
    tx::Tx,
};
use convo_domain::{
    clock::Timestamp,
    error::Result,
    id::{LoginId, ParticipantId, RoomId, UserId},
    meeting::{Participant, Presence},
    page::{Page, Window},
    room::{
        Member, MemberStanding, Origin, Role, Room, RoomKind, RoomRef, Settings, Status,
        store::{MeetingFilter, Person, RoomStore, Visitor},
    },
    user::Standing,
};
use std::collections::HashMap;

/// All but the number, which the database gives.
macro_rules! room_fields {
    () => {
        "id, kind, origin, code, title, description, host, scheduled_start, scheduled_end, timezone, status, \
         actual_start, actual_end, passcode, locked, waiting_room, require_password, before_host, recording, \
         auto_recording, chat, screen_sharing, max_participants, is_ai, pair, seq, private_messages, created_at, \
         updated_at, last_activity"
    };
}

macro_rules! room_columns {
    () => {
        concat!("number, ", room_fields!())
    };
}

fn room(row: &dyn Row) -> Result<Room> {
    Ok(Room {
        number: row.req_int(0)?,
        id: RoomId(row.req_uuid(1)?),
        kind: RoomKind::decode(row.req_int(2)?)?,
        origin: Origin::decode(row.req_int(3)?)?,
        code: row.req_text(4)?,
        title: row.req_text(5)?,
        description: row.text(6)?,
        host: row.uuid(7)?.map(UserId),
        scheduled_start: row.opt_time(8)?,
        scheduled_end: row.opt_time(9)?,
        timezone: row.req_text(10)?,
        status: Status::decode(row.req_int(11)?)?,
        actual_start: row.opt_time(12)?,
        actual_end: row.opt_time(13)?,
        passcode: row.text(14)?,
        locked: row.flag(15)?,
        settings: Settings {
            waiting_room_enabled: row.flag(16)?,
            // Earlier versions kept a host's own passcode without it.
            require_password: row.flag(17)? || row.text(14)?.is_some(),
            allow_join_before_host: row.flag(18)?,
            recording_enabled: row.flag(19)?,
            auto_recording: row.flag(20)?,
            chat_enabled: row.flag(21)?,
            screen_sharing_enabled: row.flag(22)?,
            max_participants: row.req_int(23)?,
        },
        is_ai: row.flag(24)?,
        pair: row.text(25)?,
        seq: row.req_int(26)?,
        private_messages: row.req_int(27)?,
        created_at: row.time(28)?,
        updated_at: row.time(29)?,
        last_activity: row.time(30)?,
    })
}

macro_rules! participant_columns {
    () => {
        "id, room, user_id, identity, display_name, role, presence, joined_at, left_at, video_enabled, \
         audio_enabled, hand_raised, counted, seat_until, login, assists"
    };
}

fn participant(row: &dyn Row) -> Result<Participant> {
    Ok(Participant {
        id: ParticipantId(row.req_uuid(0)?),
        room: RoomId(row.req_uuid(1)?),
        user: row.uuid(2)?.map(UserId),
        identity: row.req_text(3)?,
        display_name: row.req_text(4)?,
        role: Role::decode(row.req_int(5)?)?,
        presence: Presence::decode(row.req_int(6)?)?,
        joined_at: row.time(7)?,
        left_at: row.opt_time(8)?,
        video_enabled: row.flag(9)?,
        audio_enabled: row.flag(10)?,
        hand_raised: row.opt_time(11)?,
        counted: row.flag(12)?,
        seat_until: row.opt_time(13)?,
        login: row.uuid(14)?.map(LoginId),
        assists: row.flag(15)?,
    })
}

/// How many rooms one statement asks for; the rest of a shorter list is filled with the nil id.
const SEQS: usize = 50;

impl RoomStore for Tx<'_> {
    fn add_room(&mut self, r: &mut Room) -> Result<()> {
        const ADD: &str = concat!(
            "INSERT INTO rooms (",
            room_fields!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
             ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)"
        );
        let s = &r.settings;
        let values = values![
            &r.id,
            r.kind.code(),
            r.origin.code(),
            &r.code,
            &r.title,
            r.description.as_ref(),
            r.host.as_ref(),
            r.scheduled_start,
            r.scheduled_end,
            &r.timezone,
            r.status.code(),
            r.actual_start,
            r.actual_end,
            r.passcode.as_ref(),
            r.locked,
            s.waiting_room_enabled,
            s.require_password,
            s.allow_join_before_host,
            s.recording_enabled,
            s.auto_recording,
            s.chat_enabled,
            s.screen_sharing_enabled,
            s.max_participants,
            r.is_ai,
            r.pair.as_ref(),
            r.seq,
            r.private_messages,
            r.created_at,
            r.updated_at,
            r.last_activity,
        ];
        r.number = self.sql.insert(ADD, values)?;
        Ok(())
    }

    fn room(&mut self, by: &RoomRef) -> Result<Option<Room>> {
        const BY_ID: &str = concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.id = ?1");
        const BY_CODE: &str = concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.code = ?1");
        const BY_NUMBER: &str = concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.number = ?1");
        match by {
            RoomRef::Id(id) => self.sql.row(BY_ID, values![id], room),
            RoomRef::Code(code) => self.sql.row(BY_CODE, values![code], room),
            RoomRef::Number(number) => self.sql.row(BY_NUMBER, values![*number], room),
        }
    }

    fn lock_room(&mut self, id: RoomId) -> Result<Option<Room>> {
        const LOCK: &str = concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.id = ?1 FOR UPDATE");
        if self.sql.locks_rows() {
            return self.sql.row(LOCK, values![&id], room);
        }
        self.room(&RoomRef::Id(id))
    }

    fn room_by_pair(&mut self, pair: &str) -> Result<Option<Room>> {
        self.sql.row(concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.pair = ?1"), values![pair], room)
    }

    fn save_room(&mut self, r: &Room) -> Result<()> {
        const SAVE: &str = "UPDATE rooms SET title = ?2, description = ?3, host = ?4, scheduled_start = ?5, \
             scheduled_end = ?6, timezone = ?7, status = ?8, actual_start = ?9, actual_end = ?10, passcode = ?11, \
             locked = ?12, waiting_room = ?13, require_password = ?14, before_host = ?15, recording = ?16, \
             auto_recording = ?17, chat = ?18, screen_sharing = ?19, max_participants = ?20, updated_at = ?21 \
             WHERE id = ?1";
        let s = &r.settings;
        let values = values![
            &r.id,
            &r.title,
            r.description.as_ref(),
            r.host.as_ref(),
            r.scheduled_start,
            r.scheduled_end,
            &r.timezone,
            r.status.code(),
            r.actual_start,
            r.actual_end,
            r.passcode.as_ref(),
            r.locked,
            s.waiting_room_enabled,
            s.require_password,
            s.allow_join_before_host,
            s.recording_enabled,
            s.auto_recording,
            s.chat_enabled,
            s.screen_sharing_enabled,
            s.max_participants,
            r.updated_at,
        ];
        self.sql.execute(SAVE, values).map(drop)
    }

    fn meetings_of(&mut self, user: UserId, filter: &MeetingFilter, window: Window) -> Result<Page<Room>> {
        macro_rules! mine {
            () => {
                " FROM members m JOIN rooms r ON r.id = m.room WHERE m.user_id = ?1 AND m.standing = 0 \
                 AND r.kind = 0 AND (CAST(?2 AS BIGINT) < 0 OR r.status = ?2) \
                 AND COALESCE(r.scheduled_start, r.created_at) >= ?3 \
                 AND COALESCE(r.scheduled_start, r.created_at) <= ?4"
            };
        }
        const COUNT: &str = concat!("SELECT COUNT(*)", mine!());
        const PAGE: &str = concat!("SELECT ", room_columns!(), mine!(), " ORDER BY r.number DESC LIMIT ?5 OFFSET ?6");
        let status = filter.status.map_or(-1, Code::code);
        let from = filter.from.map_or(i64::MIN, |t| t.0);
        let until = filter.until.map_or(i64::MAX, |t| t.0);
        let total = self.sql.count(COUNT, values![&user, status, from, until])?;
        let values = values![&user, status, from, until, window.limit, window.offset()];
        Ok(Page { rows: self.sql.rows(PAGE, values, room)?, total, window })
    }

    fn rooms_of(&mut self, user: UserId, kind: RoomKind) -> Result<Vec<Room>> {
        const MINE: &str = concat!(
            "SELECT ",
            room_columns!(),
            " FROM members m JOIN rooms r ON r.id = m.room WHERE m.user_id = ?1 AND m.standing = 0 AND r.kind = ?2 \
             ORDER BY r.last_activity DESC, r.number DESC"
        );
        self.sql.rows(MINE, values![&user, kind.code()], room)
    }

    fn chatrooms(&mut self) -> Result<Vec<Room>> {
        const ALL: &str = concat!("SELECT ", room_columns!(), " FROM rooms r WHERE r.kind = ?1 ORDER BY r.number DESC");
        self.sql.rows(ALL, values![RoomKind::Chatroom.code()], room)
    }

    fn seqs(&mut self, rooms: &[RoomId]) -> Result<Vec<(RoomId, i64)>> {
        const SOME: &str = "SELECT id, seq FROM rooms WHERE id IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
             ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, \
             ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50)";
        let nil = RoomId(uuid::Uuid::nil());
        let mut found = Vec::with_capacity(rooms.len());
        for chunk in rooms.chunks(SEQS) {
            let values: Vec<_> = (0..SEQS).map(|i| chunk.get(i).unwrap_or(&nil).into()).collect();
            found.extend(self.sql.rows(SOME, &values, |row| Ok((RoomId(row.req_uuid(0)?), row.req_int(1)?)))?);
        }
        Ok(found)
    }

    fn abandoned(&mut self, quiet_since: Timestamp) -> Result<Vec<RoomId>> {
        const OVER: &str = "SELECT r.id FROM rooms r WHERE r.status = ?1 AND r.scheduled_end < ?2 AND \
             r.last_activity < ?2 AND NOT EXISTS \
             (SELECT 1 FROM participants p WHERE p.room = r.id AND (p.presence <= 1 OR p.left_at >= ?2))";
        self.sql.rows(OVER, values![Status::Active.code(), quiet_since], |row| Ok(RoomId(row.req_uuid(0)?)))
    }

    fn unanswered(&mut self, agent: UserId, since: Timestamp) -> Result<Vec<RoomId>> {
        const ASKED: &str = "SELECT r.id FROM rooms r JOIN messages m ON m.room = r.number AND m.seq = r.seq \
             WHERE r.is_ai = 1 AND r.status IN (?1, ?2) AND m.created_at >= ?3 AND m.sender <> ?4";
        let (scheduled, active) = (Status::Scheduled.code(), Status::Active.code());
        self.sql.rows(ASKED, values![scheduled, active, since, &agent], |row| Ok(RoomId(row.req_uuid(0)?)))
    }

    fn member(&mut self, id: RoomId, user: UserId) -> Result<Option<Member>> {
        const ONE: &str = "SELECT role, standing, since FROM members WHERE room = ?1 AND user_id = ?2 AND standing < 2";
        self.sql.row(ONE, values![&id, &user], |row| {
            Ok(Member {
                room: id,
                user,
                role: Role::decode(row.req_int(0)?)?,
                standing: MemberStanding::decode(row.req_int(1)?)?,
                since: row.time(2)?,
            })
        })
    }

    fn visitor(&mut self, id: RoomId, user: UserId) -> Result<Option<Visitor>> {
        const ONE: &str = "SELECT u.display_name, u.number, u.standing, m.role, m.standing, m.since FROM users u \
             LEFT JOIN members m ON m.room = ?1 AND m.user_id = u.id AND m.standing < 2 WHERE u.id = ?2";
        self.sql.row(ONE, values![&id, &user], |row| {
            let member = match row.int(3)? {
                None => None,
                Some(role) => Some(Member {
                    room: id,
                    user,
                    role: Role::decode(role)?,
                    standing: MemberStanding::decode(row.req_int(4)?)?,
                    since: row.time(5)?,
                }),
            };
            let standing = Standing::decode(row.req_int(2)?)?;
            Ok(Visitor { name: row.req_text(0)?, number: row.req_int(1)?, standing, member })
        })
    }

    fn put_member(&mut self, m: &Member) -> Result<()> {
        const PUT: &str = "INSERT INTO members (room, user_id, role, standing, since) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (room, user_id) DO UPDATE SET role = excluded.role, standing = excluded.standing, \
             since = CASE WHEN members.standing = 2 THEN excluded.since ELSE members.since END";
        let values = values![&m.room, &m.user, m.role.code(), m.standing.code(), m.since];
        self.sql.execute(PUT, values).map(drop)
    }

    /// The row stays, as one that is no member (2): what they wrote here is found by it when their account is deleted.
    fn drop_member(&mut self, id: RoomId, user: UserId) -> Result<()> {
        const LEFT: &str = "UPDATE members SET standing = 2 WHERE room = ?1 AND user_id = ?2";
        self.sql.execute(LEFT, values![&id, &user]).map(drop)
    }

    fn people(&mut self, id: RoomId) -> Result<Vec<Person>> {
        const IN: &str = "SELECT u.id, u.display_name, m.role FROM members m JOIN users u ON u.id = m.user_id \
             WHERE m.room = ?1 AND m.standing = 0 ORDER BY m.since, u.number";
        self.sql.rows(IN, values![&id], |row| {
            Ok(Person { user: UserId(row.req_uuid(0)?), name: row.req_text(1)?, role: Role::decode(row.req_int(2)?)? })
        })
    }

    fn add_participant(&mut self, p: &Participant) -> Result<()> {
        const ADD: &str = concat!(
            "INSERT INTO participants (",
            participant_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        );
        let values = values![
            &p.id,
            &p.room,
            p.user.as_ref(),
            &p.identity,
            &p.display_name,
            p.role.code(),
            p.presence.code(),
            p.joined_at,
            p.left_at,
            p.video_enabled,
            p.audio_enabled,
            p.hand_raised,
            p.counted,
            p.seat_until,
            p.login.as_ref(),
            p.assists,
        ];
        self.sql.execute(ADD, values).map(drop)
    }

    fn participant(&mut self, id: ParticipantId) -> Result<Option<Participant>> {
        const ONE: &str = concat!("SELECT ", participant_columns!(), " FROM participants WHERE id = ?1");
        self.sql.row(ONE, values![&id], participant)
    }

    fn lock_participant(&mut self, id: ParticipantId) -> Result<Option<Participant>> {
        const LOCK: &str = concat!("SELECT ", participant_columns!(), " FROM participants WHERE id = ?1 FOR UPDATE");
        if self.sql.locks_rows() {
            return self.sql.row(LOCK, values![&id], participant);
        }
        self.participant(id)
    }

    fn lock_present(&mut self, id: RoomId) -> Result<()> {
        const LOCK: &str = "SELECT id FROM participants WHERE room = ?1 AND presence <= 1 ORDER BY id FOR UPDATE";
        if self.sql.locks_rows() {
            self.sql.execute(LOCK, values![&id])?;
        }
        Ok(())
    }

    fn lock_devices(&mut self, user: UserId) -> Result<()> {
        // The two halves as the partial indexes have them.
        const LOCK: &str = "SELECT id FROM participants WHERE user_id = ?1 AND (presence <= 1 OR presence = 2) \
             ORDER BY id FOR UPDATE";
        if self.sql.locks_rows() {
            self.sql.execute(LOCK, values![&user])?;
        }
        Ok(())
    }

    fn participant_by_identity(&mut self, id: RoomId, identity: &str) -> Result<Option<Participant>> {
        const ONE: &str =
            concat!("SELECT ", participant_columns!(), " FROM participants WHERE room = ?1 AND identity = ?2");
        self.sql.row(ONE, values![&id, identity], participant)
    }

    fn save_participant(&mut self, p: &Participant) -> Result<()> {
        const SAVE: &str = "UPDATE participants SET display_name = ?2, role = ?3, presence = ?4, joined_at = ?5, \
             left_at = ?6, video_enabled = ?7, audio_enabled = ?8, hand_raised = ?9, counted = ?10, \
             seat_until = ?11, assists = ?12 WHERE id = ?1";
        let values = values![
            &p.id,
            &p.display_name,
            p.role.code(),
            p.presence.code(),
            p.joined_at,
            p.left_at,
            p.video_enabled,
            p.audio_enabled,
            p.hand_raised,
            p.counted,
            p.seat_until,
            p.assists,
        ];
        self.sql.execute(SAVE, values).map(drop)
    }

    fn present(&mut self, id: RoomId) -> Result<Vec<Participant>> {
        const HERE: &str = concat!(
            "SELECT ",
            participant_columns!(),
            " FROM participants WHERE room = ?1 AND presence <= 1 ORDER BY joined_at, id"
        );
        self.sql.rows(HERE, values![&id], participant)
    }

    fn removed(&mut self, id: RoomId) -> Result<Vec<Participant>> {
        const OUT: &str = concat!(
            "SELECT ",
            participant_columns!(),
            " FROM participants WHERE room = ?1 AND user_id IN \
             (SELECT m.user_id FROM members m JOIN users u ON u.id = m.user_id \
              WHERE m.room = ?1 AND m.standing = 1 AND u.standing <> 2) ORDER BY joined_at, id"
        );
        let mut devices = self.sql.rows(OUT, values![&id], participant)?;
        let last: HashMap<_, _> = devices.iter().map(|device| (device.user, device.id)).collect();
        devices.retain(|device| last.get(&device.user) == Some(&device.id));
        Ok(devices)
    }

    fn present_of(&mut self, user: UserId) -> Result<Vec<Participant>> {
        const HERE: &str = concat!(
            "SELECT ",
            participant_columns!(),
            " FROM participants WHERE user_id = ?1 AND presence <= 1 ORDER BY joined_at, id"
        );
        self.sql.rows(HERE, values![&user], participant)
    }

    fn left_of(&mut self, id: RoomId, user: UserId) -> Result<Vec<Participant>> {
        const AWAY: &str = concat!(
            "SELECT ",
            participant_columns!(),
            " FROM participants WHERE user_id = ?1 AND presence = 2 AND room = ?2 ORDER BY joined_at, id"
        );
        self.sql.rows(AWAY, values![&user, &id], participant)
    }

    fn last_of(&mut self, id: RoomId, user: UserId) -> Result<Option<Participant>> {
        const LAST: &str = concat!(
            "SELECT ",
            participant_columns!(),
            " FROM participants WHERE room = ?1 AND user_id = ?2 AND counted = 1 AND left_at IS NOT NULL \
             ORDER BY left_at DESC, joined_at, id LIMIT 1"
        );
        self.sql.row(LAST, values![&id, &user], participant)
    }

    fn departed_since(&mut self, since: Timestamp) -> Result<Vec<(RoomId, ParticipantId, Presence)>> {
        const LATELY: &str = "SELECT room, id, presence FROM participants WHERE left_at >= ?1 AND presence >= 3";
        self.sql.rows(LATELY, values![since], |row| {
            Ok((RoomId(row.req_uuid(0)?), ParticipantId(row.req_uuid(1)?), Presence::decode(row.req_int(2)?)?))
        })
    }

    fn forget_left(&mut self, user: UserId, login: Option<LoginId>) -> Result<()> {
        const ALL: &str = "UPDATE participants SET presence = ?2 WHERE user_id = ?1 AND presence = 2";
        const ONE: &str = "UPDATE participants SET presence = ?2 WHERE user_id = ?1 AND presence = 2 AND login = ?3";
        let gone = Presence::Gone.code();
        match login {
            None => self.sql.execute(ALL, values![&user, gone]).map(drop),
            Some(login) => self.sql.execute(ONE, values![&user, gone, &login]).map(drop),
        }
    }

    fn live_count(&mut self, id: RoomId) -> Result<i64> {
        const LIVE: &str = "SELECT COUNT(*) FROM participants WHERE room = ?1 AND presence <= 1 AND presence = 1 \
             AND counted = 1 AND assists = 0";
        self.sql.count(LIVE, values![&id])
    }

    fn total_participants(&mut self, id: RoomId) -> Result<i64> {
        const EVER: &str = "SELECT COUNT(DISTINCT COALESCE(user_id, id)) FROM participants WHERE room = ?1 \
             AND counted = 1 AND assists = 0";
        self.sql.count(EVER, values![&id])
    }

    fn expired_seats(&mut self, now: Timestamp) -> Result<Vec<(RoomId, ParticipantId)>> {
        const OVER: &str = "SELECT room, id FROM participants WHERE seat_until <= ?1 AND presence <= 1";
        self.sql.rows(OVER, values![now], |row| Ok((RoomId(row.req_uuid(0)?), ParticipantId(row.req_uuid(1)?))))
    }

    fn unseat_all(&mut self, until: Timestamp) -> Result<()> {
        const UNSEAT: &str = "UPDATE participants SET seat_until = ?1 WHERE presence <= 1 AND seat_until IS NULL";
        self.sql.execute(UNSEAT, values![until]).map(drop)
    }
}

// `Presence` is spelled as numbers in the partial indexes above; this holds them to their codes.
const _: () = {
    assert!(Presence::Waiting as i64 == 0 && Presence::Joined as i64 == 1 && Presence::Left as i64 == 2);
    assert!(Presence::Gone as i64 == 3 && Presence::Removed as i64 == 4 && Presence::Denied as i64 == 5);
};
