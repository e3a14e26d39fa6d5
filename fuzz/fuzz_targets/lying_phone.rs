//! The whole conversation against a phone that says whatever the fuzzer likes: an error or an end, never a panic,
//! and never more packets than were asked for.
//!
//! Every byte of the input is one byte of the phone; where the host must hear an echo to get anywhere, the first
//! byte of the input decides how often the phone plays along.
#![no_main]

use std::collections::VecDeque;
use std::time::Duration;

use bromide_link::run;
use bromide_proto::agent::reading::{Order, PageSize};
use bromide_proto::agent::{Agent, Exit, Setup};
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
        let Some((control, rest)) = self.script.split_first() else {
            self.silences += 1;
            // A cable is pulled some time after the last byte, so that every loop of the host meets silence first.
            return Err(if self.silences > 200 { LinkError::Unplugged } else { LinkError::Timeout(within) });
        };
        if *control == 0xee {
            self.script = rest;
            return Err(LinkError::Timeout(within));
        }
        let n = into.len().min(self.script.len());
        into[..n].copy_from_slice(&self.script[..n]);
        self.script = &self.script[n..];
        Ok(n)
    }
}

async fn agent_talk(liar: Liar<'_>, format: Format) -> Option<()> {
    let record = [0u8; 56];
    let records = [&record[..], &record[..]];
    let config = HostConfig { brom_version: 5, bl_version: 0xfe, pool_blocks: 80 };
    let setup = Setup { format, config, records: &records };
    let (mut agent, _) = Agent::meet(Talk::new(liar), &setup, &mut |_, _| {}).await.ok()?;
    let order =
        Order { shape: Shape::AsStored, kind: AddressKind::Logical, start: 0, length: 16 * 512, pages_per_packet: 4 };
    let mut reading = agent.read(order, PageSize { page: 512, spare: 16 }).await.ok()?;
    let mut buffer = Vec::new();
    let mut total = 0;
    while let Ok(Some(packet)) = reading.next(&mut buffer).await {
        total += packet.len();
        assert!(total <= 16 * 528);
    }
    drop(reading);
    let _ = agent.finish(Exit::PowerOff).await;
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
    let liar = || Liar { script, echo: mode & 4 != 0, echoed: VecDeque::new(), silences: 0 };
    run(async {
        match mode & 3 {
            0 => agent_talk(liar(), Format::G1).await,
            1 => agent_talk(liar(), Format::G2).await,
            _ => boot_talk(liar()).await,
        }
    });
});
