//! Time as the phone sees it: real, or virtual so that waiting costs nothing.
//!
//! Promises: clones of one clock agree; real time is met to a few microseconds, because a microframe is 125.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The last stretch of a real wait is spun: the kernel wakes a sleeper up to about this much late.
const SPIN: Duration = Duration::from_micros(120);

/// A clock that starts at zero.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Real(Instant),
    /// Nanoseconds since the start.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    /// Time as it passes.
    #[must_use]
    pub fn real() -> Self {
        Self(Kind::Real(Instant::now()))
    }

    /// Time that passes only when somebody waits for it.
    #[must_use]
    pub fn virtual_time() -> Self {
        Self(Kind::Virtual(Arc::new(AtomicU64::new(0))))
    }

    /// Time since the clock was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::Real(start) => start.elapsed(),
            Kind::Virtual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// The end of a patience that begins now; `None`: there is no end.
    pub(crate) fn after(&self, patience: Duration) -> Option<Duration> {
        if patience == Duration::MAX { None } else { self.now().checked_add(patience) }
    }

    /// Waits until this time, at once if it has passed.
    pub fn sleep_until(&self, then: Duration) {
        match &self.0 {
            Kind::Virtual(nanos) => {
                nanos.fetch_max(u64::try_from(then.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
            Kind::Real(start) => loop {
                let left = then.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return;
                }
                match left.checked_sub(SPIN) {
                    Some(long) if !long.is_zero() => std::thread::sleep(long),
                    _ => core::hint::spin_loop(),
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_passes_only_when_somebody_waits_and_never_backwards() {
        let clock = Clock::virtual_time();
        let twin = clock.clone();
        clock.sleep_until(Duration::from_secs(3600));
        assert_eq!(twin.now(), Duration::from_secs(3600));
        twin.sleep_until(Duration::from_secs(1));
        assert_eq!(clock.now(), Duration::from_secs(3600));
    }

    #[test]
    fn real_time_never_wakes_early() {
        let clock = Clock::real();
        let then = clock.now() + Duration::from_millis(3);
        clock.sleep_until(then);
        assert!(clock.now() >= then);
    }
}
