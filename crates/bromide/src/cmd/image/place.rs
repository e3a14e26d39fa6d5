//! Which files of which image: what all `image` commands are told alike.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::choose::Via;
use crate::cli::{Cable, Manner};
use crate::report::{Failure, exit};

/// Which files of which image.
#[derive(Debug, Args)]
#[group(id = "image")]
pub(crate) struct Place {
    /// The image, or what is in it: system.img, flash.bin:system/bin; with --via a path on the phone
    #[arg(value_name = "FILE", required_unless_present = "via")]
    pub(crate) file: Option<OsString>,
    /// A directory or file in it [default: its root]
    #[arg(value_name = "PATH", conflicts_with = "via")]
    pub(crate) path: Option<OsString>,
    #[command(flatten)]
    pub(crate) source: Source,
}

/// Where the image is, if it is not just a file, and what is known of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// Where the partitions lie in a dump of a whole chip, or on the phone: any map that bromide read takes
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
    /// Look at the phone itself instead of an image: usb, usb:PORTCHAIN, serial:, tcp:, phone: as of bromide read
    #[arg(long, value_name = "WHERE", requires = "da")]
    pub(crate) via: Option<Via>,
    /// Download Agent container, with --via
    #[arg(long, value_name = "FILE", requires = "via")]
    pub(crate) da: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// What an image is read from.
pub(super) enum Medium {
    /// A file.
    File(PathBuf),
    /// A phone on a cable.
    Phone(Box<Cable>),
}

impl Place {
    /// What is looked at, and the path in it.
    pub(super) fn parts(&self) -> Result<(Medium, OsString), Failure> {
        let file = self.file.clone().unwrap_or_default();
        if let (Some(via), Some(da)) = (&self.source.via, &self.source.da) {
            let cable = Cable { via: via.clone(), da: da.clone(), manner: self.source.manner.clone() };
            return Ok((Medium::Phone(Box::new(cable)), file));
        }
        if file.is_empty() {
            return Err(Failure::new("usage", exit::USAGE, "no image was named", "name a file"));
        }
        let (image, mut inside) = split(&file);
        if let Some(path) = &self.path {
            if !inside.is_empty() {
                inside.push("/");
            }
            inside.push(path);
        }
        Ok((Medium::File(image), inside))
    }
}

/// `FILE:PATH` in its parts. A colon may be part of the name of the file, too: the file decides.
fn split(file: &OsStr) -> (PathBuf, OsString) {
    let whole = (PathBuf::from(file), OsString::new());
    if whole.0.exists() {
        return whole;
    }
    let bytes = file.as_encoded_bytes();
    let colons = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    for at in colons {
        let (image, inside) = parts_at(file, at);
        if Path::new(&image).is_file() {
            return (PathBuf::from(image), inside);
        }
    }
    whole
}

#[cfg(unix)]
fn parts_at(file: &OsStr, at: usize) -> (OsString, OsString) {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = file.as_bytes();
    (OsStr::from_bytes(&bytes[..at]).to_owned(), OsStr::from_bytes(&bytes[at + 1..]).to_owned())
}

#[cfg(not(unix))]
fn parts_at(file: &OsStr, at: usize) -> (OsString, OsString) {
    // A colon is one byte of text wherever it stands; what is no text has no part named after it.
    match file.to_str() {
        Some(text) => (text[..at].into(), text[at + 1..].into()),
        None => (file.to_owned(), OsString::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_from_what_is_in_it_at_the_colon_behind_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).into_os_string();
        for name in ["flash.bin", "a:b.bin", "whole:x"] {
            std::fs::write(path(name), b"").unwrap();
        }
        let inside = |name: &str| {
            let (image, inside) = split(&path(name));
            (image.file_name().unwrap().to_owned(), inside)
        };
        assert_eq!(inside("flash.bin"), ("flash.bin".into(), "".into()));
        assert_eq!(inside("flash.bin:system/bin:x"), ("flash.bin".into(), "system/bin:x".into()));
        assert_eq!(inside("a:b.bin:c"), ("a:b.bin".into(), "c".into()));
        assert_eq!(inside("whole:x"), ("whole:x".into(), "".into()));
        assert_eq!(inside("none:x").1, "");
    }
}
