//! A usbredir peer in place of QEMU: hello, announcements, control, bulk, and faces over one connection.

use core::time::Duration;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use bromide_phone::usb::UsbOptions;
use bromide_phone::{Generation, Options};
use bromide_proto::link::{Link, LinkError};

use crate::host::Host;
use crate::served::{Served, boot_rom};

/// 64-bit ids, 32-bit lengths, acknowledged disconnects, device version, packet sizes.
const CAPS: u32 = 0x7a;

/// A peer that keeps one read of 16 KiB pending.
struct Peer {
    stream: UnixStream,
    input: Vec<u8>,
    wide: bool,
    id: u64,
    heard: Vec<u8>,
    opened: Instant,
}

struct Message {
    kind: u32,
    id: u64,
    body: Vec<u8>,
}

impl Peer {
    fn new(path: &str, caps: u32) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        let mut peer =
            Self { stream, input: vec![], wide: false, id: 0, heard: vec![], opened: Instant::now() };
        let hello = peer.next().unwrap();
        assert_eq!((hello.kind, hello.body.len()), (0, 68));
        let mut body = b"test".to_vec();
        body.resize(64, 0);
        body.extend(caps.to_le_bytes());
        peer.put(0, 0, &body);
        peer.wide = caps & 1 << 5 != 0;
        peer
    }

    fn put(&mut self, kind: u32, id: u64, body: &[u8]) {
        let mut bytes = [kind.to_le_bytes(), (body.len() as u32).to_le_bytes()].concat();
        bytes.extend(&id.to_le_bytes()[..if self.wide { 8 } else { 4 }]);
        bytes.extend(body);
        self.stream.write_all(&bytes).unwrap();
    }

    fn next(&mut self) -> Option<Message> {
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        loop {
            let head = if self.wide { 16 } else { 12 };
            let word = |at: usize| u32::from_le_bytes(self.input[at..at + 4].try_into().unwrap());
            if self.input.len() >= head && self.input.len() >= head + word(4) as usize {
                let message = Message {
                    kind: word(0),
                    id: u64::from(word(8)),
                    body: self.input[head..head + word(4) as usize].to_vec(),
                };
                self.input.drain(..head + message.body.len());
                return Some(message);
            }
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn must(&mut self, kind: u32) -> Message {
        let message = self.next().expect("the phone is there");
        assert_eq!(message.kind, kind, "{:02x?}", message.body);
        message
    }

    /// Endpoints, interfaces, device; the configuration is chosen and one read begun.
    fn attached(&mut self, pid: u16, speed: u8) {
        let endpoints = self.must(5).body;
        assert_eq!(endpoints.len(), 96 + 64);
        assert_eq!((endpoints[1], endpoints[17]), (2, 2));
        let interfaces = self.must(4).body;
        assert_eq!((interfaces[0], interfaces.len()), (2, 4 + 128));
        let device = self.must(1).body;
        assert_eq!(device.len(), 10);
        assert_eq!((device[0], device[1]), (speed, 2));
        assert_eq!([device[4], device[5], device[6], device[7]], [0x8d, 0x0e, pid as u8, (pid >> 8) as u8]);
        self.put(6, 77, &[1]);
        assert_eq!(self.must(8).body, [0, 1]);
        self.ask();
    }

    fn ask(&mut self) {
        self.id += 1;
        self.put(101, self.id, &[0x81, 0, 0, 0x40, 0, 0, 0, 0, 0, 0]);
    }
}

impl Link for Peer {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.id += 1;
        let [a, b, c, d] = (bytes.len() as u32).to_le_bytes();
        let body = [&[0x01, 0, a, b, 0, 0, 0, 0, c, d][..], bytes].concat();
        self.put(101, self.id, &body);
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], _within: Duration) -> Result<usize, LinkError> {
        while self.heard.is_empty() {
            let Some(message) = self.next() else { return Err(LinkError::Unplugged) };
            match message.kind {
                2 => {
                    self.put(24, 0, &[]);
                    return Err(LinkError::Unplugged);
                }
                101 if message.body[0] == 0x81 => {
                    assert_eq!(message.body[1], 0);
                    self.heard.extend(&message.body[10..]);
                    self.ask();
                }
                101 => assert_eq!(message.body[..2], [1, 0]),
                other => panic!("message {other} with {:02x?}", message.body),
            }
        }
        let n = into.len().min(self.heard.len());
        into[..n].copy_from_slice(&self.heard[..n]);
        self.heard.drain(..n);
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }
}

