//! `image mount`: the files of an image as a read-only file system of this machine, through FUSE.

#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod view;

use std::ffi::OsString;
use std::path::PathBuf;

use bromide_link::Cancel;
use clap::Args;

#[cfg(target_os = "linux")]
use super::place::Place;
use super::place::Source;
use crate::front::Front;
use crate::report::{Failure, exit};

/// Mount the files of a partition's image, read-only (Linux)
///
/// Until Ctrl-C, or fusermount3 -u DIR, the files are there for every program of yours, and for
/// nobody else's. Devices and set-user-id bits have no effect. What cannot be read gives an
/// input/output error; names that cannot be shown are changed as by image extract, and a file that
/// may be wrong is called NAME.damaged.
///
/// Example:
///
///   mkdir files; bromide image mount system.img files
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Mount {
    /// The image, as for image ls
    #[arg(value_name = "FILE")]
    pub(crate) file: OsString,
    /// An empty folder; with --via the only name
    #[arg(value_name = "DIR", required_unless_present = "via")]
    pub(crate) directory: Option<PathBuf>,
    /// A directory in the image that is shown [default: its root]
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<OsString>,
    #[command(flatten)]
    pub(crate) source: Source,
}

#[cfg(target_os = "linux")]
impl Mount {
    /// What is mounted, and where.
    fn parts(&self) -> Result<(Place, PathBuf), Failure> {
        let (source, path) = (self.source.clone(), self.path.clone());
        match (&self.directory, &source.via) {
            (Some(directory), None) => {
                Ok((Place { file: Some(self.file.clone()), path, source }, directory.clone()))
            }
            (None, Some(_)) => Ok((Place { file: path, path: None, source }, PathBuf::from(&self.file))),
            _ => {
                let what = "with --via the phone is mounted, and a folder is the only name";
                Err(Failure::new("usage", exit::USAGE, what, "bromide image mount --via usb --da FILE DIR"))
            }
        }
    }
}

/// `bromide image mount`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn mount(_: &Mount, _: &mut Front, _: &Cancel) -> Result<(), Failure> {
    let what = "images can be mounted on Linux only so far";
    Err(Failure::new("image/system", exit::FAILED, what, "bromide image extract --tar -o FILE, or image cat"))
}

/// `bromide image mount`.
#[cfg(target_os = "linux")]
pub(crate) fn mount(args: &Mount, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    use bromide_image::files::Kind;

    use super::open::{open_place, shown};

    let (place, directory) = args.parts()?;
    let directory = &directory;
    let failure = |code: &str, what: String, advice: &str| {
        Failure::new(code, exit::FAILED, format!("{}: {what}", directory.display()), advice)
    };
    let empty = "name an empty folder; mkdir makes one";
    let mut inside = std::fs::read_dir(directory).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotConnected => {
            let advice = format!("fusermount3 -u {} takes it away", directory.display());
            failure("file/io", "a program that was killed left a mount there".to_owned(), &advice)
        }
        _ => failure("file/io", e.to_string(), empty),
    })?;
    if inside.next().is_some() {
        return Err(failure("file/exists", "not empty".to_owned(), empty));
    }
    let opened = open_place(&place, front, cancel)?;
    let (start, path) = opened.named(front)?;
    if start.kind != Kind::Directory {
        let what = format!("/{} is no directory", shown(&path));
        return Err(opened.failed(&what));
    }
    let mounted = kernel::Mounted::new(directory).map_err(|error| {
        let (advice, what) = advice(&error);
        failure("image/mount", what, advice)
    })?;
    let end = format!("Ctrl-C here, or fusermount3 -u {}, unmounts it", directory.display());
    match front {
        Front::Json(json) => json.line(&serde_json::json!({
            "event": "mounted", "directory": directory.to_string_lossy(), "file": opened.title,
        })),
        Front::Screen(_) => front.say(&format!("Mounted {} at {}; {end}", opened.title, directory.display())),
    }
    mounted.serve(&mut view::View::new(&*opened.files, start.id), cancel);
    front.say("Unmounted");
    Ok(())
}

/// What to do where the system does not let this user mount there.
#[cfg(target_os = "linux")]
const NOT_ALLOWED: &str = "mount at a folder of your own, or as root where FUSE is root's alone";

/// What to do where mounting failed.
#[cfg(target_os = "linux")]
fn advice(error: &std::io::Error) -> (&'static str, String) {
    use std::io::ErrorKind;

    if !std::path::Path::new("/dev/fuse").exists() {
        let advice =
            "modprobe fuse as root; a container needs the device passed through (--device /dev/fuse)";
        return (advice, "this system has no /dev/fuse".to_owned());
    }
    let what = format!("cannot mount: {}", error.to_string().trim());
    match error.kind() {
        ErrorKind::NotFound => (
            "install the package fuse3",
            "the program fusermount3 is missing, which only root needs not".to_owned(),
        ),
        ErrorKind::PermissionDenied => (NOT_ALLOWED, what),
        ErrorKind::ResourceBusy => {
            ("name another folder", "something is mounted there, or uses it".to_owned())
        }
        // What fusermount3 says.
        _ if what.contains("access") || what.contains("permitted") => (NOT_ALLOWED, what),
        _ => ("bromide image extract needs no mounting", what),
    }
}
