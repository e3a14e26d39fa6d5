//! Transfers that the host has submitted and the bytes that wait for them, without sockets, threads or clock.
//!
//! Promises (`usbip-cdc.md` sections 5 to 7): an IN request with nothing to give stays pending; requests of one
//! endpoint are answered in their order; an unlinked request is never answered; a request ends with the device's
//! transfer (short packet, or a zero-length one where the transfer fills its last packet, `da-legacy.md` section
//! 3.4). Memory is bounded whatever the host does.

use std::collections::VecDeque;
use std::sync::Arc;

use super::control::{Control, Stall};
use super::{Face, Layout};

/// Longest transfer a host may ask for or send (`usbip-cdc.md` section 6).
pub(crate) const MAX_TRANSFER: usize = 16 << 20;
/// OUT bytes that are answered before the phone has taken them.
const OUT_AHEAD: usize = 1 << 20;
/// OUT bytes in all, answered or not, before the host is called hostile.
const OUT_LIMIT: usize = 4 * MAX_TRANSFER;
/// Pending requests in all before the host is called hostile.
const PENDING: usize = 1 << 16;
/// Bytes the phone may be ahead of the host's requests.
const IN_AHEAD: usize = 256 << 10;
/// Answers gathered for one write.
const BATCH: usize = 512 << 10;
/// Answers that a host does not fetch before it is called hostile.
const OUTBOX: usize = 4 << 20;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done,
    Stall,
    /// The device sent a packet that is longer than what was left of the request.
    Babble,
}

/// A request that is over.
#[derive(Debug)]
pub(crate) struct Done<'a> {
    pub(crate) id: u64,
    /// Endpoint address, with the direction in bit 7.
    pub(crate) endpoint: u8,
    pub(crate) status: Status,
    /// Bytes that went over the bus.
    pub(crate) actual: usize,
    /// The bytes of an IN request.
    pub(crate) data: &'a [u8],
}

