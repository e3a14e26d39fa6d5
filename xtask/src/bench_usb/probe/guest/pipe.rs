//! Bytes between one connection and the device's two bulk endpoints, as a driver's serial port has them.
//!
//! Promises: the device is read only while somebody listens; what it says is passed on in its order, once. One
//! connection at a time: others are refused meanwhile, as a serial port that is open already is.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Stop;
use super::device::{Device, inward_context, outward_context};
use super::memory::{BUFFER, INWARD, INWARD_DATA, OUTWARD, OUTWARD_DATA, PAGE};
use super::rings::{Ring, Trb};
use super::xhci::{INTERRUPT, LOOK, PATIENCE, SUCCESS, TRANSFER_EVENT, Xhci};

/// Types of blocks (table 6-91), a flag (section 6.4.1.1) and a completion code (table 6-90).
const NORMAL: u32 = 1;
const STOP_ENDPOINT: u32 = 15;
const SET_DEQUEUE: u32 = 16;
const SHORT_TOO: u32 = 1 << 2;
const SHORT_PACKET: u32 = 13;
/// Reads kept queued.
const QUEUED: u64 = 16;
/// How often the port is looked at.
const PORT: Duration = Duration::from_millis(20);
/// Longest that whoever listens may leave bytes lying.
const TAKE: Duration = Duration::from_secs(30);

/// How long nobody may connect after a connection was ended. A phone that was told to leave does so once its host has
/// let go; whoever waits for it to return would find the port still open, and mistake the old device for the new one.
/// After that time it is asked whether it is there.
const REST: Duration = Duration::from_secs(2);

/// The device's bytes at one address, until it leaves.
pub(crate) struct Pipe<'a> {
    xhci: &'a mut Xhci,
    device: &'a mut Device,
    address: &'a str,
    /// There only while nobody is connected.
    listener: Option<TcpListener>,
    /// When somebody may connect again.
    rested: Instant,
    client: Option<TcpStream>,
    inward: Ring,
    outward: Ring,
    /// Reads that wait, by the address of their block, with the number of their buffer.
    reads: VecDeque<(u64, u64)>,
    /// The write that waits.
    write: Option<u64>,
}

impl<'a> Pipe<'a> {
    /// For a device that was just configured; whoever comes is let in from now on.
    pub(crate) fn open(xhci: &'a mut Xhci, device: &'a mut Device, address: &'a str) -> Result<Self, Stop> {
        Ok(Self {
            xhci,
            device,
            address,
            listener: Some(listen(address)?),
            rested: Instant::now(),
            client: None,
            inward: Ring::new(INWARD),
            outward: Ring::new(OUTWARD),
            reads: VecDeque::new(),
            write: None,
        })
    }

    /// Serves one connection after the other; ends, always with a reason, when the device has left.
    pub(crate) fn serve(&mut self) -> Result<Infallible, Stop> {
        let mut looked = Instant::now();
        loop {
            self.accept()?;
            self.send()?;
            let events = self.xhci.poll()?;
            for event in &events {
                self.take(event)?;
            }
            if !events.is_empty() && self.client.is_some() {
                self.knock()?;
            }
            if looked.elapsed() >= PORT {
                looked = Instant::now();
                if !self.xhci.is_connected(self.device.port)? {
                    return Err(Stop::Device("pulled".into()));
                }
            }
            // Also when there was something: meanwhile the machine gets on with more of it.
            thread::sleep(LOOK);
        }
    }

