//! The phone's program on one side, whatever carries the requests on the other, and the [`Urbs`] between them.
//!
//! Promises: the program's thread blocks inside its one poll and nowhere else. Whoever completes a request writes
//! the answers of both threads in one go, so that a request costs no change of threads as long as both sides have
//! something waiting. No lock is held during a write.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bromide_proto::link::{Link, LinkError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::urbs::{self, Urbs};
use super::{Face, UsbOptions};
use crate::clock::Clock;
use crate::pace::Pace;
use crate::wire::Ended;

/// How long a wait may go on without a look at the stop flag.
const LOOK: Duration = Duration::from_millis(100);
/// How long a phone that leaves waits for the host to fetch its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long a phone that has said goodbye stays for a host that keeps reads queued, and how long after it let go of
/// them. The kernel's virtual host controller loses a read that is queued and taken back while its connection ends,
/// and the host then hangs in the kernel for ever; a phone that resets is not gone that quickly either.
const FAREWELL: Duration = Duration::from_millis(500);
const PARTING: Duration = Duration::from_millis(150);
/// Bytes of reads a USB host keeps queued, so that a stall of its own costs nothing.
const QUEUED: u64 = 256 << 10;

struct State {
    urbs: Urbs,
    /// A thread is writing and will take care of what comes meanwhile.
    writing: bool,
    /// The carrier is gone: the program hears that the cable was pulled.
    gone: bool,
    /// Why the program left.
    ended: Option<Ended>,
    spare: Vec<u8>,
}

/// One appearance of the phone on a bus.
pub(crate) struct Port<'a> {
    state: Mutex<State>,
    /// The program may go on.
    program: Condvar,
    socket: OwnedFd,
    /// A byte here wakes the carrier.
    bell: UnixStream,
    heard: UnixStream,
    stop: &'a AtomicBool,
    units: Vec<usize>,
    face: Face,
    /// When a phone that nobody configures leaves.
    leaves: Option<Instant>,
}

