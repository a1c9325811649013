//! Tokens that were found good, so that a token's signature is checked once and not with every request.
//!
//! Whether a token is still wanted is asked of the store all the same. Only good tokens are kept, by their hash: who has
//! none fills nothing, and who has very many pushes out others, which are then checked again.

use convo_domain::{clock::Timestamp, ports::Claims};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Tokens of a generation, of which there are two: together about a MiB.
const GENERATION: usize = 4_096;

type Hash = [u8; 32];

/// What a good token says, and until when, in seconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Good {
    pub claims: Claims,
    pub until: i64,
}

#[derive(Default)]
pub(crate) struct Seen(Mutex<Generations>);

/// The tokens in use move on to the young; when those are enough, the old ones are forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<Hash, Good>,
    old: HashMap<Hash, Good>,
}

impl Seen {
    /// What the token says at `now`, by `check` where it was not seen before.
    pub(crate) fn read(&self, token: &str, now: Timestamp, check: impl FnOnce() -> Option<Good>) -> Option<Claims> {
        let hash = Sha256::digest(token.as_bytes()).into();
        let lasts = |good: &Good| good.until > now.seconds();
        let seen = self.0.lock().get(&hash);
        if let Some(good) = seen {
            return lasts(&good).then_some(good.claims);
        }
        let good = check().filter(lasts)?;
        // A refresh token is used once.
        if !matches!(good.claims, Claims::Refresh { .. }) {
            self.0.lock().put(hash, good.clone());
        }
        Some(good.claims)
    }
}

impl Generations {
    fn get(&mut self, hash: &Hash) -> Option<Good> {
        if let Some(good) = self.old.remove(hash) {
            self.put(*hash, good);
        }
        self.young.get(hash).cloned()
    }

    fn put(&mut self, hash: Hash, good: Good) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, good);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convo_domain::{
        id::{LoginId, UserId},
        ports::CallerClaims,
    };
    use std::cell::Cell;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn good() -> Option<Good> {
        let caller = CallerClaims { user: UserId::new(), login: LoginId::new() };
        Some(Good { claims: Claims::Access { caller }, until: 1_010 })
    }

    fn unexpected() -> Option<Good> {
        panic!("it was seen before")
    }

    #[test]
    fn a_good_token_is_checked_once() {
        let seen = Seen::default();
        let first = seen.read("token", at(1_000), good);
        assert!(first.is_some());
        assert_eq!(seen.read("token", at(1_000), unexpected), first);
        assert_eq!(seen.read("token", at(1_010), unexpected), None, "it is over");
    }

    #[test]
    fn a_bad_token_is_checked_each_time() {
        let (seen, checks) = (Seen::default(), Cell::new(0));
        for _ in 0..3 {
            let bad = seen.read("token", at(1_000), || {
                checks.set(checks.get() + 1);
                None
            });
            assert_eq!(bad, None);
        }
        assert_eq!(checks.get(), 3);
        assert_eq!(seen.read("late", at(1_010), good), None);
        let generations = seen.0.lock();
        assert!(generations.young.is_empty() && generations.old.is_empty());
    }

    #[test]
    fn many_tokens_push_out_those_that_nobody_uses() {
        let seen = Seen::default();
        let used = seen.read("used", at(1_000), good);
        seen.read("unused", at(1_000), good);
        for number in 0..3 * GENERATION {
            seen.read(&number.to_string(), at(1_000), good);
            if number % 1_000 == 0 {
                assert_eq!(seen.read("used", at(1_000), unexpected), used);
            }
            let generations = seen.0.lock();
            assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
        }
        assert!(seen.read("used", at(1_000), unexpected).is_some());
        assert_eq!(seen.read("unused", at(1_000), || None), None);
    }
}
