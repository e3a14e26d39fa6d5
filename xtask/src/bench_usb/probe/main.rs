//! The bench's own program inside the guest: what busybox cannot do. Static, run by the job scripts.
//!
//! * `events FILE`: one line for each kernel event of a USB device: seconds of the wall clock, action, product, bus,
//!   device. Until killed.
//! * `hold-tty PATH`, `hold-usb VID:PID`: another program that holds the phone. Says `held`, then sleeps.
//! * `say ADDRESS BYTES:COUNT..`: another program than Bromide: says bytes (hexadecimal) and prints so many of the answer.
//! * `source [BYTES..]`: a device on the virtual host controller that sends as fast as it is asked, in transfers of
//!   these lengths again and again, or as long as the requests.
//! * `faces LIST [TIMES]`: a phone that shows one face after the other at one port and says nothing, as
//!   `2000:700,gap:300,0003:*` (milliseconds, or until killed). A line `FACE PID SECONDS` when it attaches one,
//!   `GONE PID SECONDS` when it takes one off.
//! * `guest --qtest SOCKET --port N --listen HOST:PORT`: the USB driver inside a QEMU that runs no processor, for the
//!   phone at that port of its xHCI; whoever connects to the TCP address talks to the phone.
//! * `drain BYTES REQUEST DEPTH`: reads so much from that device with so many requests of that size queued.

#[cfg(target_os = "linux")]
mod drain;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod faces;
#[cfg(target_os = "linux")]
mod guest;
#[cfg(target_os = "linux")]
mod hold;
#[cfg(target_os = "linux")]
mod say;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod vhci;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
const USAGE: &str = "usage: events FILE | hold-tty PATH | hold-usb VID:PID | source [BYTES..] | say ADDRESS BYTES:COUNT.. | \
                     faces LIST [TIMES] | guest --qtest SOCKET --port N --listen HOST:PORT | drain BYTES REQUEST DEPTH";

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["events", file] => events::events(file),
        ["hold-tty", path] => hold::tty(path),
        ["hold-usb", id] => hold::usb(id),
        ["say", address, words @ ..] => say::say(address, words),
        ["source", borders @ ..] => source::source(borders),
        ["faces", list] => faces::faces(list, "1"),
        ["faces", list, times] => faces::faces(list, times),
        ["guest", "--qtest", socket, "--port", port, "--listen", listen] => {
            guest::guest(socket, port, listen)
        }
        ["drain", bytes, request, depth] => drain::drain(bytes, request, depth),
        _ => Err(USAGE.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("bench-probe: {what}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
