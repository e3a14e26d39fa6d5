//! `read` and `read-list`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bromide_image::map::Map;
use bromide_job::agent_file::AgentFile;
use bromide_job::error::JobError;
use bromide_job::event::{Event, Tell};
use bromide_job::follow::{FollowOptions, Follower};
use bromide_job::readback::{CHECKPOINT, Done, NoBook, ReadOptions, read_rows};
use bromide_job::rows::{self, Want, Wish};
use bromide_job::save::SaveOptions;
use bromide_job::session::{DEFAULT_POOL, Session, SessionOptions};
use bromide_job::source::Source as _;
use bromide_job::table::rows_on_phone;
use bromide_link::usb::Notice;
use bromide_link::{Cancel, run};
use bromide_log::RecordedBus;
use bromide_proto::link::Link;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::choose::{AnyBus, Via};
use crate::cli::{Cable, Pages, Read, ReadList};
use crate::cmd::map;
use crate::faults::{self, Cabled};
use crate::front::Front;
use crate::read_list;
use crate::report::{Failure, exit};
use crate::run_log;

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
        verify: false,
        checkpoint: CHECKPOINT,
    };
    let map = args.map.as_deref().map(map::load).transpose()?;
    read_job(&Job { wishes: vec![wish], map, folder, options }, &args.cable, front, cancel).map(drop)
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
        verify: false,
        checkpoint: CHECKPOINT,
    };
    read_job(&Job { wishes, map, folder: Some(args.output), options }, &args.cable, front, cancel).map(drop)
}

/// The whole job: all that can be refused without a phone, then cable, session, rows, end.
pub(crate) fn read_job(
    job: &Job,
    cable: &Cable,
    front: &mut Front,
    cancel: &Cancel,
) -> Result<Vec<Done>, Failure> {
    let Job { wishes, options, .. } = job;
    let map = job.map.as_ref();
    let via = &cable.via;
    for note in map.iter().flat_map(|m| &m.notes) {
        front.tell(&Event::Note(note));
    }
    let mut targets = rows::targets(wishes, map).map_err(|e| Failure::of_job(&e, via))?;
    let da = container(cable, front)?;
    has_readable_chip(&da, cable)?;
    places(&targets, job)?;
    let pool = cable.manner.pool.or_else(|| map.and_then(|m| m.pool_blocks)).unwrap_or(DEFAULT_POOL);
    let map = map.map(|m| with_pool(m, pool, front));
    on_phone(cable, pool, front, cancel, |bus, follow, tell| {
        run(async {
            let mut phone = Follower::catch(bus, &da, follow, tell).await?;
            let read = async {
                let session = phone.session().ok_or(JobError::NoSession)?;
                let rows = rows_on_phone(session, wishes, map.as_ref(), tell).await?;
                targets = rows.iter().map(|row| row.target.clone()).collect();
                phone.raise(tell).await?;
                let bytes: u64 = rows.iter().map(|row| row.length).sum();
                if matches!(via, Via::Usb(_)) && phone.is_slow() && bytes > LONG {
                    tell(Event::Note(SLOW));
                }
                read_rows(&mut phone, &rows, options, &mut NoBook, tell).await
            };
            let read = read.await;
            end(phone.into_session(), read.is_ok(), cancel, tell).await;
            read
        })
        .map_err(|e: JobError| Failure::of_job(&e, via).with_part(&e, &targets))
    })
}

