//! The saving thread of an image: writes what comes to its place, digests and checks it, asks for checkpoints, and
//! hands the buffers back.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::checkpoint::{self, About, Checkpoints, Prefix};
use super::stream::Stream;
use super::{DumpOptions, QUEUE, unread_page};
use crate::mapfile::{Mapfile, State};
use crate::save::SaveError;
use crate::save::place::Place;

/// At the latest after this time what came is made durable.
const AT_LATEST: Duration = Duration::from_secs(1);

/// Where an image begins or goes on.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) map: Mapfile,
    pub(super) prefix: Option<Prefix>,
}

/// What the thread is asked to do.
enum Task {
    Put(u64, Vec<u8>),
    Mark(Range<u64>, State),
    /// Answer when everything before is written.
    Settle(SyncSender<()>),
    /// Answer with the pages in which any bit is wrong, once all are there.
    Doubtful(SyncSender<Vec<Range<u64>>>),
    /// Write a word into every page that is not there.
    FillGaps,
}

/// What the thread leaves behind.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) file: File,
    pub(super) map: Mapfile,
    pub(super) stream: Stream,
}

/// What the thread died of.
#[derive(Debug)]
pub(super) enum Failure {
    /// The bytes an earlier run left are not those it noted.
    Altered,
    /// The disk, while writing; bytes written before in this run.
    Io { written: u64, error: io::Error },
    /// The disk, while making durable.
    Save(SaveError),
}

/// The near end. Dropped, it waits until everything put is written and durable.
#[derive(Debug)]
pub(super) struct Keeper {
    state: Near,
    used: Receiver<Vec<u8>>,
}

#[derive(Debug)]
enum Near {
    Running(SyncSender<Task>, JoinHandle<Result<Closed, Failure>>),
    Ended,
}

impl Keeper {
    pub(super) fn start(
        file: File,
        place: &Place,
        options: &DumpOptions,
        about: About,
        begin: Begin,
    ) -> Result<Self, SaveError> {
        let failed = || SaveError::io("start saving", &place.target);
        let (tasks, incoming) = sync_channel(QUEUE);
        let (done, used) = channel();
        let second = file.try_clone().map_err(failed())?;
        let checkpoints = Checkpoints::start(second, place.clone(), about.clone())?;
        let far = Far {
            file,
            position: None,
            place: place.clone(),
            part: place.part.clone(),
            about,
            unit: options.unit,
            most: options.checkpoint.max(1),
            fresh: Stream::new(options),
            stream: Stream::new(options),
            map: begin.map,
            checkpoints,
            unsaved: 0,
            last: Instant::now(),
            written: 0,
        };
        let prefix = begin.prefix;
        let work = move || far.run(prefix, &incoming, &done);
        let thread = thread::Builder::new().name("save".into()).spawn(work).map_err(failed())?;
        Ok(Self { state: Near::Running(tasks, thread), used })
    }

    /// A used buffer, or a new one while there are none.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.used.try_recv().unwrap_or_default()
    }

    pub(super) fn put(&mut self, at: u64, packet: Vec<u8>) -> Result<(), Failure> {
        self.ask(Task::Put(at, packet))
    }

    pub(super) fn mark(&mut self, range: Range<u64>, state: State) -> Result<(), Failure> {
        self.ask(Task::Mark(range, state))
    }

    pub(super) fn fill_gaps(&mut self) -> Result<(), Failure> {
        self.ask(Task::FillGaps)
    }

    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let (tell, settled) = sync_channel(1);
        self.ask(Task::Settle(tell))?;
        match settled.recv() {
            Ok(()) => Ok(()),
            Err(_) => Err(self.why()),
        }
    }

    pub(super) fn doubtful(&mut self) -> Result<Vec<Range<u64>>, Failure> {
        let (tell, told) = sync_channel(1);
        self.ask(Task::Doubtful(tell))?;
        match told.recv() {
            Ok(pages) => Ok(pages),
            Err(_) => Err(self.why()),
        }
    }

    fn ask(&mut self, task: Task) -> Result<(), Failure> {
        if let Near::Running(tasks, _) = &self.state
            && tasks.send(task).is_ok()
        {
            return Ok(());
        }
        Err(self.why())
    }

    /// The thread hangs up only when it has failed.
    fn why(&mut self) -> Failure {
        let early =
            || Failure::Io { written: 0, error: io::Error::other("the saving thread ended too early") };
        self.close().err().unwrap_or_else(early)
    }

    /// Waits until everything put is written and durable.
    pub(super) fn close(&mut self) -> Result<Closed, Failure> {
        let other = |what| Failure::Io { written: 0, error: io::Error::other(what) };
        match mem::replace(&mut self.state, Near::Ended) {
            Near::Running(tasks, thread) => {
                drop(tasks);
                thread.join().unwrap_or_else(|_| Err(other("the saving thread panicked")))
            }
            Near::Ended => Err(other("saving has ended before")),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.close(); // nobody is left to be told
    }
}

/// The thread's side.
struct Far {
    file: File,
    /// Where the file stands, if known.
    position: Option<u64>,
    place: Place,
    part: PathBuf,
    about: About,
    unit: u32,
    /// Bytes between two checkpoints.
    most: u64,
    /// Before the first byte, for when bytes that went by are changed.
    fresh: Stream,
    stream: Stream,
    map: Mapfile,
    checkpoints: Checkpoints,
    /// Bytes since the last checkpoint, and when that was.
    unsaved: u64,
    last: Instant,
    written: u64,
}

