//! `drivers`: which Windows driver files (INF) match a phone, and an INF for ids that have none.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bromide_image::inf::{self, Date, Inf, InfError, Install, Query, Reach, System, Text, Version};
use bromide_link::Cancel;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Larger files are skipped: the largest INF files of display drivers have some 2 MiB.
const LARGEST: u64 = 4 << 20;

/// What is looked for when no id is named: BootROM, preloader, Download Agent (`formats.md` section 7.4).
const USUAL: [(u16, u16); 3] = [(0x0e8d, 0x0003), (0x0e8d, 0x2000), (0x0e8d, 0x2001)];

/// The systems a scan answers for.
const SYSTEMS: [(&str, System); 2] = [("x64", System::WINDOWS_10_X64), ("x86", System::WINDOWS_10_X86)];

#[derive(Debug, Subcommand)]
pub(crate) enum Drivers {
    Scan(Scan),
    Make(Make),
}

/// Find the INF files of a folder that match a phone, and what each would install on Windows
///
/// Reads every file named *.inf in the folder and the folders inside it (links to folders are not followed), in any
/// encoding, and lists those that match, newest driver date first. What Windows 10 would use is told for 64-bit and
/// 32-bit PCs. This works on any system; nothing is installed.
///
/// Example: bromide drivers scan Drivers/ --id 0e8d:2000
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Folder to search, or one file
    pub(crate) folder: PathBuf,
    /// Device: VID:PID, with :mi_02 for one interface and :rev_0100 for a revision; may be repeated
    /// [default: BootROM 0e8d:0003, preloader 0e8d:2000, Download Agent 0e8d:2001]
    #[arg(long = "id", value_name = "VID:PID")]
    pub(crate) ids: Vec<Query>,
}

/// Write an INF that binds a driver of Windows to USB ids that have none
///
/// The INF is unsigned: 64-bit Windows installs it only with driver signature enforcement off, or with a catalogue
/// that you make and sign. What is written has not been tried on Windows.
///
/// Example: bromide drivers make --id 0e8d:2001 --service usbser -o mtk.inf
#[derive(Debug, Args)]
pub(crate) struct Make {
    /// Device: VID:PID, with :mi_02 for one interface and :rev_0100 for a revision; may be repeated
    #[arg(long = "id", value_name = "VID:PID", required = true)]
    pub(crate) ids: Vec<Query>,
    /// Driver of Windows to bind
    #[arg(long, default_value = "winusb")]
    pub(crate) service: Service,
    /// File to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Service {
    /// For programs that use libusb
    Winusb,
    /// A COM port
    Usbser,
}

/// `bromide drivers ..`.
pub(crate) fn drivers(command: Drivers, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        Drivers::Scan(args) => scan(&args, front, cancel),
        Drivers::Make(args) => make(&args, front),
    }
}

/// What a walk through a folder found.
#[derive(Debug, Default)]
struct Walk {
    files: Vec<PathBuf>,
    skipped: Vec<(PathBuf, String)>,
}

/// One INF that matches a device.
struct Hit {
    path: PathBuf,
    encoding: String,
    version: Version,
    notes: Vec<String>,
    description: String,
    hardware_id: String,
    sections: Vec<String>,
    /// Empty if the best line matches for sure.
    conditions: String,
    reach: Reach,
    /// For each of [`SYSTEMS`]: whether a line is used there, and what it installs, if there is a section for it.
    installs: [Option<Option<Install>>; 2],
}

