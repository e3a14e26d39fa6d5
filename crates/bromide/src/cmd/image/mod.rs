//! `image`: the files of a dump.

mod cat;
mod check;
mod check_files;
mod convert;
mod draw_pages;
mod draw_pages_file;
mod extract;
mod find;
mod fix;
mod glob;
mod history;
mod ls;
mod mount;
mod open;
mod pages;
mod phone;
mod place;
mod stoppable;
mod tree;

use bromide_link::Cancel;
use clap::Subcommand;

use crate::front::Front;
use crate::report::Failure;

pub(crate) use ls::{put, time};
pub(crate) use open::{open, shown};
pub(crate) use stoppable::Stoppable;

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    Ls(ls::Ls),
    Tree(tree::Tree),
    Cat(cat::Cat),
    Check(check::Check),
    Fix(fix::Fix),
    Convert(convert::Convert),
    Extract(extract::Extract),
    Find(find::Find),
    History(history::History),
    Mount(mount::Mount),
}

/// `bromide image`.
pub(crate) fn image(command: ImageCommand, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        ImageCommand::Ls(args) => ls::ls(&args, front, cancel),
        ImageCommand::Tree(args) => tree::tree(&args, front, cancel),
        ImageCommand::Cat(args) => cat::cat(&args, front, cancel),
        ImageCommand::Check(args) => check::check(&args, front, cancel),
        ImageCommand::Fix(args) => fix::fix(&args, front, cancel),
        ImageCommand::Convert(args) => convert::convert(&args, front, cancel),
        ImageCommand::Extract(args) => extract::extract(&args, front, cancel),
        ImageCommand::Find(args) => find::find(&args, front, cancel),
        ImageCommand::History(args) => history::history(&args, front, cancel),
        ImageCommand::Mount(args) => mount::mount(&args, front, cancel),
    }
}
