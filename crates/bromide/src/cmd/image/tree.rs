//! `image tree`: everything below a directory of an image, drawn.

use bromide_image::files::{Kind, Walk};
use bromide_link::Cancel;
use clap::Args;

use super::ls::{named, value};
use super::open::{open_place, shown};
use super::place::Place;
use crate::front::Front;
use crate::numbers::grouped;
use crate::out;
use crate::report::Failure;

/// Draw the tree of files of an image
#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `bromide image tree`.
pub(crate) fn tree(args: &Tree, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let opened = open_place(&args.place, front, cancel)?;
    let (start, path) = opened.named(front)?;
    let text = matches!(front, Front::Screen(_));
    let (mut directories, mut others) = (0_u64, 0_u64);
    if text {
        out::result(&[format!("/{}", shown(&path))])?;
    }
    if start.kind == Kind::Directory {
        let mut margins: Vec<&str> = Vec::new();
        for step in Walk::new(&*opened.files, start.id, &path) {
            opened.go_on()?;
            let step = step.map_err(|e| opened.failed(&e.to_string()))?;
            margins.truncate(step.depth);
            match front {
                Front::Json(json) => json.line(&value(&opened, &step.path, &step.entry)),
                Front::Screen(_) => {
                    let branch = if step.last { "└── " } else { "├── " };
                    let line = format!("{}{branch}{}", margins.concat(), named(&opened, &step.entry));
                    out::result(&[line])?;
                }
            }
            opened.tell_left(&step, front);
            let directory = step.entry.kind == Kind::Directory;
            *(if directory { &mut directories } else { &mut others }) += 1;
            margins.push(if step.last { "    " } else { "│   " });
        }
    }
    if text {
        let folders = if directories == 1 { "directory" } else { "directories" };
        let files = if others == 1 { "file" } else { "files" };
        out::result(&[format!("\n{} {folders}, {} {files}", grouped(directories), grouped(others))])?;
    }
    opened.tell_doubts(front);
    Ok(())
}
