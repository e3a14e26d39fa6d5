//! The bench's own program inside the guest: what busybox cannot do. Static, run by the job scripts.
//!
//! * `events FILE`: one line for each kernel event of a USB device: seconds of the wall clock, action, product, bus,
//!   device. Until killed.
//! * `hold-tty PATH`, `hold-usb VID:PID`: another program that holds the phone. Says `held`, then sleeps.
//! * `source [BYTES..]`: a device on the virtual host controller that sends as fast as it is asked, in transfers of
//!   these lengths again and again, or as long as the requests.
//! * `drain BYTES REQUEST DEPTH`: reads so much from that device with so many requests of that size queued.

#[cfg(target_os = "linux")]
mod drain;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod hold;
#[cfg(target_os = "linux")]
mod source;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["events", file] => events::events(file),
        ["hold-tty", path] => hold::tty(path),
        ["hold-usb", id] => hold::usb(id),
        ["source", borders @ ..] => source::source(borders),
        ["drain", bytes, request, depth] => drain::drain(bytes, request, depth),
        _ => {
            Err("usage: events FILE | hold-tty PATH | hold-usb VID:PID | source [BYTES..] | drain BYTES REQUEST DEPTH"
                .into())
        }
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
