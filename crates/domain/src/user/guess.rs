//! Counting wrong guesses (passcodes, verification codes), in fixed windows, in memory.
//! These limits hold whatever the request limits are set to.

use crate::{clock::Timestamp, error::Error, limit};
use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash, time::Duration};

/// Counts per key; a key is a caller, a meeting, or both.
pub struct Guesses<K> {
    windows: Mutex<HashMap<K, Window>>,
}

struct Window {
    ends: Timestamp,
    wrong: u32,
}

/// Keys at most; above, the oldest windows go. An attacker with that many addresses meets the per-meeting bound first.
const KEYS: usize = 100_000;

impl<K: Hash + Eq + Clone> Default for Guesses<K> {
    fn default() -> Self {
        Self { windows: Mutex::new(HashMap::new()) }
    }
}

impl<K: Hash + Eq + Clone> Guesses<K> {
    /// Refuses when `key` has guessed wrong `most` times in the running window.
    pub fn check(&self, key: &K, most: u32, now: Timestamp) -> Result<(), Error> {
        let windows = self.windows.lock();
        match windows.get(key) {
            Some(window) if window.ends > now && window.wrong >= most => {
                let wait = window.ends.seconds_since(now) as u64 + 1;
                Err(Error::too_many("Too many wrong guesses; try again later", wait))
            }
            _ => Ok(()),
        }
    }

    pub fn wrong(&self, key: K, now: Timestamp) {
        let mut windows = self.windows.lock();
        if windows.len() >= KEYS {
            windows.retain(|_, window| window.ends > now);
        }
        if windows.len() >= KEYS {
            windows.clear();
        }
        let fresh = Window { ends: now + Duration::from_secs(limit::GUESS_SECONDS), wrong: 0 };
        let window = windows.entry(key).or_insert(fresh);
        if window.ends <= now {
            *window = Window { ends: now + Duration::from_secs(limit::GUESS_SECONDS), wrong: 0 };
        }
        window.wrong += 1;
    }
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
}
