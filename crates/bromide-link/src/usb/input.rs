//! The reading half of a directly opened phone: a queue of reads that is never empty, and what arrived through it.
//!
//! Promises: bytes are handed over in the order in which they arrived, none twice and none left out, whatever a read
//! ended with; a phone that ends with a full packet and no empty one behind it is heard all the same (`harvest`).

use core::num::NonZero;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

use bromide_proto::link::LinkError;
use nusb::Endpoint;
use nusb::transfer::{Buffer, Bulk, Completion, EndpointDirection, In, TransferError};

/// Most reads that are queued. The agent ends most pages of a read back with a short packet (da-legacy.md section
/// 3.4), which ends a read too, so the number matters more than the size.
const MOST: usize = 64;

/// Reads that are queued while nothing but single answers come: each costs time when the phone is opened, and when
/// its silence is listened into.
const FEW: usize = 4;

/// Bytes of one read, rounded up to whole packets: room for a page of 2112 bytes, and little more. A read costs by its
/// size, used or not: through short transfers, 64 reads of 4 KiB were ten times as fast as 8 of 64 KiB (docs/bench.md).
const SIZE: usize = 4 << 10;

/// What is read at once, in [`FEW`] reads, when the system has no memory for more.
const SMALL: usize = 1 << 10;

/// How often in a row an endpoint may fail without a single byte in between.
const STRIKES: u8 = 3;

/// A silence this long is listened into.
const QUIET: Duration = Duration::from_millis(50);

/// How long cancelled transfers may take to come back.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// A queue of transfers in one direction.
pub(super) trait Queue {
    /// Transfers that were queued and not waited for.
    fn pending(&self) -> usize;
    /// The next in the order of queueing, if it ends within this time.
    fn wait(&mut self, within: Duration) -> Option<Completion>;
    /// Asks for all transfers back, the youngest first; they still have to be waited for.
    fn cancel_all(&mut self);
}

/// A queue of reads.
pub(super) trait Reads: Queue {
    /// Memory for one read.
    fn buffer(&self, bytes: usize) -> Buffer;
    /// Queues a read of as much as the buffer asks for.
    fn submit(&mut self, buffer: Buffer);
}

impl<Dir: EndpointDirection> Queue for Endpoint<Bulk, Dir> {
    fn pending(&self) -> usize {
        Endpoint::pending(self)
    }
    fn wait(&mut self, within: Duration) -> Option<Completion> {
        self.wait_next_complete(within)
    }
    fn cancel_all(&mut self) {
        Endpoint::cancel_all(self);
    }
}

impl Reads for Endpoint<Bulk, In> {
    /// Memory the kernel shares, so that it neither copies nor clears it; ordinary memory where it has none.
    fn buffer(&self, bytes: usize) -> Buffer {
        self.allocate(bytes)
    }
    fn submit(&mut self, buffer: Buffer) {
        Endpoint::submit(self, buffer);
    }
}

/// What came of taking a queue back.
#[derive(Debug, Default)]
pub(super) struct GivenBack {
    /// Transfers that carry bytes, in order.
    pub(super) kept: Vec<Buffer>,
    /// Why one of them ended, when it was not by being taken back.
    trouble: Option<TransferError>,
    /// Whether all came back.
    pub(super) all: bool,
}

/// Takes all queued transfers back. What they carry is reported by them even though they are cancelled; the youngest
/// is cancelled first and each is dead before the next, so nothing can arrive behind a gap.
pub(super) fn give_back(queue: &mut impl Queue) -> GivenBack {
    let mut back = GivenBack { all: true, ..GivenBack::default() };
    if queue.pending() == 0 {
        return back;
    }
    queue.cancel_all();
    let until = Instant::now() + GIVE_BACK;
    while queue.pending() > 0 {
        let Some(done) = queue.wait(until.saturating_duration_since(Instant::now())) else {
            back.all = false;
            break;
        };
        back.trouble = back.trouble.or(trouble(&done));
        if done.actual_len > 0 {
            back.kept.push(done.buffer);
        }
    }
    back
}

/// Why a transfer failed; that it was taken back is no failure.
fn trouble(done: &Completion) -> Option<TransferError> {
    done.status.err().filter(|e| *e != TransferError::Cancelled)
}

/// The reading half.
#[derive(Debug)]
pub(super) struct Input<R> {
    queue: R,
    /// What arrived and was not asked for yet, and how much of the first was.
    arrived: VecDeque<Buffer>,
    taken: usize,
    /// Buffers that carry nothing.
    spare: Vec<Buffer>,
    /// What happened behind the last byte that arrived.
    trouble: Option<TransferError>,
    strikes: u8,
    size: usize,
    packet: NonZero<usize>,
    /// Reads to be queued now, and the most there may be.
    depth: usize,
    most: usize,
    /// When the last byte went either way, unless this silence was listened into already.
    silent: Option<Instant>,
}

impl<R: Reads> Input<R> {
    /// Begins to read at once. `packet` is the endpoint's largest packet in bytes.
    pub(super) fn new(queue: R, packet: NonZero<usize>) -> Self {
        let mut input = Self {
            queue,
            arrived: VecDeque::new(),
            taken: 0,
            spare: Vec::new(),
            trouble: None,
            strikes: 0,
            size: SIZE.next_multiple_of(packet.get()),
            packet,
            depth: FEW,
            most: MOST,
            silent: Some(Instant::now()),
        };
        input.refill();
        input
    }

