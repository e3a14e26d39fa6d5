//! Whether what a dump left is right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::plan::Shape;
use super::run::{Ended, Stop, run};
use super::truth::{Differing, Truth};

/// A dump's folder and what it should hold.
pub(super) struct Check<'a> {
    pub(super) truth: &'a Truth,
    pub(super) shape: Shape,
    /// Pages may have come otherwise than they are stored; then a report has to say which ones are doubtful.
    pub(super) lies: bool,
    pub(super) folder: PathBuf,
    /// Where tools may leave what they like.
    pub(super) scratch: &'a Path,
    /// Longest life of a tool.
    pub(super) bound: Duration,
    /// Foreign tools look at it too.
    pub(super) foreign: bool,
}

/// What a whole dump was found to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) images: u64,
    /// Pages that differ and are told.
    pub(super) told: u64,
}

/// Whether there is anything of this name.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

impl Check<'_> {
    /// At any moment: what has its own name is right. The number of such images.
    pub(super) fn so_far(&self) -> Result<u64, String> {
        let mut images = 0;
        for name in self.truth.names() {
            if is_there(&self.image(name)) {
                let Differing { pages, .. } = self.compare(name)?;
                if pages > 0 && !self.lies {
                    return Err(format!("{name}.img has its own name and {pages} wrong pages"));
                }
                images += 1;
            }
            if self.foreign && is_there(&self.map(name)) {
                self.tool("ddrescuelog", &["--show-status", &text(&self.map(name))])?;
            }
        }
        Ok(images)
    }

    /// After exit code 0: everything is there and right.
    pub(super) fn whole(&self, program: &Path) -> Result<Found, String> {
        let mut found = Found::default();
        for name in self.truth.names() {
            let differing = self.compare(name)?;
            if differing.pages > 0 {
                self.is_told(name, differing)?;
            }
            found.images += 1;
            found.told += differing.pages;
            if self.foreign {
                self.tool("ddrescuelog", &["--done-status", &text(&self.map(name))])?;
            }
        }
        self.nothing_is_left()?;
        self.tool(&text(program), &["bundle", "verify", &text(&self.folder)])?;
        if self.foreign {
            self.tool("sha256sum", &["--check", "--quiet", "--strict", "SHA256SUMS"])?;
        }
        Ok(found)
    }

    fn image(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.img"))
    }

    fn map(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.img.map"))
    }

    /// Pages of an image that differ from the phone's.
    fn compare(&self, name: &str) -> Result<Differing, String> {
        let path = self.image(name);
        let image = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        self.truth.compare(name, self.shape, &image)
    }

    /// A report counts at least so many pages as doubtful. An erased page with a few zeros is still a blank one for it.
    fn is_told(&self, name: &str, differing: Differing) -> Result<(), String> {
        let pages = differing.pages;
        let wrong = |why: &str| Err(format!("{name}.img has {pages} wrong pages: {why}"));
        if !self.lies {
            return wrong("nothing made the phone send them so");
        }
        let path = self.folder.join(format!("{name}.img.report.json"));
        let Ok(report) = fs::read_to_string(&path) else { return wrong("and no report") };
        let told: u64 = ["correctable", "damaged", "blank"].iter().map(|key| count(&report, key)).sum();
        if told < differing.covered { wrong(&format!("the report tells of {told}")) } else { Ok(()) }
    }

    /// Runs a tool in the dump's folder that has to succeed.
    fn tool(&self, name: &str, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new(name);
        command.args(args).current_dir(&self.folder);
        command.env("XDG_STATE_HOME", self.scratch.join("state")).env("HOME", self.scratch);
        let ran = run(&mut command, self.scratch, self.bound, &Stop::Nothing)?;
        match ran.ended {
            Ended::Code(0) => Ok(()),
            ended => Err(format!("{name} {}: {ended:?}: {}", args.join(" "), ran.said.trim())),
        }
    }

    /// Nothing has an interim name any more.
    fn nothing_is_left(&self) -> Result<(), String> {
        let entries = fs::read_dir(&self.folder).map_err(|e| format!("{}: {e}", self.folder.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".part") {
                return Err(format!("{name} is left"));
            }
        }
        Ok(())
    }
}

/// A number of the report's `pages`: the first such key with a number behind it.
fn count(report: &str, key: &str) -> u64 {
    let key = format!("\"{key}\":");
    let numbers = report.match_indices(&key).filter_map(|(at, found)| {
        let rest = report.get(at + found.len()..)?.trim_start();
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
    });
    numbers.take(1).sum()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_report_are_found_beside_lists_of_the_same_name() {
        let report =
            r#"{"pages": {"total": 9, "clean": 4, "correctable": 3, "damaged":2}, "damaged": [{"page": 7}]}"#;
        assert_eq!((count(report, "correctable"), count(report, "damaged"), count(report, "x")), (3, 2, 0));
    }
}
