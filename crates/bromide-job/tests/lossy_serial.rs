//! A serial driver that drops whole blocks of 1024 bytes without an error, as cdc_acm was seen to do on an emulated
//! xHCI (test-bench.md section 3): the file is right, or it stays `.part`; it is never shifted.

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bromide_phone::{Boot, Options, PhoneLink};
use bromide_proto::agent_format::Format;
use bromide_proto::link::{Link, LinkError};
use common::*;

/// Size of the driver's reads.
const DROPPED: usize = 1024;
/// What the buffer is believed to hold.
const MOST: u32 = 32 << 10;

/// Loses a block now and then; everything else arrives in order.
struct Lossy {
    link: PhoneLink,
    /// One block in so many is lost.
    one_in: u32,
    state: u64,
    /// Bytes since the host last spoke, and the most of them there were.
    burst: usize,
    longest: Rc<Cell<usize>>,
    /// Bytes of the present block still to give, and whether it is lost.
    block: (usize, bool),
}

impl Lossy {
    fn new(link: PhoneLink, one_in: u32, seed: u64) -> Self {
        Self {
            link,
            one_in,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            burst: 0,
            longest: Rc::default(),
            block: (DROPPED, false),
        }
    }

    fn draw(&mut self) -> bool {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((self.state >> 33) as u32).is_multiple_of(self.one_in)
    }
}

impl Link for Lossy {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        // A short answer comes in a transfer of its own: only bursts overrun the buffer.
        self.block = (DROPPED, false);
        self.burst = 0;
        self.link.send(bytes).await
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        loop {
            if self.block.0 == 0 {
                self.block = (DROPPED, self.draw());
            }
            let most = into.len().min(self.block.0);
            let lost = self.block.1;
            let mut sink = vec![0; self.block.0];
            let place = if lost { &mut sink[..] } else { &mut into[..most] };
            let n = self.link.recv(place, within).await?;
            self.block.0 -= n;
            self.burst += n;
            self.longest.set(self.longest.get().max(self.burst));
            if !lost {
                return Ok(n);
            }
        }
    }

    fn now(&self) -> Duration {
        self.link.now()
    }

    fn most_at_once(&self) -> Option<u32> {
        Some(MOST)
    }
}

#[test]
fn blocks_dropped_by_a_serial_driver_never_give_a_wrong_file() {
    let (start, length) = ((REPLACED - 1) * BLOCK, 3 * BLOCK);
    let wanted = stored(&phone("mt6575", Boot::BootRom, Options::default()), start, length);
    let (mut right, mut failed) = (0, 0);
    for format in [Format::G1, Format::G2] {
        for one_in in [3, 10, 40, 150] {
            for seed in 0..12 {
                let folder = folder();
                let file = folder.path().join("a.img");
                let link = Lossy::new(plug(phone("mt6575", Boot::BootRom, Options::default())), one_in, seed);
                let longest = Rc::clone(&link.longest);
                let options = bromide_job::readback::ReadOptions { pages_per_packet: 64, ..read_options() };
                let wish = range(start, length, &file);
                let outcome = job(link, &da(format), &session_options(), &[wish], &options);
                // Packet, sum, and the end of an answer before it.
                assert!(longest.get() <= MOST as usize + 64, "asked for {} at once", longest.get());
                match outcome.result {
                    Ok(_) => {
                        assert!(std::fs::read(&file).unwrap() == wanted, "{format} 1/{one_in} seed {seed}");
                        right += 1;
                    }
                    Err(_) => {
                        assert!(!file.exists(), "{format} 1/{one_in} seed {seed}");
                        failed += 1;
                    }
                }
            }
        }
    }
    println!("{right} files right, {failed} failed without a file");
    assert!(right >= 48, "a loss now and then is recovered from: {right} right, {failed} failed");
}
