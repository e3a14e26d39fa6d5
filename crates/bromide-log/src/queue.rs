//! The queue between the conversation and the thread that writes.
//!
//! The conversation may never wait long for a disk: there is room for [`MOST`] bytes, then patience once, then what
//! does not fit is dropped and counted. The writer looks by itself every [`TICK`], so that handing something over is
//! a push and seldom a wake-up.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bromide_capture::{Bytes, Entry, What};
use serde_json::Value;

/// Bytes that may wait.
const MOST: usize = 16 << 20;
/// Bytes at which the writer is woken.
const WAKE: usize = 256 << 10;
/// How long things wait at most before they are written.
const TICK: Duration = Duration::from_millis(200);
/// What an item costs besides its bytes.
const ITEM: usize = 96;
/// How long the end of a program waits for a disk that does not answer.
const END: Duration = Duration::from_secs(10);

/// Something to write.
#[derive(Debug)]
pub(crate) enum Item {
    /// Into `session.pcapng`.
    Entry(Entry),
    /// Into `session.jsonl`.
    Line(Value),
    /// Into `hacklog.md`.
    Story(String),
}

impl Item {
    fn weight(&self) -> usize {
        ITEM + match self {
            Self::Entry(Entry { what: What::Bytes(_, Bytes::Here(bytes)), .. }) => bytes.len(),
            Self::Story(text) => text.len(),
            // A line's is small or, for a partition table, not known before it is written.
            Self::Entry(_) | Self::Line(_) => 64,
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    items: Vec<Item>,
    weight: usize,
    dropped: u64,
    /// The writer was waited for in vain since it last took something.
    stalled: bool,
    shut: bool,
    ended: bool,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    more: Condvar,
    room: Condvar,
    patience: Duration,
}

/// What the writer takes at once.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// Things that did not fit behind these.
    pub(crate) dropped: u64,
    /// Nothing comes any more.
    pub(crate) last: bool,
}

impl Queue {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { inner: Mutex::default(), more: Condvar::new(), room: Condvar::new(), patience }
    }

    /// A poisoned lock only means that somebody panicked while pushing; what is there is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over, or drops what does not fit after some patience.
    pub(crate) fn push(&self, item: Item) {
        let weight = item.weight();
        let mut inner = self.lock();
        let full = |inner: &mut Inner| inner.weight > 0 && inner.weight + weight > MOST;
        if full(&mut inner) && !inner.stalled {
            self.more.notify_one();
            let waited =
                self.room.wait_timeout_while(inner, self.patience, |inner| full(inner) && !inner.shut);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            inner.stalled = full(&mut inner);
        }
        if full(&mut inner) || inner.shut {
            inner.dropped += 1;
            return;
        }
        let before = inner.weight;
        inner.weight += weight;
        inner.items.push(item);
        if before < WAKE && inner.weight >= WAKE {
            self.more.notify_one();
        }
    }

    /// What waits, after a tick or when it is much; `into` is an empty buffer to use.
    pub(crate) fn take(&self, into: Vec<Item>) -> Batch {
        let waiting = |inner: &mut Inner| inner.weight < WAKE && !inner.shut;
        let waited = self.more.wait_timeout_while(self.lock(), TICK, waiting);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let items = std::mem::replace(&mut inner.items, into);
        let dropped = std::mem::take(&mut inner.dropped);
        (inner.weight, inner.stalled) = (0, false);
        self.room.notify_all();
        Batch { items, dropped, last: inner.shut }
    }

    /// Nothing comes any more.
    pub(crate) fn shut(&self) {
        self.lock().shut = true;
        self.more.notify_all();
    }

    /// The writer has ended.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.room.notify_all();
    }

    /// Waits until the writer has ended; false where it takes too long.
    pub(crate) fn ended(&self) -> bool {
        let until = Instant::now() + END;
        let mut inner = self.lock();
        while !inner.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            inner = self.room.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(bytes: usize) -> Item {
        Item::Story("x".repeat(bytes))
    }

    #[test]
    fn things_come_out_in_order() {
        let queue = Queue::new(Duration::ZERO);
        for n in 0..5 {
            queue.push(Item::Line(n.into()));
        }
        queue.shut();
        let batch = queue.take(Vec::new());
        let told: Vec<String> = batch.items.iter().map(|item| format!("{item:?}")).collect();
        assert_eq!(told, (0..5).map(|n| format!("Line(Number({n}))")).collect::<Vec<_>>());
        assert!(batch.last && batch.dropped == 0);
    }

    #[test]
    fn a_writer_that_does_not_write_is_waited_for_once_and_what_does_not_fit_is_counted() {
        let queue = Queue::new(Duration::from_millis(30));
        let begun = Instant::now();
        for _ in 0..100 {
            queue.push(story(1 << 20));
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "one patience, not eighty");
        let batch = queue.take(Vec::new());
        assert_eq!(batch.items.len() as u64 + batch.dropped, 100);
        assert!((10..=16).contains(&batch.items.len()), "{}", batch.items.len());
        queue.push(story(1));
        assert_eq!(queue.take(Vec::new()).items.len(), 1, "there is room again");
    }

    #[test]
    fn one_thing_larger_than_the_queue_still_passes() {
        let queue = Queue::new(Duration::ZERO);
        queue.push(story(MOST + 1));
        assert_eq!(queue.take(Vec::new()).items.len(), 1);
    }
}
