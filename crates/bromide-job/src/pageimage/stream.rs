//! An image read from front to back in pieces of one block or less, on which some threads work.
//!
//! The caller's thread reads and takes the results in the order of the image; at no time are there more than a few pieces.
//! What a thread makes of a piece depends on that piece alone, so the outcome does not depend on the threads.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use bromide_image::read_at::ReadAt;
use bromide_nand::bad_mark;

use super::{PageImageError, Shape};

/// Most bytes of a piece, but for a single page.
const PIECE: u32 = 1 << 18;

/// Most threads that work.
const MOST_THREADS: usize = 8;

/// Pieces a thread may have before it.
const AHEAD: usize = 3;

/// Whole pages of one block.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// Number of the first page.
    pub(super) first: u32,
    /// Whether the first page of the block carries a bad mark.
    pub(super) in_bad_block: bool,
    /// The stored pages.
    pub(super) bytes: Vec<u8>,
    /// What a thread writes in their stead.
    pub(super) out: Vec<u8>,
}

/// Tells how many bytes were read; says whether to go on.
pub type GoOn<'a> = dyn FnMut(u64) -> bool + 'a;

/// Reads all whole pages of `source`. `make` makes the work of one thread, whose result `take` gets.
pub(super) fn stream<S, R, W, E>(
    source: &S,
    shape: &Shape,
    go_on: &mut GoOn<'_>,
    make: impl Fn() -> W + Sync,
    mut take: impl FnMut(Piece, R) -> Result<Piece, E>,
) -> Result<(), E>
where
    S: ReadAt,
    R: Send,
    W: FnMut(&mut Piece) -> R,
    E: From<PageImageError>,
{
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let most = threads * AHEAD;
    // No send ever waits: there are never more pieces than places.
    let (jobs, queue) = sync_channel::<(u64, Piece)>(most);
    let (done, results) = sync_channel::<Option<(u64, Piece, R)>>(most + threads);
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        let jobs = jobs;
        let (queue, make) = (&queue, &make);
        for _ in 0..threads {
            let done = done.clone();
            let started = thread::Builder::new()
                .name("pages".into())
                .spawn_scoped(scope, move || work(queue, &done, make()));
            started.map_err(|e| E::from(PageImageError::Thread(e)))?;
        }
        drop(done);
        let mut reader = Reader::new(source, shape);
        let mut spare: Vec<Piece> = Vec::new();
        let mut waiting = BTreeMap::new();
        let (mut sent, mut taken) = (0_u64, 0_u64);
        loop {
            while sent - taken < most as u64 {
                let Some(piece) = reader.next(spare.pop().unwrap_or_default())? else { break };
                if !go_on(reader.done()) {
                    return Err(PageImageError::Stopped.into());
                }
                let _ = jobs.send((sent, piece)); // a thread that ended says so below
                sent += 1;
            }
            if sent == taken {
                return Ok(());
            }
            // A thread that panicked sends nothing; the scope hands its panic on.
            let Ok(Some((number, piece, result))) = results.recv() else { return Ok(()) };
            waiting.insert(number, (piece, result));
            while let Some((piece, result)) = waiting.remove(&taken) {
                spare.push(take(piece, result)?);
                taken += 1;
            }
        }
    })
}

/// One thread.
fn work<R>(
    queue: &Mutex<Receiver<(u64, Piece)>>,
    done: &SyncSender<Option<(u64, Piece, R)>>,
    mut work: impl FnMut(&mut Piece) -> R,
) {
    let _alarm = Alarm(done);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, mut piece)) = next else { return };
        let result = work(&mut piece);
        if done.send(Some((number, piece, result))).is_err() {
            return;
        }
    }
}

/// Wakes the caller when a thread dies, who would wait for ever otherwise.
struct Alarm<'a, T>(&'a SyncSender<Option<T>>);

impl<T> Drop for Alarm<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(None);
        }
    }
}

/// Cuts the image into pieces.
struct Reader<'a, S> {
    source: &'a S,
    shape: &'a Shape,
    /// Pages of a piece.
    run: u32,
    /// The next page.
    at: u32,
    in_bad_block: bool,
}

impl<'a, S: ReadAt> Reader<'a, S> {
    fn new(source: &'a S, shape: &'a Shape) -> Self {
        let run = (PIECE / shape.page_bytes().max(1)).clamp(1, shape.geometry.pages_per_block.max(1));
        Self { source, shape, run, at: 0, in_bad_block: false }
    }

    /// Bytes read so far.
    fn done(&self) -> u64 {
        self.shape.offset(self.at)
    }

    fn next(&mut self, mut piece: Piece) -> Result<Option<Piece>, PageImageError> {
        let per_block = self.shape.geometry.pages_per_block.max(1);
        let left_of_block = per_block - self.at % per_block;
        let pages = self.run.min(left_of_block).min(self.shape.pages - self.at);
        if pages == 0 {
            return Ok(None);
        }
        let unit = self.shape.page_bytes() as usize;
        piece.bytes.resize(unit * pages as usize, 0);
        self.source.read_at(self.done(), &mut piece.bytes)?;
        if self.at.is_multiple_of(per_block) {
            // The mark is programmed over whatever the block held, without ECC: look at it first (section 7).
            let page = piece.bytes.get(..unit).unwrap_or_default();
            let mark = bad_mark(page, self.shape.form.layout(), &self.shape.geometry);
            self.in_bad_block = self.shape.form.has_parity() && mark == Some(true);
        }
        (piece.first, piece.in_bad_block) = (self.at, self.in_bad_block);
        self.at += pages;
        Ok(Some(piece))
    }
}
