//! The cable inside one process: the host's end owns the phone and cranks it.
//!
//! Promises: no thread. The phone's own future is polled inside the host's `send` and `recv`. When both sides
//! wait, time jumps to whichever patience ends first; on a virtual clock that costs nothing. The host never gets
//! zero bytes; when the phone is gone and everything it said is read, the host gets `Unplugged`.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use bromide_proto::link::{Link, LinkError};

use crate::clock::Clock;
use crate::pace::{Pace, Paced};
use crate::phone::Phone;
use crate::wire::Ended;

/// Bytes the phone may be ahead of the host.
const AHEAD: usize = 512 * 1024;

/// What lies in the cable.
#[derive(Debug, Default)]
struct Pipe {
    to_phone: Flow,
    to_host: Flow,
    host_gone: bool,
    /// Until when the phone waits for bytes, when it waits with a limit.
    phone_wakes: Option<Duration>,
    /// How much may lie in `to_host` before the phone has to wait.
    ahead: usize,
}

/// Bytes in one direction; read from the front without moving the rest.
#[derive(Debug, Default)]
struct Flow {
    bytes: Vec<u8>,
    at: usize,
}

impl Flow {
    fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn pull(&mut self, into: &mut [u8]) -> usize {
        let n = self.len().min(into.len());
        into[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
        self.at += n;
        n
    }
}

/// The phone's end.
struct PhoneEnd {
    pipe: Rc<RefCell<Pipe>>,
    clock: Clock,
}

impl Link for PhoneEnd {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let mut rest = bytes;
        poll_fn(|_| {
            let mut pipe = self.pipe.borrow_mut();
            if pipe.host_gone {
                return Poll::Ready(Err(LinkError::Unplugged));
            }
            let room = pipe.ahead.saturating_sub(pipe.to_host.len());
            let (now, later) = rest.split_at(room.min(rest.len()));
            pipe.to_host.push(now);
            rest = later;
            if rest.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let until = self.clock.after(within);
        poll_fn(|_| {
            let mut pipe = self.pipe.borrow_mut();
            pipe.phone_wakes = None;
            if pipe.to_phone.len() > 0 {
                return Poll::Ready(Ok(pipe.to_phone.pull(into)));
            }
            if pipe.host_gone {
                return Poll::Ready(Err(LinkError::Unplugged));
            }
            if until.is_some_and(|until| until <= self.clock.now()) {
                return Poll::Ready(Err(LinkError::Timeout(within)));
            }
            pipe.phone_wakes = until;
            Poll::Pending
        })
        .await
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}

type Life = Pin<Box<dyn Future<Output = (Phone, Ended)>>>;

enum State {
    Running(Life),
    Over(Box<Phone>, Ended),
    /// Only inside [`PhoneLink::unplug`].
    Taken,
}

/// The host's end of a cable with a virtual phone on it: one plug-in.
pub struct PhoneLink {
    pipe: Rc<RefCell<Pipe>>,
    clock: Clock,
    state: State,
}

impl PhoneLink {
    /// Plugs a phone in, without a model of the link's speed.
    #[must_use]
    pub fn plug(phone: Phone, clock: Clock) -> Self {
        Self::plug_paced(phone, clock, Pace::None)
    }

    /// Plugs a phone in through a link of this speed.
    #[must_use]
    pub fn plug_paced(mut phone: Phone, clock: Clock, pace: Pace) -> Self {
        // A paced phone sleeps for each slice, so the host must get it before the next is due.
        let ahead = if pace == Pace::None { AHEAD } else { 1 << 14 };
        let pipe = Rc::new(RefCell::new(Pipe { ahead, ..Pipe::default() }));
        phone.set_clock(clock.clone());
        let end = Paced::new(PhoneEnd { pipe: Rc::clone(&pipe), clock: clock.clone() }, pace, clock.clone());
        let life = async move {
            let ended = phone.serve(end).await;
            (phone, ended)
        };
        Self { pipe, clock, state: State::Running(Box::pin(life)) }
    }

    /// The clock of this cable.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Why the phone is gone, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        match &self.state {
            State::Over(_, ended) => Some(*ended),
            State::Running(_) | State::Taken => None,
        }
    }

    /// Pulls the cable and gives the phone back, with the reason why this plug-in was over.
    #[must_use]
    pub fn unplug(mut self) -> (Phone, Ended) {
        self.pipe.borrow_mut().host_gone = true;
        self.crank();
        match core::mem::replace(&mut self.state, State::Taken) {
            State::Over(phone, ended) => (*phone, ended),
            State::Running(_) | State::Taken => unreachable!("a phone waits for nothing but its cable"),
        }
    }

    /// Forgets what the phone said and the host has not taken.
    pub(crate) fn lose_all(&mut self) {
        self.pipe.borrow_mut().to_host = Flow::default();
    }

    /// When the phone would go on by itself, if it is waiting for that.
    pub(crate) fn wakes(&self) -> Option<Duration> {
        self.pipe.borrow().phone_wakes
    }

    /// Lets the phone run until it waits or is gone.
    pub(crate) fn crank(&mut self) {
        if let State::Running(life) = &mut self.state {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready((phone, ended)) = life.as_mut().poll(&mut context) {
                self.state = State::Over(Box::new(phone), ended);
            }
        }
    }
}

impl Link for PhoneLink {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.ended().is_some() {
            return Err(LinkError::Unplugged);
        }
        self.pipe.borrow_mut().to_phone.push(bytes);
        self.crank();
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let until = self.clock.after(within);
        loop {
            let n = self.pipe.borrow_mut().to_host.pull(into);
            if n > 0 {
                return Ok(n);
            }
            if self.ended().is_some() {
                return Err(LinkError::Unplugged);
            }
            self.crank();
            let pipe = self.pipe.borrow();
            if pipe.to_host.len() > 0 || self.ended().is_some() {
                continue;
            }
            let now = self.clock.now();
            if until.is_some_and(|until| until <= now) {
                return Err(LinkError::Timeout(within));
            }
            match [until, pipe.phone_wakes].into_iter().flatten().min() {
                Some(next) => self.clock.sleep_until(next),
                None => return Err(LinkError::Other("host and phone wait for each other for ever".into())),
            }
        }
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}
