//! `bundle diff`: how two dumps differ.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use bromide_image::read_at::ReadAt as _;
use bromide_job::bundle::compare::{
    self, CompareError, PageDiff, Pair, Side, Told, TreeDiff, map_of, pairs, phones, read_differently, trees,
};
use bromide_job::bundle::{Record, load};
use bromide_job::event::Event;
use bromide_job::open_file::OpenFile;
use bromide_job::pageimage::{Shape, detect};
use bromide_link::Cancel;
use bromide_nand::Geometry;
use clap::Args;

use super::diff_lines::{lines, tell_values, told_line};
use crate::cmd::image::Stoppable;
use crate::cmd::map;
use crate::front::Front;
use crate::out::{self, harmless};
use crate::report::{Failure, exit};

/// Compare two dumps: by partition, by block of the chip, by file
///
/// Says first whether the phones and the partition maps differ, then compares the images of each
/// partition page by page. Pages that differ only in bits which their parity corrects count as the
/// same. Of an image with a file system that is known (YAFFS2, ext, SquashFS, boot images) it is said
/// which files were added (+), removed (-), changed (~) or got other attributes (*); access times are
/// not looked at. Two image files can be compared as well.
///
/// Exit code 0: the same content; 4: something differs; 5: nothing differs, but pages of one dump were
/// never read.
///
/// Examples:
///
///   bromide bundle diff before/ after/
///
///   bromide bundle diff before/ after/ --all --partition system
///
///   bromide bundle diff system.img system-again.img
///
/// With --json there are bundle-phones and bundle-maps objects (differences), a bundle-partition object
/// for each partition (name, state, pages, blocks of [first, number, pages, bits, same]), a bundle-file
/// object for each file (partition, path, change, what), and at the end a bundle-diff object.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Diff {
    /// One dump, or one image file
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// The other
    #[arg(value_name = "SECOND")]
    second: PathBuf,
    /// Only this partition; may be given again
    #[arg(long, value_name = "NAME")]
    partition: Vec<String>,
    /// Do not look into file systems
    #[arg(long)]
    no_files: bool,
    /// List everything that differs, however long the lists are
    #[arg(long)]
    all: bool,
}

/// Where images of one name stand.
pub(super) enum Standing {
    OnlyFirst,
    OnlySecond,
    /// In both, but not of the same pages.
    Elsewhere,
    /// In both, page by page.
    Compared(PageDiff),
    /// One of them cannot be had.
    NotCompared(String),
}

/// What was found of one partition.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) standing: Standing,
    /// How it was read differently.
    pub(super) read: Vec<Told>,
    /// Main bytes of a block, and of a page.
    pub(super) block_bytes: u64,
    pub(super) tree: Option<TreeDiff>,
}

impl Outcome {
    pub(super) const fn differs(&self) -> bool {
        match &self.standing {
            Standing::OnlyFirst | Standing::OnlySecond | Standing::Elsewhere => true,
            Standing::Compared(pages) => !pages.is_same(),
            Standing::NotCompared(_) => false,
        }
    }

    const fn is_open(&self) -> bool {
        match &self.standing {
            Standing::Compared(pages) => pages.not_compared > 0,
            Standing::NotCompared(_) => true,
            _ => false,
        }
    }
}

/// `bromide bundle diff`.
pub(super) fn diff(args: &Diff, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match (args.first.is_dir(), args.second.is_dir()) {
        (true, true) => bundles(args, front, cancel),
        (false, false) => files(args, front, cancel),
        _ => {
            let what = "one is a folder and the other is not";
            Err(Failure::new("bundle/kinds", exit::USAGE, what, "name two dumps, or two image files"))
        }
    }
}

