//! The flash of a phone on the cable as an image: pages are asked for when somebody looks at them.
//!
//! The conversation has a thread of its own, which ends when the image is dropped. Pages that came are kept, within
//! bounds, because file systems look at the same ones again and again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use bromide_image::map::Map;
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_job::error::JobError;
use bromide_job::event::{Event, Tell};
use bromide_job::follow::Follower;
use bromide_job::readback::read_stretch;
use bromide_job::rows::{Row, Want, Wish, resolve};
use bromide_job::session::DEFAULT_POOL;
use bromide_job::source::Source;
use bromide_job::table::own_table;
use bromide_link::{Cancel, run};
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::cli::{Cable, Output};
use crate::cmd::meet::{container, end, on_phone};
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::Failure;

/// Pages kept: 32 MiB of them.
const KEPT: usize = 16384;

/// After how many bytes it is told that there is something to wait for.
const TOLD: u64 = 32 << 20;

/// Pages a packet, as `bromide read` asks for.
const PAGES_PER_PACKET: u32 = 64;

/// Where partitions lie, if anything tells, and what is read as if it were a dump of the whole chip.
struct Ready {
    map: Option<Map>,
    chip: Row,
    page: u64,
    unit: u64,
}

/// A phone whose agent is running.
pub(super) struct PhoneImage {
    ready: Ready,
    wanted: Option<Sender<Range<u64>>>,
    came: Receiver<Result<Vec<u8>, String>>,
    kept: RefCell<BTreeMap<u64, Box<[u8]>>>,
    /// The page behind the last that came, and how many were asked for at least: who reads on wants more of them.
    ahead: Cell<(u64, u64)>,
    thread: Option<JoinHandle<()>>,
}

impl PhoneImage {
    /// Waits for the phone and starts its agent. The partitions are those of `map`, or of the phone's own table.
    pub(super) fn start(
        cable: Cable,
        map: Option<Map>,
        output: Output,
        cancel: &Cancel,
    ) -> Result<Self, Failure> {
        let (wanted, asked) = channel();
        let (answer, came) = channel();
        let (begun, is_ready) = sync_channel(1);
        let cancel = cancel.clone();
        let thread = thread::spawn(move || {
            if let Err(failure) = talk(&cable, map, output, &cancel, &begun, &asked, &answer) {
                // After the beginning the reader has its own error already.
                let _ = begun.try_send(Err(failure));
            }
        });
        let ready = is_ready.recv().unwrap_or_else(|_| Err(Failure::stopped()));
        match ready {
            Ok(ready) => {
                let (kept, ahead) = (RefCell::default(), Cell::new((u64::MAX, 1)));
                Ok(Self { ready, wanted: Some(wanted), came, kept, ahead, thread: Some(thread) })
            }
            Err(failure) => {
                drop(wanted);
                let _ = thread.join();
                Err(failure)
            }
        }
    }

    /// Where the partitions lie.
    pub(super) const fn map(&self) -> Option<&Map> {
        self.ready.map.as_ref()
    }

    /// Asks the phone for pages and keeps them.
    fn fetch(&self, pages: Range<u64>) -> Result<(), ReadError> {
        let at = pages.start * self.ready.unit;
        let failed = |why: String| ReadError::Medium { at, why };
        let gone = || failed("the conversation with the phone has ended".to_owned());
        let wanted = self.wanted.as_ref().ok_or_else(gone)?;
        wanted.send(pages.clone()).map_err(|_| gone())?;
        let bytes = self.came.recv().map_err(|_| gone())?.map_err(failed)?;
        let mut kept = self.kept.borrow_mut();
        if kept.len() + bytes.len() / usize::try_from(self.ready.unit).unwrap_or(1) > KEPT {
            kept.clear();
        }
        for (number, page) in pages.zip(bytes.chunks_exact(usize::try_from(self.ready.unit).unwrap_or(1))) {
            kept.insert(number, page.into());
        }
        Ok(())
    }

    /// The pages that are missing, and more behind them where they follow on those that came last: twice as many each
    /// time, up to one packet.
    fn with_more(&self, missing: Range<u64>) -> Range<u64> {
        let (next, many) = self.ahead.get();
        let many = if missing.start == next { (many * 2).min(PAGES_PER_PACKET.into()) } else { 1 };
        let end = (missing.start + many).clamp(missing.end, self.pages().max(missing.end));
        let wanted = self.missing(missing.start..end).unwrap_or(missing);
        self.ahead.set((wanted.end, many));
        wanted
    }

    /// Pages of the chip.
    const fn pages(&self) -> u64 {
        self.ready.chip.length / self.ready.page
    }

    /// The next pages of the range that are not kept.
    fn missing(&self, pages: Range<u64>) -> Option<Range<u64>> {
        let kept = self.kept.borrow();
        let first = pages.clone().find(|page| !kept.contains_key(page))?;
        let most = first + KEPT as u64 / 2;
        let end = (first..pages.end.min(most)).find(|page| kept.contains_key(page));
        Some(first..end.unwrap_or(pages.end.min(most)))
    }
}