#[test]
fn one_connection_carries_the_boot_rom_and_the_agent_that_returns_as_2001() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::usbredir(boot_rom(UsbOptions::default()), folder.path().join("phone"));
    let mut peer = Peer::new(&served.address, CAPS);
    peer.attached(0x0003, 1);
    // The device descriptor, then a string it has not.
    peer.put(100, 5, &[0x80, 6, 0x80, 0, 0, 1, 0, 0, 18, 0]);
    let answer = peer.must(100);
    assert_eq!((answer.id, answer.body[3], answer.body[8], answer.body.len()), (5, 0, 18, 28));
    peer.put(100, 6, &[0x80, 6, 0x80, 0, 1, 3, 9, 4, 255, 0]);
    assert_eq!(peer.must(100).body[3], 4);
    let mut host = Host(peer);
    host.reach_commands(Generation::G2);
    let image = host.read(Generation::G2, 0, false, 0, 0x20000, 64);
    host.play("H 72 D 5A 00 H 70 01 D 5A");
    host.gone();
    let left = Instant::now();
    host.0.attached(0x2001, 2);
    assert!(left.elapsed() >= Duration::from_millis(190), "{:?}", left.elapsed());
    host.play("H 72 D 5A 01");
    assert!(host.read(Generation::G2, 0, false, 0, 0x20000, 64) == image);
    served.finish();
}

#[test]
fn a_cancelled_read_is_said_to_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::usbredir(boot_rom(UsbOptions::default()), folder.path().join("phone"));
    let mut peer = Peer::new(&served.address, CAPS);
    peer.attached(0x0003, 1);
    let id = peer.id;
    peer.put(21, id, &[]);
    let answer = peer.must(101);
    assert_eq!((answer.id, &answer.body[..2]), (id, &[0x81, 1][..]));
    served.finish();
}

#[test]
fn a_boot_rom_that_leaves_comes_back_on_the_same_connection() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { bootrom_patience: Some(Duration::from_millis(100)), ..Options::default() };
    let served = Served::usbredir(options, folder.path().join("phone"));
    let mut peer = Peer::new(&served.address, CAPS);
    for _ in 0..3 {
        peer.attached(0x0003, 1);
        peer.must(2);
        peer.put(24, 0, &[]);
    }
    served.finish();
}

#[test]
fn a_peer_that_breaks_the_rules_is_disconnected_and_the_next_one_served() {
    let folder = tempfile::tempdir().unwrap();
    let usb = UsbOptions { gap: Duration::ZERO, ..UsbOptions::default() };
    let served = Served::usbredir(boot_rom(usb), folder.path().join("phone"));
    for wrong in [
        [101u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat(),
        [100u32.to_le_bytes(), 3u32.to_le_bytes()].concat(),
        [101u32.to_le_bytes(), 9u32.to_le_bytes()].concat(),
    ] {
        let mut peer = Peer::new(&served.address, CAPS);
        peer.attached(0x0003, 1);
        let mut bytes = wrong;
        bytes.resize(16 + 9, 0);
        peer.stream.write_all(&bytes).unwrap();
        assert!(peer.next().is_none());
    }
    let mut peer = Peer::new(&served.address, CAPS);
    peer.attached(0x0003, 1);
    Host(peer).start();
    served.finish();
}
