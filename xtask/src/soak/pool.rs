//! Many sessions, some at a time, until there are no more or one is broken.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::plan::Plan;
use super::session::{Bench, Broken, session};

/// How often progress is told.
const TELL: Duration = Duration::from_secs(30);

/// How to run them.
pub(super) struct Pool<'a> {
    pub(super) bench: &'a Bench,
    pub(super) jobs: usize,
    /// Every so manieth session is looked at with foreign tools.
    pub(super) foreign: Option<u64>,
}

/// What came of them.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) counts: Counts,
    /// First and last.
    pub(super) seeds: Option<(u64, u64)>,
    pub(super) broken: Option<Box<Broken>>,
}

impl Pool<'_> {
    /// Runs the sessions that `next` gives for 0, 1, 2 and so on.
    pub(super) fn run(&self, next: impl Fn(u64) -> Option<Plan> + Sync) -> Ended {
        let (number, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let shared = Mutex::new((Ended::default(), Instant::now()));
        std::thread::scope(|threads| {
            for _ in 0..self.jobs {
                threads.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        let Some(plan) = next(number) else { return };
                        let foreign = self.foreign.is_some_and(|every| number.is_multiple_of(every));
                        let ended = session(self.bench, &plan, foreign);
                        stop.fetch_or(ended.is_err(), Ordering::Relaxed);
                        let Ok(mut shared) = shared.lock() else { return };
                        shared.0.take(plan.seed, ended);
                        if shared.1.elapsed() >= TELL {
                            shared.1 = Instant::now();
                            println!("    {} sessions so far", shared.0.counts.sessions);
                        }
                    }
                });
            }
        });
        shared.into_inner().map(|(ended, _)| ended).unwrap_or_default()
    }
}

impl Ended {
    fn take(&mut self, seed: u64, ended: Result<Counts, Box<Broken>>) {
        match ended {
            Ok(counts) => {
                self.counts.add(&counts);
                let (from, to) = self.seeds.unwrap_or((seed, seed));
                self.seeds = Some((from.min(seed), to.max(seed)));
            }
            // Of several the first one is told.
            Err(broken) if self.broken.is_none() => self.broken = Some(broken),
            Err(_) => {}
        }
    }
}
