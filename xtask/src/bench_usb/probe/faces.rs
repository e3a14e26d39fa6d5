//! A phone that shows one face after the other at one port and says when, to the microsecond: for programs that must
//! follow it. It takes what it is sent and never says anything.

mod device;
mod list;

use std::io::{self, ErrorKind, Read, Write, stdout};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::vhci;
use device::Device;
use list::Step;

/// How long a read may go on without a look at the clock; the least that a socket takes.
const LOOK: Duration = Duration::from_millis(50);
const LEAST: Duration = Duration::from_millis(1);
const CHUNK: usize = 64 << 10;

/// Shows the faces of the list, so many times. A face's time begins when it is attached.
pub(crate) fn faces(list: &str, times: &str) -> Result<(), String> {
    let steps = list::parse(list)?;
    let times: u32 = times.parse().map_err(|_| format!("{times} is no number of times"))?;
    let mut port = None;
    for _ in 0..times {
        for step in &steps {
            match *step {
                Step::Gap(time) => thread::sleep(time),
                Step::Face(pid, stay) => port = Some(show(pid, stay, port.as_deref())?),
            }
        }
    }
    Ok(())
}

/// One face, at this port where one is given; which port it was.
fn show(pid: u16, stay: Option<Duration>, port: Option<&str>) -> Result<String, String> {
    let mut device = Device::new(pid);
    let begun = now();
    let (socket, port) = vhci::attach(port, device.speed())?;
    let until = stay.and_then(|stay| Instant::now().checked_add(stay));
    say("FACE", pid, &begun)?;
    serve(&mut device, &socket, until)?;
    let ended = now();
    // All that the kernel needs; it takes back itself what is still queued.
    drop(socket);
    say("GONE", pid, &ended)?;
    Ok(port)
}

fn serve(device: &mut Device, mut socket: &UnixStream, until: Option<Instant>) -> Result<(), String> {
    let (mut input, mut out, mut chunk) = (Vec::new(), Vec::new(), vec![0; CHUNK]);
    loop {
        let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(());
        }
        socket.set_read_timeout(Some(left.clamp(LEAST, LOOK))).map_err(|e| e.to_string())?;
        match socket.read(&mut chunk) {
            Ok(0) => return Err("the kernel let go of the device".into()),
            Ok(n) => input.extend(chunk.iter().take(n)),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(e) => return Err(e.to_string()),
        }
        let mut at = 0;
        loop {
            let bytes = device.answer(input.get(at..).unwrap_or_default(), &mut out)?;
            if bytes == 0 {
                break;
            }
            at += bytes;
        }
        input.drain(..at);
        socket.write_all(&out).map_err(|e| e.to_string())?;
        out.clear();
    }
}

/// Seconds of the wall clock, which is also usbmon's clock.
fn now() -> String {
    let now = clock_gettime(ClockId::Realtime);
    format!("{}.{:06}", now.tv_sec, now.tv_nsec / 1000)
}

fn say(what: &str, pid: u16, seconds: &str) -> Result<(), String> {
    let mut out = stdout().lock();
    let said: io::Result<()> = writeln!(out, "{what} {pid:04x} {seconds}").and_then(|()| out.flush());
    said.map_err(|e| e.to_string())
}
