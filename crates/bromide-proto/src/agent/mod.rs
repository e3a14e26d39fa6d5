//! The conversation with a running single-stage Download Agent (MT6575, MT6577), in both wire formats.
//!
//! ```text
//! C0 03 02 84                    hello
//! 15 or 18 bytes                 configuration, no answer
//! 5A 00000038, count, 5A         NAND table: record -> 69 (no) or 5A (that is the chip)
//! report, 5A, 2 words, C1        what the agent found
//! DF ...                         read back, see [`reading`]
//! A2                             partition table, see [`partition_table`]
//! D9                             finish
//! ```
//! Sources: `da-legacy-observed.md` sections 3 to 7 (what the host sends), `da-legacy-device.md` sections 2 to 5
//! and 12 (what the agent answers). Untested on hardware.

pub mod partition_table;
pub mod reading;
mod speed;

pub use speed::Parked;

use crate::agent_format::Format;
use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError};
use crate::talk::Talk;
use crate::wire::config::HostConfig;
use crate::wire::nand_record::{NandRecord, RECORD_BYTES};
use crate::wire::report::{self, Report, Tail};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// Vendor patience for each byte before the agent's C0.
const HELLO: Duration = Duration::from_secs(5);
/// Bytes that are not C0 and are believed to precede it.
const HELLO_JUNK: usize = 64;
/// Patience for the first answer after the configuration. A wrong format may show here as silence.
const CONFIGURED: Duration = Duration::from_secs(10);
/// Patience for the answer to one record.
const RECORD: Duration = Duration::from_secs(3);
/// Patience for the report: the agent probes eMMC and SD first, which takes up to a few seconds. The vendor host
/// waits 30 s; where the format is a guess, less than 15 s, so that a wrong guess ends in a message in that time.
const REPORT: Duration = Duration::from_secs(30);
const REPORT_OF_A_GUESS: Duration = Duration::from_secs(12);
/// What a G2 host hears of a G1 agent's report and tail before it falls silent.
const G1_REPORT_AND_TAIL: usize = 194;
/// Patience for the tail: the agent searches the flash for its records first.
const TAIL: Duration = Duration::from_secs(20);
/// Patience for the second pre-process byte, where the first was A5.
const TAIL_LATE: Duration = Duration::from_secs(120);
/// Patience for the answer to a command.
const ANSWER: Duration = Duration::from_secs(10);
/// The same where the agent may not be there any more.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// Tries to find the agent in its command loop, and patience for its answer there.
const RESYNCS: u32 = 3;
const RESYNC: Duration = Duration::from_secs(2);
/// Silence that ends a drain.
const QUIET: Duration = Duration::from_millis(200);
/// Silence after `5A 00` that shows it to be an answer and not the beginning of page data.
const ANSWERED: Duration = Duration::from_millis(50);

/// What the host has to say to a fresh agent.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Wire format.
    pub format: Format,
    /// The format is known from the very agent; silence then means something else than a wrong format.
    pub certain: bool,
    /// The configuration.
    pub config: HostConfig,
    /// NAND device records of the same container entry, 56 bytes each, terminator included.
    pub records: &'a [&'a [u8]],
}

/// What a fresh agent said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Agent protocol version, always 3.2 so far, and the agent's name for its chip.
    pub hello: [u8; 3],
    /// The report, whole.
    pub report: Report,
    /// Its tail.
    pub tail: Tail,
    /// The record that matched, and its position.
    pub record: Option<(usize, NandRecord)>,
}

/// Link speed as the agent sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// USB full speed or a UART.
    Full,
    /// USB high speed.
    High,
}

/// Whether the agent is in its command loop.
enum Loop {
    /// It is.
    There(Speed),
    /// Nothing was said.
    Silent,
    /// Something else was said.
    Elsewhere(Vec<u8>),
}

/// A running agent in its command loop.
#[derive(Debug)]
pub struct Agent<L> {
    talk: Talk<L>,
    format: Format,
}

impl<L: Link> Agent<L> {
    /// From the jump to the command loop. `offered` hears (records offered, records in all).
    pub async fn meet(
        mut talk: Talk<L>,
        setup: &Setup<'_>,
        offered: &mut dyn FnMut(u64, u64),
    ) -> Result<(Self, Found), Error> {
        let hello = hello(&mut talk).await?;
        if hello[2] == 0xff {
            return Err(talk.fail(ErrorKind::AgentRefusesChip));
        }
        talk.step = "configure the Download Agent";
        talk.send(&setup.config.encode(setup.format)).await?;
        let record = offer(&mut talk, setup, offered).await?;
        let report = take_report(&mut talk, setup).await?;
        let tail = take_tail(&mut talk).await?;
        let found = Found { hello, report, tail, record };
        let agent = Self { talk, format: setup.format };
        match found.cross_check() {
            Ok(()) => Ok((agent, found)),
            Err(kind) => {
                let error = agent.talk.fail(kind);
                agent.abandon().await;
                Err(error)
            }
        }
    }

