//! A tree as a tar archive, in one pass over its own output: what is in a file is known before its header is written.
//!
//! A file is read before its header is written, so that one with a page beyond repair has a name that says so. Only
//! what is stored of a file with holes is in the archive (GNU sparse format 1.0, which GNU tar and libarchive read).

mod header;

use std::io::Write;

use bromide_image::files::{Entry, Kind};

use super::Start;
use super::content::{Outcome, copy, stored_from};
use super::job::{DAMAGED, Item, Job, Target, Written, join};
use super::remark::{ExtractError, What};
use header::{BLOCK, HARD_LINK, Header, blocks, holds_device, type_of};

/// Files up to this size are read once and kept meanwhile.
const KEPT: u64 = 8 << 20;

/// Bytes read at once.
const STEP: usize = 1 << 20;

const ZEROS: [u8; 4096] = [0; 4096];

/// An archive being written.
pub(super) struct Tar<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
}

/// Stretches of a file that are in the archive, in whole blocks but for its end.
#[derive(Debug, PartialEq, Eq)]
struct Stretches(Vec<(u64, u64)>);

impl Stretches {
    fn of(job: &Job<'_>, entry: &Entry) -> Self {
        let block = BLOCK as u64;
        let mut all: Vec<(u64, u64)> = Vec::new();
        let mut at = 0;
        while let Ok(Some(range)) = stored_from(job.files, entry, at) {
            at = range.end;
            let (start, end) =
                (range.start / block * block, range.end.next_multiple_of(block).min(entry.size));
            match all.last_mut() {
                Some((_, last)) if *last >= start => *last = end,
                _ => all.push((start, end)),
            }
        }
        Self(all)
    }

    fn is_whole(&self, size: u64) -> bool {
        size == 0 || self.0 == [(0, size)]
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// The map before the bytes.
    fn map(&self, size: u64) -> Vec<u8> {
        // A hole at the end is an empty stretch there.
        let end = (self.0.last().map(|it| it.1) != Some(size)).then_some((size, size));
        let mut map = format!("{}\n", self.0.len() + usize::from(end.is_some()));
        for (start, end) in self.0.iter().copied().chain(end) {
            map += &format!("{start}\n{}\n", end - start);
        }
        let mut map = map.into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        map
    }
}

/// Writes bytes of stretches in their order, zeros for what is missing.
struct Feed<'a> {
    out: &'a mut dyn Write,
    left: std::vec::IntoIter<(u64, u64)>,
    /// Start and end of what is still to be written of the present stretch.
    now: (u64, u64),
}

impl<'a> Feed<'a> {
    fn new(out: &'a mut dyn Write, stretches: Stretches) -> Self {
        Self { out, left: stretches.0.into_iter(), now: (0, 0) }
    }

    fn zeros(&mut self, upto: u64) -> Result<(), ExtractError> {
        while self.now.0 < upto {
            let len = (upto - self.now.0).min(ZEROS.len() as u64);
            write(self.out, &ZEROS[..usize::try_from(len).unwrap_or(0)])?;
            self.now.0 += len;
        }
        Ok(())
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), ExtractError> {
        while self.now.1 <= at {
            self.zeros(self.now.1)?;
            let Some(next) = self.left.next() else { return Ok(()) };
            self.now = next;
        }
        self.zeros(at)?;
        write(self.out, bytes)?;
        self.now.0 += bytes.len() as u64;
        Ok(())
    }

