//! A phone followed through its faces: caught in BootROM or preloader, switched to high speed where that is wished,
//! and found again when the fast link fails.
//!
//! ```text
//! 0e8d:0003 or :2000 ── agent ──┬─ as met ─────────────────────────────► read
//!                               └─ 70 01 ─► 0e8d:2001 ─► read ─ fails ─► 2001 opened again, smaller packets
//!                                                              └ agent gone ─► key held, 0e8d:0003, full speed
//! ```
//! A read goes on where it was in the same run, also when the phone was pulled and comes back. What was confirmed is
//! not read twice, but for one page that shows both ends to be in the same place (`readback/pages.rs`). Sources: `da-legacy.md` section 3.2,
//! `da-legacy-observed.md` section 7.1. Untested on hardware.

use std::time::Duration;

use bromide_proto::agent::{Agent, Found, Speed};
use bromide_proto::brom::{Brom, Identity};
use bromide_proto::bus::{Bus, BusSpeed, Face};
use bromide_proto::error::{Error, ErrorKind};
use bromide_proto::link::LinkError;

use crate::agent_file::AgentFile;
use crate::error::JobError;
use crate::event::{Event, Tell};
use crate::phone_id::may_be_one;
use crate::session::{Parked, Session, SessionOptions};
use crate::source::Source;

/// The faces a job can begin with.
const START: [Face; 2] = [Face::BootRom, Face::Preloader];
/// A phone that is seen is given this long to answer, however short the wait.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long the phone may be away between `70` and 0e8d:2001 (`da-legacy.md` section 3.2 allows at least 5 s).
const SWITCH: Duration = Duration::from_secs(10);
/// How long an agent is waited for whose fast link failed.
const AGAIN: Duration = Duration::from_secs(4);
/// Fast links opened again without much in between before the phone is begun anew.
const REOPENINGS: u32 = 3;
/// So much has to come over a link before it fails for opening it again to be worth the second or two that takes:
/// at full speed as much would have come meanwhile.
const WORTH: u64 = 256 << 10;
/// Phones begun anew without much in between before a read ends and is left for another run.
const BEGINNINGS: u32 = 5;

/// What the user wants of the link's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpeedWish {
    /// Full speed or nothing: refused where the phone is at high speed already.
    Full,
    /// High speed, and full speed where that fails.
    High,
    /// The speed the phone is met at.
    #[default]
    AsMet,
}

/// How a phone is caught and followed.
#[derive(Debug, Clone, Copy)]
pub struct FollowOptions {
    /// How the session begins.
    pub session: SessionOptions,
    /// The speed.
    pub speed: SpeedWish,
    /// How long the phone is waited for, at the beginning and whenever the user has to hold its key.
    pub wait: Duration,
}

/// A phone on a bus, with its agent running.
#[derive(Debug)]
pub struct Follower<'a, B: Bus> {
    bus: B,
    da: &'a AgentFile,
    options: FollowOptions,
    session: Option<Session<B::Link>>,
    /// What the phone said the first time, for comparison when it is begun anew.
    known: (Identity, Found),
    /// Speed of the link when the phone was met.
    met_at: Speed,
    /// The agent was asked to switch.
    switched: bool,
    /// Fast links opened again since the last one that was worth it.
    in_vain: u32,
    /// The phone begun anew since the last link that was worth it.
    anew: u32,
}

impl<'a, B: Bus> Follower<'a, B> {
    /// Waits for the phone and starts its agent, at the speed it was met at. [`Follower::raise`] may follow.
    ///
    /// # Errors
    /// No phone, a phone that cannot be read, or one at high speed where full speed is insisted on.
    pub async fn catch(
        mut bus: B,
        da: &'a AgentFile,
        options: FollowOptions,
        tell: &mut Tell<'_>,
    ) -> Result<Self, JobError> {
        let session = begin(&mut bus, da, &options, tell).await?;
        let known = (session.identity, session.found.clone());
        let mut follower = Self {
            bus,
            da,
            options,
            session: Some(session),
            known,
            met_at: Speed::Full,
            switched: false,
            in_vain: 0,
            anew: 0,
        };
        follower.refuse_speed(tell).await?;
        Ok(follower)
    }

    /// The running session, to end it; `None` where the link failed and could not be mended.
    pub fn into_session(self) -> Option<Session<B::Link>> {
        self.session
    }

    /// A phone from a high-speed preloader is there already, and nothing brings it back.
    async fn refuse_speed(&mut self, tell: &mut Tell<'_>) -> Result<(), JobError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        self.met_at = session.agent().speed().await?;
        if self.options.speed == SpeedWish::Full && self.met_at == Speed::High {
            if let Some(session) = self.session.take() {
                session.finish(tell).await;
            }
            return Err(JobError::AlreadyHighSpeed);
        }
        Ok(())
    }

