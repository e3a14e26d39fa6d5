//! The whole conversation against a phone that says whatever the fuzzer likes: an error or an end, never a panic,
//! and never more packets than were asked for.
//!
//! Every byte of the input is one byte of the phone. The first one decides how far the phone plays along: whether it
//! echoes, and whether an honest hello and report come first, so that the fuzzer gets at the read back behind them.
#![no_main]

use std::collections::VecDeque;
use std::time::Duration;

use bromide_link::run;
use bromide_proto::agent::reading::{Order, PageSize};
use bromide_proto::agent::{Agent, Setup};
use bromide_proto::agent_format::Format;
use bromide_proto::brom::{Brom, Upload};
use bromide_proto::link::{Link, LinkError};
use bromide_proto::talk::Talk;
use bromide_proto::wire::config::HostConfig;
use bromide_proto::wire::nand_read::{AddressKind, Shape};
use libfuzzer_sys::fuzz_target;

/// A phone that answers from a script, and echoes while it likes to.
struct Liar<'a> {
    script: &'a [u8],
    echo: bool,
    echoed: VecDeque<u8>,
    silences: u32,
    clock: Duration,
}

impl Link for Liar<'_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.echo && bytes.len() <= 4 {
            self.echoed.extend(bytes);
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if let Some(byte) = self.echoed.pop_front() {
            into[0] = byte;
            return Ok(1);
        }
        // Bytes take a little time, silence all of it.
        self.clock += Duration::from_micros(1);
        let Some((control, rest)) = self.script.split_first() else {
            self.silences += 1;
            self.clock += within;
            // A cable is pulled some time after the last byte, so that every loop of the host meets silence first.
            return Err(if self.silences > 200 { LinkError::Unplugged } else { LinkError::Timeout(within) });
        };
        if *control == 0xee {
            self.script = rest;
            self.clock += within;
            return Err(LinkError::Timeout(within));
        }
        let n = into.len().min(self.script.len());
        into[..n].copy_from_slice(&self.script[..n]);
        self.script = &self.script[n..];
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.clock
    }
}

/// A chip of 1 MiB with pages of 512 + 16 bytes, as a table record.
fn record() -> [u8; 56] {
    let mut record = [0; 56];
    record[0] = 1;
    for (at, word) in [(0x0c, 1u32), (0x10, 32), (0x14, 512), (0x1c, 4), (0x20, 16)] {
        record[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    record
}

/// What an honest phone with that chip says up to its command loop.
fn honest(format: Format) -> Vec<u8> {
    let mut said = vec![0xc0, 3, 2, 0x84, 0x5a, 0, 0, 0, 0x38, 0x5a, 0x5a];
    let wide = format == Format::G2;
    let mut report = vec![0; 28 + 5];
    report.extend([0, 1, 0, 0x10, 0, 0]);
    if wide {
        report.extend([0, 5]);
    }
    report.extend([0; 10]);
    report.extend([2, 0, 0, 16, 0, 32, 8, 4, 0]);
    report.resize(if wide { 218 } else { 184 }, 0);
    said.extend(report);
    said.extend([0x5a, 0, 0, 0x0c, 6, 0, 0, 4, 0x0b, 0xc1]);
    said
}

async fn agent_talk(mut liar: Liar<'_>, format: Format, honest_start: bool) -> Option<()> {
    if honest_start {
        liar.echoed.extend(honest(format));
        liar.echo = false;
    }
    let record = record();
    let records = [&record[..], &record[..]];
    let config = HostConfig { brom_version: 5, bl_version: 0xfe, pool_blocks: 80 };
    let setup = Setup { format, certain: honest_start, config, records: &records };
    let met = Agent::meet(Talk::new(liar), &setup, &mut |_, _| {}).await;
    assert!(met.is_ok() || !honest_start, "an honest phone is met: {:?}", met.err());
    let (mut agent, _) = met.ok()?;
    for (pages, one_of_many) in [(4, true), (16, false)] {
        let order = Order {
            shape: Shape::AsStored,
            kind: AddressKind::Logical,
            start: 0,
            length: pages * 512,
            pages_per_packet: 4,
            careful: false,
            tries: bromide_proto::agent::reading::TRIES,
            silence: bromide_proto::agent::reading::SILENCE,
            one_of_many,
        };
        let mut reading = agent.read(order, PageSize { page: 512, spare: 16 }).await.ok()?;
        let (mut buffer, mut total) = (Vec::new(), 0);
        while let Ok(true) = reading.next(&mut buffer).await {
            total += buffer.len() as u64;
            assert!(total <= pages * 528);
        }
    }
    let _ = agent.finish().await;
    Some(())
}

async fn boot_talk(liar: Liar<'_>) -> Option<()> {
    let mut brom = Brom::hello(liar, Duration::from_secs(1)).await.ok()?;
    let identity = brom.identity().await.ok()?;
    let upload = Upload { bytes: &[1, 2, 3], load: 0xc200_0000, sig_len: 0, demo: false };
    brom.start_agent(&identity, &upload, &mut |_, _| {}).await.ok().map(drop)
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, script)) = data.split_first() else { return };
    let liar =
        || Liar { script, echo: mode & 4 != 0, echoed: VecDeque::new(), silences: 0, clock: Duration::ZERO };
    run(async {
        match mode & 3 {
            0 => agent_talk(liar(), Format::G1, mode & 8 != 0).await,
            1 => agent_talk(liar(), Format::G2, mode & 8 != 0).await,
            _ => boot_talk(liar()).await,
        }
    });
});
