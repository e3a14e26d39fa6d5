//! DF, the NAND read back (`da-legacy-device.md` section 5, G1: section 12), and G1's D6.
//!
//! Promises: pages are read from the chip again for every repeat; a packet of any size takes memory for one
//! block only. Choices where the notes leave room: a packet that would pass the container's end is not begun;
//! the 5A of a container precedes repeats too; flag 3 jumps exactly one block's worth of pages ahead.

use bromide_proto::codes::da;
use bromide_proto::link::Link;

use super::nand::{read_stored, repair};
use super::{Session, status};
use crate::nand_chip::{ChipError, as_index};
use crate::options::{Generation, ReadFaultKind};
use crate::wire::Ended;

/// A read back that was accepted.
struct Reading {
    flag: u8,
    physical: bool,
    /// Bytes a page takes in the stream.
    unit: u32,
    /// Next page to send, in the address space of the request.
    next: u32,
    /// Page behind the last.
    end: u32,
    pages_per_packet: u32,
    /// Page behind the container, when there is one.
    container_end: Option<u64>,
}

/// What a packet goes on with.
enum Step {
    /// The next page is behind the end of the chip.
    BehindEnd,
    /// The next page is in a bad block that is to be skipped.
    BadBlock,
    /// So many pages, then the fault.
    Pages(u32, Option<ReadFaultKind>),
}

/// How a packet went.
enum Packet {
    /// Data and sum were sent; so many pages, then a bad block that is to be skipped.
    Sent { pages: u32, bad_block: bool },
    /// The agent left the command in the middle of the packet.
    Broken,
}

