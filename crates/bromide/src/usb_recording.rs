//! Recording what other programs say to a phone, as a file that a user names: the place, the words, the end.

use std::fs::File;
use std::path::{Path, PathBuf};

use bromide_capture::About;
use bromide_job::event::Event;
use bromide_job::save::{Interim, SaveError};
use bromide_link::usb::{
    Monitor, MonitorError, MonitorOptions, Places, Recorded, Usbmon, UsbmonError, WantedPort,
};
use serde_json::{Value, json};

use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};

/// What is to be recorded, and where.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) target: &'a Path,
    /// Replace a file that is there.
    pub(crate) force: bool,
    pub(crate) places: Places,
    pub(crate) port: WantedPort,
}

/// A recording that goes on. Dropped, it leaves `TARGET.part`.
#[derive(Debug)]
pub(crate) struct UsbRecording {
    monitor: Monitor<File>,
    interim: Interim,
}

/// Begins. From now on nothing is missed that passes on USB.
pub(crate) fn start(wish: Wish<'_>) -> Result<UsbRecording, Failure> {
    let from = Usbmon::open(&wish.places).map_err(|e| unheard(&e))?;
    let (interim, file) = Interim::create(wish.target, wish.force).map_err(|e| unsaved(&e))?;
    let about = About::here(concat!("bromide ", env!("CARGO_PKG_VERSION")));
    let options = MonitorOptions { places: wish.places, port: wish.port, about };
    let monitor = Monitor::start(from, file, options).map_err(|e| {
        Failure::new("usbmon/io", exit::FAILED, format!("the recording cannot begin: {e}"), "")
    })?;
    Ok(UsbRecording { monitor, interim })
}

impl UsbRecording {
    /// Something the user should know, each once: that the recording has ended early, or what was left out of it.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.monitor.trouble()
    }

    /// Ends, and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<Ended, Failure> {
        let (recorded, file) = self.monitor.finish();
        let file = file.map_err(|e| cut_short(&e, self.interim.part()))?;
        let troubles = std::iter::from_fn(|| self.monitor.trouble()).collect();
        let file = self.interim.commit(&file).map_err(|e| unsaved(&e))?;
        Ok(Ended { file, recorded, troubles })
    }
}

/// A recording that is whole.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) file: PathBuf,
    pub(crate) recorded: Recorded,
    /// Those that were not told yet.
    pub(crate) troubles: Vec<String>,
}

impl Ended {
    /// Says how it went.
    pub(crate) fn tell(&self, front: &mut Front) {
        for trouble in self.troubles.iter().chain(&self.doubts()) {
            front.tell(&Event::Warning(trouble));
        }
        match front {
            Front::Screen(screen) => screen.say(&self.line()),
            Front::Json(json) => json.line(&self.object()),
        }
    }

    /// For people.
    fn line(&self) -> String {
        let Recorded { events, bytes_to_phone, bytes_from_phone, .. } = self.recorded;
        let file = self.file.display();
        if events == 0 {
            return format!("Recorded nothing: no phone in download mode was there ({file})");
        }
        format!(
            "Recorded {} bytes to the phone, {} from it ({} events): {file}",
            grouped(bytes_to_phone),
            grouped(bytes_from_phone),
            grouped(events)
        )
    }

    /// What is wrong with it, where anything is.
    fn doubts(&self) -> Option<String> {
        let Recorded { truncated, lost, .. } = self.recorded;
        let mut doubts = Vec::new();
        if lost > 0 {
            doubts.push(format!(
                "at least {} events are missing, because this machine was too busy to take them in time",
                grouped(lost)
            ));
        }
        if truncated > 0 {
            doubts.push(format!(
                "{} transfers are there in part, because the kernel keeps 60 KiB of each; the other program should \
                 use shorter ones",
                grouped(truncated)
            ));
        }
        let what = doubts.join("; ");
        (!doubts.is_empty())
            .then(|| format!("the recording has holes and cannot be replayed over them: {what}"))
    }

    /// For programs.
    fn object(&self) -> Value {
        let Recorded { events, bytes_to_phone, bytes_from_phone, truncated, lost } = self.recorded;
        json!({
            "event": "recorded", "file": self.file.to_string_lossy(), "events": events,
            "bytes_to_phone": bytes_to_phone, "bytes_from_phone": bytes_from_phone,
            "truncated": truncated, "lost": lost,
        })
    }
}

/// usbmon cannot be opened.
fn unheard(error: &UsbmonError) -> Failure {
    let advice = match error {
        UsbmonError::Missing(_) => {
            "load the kernel's module: sudo modprobe usbmon; a container has to be given the file as well"
                .into()
        }
        UsbmonError::Denied(node) => {
            let node = node.display();
            format!(
                "sudo setfacl -m u:$USER:r {node} allows it until the next boot. Every program of yours then sees all \
                 that passes on USB, what is typed on a keyboard too; sudo setfacl -b {node} takes it away again"
            )
        }
        UsbmonError::Io { .. } => String::new(),
        UsbmonError::Elsewhere => "Wireshark with USBPcap records it on Windows; bromide replays that".into(),
    };
    Failure::new(error.code(), exit::FAILED, error.to_string(), advice)
}

/// The file cannot be had.
fn unsaved(error: &SaveError) -> Failure {
    let advice = match error {
        SaveError::Exists(_) => "choose another name, or --force to replace it",
        SaveError::PartExists { .. } => {
            "an earlier recording was interrupted; rename the file to keep it, it can be replayed and looked at, or \
             --force to begin anew"
        }
        SaveError::NotAFile(_) | SaveError::NoName(_) => "name a new file",
        SaveError::PartBusy(_) => "wait until it has ended, or choose another name",
        _ => return Failure::of_save(error),
    };
    let what = match error {
        SaveError::PartExists { part, bytes } => {
            format!("an interrupted recording left {} ({} bytes)", part.display(), grouped(*bytes))
        }
        other => other.to_string(),
    };
    Failure::new(error.code(), exit::FAILED, what, advice)
}

/// It ended before its time.
fn cut_short(error: &MonitorError, part: &Path) -> Failure {
    let (code, cure) = match error {
        MonitorError::Read(_) => ("usbmon/io", "repeat it"),
        MonitorError::Write(e) => match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                ("save/disk-full", "make room, or record to another disk")
            }
            _ => ("save/io", "check that the disk works and may be written"),
        },
    };
    let advice =
        format!("{cure}; {} holds what was recorded before and can be replayed that far", part.display());
    Failure::new(code, exit::FAILED, error.to_string(), advice)
}
