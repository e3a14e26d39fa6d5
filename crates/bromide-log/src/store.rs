//! The logs of all runs: which there are, which one is meant, which may go.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::clock::of_name;
use crate::place::{ACCOUNT, EVENTS, RECORDING};
use crate::redact::{Names, Redactor};

/// Longest line of a log that is looked at.
const LONGEST_LINE: usize = 1 << 20;

/// A folder with a folder per run.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// What a log says of its run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRun {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// When it began, RFC 3339; empty where the log does not say.
    pub begun: String,
    /// The command, one word.
    pub command: String,
    /// The command line.
    pub args: Vec<String>,
    /// The chip that answered.
    pub phone: Option<String>,
    /// How it ended; `None`: it is running, or was killed.
    pub exit: Option<u8>,
    /// It is running.
    pub running: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// Whom the log gives away.
    names: Names,
    /// Ids of the phone.
    ids: Vec<Vec<u8>>,
}

/// Which logs may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// All but the newest so many.
    Keep(usize),
    /// Those that began longer ago.
    OlderThan(Duration),
    /// Those with more bytes.
    LargerThan(u64),
}

impl Store {
    /// The logs in this folder, which need not exist.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// All runs, the newest first.
    ///
    /// # Errors
    /// The folder cannot be looked into.
    pub fn runs(&self) -> io::Result<Vec<StoredRun>> {
        let entries = match fs::read_dir(&self.root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let folder = entry?.path();
            if folder.join(EVENTS).is_file() {
                runs.extend(StoredRun::open(&folder));
            }
        }
        // Names begin with the moment; the moment itself has milliseconds.
        runs.sort_by(|a, b| (&b.begun, &b.name).cmp(&(&a.begun, &a.name)));
        Ok(runs)
    }

    /// The run somebody means: by the folder's path, by its number in the list (1 is the newest), or by the beginning
    /// of its name. Nothing said: the newest.
    ///
    /// # Errors
    /// There is none, or there are several; in words.
    pub fn find(&self, meant: Option<&str>) -> Result<StoredRun, String> {
        let io = |e: io::Error| format!("{}: {e}", self.root.display());
        let Some(meant) = meant else {
            let newest = self.runs().map_err(io)?.into_iter().next();
            return newest.ok_or_else(|| format!("there is no log in {} yet", self.root.display()));
        };
        let path = Path::new(meant);
        if path.join(EVENTS).is_file() {
            return StoredRun::open(path).map_err(|e| format!("{meant}: {e}"));
        }
        let runs = self.runs().map_err(io)?;
        let number = meant.parse().ok().filter(|number| (1..=runs.len()).contains(number));
        if let Some(run) = number.and_then(|number: usize| runs.get(number - 1)) {
            return Ok(run.clone());
        }
        let mut fitting = runs.into_iter().filter(|run| run.name.starts_with(meant) && !meant.is_empty());
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run),
            (None, _) => Err(format!("there is no log {meant} in {}", self.root.display())),
            (Some(a), Some(b)) => Err(format!("{meant} may be {} or {}", a.name, b.name)),
        }
    }

    /// The runs that may go; none that is running. `now` is since 1970.
    ///
    /// # Errors
    /// The folder cannot be looked into.
    pub fn to_prune(&self, which: Prune, now: Duration) -> io::Result<Vec<StoredRun>> {
        let mut runs = self.runs()?;
        match which {
            Prune::Keep(newest) => drop(runs.drain(..newest.min(runs.len()))),
            Prune::OlderThan(age) => {
                let oldest = now.saturating_sub(age).as_secs();
                runs.retain(|run| of_name(&run.name).is_some_and(|begun| begun < oldest));
            }
            Prune::LargerThan(bytes) => runs.retain(|run| run.bytes > bytes),
        }
        runs.retain(|run| !run.running);
        Ok(runs)
    }
}

impl StoredRun {
    /// What the log in this folder says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let file = File::open(folder.join(EVENTS))?;
        let running = matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock));
        let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut run = Self { folder: folder.to_owned(), name, running, ..Self::default() };
        for name in [RECORDING, EVENTS, ACCOUNT] {
            run.bytes += fs::metadata(folder.join(name)).map_or(0, |meta| meta.len());
        }
        each_line(file, |line| run.line(&line))?;
        Ok(run)
    }

    fn line(&mut self, line: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match line["event"].as_str() {
            Some("begin") => {
                self.begun = text(&line["at"]).unwrap_or_default();
                self.command = text(&line["command"]).unwrap_or_default();
                self.args = line["args"].as_array().into_iter().flatten().filter_map(text).collect();
                let names = &line["names"];
                let name = |field: &str| text(&names[field]);
                self.names = Names { user: name("user"), home: name("home"), host: name("host") };
            }
            Some("ids") => {
                let ids = line["ids"].as_array().into_iter().flatten();
                self.ids.extend(ids.filter_map(|id| unhex(id.as_str()?)));
            }
            Some("phone") => self.phone = text(&line["chip"]),
            Some("end") => self.exit = line["exit"].as_u64().and_then(|exit| exit.try_into().ok()),
            _ => {}
        }
    }

    /// Masks what this log gives away.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::new(&self.names);
        self.ids.iter().for_each(|id| redactor.learn(id));
        redactor
    }

    /// Its events, in order; a line cut short by a killed run is left out.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn events(&self) -> io::Result<Vec<Value>> {
        let mut events = Vec::new();
        each_line(File::open(self.folder.join(EVENTS))?, |line| events.push(line))?;
        Ok(events)
    }

    /// Removes its files, and its folder where nothing else is in it.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        for name in [RECORDING, ACCOUNT, EVENTS] {
            match fs::remove_file(self.folder.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        fs::remove_dir(&self.folder)
    }
}

