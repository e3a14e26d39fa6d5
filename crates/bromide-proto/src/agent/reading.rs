//! `DF`, NAND read back: packets with sums, and recovery after whatever goes wrong.
//!
//! ```text
//! DF flag kind start length 0    -> 5A page spare unit
//! pages per packet               -> total
//!                                <- pages x unit bytes, sum16
//! 5A next | 96 stop
//! ```
//! Recovery after a wrong sum or silence (`da-legacy.md` section 5.5): drain, `96` (ends a waiting DF, swallowed by
//! the command loop), drain, `72` and exactly `5A 00` or `5A 01`, then a new DF from the first unconfirmed page.
//! Never `72` first (a waiting DF takes it as "accept"), never `A5` (a command of the loop). The agent's own repeat,
//! `69`, is not used: every byte but 69, A5 and 96 means "accept", so a `69` that arrives damaged would put the next
//! packet in the place of this one, with a right sum. A new DF names its address.
//!
//! A request of one packet cannot be shifted, so between many of them ([`Order::one_of_many`]) the answer to `72` is
//! enough, without the silence behind it: what would still come meets the next request's answers, which must agree
//! with what was asked for.
//!
//! After a recovery short stretches are asked for in smaller packets until some went well, so that one bad place
//! costs little and a page that never comes is found and named.

use super::{ANSWER, Agent, Loop, RESYNCS};
use crate::agent_format::Format;
use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError, Mark};
use crate::wire::checksum::sum16;
use crate::wire::nand_read::{AddressKind, NandRead, ReadHeader, Shape};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Silence before a packet that means the agent stopped (`da-legacy.md` section 5.5 suggests 10 s).
pub const SILENCE: Duration = Duration::from_secs(10);
/// Silence inside one, where bytes were lost.
const GAP: Duration = Duration::from_secs(2);
/// New requests from the same page before it counts as unreadable.
pub const TRIES: u32 = 6;
/// Recoveries a usable cable may need: so many, and one more for each of these many bytes.
const FREE_RECOVERIES: u64 = 50;
const BYTES_A_RECOVERY: u64 = 1 << 20;
/// Pages asked for in smaller packets after a recovery.
const STRETCH: u64 = 64;
/// Stretches that must go well before packets grow again.
const TRUST: u32 = 4;
/// The smallest share of a packet asked for: `1 >> (2 * CAUTION)`, and at least a page.
const CAUTION: u32 = 6;
/// Where a careful read begins: a sixteenth of the packets asked for.
const CAREFUL: u32 = 2;

/// A chip's page shape, as the report gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize {
    /// Main bytes.
    pub page: u32,
    /// Spare bytes.
    pub spare: u32,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What a unit of the stream holds.
    pub shape: Shape,
    /// Address space.
    pub kind: AddressKind,
    /// First main-area byte; a multiple of the page size.
    pub start: u64,
    /// Main-area bytes; a multiple of the page size, not 0.
    pub length: u64,
    /// Pages per packet, at least 1. 0 would make the agent send empty packets for ever.
    pub pages_per_packet: u32,
    /// Begin in short stretches of small packets, as after a recovery: the link has failed before.
    pub careful: bool,
    /// One of many small reads, with another one soon: where it is a single packet, no time is spent on silence.
    pub one_of_many: bool,
    /// New requests from the same page before it counts as unreadable; [`TRIES`] where nothing else is known.
    pub tries: u32,
    /// Silence before a packet that means the agent stopped; [`SILENCE`] where nothing else is known.
    pub silence: Duration,
}

/// A read in progress; [`Reading::next`] gives packet after packet.
#[derive(Debug)]
pub struct Reading<'a, L> {
    agent: &'a mut Agent<L>,
    order: Order,
    size: PageSize,
    /// Pages confirmed so far, counted from the order's start.
    done: u64,
    pages: u64,
    /// Where the agent is.
    state: State,
    /// Recoveries since the last confirmed page.
    tries: u32,
    /// How small packets are at present, and stretches that went well at this size.
    caution: u32,
    trust: u32,
    recoveries: u32,
    /// What the last failed try ended with.
    last: String,
}

