//! From the hello to the report (`da-legacy-device.md` section 2, G1: section 12).

use bromide_proto::codes::da;
use bromide_proto::link::Link;

use super::nand::{NandPart, RECORD_BYTES, Record};
use super::{Session, report, status};
use crate::options::{Generation, NandFault};
use crate::wire::Ended;

/// The bad-block pool as the host's configuration gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    Blocks(u32),
    Bytes(u32),
}

impl<L: Link> Session<'_, L> {
    /// Hello, configuration, NAND detection, report.
    pub(crate) async fn start(&mut self) -> Result<(), Ended> {
        let chip = if self.options.faults.unknown_chip { 0xff } else { self.model.chip.agent_chip };
        self.wire.send(&[da::SYNC, 3, 2, chip]).await?;
        if self.options.faults.unknown_chip {
            match self.halt("the agent does not know this chip").await? {}
        }
        let pool = self.configuration().await?;
        self.detect_nand(pool).await?;
        self.report().await
    }

    async fn configuration(&mut self) -> Result<Pool, Ended> {
        match self.agent.generation {
            Generation::G1 => {
                let bytes: [u8; 15] = self.wire.array().await?;
                Ok(Pool::Blocks(be32(&bytes, 9)))
            }
            Generation::G2 => {
                let bytes: [u8; 18] = self.wire.array().await?;
                let size = be32(&bytes, 10);
                Ok(if bytes[9] == 0 { Pool::Blocks(size) } else { Pool::Bytes(size) })
            }
        }
    }

    /// Steps 15 to 20: the chip is identified afresh for every offered record.
    async fn detect_nand(&mut self, pool: Pool) -> Result<(), Ended> {
        let fault = self.options.faults.nand;
        if fault == NandFault::NoController {
            self.agent.nand_status = status::NO_NAND_CONTROLLER;
            return self.wire.send(&[da::NACK]).await;
        }
        self.ack().await?;
        self.word(RECORD_BYTES as u32).await?;
        let offered = self.wire.u32().await?;
        self.ack().await?;
        let id = (fault != NandFault::NoChip).then_some(self.model.nand.id);
        self.agent.nand_status =
            if id.is_some() { status::NAND_NOT_IN_TABLE } else { status::NAND_NOT_FOUND };
        for _ in 0..offered {
            let record = Record::new(self.wire.array().await?);
            match id {
                Some(id) if record.matches(id) => {
                    self.ack().await?;
                    return self.adopt(&record, id, pool).await;
                }
                _ => self.wire.send(&[da::CONT]).await?,
            }
        }
        Ok(())
    }

    /// The matching record decides the geometry.
    async fn adopt(&mut self, record: &Record, id: [u8; 5], pool: Pool) -> Result<(), Ended> {
        let Some(mut part) = NandPart::new(record, id, pool) else {
            match self.halt("the matching NAND record describes no possible chip").await? {}
        };
        part.find_table(self.chip);
        self.agent.nand_status = 0;
        self.agent.nand = Some(part);
        Ok(())
    }

    async fn report(&mut self) -> Result<(), Ended> {
        let delay = self.options.faults.report_delay;
        self.wire.pause(delay).await?;
        let id = match self.options.faults.nand {
            NandFault::None => self.model.nand.id,
            NandFault::NoChip | NandFault::NoController => [0; 5],
        };
        let body = report::body(self.agent, self.model, id);
        self.wire.send(&body).await?;
        if let Some(time) = self.options.faults.first_time_processing {
            self.wire.send(&[da::NACK]).await?;
            self.wire.pause(time).await?;
        }
        let refused = self.options.faults.soc_refused;
        let tail = report::tail(self.agent, refused);
        self.wire.send(&tail).await?;
        if refused {
            match self.halt("the SoC check failed").await? {}
        }
        Ok(())
    }
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