fn scan(args: &Scan, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let usual = || USUAL.iter().map(|&(vid, pid)| Query { vid, pid, rev: None, mi: None }).collect();
    let mut queries: Vec<Query> = if args.ids.is_empty() { usual() } else { args.ids.clone() };
    let mut seen = BTreeSet::new();
    queries.retain(|query| seen.insert(*query));
    let mut walk = walk(&args.folder, cancel)?;
    let mut hits: Vec<Vec<Hit>> = queries.iter().map(|_| Vec::new()).collect();
    let mut infs = 0_usize;
    for path in std::mem::take(&mut walk.files) {
        if cancel.is_set() {
            return Err(Failure::stopped());
        }
        let bytes = match read(&path) {
            Ok(bytes) => bytes,
            Err(why) => {
                walk.skipped.push((path, why));
                continue;
            }
        };
        let text = Text::decode(&bytes);
        let inf = match Inf::parse(&text) {
            Ok(inf) => inf,
            Err(why @ (InfError::NoSection | InfError::NoVersion)) => {
                walk.skipped.push((path, why.to_string()));
                continue;
            }
        };
        infs += 1;
        for (query, hits) in queries.iter().zip(&mut hits) {
            hits.extend(hit(&path, &text, &inf, query));
        }
    }
    walk.skipped.sort();
    for hits in &mut hits {
        hits.sort_by(|a, b| (Reverse(a.version.date), &a.path).cmp(&(Reverse(b.version.date), &b.path)));
    }
    if let Front::Json(json) = front {
        for (query, hits) in queries.iter().zip(&hits) {
            hits.iter().for_each(|hit| json.line(&hit.value(query)));
        }
        let matching: Vec<_> = queries
            .iter()
            .zip(&hits)
            .map(|(query, hits)| json!({"id": query.to_string(), "matching": hits.len()}))
            .collect();
        let skipped: Vec<_> = walk
            .skipped
            .iter()
            .map(|(path, why)| json!({"file": path.to_string_lossy(), "why": why}))
            .collect();
        json.line(&json!({"event": "drivers", "inf_files": infs, "ids": matching, "skipped": skipped}));
        return Ok(());
    }
    let mut lines = Vec::new();
    for (query, hits) in queries.iter().zip(&hits) {
        lines.push(format!("{query}: {} of {infs} INF files", hits.len()));
        if hits.is_empty() {
            lines.push(format!("  to write one: bromide drivers make --id {query} -o mtk.inf"));
        }
        lines.extend(hits.iter().flat_map(Hit::lines));
    }
    let skipped = walk.skipped.iter();
    lines.extend(skipped.map(|(path, why)| format!("skipped {}: {why}", path.display())));
    let lines: Vec<_> = lines.iter().map(|line| harmless(line)).collect();
    out::result(&lines)
}

/// All files named `*.inf`, sorted. Links to folders are not followed, so there are no loops; links to files are.
fn walk(start: &Path, cancel: &Cancel) -> Result<Walk, Failure> {
    let failed = |e: &io::Error| {
        let what = format!("{}: {e}", start.display());
        Failure::new("file/io", exit::FAILED, what, "name a folder with driver files, or one INF file")
    };
    let mut walk = Walk::default();
    if fs::metadata(start).map_err(|e| failed(&e))?.is_file() {
        walk.files.push(start.to_owned());
        return Ok(walk);
    }
    fs::read_dir(start).map_err(|e| failed(&e))?;
    let mut folders = vec![start.to_owned()];
    while let Some(folder) = folders.pop() {
        if cancel.is_set() {
            return Err(Failure::stopped());
        }
        if let Err(e) = list(&folder, &mut folders, &mut walk) {
            walk.skipped.push((folder, e.to_string()));
        }
    }
    walk.files.sort();
    Ok(walk)
}

fn list(folder: &Path, folders: &mut Vec<PathBuf>, walk: &mut Walk) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let named = entry.file_name().to_string_lossy().to_ascii_lowercase().ends_with(".inf");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folders.push(path),
            Ok(_) if named => match fs::metadata(&path) {
                Ok(data) if data.is_file() => walk.files.push(path),
                Ok(_) => {}
                Err(e) => walk.skipped.push((path, e.to_string())),
            },
            Ok(_) => {}
            Err(e) => walk.skipped.push((path, e.to_string())),
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {} MiB, no INF is", LARGEST >> 20));
    }
    Ok(bytes)
}

fn hit(path: &Path, text: &Text, inf: &Inf<'_>, query: &Query) -> Option<Hit> {
    let matches = inf.matches(query);
    let best = matches.first()?;
    let mut sections: Vec<String> = Vec::new();
    for models in &inf.models {
        // Where the best line stands, and others as good; conditional ones are no news beside a sure one.
        let same = |found: &&inf::Match<'_, '_>| {
            found.models.section == models.section && found.conditions.none() == best.conditions.none()
        };
        if matches.iter().any(|found| same(&found)) {
            sections.push(models.section.to_owned());
        }
    }
    let installs =
        SYSTEMS.map(|(_, system)| inf.used(&matches, system).map(|used| inf.install(used.model, system)));
    Some(Hit {
        path: path.to_owned(),
        encoding: text.encoding.to_string(),
        version: inf.version.clone(),
        notes: inf.notes.iter().map(ToString::to_string).collect(),
        description: inf.description(best.model),
        hardware_id: best.id.to_string(),
        sections,
        conditions: best.conditions.to_string(),
        reach: inf.reach(&matches),
        installs,
    })
}

