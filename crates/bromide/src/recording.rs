//! Recordings as files that a user names.

use std::fs::File;
use std::path::Path;

use bromide_capture::{Pieces, Playback};

use crate::report::{Failure, exit};

/// A recording, and the files beside it that it refers to.
pub(crate) fn open(path: &Path) -> Result<(Playback<File>, Pieces), Failure> {
    let advice = "name a session.pcapng, or what usbmon, Wireshark or USBPcap captured (pcapng or pcap)";
    let failed = |code: &str, what: String| {
        Failure::new(code, exit::FAILED, format!("{}: {what}", path.display()), advice)
    };
    let file = File::open(path).map_err(|e| failed("file/io", e.to_string()))?;
    let playback = Playback::new(file).map_err(|e| failed(e.code(), e.to_string()))?;
    Ok((playback, Pieces::beside(path)))
}
