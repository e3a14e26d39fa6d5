//! The user's wish to stop, as one flag that every wait looks at.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The longest time between two looks at a [`Cancel`].
pub(crate) const SLICE: Duration = Duration::from_millis(100);

/// A flag shared by the Ctrl-C handler and everything that waits. Clones see the same flag.
///
/// Once set it stays set until [`Cancel::clear`]: a job that was stopped is not resumed.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that holds a clone to stop. Safe to call from a signal thread, any number of times.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets waits go on again, for the few words that end a job that was stopped.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for code that knows nothing of this type.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Sleeps until `until`, or less: returns early when the flag is set (at most 100 ms after).
    pub(crate) fn sleep_until(&self, until: Instant) {
        while !self.is_set() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_flag() {
        let first = Cancel::new();
        let second = first.clone();
        assert!(!second.is_set());
        first.set();
        assert!(second.is_set());
        assert!(!Cancel::new().is_set());
    }

    #[test]
    fn a_long_sleep_ends_soon_after_the_flag_is_set() {
        let cancel = Cancel::new();
        let setter = cancel.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            setter.set();
        });
        cancel.sleep_until(start + Duration::from_secs(60));
        assert!(start.elapsed() < Duration::from_secs(5));
        thread.join().unwrap();
    }
}
