//! `read` and `read-list`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bromide_image::map::Map;
use bromide_job::dump;
use bromide_job::error::JobError;
use bromide_job::event::{Event, Tell};
use bromide_job::follow::Follower;
use bromide_job::readback::{Done, NoBook, ReadOptions, read_rows};
use bromide_job::rows::{self, Want, Wish};
use bromide_job::session::DEFAULT_POOL;
use bromide_job::source::Source as _;
use bromide_job::table::rows_on_phone;
use bromide_link::{Cancel, run};
use bromide_proto::bus::Bus;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::choose::Via;
use crate::cli::{Cable, Pages, Read, ReadList};
use crate::cmd::account::Account;
use crate::cmd::map;
use crate::cmd::meet::{container, end, has_readable_chip, on_phone};
use crate::front::Front;
use crate::read_list;
use crate::report::{Failure, exit};

/// From so many bytes on a read at full speed is worth a word about the other one: about a minute.
const LONG: u64 = 16 << 20;
const SLOW: &str = "this is a full-speed link: reliable, and slow. --speed high is faster where it works, and goes on \
     at full speed where it does not (hold Volume-Down then)";

/// What is to be read, and where it goes.
pub(crate) struct Job {
    pub(crate) wishes: Vec<Wish>,
    pub(crate) map: Option<Map>,
    /// Made when it is not there.
    pub(crate) folder: Option<PathBuf>,
    /// The folder is a bundle.
    pub(crate) bundle: bool,
    pub(crate) options: ReadOptions,
}

/// `bromide read`.
pub(crate) fn read(args: Read, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let wish = Wish { shape: shape(&args.pages), kind: kind(&args.pages), want: want(&args)? };
    let folder = if let Want::All { folder } = &wish.want { Some(folder.clone()) } else { None };
    let options = ReadOptions {
        force: args.pages.force,
        pages_per_packet: args.pages.packet_pages,
        one_sums_file: args.all,
        keep_whole: args.all,
        verify: args.care.verify,
        checkpoint: args.care.checkpoint,
    };
    let map = args.map.as_deref().map(map::load).transpose()?;
    let job = Job { wishes: vec![wish], map, folder, bundle: args.all, options };
    read_job(&job, &args.cable, front, cancel).map(drop)
}

/// `bromide read-list`.
pub(crate) fn read_list(args: ReadList, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let text = map::text(&args.list)?;
    let wishes = read_list::parse(&text, &args.output).map_err(|what| {
        let what = format!("{}: {what}", args.list.display());
        Failure::new("list/bad-row", exit::USAGE, what, "bromide read-list --help shows the columns")
    })?;
    let map = args.map.as_deref().map(map::load).transpose()?;
    let options = ReadOptions {
        force: args.force,
        pages_per_packet: args.packet_pages,
        one_sums_file: true,
        keep_whole: true,
        verify: args.care.verify,
        checkpoint: args.care.checkpoint,
    };
    let job = Job { wishes, map, folder: Some(args.output), bundle: false, options };
    read_job(&job, &args.cable, front, cancel).map(drop)
}

/// The whole job: all that can be refused without a phone, then cable, session, rows, end.
pub(crate) fn read_job(
    job: &Job,
    cable: &Cable,
    front: &mut Front,
    cancel: &Cancel,
) -> Result<Vec<Done>, Failure> {
    let map = job.map.as_ref();
    let via = &cable.via;
    for note in map.iter().flat_map(|m| &m.notes) {
        front.tell(&Event::Note(note));
    }
    let targets = rows::targets(&job.wishes, map).map_err(|e| Failure::of_job(&e, via))?;
    let da = container(cable, front)?;
    has_readable_chip(&da, cable)?;
    places(&targets, job)?;
    let mut account = Account::open(job, cable)?;
    if let Some(folder) = account.is_whole_already(&targets, job) {
        account.settle()?;
        let twice = if job.options.verify { "bromide verify compares it with the phone, " } else { "" };
        let text = format!(
            "{} holds a whole dump already: nothing left to read. bromide bundle verify checks it, {twice}--force reads \
             it again",
            folder.display()
        );
        front.say(&text);
        return Ok(Vec::new());
    }
    let pool = cable.manner.pool.or_else(|| map.and_then(|m| m.pool_blocks)).unwrap_or(DEFAULT_POOL);
    let map = map.map(|m| with_pool(m, pool, front));
    let mut targets = targets;
    let ended = on_phone(cable, pool, front, cancel, |bus, follow, tell| {
        run(async {
            let mut phone = Follower::catch(bus, &da, follow, tell).await?;
            let read =
                rows_into(&mut phone, job, map.as_ref(), cable, &mut account, &mut targets, tell).await;
            end(phone.into_session(), read.is_ok(), cancel, tell).await;
            read
        })
        .map_err(|e: JobError| Failure::of_job(&e, via).with_part(&e, &targets))
    });
    let told = account.end(&ended);
    ended.and_then(|done| told.map(|()| done))
}