/// Where the agent is.
#[derive(Debug, Clone, Copy)]
enum State {
    /// In its command loop.
    Idle,
    /// In a request: pages left of it, pages per packet.
    Open(u64, u32),
    /// It should be back in its loop; not verified yet.
    Ended,
}

/// How one packet ended.
enum Packet {
    Whole,
    Broken(String),
}

impl<L: Link> Agent<L> {
    /// Begins a read. Nothing goes over the wire before [`Reading::next`], except G1's customary `F0`.
    /// Packets are no larger than the link allows ([`Link::most_at_once`]), and at least a page.
    pub async fn read(&mut self, order: Order, size: PageSize) -> Result<Reading<'_, L>, Error> {
        self.talk.step = "read back (DF)";
        let page = u64::from(size.page);
        let whole = |n: u64| page != 0 && n.checked_rem(page) == Some(0);
        if !whole(order.start) || !whole(order.length) || order.length == 0 || order.pages_per_packet == 0 {
            return Err(self.talk.fail(ErrorKind::BadRequest(format!(
                "start {:#x} and length {:#x} must be multiples of the page size {page:#x}, the length not 0, \
                 and a packet at least one page",
                order.start, order.length
            ))));
        }
        if self.format == Format::G1 {
            self.fat_info().await?;
        }
        let pages = order.length.checked_div(page).unwrap_or(0);
        let unit = order.shape.unit(size.page, size.spare);
        let most = self.talk.most_at_once().and_then(|most| most.checked_div(unit)).unwrap_or(u32::MAX);
        let order = Order { pages_per_packet: order.pages_per_packet.min(most.max(1)), ..order };
        Ok(Reading {
            agent: self,
            order,
            size,
            done: 0,
            pages,
            state: State::Idle,
            tries: 0,
            caution: if order.careful { CAREFUL } else { 0 },
            trust: 0,
            recoveries: 0,
            last: String::new(),
        })
    }
}

