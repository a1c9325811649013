//! Counting wrong guesses (passcodes, verification codes), and codes that were sent, in fixed windows, in memory.
//! These limits hold whatever the request limits are set to.

use crate::{clock::Timestamp, error::Error, limit};
use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash, time::Duration};

/// Counts per key; a key is a caller, a meeting, or both.
pub struct Guesses<K> {
    windows: Mutex<HashMap<K, Window>>,
    length: Duration,
}

struct Window {
    ends: Timestamp,
    wrong: u32,
}

/// Keys at most; above, the oldest windows go. An attacker with that many addresses meets the per-meeting bound first.
const KEYS: usize = 100_000;

impl<K: Hash + Eq + Clone> Default for Guesses<K> {
    fn default() -> Self {
        Self::lasting(limit::GUESS_SECONDS)
    }
}

impl<K: Hash + Eq + Clone> Guesses<K> {
    /// With windows of that many seconds.
    pub fn lasting(seconds: u64) -> Self {
        Self { windows: Mutex::new(HashMap::new()), length: Duration::from_secs(seconds) }
    }

    /// Refuses when `key` has guessed wrong `most` times in the running window.
    pub fn check(&self, key: &K, most: u32, now: Timestamp) -> Result<(), Error> {
        check(&self.windows.lock(), key, most, now)
    }

    pub fn wrong(&self, key: K, now: Timestamp) {
        count(&mut self.windows.lock(), key, now, self.length);
    }

    /// Checks, and counts the guess as wrong until it is known: however many come at once, `most` are let through.
    pub fn take(&self, key: K, most: u32, now: Timestamp) -> Result<(), Error> {
        let mut windows = self.windows.lock();
        check(&windows, &key, most, now)?;
        count(&mut windows, key, now, self.length);
        Ok(())
    }

    /// The guess that was taken at `taken` was not wrong.
    pub fn give_back(&self, key: &K, taken: Timestamp) {
        let mut windows = self.windows.lock();
        // A window that began since has not counted it.
        if let Some(window) = windows.get_mut(key).filter(|window| window.ends <= taken + self.length) {
            window.wrong = window.wrong.saturating_sub(1);
        }
    }
}

fn check<K: Hash + Eq>(windows: &HashMap<K, Window>, key: &K, most: u32, now: Timestamp) -> Result<(), Error> {
    match windows.get(key) {
        Some(window) if window.ends > now && window.wrong >= most => {
            let wait = window.ends.seconds_since(now) as u64 + 1;
            Err(Error::too_many("Too many wrong guesses; try again later", wait))
        }
        _ => Ok(()),
    }
}

fn count<K: Hash + Eq>(windows: &mut HashMap<K, Window>, key: K, now: Timestamp, length: Duration) {
    if windows.len() >= KEYS {
        windows.retain(|_, window| window.ends > now);
    }
    if windows.len() >= KEYS {
        windows.clear();
    }
    let window = windows.entry(key).or_insert(Window { ends: now + length, wrong: 0 });
    if window.ends <= now {
        *window = Window { ends: now + length, wrong: 0 };
    }
    window.wrong += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_ones_close_the_door_for_ten_minutes() {
        let guesses = Guesses::default();
        let start = Timestamp::from_seconds(1_000);
        for _ in 0..10 {
            guesses.check(&"ann", 10, start).unwrap();
            guesses.wrong("ann", start);
        }
        assert_eq!(guesses.check(&"ann", 10, start).unwrap_err().retry_after, Some(601));
        guesses.check(&"bob", 10, start).unwrap();
        guesses.check(&"ann", 10, start + Duration::from_secs(600)).unwrap();
    }

    #[test]
    fn a_guess_that_was_right_leaves_room_for_another() {
        let guesses = Guesses::default();
        let start = Timestamp::from_seconds(1_000);
        for _ in 0..10 {
            guesses.take("ann", 10, start).unwrap();
        }
        assert_eq!(guesses.take("ann", 10, start).unwrap_err().retry_after, Some(601));
        guesses.give_back(&"ann", start);
        guesses.take("ann", 10, start).unwrap();
        guesses.take("ann", 10, start).unwrap_err();

        let next = start + Duration::from_secs(600);
        for _ in 0..10 {
            guesses.take("ann", 10, next).unwrap();
        }
        guesses.give_back(&"ann", start);
        guesses.take("ann", 10, next).unwrap_err();
    }
}