/// Everything that is read of a phone that is there.
async fn rows_into<B: Bus>(
    phone: &mut Follower<'_, B>,
    job: &Job,
    map: Option<&Map>,
    cable: &Cable,
    account: &mut Account,
    targets: &mut Vec<PathBuf>,
    tell: &mut Tell<'_>,
) -> Result<Vec<Done>, JobError> {
    let session = phone.session().ok_or(JobError::NoSession)?;
    let planned = rows_on_phone(session, &job.wishes, map, tell).await?;
    let rows = &planned.rows;
    *targets = rows.iter().map(|row| row.target.clone()).collect();
    account.begin(session, &planned)?;
    phone.raise(tell).await?;
    let bytes: u64 = rows.iter().map(|row| row.length).sum();
    if matches!(cable.via, Via::Usb(_)) && phone.is_slow() && bytes > LONG {
        tell(Event::Note(SLOW));
    }
    match account {
        Account::Bundle { bundle, .. } => read_rows(phone, rows, &job.options, bundle.as_mut(), tell).await,
        Account::None => read_rows(phone, rows, &job.options, &mut NoBook, tell).await,
    }
}

/// The map with the pool in use: the user's word overrules the map's.
fn with_pool(map: &Map, pool: u32, front: &mut Front) -> Map {
    let mut map = map.clone();
    if let Some(stated) = map.pool_blocks.filter(|stated| *stated != pool) {
        let text = format!("the map states a bad-block pool of {stated} blocks; {pool} are used as asked");
        front.tell(&Event::Warning(&text));
        map.pool_blocks = Some(pool);
    }
    map
}

/// A file that cannot be written should not cost the user a plug-in either. How much room is needed only the phone
/// can tell.
fn places(targets: &[PathBuf], job: &Job) -> Result<(), Failure> {
    job.folder.as_deref().map_or(Ok(()), make_folder)?;
    for target in targets {
        dump::early(target, job.options.force, job.options.keep_whole).map_err(|e| Failure::of_save(&e))?;
    }
    let mut folders: BTreeSet<&Path> = targets.iter().map(|target| folder_of(target)).collect();
    if folders.is_empty() {
        // Which files there will be only the phone can tell.
        folders.extend(job.folder.as_deref());
    }
    folders.into_iter().try_for_each(writable)
}

fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Tried with a file that has no name, because permissions do not tell everything.
fn writable(folder: &Path) -> Result<(), Failure> {
    tempfile::tempfile_in(folder).map(drop).map_err(|e| {
        let what = format!("cannot write into {}: {e}", folder.display());
        Failure::new("save/io", exit::FAILED, what, "choose another folder with -o")
    })
}

fn want(args: &Read) -> Result<Want, Failure> {
    let target = |default: &str| args.output.clone().unwrap_or_else(|| PathBuf::from(default));
    Ok(match (&args.partition, args.at, args.len) {
        _ if args.all => Want::All { folder: target("dump") },
        _ if args.chip => Want::WholeChip { target: target("chip.img") },
        (_, Some(start), Some(length)) => {
            Want::Range { start, length, target: target(&format!("{start:#x}.img")) }
        }
        (Some(name), _, _) => {
            let harmless = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if args.output.is_none() && !harmless {
                let advice = "give a file with -o";
                return Err(Failure::new("usage", exit::USAGE, "this name makes no file name", advice));
            }
            Want::Partition { name: name.clone(), target: target(&format!("{name}.img")) }
        }
        _ => {
            let advice = "name a partition, or use --all, --chip, or --at with --len";
            return Err(Failure::new("usage", exit::USAGE, "nothing to read was named", advice));
        }
    })
}

const fn shape(pages: &Pages) -> Shape {
    if pages.main_only {
        Shape::MainOnly
    } else if pages.spare_last {
        Shape::SpareLast
    } else {
        Shape::AsStored
    }
}

const fn kind(pages: &Pages) -> AddressKind {
    if pages.physical { AddressKind::Physical } else { AddressKind::Logical }
}

/// Makes a folder and makes its name durable, whoever made it: an earlier run may have been killed in between.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    let missing = folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).count();
    let made = fs::create_dir_all(folder).and_then(|()| {
        let whole = folder.canonicalize()?;
        whole.ancestors().skip(1).take(missing.max(1)).try_for_each(sync_names)
    });
    made.map_err(|e| {
        let what = format!("{}: {e}", folder.display());
        Failure::new("file/io", exit::FAILED, what, "choose another folder with -o")
    })
}

/// Makes the names in a folder durable.
fn sync_names(folder: &Path) -> io::Result<()> {
    match fs::File::open(folder).and_then(|it| it.sync_all()) {
        // Not every file system can, nor may everybody open every folder.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) => Ok(()),
        other => other,
    }
}
