//! The session log of this run: where it goes, what of this run it is told, how the user hears of it.
//!
//! A process is one run and has one log, whichever thread talks to the phone; so it is a static, and nothing has to
//! be handed through. It begins when a phone is about to be met, not before: a wrong word on the command line leaves
//! no folder behind.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use bromide_job::event::Event;
use bromide_log::{Detail, Kind, Names, Outcome, Place, Recorder, Run, Trouble, words};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::choose::Via;
use crate::cli::{Cable, Command, Read};
use crate::front::Front;
use crate::report::Failure;

/// The session log of commands that meet a phone.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Session log")]
pub(crate) struct LogOptions {
    /// What is logged of a run that meets a phone: none, on (pages that are saved are not repeated), full (every byte)
    #[arg(long, global = true, value_name = "WHAT", default_value = "on", hide_default_value = true)]
    log: LogArg,
    /// Folder of the logs [default: $BROMIDE_LOG_DIR, else bromide/log in the user's state folder]
    #[arg(long, global = true, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Mask names and unique ids: the user's, the computer's, the phone's
    #[arg(long, global = true)]
    pub(crate) redact: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogArg {
    None,
    On,
    Full,
}

impl LogOptions {
    /// The folder of all logs; `None` where nobody says which.
    pub(crate) fn root(&self) -> Option<PathBuf> {
        self.log_dir.clone().or_else(|| root(&|name| env::var_os(name)))
    }
}

/// Where this system keeps what is neither settings nor cache (XDG Base Directory Specification 0.8 on most).
fn root(var: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| var(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    if let Some(folder) = folder("BROMIDE_LOG_DIR") {
        return Some(folder);
    }
    let below = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join("Library/Application Support")))
    } else {
        // A relative one is to be ignored, the specification says.
        let state = folder("XDG_STATE_HOME").filter(|state| state.is_absolute());
        state.or_else(|| Some(folder("HOME")?.join(".local/state")))
    };
    Some(below?.join("bromide/log"))
}

/// Whom the log gives away.
pub(crate) fn names() -> Names {
    let text = |name| env::var(name).ok().filter(|it| !it.is_empty());
    let file = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    Names {
        user: text("USER").or_else(|| text("LOGNAME")).or_else(|| text("USERNAME")),
        home: text("HOME").or_else(|| text("USERPROFILE")),
        host: file
            .map(|it| it.trim().to_owned())
            .or_else(|| text("COMPUTERNAME"))
            .or_else(|| text("HOSTNAME")),
    }
}

/// What is going to be logged, and where.
struct Intent {
    options: LogOptions,
    verb: &'static str,
    asked: String,
    /// In place of the store.
    bundle: Mutex<Option<PathBuf>>,
    recorder: OnceLock<Option<Recorder>>,
}

static LOG: OnceLock<Intent> = OnceLock::new();

/// What this run is, known from its command line. Said once, before anything else.
pub(crate) fn intend(command: &Command, options: &LogOptions) {
    let (verb, asked) = task(command);
    let intent =
        Intent { options: options.clone(), verb, asked, bundle: Mutex::default(), recorder: OnceLock::new() };
    let _ = LOG.set(intent);
}

/// The log goes into the bundle in this folder. Said before a phone is met.
pub(crate) fn in_bundle(folder: &Path) {
    if let Some(mut bundle) = LOG.get().and_then(|intent| intent.bundle.lock().ok()) {
        *bundle = Some(folder.to_owned());
    }
}

/// A phone is about to be met: begins the log, if there is to be one. Without a place for it the job goes on.
pub(crate) fn begin(cable: &Cable, front: &mut Front) -> Option<Recorder> {
    let intent = LOG.get().filter(|intent| intent.options.log != LogArg::None)?;
    let mut failed = None;
    let recorder = intent.recorder.get_or_init(|| intent.start(cable).map_err(|why| failed = Some(why)).ok());
    if let Some(why) = failed {
        front.tell(&Event::Warning(&format!("there will be no session log: {why}")));
    }
    recorder.clone()
}

impl Intent {
    fn start(&self, cable: &Cable) -> Result<Recorder, String> {
        let bundle = self.bundle.lock().ok().and_then(|bundle| bundle.clone());
        let store = self.options.root();
        let (place, at) = match (&bundle, &store) {
            (Some(bundle), _) => (Place::Bundle(bundle), bundle),
            (None, Some(store)) => (Place::Store(store), store),
            (None, None) => return Err("no folder for it is known; --log-dir names one".to_owned()),
        };
        let detail = if self.options.log == LogArg::Full { Detail::Full } else { Detail::On };
        let run = Run {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            verb: self.verb.to_owned(),
            asked: self.asked.clone(),
            args: words(env::args_os()),
            folder: env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
            os: format!("{} {}", env::consts::OS, env::consts::ARCH),
            phone: match cable.via {
                Via::Phone(_) => Kind::Virtual,
                Via::Replay(_) => Kind::Recorded,
                Via::Usb(_) | Via::Serial(_) | Via::Tcp(_) => Kind::Real,
            },
            container: cable.da.to_string_lossy().into_owned(),
            names: names(),
            detail,
            redact: self.options.redact,
        };
        Recorder::start(place, run).map_err(|e| format!("{}: {e}", at.display()))
    }
}

