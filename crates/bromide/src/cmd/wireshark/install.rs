//! Writing and removing the plugin: said first, done in one step, and never over somebody else's file.
//!
//! Where Wireshark looks: its user's guide, "Files and Folders"; `tshark -G folders` of 4.0 was seen.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::{SCRIPT, first_line};
use crate::front::Front;
use crate::out;
use crate::report::{Failure, exit};

/// The plugin's name in its folder.
pub(super) const FILE: &str = "bromide-mtk.lua";
/// How `tshark -G folders` calls the folder.
const FOLDER: &str = "Personal Lua Plugins:";

/// What is there now.
enum Found {
    Nothing,
    Same,
    /// Written by another version, or edited since.
    Ours,
}

/// `install`.
pub(super) fn install(folder: Option<PathBuf>, front: &mut Front) -> Result<(), Failure> {
    let file = place(folder)?;
    let (plan, state) = match find(&file)? {
        Found::Same => return ended(front, "already", &file, "the plugin is there already; nothing changed"),
        Found::Nothing => ("will be the plugin that `bromide wireshark show` prints", "installed"),
        Found::Ours => ("holds another version of the plugin, which will be replaced", "replaced"),
    };
    tell(front, &format!("{} {plan}.", file.display()));
    write(&file).map_err(|e| refused(&file, &e))?;
    if is_root() {
        front.say(
            "You are root: Wireshark runs no Lua for root unless its init.lua says run_user_scripts_when_superuser \
             = true, or the script is named: -X lua_script:FILE.",
        );
    }
    ended(front, state, &file, &format!("{state}; Wireshark reads it when it starts"))
}

/// `uninstall`.
pub(super) fn uninstall(folder: Option<PathBuf>, front: &mut Front) -> Result<(), Failure> {
    let file = place(folder)?;
    if let Found::Nothing = find(&file)? {
        return ended(front, "absent", &file, "no such file; nothing to remove");
    }
    tell(front, &format!("{} will be removed.", file.display()));
    fs::remove_file(&file).map_err(|e| refused(&file, &e))?;
    ended(front, "removed", &file, "removed")
}

fn place(folder: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let folder = folder.or_else(folder_of_tshark).or_else(usual_folder).ok_or_else(|| {
        Failure::new(
            "wireshark/folder",
            exit::FAILED,
            "where your Wireshark looks for plugins cannot be told: there is no home folder and no tshark",
            "name the folder: --folder FOLDER (Help, About, Folders, Personal Lua Plugins in Wireshark)",
        )
    })?;
    Ok(folder.join(FILE))
}

/// What Wireshark itself says, where it is installed.
fn folder_of_tshark() -> Option<PathBuf> {
    let ran = Command::new("tshark")
        .args(["-G", "folders"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(ran.stdout).ok()?;
    let folder = text.lines().find_map(|line| line.strip_prefix(FOLDER))?.trim();
    Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute())
}

fn usual_folder() -> Option<PathBuf> {
    let (base, rest) = if cfg!(windows) {
        ("APPDATA", "Wireshark/plugins")
    } else {
        ("HOME", ".local/lib/wireshark/plugins")
    };
    let base = std::env::var_os(base).map(PathBuf::from).filter(|base| base.is_absolute())?;
    Some(base.join(rest))
}

/// What the file is; one that is not ours is an error, for whatever is wanted of it.
fn find(file: &Path) -> Result<Found, Failure> {
    let about = match fs::symlink_metadata(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        other => other.map_err(|e| refused(file, &e))?,
    };
    let old = if about.is_file() { fs::read(file).map_err(|e| refused(file, &e))? } else { Vec::new() };
    if old == SCRIPT.as_bytes() {
        Ok(Found::Same)
    } else if old.split(|b| *b == b'\n').next().map(<[u8]>::trim_ascii_end) == Some(first_line().as_bytes()) {
        Ok(Found::Ours)
    } else {
        let what = format!("{} is there and was not written by Bromide; it stays", file.display());
        let advice = "move it away, or choose another folder: --folder FOLDER";
        Err(Failure::new("wireshark/not-ours", exit::FAILED, what, advice))
    }
}

/// Whole or not at all: a Wireshark that starts now may read the folder. The interim name does not end in `.lua`.
fn write(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut interim = tempfile::Builder::new().prefix(".bromide-mtk.").suffix(".new").tempfile_in(folder)?;
    interim.write_all(SCRIPT.as_bytes())?;
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

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

fn refused(file: &Path, e: &io::Error) -> Failure {
    let what = format!("{}: {e}", file.display());
    Failure::new(
        "file/io",
        exit::FAILED,
        what,
        "the plugin can be printed and copied: bromide wireshark show",
    )
}

/// What is about to change is no chatter: --quiet does not hide it.
fn tell(front: &mut Front, plan: &str) {
    match front {
        Front::Json(json) => json.line(&json!({"event": "plan", "text": [plan]})),
        Front::Screen(_) => out::tell(plan),
    }
}

fn ended(front: &mut Front, state: &str, file: &Path, what: &str) -> Result<(), Failure> {
    if let Front::Json(json) = front {
        json.line(
            &json!({"event": "wireshark", "state": state, "file": file.to_string_lossy(), "text": what}),
        );
        return Ok(());
    }
    out::result(&[format!("{}: {what}", file.display())])
}