/// Writes one answer in the words of whatever carries the requests.
pub(crate) type Answer = Arc<dyn Fn(&mut Vec<u8>, &Done<'_>) + Send + Sync>;

/// The host has more requests or bytes under way than any host needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has too much under way")]
pub(crate) struct TooMuch;

#[derive(Debug, Clone, Copy)]
struct InRequest {
    id: u64,
    bytes: usize,
}

#[derive(Debug)]
struct OutTransfer {
    /// Not answered yet.
    id: Option<u64>,
    data: Vec<u8>,
    /// Bytes the phone has taken.
    taken: usize,
}

/// What is left of something the phone said in one go.
#[derive(Debug, Clone, Copy)]
struct InTransfer {
    left: usize,
    zero_length_packet: bool,
}

/// The requests of one device.
pub(crate) struct Urbs {
    pub(crate) control: Control,
    packet: usize,
    interrupt: u8,
    answer: Answer,
    bulk_in: VecDeque<InRequest>,
    parked: VecDeque<u64>,
    bulk_out: VecDeque<OutTransfer>,
    out_bytes: usize,
    /// What the phone said and no request has fetched: bytes, and where each transfer ends.
    held: Vec<u8>,
    held_from: usize,
    transfers: VecDeque<InTransfer>,
    /// Bytes after which the link breaks.
    limit: u64,
    sent: u64,
    /// The limit was reached.
    pub(crate) broken: bool,
    /// Answers on their way.
    pub(crate) outbox: Vec<u8>,
}

impl Urbs {
    /// A device that was just plugged in; the link breaks after `limit` bytes to the host.
    pub(crate) fn new(face: Face, layout: Layout, limit: Option<u64>, answer: Answer) -> Self {
        Self {
            control: Control::new(face, layout, face.speed()),
            packet: face.speed().packet(),
            interrupt: 0x80 | layout.interrupt(),
            answer,
            bulk_in: VecDeque::new(),
            parked: VecDeque::new(),
            bulk_out: VecDeque::new(),
            out_bytes: 0,
            held: Vec::new(),
            held_from: 0,
            transfers: VecDeque::new(),
            limit: limit.unwrap_or(u64::MAX),
            sent: 0,
            broken: false,
            outbox: Vec::new(),
        }
    }

    /// Whether the host has chosen the configuration.
    pub(crate) fn configured(&self) -> bool {
        self.control.configured != 0
    }

    /// Bytes given to the host on bulk IN.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// A request on endpoint 0; the caller answers it.
    pub(crate) fn control(&mut self, setup: [u8; 8], data: &[u8]) -> Result<Vec<u8>, Stall> {
        let answer = self.control.request(setup, data);
        // A halt ends what is pending on its endpoint.
        for (address, ids) in [
            (0x81, self.bulk_in.iter().map(|request| request.id).collect::<Vec<_>>()),
            (self.interrupt, self.parked.iter().copied().collect()),
        ] {
            if self.control.is_halted(address) {
                ids.into_iter().for_each(|id| {
                    self.unlink(id);
                    self.stall(id, address);
                });
            }
        }
        answer
    }

    fn stall(&mut self, id: u64, endpoint: u8) {
        let done = Done { id, endpoint, status: Status::Stall, actual: 0, data: &[] };
        (self.answer)(&mut self.outbox, &done);
    }

    /// Whether the host keeps within what any host needs.
    pub(crate) fn check(&self) -> Result<(), TooMuch> {
        let pending = self.bulk_in.len() + self.parked.len() + self.bulk_out.len();
        let all = pending > PENDING || self.out_bytes > OUT_LIMIT || self.outbox.len() > OUTBOX;
        if all { Err(TooMuch) } else { Ok(()) }
    }

    /// An IN request of so many bytes.
    pub(crate) fn submit_in(&mut self, id: u64, endpoint: u8, bytes: usize) -> Result<(), TooMuch> {
        let address = 0x80 | endpoint;
        if self.control.is_halted(address) {
            self.stall(id, address);
        } else if address == 0x81 {
            self.bulk_in.push_back(InRequest { id, bytes });
        } else if address == self.interrupt {
            self.parked.push_back(id);
        } else {
            self.stall(id, address);
        }
        self.check()
    }

    /// An OUT request with its bytes: answered at once as long as the phone is not too far behind.
    pub(crate) fn submit_out(&mut self, id: u64, endpoint: u8, data: Vec<u8>) -> Result<(), TooMuch> {
        if endpoint != 1 || self.control.is_halted(endpoint) {
            self.stall(id, endpoint);
        } else {
            self.out_bytes += data.len();
            self.bulk_out.push_back(OutTransfer { id: Some(id), data, taken: 0 });
            self.answer_out();
        }
        self.check()
    }

    /// Answers what lies within the first [`OUT_AHEAD`] bytes; the first one always, so that none waits for ever.
    fn answer_out(&mut self) {
        let mut ahead = 0;
        for transfer in &mut self.bulk_out {
            if ahead > OUT_AHEAD {
                break;
            }
            ahead += transfer.data.len() - transfer.taken;
            if let Some(id) = transfer.id.take() {
                let actual = transfer.data.len();
                let done = Done { id, endpoint: 1, status: Status::Done, actual, data: &[] };
                (self.answer)(&mut self.outbox, &done);
            }
        }
    }

    /// Takes a pending request back; false when it was answered already or never came.
    pub(crate) fn unlink(&mut self, id: u64) -> bool {
        let before = self.bulk_in.len() + self.parked.len() + self.bulk_out.len();
        self.bulk_in.retain(|request| request.id != id);
        self.parked.retain(|parked| *parked != id);
        self.bulk_out.retain(|transfer| {
            let gone = transfer.id == Some(id);
            self.out_bytes -= if gone { transfer.data.len() - transfer.taken } else { 0 };
            !gone
        });
        before != self.bulk_in.len() + self.parked.len() + self.bulk_out.len()
    }

    /// Bytes from the host, never across the border of two transfers; 0 when there are none.
    pub(crate) fn take_out(&mut self, into: &mut [u8]) -> usize {
        self.answer_out();
        // A zero-length OUT transfer says nothing.
        while self.bulk_out.front().is_some_and(|front| front.data.len() == front.taken) {
            self.bulk_out.pop_front();
        }
        let Some(front) = self.bulk_out.front_mut() else { return 0 };
        let rest = &front.data[front.taken..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        front.taken += n;
        self.out_bytes -= n;
        if front.taken == front.data.len() {
            self.bulk_out.pop_front();
        }
        self.answer_out();
        n
    }

    /// Whether the phone may say more before the host fetches what it said.
    pub(crate) fn has_room(&self) -> bool {
        self.held.len() - self.held_from < IN_AHEAD && self.transfers.len() < PENDING
    }

    /// Whether the host has fetched everything that was said.
    pub(crate) fn is_fetched(&self) -> bool {
        self.transfers.is_empty() && self.outbox.is_empty()
    }

    /// Whether the host has reads queued.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.bulk_in.is_empty()
    }

    /// The phone says something: one transfer, which begins a packet and ends one.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        if self.held_from == self.held.len() {
            self.held.clear();
            self.held_from = 0;
        } else if self.held_from > IN_AHEAD {
            self.held.drain(..self.held_from);
            self.held_from = 0;
        }
        self.held.extend_from_slice(bytes);
        let zero_length_packet = bytes.len().is_multiple_of(self.packet);
        self.transfers.push_back(InTransfer { left: bytes.len(), zero_length_packet });
    }

    /// Gives what was said to the requests that wait, as much as makes one good write.
    pub(crate) fn pump(&mut self) {
        while self.outbox.len() < BATCH && !self.broken && self.give() {}
    }

    fn give(&mut self) -> bool {
        let (Some(request), Some(transfer)) = (self.bulk_in.front(), self.transfers.front_mut()) else {
            return false;
        };
        let fits = transfer.left <= request.bytes;
        let whole_packets = request.bytes - request.bytes % self.packet;
        let n = if fits { transfer.left } else { whole_packets };
        let babble = !fits && whole_packets != request.bytes;
        if self.sent + n as u64 > self.limit {
            self.broken = true;
            return false;
        }
        let data = &self.held[self.held_from..self.held_from + n];
        let status = if babble { Status::Babble } else { Status::Done };
        (self.answer)(&mut self.outbox, &Done { id: request.id, endpoint: 0x81, status, actual: n, data });
        // The packet that did not fit is lost.
        let lost = if babble { self.packet.min(transfer.left - n) } else { 0 };
        self.held_from += n + lost;
        self.sent += n as u64;
        transfer.left -= n + lost;
        let ended = n < request.bytes || !transfer.zero_length_packet;
        if transfer.left == 0 && ended {
            self.transfers.pop_front();
        }
        self.bulk_in.pop_front();
        true
    }
}

