//! News for programs elsewhere: each is stored before it is sent, and is sent until it was taken.
//!
//! **What one room's news are told in is the order in which they happened**: a later one waits for the earlier.

pub mod act;
pub mod store;

use crate::clock::Timestamp;
use std::time::Duration;

/// One event on its way to one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the order of all.
    pub number: i64,
    /// The event's own id; the same for every address, and on every try.
    pub id: String,
    pub url: String,
    /// News of one room wait for each other.
    pub room: String,
    /// `room_started` and the like.
    pub event: String,
    /// What is sent, as it is.
    pub body: String,
    pub created_at: Timestamp,
    pub attempts: i64,
    /// Not to be tried before.
    pub due_at: Timestamp,
    /// Taken, or given up ([`Delivery::error`]); `None`: outstanding.
    pub done_at: Option<Timestamp>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// An event that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub id: String,
    pub room: String,
    pub event: String,
    pub body: String,
}

/// Tries before a delivery is given up: a day, nearly all of it at [`LONGEST`].
const ATTEMPTS: i64 = 150;
const LONGEST: Duration = Duration::from_secs(600);
/// Deliveries that are done can be looked at, and replayed, this long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Delivery {
    /// After a try that ended so.
    pub fn tried(self, outcome: Result<(), String>, now: Timestamp) -> Self {
        let attempts = self.attempts + 1;
        match outcome {
            Ok(()) => Self { attempts, done_at: Some(now), error: None, ..self },
            Err(error) => {
                let wait = Duration::from_secs(1 << attempts.clamp(0, 10)).min(LONGEST);
                let done_at = (attempts >= ATTEMPTS).then_some(now);
                Self { attempts, due_at: now + wait, done_at, error: Some(error), ..self }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_and_further_apart_and_end() {
        let mut delivery = Delivery {
            number: 1,
            id: "EV_1".into(),
            url: "http://a".into(),
            room: "r".into(),
            event: "room_started".into(),
            body: "{}".into(),
            created_at: Timestamp(0),
            attempts: 0,
            due_at: Timestamp(0),
            done_at: None,
            error: None,
        };
        let mut waits = Vec::new();
        while delivery.done_at.is_none() {
            let now = delivery.due_at;
            delivery = delivery.tried(Err("refused".into()), now);
            waits.push(delivery.due_at.seconds_since(now));
        }
        assert_eq!(waits[..4], [2, 4, 8, 16]);
        assert_eq!((waits.len(), waits.iter().max()), (150, Some(&600)));
        assert!(delivery.due_at.seconds() > 23 * 3600);
        let taken = Delivery { done_at: None, ..delivery }.tried(Ok(()), Timestamp(9));
        assert_eq!((taken.done_at, taken.error), (Some(Timestamp(9)), None));
    }
}
