//! `image tree`: everything below a directory of an image, drawn.

use std::ffi::OsString;
use std::path::PathBuf;

use bromide_image::yaffs2::read::{Kind, Node};
use bromide_link::Cancel;
use clap::Args;

use super::ls::{links, named, value};
use super::open::{open, shown};
use crate::front::Front;
use crate::numbers::grouped;
use crate::out;
use crate::report::Failure;

/// Draw the tree of files of a partition's image
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// The image, as for image ls
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A directory in it [default: its root]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<OsString>,
}

/// A directory whose entries are being drawn.
struct Level<'a> {
    path: Vec<u8>,
    /// What stands before each of its entries.
    margin: String,
    left: std::vec::IntoIter<&'a Node>,
}

/// `bromide image tree`.
pub(crate) fn tree(args: &Tree, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let opened = open(&args.file, front, cancel)?;
    let start = opened.named(args.path.as_deref())?;
    let links = links(&opened);
    let text = matches!(front, Front::Screen(_));
    let path = opened.tree.path(start.id);
    let (mut directories, mut others) = (0_u64, 0_u64);
    if text {
        out::result(&[format!("/{}", shown(&path))])?;
    }
    let children = |node: &Node| opened.tree.children(node.id).collect::<Vec<_>>().into_iter();
    // Not by recursion: an image may be as deep as it likes.
    let mut levels = vec![Level { path, margin: String::new(), left: children(start) }];
    while let Some(level) = levels.last_mut() {
        let Some(node) = level.left.next() else {
            levels.pop();
            continue;
        };
        opened.go_on()?;
        let last = level.left.len() == 0;
        match front {
            Front::Json(json) => json.line(&value(&opened, node, &links)),
            Front::Screen(_) => {
                let branch = if last { "└── " } else { "├── " };
                out::result(&[format!("{}{branch}{}", level.margin, named(&opened, node))])?;
            }
        }
        let directory = node.kind == Kind::Directory;
        *(if directory { &mut directories } else { &mut others }) += 1;
        let mut path = level.path.clone();
        path.push(b'/');
        path.extend(&node.name);
        let margin = format!("{}{}", level.margin, if last { "    " } else { "│   " });
        if opened.enters(node, &path, front) {
            levels.push(Level { path, margin, left: children(node) });
        }
    }
    if text {
        let folders = if directories == 1 { "directory" } else { "directories" };
        let files = if others == 1 { "file" } else { "files" };
        out::result(&[format!("\n{} {folders}, {} {files}", grouped(directories), grouped(others))])?;
    }
    Ok(())
}
