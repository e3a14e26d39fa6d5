//! `map`: what a partition map says, what is wrong in it, how two differ, and the same map in another kind of file.

mod check;
mod convert;
mod diff;
mod draw;
mod load;
mod show;

use bromide_image::map::{Map, Region, Storage};
use clap::{Args, Subcommand, ValueEnum};

use crate::front::Front;
use crate::report::{Failure, exit};

pub(crate) use diff::differences;
pub(crate) use draw::escaped;
pub(crate) use load::{create, load, text};

#[derive(Debug, Subcommand)]
pub(crate) enum MapCommand {
    Show(show::Show),
    Diff(diff::Diff),
    Check(check::Check),
    Convert(convert::Convert),
}

/// `bromide map`.
pub(crate) fn map(command: MapCommand, front: &mut Front) -> Result<(), Failure> {
    match command {
        MapCommand::Show(args) => show::show(&args, front),
        MapCommand::Diff(args) => diff::diff(&args, front),
        MapCommand::Check(args) => check::check(&args, front),
        MapCommand::Convert(args) => convert::convert(&args, front),
    }
}

/// Which part of a map is meant.
#[derive(Debug, Args)]
pub(crate) struct Select {
    /// Only what lies in this kind of flash; newer scatter files describe several
    #[arg(long, value_name = "KIND")]
    storage: Option<Kind>,
    /// Only what lies in this region, as the map names it: EMMC_USER, EMMC_BOOT1, UFS_LU2 ...
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

/// Kinds of flash a user can name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Nand,
    Emmc,
    Ufs,
    Sd,
    Nor,
}

impl Kind {
    fn storage(self) -> Storage {
        match self {
            Self::Nand => Storage::Nand,
            Self::Emmc => Storage::Emmc,
            Self::Ufs => Storage::Ufs,
            Self::Sd => Storage::Sd,
            Self::Nor => Storage::Nor,
        }
    }
}

impl Select {
    /// The part of the map that is meant.
    fn of(&self, map: Map) -> Result<Map, Failure> {
        let mut part = match self.storage {
            Some(kind) => map.only(kind.storage()),
            None => map.clone(),
        };
        if let Some(name) = &self.region {
            let wanted = region(name);
            part.partitions.retain(|it| it.region == wanted);
            part.reserved.retain(|it| it.region == wanted);
        }
        if part.partitions.is_empty() && part.reserved.is_empty() {
            return Err(self.nothing(&map));
        }
        Ok(part)
    }

    /// Nothing was chosen; the choices are named.
    fn nothing(&self, map: &Map) -> Failure {
        let places = map.partitions.iter().map(|it| (it.storage, &it.region));
        let places = places.chain(map.reserved.iter().map(|it| (it.storage, &it.region)));
        let mut choices: Vec<(Storage, Vec<String>)> = Vec::new();
        for (storage, region) in places {
            let name = region_name(region);
            match choices.iter_mut().find(|it| it.0 == storage) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => choices.push((storage, vec![name])),
            }
        }
        let choices: Vec<String> =
            choices.iter().map(|(storage, names)| format!("{storage} ({})", names.join(", "))).collect();
        let kind = self.storage.map(|it| format!("{}", it.storage()));
        let asked: Vec<String> = kind.into_iter().chain(self.region.clone()).collect();
        let what = format!("nothing in the map lies in {}; it has {}", asked.join(" "), choices.join(", "));
        Failure::new("map/nothing", exit::FAILED, what, "choose by --storage and --region from these")
    }
}

/// A region by its whole name, or by what of it tells: user, boot1, lu2, whole.
fn region(name: &str) -> Region {
    if name.eq_ignore_ascii_case("whole") || name.eq_ignore_ascii_case("whole chip") {
        return Region::Whole;
    }
    let known = |it: &Region| !matches!(it, Region::Other(_));
    let spelled = [name.to_owned(), format!("EMMC_{name}"), format!("UFS_{name}")];
    let found = spelled.iter().map(|it| Region::from_scatter(it)).find(known);
    found.unwrap_or_else(|| Region::from_scatter(name))
}

/// Scatter files call the whole of a NAND chip NONE.
fn region_name(region: &Region) -> String {
    if *region == Region::Whole { "whole chip".to_owned() } else { region.scatter() }
}
