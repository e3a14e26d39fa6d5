//! What any program on this machine, or in a virtual machine on it, says to a phone, as the kernel's usbmon sees it.
//!
//! Promises: of all that passes on USB only one phone's transfers are handed on, and nothing of a phone that runs its
//! own system; what was cut or lost on the way is counted and noted where it happened, as far as it shows; nothing
//! here sends anything to a device. One thread reads, one chooses and one writes, so that neither a burst nor a slow disk
//! makes the kernel's buffer run over. Linux only: elsewhere [`Usbmon::open`] says so.
//!
//! Source: `Documentation/usb/usbmon.rst`; `drivers/usb/mon/mon_bin.c` for what it does with long events and a full
//! buffer.

mod chooser;
mod chunks;
mod intake;
mod losses;
#[cfg(test)]
mod seen;
mod sort;
#[cfg_attr(not(target_os = "linux"), path = "source_elsewhere.rs")]
mod source;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod wanted;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bromide_capture::{About, Monitored};

use super::listing::Places;
use chooser::{Chooser, End};
use chunks::Chunks;
use intake::Intake;
pub use source::Usbmon;
pub use wanted::WantedPort;

/// Why usbmon cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum UsbmonError {
    /// The kernel's module is not loaded, or this is a container without it.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// The user may not: it shows the traffic of all devices.
    #[error("your user may not read {}", .0.display())]
    Denied(PathBuf),
    /// Anything else the system says.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is no usbmon on this system.
    #[error("what other programs say to a phone can be recorded on Linux only")]
    Elsewhere,
}

impl UsbmonError {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "usbmon/missing",
            Self::Denied(_) => "usbmon/denied",
            Self::Io { .. } => "usbmon/io",
            Self::Elsewhere => "usbmon/elsewhere",
        }
    }
}

/// What to record, and where the system shows its devices.
#[derive(Debug)]
pub struct MonitorOptions {
    /// The system's view.
    pub places: Places,
    /// The phone.
    pub port: WantedPort,
    /// Who records.
    pub about: About,
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Events of the phone.
    pub events: u64,
    /// Bytes of its bulk transfers.
    pub bytes_to_phone: u64,
    /// Bytes of its bulk transfers.
    pub bytes_from_phone: u64,
    /// Events that usbmon has cut.
    pub truncated: u64,
    /// Events that are missing, at least: where both halves of a transfer are, and no other was under way, nothing
    /// shows it.
    pub lost: u64,
}

/// Why a recording ended early.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// usbmon gave nothing more.
    #[error("usbmon cannot be read any more: {0}")]
    Read(io::Error),
    /// The recording could not be written.
    #[error("the recording cannot be written any more: {0}")]
    Write(io::Error),
}

/// What the threads and their owner share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    trouble: Mutex<VecDeque<String>>,
}

impl Shared {
    /// Troubles nobody has fetched yet; more say nothing new.
    const MOST: usize = 64;

    fn tell(&self, what: String) {
        if let Ok(mut trouble) = self.trouble.lock()
            && trouble.len() < Self::MOST
        {
            trouble.push_back(what);
        }
    }
}

#[derive(Debug)]
struct Threads<W> {
    chooser: JoinHandle<(Recorded, End)>,
    writer: JoinHandle<io::Result<W>>,
}

/// A recording that goes on. Dropped, it ends by itself with what there is.
#[derive(Debug)]
pub struct Monitor<W> {
    threads: Option<Threads<W>>,
    shared: Arc<Shared>,
}

impl<W: Write + Send + 'static> Monitor<W> {
    /// Begins with what `from` has collected since it was opened, and with the phone that is there already. `to` is
    /// handed large pieces and needs no buffer.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(from: Usbmon, to: W, options: MonitorOptions) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = |name: &str| thread::Builder::new().name(name.into());
        let (intake, pieces) = Intake::new(from);
        let told = Arc::clone(&shared);
        thread("usbmon").spawn(move || intake.run(&told))?;
        let (chunks, incoming) = Chunks::new();
        let told = Arc::clone(&shared);
        let writer = thread("usbmon file").spawn(move || {
            let written = chunks::write_all(to, &incoming);
            if let Err(e) = &written {
                told.tell(format!("the recording has ended: it cannot be written any more: {e}"));
            }
            written
        })?;
        let mut chooser = Chooser::new(pieces, options.places, options.port, Arc::clone(&shared));
        chooser.begin();
        let about = options.about;
        let chooser = thread("usbmon phone").spawn(move || match Monitored::new(chunks, &about) {
            Ok(to) => chooser.run(to),
            Err(_) => (Recorded::default(), End::Unwritten),
        })?;
        Ok(Self { threads: Some(Threads { chooser, writer }), shared })
    }

    /// Something the user should know, each once: that the recording has ended early, or what was left out of it.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().ok()?.pop_front()
    }

    /// Takes what usbmon has collected up to now, and ends. Gives back what was written to, unless it failed; then
    /// there are whole events in it, and perhaps a part of one. There may be a last [`Self::trouble`] afterwards.
    pub fn finish(&mut self) -> (Recorded, Result<W, MonitorError>) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let panicked = || io::Error::other("it has ended before");
        let Some(Threads { chooser, writer }) = self.threads.take() else {
            return (Recorded::default(), Err(MonitorError::Read(panicked())));
        };
        let (recorded, end) =
            chooser.join().unwrap_or_else(|_| (Recorded::default(), End::Unread(panicked())));
        let written = writer.join().unwrap_or_else(|_| Err(panicked()));
        let to = match (written, end) {
            (Err(e), _) => Err(MonitorError::Write(e)),
            (Ok(_), End::Unread(e)) => Err(MonitorError::Read(e)),
            (Ok(_), End::Unwritten) => Err(MonitorError::Write(panicked())),
            (Ok(to), End::Asked) => Ok(to),
        };
        (recorded, to)
    }
}

impl<W> Drop for Monitor<W> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}
