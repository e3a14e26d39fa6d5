//! `demo`: the whole job against a virtual phone, with nothing supplied by anyone.

use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bromide_image::files::{FilesError, Kind, Walk};
use bromide_job::event::Event;
use bromide_job::readback::ReadOptions;
use bromide_job::rows::{Want, Wish};
use bromide_link::Cancel;
use bromide_phone::{Generation, Model, demo_agent, stored_page};
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::choose::Via;
use crate::cli::{Cable, Demo, Manner, SpeedArg};
use crate::cmd::image::{open, shown};
use crate::cmd::map;
use crate::cmd::read::{Job, read_job};
use crate::demo_flash::{self, BuildError};
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};
use crate::run_log;
use crate::virtual_phone::Spec;

const MODEL: &str = "mt6575";

/// `bromide demo`.
pub(crate) fn demo(args: Demo, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let start = Instant::now();
    let kept = args.output.is_some();
    let folder = Folder::new(args.output)?;
    let path = |name: &str| folder.path.join(name);
    let model = Model::builtin(MODEL).map_err(|e| failed("demo/model", &e.to_string()))?;

    front.say("1. A virtual MT6575: 512 MiB of NAND with a full-size system partition of invented files");
    let flash = path("flash.bin");
    let objects = build(&model, &flash, cancel)?;
    front.say(&format!(
        "   {objects} files, folders and links written; one block of system is bad and replaced"
    ));

    front.say("2. A stand-in for a Download Agent, and the phone's /proc/mtd as its map");
    write(&path("demo_agent.bin"), &demo_agent::container(Generation::G2))?;
    write(&path("proc_mtd.txt"), proc_mtd(&model).as_bytes())?;

    front.say("3. Read system back through BootROM and Download Agent, every sector checked on the way");
    let target = path("system.img");
    let spec = Spec { model: MODEL.into(), flash: Some(flash.clone()), ..Spec::default() };
    let map = map::load(&path("proc_mtd.txt"))?;
    let cable = Cable {
        via: Via::Phone(spec.clone()),
        da: path("demo_agent.bin"),
        manner: Manner {
            agent_format: None,
            pool: None,
            wait: 60,
            speed: SpeedArg::Auto,
            place: Default::default(),
            fault: None,
        },
    };
    let wish = Wish {
        want: Want::Partition { name: "system".into(), target: target.clone() },
        shape: Shape::AsStored,
        kind: AddressKind::Logical,
    };
    let options =
        ReadOptions { force: false, pages_per_packet: 64, one_sums_file: false, ..ReadOptions::default() };
    let job = Job { wishes: vec![wish], map: Some(map), folder: None, bundle: false, options };
    read_job(&job, &cable, front, cancel)?;

    front.say("4. Compare with the virtual chip, page by page");
    let pages = compare(&spec, &model, &target, cancel)?;
    front.say(&format!("   all {} pages are equal", grouped(pages)));
    let equal = format!("compared with the virtual chip: all {} pages are equal", grouped(pages));
    run_log::hear(&Event::Note(&equal));

    front.say("5. Look into the image: the files of /system");
    files(&target, front, cancel)?;
    front.say(&format!("\nDone in {:.1} s.", start.elapsed().as_secs_f64()));
    if kept {
        front.say(&format!("Everything is in {}.", folder.path.display()));
    }
    front.say(
        "With a real phone (MT6575 or MT6577; untested on hardware so far), switch it off, run this,\n\
         and plug it in with Volume-Down held:\n\n  \
         bromide read system --map proc_mtd.txt --da MTK_AllInOne_DA.bin -o system.img",
    );
    Ok(())
}

fn build(model: &Model, flash: &Path, cancel: &Cancel) -> Result<u32, Failure> {
    let stop = &mut |_, _| if cancel.is_set() { Err(BuildError::Stopped) } else { Ok(()) };
    demo_flash::build(model, flash, stop).map_err(|e| match e {
        BuildError::Stopped => Failure::stopped(),
        e => Failure::new(
            "demo/flash",
            exit::FAILED,
            format!("{}: {e}", flash.display()),
            "the demo needs 1 GiB of disk; -o chooses another place",
        ),
    })
}

