//! A cable on which the phone falls silent, slows down and leaves, and whose host may die: what happens between
//! bytes, not to them.
//!
//! Promises: the places count bytes that came from the phone, over all its appearances, so they are the same
//! whatever the chunking. `within` is respected: a silence that is longer gives [`LinkError::Timeout`] and goes on.

use core::fmt;
use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use bromide_proto::link::{Link, LinkError, Mark};

use super::dice::{Dice, Places};
use super::{FaultSpec, Place, Slow, Stalls};

/// A slowed link hands over what comes in this time, so that no single wait is long.
const PIECE: Duration = Duration::from_millis(20);
/// The longest wait for the sake of one piece: a phone that thought for seconds is not made to think for minutes.
const LONGEST_PIECE: Duration = Duration::from_secs(1);

/// What faults need done outside the link.
pub struct Hands<L> {
    /// Lets so much time pass on the link's clock, or says why not: [`LinkError::Cancelled`].
    pub sleep: Box<dyn Fn(Duration) -> Result<(), LinkError>>,
    /// Ends this process at once, with nothing tidied up. Where it returns, the link is gone instead.
    pub kill: Box<dyn Fn()>,
    /// Pulls the plug of a link, where closing it is not enough for the phone to notice.
    pub pull: Box<dyn Fn(&mut L)>,
}

impl<L> fmt::Debug for Hands<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hands").finish_non_exhaustive()
    }
}

/// What is still to happen, and how far the stream from the phone is.
#[derive(Debug)]
pub(super) struct Events {
    heard: u64,
    stalls: Places,
    stall: Duration,
    unplugs: Vec<(Places, Duration)>,
    kill: Places,
    slow: Option<Slow>,
    /// Nothing comes before this time.
    quiet_until: Duration,
    /// The phone is away until then.
    pub(super) away_until: Duration,
}

/// What is to be done before the next byte.
enum Due {
    Quiet(Duration),
    Kill,
    Unplug,
    /// So many bytes may come.
    Pass(u64),
}

impl Events {
    pub(super) fn of(spec: &FaultSpec) -> Self {
        let rated = |p, kind: &str| Places::rated(p, Dice::of(spec.seed, kind));
        let place = |place, kind: &str| match place {
            Place::After(bytes) => Places::once(bytes),
            Place::Random(p) => rated(p, kind),
        };
        let Stalls { probability, time } =
            spec.stall.unwrap_or(Stalls { probability: Default::default(), time: Duration::ZERO });
        let unplugs = spec.unplug.iter().enumerate();
        Self {
            heard: 0,
            stalls: rated(probability, "stall"),
            stall: time,
            unplugs: unplugs.map(|(n, it)| (place(it.place, &format!("unplug {n}")), it.away)).collect(),
            kill: spec
                .kill_host
                .map_or_else(|| rated(Default::default(), "kill-host"), |at| place(at, "kill-host")),
            slow: spec.slow,
            quiet_until: Duration::ZERO,
            away_until: Duration::ZERO,
        }
    }

    /// What is due; a thing that is due once is not due again.
    fn due(&mut self, now: Duration) -> Due {
        let here = self.heard;
        let is_here = |places: &Places| places.next().is_some_and(|at| at <= here);
        if is_here(&self.kill) {
            self.kill.used();
            return Due::Kill;
        }
        if let Some((places, away)) = self.unplugs.iter_mut().find(|(places, _)| is_here(places)) {
            places.used();
            self.away_until = now.saturating_add(*away);
            return Due::Unplug;
        }
        if is_here(&self.stalls) {
            self.stalls.used();
            self.quiet_until = self.quiet_until.max(now).saturating_add(self.stall);
        }
        if self.quiet_until > now {
            return Due::Quiet(self.quiet_until - now);
        }
        let unplugs = self.unplugs.iter().map(|(places, _)| places);
        let next = unplugs.chain([&self.kill, &self.stalls]).filter_map(Places::next).min();
        let piece = match self.slow {
            Some(Slow::Rate(rate)) => (rate as f64 * PIECE.as_secs_f64()) as u64,
            _ => u64::MAX,
        };
        Due::Pass(next.map_or(u64::MAX, |at| at - here).min(piece).max(1))
    }

    /// Bytes came, after waiting so long for them.
    fn came(&mut self, bytes: usize, waited: Duration, now: Duration) {
        self.heard = self.heard.saturating_add(bytes as u64);
        self.quiet_until = match self.slow {
            None => return,
            Some(Slow::Factor(factor)) => {
                let more = waited.min(LONGEST_PIECE).mul_f64(factor - 1.0);
                now.saturating_add(more.min(LONGEST_PIECE))
            }
            // The line was busy with them since they were asked for.
            Some(Slow::Rate(rate)) => {
                let time = Duration::from_secs_f64(bytes as f64 / rate as f64);
                self.quiet_until.max(now.saturating_sub(waited)).saturating_add(time)
            }
        };
    }
}

/// One appearance of the phone on such a cable.
#[derive(Debug)]
pub(super) struct RoughLink<L> {
    link: L,
    events: Rc<RefCell<Events>>,
    hands: Rc<Hands<L>>,
    gone: bool,
}

impl<L> RoughLink<L> {
    pub(super) fn new(link: L, events: Rc<RefCell<Events>>, hands: Rc<Hands<L>>) -> Self {
        Self { link, events, hands, gone: false }
    }

    /// The phone has left.
    fn leaves(&mut self) -> LinkError {
        self.gone = true;
        (self.hands.pull)(&mut self.link);
        LinkError::Unplugged
    }
}

impl<L: Link> Link for RoughLink<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.gone {
            return Err(LinkError::Unplugged);
        }
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if self.gone {
            return Err(LinkError::Unplugged);
        }
        if into.is_empty() {
            return self.link.recv(into, within).await;
        }
        let mut patience = within;
        loop {
            let now = self.now();
            let due = self.events.borrow_mut().due(now);
            match due {
                Due::Quiet(left) if left > patience => {
                    (self.hands.sleep)(patience)?;
                    return Err(LinkError::Timeout(within));
                }
                Due::Quiet(left) => {
                    (self.hands.sleep)(left)?;
                    if within != Duration::MAX {
                        patience -= left;
                    }
                }
                Due::Kill => {
                    (self.hands.kill)();
                    return Err(self.leaves());
                }
                Due::Unplug => return Err(self.leaves()),
                Due::Pass(most) => {
                    let came = match self.link.recv(super::upto(into, most), patience).await {
                        Err(LinkError::Timeout(_)) => return Err(LinkError::Timeout(within)),
                        came => came?,
                    };
                    let after = self.now();
                    self.events.borrow_mut().came(came, after.saturating_sub(now), after);
                    return Ok(came);
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        self.link.most_at_once()
    }

    fn mark(&mut self, mark: Mark<'_>) {
        self.link.mark(mark);
    }
}
