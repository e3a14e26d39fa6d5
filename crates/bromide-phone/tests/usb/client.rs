//! A USB/IP client (`usbip-cdc.md` section 7), as plain as it gets, and a [`Link`] made of its bulk endpoints.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bromide_proto::link::{Link, LinkError};

pub(crate) const STALL: i32 = -32;
pub(crate) const UNLINKED: i32 = -104;
const PATIENCE: Duration = Duration::from_secs(10);

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ret {
    pub(crate) command: u32,
    pub(crate) number: u32,
    pub(crate) status: i32,
    pub(crate) actual: u32,
    pub(crate) data: Vec<u8>,
}

/// The server closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) record: Vec<u8>,
    number: u32,
    /// IN requests without an answer: their answers carry data.
    expected: BTreeSet<u32>,
    input: Vec<u8>,
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The whole answer to a request for the list of devices.
pub(crate) fn list(address: &str) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(&[1, 0x11, 0x80, 5, 0, 0, 0, 0]).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

impl Client {
    /// The device, or the status of the refusal.
    pub(crate) fn import(address: &str, bus_id: &str) -> Result<Self, u32> {
        let mut stream = connect(address);
        let mut ask = vec![1, 0x11, 0x80, 3, 0, 0, 0, 0];
        ask.extend(bus_id.as_bytes());
        ask.resize(40, 0);
        stream.write_all(&ask).unwrap();
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head[..4], [1, 0x11, 0, 3]);
        match u32::from_be_bytes(head[4..].try_into().unwrap()) {
            0 => {}
            status => return Err(status),
        }
        let mut record = vec![0; 312];
        stream.read_exact(&mut record).unwrap();
        Ok(Self { stream, record, number: 0, expected: BTreeSet::new(), input: Vec::new() })
    }

    /// Imports as soon as there is something to import.
    pub(crate) fn wait_for(address: &str) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            match Self::import(address, "1-1") {
                Ok(client) => return client,
                Err(status) => assert!(Instant::now() < until, "refused with {status} for too long"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// As [`Self::wait_for`], configured like a host does it.
    pub(crate) fn configured(address: &str) -> Self {
        let mut client = Self::wait_for(address);
        assert_eq!(client.control([0, 9, 1, 0, 0, 0, 0, 0], &[]), Ok(vec![]));
        client
    }

    pub(crate) fn pid(&self) -> u16 {
        u16::from_be_bytes([self.record[302], self.record[303]])
    }

    pub(crate) fn message(&mut self, words: [u32; 10], setup: [u8; 8], data: &[u8]) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(setup);
        bytes.extend(data);
        // A server that has closed shows in the answers.
        let _ = self.stream.write_all(&bytes);
    }

    fn submit(&mut self, incoming: bool, endpoint: u32, bytes: usize, setup: [u8; 8], data: &[u8]) -> u32 {
        self.number += 1;
        if incoming {
            self.expected.insert(self.number);
        }
        let words = [1, self.number, 0x10002, u32::from(incoming), endpoint, 0, bytes as u32, 0, 0, 0];
        self.message(words, setup, data);
        self.number
    }

    pub(crate) fn ask(&mut self, endpoint: u32, bytes: usize) -> u32 {
        self.submit(true, endpoint, bytes, [0; 8], &[])
    }

    pub(crate) fn give(&mut self, endpoint: u32, data: &[u8]) -> u32 {
        self.submit(false, endpoint, data.len(), [0; 8], data)
    }

    /// Asks to take this request back; the number of the asking.
    pub(crate) fn unlink(&mut self, victim: u32) -> u32 {
        self.number += 1;
        self.message([2, self.number, 0x10002, 0, 0, victim, 0, 0, 0, 0], [0; 8], &[]);
        self.number
    }

    /// The next answer in this time, if any.
    pub(crate) fn next(&mut self, within: Duration) -> Result<Option<Ret>, Closed> {
        let until = Instant::now() + within;
        loop {
            if let Some(ret) = self.parse() {
                return Ok(Some(ret));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Closed),
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Err(Closed),
            }
        }
    }

    fn parse(&mut self) -> Option<Ret> {
        let word = |at: usize| u32::from_be_bytes(self.input[at..at + 4].try_into().unwrap());
        if self.input.len() < 48 {
            return None;
        }
        let (command, number, status, actual) = (word(0), word(4), word(20) as i32, word(24));
        assert!(matches!(command, 3 | 4), "{command} is no answer");
        assert_eq!(self.input[8..20], [0; 12]);
        let bytes = if command == 3 && self.expected.contains(&number) { actual as usize } else { 0 };
        if self.input.len() < 48 + bytes {
            return None;
        }
        let data = self.input[48..48 + bytes].to_vec();
        self.input.drain(..48 + bytes);
        self.expected.remove(&number);
        Some(Ret { command, number, status, actual, data })
    }

    pub(crate) fn must(&mut self) -> Ret {
        self.next(PATIENCE).expect("the server is there").expect("an answer")
    }

    /// Until the server closes; what came before.
    pub(crate) fn until_closed(&mut self) -> Vec<Ret> {
        let mut all = Vec::new();
        loop {
            match self.next(PATIENCE) {
                Ok(Some(ret)) => all.push(ret),
                Ok(None) => panic!("the server neither answers nor closes"),
                Err(Closed) => return all,
            }
        }
    }

    /// A request on endpoint 0 with nothing else under way.
    pub(crate) fn control(&mut self, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, i32> {
        let bytes = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
        let number = self.submit(setup[0] & 0x80 != 0, 0, bytes, setup, data);
        let ret = self.must();
        assert_eq!((ret.command, ret.number), (3, number));
        if ret.status == 0 { Ok(ret.data) } else { Err(ret.status) }
    }

    pub(crate) fn descriptor(&mut self, kind: u8, index: u8, bytes: u16) -> Result<Vec<u8>, i32> {
        let [low, high] = bytes.to_le_bytes();
        self.control([0x80, 6, index, kind, 9, 4, low, high], &[])
    }
}