    fn end(mut self) -> Result<(), ExtractError> {
        loop {
            self.zeros(self.now.1)?;
            match self.left.next() {
                Some(next) => self.now = next,
                None => return Ok(()),
            }
        }
    }
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<(), ExtractError> {
    out.write_all(bytes).map_err(|error| ExtractError::Io {
        doing: "write",
        path: "the archive".to_owned(),
        error,
    })
}

impl<'a> Tar<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, buffer: vec![0; STEP] }
    }

    /// The directory all begins with.
    pub(super) fn start(&mut self, job: &mut Job<'_>, start: &Start<'_>) -> Result<(), ExtractError> {
        if start.entry.kind != Kind::Directory {
            return Ok(());
        }
        let header = Header { path: b"./", kind: b'5', ..Header::default() };
        self.header(job, &header, start.entry, start.path)
    }

    /// What ends an archive: two empty blocks.
    pub(super) fn end(&mut self) -> Result<(), ExtractError> {
        write(self.out, &[0; 2 * BLOCK])?;
        self.out.flush().map_err(|error| ExtractError::Io {
            doing: "write",
            path: "the archive".to_owned(),
            error,
        })
    }

    fn header(
        &mut self,
        job: &mut Job<'_>,
        header: &Header<'_>,
        entry: &Entry,
        stored: &[u8],
    ) -> Result<(), ExtractError> {
        // The attributes of a file are those of its first name.
        let found = if header.kind == HARD_LINK { Ok(Vec::new()) } else { job.files.xattrs(entry.id) };
        let mut xattrs = found.unwrap_or_else(|error| {
            job.attribute(stored, "extended", error);
            Vec::new()
        });
        let all = xattrs.len();
        xattrs.retain(|it| !it.name.is_empty() && !it.name.contains(&0));
        if xattrs.len() < all {
            job.attribute(stored, "extended", "no attribute can have such a name");
        }
        write(self.out, &blocks(header, entry, &xattrs))
    }

    fn other(
        &mut self,
        job: &mut Job<'_>,
        item: &Item<'_>,
        kind: u8,
        link: &[u8],
    ) -> Result<(), ExtractError> {
        let path = item.path();
        self.header(job, &Header { path: &path, link, kind, ..Header::default() }, item.entry, item.stored)
    }

    /// The bytes of a file after its header, and what fills the last block.
    fn bytes(
        &mut self,
        job: &mut Job<'_>,
        item: &Item<'_>,
        kept: Option<&[(u64, Vec<u8>)]>,
        stretches: Stretches,
        first: &Outcome,
    ) -> Result<(), ExtractError> {
        let len = stretches.bytes();
        let mut feed = Feed::new(self.out, stretches);
        if let Some(kept) = kept {
            for (at, bytes) in kept {
                feed.put(*at, bytes)?;
            }
        } else {
            job.muted = true;
            let again = copy(job, item.entry, &mut self.buffer, |at, buffer, len| {
                feed.put(at, buffer.get(..len).unwrap_or_default())
            });
            job.muted = false;
            let again = again?;
            if (again.bytes, &again.why) != (first.bytes, &first.why) {
                let path = String::from_utf8_lossy(item.stored).into_owned();
                return Err(ExtractError::Changed { path, why: again.why.unwrap_or_default() });
            }
        }
        feed.end()?;
        let rest = len.next_multiple_of(BLOCK as u64) - len;
        write(self.out, ZEROS.get(..usize::try_from(rest).unwrap_or(0)).unwrap_or_default())
    }
}

impl Target for Tar<'_> {
    fn enter(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Vec<u8>>, ExtractError> {
        let path = join(&item.path(), b"");
        let header = Header { path: &path, kind: b'5', ..Header::default() };
        self.header(job, &header, item.entry, item.stored)?;
        Ok(Some(item.name.clone()))
    }

    fn leave(&mut self, _: &mut Job<'_>, _: &Entry, _: &[u8]) -> Result<(), ExtractError> {
        Ok(())
    }

    fn file(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<Option<Written>, ExtractError> {
        let size = item.entry.size;
        let stretches = Stretches::of(job, item.entry);
        let mut kept = (stretches.bytes() <= KEPT).then(Vec::new);
        let outcome = copy(job, item.entry, &mut self.buffer, |at, buffer, len| {
            let bytes = buffer.get(..len).unwrap_or_default();
            if let Some(kept) = &mut kept
                && !bytes.is_empty()
            {
                kept.push((at, bytes.to_vec()));
            }
            Ok(())
        })?;
        let damaged = outcome.why.is_some();
        if damaged {
            item.rename(DAMAGED);
        }
        let path = item.path();
        let (map, sparse) =
            if stretches.is_whole(size) { (Vec::new(), None) } else { (stretches.map(size), Some(size)) };
        let in_archive = stretches.bytes() + map.len() as u64;
        let header = Header { path: &path, link: b"", kind: b'0', size: in_archive, sparse };
        self.header(job, &header, item.entry, item.stored)?;
        write(self.out, &map)?;
        self.bytes(job, item, kept.as_deref(), stretches, &outcome)?;
        job.summary.bytes += outcome.bytes;
        if let Some(why) = outcome.why {
            let what = What::Damaged { to: path.clone(), missing: outcome.missing, why };
            job.remark(item.stored, what);
        }
        Ok(Some(Written { path, damaged, identity: (0, 0) }))
    }

    fn link(
        &mut self,
        job: &mut Job<'_>,
        item: &mut Item<'_>,
        first: &Written,
    ) -> Result<bool, ExtractError> {
        self.other(job, item, HARD_LINK, &first.path)?;
        Ok(true)
    }

    fn symlink(&mut self, job: &mut Job<'_>, item: &mut Item<'_>, target: &[u8]) -> Result<(), ExtractError> {
        if target.is_empty() || target.contains(&0) {
            job.remark(item.stored, What::Refused("a link cannot have this target".to_owned()));
            return Ok(());
        }
        job.summary.symlinks += 1;
        self.other(job, item, b'2', target)
    }

    fn special(&mut self, job: &mut Job<'_>, item: &mut Item<'_>) -> Result<(), ExtractError> {
        let Some(kind) = type_of(item.entry.kind).filter(|_| holds_device(item.entry)) else {
            job.remark(item.stored, What::Skipped(item.entry.kind));
            return Ok(());
        };
        job.summary.specials += 1;
        self.other(job, item, kind, b"")
    }
}
