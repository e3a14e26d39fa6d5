//! The saving thread: writes, digests and checks what comes through a short queue, and hands the buffers back.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest, Sha256};

use super::QUEUE;
use crate::agent_file::hex;
use crate::pagecheck::{PageCheck, PageSummary};

/// The near end of the queue. Dropped, it waits until everything put is written.
#[derive(Debug)]
pub(super) struct Sink<W> {
    state: State<W>,
    used: Receiver<Vec<u8>>,
}

#[derive(Debug)]
enum State<W> {
    Running(SyncSender<Vec<u8>>, JoinHandle<Result<Sunk<W>, Failure>>),
    /// Closed or failed; bytes written so far.
    Ended(u64),
}

/// What the thread leaves behind.
#[derive(Debug)]
pub(super) struct Sunk<W> {
    /// Where the bytes went; flushed.
    pub(super) writer: W,
    /// Bytes written.
    pub(super) written: u64,
    /// Lower-case hex.
    pub(super) sha256: String,
    /// If there was a check.
    pub(super) pages: Option<PageSummary>,
}

/// What the thread died of.
#[derive(Debug)]
pub(super) struct Failure {
    /// Bytes written before.
    pub(super) written: u64,
    /// What the system said.
    pub(super) error: io::Error,
}

impl<W: Write + Send + 'static> Sink<W> {
    pub(super) fn start(writer: W, check: Option<PageCheck>) -> io::Result<Self> {
        let (chunks, incoming) = sync_channel(QUEUE);
        let (done, used) = channel();
        let thread = thread::Builder::new()
            .name("save".into())
            .spawn(move || sink(writer, check, &incoming, &done))?;
        Ok(Self { state: State::Running(chunks, thread), used })
    }
}

impl<W> Sink<W> {
    /// A used buffer, or a new one while there are none: at most one more than fit into the queue and both ends.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.used.try_recv().unwrap_or_default()
    }

    pub(super) fn put(&mut self, chunk: Vec<u8>) -> Result<(), Failure> {
        if let State::Running(chunks, _) = &self.state
            && chunks.send(chunk).is_ok()
        {
            return Ok(());
        }
        // The thread hangs up only when it has failed.
        Err(self.close().err().unwrap_or_else(|| Failure {
            written: 0,
            error: io::Error::other("the saving thread ended too early"),
        }))
    }

    /// Waits until everything put is written.
    pub(super) fn close(&mut self) -> Result<Sunk<W>, Failure> {
        match mem::replace(&mut self.state, State::Ended(0)) {
            State::Running(chunks, thread) => {
                drop(chunks);
                let end = thread.join().unwrap_or_else(|_| {
                    Err(Failure { written: 0, error: io::Error::other("the saving thread panicked") })
                });
                self.state = State::Ended(end.as_ref().map_or_else(|f| f.written, |s| s.written));
                end
            }
            State::Ended(written) => {
                self.state = State::Ended(written);
                Err(Failure { written, error: io::Error::other("saving has ended before") })
            }
        }
    }
}

impl<W> Drop for Sink<W> {
    fn drop(&mut self) {
        if matches!(self.state, State::Running(..)) {
            let _ = self.close(); // nobody is left to be told
        }
    }
}

/// The thread.
fn sink<W: Write>(
    mut writer: W,
    mut check: Option<PageCheck>,
    incoming: &Receiver<Vec<u8>>,
    done: &Sender<Vec<u8>>,
) -> Result<Sunk<W>, Failure> {
    let mut digest = Sha256::new();
    let mut written = 0;
    for chunk in incoming {
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            match writer.write(rest) {
                Ok(0) => return Err(Failure { written, error: io::ErrorKind::WriteZero.into() }),
                Ok(n) => {
                    written += n as u64;
                    rest = rest.get(n..).unwrap_or_default();
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure { written, error }),
            }
        }
        digest.update(&chunk);
        if let Some(check) = &mut check {
            check.feed(&chunk);
        }
        let _ = done.send(chunk); // the near end may be closing already
    }
    writer.flush().map_err(|error| Failure { written, error })?;
    Ok(Sunk { writer, written, sha256: hex(&digest.finalize()), pages: check.map(PageCheck::finish) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk with this many bytes of room.
    #[derive(Debug, Clone)]
    struct Disk {
        room: usize,
        content: Arc<Mutex<Vec<u8>>>,
    }

    impl Disk {
        fn new(room: usize) -> Self {
            Self { room, content: Arc::default() }
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut content = self.content.lock().unwrap();
            let n = bytes.len().min(self.room - content.len()).min(1000);
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.extend_from_slice(&bytes[..n]);
            Ok(n)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_put_is_written_in_order_and_digested() {
        let disk = Disk::new(usize::MAX);
        let mut sink = Sink::start(disk.clone(), None).unwrap();
        let mut whole = Vec::new();
        for i in 0..100u8 {
            let mut chunk = sink.buffer();
            chunk.clear();
            chunk.resize(3000, i);
            whole.extend_from_slice(&chunk);
            sink.put(chunk).unwrap();
        }
        let sunk = sink.close().unwrap();
        assert!(*disk.content.lock().unwrap() == whole);
        assert_eq!(sunk.written, 300_000);
        assert_eq!(sunk.sha256, hex(&Sha256::digest(&whole)));
        assert_eq!(sunk.pages, None);
    }

    #[test]
    fn nothing_at_all_has_the_digest_of_nothing() {
        let sunk = Sink::start(Disk::new(0), None).unwrap().close().unwrap();
        assert_eq!(sunk.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn buffers_come_back_so_a_long_run_uses_few() {
        let mut sink = Sink::start(Disk::new(usize::MAX), None).unwrap();
        let mut places = HashSet::new();
        for _ in 0..1000 {
            let mut chunk = sink.buffer();
            chunk.resize(100, 7);
            places.insert(chunk.as_ptr());
            sink.put(chunk).unwrap();
        }
        sink.close().unwrap();
        assert!(places.len() <= QUEUE + 2, "{} buffers", places.len());
    }

    #[test]
    fn a_full_disk_is_told_with_the_bytes_written_and_again_when_asked_again() {
        let disk = Disk::new(2500);
        let mut sink = Sink::start(disk.clone(), None).unwrap();
        let failure = (0..1000).find_map(|_| sink.put(vec![1; 1000]).err()).unwrap();
        assert_eq!(failure.written, 2500);
        assert_eq!(failure.error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(sink.put(vec![2; 10]).unwrap_err().written, 2500);
        assert_eq!(sink.close().unwrap_err().written, 2500);
        assert_eq!(disk.content.lock().unwrap().len(), 2500);
    }

    #[test]
    fn a_disk_that_fills_up_with_the_last_packet_fails_the_end() {
        let mut sink = Sink::start(Disk::new(999), None).unwrap();
        sink.put(vec![1; 1000]).unwrap();
        assert_eq!(sink.close().unwrap_err().error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_dropped_sink_writes_everything_that_was_put() {
        let disk = Disk::new(usize::MAX);
        let mut sink = Sink::start(disk.clone(), None).unwrap();
        for _ in 0..20 {
            sink.put(vec![1; 1000]).unwrap();
        }
        drop(sink);
        assert_eq!(disk.content.lock().unwrap().len(), 20_000);
    }
}