/// Folder of the log, where one was begun.
pub(crate) fn folder() -> Option<&'static Path> {
    recorder().map(Recorder::folder)
}

/// Whether names are to be masked.
pub(crate) fn redacts() -> bool {
    LOG.get().is_some_and(|intent| intent.options.redact)
}

/// The log, where one was begun.
fn recorder() -> Option<&'static Recorder> {
    LOG.get()?.recorder.get()?.as_ref()
}

/// Something happened.
pub(crate) fn hear(event: &Event<'_>) {
    if let Some(recorder) = recorder() {
        recorder.event(event);
    }
}

/// The phone is waited for.
pub(crate) fn waiting(place: &str, seconds: u64) {
    if let Some(recorder) = recorder() {
        recorder.waiting(place, seconds);
    }
}

/// What became wrong with the log itself, once.
pub(crate) fn trouble() -> Option<String> {
    let why = recorder()?.trouble()?;
    Some(format!("the session log is incomplete: {why}"))
}

/// The run has ended: closes the log and says where it is.
pub(crate) fn finish(ended: &Result<(), Failure>, front: &mut Front) {
    let Some(recorder) = recorder() else { return };
    let outcome = match ended {
        Ok(()) => Outcome::DONE,
        Err(failure) => {
            let Failure { what, advice, tail, code, exit } = failure;
            let trouble = Trouble {
                code: code.clone(),
                what: what.clone(),
                advice: advice.clone(),
                tail: tail.clone(),
            };
            Outcome { exit: *exit, trouble: Some(trouble) }
        }
    };
    recorder.finish(&outcome);
    if let Some(why) = trouble() {
        front.tell(&Event::Warning(&why));
    }
    match front {
        Front::Screen(screen) => screen.say(&format!("Log     {}", from_home(recorder.folder()))),
        Front::Json(json) => {
            json.line(&json!({"event": "log", "folder": recorder.folder().to_string_lossy()}))
        }
    }
}

/// A path as a user writes it.
pub(crate) fn from_home(path: &Path) -> String {
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) if !cfg!(windows) => format!("~/{}", rest.display()),
        _ => path.display().to_string(),
    }
}

/// The command in one word, and in one sentence.
fn task(command: &Command) -> (&'static str, String) {
    let told = match command {
        Command::Read(args) => return ("read", reading(args)),
        Command::ReadList(args) => {
            return ("read-list", format!("read what the list {} names.", args.list.display()));
        }
        Command::Resume(args) => {
            return ("resume", format!("go on with the dump in {}.", args.folder.display()));
        }
        Command::Verify(args) => {
            return ("verify", format!("compare the dump in {} with the phone.", args.folder.display()));
        }
        Command::Info(_) => ("info", "see which phone is on the cable."),
        Command::Image(_) => ("image", "look into the files on the phone itself."),
        Command::Demo(_) => ("demo", "demonstrate a whole read back on a virtual phone built into Bromide."),
        _ => ("run", "what the command says."),
    };
    (told.0, told.1.to_owned())
}

fn reading(args: &Read) -> String {
    match (&args.partition, args.at, args.len) {
        _ if args.all => "read every partition back, a file for each.".to_owned(),
        _ if args.chip => "read the whole chip back.".to_owned(),
        (Some(name), _, _) => format!("read the partition {name} back."),
        (_, Some(at), Some(len)) => format!("read {len:#x} bytes back, from address {at:#x} on."),
        _ => "read back.".to_owned(),
    }
}

/// What a virtual phone is, for whoever reads the account.
pub(crate) fn hear_of_place(via: &Via) {
    if let Via::Phone(spec) = via {
        let text = format!("the phone is a virtual one in this program, model {}", spec.model);
        hear(&Event::Note(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(vars: &[(&str, &str)]) -> Option<PathBuf> {
        root(&|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn logs_lie_in_the_state_folder_unless_told_otherwise() {
        let home = ("HOME", "/home/a");
        assert_eq!(root_of(&[home]).unwrap(), Path::new("/home/a/.local/state/bromide/log"));
        assert_eq!(root_of(&[home, ("XDG_STATE_HOME", "/s")]).unwrap(), Path::new("/s/bromide/log"));
        let relative = root_of(&[home, ("XDG_STATE_HOME", "s")]).unwrap();
        assert_eq!(relative, Path::new("/home/a/.local/state/bromide/log"));
        assert_eq!(root_of(&[home, ("BROMIDE_LOG_DIR", "l")]).unwrap(), Path::new("l"));
        assert_eq!(root_of(&[("HOME", "")]), None);
    }
}
