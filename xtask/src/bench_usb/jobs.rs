//! The jobs: scripts in `bench/jobs`, each of which says in its head what it shows and what it needs.
//!
//! A head is lines `# KEY: VALUE` before the first line that is no comment. Keys: `shows` (one line, required),
//! `limit` (seconds of the machine's clock, required), `boot` (`plain`, the default, or `redirected`: the phone runs
//! outside the guest, on an emulated xHCI), `phone` (its `--with` keys then), `full` (`only`: long runs only),
//! `waiting` (what the tree lacks: the job is listed and not run), `root` (`yes`: the file system of the machine is offered to
//! the guest, read-only, for its QEMU), `needs` (`libvirt`: that has to be installed), `after` (a check on the machine:
//! `faces`, `arrival`, `handover`, `takeover`, `session`).

use std::fs;
use std::path::Path;
use std::time::Duration;

/// How the guest is booted for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boot {
    /// Phones live in the guest, on its virtual host controller. All these jobs share a boot.
    Plain,
    /// The phone lives outside, on the guest's emulated xHCI. One boot each.
    Redirected,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) shows: String,
    pub(crate) limit: Duration,
    pub(crate) boot: Boot,
    pub(crate) phone: String,
    pub(crate) only_full: bool,
    pub(crate) root: bool,
    pub(crate) libvirt: bool,
    pub(crate) waiting: Option<String>,
    pub(crate) after: Option<After>,
}

/// What is checked on the machine when the guest is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The capture opens in tshark and shows the faces the job promises, in order.
    Faces,
    /// The time from the kernel's event to the first byte sent, over all plug-ins of the job.
    Arrival,
    /// The time from the kernel's event to the guest of a virtual machine having the phone, by `bromide vm attach`.
    Handover,
    /// The same by QEMU's own matching: until the kernel's driver is taken off.
    Takeover,
    /// The recording opens in tshark with the plugin, shows the faces the job promises, and every command is understood.
    Session,
}

impl Job {
    fn parse(name: &str, script: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("job {name}: {what}");
        let mut job = Self {
            name: name.into(),
            shows: String::new(),
            limit: Duration::ZERO,
            boot: Boot::Plain,
            phone: String::new(),
            only_full: false,
            root: false,
            libvirt: false,
            waiting: None,
            after: None,
        };
        for line in script.lines().take_while(|line| line.starts_with('#')) {
            let Some((key, value)) = line.trim_start_matches(['#', ' ']).split_once(": ") else { continue };
            match (key, value.trim()) {
                ("shows", value) => job.shows = value.into(),
                ("limit", value) => {
                    let seconds = value.parse().map_err(|_| wrong("limit is no number"))?;
                    job.limit = Duration::from_secs(seconds);
                }
                ("boot", "plain") => job.boot = Boot::Plain,
                ("boot", "redirected") => job.boot = Boot::Redirected,
                ("phone", value) => job.phone = value.into(),
                ("full", "only") => job.only_full = true,
                ("root", "yes") => job.root = true,
                ("needs", "libvirt") => job.libvirt = true,
                ("waiting", value) => job.waiting = Some(value.into()),
                ("after", "faces") => job.after = Some(After::Faces),
                ("after", "arrival") => job.after = Some(After::Arrival),
                ("after", "session") => job.after = Some(After::Session),
                ("after", "handover") => job.after = Some(After::Handover),
                ("after", "takeover") => job.after = Some(After::Takeover),
                ("boot" | "full" | "after" | "root" | "needs", value) => {
                    return Err(wrong(&format!("{key}: {value} is unknown")));
                }
                _ => {}
            }
        }
        if job.shows.is_empty() || job.limit.is_zero() {
            return Err(wrong("its head must have shows and limit"));
        }
        Ok(job)
    }
}

/// All jobs in the order of their names.
pub(crate) fn all(folder: &Path) -> Result<Vec<Job>, String> {
    let files = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut jobs = Vec::new();
    for path in files.flatten().map(|file| file.path()).filter(|p| p.extension().is_some_and(|e| e == "sh")) {
        let script = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        jobs.push(Job::parse(&name, &script)?);
    }
    jobs.sort_by(|a, b| (a.boot, &a.name).cmp(&(b.boot, &b.name)));
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_all_there_is_to_know() {
        let text = "# shows: a thing\n# limit: 30\n# boot: redirected\n# phone: link=full-speed\n# full: only\n\
                    # after: faces\n# waiting: the cable\n. /bin/lib.sh\n# limit: 99\n";
        let job = Job::parse("x", text).unwrap();
        assert_eq!(job.limit, Duration::from_secs(30));
        assert_eq!((job.boot, job.only_full, job.after), (Boot::Redirected, true, Some(After::Faces)));
        assert_eq!((job.phone.as_str(), job.waiting.as_deref()), ("link=full-speed", Some("the cable")));
    }

    #[test]
    fn a_head_without_a_limit_or_with_an_unknown_word_is_refused() {
        assert!(Job::parse("x", "# shows: a thing\n").is_err());
        assert!(Job::parse("x", "# shows: a\n# limit: 3\n# boot: warm\n").is_err());
        assert!(Job::parse("x", "# shows: a\n# limit: soon\n").is_err());
    }

    #[test]
    fn the_jobs_of_this_tree_can_be_read() {
        assert!(!all(&crate::process::root().join("bench/jobs")).unwrap().is_empty());
    }
}