impl Far {
    fn run(
        mut self,
        prefix: Option<Prefix>,
        incoming: &Receiver<Task>,
        done: &Sender<Vec<u8>>,
    ) -> Result<Closed, Failure> {
        self.catch_up(prefix)?;
        if let Err(failure) = self.work(incoming, done) {
            // A full disk may still hold the word about what it holds. A disk that could not sync may not: asked
            // again it says yes, and has dropped what it could not write.
            if matches!(failure, Failure::Io { .. }) {
                let _ = self.end();
            }
            return Err(failure);
        }
        self.end()
    }

    fn work(&mut self, incoming: &Receiver<Task>, done: &Sender<Vec<u8>>) -> Result<(), Failure> {
        for task in incoming {
            match task {
                Task::Put(at, packet) => {
                    self.put(at, &packet)?;
                    let _ = done.send(packet); // the near end may be closing already
                }
                Task::Mark(range, state) => self.mark(range, state)?,
                Task::Settle(tell) => drop(tell.send(())),
                Task::Doubtful(tell) => {
                    let stream = mem::replace(&mut self.stream, self.fresh.clone());
                    let end = self.map.prefix();
                    self.stream = stream.up_to(&self.part, end).map_err(Failure::Save)?;
                    drop(tell.send(self.stream.doubtful()));
                }
                Task::FillGaps => self.fill_gaps()?,
            }
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Takes in what an earlier run left, from the start to the first gap.
    fn catch_up(&mut self, prefix: Option<Prefix>) -> Result<(), Failure> {
        let end = self.map.prefix();
        let noted = prefix.filter(|prefix| prefix.bytes <= end);
        let mut stream = mem::replace(&mut self.stream, self.fresh.clone());
        if let Some(prefix) = noted {
            stream = stream.up_to(&self.part, prefix.bytes).map_err(Failure::Save)?;
            if stream.sha256() != prefix.sha256 {
                return Err(Failure::Altered);
            }
        }
        self.stream = stream.up_to(&self.part, end).map_err(Failure::Save)?;
        Ok(())
    }

    fn put(&mut self, at: u64, packet: &[u8]) -> Result<(), Failure> {
        if at < self.stream.at {
            // Bytes that went by become others: first the mapfile forgets their digest, for it may be all that is left.
            self.stream = self.fresh.clone();
            self.checkpoint_now()?;
        }
        self.write(at, packet)?;
        let end = at + packet.len() as u64;
        self.map.set(at..end, State::Finished);
        if at == self.stream.at {
            self.stream.feed(packet);
        }
        self.unsaved += packet.len() as u64;
        Ok(())
    }

    /// What is taken back is taken back on the disk before anything else happens.
    fn mark(&mut self, range: Range<u64>, state: State) -> Result<(), Failure> {
        let finished = self.map.next(State::Finished, range.start);
        let taken_back = state != State::Finished && finished.is_some_and(|it| it.start < range.end);
        if taken_back && range.start < self.stream.at {
            self.stream = self.fresh.clone();
        }
        self.map.set(range, state);
        self.unsaved = self.unsaved.max(1);
        if taken_back { self.checkpoint_now() } else { Ok(()) }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Failure> {
        let failed = |written, error| Failure::Io { written, error };
        if self.position != Some(at) {
            self.file.seek(SeekFrom::Start(at)).map_err(|e| failed(self.written, e))?;
        }
        self.position = None;
        self.file.write_all(bytes).map_err(|e| failed(self.written, e))?;
        self.position = Some(at + bytes.len() as u64);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// A word in the place of every page that is not there, so that nobody takes it for one.
    fn fill_gaps(&mut self) -> Result<(), Failure> {
        let unit = u64::from(self.unit);
        let gaps: Vec<_> =
            self.map.stretches().iter().filter(|it| it.state != State::Finished).cloned().collect();
        for gap in gaps {
            for page in gap.range.start / unit..gap.range.end.div_ceil(unit) {
                self.write(page * unit, &unread_page(page, self.unit))?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), Failure> {
        let due = self.unsaved >= self.most || (self.unsaved > 0 && self.last.elapsed() >= AT_LATEST);
        if due {
            let taken = self.checkpoints.ask(&self.map, prefix(&self.stream)).map_err(Failure::Save)?;
            if taken {
                (self.unsaved, self.last) = (0, Instant::now());
            }
        }
        Ok(())
    }

    fn checkpoint_now(&mut self) -> Result<(), Failure> {
        self.checkpoints.now(&self.map, prefix(&self.stream)).map_err(Failure::Save)?;
        (self.unsaved, self.last) = (0, Instant::now());
        Ok(())
    }

    fn end(mut self) -> Result<Closed, Failure> {
        self.checkpoints.end().map_err(Failure::Save)?;
        let prefix = prefix(&self.stream);
        checkpoint::durable(&self.file, &self.place, &self.map, &self.about, Some(&prefix))
            .map_err(Failure::Save)?;
        Ok(Closed { file: self.file, map: self.map, stream: self.stream })
    }
}

fn prefix(stream: &Stream) -> Prefix {
    Prefix { bytes: stream.at, sha256: stream.sha256() }
}