impl<L: Link> Reading<'_, L> {
    /// Requests made anew so far, because a packet came wrong or not at all.
    #[must_use]
    pub const fn recoveries(&self) -> u32 {
        self.recoveries
    }

    /// What the latest of them was for.
    #[must_use]
    pub fn last_trouble(&self) -> &str {
        &self.last
    }

    /// The next packet into `packet` (resized to fit); false when all pages were given and the agent was found at
    /// the end of the read too. Only then is the read whole.
    ///
    /// The sum is verified and the agent answered before this returns, so the caller's work overlaps with the
    /// next packet on the cable.
    pub async fn next(&mut self, packet: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            let (left, per_packet) = match self.state {
                State::Ended => {
                    self.close().await?;
                    continue;
                }
                State::Idle if self.done >= self.pages => return Ok(false),
                State::Idle => self.request().await?,
                State::Open(left, per_packet) => (left, per_packet),
            };
            let pages = left.min(u64::from(per_packet));
            match self.take_packet(packet, pages).await? {
                Packet::Whole => match self.confirm(left, pages, per_packet).await {
                    Ok(()) => return Ok(true),
                    Err(e) => {
                        // It is in nobody's hand who would tell of it.
                        self.agent.talk.mark(Mark::Lost(packet));
                        return Err(e);
                    }
                },
                Packet::Broken(what) => self.recover(what).await?,
            }
        }
    }

    const fn unit(&self) -> u32 {
        self.order.shape.unit(self.size.page, self.size.spare)
    }

    /// Asks for the pages not confirmed yet, or after a recovery for a stretch of them in smaller packets.
    async fn request(&mut self) -> Result<(u64, u32), Error> {
        let mut pages = self.pages.saturating_sub(self.done);
        let mut per_packet = self.order.pages_per_packet;
        if self.caution > 0 {
            pages = pages.min(STRETCH);
            // a quarter, then a sixteenth, then single pages
            per_packet = per_packet.checked_shr(self.caution.saturating_mul(2)).unwrap_or(0).max(1);
        }
        let page = u64::from(self.size.page);
        let read = NandRead {
            shape: self.order.shape,
            kind: self.order.kind,
            start: self.order.start.saturating_add(self.done.saturating_mul(page)),
            length: pages.saturating_mul(page),
        };
        let talk = &mut self.agent.talk;
        talk.step = "read back (DF)";
        let Some(bytes) = read.encode(self.agent.format) else {
            return Err(talk.fail(ErrorKind::BadRequest(
                "an agent of format g1 takes 32-bit addresses only; this range lies beyond".into(),
            )));
        };
        talk.send(&bytes).await?;
        talk.ack(ANSWER).await?;
        let header = ReadHeader::decode(&talk.take_array::<{ ReadHeader::BYTES }>(ANSWER).await?)
            .map_err(|e| talk.fail(ErrorKind::Contradiction(format!("{e}"))))?;
        let unit = self.order.shape.unit(self.size.page, self.size.spare);
        let wanted = ReadHeader { page: self.size.page, spare: self.size.spare, unit };
        if header != wanted {
            return Err(talk.fail(ErrorKind::Contradiction(format!(
                "the agent answers the read with pages of {} + {} bytes in units of {}, its report led to {} + {} in {}",
                header.page, header.spare, header.unit, wanted.page, wanted.spare, wanted.unit
            ))));
        }
        talk.send(&per_packet.to_be_bytes()).await?;
        let total = match self.agent.format {
            Format::G1 => u64::from(talk.take_u32(ANSWER).await?),
            Format::G2 => talk.take_u64(ANSWER).await?,
        };
        let wanted = pages.saturating_mul(u64::from(unit));
        if total != wanted {
            return Err(talk.fail(ErrorKind::Contradiction(format!(
                "the agent announces {total} bytes for {pages} pages, {wanted} are due"
            ))));
        }
        self.state = State::Open(pages, per_packet);
        Ok((pages, per_packet))
    }

    /// Takes `pages` units and their sum. The sum is built as the bytes come, to answer at once at the end.
    async fn take_packet(&mut self, packet: &mut Vec<u8>, pages: u64) -> Result<Packet, Error> {
        let unit = u64::from(self.unit());
        let Ok(bytes) = usize::try_from(pages.saturating_mul(unit)) else {
            return Err(self
                .agent
                .talk
                .fail(ErrorKind::BadRequest("the packet does not fit in memory".into())));
        };
        packet.resize(bytes.saturating_add(2), 0);
        let mut sum = 0u16;
        let talk = &mut self.agent.talk;
        let data = packet.get_mut(..bytes).unwrap_or_default();
        let add = &mut |piece: &[u8]| sum = sum.wrapping_add(sum16(piece));
        talk.mark(Mark::Pages(bytes));
        let (have, end) = talk.try_take_paced(data, self.order.silence, GAP, add).await;
        let got = packet.get(..have).unwrap_or_default();
        if let Some(error) = end {
            talk.mark(Mark::Lost(got));
            return match error {
                LinkError::Timeout(_) => Ok(Packet::Broken(what_stopped(got, unit))),
                error => Err(talk.fail(error)),
            };
        }
        let mut tail = [0; 2];
        let (_, end) = talk.try_take(&mut tail, GAP).await;
        let broken = match end {
            None if u16::from_be_bytes(tail) == sum => {
                packet.truncate(bytes);
                return Ok(Packet::Whole);
            }
            None => Ok(Packet::Broken(String::from("the checksum of the packet is wrong"))),
            Some(LinkError::Timeout(_)) => {
                Ok(Packet::Broken(String::from("the packet's checksum did not come")))
            }
            Some(error) => Err(talk.fail(error)),
        };
        talk.mark(Mark::Lost(got));
        broken
    }

    async fn confirm(&mut self, left: u64, pages: u64, per_packet: u32) -> Result<(), Error> {
        self.agent.talk.send(&[da::ACK]).await?;
        self.done = self.done.saturating_add(pages);
        self.tries = 0;
        let left = left.saturating_sub(pages);
        if left > 0 {
            self.state = State::Open(left, per_packet);
            return Ok(());
        }
        self.state = State::Ended;
        self.trust = self.trust.saturating_add(1);
        if self.trust >= TRUST {
            self.caution = self.caution.saturating_sub(1);
            self.trust = 0;
        }
        Ok(())
    }

    /// Gives up, or brings the agent back into its command loop for a new request.
    async fn recover(&mut self, what: String) -> Result<(), Error> {
        self.last = what;
        self.tries = self.tries.saturating_add(1);
        self.caution = self.caution.saturating_add(1).min(CAUTION);
        self.trust = 0;
        let page = u64::from(self.size.page);
        if self.tries > self.order.tries {
            let address = self.order.start.saturating_add(self.done.saturating_mul(page));
            let kind = ErrorKind::Unreadable {
                page: address.checked_div(page).unwrap_or(0),
                address,
                tries: self.tries,
                last: self.last.clone(),
            };
            let failure = self.agent.talk.fail(kind);
            // Other pages may be asked for next.
            self.agent.recall(&self.last).await?;
            self.state = State::Idle;
            return Err(failure);
        }
        self.recoveries = self.recoveries.saturating_add(1);
        let earned = self.done.saturating_mul(page).checked_div(BYTES_A_RECOVERY).unwrap_or(0);
        if u64::from(self.recoveries) > FREE_RECOVERIES.saturating_add(earned) {
            let kind = ErrorKind::BadCable { recoveries: self.recoveries, last: self.last.clone() };
            return Err(self.agent.talk.fail(kind));
        }
        self.agent.recall(&self.last).await?;
        self.state = State::Idle;
        Ok(())
    }

    /// Makes sure that the agent thinks the request is over too. Otherwise a packet was lost or doubled without
    /// either side noticing, and what was given is shifted: `72` then brings page data instead of its answer.
    async fn close(&mut self) -> Result<(), Error> {
        self.agent.talk.step = "check that the read has ended (72)";
        let one_packet = self.pages <= u64::from(self.order.pages_per_packet);
        let usual = self.order.one_of_many && !self.order.careful && self.recoveries == 0;
        if usual && one_packet && self.agent.answers_speed().await? {
            self.state = State::Idle;
            return Ok(());
        }
        for _ in 0..RESYNCS {
            match self.agent.in_loop(ANSWER).await? {
                Loop::There(_) => {
                    self.state = State::Idle;
                    return Ok(());
                }
                // Too little for page data: the answer itself was disturbed.
                Loop::Silent => {}
                Loop::Elsewhere(heard) if heard.len() <= 2 => {}
                Loop::Elsewhere(_) => return Err(self.agent.talk.fail(ErrorKind::Shifted)),
            }
        }
        Err(self.agent.talk.fail(ErrorKind::Shifted))
    }
}