/// Waits for the phone at the place of `--via` and does `job` with it; what passes is logged.
pub(crate) fn on_phone<T>(
    cable: &Cable,
    pool: u32,
    front: &mut Front,
    cancel: &Cancel,
    job: impl FnOnce(RecordedBus<Cabled<'_>>, FollowOptions, &mut Tell<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let recorder = run_log::begin(front);
    run_log::hear_of_place(&cable.via);
    let faults = cable.manner.fault.as_ref();
    let via = faults::in_phone(&cable.via, faults)?;
    if let Some(faults) = faults {
        front.tell(&Event::Warning(&format!("faults are injected on purpose: {faults}")));
    }
    match &via {
        Via::Phone(spec) => spec.announce(front),
        via => front.waiting(&via.to_string(), cable.manner.wait),
    }
    let follow = FollowOptions {
        session: SessionOptions {
            agent_format: cable.manner.agent_format.map(Into::into),
            pool_blocks: pool,
        },
        speed: cable.manner.speed.into(),
        wait: Duration::from_secs(cable.manner.wait),
    };
    let front = RefCell::new(front);
    let bus = AnyBus::at(&via, cable.manner.place.places(), cancel, |notice| {
        front.borrow_mut().tell(&Event::Warning(&in_words(&notice)));
    })?;
    let bus = faults::on_cable(bus, faults, cancel);
    job(RecordedBus::new(bus, recorder), follow, &mut |event: Event<'_>| front.borrow_mut().tell(&event))
}

/// What the user should know about a phone on USB besides.
fn in_words(notice: &Notice) -> String {
    let cure = "the udev rule that allows it (sudo bromide setup linux --install writes it)";
    match notice {
        Notice::OnTty { node, tty, rule, .. } => format!(
            "your user may not open {}; going on through {}, which is slower and may lose bytes (they are asked \
             for again). What is missing is {cure}:\n  {rule}",
            node.display(),
            tty.display()
        ),
        Notice::Refused { seen, node, .. } if !node.exists() => {
            format!("there is a phone, but its file {} is missing: {seen}", node.display())
        }
        Notice::Refused { seen, rule, .. } => {
            format!(
                "there is a phone, but your user may not open it: {seen}. What is missing is {cure}:\n  {rule}"
            )
        }
        Notice::Elsewhere { seen, port } => format!(
            "waiting at port {port}, but there is a phone at another: {seen}. To read that one: --via usb:{}",
            seen.port
        ),
    }
}

/// Ends a session well or, after a failure, quickly; also when the user stopped it.
pub(crate) async fn end<L: Link>(
    session: Option<Session<L>>,
    well: bool,
    cancel: &Cancel,
    tell: &mut Tell<'_>,
) {
    let Some(session) = session else { return };
    if well {
        session.finish(tell).await;
    } else {
        cancel.clear();
        session.abandon().await;
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
        let place = SaveOptions { force: job.options.force, expected_bytes: 0, check: None };
        place.check(target).map_err(|e| Failure::of_save(&e))?;
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

/// The Download Agent container: read first, because a wrong file should not cost the user a plug-in. Damage is
/// told at once; whether it matters depends on the phone.
pub(crate) fn container(cable: &Cable, front: &mut Front) -> Result<AgentFile, Failure> {
    let failed = |e| Failure::of_job(&e, &cable.via);
    let da = AgentFile::open(&cable.da).map_err(failed)?;
    let entries = da.table().map_err(failed)?.entries;
    let mut damaged = entries.iter().filter_map(|entry| Some((entry.index, entry.damage.as_ref()?)));
    if let Some((index, what)) = damaged.next() {
        front.tell(&Event::Warning(&format!(
            "{} is damaged: {} of its {} entries cannot be used (entry {index}: {what})",
            cable.da.display(),
            damaged.count() + 1,
            entries.len()
        )));
    }
    Ok(da)
}

/// No phone that can be read could be started from a container without any of these (hw codes of the entries for
/// MT6575 and MT6577, `da-legacy-observed.md` section 2).
fn has_readable_chip(da: &AgentFile, cable: &Cable) -> Result<(), Failure> {
    let file = da.table().map_err(|e| Failure::of_job(&e, &cable.via))?;
    if file.entries.iter().any(|entry| matches!(entry.hw_code, 0x6575 | 0x6577)) {
        return Ok(());
    }
    let what = format!(
        "{} holds no agent for MT6575 or MT6577, the chips that can be read so far",
        cable.da.display()
    );
    let advice = "use the Download Agent made for this phone; bromide da list FILE shows what is in one";
    Err(Failure::new("da/no-entry", exit::FAILED, what, advice))
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

fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| {
        let what = format!("{}: {e}", folder.display());
        Failure::new("file/io", exit::FAILED, what, "choose another folder with -o")
    })
}
