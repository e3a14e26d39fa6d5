//! What the system says about the time and memory of processes (Linux).

use std::fs;
use std::time::Duration;

/// Clock ticks a second in `/proc`, fixed for user space.
const TICKS: f64 = 100.0;

/// User seconds of all children that have ended and were waited for.
pub(crate) fn children() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|e| format!("/proc/self/stat: {e}"))?;
    // Fields count from behind the command's name, which may hold blanks: cutime is field 16, 13 places later.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().nth(13).and_then(|t| t.parse::<f64>().ok());
    ticks.map(|t| t / TICKS).ok_or_else(|| "no cutime in /proc/self/stat".into())
}

/// Watches a process until it is gone; its peak resident memory in KiB.
pub(crate) fn peak_kib(process: u32) -> u64 {
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let Some(line) = status.lines().find(|l| l.starts_with("VmHWM:")) else { return peak };
        peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(10));
    }
}
