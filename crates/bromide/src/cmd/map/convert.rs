//! `map convert`: the same map as another kind of file.

use std::path::{Path, PathBuf};

use bromide_image::map::{self, Format, Map, WrittenGpt};
use clap::{Args, ValueEnum};

use super::Select;
use super::load::{create, load};
use crate::front::Front;
use crate::numbers::bytes;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Write a partition map as another kind of file, and say what that cannot hold
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The map: whatever `map show` takes
    pub(crate) file: PathBuf,
    /// Kind to write
    #[arg(long = "to", short = 't', value_name = "FORMAT")]
    pub(crate) to: To,
    /// File to write, which must not exist yet [default: standard output, but for gpt and gpt-sgdisk]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Size of the user area (eMMC) or third unit (UFS), which gpt and gpt-sgdisk need: 16G, 0x3a3e00000
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) flash_size: Option<u64>,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// What a map can be written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum To {
    /// NAME 0xADDR { }: phones up to the MT6589
    ScatterV0,
    /// YAML-like text, V1.1.x; V2.x for several storages
    ScatterV1,
    /// XML
    ScatterXml,
    /// The kernel's mtdparts= argument
    Mtdparts,
    /// The table itself in two files: FILE holds the first bytes of the device (protective MBR, header, entries), as
    /// `dd` reads or writes them, FILE.backup its last bytes (entries, header)
    Gpt,
    /// The table as one file for `sgdisk --load-backup=FILE`
    GptSgdisk,
    /// Everything, for programs
    Json,
    /// A table
    Csv,
}

impl To {
    fn text(self) -> Option<Format> {
        match self {
            Self::ScatterV0 => Some(Format::ScatterV0),
            Self::ScatterV1 => Some(Format::ScatterV1),
            Self::ScatterXml => Some(Format::ScatterXml),
            Self::Mtdparts => Some(Format::Mtdparts),
            Self::Json => Some(Format::Json),
            Self::Csv => Some(Format::Csv),
            Self::Gpt | Self::GptSgdisk => None,
        }
    }
}

/// `bromide map convert`.
pub(crate) fn convert(args: &Convert, front: &mut Front) -> Result<(), Failure> {
    let map = args.select.of(load(&args.file)?)?;
    let Some(format) = args.to.text() else { return gpt(args, &map, front) };
    let written = map::write(&map, format);
    told(&written.remarks, front);
    if written.entries == 0 {
        let what = "nothing of this map can be written in that format";
        return Err(Failure::new("map/nothing", exit::FAILED, what, "choose another format with -t"));
    }
    match &args.output {
        Some(path) => create(path, written.text.as_bytes()),
        None => out::result(&written.text.lines().map(str::to_owned).collect::<Vec<_>>()),
    }
}

fn told(remarks: &[String], front: &mut Front) {
    for remark in remarks {
        front.say(&harmless(remark));
    }
}

fn gpt(args: &Convert, map: &Map, front: &mut Front) -> Result<(), Failure> {
    let usage = |what: &str, advice: &str| Failure::new("usage", exit::USAGE, what, advice);
    let Some(flash_size) = args.flash_size else {
        let what = "a GPT has a backup at the end of the device, whose place is not known";
        return Err(usage(
            what,
            "give the size of the user area (eMMC) or third unit (UFS) with --flash-size",
        ));
    };
    let Some(path) = &args.output else {
        return Err(usage("a GPT is no text for a terminal", "name a file with -o"));
    };
    let written = map::write_gpt(map, flash_size).map_err(|e| {
        let advice = "bromide map check FILE --flash-size BYTES names contradictions; --storage chooses one of several kinds of flash";
        Failure::new("map/gpt", exit::FAILED, format!("{}: {e}", args.file.display()), advice)
    })?;
    told(&written.remarks, front);
    if matches!(args.to, To::GptSgdisk) {
        return create(path, &written.for_sgdisk());
    }
    two_files(path, &written, front)
}

/// Both parts, or none.
fn two_files(path: &Path, written: &WrittenGpt, front: &mut Front) -> Result<(), Failure> {
    let backup = path.with_added_extension("backup");
    create(&backup, &written.table.backup)?;
    if let Err(e) = create(path, &written.table.primary) {
        // Made a moment ago, and of no use alone.
        let _ = std::fs::remove_file(&backup);
        return Err(e);
    }
    front.say(&harmless(&format!("{} goes to byte 0 of the device", path.display())));
    front.say(&harmless(&format!("{} goes to byte {:#x}", backup.display(), written.table.backup_at)));
    Ok(())
}
