//! A host that plays transcripts in the notation of the notes: `H` bytes the host sends, `D` bytes it must hear.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use bromide_phone::{Clock, Ended, Generation, Model, NandChip, Options, Phone, PhoneLink};
use bromide_proto::codes::DEMO_AGENT_MARKER;
use bromide_proto::link::{Link, LinkError, recv_exact};

/// A link that blocks ends inside one poll.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a link left its poll waiting"),
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits in {text:?}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub(crate) struct Host<L>(pub(crate) L);

impl<L: Link> Host<L> {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        run(self.0.send(bytes)).expect("the phone is there");
    }

    pub(crate) fn hear(&mut self, bytes: usize) -> Vec<u8> {
        let mut heard = vec![0; bytes];
        if let Err((have, error)) = run(recv_exact(&mut self.0, &mut heard, Duration::from_secs(5))) {
            panic!("{error} after {have} of {bytes} bytes: {:02x?}", &heard[..have.min(64)]);
        }
        heard
    }

    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let heard = self.hear(bytes.len());
        if let Some(at) = (0..bytes.len()).find(|at| heard[*at] != bytes[*at]) {
            let show = |all: &[u8]| format!("{:02x?}", &all[at..all.len().min(at + 16)]);
            panic!("byte {at} of {}: heard {}, expected {}", bytes.len(), show(&heard), show(bytes));
        }
    }

    /// Plays a transcript: `H A0 0A D 5F F5`. Spaces between digits mean nothing.
    pub(crate) fn play(&mut self, transcript: &str) {
        let mut rest = transcript.trim_start();
        while let Some(side) = rest.chars().next() {
            let end = next_direction(rest).unwrap_or(rest.len());
            let bytes = hex(&rest[1..end]);
            match side {
                'H' => self.send(&bytes),
                'D' => self.expect(&bytes),
                other => panic!("{other:?} is no direction"),
            }
            rest = rest[end..].trim_start();
        }
    }

    /// Nothing comes for this long.
    pub(crate) fn hush(&mut self, time: Duration) {
        let mut byte = [0];
        match run(self.0.recv(&mut byte, time)) {
            Err(LinkError::Timeout(_)) => {}
            other => panic!("expected silence, got {other:?} {byte:02x?}"),
        }
    }

    /// The phone has left the cable and everything it said was heard.
    pub(crate) fn gone(&mut self) {
        let mut byte = [0];
        match run(self.0.recv(&mut byte, Duration::from_secs(60))) {
            Err(LinkError::Unplugged) => {}
            other => panic!("expected an empty cable, got {other:?} {byte:02x?}"),
        }
    }
}

/// Where the next `H` or `D` that stands alone begins; D is a digit too.
fn next_direction(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let alone = |at: usize| {
        let before = at == 0 || bytes[at - 1].is_ascii_whitespace();
        let after = bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        before && after && matches!(bytes[at], b'H' | b'D')
    };
    (1..bytes.len()).find(|at| alone(*at))
}

pub(crate) type Plugged = Host<PhoneLink>;

pub(crate) fn mt6575() -> Model {
    Model::builtin("mt6575").unwrap()
}

pub(crate) fn plug(model: Model, chip: NandChip, options: Options) -> Plugged {
    plug_phone(Phone::new(model, chip, options))
}

pub(crate) fn plug_phone(phone: Phone) -> Plugged {
    Host(PhoneLink::plug(phone, Clock::virtual_time()))
}

/// A healthy phone with an erased chip that has no bad-block table.
pub(crate) fn blank(options: Options) -> Plugged {
    let model = mt6575();
    let chip = NandChip::blank(&model.nand);
    plug(model, chip, options)
}

pub(crate) fn unplug(host: Plugged) -> (Phone, Ended) {
    host.0.unplug()
}

impl<L: Link> Host<L> {
    pub(crate) fn start(&mut self) {
        self.play("H A0 D 5F H 0A D F5 H 50 D AF H 05 D FA");
    }

    pub(crate) fn disable_watchdog(&mut self) {
        self.play("H D2 D D2 H C0000000 D C0000000 H 00000001 D 00000001 D 0000 H 2200 D 2200 D 0000");
    }

