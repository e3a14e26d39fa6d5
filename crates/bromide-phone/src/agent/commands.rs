//! The command loop and its small commands (`da-legacy-device.md` section 9, `da-legacy.md` sections 3, 4 and 8).
//!
//! Promises: a byte that is no command is swallowed without a word. Commands that exist in the real agent but
//! are not modelled are swallowed too and remarked: 51, 61, 62, 99 to 9E, A1, A4, A6, A8, B5, B6, B9 to BB, BD,
//! BE, DD, DE, E1, EB to EE, FE. Nothing that writes the chip is modelled.

use core::convert::Infallible;

use bromide_proto::codes::da;
use bromide_proto::link::Link;

use super::{Session, status};
use crate::wire::Ended;

impl<L: Link> Session<'_, L> {
    /// Takes one command after the other until the plug-in ends.
    pub(crate) async fn commands(&mut self) -> Result<Infallible, Ended> {
        loop {
            let command = self.wire.byte().await?;
            self.command(command).await?;
        }
    }

    async fn command(&mut self, command: u8) -> Result<(), Ended> {
        match command {
            da::NAND_READ => self.nand_read().await,
            da::USB_STATUS => self.wire.send(&[da::ACK, u8::from(self.agent.high_speed)]).await,
            da::USB_SETUP => {
                let high = self.wire.byte().await? == 1;
                self.usb_setup(high).await
            }
            0x73 => {
                let [high, _, _, _, _] = self.wire.array().await?;
                self.usb_setup(high == 1).await
            }
            da::FINISH => self.finish().await,
            0xdb => {
                let (timeout, flags) = (self.wire.u16().await?, self.wire.u32().await?);
                self.ack().await?;
                Err(Ended::Restarted { timeout, flags })
            }
            da::FAT_INFO | 0xef => self.word(status::NOT_SUPPORTED).await,
            0x52 | 0xd3 => self.wire.send(&[da::NACK]).await,
            0x60 => {
                self.ack().await?;
                self.wire.byte().await?;
                self.ack().await
            }
            0x63 => self.refuse(status::NO_SD).await,
            0xa2 => self.partition_table().await,
            0xa5 => self.refuse(status::NO_PARTITION_TABLE).await,
            0xa3 => self.bad_block_rows().await,
            0xa7 => {
                self.wire.byte().await?;
                self.wire.send(&[da::NACK]).await
            }
            0xb3 => self.refuse_raw_write().await,
            0xb4 => self.word(status::SECURITY_OFF).await,
            0xbc => self.wire.send(&[0; 32]).await,
            0xbf => self.wire.send(&[da::ACK, 0, 0, 0, 0]).await,
            0xd0 => {
                self.word(u32::from(da::ACK)).await?;
                self.word(self.model.chip.battery_millivolts).await
            }
            0xd2 => self.uart_speed().await,
            0xd4 => self.refuse_format().await,
            0xd5 => self.refuse(status::NOR_NOT_FOUND).await,
            0xd6 => self.plain_read().await,
            0xd7 => {
                let (address, value) = (self.wire.u32().await?, self.wire.u16().await?);
                // A host that writes everywhere must not make the phone grow.
                if self.agent.registers.len() < 4096 {
                    self.agent.registers.insert(address, value);
                }
                self.ack().await
            }
            0xd8 => {
                let address = self.wire.u32().await?;
                let value = self.agent.registers.get(&address).copied().unwrap_or(0);
                self.wire.send(&value.to_be_bytes()).await?;
                self.ack().await
            }
            0xda => self.wire.send(&[da::ACK, 0, 0]).await,
            0xe0 => {
                let bytes = self.wire.u32().await?;
                self.wire.skip(bytes).await?;
                self.ack().await
            }
            0xe8 => self.external_memory().await,
            0xe9 => self.word(0).await,
            0xea => {
                self.word(0).await?;
                self.word(0x3000).await
            }
            0x51
            | 0x61
            | 0x62
            | 0x99..=0x9e
            | 0xa1
            | 0xa4
            | 0xa6
            | 0xa8
            | 0xb5
            | 0xb6
            | 0xb9..=0xbb
            | 0xbd
            | 0xbe
            | 0xdd
            | 0xde
            | 0xe1
            | 0xeb..=0xee
            | 0xfe => {
                self.remark(format!("command {command:02x} exists in the real agent but not in this one"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// At full speed the phone leaves the bus and returns as 0e8d:2001; an inherited high-speed link stays.
    async fn usb_setup(&mut self, high: bool) -> Result<(), Ended> {
        self.ack().await?;
        if high && !self.agent.high_speed { Err(Ended::ReturnsAs2001) } else { Ok(()) }
    }

    /// 0 and 1 leave the bus at once; 2 and 3 stay on it without a word.
    async fn finish(&mut self) -> Result<(), Ended> {
        self.ack().await?;
        let what = self.wire.u32().await?;
        self.ack().await?;
        if what > 1 {
            match self.wire.silence().await {
                Ok(never) => match never {},
                Err(Ended::Unplugged) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Ended::Finished(what))
    }

    async fn bad_block_rows(&mut self) -> Result<(), Ended> {
        let Some(table) = self.agent.nand.as_ref().and_then(|part| part.table()) else {
            return self.wire.send(&[da::NACK]).await;
        };
        let rows = table.rows();
        // The pool has at most 127 rows.
        let mut answer = vec![da::ACK, rows.len() as u8];
        for (bad, by) in rows {
            answer.extend(bad.to_be_bytes());
            answer.extend(by.to_be_bytes());
        }
        self.wire.send(&answer).await?;
        self.wire.byte().await.map(drop)
    }

    /// D4 as the v3.3001 build answers it: protected, then the byte that ends the command.
    async fn refuse_format(&mut self) -> Result<(), Ended> {
        self.wire.skip(4 + 8 + 8).await?;
        self.refuse(status::FORMAT_PROTECTED).await?;
        self.ack().await
    }

    /// B3: every option is "not supported".
    async fn refuse_raw_write(&mut self) -> Result<(), Ended> {
        self.wire.skip(2 + 4 * 4).await?;
        self.refuse(status::NOT_SUPPORTED_OPTION).await
    }

    /// D2: changes nothing here but keeps the dance; a wrong value ends the agent for good.
    async fn uart_speed(&mut self) -> Result<(), Ended> {
        let [index, rounds] = self.wire.array().await?;
        if !(1..=13).contains(&index) {
            return self.wire.send(&[da::NACK]).await;
        }
        self.ack().await?;
        loop {
            match self.wire.byte().await? {
                da::SYNC => self.wire.send(&[da::SYNC]).await?,
                da::ACK => break,
                _ => {}
            }
        }
        self.ack().await?;
        for value in 0..=0xff {
            for _ in 0..rounds {
                if self.wire.byte().await? != value {
                    match self.halt("a wrong byte came in the test of the new UART speed").await? {}
                }
                self.wire.send(&[value]).await?;
            }
        }
        Ok(())
    }

    /// E8: the built-in settings work; settings from the host never calibrate this phone's imaginary memory.
    async fn external_memory(&mut self) -> Result<(), Ended> {
        let version = self.wire.u32().await?;
        let length: u32 = match version {
            u32::MAX => 0,
            8 => 0x88,
            10 => 0xb8,
            _ => return self.wire.send(&[da::NACK]).await,
        };
        self.ack().await?;
        if length > 0 {
            self.word(length).await?;
            self.wire.byte().await?;
            let mut settings = vec![0; length as usize];
            self.wire.take(&mut settings).await?;
            let sum = settings.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
            self.wire.send(&sum.to_be_bytes()).await?;
            if self.wire.byte().await? != da::ACK {
                match self.halt("the memory settings were not confirmed").await? {}
            }
        }
        self.wire.u32().await?;
        if length > 0 {
            return self.word(status::CALIBRATION_FAILED).await;
        }
        self.agent.dram_on = true;
        self.word(0).await?;
        self.wire.send(&[2, 0]).await?;
        self.wire.send(&self.model.memory.dram_bytes.to_be_bytes()).await
    }
}
