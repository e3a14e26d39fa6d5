//! Large files written by a second thread while the first reads and checks what comes next.
//!
//! There are a few buffers and no more: one that is full goes to the thread and comes back empty. What the thread could
//! not write is told with the next buffer that comes back, at the latest by [`Writer::settle`], which is to be called
//! before anything else is done to the file.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::io::{Errno, pwrite};

/// Buffers on their way to the file beside the one that is filled.
const BUFFERS: usize = 3;

/// Bytes for a file.
struct Piece {
    file: Arc<OwnedFd>,
    at: u64,
    bytes: Vec<u8>,
    /// Bytes of the buffer that count.
    len: usize,
}

/// The thread that writes. It ends when this is dropped.
pub(super) struct Writer {
    pieces: Sender<Piece>,
    written: Receiver<(Vec<u8>, io::Result<()>)>,
    /// Buffers that are here.
    idle: Vec<Vec<u8>>,
}

impl Writer {
    /// Starts the thread; `step` is the length of all buffers.
    pub(super) fn start(step: usize) -> io::Result<Self> {
        let (pieces, come) = channel::<Piece>();
        let (tell, written) = channel();
        thread::Builder::new().name("writer".to_owned()).spawn(move || {
            for Piece { file, at, bytes, len } in come {
                let done = write_all(&file, at, bytes.get(..len).unwrap_or_default());
                drop(file);
                if tell.send((bytes, done)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { pieces, written, idle: (0..BUFFERS).map(|_| vec![0; step]).collect() })
    }

    /// Writes the first `len` bytes of `buffer`, which is another one afterwards.
    pub(super) fn write(
        &mut self,
        file: &Arc<OwnedFd>,
        at: u64,
        buffer: &mut Vec<u8>,
        len: usize,
    ) -> io::Result<()> {
        while let Ok((bytes, done)) = self.written.try_recv() {
            self.idle.push(bytes);
            done?;
        }
        let next = match self.idle.pop() {
            Some(next) => next,
            None => {
                let (bytes, done) = self.written.recv().map_err(|_| gone())?;
                if let Err(error) = done {
                    self.idle.push(bytes);
                    return Err(error);
                }
                bytes
            }
        };
        let bytes = std::mem::replace(buffer, next);
        self.pieces.send(Piece { file: Arc::clone(file), at, bytes, len }).map_err(|_| gone())
    }

    /// Waits until all is written; the first error of what was.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let mut ended = Ok(());
        while self.idle.len() < BUFFERS {
            let (bytes, done) = self.written.recv().map_err(|_| gone())?;
            self.idle.push(bytes);
            ended = ended.and(done);
        }
        ended
    }
}

/// Writes all bytes from `at` of the file on.
pub(super) fn write_all(file: &OwnedFd, at: u64, bytes: &[u8]) -> io::Result<()> {
    let (mut at, mut bytes) = (at, bytes);
    while !bytes.is_empty() {
        match pwrite(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => (at, bytes) = (at.saturating_add(len as u64), bytes.get(len..).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn gone() -> io::Error {
    io::Error::other("the thread that writes has ended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    #[test]
    fn pieces_come_to_lie_where_they_belong_and_buffers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = Arc::new(OwnedFd::from(File::create(&path).unwrap()));
        let mut writer = Writer::start(1000).unwrap();
        let mut buffer = vec![0; 1000];
        for number in 0..100_u8 {
            buffer.fill(number);
            let len = 500 + usize::from(number);
            writer.write(&file, u64::from(number) * 1000, &mut buffer, len).unwrap();
            assert_eq!(buffer.len(), 1000);
        }
        writer.settle().unwrap();
        let written = fs::read(&path).unwrap();
        assert_eq!(written.len(), 99 * 1000 + 599);
        for (number, piece) in (0..).zip(written.chunks(1000)) {
            let (bytes, hole) = piece.split_at(500 + usize::from(number));
            assert!(bytes.iter().all(|byte| *byte == number) && hole.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn what_could_not_be_written_is_told_and_the_next_file_is_written_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"").unwrap();
        let closed = Arc::new(OwnedFd::from(File::open(&path).unwrap()));
        let mut writer = Writer::start(10).unwrap();
        let mut buffer = vec![1; 10];
        let mut ended = Ok(());
        for _ in 0..20 {
            ended = ended.and(writer.write(&closed, 0, &mut buffer, 10));
        }
        assert!(ended.and(writer.settle()).is_err());
        let open = Arc::new(OwnedFd::from(File::create(&path).unwrap()));
        buffer.fill(2);
        writer.write(&open, 0, &mut buffer, 10).unwrap();
        writer.settle().unwrap();
        assert_eq!(fs::read(&path).unwrap(), [2; 10]);
    }
}