    pub(crate) fn upload(&mut self, bytes: &[u8]) {
        let length = format!("{:08X}", bytes.len());
        self.play(&format!(
            "H D7 D D7 H C2000000 D C2000000 H {length} D {length} H 00000000 D 00000000 D 0000"
        ));
        self.send(bytes);
        let sum = bytes.chunks(2).fold(0u16, |x, w| x ^ u16::from_le_bytes([w[0], *w.get(1).unwrap_or(&0)]));
        self.play(&format!("D {sum:04X} 0000"));
    }

    pub(crate) fn jump(&mut self) {
        self.play("H D5 D D5 H C2000000 D C2000000 D 0000");
    }

    /// From power-up to the agent's first byte.
    pub(crate) fn load(&mut self, generation: Generation) {
        self.start();
        self.disable_watchdog();
        let word = match generation {
            Generation::G1 => b"g1",
            Generation::G2 => b"g2",
        };
        self.upload(&[DEMO_AGENT_MARKER, word].concat());
        self.jump();
    }

    /// From power-up to the command loop, the matching record offered, pool of 80 blocks; the report is returned.
    pub(crate) fn reach_commands(&mut self, generation: Generation) -> Vec<u8> {
        self.load(generation);
        self.play("D C0 03 02 84");
        self.configure(generation, 80);
        self.play("D 5A 00000038 H 00000001 D 5A");
        self.send(&record(0x78, [0xad, 0xbc, 0x90, 0x55, 0x54]));
        self.play("D 5A");
        let report = self.hear(match generation {
            Generation::G1 => 184,
            Generation::G2 => 218,
        });
        self.play("D 5A 00000C06 0000040B C1");
        report
    }

    pub(crate) fn configure(&mut self, generation: Generation, pool: u32) {
        self.play(&match generation {
            Generation::G1 => format!("H 05 FE 00 08 00 70 07 FF FF {pool:08X} 02 00"),
            Generation::G2 => format!("H 05 FE 00 08 00 70 07 FF FF 00 {pool:08X} 02 01 02 00"),
        });
    }

    /// A DF request in the generation's form.
    pub(crate) fn ask(
        &mut self,
        generation: Generation,
        flag: u8,
        physical: bool,
        address: u32,
        length: u32,
    ) {
        let kind = u8::from(physical);
        self.play(&match generation {
            Generation::G1 => format!("H DF {flag:02X} {kind:02X} {address:08X} {length:08X} 00000000"),
            Generation::G2 => {
                format!("H DF {flag:02X} {kind:02X} 00000000{address:08X} 00000000{length:08X} 00000000")
            }
        });
    }

    /// A whole read back with good sums, packets of so many pages; the data of all packets.
    pub(crate) fn read(
        &mut self,
        generation: Generation,
        flag: u8,
        physical: bool,
        address: u32,
        length: u32,
        pages: u32,
    ) -> Vec<u8> {
        self.ask(generation, flag, physical, address, length);
        self.play("D 5A 00000800 00000040");
        let unit = u32::from_be_bytes(self.hear(4).try_into().unwrap()) as usize;
        self.play(&format!("H {pages:08X}"));
        let total = match generation {
            Generation::G1 => u32::from_be_bytes(self.hear(4).try_into().unwrap()) as usize,
            Generation::G2 => u64::from_be_bytes(self.hear(8).try_into().unwrap()) as usize,
        };
        let mut all = Vec::new();
        while all.len() < total {
            let packet = self.hear((total - all.len()).min(unit * pages as usize));
            let sum = packet.iter().map(|b| u32::from(*b)).sum::<u32>() as u16;
            self.expect(&sum.to_be_bytes());
            self.send(&[0x5a]);
            all.extend(packet);
        }
        all
    }
}

/// A record of the NAND table: 512 MiB, 2048 + 64, 64 pages a block, 16 bit, 5 cycles.
pub(crate) fn record(index: u16, id: [u8; 5]) -> [u8; 56] {
    let mut bytes = [0; 56];
    bytes[..2].copy_from_slice(&index.to_le_bytes());
    (bytes[4], bytes[6]) = (id[0], id[1]);
    bytes[8..11].copy_from_slice(&id[2..]);
    bytes[11] = 0xff;
    for (n, field) in [512u32, 64, 2048, 1, 5, 16].into_iter().enumerate() {
        bytes[12 + 4 * n..16 + 4 * n].copy_from_slice(&field.to_le_bytes());
    }
    bytes
}
