//! `image cat`: the bytes of one file of an image.

use std::io::{self, ErrorKind, Write as _};

use bromide_image::files::{Entry, Kind, read_as_far_as_possible};
use bromide_link::Cancel;
use clap::Args;

use super::open::{Opened, open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};

/// Bytes read and written at once.
const STEP: usize = 1 << 20;

/// Write a file of an image to standard output
///
/// Bit errors are corrected. Where a page is damaged beyond repair the output ends before it, with an
/// error.
///
/// Examples:
///
///   bromide image cat system.img build.prop > build.prop
///
///   bromide image cat flash.bin:system/xbin/tcpdump > tcpdump
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide image cat`.
pub(crate) fn cat(args: &Cat, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    if matches!(front, Front::Json(_)) {
        let what = "image cat writes the bytes of a file as they are, which is no JSON";
        return Err(Failure::new("image/usage", exit::USAGE, what, "leave --json out"));
    }
    let opened = open_place(&args.place, front, cancel)?;
    let (entry, path) = opened.named(front)?;
    let path = shown(&path);
    has_bytes(&opened, &entry, &path)?;
    let (mut buffer, mut at) = (vec![0; STEP], 0_u64);
    let mut out = io::stdout().lock();
    while at < entry.size {
        let (len, ended) = read_as_far_as_possible(&*opened.files, entry.id, at, &mut buffer);
        match out.write_all(&buffer[..len]).and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(Failure::new("file/io", exit::FAILED, format!("standard output: {e}"), "")),
            Ok(()) => at += len as u64,
        }
        if ended.is_some() || len == 0 {
            let why = ended.map_or("it ends before its size".to_owned(), |e| e.to_string());
            let so_far = format!("; {} of {} bytes were written", grouped(at), grouped(entry.size));
            return Err(opened.failed(&format!("/{path}: {why}{so_far}")));
        }
    }
    // The bytes are out, but a file that may be wrong must not end as one that is right.
    match opened.files.caution(entry.id) {
        Some(why) => Err(opened.failed(&format!("/{path}: {why}"))),
        None => Ok(()),
    }
}

/// Only files have bytes, and no more than files can have.
fn has_bytes(opened: &Opened, entry: &Entry, path: &str) -> Result<(), Failure> {
    if entry.kind == Kind::File {
        return match entry.size {
            size if size <= opened.files.largest() => Ok(()),
            size => {
                let what = format!("/{path} claims {} bytes, more than a file can have", grouped(size));
                Err(opened.failed(&what))
            }
        };
    }
    let (what, advice) = match entry.kind {
        Kind::Symlink => {
            let target = opened.files.target(entry.id).map_err(|e| opened.failed(&e.to_string()))?;
            let what = format!("a symbolic link to {}", shown(&target));
            (what, "name what it leads to; links are not followed")
        }
        Kind::Directory => ("a directory".to_owned(), "bromide image ls shows what is in it"),
        kind => (format!("no file but a {}", kind.code().replace('-', " ")), "it has no bytes"),
    };
    let what = format!("{}: /{path} is {what}", opened.title);
    Err(Failure::new("image/no-bytes", exit::FAILED, what, advice))
}