/// The bulk pair as a cable: several large reads under way, as a host keeps them.
pub(crate) struct Bulk {
    pub(crate) client: Client,
    asked: usize,
    queued: usize,
    heard: VecDeque<u8>,
    given: BTreeSet<u32>,
    opened: Instant,
}

impl Bulk {
    pub(crate) fn new(client: Client) -> Self {
        Self::with_reads(client, 16384, 4)
    }

    pub(crate) fn with_reads(mut client: Client, asked: usize, queued: usize) -> Self {
        for _ in 0..queued {
            client.ask(1, asked);
        }
        Self { client, asked, queued, heard: VecDeque::new(), given: BTreeSet::new(), opened: Instant::now() }
    }

    /// One answer taken in; false when none came.
    fn step(&mut self, within: Duration) -> Result<bool, LinkError> {
        let Some(ret) = self.client.next(within).map_err(|Closed| LinkError::Unplugged)? else {
            return Ok(false);
        };
        assert_eq!(ret.status, 0, "{ret:?}");
        if !self.given.remove(&ret.number) {
            assert!(self.queued > 0);
            self.heard.extend(ret.data);
            self.client.ask(1, self.asked);
        }
        Ok(true)
    }
}

impl Link for Bulk {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let number = self.client.give(1, bytes);
        self.given.insert(number);
        while self.given.contains(&number) {
            if !self.step(PATIENCE)? {
                return Err(LinkError::Stalled(PATIENCE));
            }
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let until = Instant::now() + within;
        while self.heard.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LinkError::Timeout(within));
            }
            self.step(left)?;
        }
        let n = into.len().min(self.heard.len());
        for (to, from) in into.iter_mut().zip(self.heard.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.opened.elapsed()
    }
}