    /// `72`: link speed. Only in the command loop: a waiting read takes it as "accept".
    pub async fn speed(&mut self) -> Result<Speed, Error> {
        self.talk.step = "link speed (72)";
        match self.in_loop(ANSWER).await? {
            Loop::There(speed) => Ok(speed),
            Loop::Silent => Err(self.talk.fail(LinkError::Timeout(ANSWER))),
            Loop::Elsewhere(heard) => Err(self.talk.unexpected("5a 00 or 5a 01, and silence", &heard)),
        }
    }

    /// Asks `72` and takes nothing for its answer but `5A`, a speed, and then silence: page data may begin alike.
    async fn in_loop(&mut self, within: Duration) -> Result<Loop, Error> {
        self.talk.send(&[da::USB_STATUS]).await?;
        let mut answer = [0; 2];
        let (have, end) = self.talk.try_take(&mut answer, within).await;
        match end {
            None => {}
            Some(LinkError::Timeout(_)) if have == 0 => return Ok(Loop::Silent),
            Some(LinkError::Timeout(_)) => {
                return Ok(Loop::Elsewhere(answer.get(..have).unwrap_or_default().to_vec()));
            }
            Some(e) => return Err(self.talk.fail(e)),
        }
        let more = self.talk.drain(ANSWERED).await?;
        Ok(match (answer, more) {
            ([da::ACK, 0], 0) => Loop::There(Speed::Full),
            ([da::ACK, 1 | 2], 0) => Loop::There(Speed::High),
            (heard, 0) => Loop::Elsewhere(heard.to_vec()),
            (_, more) => Loop::Elsewhere(vec![0; more.saturating_add(answer.len())]),
        })
    }

    /// Asks `72` and looks at its answer alone. Where that is wrong, all there is has been taken off the link.
    async fn answers_speed(&mut self) -> Result<bool, Error> {
        self.talk.send(&[da::USB_STATUS]).await?;
        let mut answer = [0; 2];
        match self.talk.try_take(&mut answer, ANSWER).await {
            (_, None) if matches!(answer, [da::ACK, 0..=2]) => return Ok(true),
            (_, None | Some(LinkError::Timeout(_))) => {}
            (_, Some(e)) => return Err(self.talk.fail(e)),
        }
        self.talk.drain(QUIET).await?;
        Ok(false)
    }

    /// Brings the agent back into its command loop, whatever it is doing: drain, `96`, drain, then `72` and exactly
    /// its answer. `last` is why, for the error.
    ///
    /// # Errors
    /// The cable failed, or the agent was not found in its loop in three tries.
    pub async fn recall(&mut self, last: &str) -> Result<(), Error> {
        self.talk.step = "bring the agent back to its commands";
        for _ in 0..RESYNCS {
            self.talk.drain(QUIET).await?;
            self.talk.send(&[da::STOP]).await?;
            self.talk.drain(QUIET).await?;
            if let Loop::There(_) = self.in_loop(RESYNC).await? {
                return Ok(());
            }
        }
        Err(self.talk.fail(ErrorKind::NoRecovery { last: last.into() }))
    }

    /// `F0`, which the G1 host sends before a read; the answer does not matter.
    async fn fat_info(&mut self) -> Result<(), Error> {
        self.talk.step = "FAT information (F0)";
        self.talk.send(&[da::FAT_INFO]).await?;
        if self.talk.take_u32(ANSWER).await? == 0 {
            self.talk.take_array::<16>(ANSWER).await?;
        }
        Ok(())
    }

    /// `D9` with 0: the agent leaves USB and releases the power key, the phone switches off. Gives the link back.
    pub async fn finish(self) -> Result<L, Error> {
        self.end(ANSWER).await
    }

    /// Ends an agent after a failure, whatever it is doing, so that the phone need not be taken apart: stop a read
    /// that may be waiting, then finish. Nothing is expected of it.
    pub async fn abandon(mut self) {
        self.talk.step = "end the Download Agent";
        let quiet = self.talk.drain(QUIET).await.is_ok()
            && self.talk.send(&[da::STOP]).await.is_ok()
            && self.talk.drain(QUIET).await.is_ok();
        if quiet {
            let _ = self.end(LAST_ANSWER).await;
        }
    }

    async fn end(mut self, within: Duration) -> Result<L, Error> {
        self.talk.step = "finish (D9)";
        self.talk.send(&[da::FINISH]).await?;
        self.talk.ack(within).await?;
        self.talk.send(&0u32.to_be_bytes()).await?;
        self.talk.ack(within).await?;
        Ok(self.talk.into_link())
    }
}