/// Explains a packet that fell silent (`da-legacy.md` section 5.5: nine bytes after whole units may be a status).
fn what_stopped(got: &[u8], unit: u64) -> String {
    let unit = usize::try_from(unit).unwrap_or(usize::MAX).max(1);
    let whole = got.len().checked_div(unit).unwrap_or(0).saturating_mul(unit);
    if let Some([0xa5, 0, 0, hi, lo, a, b, c, d]) = got.get(whole..) {
        let status = u32::from(u16::from_be_bytes([*hi, *lo]));
        let address = u32::from_be_bytes([*a, *b, *c, *d]);
        return format!(
            "the agent may have reported status {status:#x} ({}) at {address:#x}",
            crate::wire::status::agent(status)
        );
    }
    format!("the line fell silent after {} bytes of the packet", got.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_bytes_after_whole_units_are_read_as_status_and_address() {
        let mut got = alloc::vec![0x11; 2112];
        got.extend([0xa5, 0, 0, 0x0c, 0x26, 0, 2, 0, 0]);
        assert!(what_stopped(&got, 2112).contains("end of the flash"));
        got.pop();
        assert!(what_stopped(&got, 2112).contains("silent after 2120 bytes"));
        assert!(what_stopped(&[], 2112).contains("after 0 bytes"));
    }
}
