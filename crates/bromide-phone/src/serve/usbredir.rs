//! A phone for a virtual machine: the "host" side of usbredir 0.7, whose other side is QEMU's `usb-redir` device.
//!
//! Promises: one connection lives through all faces and plug-ins; the phone leaves with `device_disconnect` and
//! comes back with another identity at the same port of the machine. All numbers are little-endian. A peer that
//! breaks the rules is disconnected; the next one is waited for.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;

use super::fd::poll_one;
use super::usb::{Carried, Carrier, LOOK, Shown, live};
use super::usbredir_words::{Caps, Message, Reader, announce, hello, kind, put, take_in};
use super::{ServeError, Serving, Terms};
use crate::phone::Phone;
use crate::usb::{Answer, Done, Port, Status, poll_both};

/// How long the other side may take to say hello, or that it has taken the phone off its bus.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between a disconnect and the next connect; QEMU itself keeps about as long.
const APART: Duration = Duration::from_millis(200);
const CHUNK: usize = 256 << 10;

/// Serves the phone on this socket, to which a virtual machine connects, until the stop flag is set or there were
/// enough plug-ins. A socket of that name is replaced, anything else is an error.
pub fn usbredir(
    phone: &mut Phone,
    path: &Path,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
) -> Result<(), ServeError> {
    let refused = |source| ServeError::Listen { address: path.display().to_string(), source };
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(refused)?;
    }
    let listener = UnixListener::bind(path).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    tell(Serving::At(path.display().to_string()));
    let lived = live(phone, terms, tell, &mut Machine { listener, peer: None, off_since: None });
    // Nothing to be done about a socket that somebody else removed.
    let _ = std::fs::remove_file(path);
    lived
}

/// A machine that said hello.
struct Peer {
    stream: UnixStream,
    caps: Caps,
    reader: Reader,
}

struct Machine {
    listener: UnixListener,
    peer: Option<Peer>,
    /// When the last face was taken off.
    off_since: Option<Instant>,
}

impl Machine {
    /// The machine that is there, or the next one that comes and says hello.
    fn peer(&mut self, terms: Terms<'_>) -> Result<Option<&mut Peer>, ServeError> {
        while self.peer.is_none() {
            if terms.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            poll_one(self.listener.as_fd(), PollFlags::IN, LOOK).map_err(|e| ServeError::Wait(e.into()))?;
            if let Ok((stream, _)) = self.listener.accept() {
                self.peer = greet(stream, terms);
            }
        }
        Ok(self.peer.as_mut())
    }
}

/// Hello from both sides; nothing when the other is no usbredir peer.
fn greet(stream: UnixStream, terms: Terms<'_>) -> Option<Peer> {
    stream.set_nonblocking(true).ok()?;
    send(&stream, &hello())?;
    let mut reader = Reader::default();
    let until = Instant::now() + PATIENCE;
    let caps = loop {
        let message = next(&stream, &mut reader, Caps::default(), until, terms)?;
        if message.kind == kind::HELLO {
            break Caps::of(&message.body)?;
        }
    };
    Some(Peer { stream, caps, reader })
}

/// The next message before that time.
fn next(
    stream: &UnixStream,
    reader: &mut Reader,
    caps: Caps,
    until: Instant,
    terms: Terms<'_>,
) -> Option<Message> {
    let mut chunk = [0; 4096];
    loop {
        if let Some(message) = reader.next(caps).ok()? {
            return Some(message);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || terms.stop.load(Ordering::Relaxed) {
            return None;
        }
        poll_both(stream.as_fd(), PollFlags::IN, None, left.min(LOOK)).ok()?;
        match rustix::io::read(stream, &mut chunk) {
            Ok(0) => return None,
            Ok(n) => reader.input.extend_from_slice(&chunk[..n]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Short messages that fit into an idle socket, with patience for one that is not.
fn send(stream: &UnixStream, bytes: &[u8]) -> Option<()> {
    let until = Instant::now() + PATIENCE;
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(stream, rest) {
            Ok(n) => rest = &rest[n..],
            Err(rustix::io::Errno::AGAIN) if Instant::now() < until => {
                poll_both(stream.as_fd(), PollFlags::OUT, None, LOOK).ok()?;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

impl Carrier for Machine {
    fn connect(&mut self, shown: &Shown, terms: Terms<'_>) -> Result<Option<(OwnedFd, String)>, ServeError> {
        loop {
            if let Some(since) = self.off_since {
                std::thread::sleep(APART.saturating_sub(since.elapsed()));
            }
            let Some(peer) = self.peer(terms)? else { return Ok(None) };
            let shared = peer.stream.try_clone().map_err(ServeError::Wait)?;
            if send(&peer.stream, &announce(shown, peer.caps)).is_some() {
                return Ok(Some((shared.into(), "a virtual machine".to_owned())));
            }
            self.peer = None;
        }
    }

    fn answer(&self) -> Answer {
        let caps = self.peer.as_ref().map_or_else(Caps::default, |peer| peer.caps);
        Arc::new(move |out: &mut Vec<u8>, done: &Done<'_>| {
            let status = match done.status {
                Status::Done => 0,
                Status::Stall => 4,
                Status::Babble => 6,
            };
            caps.bulk(out, done.id, done.endpoint, status, done.actual, done.data);
        })
    }

    fn carry(&mut self, port: &Port<'_>, tell: &mut dyn FnMut(Serving)) -> Carried {
        let Some(peer) = &mut self.peer else { return Carried::HostLeft(None) };
        let mut chunk = vec![0; CHUNK];
        loop {
            if port.over() {
                return Carried::PhoneLeft;
            }
            let (taken, log) =
                port.with(|urbs| (take_in(urbs, &mut peer.reader, peer.caps), urbs.control.take_log()));
            log.into_iter().for_each(|line| tell(Serving::Request(line)));
            if let Err(words) = taken {
                return Carried::HostLeft(Some(words));
            }
            match port.read(&mut chunk, &mut peer.reader.input, LOOK) {
                Ok(Some(0)) => return Carried::HostLeft(None),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Carried::HostLeft(None),
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// What still comes for the face that has left is dropped.
    fn leave(&mut self, carried: &Carried, terms: Terms<'_>) {
        self.off_since = Some(Instant::now());
        if let Carried::HostLeft(_) = carried {
            self.peer = None;
            return;
        }
        let Some(peer) = &mut self.peer else { return };
        let mut bytes = Vec::new();
        put(&mut bytes, peer.caps, kind::DISCONNECT, 0, &[]);
        let mut there = send(&peer.stream, &bytes).is_some();
        let until = Instant::now() + PATIENCE;
        while there && peer.caps.acknowledges {
            match next(&peer.stream, &mut peer.reader, peer.caps, until, terms) {
                Some(message) if message.kind == kind::DISCONNECT_ACK => break,
                Some(_) => {}
                None => there = false,
            }
        }
        if !there {
            self.peer = None;
        }
        self.off_since = Some(Instant::now());
    }
}