impl Hit {
    fn remarks(&self) -> Vec<&str> {
        let reach = match self.reach {
            Reach::Both => None,
            Reach::Only32 => Some("32-bit only"),
            Reach::Only64 => Some("64-bit only"),
            Reach::Neither if self.conditions.is_empty() => Some("in no section that a PC uses"),
            Reach::Neither => None,
        };
        let unsigned = self.version.catalogues.is_empty().then_some("names no catalogue: unsigned");
        let conditions = Some(self.conditions.as_str()).filter(|text| !text.is_empty());
        [conditions, reach, unsigned].into_iter().flatten().collect()
    }

    fn lines(&self) -> Vec<String> {
        let or = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        let date = self.version.date.map_or_else(|| "no date".to_owned(), |date| date.to_string());
        let mut lines = vec![
            format!("  {date:10}  {:14}  {}", or(&self.version.version, ""), self.path.display()),
            format!(
                "      {}, by {} in [{}]",
                self.description,
                self.hardware_id,
                self.sections.join("], [")
            ),
            format!("      class {}, from {}", or(&self.version.class, "?"), or(&self.version.provider, "?")),
        ];
        for ((name, _), install) in SYSTEMS.iter().zip(&self.installs) {
            if let Some(install) = install {
                lines.push(format!("      Windows {name}: {}", installed(install.as_ref())));
            }
        }
        let remarks = self.remarks();
        if !remarks.is_empty() {
            lines.push(format!("      {}", remarks.join("; ")));
        }
        lines.extend(self.notes.iter().take(3).map(|note| format!("      {note}")));
        if self.notes.len() > 3 {
            lines.push(format!("      and {} more oddities (--json lists them)", self.notes.len() - 3));
        }
        lines
    }

    fn value(&self, query: &Query) -> Value {
        let [x64, x86] = &self.installs;
        json!({
            "event": "driver", "id": query.to_string(), "file": self.path.to_string_lossy(),
            "date": self.version.date.map(|date| date.to_string()), "version": self.version.version,
            "class": self.version.class, "class_guid": self.version.class_guid,
            "provider": self.version.provider, "catalogues": self.version.catalogues,
            "encoding": self.encoding, "description": self.description, "hardware_id": self.hardware_id,
            "sections": self.sections, "sure": self.conditions.is_empty(), "remarks": self.remarks(),
            "windows_x64": x64.as_ref().map(Option::as_ref).map(install_value),
            "windows_x86": x86.as_ref().map(Option::as_ref).map(install_value),
            "notes": self.notes,
        })
    }
}

fn installed(install: Option<&Install>) -> String {
    let Some(install) = install else { return "nothing, its install section is missing".to_owned() };
    let from = if install.includes.is_empty() {
        String::new()
    } else {
        format!(", with {}", install.includes.join(", "))
    };
    match (&install.driver, &install.service) {
        (Some(driver), Some(service)) => format!("{driver} (service {service}{from})"),
        (Some(driver), None) => format!("{driver}{from}"),
        (None, Some(service)) => format!("service {service}, whose driver is not in this file{from}"),
        (None, None) => format!("no service of its own in [{}]{from}", install.section),
    }
}

fn install_value(install: Option<&Install>) -> Value {
    install.map_or_else(
        || json!({"section": null}),
        |install| {
            json!({
                "section": install.section, "service": install.service, "driver": install.driver,
                "binary": install.binary, "includes": install.includes, "needs": install.needs,
            })
        },
    )
}

fn make(args: &Make, front: &mut Front) -> Result<(), Failure> {
    let (driver, name) = match args.service {
        Service::Winusb => (inf::Driver::WinUsb, "winusb.sys"),
        Service::Usbser => (inf::Driver::Usbser, "usbser.sys"),
    };
    let text = inf::make(&args.ids, driver, today()).map_err(|e| {
        Failure::new("drivers/ids", exit::USAGE, e.to_string(), "name fewer devices with --id")
    })?;
    check(&text, &args.ids, name)?;
    write(&args.output, text.as_bytes(), args.force)?;
    if let Front::Json(json) = front {
        json.line(&json!({
            "event": "driver-made", "file": args.output.to_string_lossy(), "driver": name,
            "ids": args.ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "signed": false, "tried_on_windows": false,
        }));
        return Ok(());
    }
    out::result(&[
        format!("{}: {name} for {} ids", harmless(&args.output.to_string_lossy()), args.ids.len()),
        "It is unsigned: 64-bit Windows installs it only with driver signature enforcement off, or with a catalogue".into(),
        "you make and sign. It has not been tried on Windows.".into(),
    ])
}