/// Counts the pages compared; a difference is an exit code of its own.
fn compare(spec: &Spec, model: &Model, image: &Path, cancel: &Cancel) -> Result<u64, Failure> {
    let phone = spec.phone(cancel)?;
    let Some(system) = model.partition("system") else {
        return Err(failed("demo/model", "the model has no system partition"));
    };
    let io = |e: std::io::Error| failed("file/io", &format!("{}: {e}", image.display()));
    let mut file = BufReader::with_capacity(1 << 20, File::open(image).map_err(io)?);
    let first = system.start / u64::from(model.nand.page_bytes);
    let pages = system.bytes / u64::from(model.nand.page_bytes);
    let mut read = vec![0; model.nand.stored_page_bytes() as usize];
    for page in first..first + pages {
        if cancel.is_set() {
            return Err(Failure::stopped());
        }
        let number = u32::try_from(page).map_err(|e| failed("demo/model", &e.to_string()))?;
        let stored =
            stored_page(model, &phone.chip, number).map_err(|e| failed("demo/phone", &e.to_string()))?;
        file.read_exact(&mut read).map_err(io)?;
        if read != stored {
            let what = format!("page {page} of the image is not what the chip holds");
            return Err(Failure::new(
                "demo/differs",
                exit::DIFFERS,
                what,
                "this is a fault of Bromide; please report it",
            ));
        }
    }
    if file.read(&mut read).map_err(io)? != 0 {
        return Err(Failure::new(
            "demo/differs",
            exit::DIFFERS,
            "the image is longer than the partition",
            "",
        ));
    }
    Ok(pages)
}

/// Shows what is in the root of the image, and a small text file of it.
fn files(image: &Path, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let files = open(image, cancel)?.files;
    let unreadable = |e: FilesError| failed("demo/files", &e.to_string());
    let mut text = None;
    for top in files.children(files.root()).map_err(unreadable)? {
        let (mut objects, mut bytes) = (0_u64, 0);
        if top.kind == Kind::Directory {
            for step in Walk::new(&*files, top.id, &top.name) {
                let step = step.map_err(unreadable)?;
                objects += 1;
                bytes += if step.entry.kind == Kind::File { step.entry.size } else { 0 };
                if top.name == b"etc" && step.entry.kind == Kind::File && (1..1000).contains(&step.entry.size)
                {
                    text.get_or_insert(step);
                }
            }
        }
        let bytes = grouped(bytes);
        let name = format!("{}/", shown(&top.name));
        front.say(&format!("   {name:12} {:>5} in it, {bytes:>12} bytes", grouped(objects)));
    }
    let Some(text) = text else {
        return Err(failed("demo/files", "the image has no text file in /system/etc"));
    };
    let mut bytes = vec![0; usize::try_from(text.entry.size).unwrap_or(0)];
    files.read(text.entry.id, 0, &mut bytes).map_err(unreadable)?;
    front.say(&format!("   bromide image cat system.img {}", shown(&text.path)));
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for line in lines.take(3) {
        front.say(&format!("   | {}", shown(line)));
    }
    Ok(())
}

/// The model's partition table as its running phone would print it.
fn proc_mtd(model: &Model) -> String {
    let mut text = String::from("dev:    size   erasesize  name\n");
    for (number, partition) in model.partitions().iter().enumerate() {
        let erase = model.nand.block_main_bytes();
        text += &format!("mtd{number}: {:08x} {erase:08x} \"{}\"\n", partition.bytes, partition.name);
    }
    text
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|e| failed("file/io", &format!("{}: {e}", path.display())))
}

fn failed(code: &str, what: &str) -> Failure {
    Failure::new(code, exit::FAILED, what, "")
}

/// Where the demo works: a new folder of the user's, or one of its own that is removed at the end.
struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    fn new(wanted: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = wanted else {
            // An empty path is the working folder, without the `/./` that "." would leave in every path told.
            let folder = tempfile::Builder::new().prefix(".bromide-demo-").tempdir_in("").map_err(|e| {
                Failure::new("file/io", exit::FAILED, e.to_string(), "choose a folder with -o")
            })?;
            return Ok(Self { path: folder.path().to_owned(), _temporary: Some(folder) });
        };
        let made = fs::create_dir(&path);
        made.map_err(|e| {
            let what = format!("{}: {e}", path.display());
            Failure::new("file/io", exit::FAILED, what, "name a folder that does not exist yet")
        })?;
        Ok(Self { path, _temporary: None })
    }
}
