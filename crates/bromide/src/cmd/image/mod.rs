//! `image`: the files of a dump.

mod cat;
mod ls;
mod open;
mod phone;
mod place;
mod tree;

use bromide_link::Cancel;
use clap::Subcommand;

use crate::front::Front;
use crate::report::Failure;

pub(crate) use open::{open, shown};

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    Ls(ls::Ls),
    Tree(tree::Tree),
    Cat(cat::Cat),
}

/// `bromide image`.
pub(crate) fn image(command: ImageCommand, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        ImageCommand::Ls(args) => ls::ls(&args, front, cancel),
        ImageCommand::Tree(args) => tree::tree(&args, front, cancel),
        ImageCommand::Cat(args) => cat::cat(&args, front, cancel),
    }
}
