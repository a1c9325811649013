//! What is drawn by lot: ids, credentials, first numbers.

use rand::RngCore;
#[cfg(debug_assertions)]
use {rand::SeedableRng, rand::rngs::StdRng, std::cell::RefCell};

#[cfg(debug_assertions)]
thread_local!(static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) });

/// From here on this thread draws the same again with the same seed: what is found by chance must be found twice. In release
/// builds it does nothing, or somebody's password could be foretold.
pub fn seed(seed: u64) {
    #[cfg(debug_assertions)]
    SEEDED.set(Some(StdRng::seed_from_u64(seed)));
    #[cfg(not(debug_assertions))]
    let _ = seed;
}

/// Draws from the thread's cryptographic generator, unless it was seeded.
pub(crate) fn draw<T>(draw: impl FnOnce(&mut dyn RngCore) -> T) -> T {
    #[cfg(debug_assertions)]
    return SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(seeded) => draw(seeded),
        None => draw(&mut rand::rng()),
    });
    #[cfg(not(debug_assertions))]
    draw(&mut rand::rng())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_seeded_draws_the_same_again_and_others_do_not() {
        let drawn = || crate::id::participant();
        assert_ne!(drawn(), drawn());
        seed(7);
        let first = [drawn(), drawn()];
        seed(7);
        assert_eq!([drawn(), drawn()], first);
        assert_ne!(first[0], first[1]);
    }
}
