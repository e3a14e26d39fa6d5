//! The yardstick for a pseudo-terminal: one thread writes, one reads, nothing is looked at.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Bytes a second of a bare copy of so many bytes.
pub(super) fn terminal(bytes: u64) -> Result<f64, String> {
    let said = |e: rustix::io::Errno| format!("pseudo-terminal: {e}");
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).map_err(said)?;
    grantpt(&master).map_err(said)?;
    unlockpt(&master).map_err(said)?;
    let name = ptsname(&master, Vec::new()).map_err(said)?;
    let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).map_err(said)?;
    let mut settings = tcgetattr(&slave).map_err(said)?;
    settings.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &settings).map_err(said)?;
    let mut writer = File::from(master);
    let mut reader = File::from(slave);
    let start = Instant::now();
    let sent = std::thread::spawn(move || {
        let block = vec![0x5a; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let n = left.min(block.len() as u64) as usize;
            writer.write_all(&block[..n])?;
            left -= n as u64;
        }
        Ok::<_, std::io::Error>(writer)
    });
    let mut block = vec![0; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let n = reader.read(&mut block).map_err(|e| format!("pseudo-terminal: {e}"))?;
        left = left.saturating_sub(n as u64);
    }
    let rate = bytes as f64 / start.elapsed().as_secs_f64();
    match sent.join() {
        Ok(Ok(_)) => Ok(rate),
        _ => Err("pseudo-terminal: the writer failed".into()),
    }
}
