//! `image cat`: the bytes of one file of an image.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use bromide_image::yaffs2::LAST_CHUNK;
use bromide_image::yaffs2::read::{FileError, Kind, Tree};
use bromide_link::Cancel;
use clap::Args;

use super::ls::kind;
use super::open::{Image, open, shown};
use crate::front::Front;
use crate::numbers::{grouped, pages};
use crate::report::{Failure, exit};

/// Bytes read and written at once.
const STEP: usize = 1 << 20;

/// Largest file that chunks of the largest pages can be numbered for. What claims more would be endless zeros.
const LARGEST: u64 = LAST_CHUNK as u64 * 8192;

/// Write a file of a partition's image to standard output
///
/// Bit errors are corrected. Where a page is damaged beyond repair the output ends before it, with an error.
///
/// Example:
///
///   bromide image cat system.img build.prop > build.prop
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Cat {
    /// The image, as for image ls
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The file in it
    #[arg(value_name = "PATH")]
    pub(crate) path: OsString,
}

/// `bromide image cat`.
pub(crate) fn cat(args: &Cat, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    if matches!(front, Front::Json(_)) {
        let what = "image cat writes the bytes of a file as they are, which is no JSON";
        return Err(Failure::new("image/usage", exit::USAGE, what, "leave --json out"));
    }
    let opened = open(&args.file, front, cancel)?;
    let node = opened.named(Some(&args.path))?;
    let real = opened.real(node);
    let path = shown(&opened.tree.path(node.id));
    if real.kind != Kind::File {
        let (what, advice) = match real.kind {
            Kind::Symlink => {
                let target = shown(&real.target);
                (format!("a symbolic link to {target}"), "name what it leads to; links are not followed")
            }
            Kind::Directory => ("a directory".to_owned(), "bromide image ls shows what is in it"),
            _ => (format!("no file but a {}", kind(real).replace('-', " ")), "it has no bytes"),
        };
        let what = format!("{}: /{path} is {what}", opened.title);
        return Err(Failure::new("image/no-bytes", exit::FAILED, what, advice));
    }
    if node.size > LARGEST {
        let what = format!("/{path} claims {} bytes, more than a file can have", grouped(node.size));
        return Err(opened.failed(&what));
    }
    let (mut buffer, mut at) = (vec![0; STEP], 0_u64);
    let mut out = io::stdout().lock();
    while at < node.size {
        let (len, ended) = piece(&opened.tree, node.id, at, &mut buffer);
        match out.write_all(&buffer[..len]).and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(Failure::new("file/io", exit::FAILED, format!("standard output: {e}"), "")),
            Ok(()) => at += len as u64,
        }
        if let Some(e) = ended {
            let so_far = format!("; {} of {} bytes were written", grouped(at), grouped(node.size));
            return Err(opened.failed(&format!("/{path}: {e}{so_far}")));
        }
    }
    let damaged = opened.tree.counts().damaged;
    if opened.tree.stored_bytes(real) < node.size && damaged != 0 {
        // The bytes are out, but a file that may be wrong must not end as one that is right.
        let told = format!(
            "/{path} has holes, which read as zeros; {} damaged beyond repair may have been parts of it",
            pages(damaged.into())
        );
        return Err(opened.failed(&told));
    }
    Ok(())
}

/// Fills the buffer from `at` on, as far as the bytes go before one that cannot be had, with the reason.
fn piece(tree: &Tree<Image>, id: u32, at: u64, into: &mut [u8]) -> (usize, Option<FileError>) {
    let whole = match tree.read_file(id, at, into) {
        Ok(len) => return (len, None),
        Err(FileError::Damaged(page)) => page,
        Err(e) => return (0, Some(e)),
    };
    // The pages before the damaged one are good: find them chunk by chunk.
    let mut done = 0;
    let step = 512;
    while done < into.len() {
        let end = (done + step).min(into.len());
        match tree.read_file(id, at + done as u64, &mut into[done..end]) {
            Ok(0) => break,
            Ok(len) => done += len,
            Err(e) => return (done, Some(e)),
        }
    }
    (done, Some(FileError::Damaged(whole)))
}