/// Every line that is a JSON object.
fn each_line(file: File, mut line: impl FnMut(Value)) -> io::Result<()> {
    let mut from = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        if bytes.len() <= LONGEST_LINE
            && let Ok(value @ Value::Object(_)) = serde_json::from_slice(&bytes)
        {
            line(value);
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(names: &[&str]) -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        for name in names {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            let at = format!("{}:{}:{}.000Z", &name[..13], &name[14..16], &name[17..19]);
            let begin = format!(
                "{{\"event\":\"begin\",\"at\":\"{at}\",\"command\":\"read\",\"args\":[\"bromide\"]}}\n"
            );
            fs::write(folder.join(EVENTS), begin + "{\"event\":\"end\",\"exit\":3}\n{\"event\":\"cut sh")
                .unwrap();
        }
        let store = Store::at(root.path());
        (root, store)
    }

    const THREE: [&str; 3] = [
        "2026-11-29T18-57-08Z-read-ab12",
        "2026-11-29T19-57-08Z-read-cd34",
        "2026-11-30T00-00-00Z-info-ef56",
    ];

    #[test]
    fn a_run_is_found_by_number_by_prefix_and_by_path_and_the_newest_without_a_word() {
        let (root, store) = store(&THREE);
        let name = |meant| store.find(meant).map(|run| run.name);
        assert_eq!(name(None).as_deref(), Ok(THREE[2]));
        assert_eq!(name(Some("3")).as_deref(), Ok(THREE[0]));
        assert_eq!(name(Some("2026-11-30")).as_deref(), Ok(THREE[2]));
        let path = root.path().join(THREE[1]);
        assert_eq!(name(path.to_str()).as_deref(), Ok(THREE[1]));
        assert!(name(Some("2026-11-29")).unwrap_err().contains("may be"));
        for nobody in ["4", "0", "", "x"] {
            assert!(name(Some(nobody)).unwrap_err().contains("there is no log"), "{nobody}");
        }
        assert!(Store::at(&root.path().join("none")).find(None).unwrap_err().contains("no log"));
    }

    #[test]
    fn what_a_log_says_is_read_up_to_a_line_that_was_cut_short() {
        let (_root, store) = store(&THREE[..1]);
        let run = store.find(None).unwrap();
        assert_eq!((run.command.as_str(), run.exit, run.running), ("read", Some(3), false));
        assert_eq!(run.events().unwrap().len(), 2);
        assert!(run.bytes > 80);
    }

    #[test]
    fn pruning_takes_what_was_asked_for_and_never_a_run_that_is_running() {
        let (root, store) = store(&THREE);
        let names = |which| -> Vec<String> {
            let now = Duration::from_secs(of_name(THREE[2]).unwrap());
            store.to_prune(which, now).unwrap().into_iter().map(|run| run.name).collect()
        };
        assert_eq!(names(Prune::Keep(1)), [THREE[1], THREE[0]]);
        assert_eq!(names(Prune::Keep(9)), [""; 0]);
        assert_eq!(names(Prune::OlderThan(Duration::from_secs(5 * 3600))), [THREE[0]]);
        assert_eq!(names(Prune::LargerThan(1 << 20)), [""; 0]);
        let file = File::open(root.path().join(THREE[0]).join(EVENTS)).unwrap();
        file.lock().unwrap();
        assert_eq!(names(Prune::LargerThan(1)), [THREE[2], THREE[1]]);
    }

    #[test]
    fn a_log_is_removed_with_its_folder_unless_something_else_is_in_it() {
        let (root, store) = store(&THREE[..2]);
        fs::write(root.path().join(THREE[0]).join("mine.txt"), "x").unwrap();
        let runs = store.runs().unwrap();
        runs[0].remove().unwrap();
        assert!(runs[1].remove().is_err());
        assert!(root.path().join(THREE[0]).join("mine.txt").is_file());
        assert!(store.runs().unwrap().is_empty());
    }

    #[test]
    fn hex_is_read_back() {
        assert_eq!(unhex("00ff1a"), Some(vec![0, 255, 26]));
        assert_eq!(unhex("0f1"), None);
        assert_eq!(unhex("zz"), None);
    }
}