    /// Goes to high speed where that is wished and the phone is not there yet. Best done last before much is read:
    /// what fails at high speed is mended for reads only.
    ///
    /// # Errors
    /// The phone was lost on the way and did not come back.
    pub async fn raise(&mut self, tell: &mut Tell<'_>) -> Result<(), JobError> {
        if self.options.speed == SpeedWish::High && self.met_at == Speed::Full {
            self.switch(tell).await?;
        }
        Ok(())
    }

    /// Whether the link is at full speed and the phone was not asked for more.
    pub fn is_slow(&self) -> bool {
        self.options.speed == SpeedWish::AsMet && self.met_at == Speed::Full
    }

    /// Speed of the link when the phone was met.
    pub const fn met_at(&self) -> Speed {
        self.met_at
    }

    /// `70`, the phone leaves, and returns as 0e8d:2001.
    async fn switch(&mut self, tell: &mut Tell<'_>) -> Result<(), JobError> {
        let Some(mut session) = self.session.take() else { return Ok(()) };
        if let Err(e) = session.agent().ask_high_speed().await {
            // The agent is where it was (`da-legacy-observed.md` section 7.1), if the link is.
            tell(Event::Warning(&format!(
                "the agent does not switch to high speed ({e}); going on as it is"
            )));
            self.session = Some(session);
            return Ok(());
        }
        self.switched = true;
        let (link, parked) = session.park();
        drop(link);
        match self.bus.meet(&[Face::Agent], SWITCH).await {
            Ok((seen, link)) => {
                tell(Event::Seen(&seen));
                if matches!(seen.speed, BusSpeed::Low | BusSpeed::Full) {
                    tell(Event::Note("the port or a hub before it allows full speed only"));
                }
                self.session = Some(parked.resume(link));
                Ok(())
            }
            Err(LinkError::Timeout(_)) => {
                tell(Event::Warning("the phone left for high speed and did not return"));
                self.begin_anew(tell).await
            }
            Err(e) => Err(self.lost(e)),
        }
    }

    /// The same agent behind its fast link opened again, or the phone begun anew at full speed.
    async fn find_again(&mut self, tell: &mut Tell<'_>) -> Result<(), JobError> {
        let Some(session) = self.session.take() else { return self.begin_anew(tell).await };
        let (link, parked) = session.park();
        drop(link);
        while self.in_vain < REOPENINGS {
            self.in_vain += 1;
            match self.bus.meet(&[Face::Agent, Face::BootRom, Face::Preloader], AGAIN).await {
                Ok((seen, link)) if seen.face == Face::Agent => {
                    if self.rejoin(link, parked.clone(), tell).await? {
                        return Ok(());
                    }
                }
                // The phone has restarted: no agent to be found.
                Ok(_) | Err(LinkError::Timeout(_)) => break,
                Err(LinkError::Unplugged) => {}
                Err(e) => return Err(self.lost(e)),
            }
        }
        self.begin_anew(tell).await
    }

    /// From the start sequence, at full speed where there was a choice; it must be the same phone.
    async fn begin_anew(&mut self, tell: &mut Tell<'_>) -> Result<(), JobError> {
        tell(Event::HoldKey);
        self.options.speed = SpeedWish::AsMet;
        self.switched = false;
        let session = begin(&mut self.bus, self.da, &self.options, tell).await?;
        let (identity, found) = &self.known;
        if session.identity.codes != identity.codes || !may_be_one(&session.found, found) {
            session.abandon().await;
            return Err(JobError::AnotherPhone);
        }
        self.session = Some(session);
        Ok(())
    }

    /// The link failed where there is no faster one to blame: the phone was pulled, or its agent hangs. It is waited
    /// for; whoever holds the cable may plug it in again.
    async fn enter_again(&mut self, error: Error, tell: &mut Tell<'_>) -> Result<(), JobError> {
        if self.anew >= BEGINNINGS {
            return Err(error.into());
        }
        self.anew += 1;
        tell(Event::Warning(&format!("the connection to the phone failed: {error}")));
        if let Some(session) = self.session.take() {
            let (link, parked) = session.park();
            drop(link);
            let may_be_there = !matches!(error.kind, ErrorKind::Link(LinkError::Unplugged));
            // At full speed the agent has the face that it was met with.
            if may_be_there {
                match self.bus.meet(&[Face::Agent, Face::BootRom, Face::Preloader], AGAIN).await {
                    Ok((_, link)) => {
                        if self.rejoin(link, parked, tell).await? {
                            return Ok(());
                        }
                    }
                    Err(e @ LinkError::Cancelled) => return Err(self.lost(e)),
                    Err(_) => {}
                }
            }
        }
        let mut failure = None;
        for _ in 0..BEGINNINGS {
            match self.begin_anew(tell).await {
                // It came and left again, or was disturbed while it was begun.
                Err(JobError::Talk(e)) if is_the_links(&e.kind) || is_a_garbled_beginning(&e.kind) => {
                    tell(Event::Warning(&format!("the phone could not be begun anew: {e}")));
                    failure = Some(e);
                }
                Err(JobError::NoPhone(_)) => return Err(error.into()),
                ended => return ended,
            }
        }
        Err(failure.unwrap_or(error).into())
    }