impl<'a> Port<'a> {
    /// Requests come from and answers go to this socket. `page` are the bytes of a stored page and of its main
    /// area.
    pub(crate) fn new(
        urbs: Urbs,
        face: Face,
        options: &UsbOptions,
        page: [u32; 2],
        socket: OwnedFd,
        stop: &'a AtomicBool,
    ) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let (bell, heard) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        let state = State { urbs, writing: false, gone: false, ended: None, spare: Vec::new() };
        let pages = page.into_iter().filter_map(|bytes| usize::try_from(bytes).ok()).filter(|n| *n > 0);
        let units = if options.page_transfers { pages.collect() } else { Vec::new() };
        let state = Mutex::new(state);
        Ok(Self { state, program: Condvar::new(), socket, bell, heard, stop, units, face, leaves: None })
    }

    /// Lets the phone leave when the host does not configure it in this time.
    pub(crate) fn leave_unless_configured(&mut self, within: Duration) {
        self.leaves = Instant::now().checked_add(within);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The carrier's turn: takes in requests, then everything that can be answered is.
    pub(crate) fn with<T>(&self, takes: impl FnOnce(&mut Urbs) -> T) -> T {
        let mut state = self.lock();
        let taken = takes(&mut state.urbs);
        drop(self.flush(state));
        // New bytes, room, or a configuration.
        self.program.notify_all();
        taken
    }

    /// Writes what can be answered, unless another thread does so already.
    fn flush<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        if state.writing {
            return state;
        }
        state.writing = true;
        loop {
            state.urbs.pump();
            if state.urbs.broken {
                self.ring();
            }
            if state.urbs.outbox.is_empty() {
                break;
            }
            let empty = core::mem::take(&mut state.spare);
            let mut answers = core::mem::replace(&mut state.urbs.outbox, empty);
            drop(state);
            let written = self.write_all(&answers);
            answers.clear();
            state = self.lock();
            state.spare = answers;
            if written.is_err() {
                state.gone = true;
                self.ring();
            }
            self.program.notify_all();
        }
        state.writing = false;
        state
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&self.socket, rest) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.stopped() {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    poll_both(self.socket.as_fd(), PollFlags::OUT, None, LOOK)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads what has come through `chunk`, appending to `input`; waits up to `within`. `Ok(None)`: nothing came.
    pub(crate) fn read(
        &self,
        chunk: &mut [u8],
        input: &mut Vec<u8>,
        within: Duration,
    ) -> io::Result<Option<usize>> {
        let mut waited = false;
        loop {
            match rustix::io::read(&self.socket, &mut *chunk) {
                Ok(n) => {
                    input.extend_from_slice(&chunk[..n]);
                    return Ok(Some(n));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if waited => return Ok(None),
                Err(Errno::AGAIN) => {
                    waited = true;
                    poll_both(
                        self.socket.as_fd(),
                        PollFlags::IN,
                        Some(self.heard.as_fd()),
                        within.min(LOOK),
                    )?;
                    let mut rung = [0; 64];
                    // Nothing to be done about a bell that was not rung.
                    let _ = (&self.heard).read(&mut rung);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn ring(&self) {
        // A full pipe wakes as well.
        let _ = (&self.bell).write(&[1]);
    }

    /// Whether the carrier's work is over: the program left, the link broke, or somebody said stop.
    pub(crate) fn over(&self) -> bool {
        let state = self.lock();
        let forgotten = self.leaves.is_some_and(|at| !state.urbs.configured() && at <= Instant::now());
        forgotten || state.ended.is_some() || state.gone || state.urbs.broken || self.stopped()
    }

    /// Whether the limit of bytes was reached.
    pub(crate) fn broken(&self) -> bool {
        self.lock().urbs.broken
    }

    /// Bytes given to the host.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().urbs.sent()
    }

    /// The carrier has left: the program hears that it is unplugged.
    pub(crate) fn leave(&self) {
        self.lock().gone = true;
        self.program.notify_all();
    }

    /// The program's whole life on the bus, on its own thread: waits for the configuration, serves, and lets the
    /// host fetch the last words. `None`: it was never configured.
    pub(crate) fn live(&self, serve: impl FnOnce() -> Ended) -> Option<Ended> {
        let mut state = self.lock();
        while !state.urbs.configured() {
            if state.gone || self.stopped() {
                return None;
            }
            state = self.program.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        let ended = serve();
        let mut state = self.lock();
        if !matches!(ended, Ended::LeftBus | Ended::Unplugged | Ended::WatchdogReset) {
            let until = Instant::now() + LAST_WORDS;
            while (state.writing || !state.urbs.is_fetched()) && !state.gone && Instant::now() < until {
                state = self.program.wait_timeout(state, LOOK / 10).unwrap_or_else(PoisonError::into_inner).0;
            }
            let until = Instant::now() + FAREWELL;
            let mut parts = until;
            while !state.gone && !self.stopped() && Instant::now() < parts {
                parts = if state.urbs.is_waited_for() { until } else { parts.min(Instant::now() + PARTING) };
                state = self.program.wait_timeout(state, LOOK / 10).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.ended = Some(ended);
        drop(state);
        self.ring();
        Some(ended)
    }
}

/// Waits until the first is ready, the second (if any) can be read, or the time is up.
pub(crate) fn poll_both(
    fd: BorrowedFd<'_>,
    ready: PollFlags,
    bell: Option<BorrowedFd<'_>>,
    within: Duration,
) -> io::Result<()> {
    let limit = Timespec::try_from(within).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let mut fds = vec![PollFd::from_borrowed_fd(fd, ready)];
    fds.extend(bell.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)));
    match poll(&mut fds, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The program's end of the cable.
pub(crate) struct UrbLink<'p, 'a> {
    port: &'p Port<'a>,
    clock: Clock,
    /// Bytes a second and the time of a turn of direction; `None`: as fast as it goes.
    bus: Option<(u64, Duration)>,
    /// When the modelled bus is free again.
    free: Duration,
    sending: bool,
}

impl<'p, 'a> UrbLink<'p, 'a> {
    /// With a pace, the bus is as fast as the face's speed allows (`pace.rs`); which one was asked for is of no
    /// importance then.
    pub(crate) fn new(port: &'p Port<'a>, pace: Pace, clock: Clock) -> Self {
        let (model, frame) = match port.face {
            Face::BootRom => (Pace::FullSpeed, Duration::from_millis(1)),
            Face::Preloader | Face::Agent => (Pace::HighSpeed, Duration::from_micros(125)),
        };
        let bus = model.bytes_per_second().filter(|_| pace != Pace::None).map(|rate| (rate, frame));
        let free = clock.now();
        Self { port, clock, bus, free, sending: true }
    }

    /// Passes the time that so many bytes take.
    fn pace(&mut self, bytes: usize, sending: bool) {
        let Some((rate, frame)) = self.bus else { return };
        let takes = |bytes: u64| Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
        let turned = self.sending != sending;
        let turn = if turned { frame } else { Duration::ZERO };
        self.sending = sending;
        // Before the turn there was nothing that could have gone over the bus.
        let ahead = if turned { Duration::ZERO } else { takes(QUEUED) };
        let oldest = self.clock.now().saturating_sub(ahead);
        self.free = self.free.max(oldest) + turn + takes(bytes as u64);
        self.clock.sleep_until(self.free);
    }
}

impl Link for UrbLink<'_, '_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let port = self.port;
        let cut = urbs::transfers(bytes, &port.units, port.face.speed().packet());
        // Paced, the bus is passed in slices; else everything at once.
        let slice = if self.bus.is_some() { 8 } else { cut.len() };
        for some in cut.chunks(slice.max(1)) {
            self.pace(some.iter().map(|transfer| transfer.len()).sum(), true);
            let mut state = port.lock();
            for transfer in some {
                loop {
                    if state.gone || state.urbs.broken {
                        return Err(LinkError::Unplugged);
                    }
                    if state.urbs.has_room() {
                        break;
                    }
                    state = port.flush(state);
                    if state.urbs.has_room() {
                        continue;
                    }
                    if port.stopped() {
                        return Err(LinkError::Cancelled);
                    }
                    let woken = port.program.wait_timeout(state, LOOK);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                state.urbs.say(transfer);
            }
            drop(port.flush(state));
        }
        Ok(())
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        let until = Instant::now().checked_add(within);
        let mut state = self.port.lock();
        let n = loop {
            if state.gone || state.urbs.broken {
                return Err(LinkError::Unplugged);
            }
            let n = state.urbs.take_out(into);
            if n > 0 {
                break n;
            }
            let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(LinkError::Timeout(within));
            }
            if self.port.stopped() {
                return Err(LinkError::Cancelled);
            }
            let woken = self.port.program.wait_timeout(state, left.min(LOOK));
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        // Requests that waited for the phone to catch up.
        drop(self.port.flush(state));
        self.pace(n, false);
        Ok(n)
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }
}