    fn accept(&mut self) -> Result<(), Stop> {
        if self.client.is_some() || Instant::now() < self.rested {
            return Ok(());
        }
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => {
                self.device.is_there(self.xhci)?;
                listen(self.address)?
            }
        };
        let failed = |e: std::io::Error| Stop::Fault(e.to_string());
        let client = match listener.accept() {
            Ok((client, _)) => client,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                self.listener = Some(listener);
                return Ok(());
            }
            Err(e) => return Err(failed(e)),
        };
        client.set_nonblocking(true).and_then(|()| client.set_nodelay(true)).map_err(failed)?;
        self.client = Some(client);
        for buffer in 0..QUEUED {
            self.queue(buffer)?;
        }
        self.knock()
    }

    /// Queues a read.
    fn queue(&mut self, buffer: u64) -> Result<(), Stop> {
        let place = INWARD_DATA + buffer * BUFFER as u64;
        let block = Trb::new(NORMAL, place, BUFFER as u32, INTERRUPT | SHORT_TOO);
        let address = self.xhci.put(&mut self.inward, block)?;
        self.reads.push_back((address, buffer));
        Ok(())
    }

    /// Tells the controller of the reads that were queued.
    fn knock(&mut self) -> Result<(), Stop> {
        self.xhci.knock(self.device.slot, inward_context(self.device.pair.inward.number))
    }

    /// Bytes of the connection, one write at a time.
    fn send(&mut self) -> Result<(), Stop> {
        let (None, Some(client)) = (self.write, &mut self.client) else { return Ok(()) };
        let mut bytes = [0; BUFFER];
        match client.read(&mut bytes) {
            Ok(n @ 1..) => {
                self.xhci.machine.write(OUTWARD_DATA, bytes.get(..n).unwrap_or_default())?;
                let block = Trb::new(NORMAL, OUTWARD_DATA, n as u32, INTERRUPT);
                self.write = Some(self.xhci.put(&mut self.outward, block)?);
                self.xhci.knock(self.device.slot, outward_context(self.device.pair.outward.number))
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Ok(_) | Err(_) => self.hang_up(),
        }
    }

    /// Nobody listens any more: what was written is still sent, and the reads that are queued are taken back, as a
    /// driver does whose port is closed (section 4.6.9).
    fn hang_up(&mut self) -> Result<(), Stop> {
        self.client = None;
        let until = Instant::now() + PATIENCE;
        while self.write.is_some() {
            if Instant::now() > until {
                return Err(Stop::Device("it takes no more bytes".into()));
            }
            for event in self.xhci.poll()? {
                self.take(&event)?;
            }
            thread::sleep(LOOK);
        }
        self.rested = Instant::now() + REST;
        self.reads.clear();
        let endpoint = inward_context(self.device.pair.inward.number);
        let about = self.device.slot << 24 | endpoint << 16;
        self.xhci.command("stop reading", Trb::new(STOP_ENDPOINT, 0, 0, about))?;
        self.xhci.machine.write(INWARD, &[0; PAGE])?;
        self.inward = Ring::new(INWARD);
        let start = Trb::new(SET_DEQUEUE, self.inward.start(), 0, about);
        self.xhci.command("begin the ring of reads anew", start).map(drop)
    }

    /// A transfer that ended, if it is one of ours.
    fn take(&mut self, event: &Trb) -> Result<(), Stop> {
        if event.kind() != TRANSFER_EVENT || event.slot() != self.device.slot {
            return Ok(());
        }
        let whose = event.parameter;
        let read = self.reads.front().copied().filter(|(address, _)| *address == whose);
        if read.is_none() && self.write != Some(whose) {
            return Ok(());
        }
        if !matches!(event.code(), SUCCESS | SHORT_PACKET) {
            return Err(Stop::Device(format!("completion code {}", event.code())));
        }
        let Some((_, buffer)) = read else {
            self.write = None;
            return Ok(());
        };
        self.reads.pop_front();
        let bytes = BUFFER.saturating_sub(event.rest());
        let said = self.xhci.machine.read(INWARD_DATA + buffer * BUFFER as u64, bytes)?;
        self.queue(buffer)?;
        if !self.pass_on(&said)? {
            self.hang_up()?;
        }
        Ok(())
    }

    /// Whether whoever listens took it.
    fn pass_on(&mut self, said: &[u8]) -> Result<bool, Stop> {
        let Some(client) = &mut self.client else { return Ok(true) };
        let (mut rest, until) = (said, Instant::now() + TAKE);
        while !rest.is_empty() {
            match client.write(rest) {
                Ok(n @ 1..) => rest = rest.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::WouldBlock && Instant::now() < until => thread::sleep(LOOK),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn listen(address: &str) -> Result<TcpListener, Stop> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|e| Stop::Fault(format!("{address}: {e}")))
}