impl<L: Link> Session<'_, L> {
    pub(super) async fn nand_read(&mut self) -> Result<(), Ended> {
        let [flag, kind] = self.wire.array().await?;
        let (address, length) = match self.agent.generation {
            Generation::G1 => (self.wire.u32().await?, self.wire.u32().await?),
            // Only the low 32 bits are used.
            Generation::G2 => (self.wire.u64().await? as u32, self.wire.u64().await? as u32),
        };
        let container = self.wire.u32().await?;
        let mut reading = match self.accept(flag, kind != 0, address, length, container) {
            Ok(reading) => reading,
            Err(status) => return self.refuse(status).await,
        };
        let Some(part) = &self.agent.nand else { return Ok(()) };
        let mut head = vec![da::ACK];
        for word in [part.page_bytes, part.spare_bytes, reading.unit] {
            head.extend(word.to_be_bytes());
        }
        self.wire.send(&head).await?;
        reading.pages_per_packet = self.wire.u32().await?;
        let total = u64::from(reading.end - reading.next) * u64::from(reading.unit);
        match self.agent.generation {
            Generation::G1 => self.word(total as u32).await?,
            Generation::G2 => self.wire.send(&total.to_be_bytes()).await?,
        }
        self.packets(reading).await
    }

    /// Checks of section 5.3.
    fn accept(
        &self,
        flag: u8,
        physical: bool,
        address: u32,
        length: u32,
        container: u32,
    ) -> Result<Reading, u32> {
        let Some(part) = &self.agent.nand else { return Err(self.agent.nand_status) };
        let limit = part.limit(physical);
        if address >= limit {
            return Err(status::INVALID_BEGIN);
        }
        if length == 0 || u64::from(address) + u64::from(length) > u64::from(limit) {
            return Err(status::INVALID_RANGE);
        }
        if self.options.faults.read_protected {
            return Err(status::READ_PROTECTED);
        }
        let next = address / part.page_bytes;
        let first_block = u64::from(next / part.pages_per_block);
        let container_end = (first_block + u64::from(container)) * u64::from(part.pages_per_block);
        Ok(Reading {
            flag,
            physical,
            unit: match flag {
                0 | 4 => part.page_bytes + part.spare_bytes,
                2 => part.spare_bytes,
                _ => part.page_bytes,
            },
            next,
            end: next + length / part.page_bytes,
            pages_per_packet: 0,
            container_end: (container != 0).then_some(container_end),
        })
    }

    async fn packets(&mut self, mut reading: Reading) -> Result<(), Ended> {
        while reading.next < reading.end {
            let pages = reading.pages_per_packet.min(reading.end - reading.next);
            let (sent, bad_block) = loop {
                match reading.container_end {
                    Some(end) if u64::from(reading.next) + u64::from(pages) > end => {
                        return self.refuse(status::CONTAINER_EXCEEDED).await;
                    }
                    Some(_) => self.ack().await?,
                    None => {}
                }
                let Packet::Sent { pages, bad_block } = self.packet(&reading, pages).await? else {
                    return Ok(());
                };
                match self.wire.byte().await? {
                    da::CONT => {}
                    da::NACK | da::STOP => return Ok(()),
                    _ => break (pages, bad_block),
                }
            };
            reading.next += sent;
            if bad_block {
                let skip = self.agent.nand.as_ref().map_or(0, |part| part.pages_per_block);
                reading.next = reading.next.saturating_add(skip);
                reading.end = reading.end.saturating_add(skip);
            }
        }
        Ok(())
    }

    /// Sends up to so many pages, block by block, then the sum.
    async fn packet(&mut self, reading: &Reading, pages: u32) -> Result<Packet, Ended> {
        let (mut sum, mut sent) = (0, 0);
        let mut bad_block = false;
        let mut out = Vec::new();
        while sent < pages && !bad_block {
            let first = reading.next + sent;
            out.clear();
            let (run, fault) = match self.next_step(reading, first, pages - sent) {
                Step::BehindEnd => {
                    self.break_with(status::END_OF_FLASH, first).await?;
                    return Ok(Packet::Broken);
                }
                Step::BadBlock => {
                    bad_block = true;
                    continue;
                }
                Step::Pages(run, fault) => (run, fault),
            };
            if let Err(error) = self.page_run(reading, first, run, &mut out) {
                self.remark(format!("page {first}: {error}; the read back stops"));
                return Ok(Packet::Broken);
            }
            sum = byte_sum(&out, sum);
            sent += run;
            if let Some(kind) = fault {
                self.wire.send(&out).await?;
                if let ReadFaultKind::InBand { status } = kind {
                    self.break_with(status, first + run).await?;
                }
                return Ok(Packet::Broken);
            }
            if sent < pages {
                self.wire.send(&out).await?;
            }
        }
        // The last run and the sum go out together.
        out.extend(self.given_sum(sum).to_be_bytes());
        self.wire.send(&out).await?;
        Ok(Packet::Sent { pages: sent, bad_block })
    }

    /// What comes next of at most `left` pages: never more than the rest of one block.
    fn next_step(&mut self, reading: &Reading, first: u32, left: u32) -> Step {
        let Some(part) = self.agent.nand.as_ref().filter(|part| first < part.pages()) else {
            return Step::BehindEnd;
        };
        if skips(reading.flag) && part.is_bad(self.chip, part.chip_page(first, reading.physical)) {
            return Step::BadBlock;
        }
        let run = left.min(part.pages_per_block - first % part.pages_per_block);
        match self.fault_in(first, run) {
            Some((page, kind)) => Step::Pages(page - first, Some(kind)),
            None => Step::Pages(run, None),
        }
    }

    /// `A5`, status and byte address, inside the stream.
    async fn break_with(&mut self, status: u32, page: u32) -> Result<(), Ended> {
        let page_bytes = self.agent.nand.as_ref().map_or(0, |part| part.page_bytes);
        self.refuse(status).await?;
        self.word(page.wrapping_mul(page_bytes)).await
    }

    /// Appends pages of one block as the flag orders them.
    fn page_run(
        &mut self,
        reading: &Reading,
        first: u32,
        pages: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), ChipError> {
        let Some(part) = &self.agent.nand else { return Ok(()) };
        let size = part.stored_page();
        let from = part.chip_page(first, reading.physical);
        if reading.flag == 2 {
            // Not implemented in the agent: the buffer is sent as an earlier page left it.
            self.agent.leftover.resize(as_index(part.spare_bytes), 0);
            (0..pages).for_each(|_| out.extend_from_slice(&self.agent.leftover));
            return Ok(());
        }
        let mut stored = Vec::new();
        let plain = reading.flag == 0;
        let target = if plain { &mut *out } else { &mut stored };
        let at = target.len();
        target.resize(at + as_index(pages) * size, 0);
        read_stored(self.chip, from, &mut target[at..], size)?;
        repair(self.options.ecc, &mut target[at..], size);
        if let Some(last) = target[at..].chunks_exact(size).next_back() {
            self.agent.leftover.clear();
            self.agent.leftover.extend_from_slice(&last[..as_index(part.spare_bytes)]);
        }
        match reading.flag {
            0 => {}
            4 => part.push_main_then_spare(&stored, out),
            _ => part.push_main(&stored, out),
        }
        Ok(())
    }

    /// The first faulty page of these, used up once.
    fn fault_in(&mut self, first: u32, pages: u32) -> Option<(u32, ReadFaultKind)> {
        let range = first..first + pages;
        let faults = self.options.faults.reads.iter_mut();
        let fault = faults.filter(|f| f.times > 0 && range.contains(&f.page)).min_by_key(|f| f.page)?;
        if fault.times != u32::MAX {
            fault.times -= 1;
        }
        Some((fault.page, fault.kind))
    }

    /// The sum, or a wrong one as long as that fault lasts.
    fn given_sum(&mut self, sum: u16) -> u16 {
        match self.options.faults.wrong_sums {
            0 => sum,
            left => {
                self.options.faults.wrong_sums = left - 1;
                !sum
            }
        }
    }

    /// D6: host byte only in G2; NAND only in G1 (main bytes of logical addresses).
    pub(super) async fn plain_read(&mut self) -> Result<(), Ended> {
        if self.agent.generation == Generation::G2 {
            self.wire.byte().await?;
        }
        let storage = self.wire.byte().await?;
        let (address, length) = (self.wire.u64().await?, self.wire.u64().await?);
        match (storage, self.agent.generation) {
            (1, Generation::G1) => self.plain_nand_read(address, length).await,
            (2 | 3, _) => self.refuse(status::INVALID_RANGE).await,
            _ => self.refuse(status::INVALID_STORAGE).await,
        }
    }

    async fn plain_nand_read(&mut self, address: u64, length: u64) -> Result<(), Ended> {
        let Some(part) = &self.agent.nand else { return self.refuse(self.agent.nand_status).await };
        let limit = u64::from(part.limit(false));
        if address >= limit {
            return self.refuse(status::INVALID_BEGIN).await;
        }
        if length == 0 || length > limit - address {
            return self.refuse(status::INVALID_RANGE).await;
        }
        self.ack().await?;
        let packet = u64::from(self.wire.u32().await?);
        let mut at = address;
        while at < address + length {
            let end = (at + packet).min(address + length);
            if self.plain_packet(at, end).await?.is_none() {
                return Ok(());
            }
            // Every answer other than 5A repeats the packet; there is no stop (section 13).
            if self.wire.byte().await? == da::ACK {
                at = end;
            }
        }
        Ok(())
    }

    async fn plain_packet(&mut self, start: u64, end: u64) -> Result<Option<()>, Ended> {
        let (mut at, mut sum) = (start, 0);
        let mut main = Vec::new();
        while at < end {
            let Some(part) = &self.agent.nand else { return Ok(None) };
            let block = u64::from(part.block_bytes());
            let page_bytes = u64::from(part.page_bytes);
            let stop = end.min((at / block + 1) * block);
            let first = at / page_bytes;
            let pages = stop.div_ceil(page_bytes) - first;
            let whole = Reading {
                flag: 1,
                physical: false,
                unit: part.page_bytes,
                next: 0,
                end: 0,
                pages_per_packet: 0,
                container_end: None,
            };
            main.clear();
            if let Err(error) = self.page_run(&whole, first as u32, pages as u32, &mut main) {
                self.remark(format!("page {first}: {error}; the read stops"));
                return Ok(None);
            }
            let skip = (at - first * page_bytes) as usize;
            let piece = &main[skip..skip + (stop - at) as usize];
            sum = byte_sum(piece, sum);
            self.wire.send(piece).await?;
            at = stop;
        }
        let sum = self.given_sum(sum);
        self.wire.send(&sum.to_be_bytes()).await?;
        Ok(Some(()))
    }
}

/// Flag 3 and everything the agent treats like it.
fn skips(flag: u8) -> bool {
    flag == 3 || flag >= 5
}

/// Sum of all bytes modulo 65536, going on from `sum`.
fn byte_sum(bytes: &[u8], sum: u16) -> u16 {
    bytes.iter().fold(sum, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}