fn bundles(args: &Diff, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let open = |folder: &Path| load(folder).map_err(|e| Failure::of_bundle(&e));
    let (first, second) = (open(&args.first)?, open(&args.second)?);
    let wanted = wanted(args, &first, &second)?;
    let phones = phones(&first.phone, &second.phone);
    let maps = maps(args, [&first, &second], front);
    match front {
        Front::Json(json) => tell_values(json, &phones, &maps),
        Front::Screen(_) => {
            let lines = phones.iter().map(|it| format!("phone: {}", told_line(it)));
            let lines = lines.chain(maps.iter().map(|it| format!("map: {it}")));
            out::result(&lines.map(|it| harmless(&it)).collect::<Vec<_>>())?;
        }
    }
    let work = Work { args, cancel, total: wanted.iter().map(|pair| bytes(pair, &first)).sum() };
    front.begin("diff", work.total);
    let (mut outcomes, mut done) = (Vec::new(), 0);
    for pair in &wanted {
        let outcome = match *pair {
            Pair::First(image) => work.alone(&image.name, Standing::OnlyFirst),
            Pair::Second(image) => work.alone(&image.name, Standing::OnlySecond),
            Pair::Both(a, b) => {
                let side = |folder: &Path, record, image| Side::of_bundle(folder, record, image);
                let sides = [side(&args.first, &first, a), side(&args.second, &second, b)];
                let read = read_differently(a, b);
                work.both(&a.name, sides, read, done, front)?
            }
        };
        done += bytes(pair, &first);
        front.advance(done);
        outcomes.push(outcome);
    }
    end(args, &outcomes, !maps.is_empty(), front)
}

/// Main bytes that are compared.
fn bytes(pair: &Pair<'_>, first: &Record) -> u64 {
    let shape = |pair: &Pair<'_>| match pair {
        Pair::Both(image, _) => image.shape(first.geometry()?),
        _ => None,
    };
    shape(pair).map_or(0, |shape| shape.length)
}

/// The pairs a user asked for.
fn wanted<'a>(args: &Diff, first: &'a Record, second: &'a Record) -> Result<Vec<Pair<'a>>, Failure> {
    let name = |pair: &Pair<'_>| match pair {
        Pair::First(image) | Pair::Second(image) | Pair::Both(image, _) => image.name.clone(),
    };
    let all = pairs(first, second);
    if let Some(unknown) = args.partition.iter().find(|it| !all.iter().any(|pair| name(pair) == **it)) {
        let names: Vec<String> = all.iter().map(name).collect();
        let what = format!("neither dump has a partition {unknown}");
        return Err(Failure::new(
            "bundle/image",
            exit::USAGE,
            what,
            format!("they have {}", names.join(", ")),
        ));
    }
    let wanted = |pair: &Pair<'_>| args.partition.is_empty() || args.partition.contains(&name(pair));
    Ok(all.into_iter().filter(wanted).collect())
}

/// How the maps differ; one that cannot be read is told.
fn maps(args: &Diff, records: [&Record; 2], front: &mut Front) -> Vec<String> {
    let mut maps = Vec::new();
    for (folder, record) in [&args.first, &args.second].into_iter().zip(records) {
        match map_of(folder, record) {
            Ok(map) => maps.extend(map),
            Err(finding) => front.tell(&Event::Warning(&format!("{}: {finding}", folder.display()))),
        }
    }
    match maps.as_slice() {
        [first, second] => map::differences(first, second),
        _ => Vec::new(),
    }
}

fn files(args: &Diff, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let (a, b) = (shape(&args.first)?, shape(&args.second)?);
    let lengths = [&a, &b].map(|it| u64::from(it.pages) * u64::from(it.geometry.page));
    let length = lengths[0].min(lengths[1]);
    let side =
        |path: &Path, shape| Side::of_file(path, shape, length).ok_or_else(|| "it has no page".to_owned());
    let sides = [side(&args.first, &a), side(&args.second, &b)];
    let mut read = Vec::new();
    if lengths[0] != lengths[1] {
        read.push(("length", format!("{:#x}", lengths[0]), format!("{:#x}", lengths[1])));
    }
    if a.form != b.form {
        read.push(("pages", a.form.to_string(), b.form.to_string()));
    }
    let work = Work { args, cancel, total: length };
    front.begin("diff", length);
    let name = args.first.file_name().unwrap_or_default().to_string_lossy();
    let outcome = work.both(&name, sides, read, 0, front)?;
    front.advance(length);
    end(args, &[outcome], lengths[0] != lengths[1], front)
}

/// How the pages of a file lie in it.
fn shape(path: &Path) -> Result<Shape, Failure> {
    let failed = |code, what: String| {
        let advice = format!("bromide identify {} tells what it is", path.display());
        Failure::new(code, exit::FAILED, format!("{}: {what}", path.display()), advice)
    };
    let file = OpenFile::open(path).map_err(|e| failed("file/io", e.to_string()))?;
    let geometry = Geometry::new(2048, 64, 64, 65536).map_err(|e| failed("file/io", e.to_string()))?;
    let form = detect(&file, &geometry).map_err(|e| failed("file/io", e.to_string()))?;
    let form = form.ok_or_else(|| failed("image/unknown-layout", "no layout of pages fits it".into()))?;
    Shape::new(file.len(), form, geometry).map_err(|e| failed(e.code(), e.to_string()))
}