impl ReadAt for PhoneImage {
    fn len(&self) -> u64 {
        self.pages() * self.ready.unit
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let wanted = into.len() as u64;
        if at.checked_add(wanted).is_none_or(|end| end > self.len()) {
            return Err(ReadError::Beyond { at, wanted, len: self.len() });
        }
        let unit = self.ready.unit;
        let (mut at, mut rest) = (at, into);
        while !rest.is_empty() {
            let number = at / unit;
            let last = (at + rest.len() as u64).div_ceil(unit);
            if let Some(missing) = self.missing(number..number + 1).and_then(|_| self.missing(number..last)) {
                self.fetch(self.with_more(missing))?;
            }
            let kept = self.kept.borrow();
            let why = || "the phone sent fewer pages than it was asked for".to_owned();
            let page = kept.get(&number).ok_or_else(|| ReadError::Medium { at, why: why() })?;
            let from = &page[usize::try_from(at % unit).unwrap_or(0)..];
            let len = from.len().min(rest.len());
            let (to, later) = rest.split_at_mut(len);
            to.copy_from_slice(&from[..len]);
            (at, rest) = (at + len as u64, later);
        }
        Ok(())
    }
}

impl Drop for PhoneImage {
    /// Lets the phone go before the program ends.
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The whole conversation: start, pages as long as they are asked for, end.
fn talk(
    cable: &Cable,
    map: Option<Map>,
    output: Output,
    cancel: &Cancel,
    begun: &SyncSender<Result<Ready, Failure>>,
    asked: &Receiver<Range<u64>>,
    answer: &Sender<Result<Vec<u8>, String>>,
) -> Result<(), Failure> {
    let mut front = Front::new(output);
    let front = &mut front;
    let da = container(cable, front)?;
    let pool = cable.manner.pool.or_else(|| map.as_ref().and_then(|m| m.pool_blocks)).unwrap_or(DEFAULT_POOL);
    on_phone(cable, pool, front, cancel, |bus, follow, tell| {
        run(async {
            let mut phone = Follower::catch(bus, &da, follow, tell).await?;
            let served = async {
                let ready = prepare(&mut phone, map, pool, tell).await?;
                phone.raise(tell).await?;
                let (chip, page) = (ready.chip.clone(), ready.page);
                if begun.send(Ok(ready)).is_err() {
                    return Ok(());
                }
                serve(&mut phone, &chip, page, asked, answer, tell).await
            };
            let served = served.await;
            end(phone.into_session(), served.is_ok() && !cancel.is_set(), cancel, tell).await;
            served
        })
        .map_err(|e: JobError| Failure::of_job(&e, &cable.via))
    })
}

async fn prepare<S: Source>(
    phone: &mut S,
    map: Option<Map>,
    pool: u32,
    tell: &mut Tell<'_>,
) -> Result<Ready, JobError> {
    let session = phone.session().ok_or(JobError::NoSession)?;
    let geometry = session.geometry()?;
    let map = match map {
        Some(map) => Some(map),
        None => own_table(session, tell).await?.map(|table| table.map),
    };
    let wish = Wish {
        want: Want::WholeChip { target: PathBuf::new() },
        shape: Shape::AsStored,
        kind: AddressKind::Logical,
    };
    let rows = resolve(&[wish], None, &geometry, pool, &mut |_| {})?;
    let chip = rows.into_iter().next().ok_or(JobError::NoSession)?;
    let unit = u64::from(Shape::AsStored.unit(geometry.page, geometry.spare));
    Ok(Ready { map, chip, page: u64::from(geometry.page), unit })
}

async fn serve<S: Source>(
    phone: &mut S,
    chip: &Row,
    page: u64,
    asked: &Receiver<Range<u64>>,
    answer: &Sender<Result<Vec<u8>, String>>,
    tell: &mut Tell<'_>,
) -> Result<(), JobError> {
    let (mut came, mut told) = (0, 0);
    while let Ok(pages) = asked.recv() {
        let length = (pages.end - pages.start) * page;
        let row = Row { start: chip.start + pages.start * page, length, ..chip.clone() };
        match read_stretch(phone, &row, PAGES_PER_PACKET, tell).await {
            Ok(bytes) => {
                came += bytes.len() as u64;
                if came / TOLD != told {
                    told = came / TOLD;
                    let done = grouped(came >> 20);
                    tell(Event::Note(&format!("{done} MiB read from the phone so far")));
                }
                if answer.send(Ok(bytes)).is_err() {
                    break;
                }
            }
            Err(e) => {
                let _ = answer.send(Err(e.to_string()));
                return Err(e);
            }
        }
    }
    Ok(())
}