    /// The agent behind its link opened again; whether it was there.
    async fn rejoin(&mut self, link: B::Link, parked: Parked, tell: &mut Tell<'_>) -> Result<bool, JobError> {
        match Agent::rejoin(link, parked.agent).await {
            Ok(agent) => {
                tell(Event::Note("the agent is there again; going on in smaller packets"));
                self.session = Some(parked.with(agent));
                Ok(true)
            }
            Err(e) if is_the_users(&e.kind) => Err(e.into()),
            Err(e) => {
                tell(Event::Note(&format!("the agent did not answer behind its new link: {e}")));
                Ok(false)
            }
        }
    }

    fn lost(&self, error: LinkError) -> JobError {
        let tail = String::new();
        JobError::Talk(Error { step: "find the phone again", kind: ErrorKind::Link(error), tail })
    }
}

impl<B: Bus> Source for Follower<'_, B> {
    type Link = B::Link;

    fn session(&mut self) -> Option<&mut Session<B::Link>> {
        self.session.as_mut()
    }

    fn is_fast(&self) -> bool {
        self.switched
    }

    async fn mend(&mut self, error: Error, came: u64, tell: &mut Tell<'_>) -> Result<(), JobError> {
        if !is_the_links(&error.kind) {
            return Err(error.into());
        }
        if came >= WORTH {
            (self.in_vain, self.anew) = (0, 0);
        }
        if !self.switched {
            return self.enter_again(error, tell).await;
        }
        tell(Event::Warning(&format!("the high-speed link failed: {error}")));
        self.find_again(tell).await
    }
}

/// Waits for a phone that answers the start sequence, and starts its agent.
///
/// BootROM and preloader leave the bus after seconds without a start sequence and come back: a phone that vanishes
/// before it has answered is waited for again.
async fn begin<B: Bus>(
    bus: &mut B,
    da: &AgentFile,
    options: &FollowOptions,
    tell: &mut Tell<'_>,
) -> Result<Session<B::Link>, JobError> {
    let until = bus.now().saturating_add(options.wait);
    let brom = loop {
        let left = until.saturating_sub(bus.now());
        let vanished = |e: &LinkError| matches!(e, LinkError::Unplugged);
        match bus.meet(&START, left).await {
            Ok((seen, link)) => {
                tell(Event::Seen(&seen));
                match Brom::hello(link, left.max(SHORTEST)).await {
                    Ok(brom) => break brom,
                    Err(Error { kind: ErrorKind::Link(e), .. }) if vanished(&e) && bus.now() < until => {}
                    Err(e) => return Err(e.into()),
                }
            }
            Err(e) if vanished(&e) && bus.now() < until => {}
            Err(LinkError::Timeout(_)) => return Err(JobError::NoPhone(options.wait)),
            Err(e) => return Err(JobError::NotOpened(e)),
        }
    };
    Session::greeted(brom, da, &options.session, tell).await
}

/// Whether a faster or slower link may make a difference.
const fn is_the_links(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Link(
            LinkError::Timeout(_) | LinkError::Stalled(_) | LinkError::Unplugged | LinkError::Other(_)
        ) | ErrorKind::NoRecovery { .. }
            | ErrorKind::BadCable { .. }
            | ErrorKind::Babble
            | ErrorKind::Unreadable { .. }
            | ErrorKind::Shifted
    )
}

/// Answers that make no sense while a phone is begun: bytes were lost or altered on the way.
const fn is_a_garbled_beginning(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NoHandshake
            | ErrorKind::Echo { .. }
            | ErrorKind::Unexpected { .. }
            | ErrorKind::UploadSum { .. }
            | ErrorKind::BromStatus(_)
            | ErrorKind::Contradiction(_)
            | ErrorKind::WrongFormat(_)
    )
}

const fn is_the_users(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Link(LinkError::Cancelled))
}
