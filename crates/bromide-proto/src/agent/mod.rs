//! The conversation with a running single-stage Download Agent (MT6575, MT6577), in both wire formats.
//!
//! ```text
//! C0 03 02 84                    hello
//! 15 or 18 bytes                 configuration, no answer
//! 5A 00000038, count, 5A         NAND table: record -> 69 (no) or 5A (that is the chip)
//! report, 5A, 2 words, C1        what the agent found
//! DF ...                         read back, see [`reading`]
//! D9                             finish
//! ```
//! Sources: `da-legacy-observed.md` sections 3 to 7 (what the host sends), `da-legacy-device.md` sections 2 to 5
//! and 12 (what the agent answers). Untested on hardware.

pub mod reading;

use crate::agent_format::Format;
use crate::codes::da;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, LinkError};
use crate::talk::Talk;
use crate::wire::config::HostConfig;
use crate::wire::nand_record::{NandRecord, RECORD_BYTES};
use crate::wire::report::{self, Report, Tail};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::time::Duration;

/// Vendor patience for each byte before the agent's C0.
const HELLO: Duration = Duration::from_secs(5);
/// Bytes that are not C0 and are believed to precede it.
const HELLO_JUNK: usize = 64;
/// Patience for the first answer after the configuration. A wrong format shows here as silence.
const CONFIGURED: Duration = Duration::from_secs(10);
/// Patience for the answer to one record.
const RECORD: Duration = Duration::from_secs(3);
/// Patience for the report: the agent probes eMMC and SD first, which takes up to a few seconds. Below 15 s, so
/// that a wrong format still ends in a message in that time.
const REPORT: Duration = Duration::from_secs(12);
/// Patience for the tail: the agent searches the flash for its records first.
const TAIL: Duration = Duration::from_secs(20);
/// Patience for the second pre-process byte, where the first was A5.
const TAIL_LATE: Duration = Duration::from_secs(120);
/// Patience for the answer to a command.
const ANSWER: Duration = Duration::from_secs(10);

/// What the host has to say to a fresh agent.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Wire format.
    pub format: Format,
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

/// What the phone does after the agent has finished (`da-legacy-observed.md` section 7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Leave USB and release the power key: the phone switches off.
    PowerOff,
    /// Leave USB, stay on.
    LeaveUsb,
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
        let report = take_report(&mut talk, setup.format).await?;
        let tail = take_tail(&mut talk).await?;
        if report.ram.internal_status != 0 {
            return Err(talk.fail(ErrorKind::AgentStatus(report.ram.internal_status)));
        }
        let found = Found { hello, report, tail, record };
        found.cross_check().map_err(|what| talk.fail(ErrorKind::Contradiction(what)))?;
        Ok((Self { talk, format: setup.format }, found))
    }

    /// Which format the conversation is in.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// `72`. Only in the command loop: a waiting read takes it as "accept".
    pub async fn speed(&mut self) -> Result<Speed, Error> {
        self.talk.step = "link speed (72)";
        self.talk.send(&[da::USB_STATUS]).await?;
        self.talk.ack(ANSWER).await?;
        match self.talk.take_u8(ANSWER).await? {
            0 => Ok(Speed::Full),
            1 | 2 => Ok(Speed::High),
            other => Err(self.talk.unexpected("00 (full speed) or 01 (high speed)", &[other])),
        }
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

    /// `D9`: the agent ends and the phone does as `exit` says. Gives the link back.
    pub async fn finish(mut self, exit: Exit) -> Result<L, Error> {
        self.talk.step = "finish (D9)";
        self.talk.send(&[da::FINISH]).await?;
        self.talk.ack(ANSWER).await?;
        let exit: u32 = match exit {
            Exit::PowerOff => 0,
            Exit::LeaveUsb => 1,
        };
        self.talk.send(&exit.to_be_bytes()).await?;
        self.talk.ack(ANSWER).await?;
        Ok(self.talk.into_link())
    }
}

impl Found {
    /// The record offered and the report must describe the same chip.
    fn cross_check(&self) -> Result<(), String> {
        let nand = &self.report.nand;
        let Some((_, record)) = &self.record else {
            return if nand.status == 0 {
                Err("the agent reports a NAND chip although no record matched".into())
            } else {
                Ok(())
            };
        };
        let pairs: [(&str, u64, u64); 7] = [
            ("status", u64::from(nand.status), 0),
            ("number", u64::from(nand.id), u64::from(record.index & 0xffff)),
            ("size", u64::from(nand.size), record.chip_bytes()),
            ("page size", u64::from(nand.page), u64::from(record.page)),
            ("spare size", u64::from(nand.spare), u64::from(record.spare())),
            ("pages per block", u64::from(nand.pages_per_block), u64::from(record.pages_per_block)),
            ("address cycles", u64::from(nand.address_cycles), u64::from(record.address_cycles)),
        ];
        match pairs.iter().find(|(_, report, table)| report != table) {
            None => Ok(()),
            Some((what, report, table)) => Err(format!(
                "the agent reports a NAND {what} of {report:#x}, the record it accepted says {table:#x}"
            )),
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
    match silence_means_format(talk.take_u8(CONFIGURED).await, setup.format)? {
        da::ACK => {}
        da::NACK => return Ok(None), // no NAND controller: the report follows
        _ => return Err(talk.fail(ErrorKind::WrongFormat(setup.format))),
    }
    talk.step = "offer the NAND table";
    let size = silence_means_format(talk.take_u32(ANSWER).await, setup.format)?;
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

async fn take_report<L: Link>(talk: &mut Talk<L>, format: Format) -> Result<Report, Error> {
    talk.step = "detection report";
    let mut raw = vec![0; report::bytes(format)];
    silence_means_format(talk.take(&mut raw, REPORT).await, format)?;
    Report::decode(&raw, format).map_err(|e| talk.fail(ErrorKind::Contradiction(format!("{e}"))))
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
        da::SOC_FAIL => Err(talk.fail(ErrorKind::AgentStatus(0xbc5))),
        other => Err(talk.unexpected("c1", &[other])),
    }
}

/// At these places silence is what a host of the other format meets.
fn silence_means_format<T>(answer: Result<T, Error>, format: Format) -> Result<T, Error> {
    answer.map_err(|e| match e.kind {
        ErrorKind::Link(LinkError::Timeout(_)) => Error { kind: ErrorKind::WrongFormat(format), ..e },
        _ => e,
    })
}
