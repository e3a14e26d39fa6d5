//! Any place a phone comes to, with faults that go on over all its appearances.
//!
//! Promises: one generator and one count of bytes for the whole life of the bus, so a seed and the same traffic
//! give the same faults however often the phone leaves and returns.

use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use bromide_proto::bus::{Bus, Face, Sighting};
use bromide_proto::link::{Link, LinkError, Mark};

use super::cable::{Events, Hands, RoughLink};
use super::course::Course;
use super::{FaultSpec, Faulty};

/// A bus with faults. Those of a specification that concern a phone's chip are not done here.
#[derive(Debug)]
pub struct FaultyBus<B: Bus> {
    bus: B,
    course: Rc<RefCell<Course>>,
    events: Rc<RefCell<Events>>,
    hands: Rc<Hands<B::Link>>,
}

impl<B: Bus> FaultyBus<B> {
    /// Puts faults on every appearance of the phone at `bus`. With [`FaultSpec::default`] all passes unchanged.
    pub fn new(bus: B, spec: &FaultSpec, hands: Hands<B::Link>) -> Self {
        Self {
            bus,
            course: Rc::new(RefCell::new(Course::of(spec))),
            events: Rc::new(RefCell::new(Events::of(spec))),
            hands: Rc::new(hands),
        }
    }
}

impl<B: Bus> Bus for FaultyBus<B> {
    type Link = FaultyLink<B::Link>;

    async fn meet(&mut self, faces: &[Face], within: Duration) -> Result<(Sighting, Self::Link), LinkError> {
        let away = self.events.borrow().away_until.saturating_sub(self.now());
        if !away.is_zero() {
            (self.hands.sleep)(away.min(within))?;
        }
        let Some(left) = within.checked_sub(away) else { return Err(LinkError::Timeout(within)) };
        let (seen, link) = match self.bus.meet(faces, left).await {
            Err(LinkError::Timeout(_)) => return Err(LinkError::Timeout(within)),
            met => met?,
        };
        let link = RoughLink::new(link, Rc::clone(&self.events), Rc::clone(&self.hands));
        let course = self.course.take().at_a_new_link();
        let link = Faulty::going_on(link, course);
        Ok((seen, FaultyLink { link, course: Rc::clone(&self.course) }))
    }

    fn now(&self) -> Duration {
        self.bus.now()
    }
}

/// One appearance of a phone at a [`FaultyBus`].
#[derive(Debug)]
pub struct FaultyLink<L: Link> {
    link: Faulty<RoughLink<L>>,
    course: Rc<RefCell<Course>>,
}

impl<L: Link> Drop for FaultyLink<L> {
    /// The faults go on with the next link.
    fn drop(&mut self) {
        self.course.replace(core::mem::take(&mut self.link.course));
    }
}

impl<L: Link> Link for FaultyLink<L> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        self.link.recv(into, within).await
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

#[cfg(test)]
mod tests;