impl Found {
    /// The record offered and the report must describe the same chip, and internal memory must work.
    fn cross_check(&self) -> Result<(), ErrorKind> {
        if self.report.ram.internal_status != 0 {
            return Err(ErrorKind::AgentStatus(self.report.ram.internal_status));
        }
        let nand = &self.report.nand;
        let Some((_, record)) = &self.record else {
            return if nand.status == 0 {
                let what = "the agent reports a NAND chip although no record matched";
                Err(ErrorKind::Contradiction(what.into()))
            } else {
                Ok(())
            };
        };
        let pairs: [(&str, u64, u64); 8] = [
            ("status", u64::from(nand.status), 0),
            ("number", u64::from(nand.id), u64::from(record.index & 0xffff)),
            ("size", u64::from(nand.size), record.chip_bytes()),
            ("page size", u64::from(nand.page), u64::from(record.page)),
            ("spare size", u64::from(nand.spare), u64::from(record.spare())),
            ("pages per block", u64::from(nand.pages_per_block), u64::from(record.pages_per_block)),
            ("bus width", u64::from(nand.bus_width), if record.wide { 16 } else { 8 }),
            ("address cycles", u64::from(nand.address_cycles), u64::from(record.address_cycles)),
        ];
        match pairs.iter().find(|(_, report, table)| report != table) {
            None => Ok(()),
            Some((what, report, table)) => Err(ErrorKind::Contradiction(format!(
                "the agent reports a NAND {what} of {report:#x}, the record it accepted says {table:#x}"
            ))),
        }
    }
}

async fn hello<L: Link>(talk: &mut Talk<L>) -> Result<[u8; 3], Error> {
    talk.step = "hello of the Download Agent";
    for _ in 0..HELLO_JUNK {
        if talk.take_u8(HELLO).await? == da::SYNC {
            let hello = talk.take_array::<3>(HELLO).await?;
            return if hello[..2] == [3, 2] {
                Ok(hello)
            } else {
                Err(talk.unexpected("agent version 03 02", &hello))
            };
        }
    }
    Err(talk.unexpected("c0", &[]))
}

/// Offers the table record by record. A format mismatch shows as silence or as an odd answer.
async fn offer<L: Link>(
    talk: &mut Talk<L>,
    setup: &Setup<'_>,
    offered: &mut dyn FnMut(u64, u64),
) -> Result<Option<(usize, NandRecord)>, Error> {
    match silence_means_format(talk.take_u8(CONFIGURED).await, setup)? {
        da::ACK => {}
        da::NACK => return Ok(None), // no NAND controller: the report follows
        _ => return Err(talk.fail(ErrorKind::WrongFormat(setup.format))),
    }
    talk.step = "offer the NAND table";
    let size = talk.take_u32(ANSWER).await?;
    if usize::try_from(size) != Ok(RECORD_BYTES) {
        return Err(talk.fail(ErrorKind::Contradiction(format!(
            "the agent wants NAND records of {size} bytes, the container holds records of {RECORD_BYTES}"
        ))));
    }
    let total = u32::try_from(setup.records.len()).unwrap_or(u32::MAX);
    talk.send(&total.to_be_bytes()).await?;
    talk.ack(ANSWER).await?;
    for (position, record) in setup.records.iter().enumerate() {
        talk.send(record).await?;
        offered(u64::try_from(position).unwrap_or(0).saturating_add(1), u64::from(total));
        match talk.take_u8(RECORD).await? {
            da::CONT => {}
            da::ACK => {
                let decoded = NandRecord::decode(record)
                    .map_err(|e| talk.fail(ErrorKind::Contradiction(format!("NAND record: {e}"))))?;
                return Ok(Some((position, decoded)));
            }
            other => return Err(talk.unexpected("69 (next record) or 5a (found)", &[other])),
        }
    }
    Ok(None)
}

async fn take_report<L: Link>(talk: &mut Talk<L>, setup: &Setup<'_>) -> Result<Report, Error> {
    talk.step = "detection report";
    let mut raw = vec![0; report::bytes(setup.format)];
    let patience = if setup.certain { REPORT } else { REPORT_OF_A_GUESS };
    match talk.try_take_paced(&mut raw, patience, LAST_ANSWER, &mut |_| {}).await {
        (_, None) => {}
        (0 | G1_REPORT_AND_TAIL, Some(LinkError::Timeout(_))) if !setup.certain => {
            return Err(talk.fail(ErrorKind::WrongFormat(setup.format)));
        }
        (_, Some(e)) => return Err(talk.fail(e)),
    }
    Report::decode(&raw, setup.format).map_err(|e| talk.fail(ErrorKind::Contradiction(format!("{e}"))))
}

async fn take_tail<L: Link>(talk: &mut Talk<L>) -> Result<Tail, Error> {
    talk.step = "end of the detection report";
    let mut first = talk.take_u8(TAIL).await?;
    if first == da::NACK {
        first = talk.take_u8(TAIL_LATE).await?;
    }
    if first != da::ACK {
        return Err(talk.unexpected("5a", &[first]));
    }
    let tail = Tail { download_status: talk.take_u32(TAIL).await?, boot_style: talk.take_u32(TAIL).await? };
    match talk.take_u8(TAIL).await? {
        da::SOC_OK => Ok(tail),
        da::SOC_FAIL => Err(talk.fail(ErrorKind::AgentSecurity)),
        other => Err(talk.unexpected("c1", &[other])),
    }
}

/// Silence here is what a host of the other format meets.
fn silence_means_format<T>(answer: Result<T, Error>, setup: &Setup<'_>) -> Result<T, Error> {
    answer.map_err(|e| match e.kind {
        ErrorKind::Link(LinkError::Timeout(_)) if !setup.certain => {
            Error { kind: ErrorKind::WrongFormat(setup.format), ..e }
        }
        _ => e,
    })
}