/// What the images are compared with.
struct Work<'a> {
    args: &'a Diff,
    cancel: &'a Cancel,
    total: u64,
}

impl Work<'_> {
    fn alone(&self, name: &str, standing: Standing) -> Outcome {
        Outcome { name: name.to_owned(), standing, read: Vec::new(), block_bytes: 0, tree: None }
    }

    fn both(
        &self,
        name: &str,
        sides: [Result<Side, String>; 2],
        read: Vec<Told>,
        done: u64,
        front: &mut Front,
    ) -> Result<Outcome, Failure> {
        let (a, b) = match sides {
            [Ok(a), Ok(b)] => (a, b),
            [Err(why), _] => {
                return Ok(Outcome {
                    read,
                    ..self.alone(name, Standing::NotCompared(format!("first: {why}")))
                });
            }
            [_, Err(why)] => {
                return Ok(Outcome {
                    read,
                    ..self.alone(name, Standing::NotCompared(format!("second: {why}")))
                });
            }
        };
        let page = u64::from(a.shape.geometry.page);
        let standing = if a.is_comparable(&b) {
            let pages = compare::pages(&a, &b, &mut |pages| {
                front.advance((done + pages * page).min(self.total));
                !self.cancel.is_set()
            });
            match pages {
                Ok(pages) => Standing::Compared(pages),
                Err(CompareError::Stopped) => return Err(Failure::stopped()),
                // One image that is gone is no reason to go without the others.
                Err(e) => Standing::NotCompared(e.to_string()),
            }
        } else {
            Standing::Elsewhere
        };
        let block_bytes = u64::from(a.shape.geometry.block_bytes());
        let mut outcome = Outcome { name: name.to_owned(), standing, read, block_bytes, tree: None };
        if outcome.differs() && !self.args.no_files {
            outcome.tree = self.trees(&a, &b)?;
        }
        Ok(outcome)
    }

    fn trees(&self, a: &Side, b: &Side) -> Result<Option<TreeDiff>, Failure> {
        let open = |side: &Side| Stoppable::open(&side.path, self.cancel).map(Rc::new);
        let compared = trees(open(a)?, open(b)?, &mut || !self.cancel.is_set());
        if self.cancel.is_set() {
            return Err(Failure::stopped());
        }
        compared.map_err(|e| failed(&e))
    }
}

fn failed(error: &CompareError) -> Failure {
    match error {
        CompareError::Stopped => Failure::stopped(),
        _ => {
            let advice = "bromide bundle verify tells what is wrong with a dump";
            Failure::new("bundle/io", exit::FAILED, error.to_string(), advice)
        }
    }
}

/// Results, and the exit code.
fn end(args: &Diff, outcomes: &[Outcome], other: bool, front: &mut Front) -> Result<(), Failure> {
    front.settle();
    let differ = outcomes.iter().filter(|it| it.differs()).count();
    let open = outcomes.iter().filter(|it| it.is_open()).count();
    match front {
        Front::Json(json) => {
            outcomes.iter().for_each(|it| super::diff_lines::values(json, it));
            json.line(&serde_json::json!({
                "event": "bundle-diff", "partitions": outcomes.len(), "differ": differ, "not_whole": open,
                "same": differ == 0 && open == 0 && !other,
            }));
        }
        Front::Screen(_) => out::result(&lines(outcomes, args.all))?,
    }
    if differ > 0 || other {
        let what = match differ {
            0 => "the maps or lengths differ; what both have is the same".to_owned(),
            _ => format!("{differ} of {} differ", count(outcomes.len())),
        };
        let advice = if args.all { "" } else { "--all lists everything, --json says it to programs" };
        return Err(Failure::new("bundle/differ", exit::DIFFERS, what, advice));
    }
    if open > 0 {
        let what =
            format!("nothing differs, but {open} of {} could not be compared whole", count(outcomes.len()));
        let advice = "bromide resume FOLDER reads what is missing";
        return Err(Failure::new("bundle/incomplete", exit::DAMAGED, what, advice));
    }
    if let Front::Screen(screen) = front {
        screen.say("the content is the same");
    }
    Ok(())
}

fn count(n: usize) -> String {
    format!("{n} partition{}", if n == 1 { "" } else { "s" })
}