    /// The queue itself, to be given back at the end.
    pub(super) fn queue(&mut self) -> &mut R {
        &mut self.queue
    }

    /// Queues reads until there are enough, unless the queue is to be mended first.
    fn refill(&mut self) {
        while self.trouble.is_none() && self.queue.pending() < self.depth {
            let mut buffer = self.spare.pop().unwrap_or_else(|| self.queue.buffer(self.size));
            buffer.clear();
            self.queue.submit(buffer);
        }
    }

    /// Whether nothing is there to be handed over or mended.
    pub(super) fn is_idle(&self) -> bool {
        self.arrived.is_empty() && self.trouble.is_none()
    }

    /// What went wrong behind the last byte handed over, for [`Input::mend`].
    pub(super) fn trouble(&mut self) -> Option<TransferError> {
        self.trouble.take()
    }

    /// Something was sent: an answer is due, and a silence begins anew.
    pub(super) fn sent(&mut self) {
        self.silent = Some(Instant::now());
    }

    /// Copies all that is there and fits; 0 means nothing is there.
    pub(super) fn hand_over(&mut self, into: &mut [u8]) -> usize {
        let mut have = 0;
        loop {
            let n = self.hand_over_one(into.get_mut(have..).unwrap_or_default());
            have += n;
            if n == 0 || have == into.len() {
                return have;
            }
            // Whatever else has arrived, without waiting.
            if self.is_idle() && self.queue.pending() > 0 {
                self.wait(Duration::ZERO);
            }
        }
    }

    fn hand_over_one(&mut self, into: &mut [u8]) -> usize {
        let Some(first) = self.arrived.front() else { return 0 };
        let ready = first.get(self.taken..).unwrap_or_default();
        let n = ready.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..n), ready.get(..n)) {
            to.copy_from_slice(from);
        }
        self.taken += n;
        if self.taken >= first.len()
            && let Some(used) = self.arrived.pop_front()
        {
            self.taken = 0;
            self.reuse(used);
        }
        n
    }

    /// Keeps a buffer that has been emptied and queues what is missing.
    fn reuse(&mut self, buffer: Buffer) {
        if buffer.requested_len() == self.size {
            self.spare.push(buffer);
        }
        self.refill();
    }

    /// Waits for the next read; false means none ended in this time.
    pub(super) fn wait(&mut self, within: Duration) -> bool {
        if self.queue.pending() == 0 {
            self.refill();
            return true;
        }
        let Some(done) = self.queue.wait(within) else { return false };
        self.trouble = trouble(&done);
        if done.buffer.is_empty() {
            self.reuse(done.buffer); // an empty packet ends a transfer, and says nothing
            return true;
        }
        self.strikes = 0;
        self.silent = Some(Instant::now());
        if done.buffer.len() >= self.packet.get() {
            self.depth = (2 * self.depth).min(self.most); // this is more than a single answer
        }
        self.arrived.push_back(done.buffer);
        true
    }

    /// How long to wait before [`Input::harvest`] has something to do; `None`: nothing.
    pub(super) fn until_harvest(&self) -> Option<Duration> {
        // Even when it is due already, what has arrived comes first.
        let least = Duration::from_millis(1);
        self.silent.map(|since| QUIET.saturating_sub(since.elapsed()).max(least))
    }

    /// Listens into a silence, once: a read that the phone ended with a full packet and no empty one behind it does
    /// not end by itself, so its bytes are fetched by taking the queue back and beginning anew. True when there
    /// were any.
    ///
    /// Safe where a cancelled read reports what it carries, as every host controller's driver does. A virtual machine
    /// or USB over a network may forget a packet that arrives in the very instant of the cancelling; so this is
    /// done only in silence and once for each, and what is lost then is missed by the conversation's own sums.
    pub(super) fn harvest(&mut self) -> bool {
        if self.silent.is_none_or(|since| since.elapsed() < QUIET) || !self.is_idle() {
            return false;
        }
        self.silent = None;
        self.depth = FEW.min(self.most);
        let back = give_back(&mut self.queue);
        self.trouble = back.trouble;
        let found = !back.kept.is_empty();
        if found {
            self.silent = Some(Instant::now());
            self.strikes = 0;
        }
        self.arrived.extend(back.kept);
        self.refill();
        found
    }

    /// After a failed read that is not the phone's leaving: takes the queue back, keeps what arrived in it, lets
    /// `clear` take a halt away, and begins again.
    ///
    /// # Errors
    /// Too many failures without a byte, a queue that does not come back, and what `clear` says.
    pub(super) fn mend(
        &mut self,
        trouble: TransferError,
        clear: impl FnOnce(&mut R) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        self.strikes += 1;
        if self.strikes > STRIKES {
            return Err(LinkError::Other(format!("reading from the phone fails: {trouble}").into()));
        }
        let back = give_back(&mut self.queue);
        if !back.all {
            return Err(LinkError::Other("the system does not give transfers back".into()));
        }
        if !back.kept.is_empty() {
            self.strikes = 0;
        }
        self.arrived.extend(back.kept);
        if matches!(trouble, TransferError::Stall | TransferError::Fault) {
            clear(&mut self.queue)?;
        } else if self.most > FEW {
            // The usual cause is a lack of memory.
            self.size = SMALL.next_multiple_of(self.packet.get());
            self.most = FEW;
            self.depth = FEW;
            self.spare.clear();
        }
        self.refill();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