/// What is handed out must say to our own reader what was asked for.
fn check(written: &str, ids: &[Query], driver: &str) -> Result<(), Failure> {
    let text = Text::decode(written.as_bytes());
    let right = Inf::parse(&text).is_ok_and(|inf| {
        ids.iter().all(|query| {
            let matches = inf.matches(query);
            SYSTEMS.iter().all(|(_, system)| {
                let install = inf.used(&matches, *system).and_then(|used| inf.install(used.model, *system));
                install.and_then(|install| install.driver).as_deref() == Some(driver)
            })
        })
    });
    let what = "the INF does not read back as what was asked for";
    if right {
        Ok(())
    } else {
        Err(Failure::new("drivers/check", exit::FAILED, what, "report this as a bug"))
    }
}

fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    let opened = if force {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    };
    let written = opened.and_then(|mut file| file.write_all(bytes));
    written.map_err(|e| {
        let advice = if e.kind() == io::ErrorKind::AlreadyExists {
            "choose another name with -o, or --force to replace it"
        } else {
            "choose another place with -o"
        };
        Failure::new("file/io", exit::FAILED, format!("{}: {e}", path.display()), advice)
    })
}

/// Today by the clock of this computer, UTC. A clock before 1970 gives its first day.
fn today() -> Date {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    day(seconds / 86_400)
}

/// The date a number of days after 1970-01-01, by going through the years and months.
fn day(mut days: u64) -> Date {
    let leap = |year: u16| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut month) = (1970_u16, 1_u8);
    loop {
        let length = match month {
            2 => 28 + u64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if days < length || year == 9999 {
            return Date { year, month, day: u8::try_from(days).map_or(31, |day| day.min(30) + 1) };
        }
        days -= length;
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, want) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_819, "2027-01-01"),
        ] {
            assert_eq!(day(days).to_string(), want);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_walk_finds_inf_files_of_any_case_and_survives_loops_and_dead_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b.inf")).unwrap();
        for name in ["a/x.inf", "a/b.inf/Y.INF", "a/z.txt", "infinite"] {
            fs::write(at(name), "[Version]").unwrap();
        }
        std::os::unix::fs::symlink("..", at("a/loop.inf")).unwrap();
        std::os::unix::fs::symlink("x.inf", at("a/again.inf")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dead.inf")).unwrap();
        let walk = walk(folder.path(), &Cancel::new()).unwrap();
        assert_eq!(walk.files, ["a/again.inf", "a/b.inf/Y.INF", "a/x.inf"].map(at));
        assert_eq!(walk.skipped.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [at("dead.inf")]);
        let stop = Cancel::new();
        stop.set();
        assert_eq!(super::walk(folder.path(), &stop).unwrap_err().exit, exit::INTERRUPTED);
        assert_eq!(super::walk(&at("gone"), &Cancel::new()).unwrap_err().exit, exit::FAILED);
    }

    #[test]
    fn files_too_large_for_an_inf_are_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LARGEST).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, LARGEST);
        file.as_file().set_len(LARGEST + 1).unwrap();
        assert!(read(file.path()).unwrap_err().contains("larger than 4 MiB"));
    }

    #[test]
    fn a_file_that_exists_is_replaced_only_when_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mtk.inf");
        write(&path, b"first", false).unwrap();
        assert_eq!(write(&path, b"second", false).unwrap_err().exit, exit::FAILED);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, b"2", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }

    #[test]
    fn a_made_inf_is_checked_against_what_was_asked() {
        let query = |text: &str| text.parse::<Query>().unwrap();
        let text = inf::make(&[query("0e8d:2001")], inf::Driver::Usbser, day(20_000)).unwrap();
        assert!(check(&text, &[query("0e8d:2001")], "usbser.sys").is_ok());
        assert!(check(&text, &[query("0e8d:2001")], "winusb.sys").is_err());
        assert!(check(&text, &[query("0e8d:2000")], "usbser.sys").is_err());
    }
}