/// Cuts what the phone says in one go into transfers as the real agent makes them (`da-legacy.md` section 3.4):
/// page data page by page, a page that fills its packets without its last byte and then that byte; all else whole.
///
/// `units` are the bytes of a page in a read back, the likeliest first. What is longer than a page is page data,
/// with or without its sum behind it: nothing else the phone says is that long.
pub(super) fn transfers<'a>(said: &'a [u8], units: &[usize], packet: usize) -> Vec<&'a [u8]> {
    let of = |unit: usize| [said.len(), said.len().saturating_sub(2)].into_iter().find(|n| n % unit == 0);
    let found = units.iter().find_map(|unit| of(*unit).filter(|n| n >= unit).map(|n| (*unit, n)));
    let Some((unit, pages)) = found else { return vec![said] };
    let (pages, sum) = said.split_at(pages);
    let mut all = Vec::with_capacity(2 * pages.len() / unit + 1);
    for page in pages.chunks(unit) {
        match page.split_at(page.len() - usize::from(page.len().is_multiple_of(packet))) {
            (page, []) => all.push(page),
            (page, last) => all.extend([page, last]),
        }
    }
    if !sum.is_empty() {
        all.push(sum);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Log = Arc<Mutex<Vec<(u64, Status, Vec<u8>)>>>;

    fn device(limit: Option<u64>) -> (Urbs, Log) {
        let log: Log = Arc::default();
        let sink = Arc::clone(&log);
        let answer = move |_: &mut Vec<u8>, done: &Done<'_>| {
            sink.lock().unwrap().push((done.id, done.status, done.data.to_vec()));
        };
        (Urbs::new(Face::Preloader, Layout::P1, limit, Arc::new(answer)), log)
    }

    fn lengths(log: &Log) -> Vec<(u64, usize)> {
        log.lock().unwrap().iter().map(|(id, _, data)| (*id, data.len())).collect()
    }

    #[test]
    fn a_request_ends_with_the_transfer_and_a_full_last_packet_is_followed_by_an_empty_one() {
        let (mut urbs, log) = device(None);
        for (id, bytes) in [(1, 512), (2, 512), (3, 1024), (4, 1024), (5, 512)] {
            urbs.submit_in(id, 1, bytes).unwrap();
        }
        urbs.say(&[7; 1000]);
        urbs.say(&[8; 512]);
        urbs.say(&[9; 1024]);
        urbs.pump();
        assert_eq!(lengths(&log), [(1, 512), (2, 488), (3, 512), (4, 1024), (5, 0)]);
        assert!(urbs.is_fetched());
    }

    #[test]
    fn a_request_that_is_no_multiple_of_the_packet_overflows_and_the_packet_is_lost() {
        let (mut urbs, log) = device(None);
        urbs.submit_in(1, 1, 600).unwrap();
        urbs.submit_in(2, 1, 512).unwrap();
        urbs.say(&[vec![1; 512], vec![2; 512], vec![3; 9]].concat());
        urbs.pump();
        let log = log.lock().unwrap();
        assert_eq!(log[0], (1, Status::Babble, vec![1; 512]));
        assert_eq!(log[1], (2, Status::Done, vec![3; 9]));
    }

    #[test]
    fn an_unlinked_request_is_never_answered_and_the_next_one_gets_its_bytes() {
        let (mut urbs, log) = device(None);
        urbs.submit_in(1, 1, 512).unwrap();
        urbs.submit_in(2, 1, 512).unwrap();
        urbs.submit_in(3, 3, 64).unwrap();
        assert!(urbs.unlink(1) && urbs.unlink(3) && !urbs.unlink(1));
        urbs.say(b"READY");
        urbs.pump();
        assert_eq!(*log.lock().unwrap(), [(2, Status::Done, b"READY".to_vec())]);
        assert!(!urbs.unlink(2));
    }

    #[test]
    fn a_phone_that_is_behind_answers_later_and_borders_of_out_transfers_are_kept() {
        let (mut urbs, log) = device(None);
        urbs.submit_out(1, 1, vec![1; OUT_AHEAD + 1]).unwrap();
        urbs.submit_out(2, 1, vec![2; 3]).unwrap();
        urbs.submit_out(3, 1, vec![3; 3]).unwrap();
        assert_eq!(lengths(&log), [(1, 0)]);
        assert!(urbs.unlink(2));
        let mut into = vec![0; 2 * OUT_AHEAD];
        assert_eq!(urbs.take_out(&mut into), OUT_AHEAD + 1);
        assert_eq!(lengths(&log), [(1, 0), (3, 0)]);
        assert_eq!(urbs.take_out(&mut into), 3);
        assert_eq!(into[0], 3);
        assert_eq!(urbs.take_out(&mut into), 0);
    }

    #[test]
    fn a_host_that_submits_without_end_is_refused() {
        let (mut urbs, _) = device(None);
        let mut ids = 0..;
        while urbs.submit_in(ids.next().unwrap(), 1, 512).is_ok() {}
        assert_eq!(ids.start, PENDING as u64 + 1);
    }

    #[test]
    fn the_link_breaks_before_the_limit_is_passed() {
        let (mut urbs, log) = device(Some(600));
        urbs.say(&[0; 2000]);
        urbs.submit_in(1, 1, 512).unwrap();
        urbs.submit_in(2, 1, 512).unwrap();
        urbs.pump();
        assert!(urbs.broken);
        assert_eq!(lengths(&log), [(1, 512)]);
    }

    #[test]
    fn a_halted_endpoint_stalls_what_is_pending_and_what_comes() {
        let (mut urbs, log) = device(None);
        urbs.submit_in(1, 1, 512).unwrap();
        urbs.control([2, 3, 0, 0, 0x81, 0, 0, 0], &[]).unwrap();
        urbs.submit_in(2, 1, 512).unwrap();
        urbs.control([2, 1, 0, 0, 0x81, 0, 0, 0], &[]).unwrap();
        urbs.submit_in(3, 1, 512).unwrap();
        let seen: Vec<_> = log.lock().unwrap().iter().map(|(id, status, _)| (*id, *status)).collect();
        assert_eq!(seen, [(1, Status::Stall), (2, Status::Stall)]);
    }

    #[test]
    fn pages_are_transfers_of_their_own() {
        let lengths = |said: usize, packet: usize| -> Vec<usize> {
            transfers(&vec![0; said], &[2112, 2048], packet).iter().map(|t| t.len()).collect()
        };
        assert_eq!(lengths(2 * 2112 + 2, 512), [2112, 2112, 2]);
        assert_eq!(lengths(2112, 64), [2111, 1]);
        assert_eq!(lengths(2 * 2048, 512), [2047, 1, 2047, 1]);
        assert_eq!(lengths(218, 64), [218]);
        assert_eq!(lengths(5, 64), [5]);
        assert_eq!(lengths(0, 64), [0]);
    }
}
