//! One process of the program under test: started, stopped at its moment, never waited for without a bound.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// What ends a process before its time.
pub(super) enum Stop<'a> {
    Nothing,
    /// This signal, after this time.
    After(Duration, Signal),
    /// SIGKILL, when this becomes true.
    When(&'a dyn Fn() -> bool),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
    /// It had to be killed after its longest life.
    Hung,
}

/// A process that is over.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    /// Whether the signal was sent before it ended.
    pub(super) stopped: bool,
    pub(super) took: Duration,
    /// What it said on both channels; its end, if that is much.
    pub(super) said: String,
}

/// Runs `command` for at most `bound`. What it says goes through a file in `folder`.
pub(super) fn run(
    command: &mut Command,
    folder: &Path,
    bound: Duration,
    stop: &Stop<'_>,
) -> Result<Ran, String> {
    let path = folder.join("said");
    let said = |e: io::Error| format!("{}: {e}", path.display());
    let file = File::create(&path).map_err(said)?;
    let begun = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(said)?)
        .stderr(file)
        .spawn()
        .map_err(|e| format!("{command:?}: {e}"))?;
    let (status, stopped) = watch(child, begun, bound, stop).map_err(|e| format!("{command:?}: {e}"))?;
    let ended = match (status, status.and_then(|it| it.code()), status.and_then(|it| it.signal())) {
        (None, ..) => Ended::Hung,
        (_, Some(code), _) => Ended::Code(code),
        (_, _, signal) => Ended::Signal(signal.unwrap_or(0)),
    };
    let bytes = fs::read(&path).map_err(said)?;
    let said =
        String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(8000)..).unwrap_or_default()).into();
    Ok(Ran { ended, stopped, took: begun.elapsed(), said })
}

/// Waits for the end and brings it about; no status if it hung.
fn watch(
    mut child: Child,
    begun: Instant,
    bound: Duration,
    stop: &Stop<'_>,
) -> io::Result<(Option<ExitStatus>, bool)> {
    let pid = Pid::from_child(&child);
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let mut stopped = false;
    loop {
        let past = begun.elapsed();
        let wait = match stop {
            _ if past >= bound => {
                child.kill()?;
                child.wait()?;
                return Ok((None, stopped));
            }
            Stop::After(at, signal) if !stopped && past >= *at => {
                kill_process(pid, *signal)?; // not waited for yet, so the number is still its own
                stopped = true;
                continue;
            }
            Stop::When(true_now) if !stopped && true_now() => {
                kill_process(pid, Signal::KILL)?;
                stopped = true;
                continue;
            }
            Stop::After(at, _) if !stopped => *at - past,
            Stop::When(_) if !stopped => LOOK,
            _ => bound - past,
        };
        let mut ends = [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)];
        let wait = Timespec::try_from(wait.min(bound)).unwrap_or_default();
        match poll(&mut ends, Some(&wait)) {
            Ok(1..) => return child.wait().map(|status| (Some(status), stopped)),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stop: &Stop<'_>) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        run(Command::new("sh").args(["-c", script]), folder.path(), Duration::from_secs(30), stop).unwrap()
    }

    #[test]
    fn a_process_that_ends_by_itself_is_told_with_code_and_words() {
        let ran = shell("echo out; echo err >&2; exit 3", &Stop::Nothing);
        assert_eq!((ran.ended, ran.stopped, ran.said.as_str()), (Ended::Code(3), false, "out\nerr\n"));
        assert_eq!(shell("kill -9 $$", &Stop::Nothing).ended, Ended::Signal(9));
    }

    #[test]
    fn a_signal_comes_at_its_time_unless_the_process_is_gone_before() {
        let kill = Stop::After(Duration::from_millis(30), Signal::KILL);
        let ran = shell("exec sleep 20", &kill);
        assert_eq!((ran.ended, ran.stopped), (Ended::Signal(9), true));
        assert!(ran.took >= Duration::from_millis(30) && ran.took < Duration::from_secs(10));
        let late = Stop::After(Duration::from_secs(20), Signal::INT);
        assert!(!shell("exit 0", &late).stopped);
    }

    #[test]
    fn a_process_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        let ran = run(command.arg("20"), folder.path(), Duration::from_millis(50), &Stop::Nothing).unwrap();
        assert_eq!(ran.ended, Ended::Hung);
    }

    #[test]
    fn a_process_is_killed_when_something_becomes_true() {
        let begun = Instant::now();
        let ran = shell("exec sleep 20", &Stop::When(&|| begun.elapsed() > Duration::from_millis(20)));
        assert_eq!((ran.ended, ran.stopped), (Ended::Signal(9), true));
    }
}
