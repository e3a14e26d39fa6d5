//! Programs of others that judge what this one writes: Wireshark's for recordings, GNU ddrescue's for mapfiles.
//!
//! `cargo test` asks them where they are installed and says where it had to go without. Here they are installed, and
//! what was gone without is done.

use crate::bench_usb::tools;
use crate::process::run;

/// Programs and the Debian packages they come from. The last mounts what the soak calls a disk.
const PROGRAMS: [(&str, &str); 4] = [
    ("tshark", "tshark"),
    ("capinfos", "wireshark-common"),
    ("ddrescuelog", "gddrescue"),
    ("fusermount3", "fuse3"),
];

/// The tests that ask them.
const TESTS: [&str; 4] = [
    "cargo test --locked --package bromide-capture",
    "cargo test --locked --package bromide-job --lib mapfile",
    "cargo test --locked --package bromide --test wireshark",
    "cargo test --locked --package bromide --test cli log",
];

/// Installs what is missing, if that is allowed, and runs the tests that went without.
pub(crate) fn judge(install: bool) -> Result<Result<(), String>, String> {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| tools::find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(Ok(()));
    }
    if let Err(why) = tools::packages(&missing, install) {
        return Ok(Err(why));
    }
    TESTS.iter().try_for_each(|test| run(test)).map(Ok)
}
