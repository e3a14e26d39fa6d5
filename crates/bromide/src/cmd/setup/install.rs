//! Writing and removing the rules file: shown, asked for, done in one step, and udevd told.

use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Linux, diff, rules, sudo};
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// What udevd is told after the file has changed. The second line has the rules applied to phones that are there.
const TELL: [&[&str]; 2] =
    [&["control", "--reload"], &["trigger", "--action=change", "--attr-match=idVendor=0e8d"]];

/// What is there now.
enum Found {
    Nothing,
    Same,
    Other(String),
}

/// `--install`.
pub(super) fn install(args: &Linux, front: &mut Front) -> Result<(), Failure> {
    let file = place(args)?;
    let text = rules::text();
    let old = match find(&file, &text)? {
        Found::Same => return ended(front, "already", &file, "the rules are there already; nothing changed"),
        Found::Nothing => None,
        Found::Other(old) => Some(old),
    };
    let mut plan = match &old {
        None => vec![format!("{} will hold the rules that `bromide setup linux` prints.", file.display())],
        Some(old) => {
            let mut lines = vec![format!("{} is there with other content (- there, + new):", file.display())];
            lines.extend(diff::diff(old, &text).iter().map(|line| format!("  {}", harmless(line))));
            lines
        }
    };
    let udevadm = udevadm(&args.root);
    plan.extend(told(udevadm.as_deref()));
    show(front, &plan);
    agreed(args, front, "--install", old.is_some())?;
    write(&file, &text).map_err(|e| refused(&file, &e, "--install"))?;
    let reloaded = reload(udevadm.as_deref(), front);
    let what = if reloaded { "installed, udevd has read it" } else { "installed" };
    ended(front, "installed", &file, what)
}

/// `--remove`.
pub(super) fn remove(args: &Linux, front: &mut Front) -> Result<(), Failure> {
    let file = place(args)?;
    let other = match find(&file, &rules::text())? {
        Found::Nothing => return ended(front, "absent", &file, "no such file; nothing to remove"),
        Found::Same => false,
        Found::Other(_) => true,
    };
    let mut plan = vec![format!("{} will be removed.", file.display())];
    if other {
        plan.push("It was written by another version or has been edited since.".into());
    }
    let udevadm = udevadm(&args.root);
    plan.extend(told(udevadm.as_deref()));
    show(front, &plan);
    agreed(args, front, "--remove", other)?;
    fs::remove_file(&file).map_err(|e| refused(&file, &e, "--remove"))?;
    let reloaded = reload(udevadm.as_deref(), front);
    ended(front, "removed", &file, if reloaded { "removed, udevd knows" } else { "removed" })
}

/// The file under the root, on a system that has udev.
fn place(args: &Linux) -> Result<PathBuf, Failure> {
    if !cfg!(target_os = "linux") && args.root == Path::new("/") {
        return Err(Failure::new(
            "setup/system",
            exit::FAILED,
            "this is no Linux system",
            "docs/platforms.md tells what other systems need",
        ));
    }
    Ok(args.root.join(rules::FILE.trim_start_matches('/')))
}

fn find(file: &Path, text: &str) -> Result<Found, Failure> {
    let failed =
        |e: &io::Error| Failure::new("file/io", exit::FAILED, format!("{}: {e}", file.display()), "");
    match fs::symlink_metadata(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(e) => return Err(failed(&e)),
        Ok(about) if !about.is_file() => {
            // A link to /dev/null is how an administrator switches a rules file off.
            let what = format!("{} is no plain file; somebody made it so on purpose", file.display());
            return Err(Failure::new(
                "setup/not-a-file",
                exit::FAILED,
                what,
                "remove it first if it is not wanted",
            ));
        }
        Ok(_) => {}
    }
    let old = fs::read(file).map_err(|e| failed(&e))?;
    let old = String::from_utf8_lossy(&old);
    Ok(if old == text { Found::Same } else { Found::Other(old.into_owned()) })
}

fn show(front: &mut Front, plan: &[String]) {
    // A plan is no chatter: --quiet must not hide what is about to change.
    match front {
        Front::Json(json) => json.line(&json!({"event": "plan", "text": plan})),
        Front::Screen(_) => plan.iter().for_each(|line| out::tell(line)),
    }
}

/// Whether to go on: `--yes`, or a yes at the terminal.
fn agreed(args: &Linux, front: &Front, option: &str, differs: bool) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let again = sudo(&format!("setup linux {option} --yes"));
    if differs && option == "--install" {
        let what = "a file that differs is not replaced without --yes";
        return Err(Failure::new("setup/differs", exit::FAILED, what, again));
    }
    if matches!(front, Front::Json(_)) || !io::stdin().is_terminal() {
        let what = "nobody is there to be asked, and --yes was not given";
        return Err(Failure::new("setup/not-agreed", exit::FAILED, what, again));
    }
    let _ = write!(io::stderr(), "Go on? [y/N] ");
    let mut answer = String::new();
    let _ = io::stdin().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new("setup/not-agreed", exit::FAILED, "nothing was changed", ""))
}

/// Whole or not at all: udevd may read the folder at any moment. The interim name does not end in `.rules`.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut interim = tempfile::Builder::new().prefix(".61-bromide.").suffix(".new").tempfile_in(folder)?;
    interim.write_all(text.as_bytes())?;
    readable_by_all(interim.as_file())?;
    interim.as_file().sync_all()?;
    interim.persist(file)?;
    Ok(())
}

#[cfg(unix)]
fn readable_by_all(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &fs::File) -> io::Result<()> {
    Ok(())
}

fn refused(file: &Path, e: &io::Error, option: &str) -> Failure {
    let what = format!("{}: {e}", file.display());
    if matches!(e.kind(), ErrorKind::PermissionDenied) {
        let advice = format!("this needs root: {}", sudo(&format!("setup linux {option}")));
        return Failure::new("setup/denied", exit::FAILED, what, advice);
    }
    Failure::new("file/io", exit::FAILED, what, "the rules can be printed and copied: bromide setup linux")
}

/// The program that talks to udevd, where there is one.
fn udevadm(root: &Path) -> Option<PathBuf> {
    let folders = ["usr/bin", "bin", "usr/sbin", "sbin"];
    folders.iter().map(|folder| root.join(folder).join("udevadm")).find(|path| path.is_file())
}

fn told(udevadm: Option<&Path>) -> Vec<String> {
    match udevadm {
        Some(_) => TELL.iter().map(|words| format!("then: udevadm {}", words.join(" "))).collect(),
        None => vec!["There is no udevadm here: the rules count from the next start of udevd.".into()],
    }
}

/// Whether udevd took it. A udevd that is not running is no failure: it reads the file when it starts.
fn reload(udevadm: Option<&Path>, front: &mut Front) -> bool {
    let Some(udevadm) = udevadm else { return false };
    for words in TELL {
        let ran = Command::new(udevadm).args(words).stdin(Stdio::null()).stdout(Stdio::null()).output();
        let why = match ran {
            Ok(ran) if ran.status.success() => continue,
            Ok(ran) => String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
            Err(e) => e.to_string(),
        };
        front.say(&harmless(&format!(
            "udevadm {} failed ({why}): the rules count from the next start of udevd",
            words.join(" ")
        )));
        return false;
    }
    true
}

fn ended(front: &mut Front, state: &str, file: &Path, what: &str) -> Result<(), Failure> {
    if let Front::Json(json) = front {
        json.line(&json!({"event": "setup", "state": state, "file": file.to_string_lossy(), "text": what}));
        return Ok(());
    }
    out::result(&[format!("{}: {what}", file.display())])
}
