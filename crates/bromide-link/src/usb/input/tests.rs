//! The reading half against a host controller that is a list.

use super::*;

/// Reads in the order of queueing: what each holds, and whether it has ended.
#[derive(Debug, Default)]
struct Controller {
    reads: VecDeque<(Buffer, bool, Option<TransferError>)>,
    packet: usize,
    /// Reads the system has memory for; 0 means no limit.
    memory: usize,
    /// Comes while the queue is being taken back, before the oldest is.
    late: Vec<u8>,
    deepest: usize,
}

impl Controller {
    /// A transfer of the phone, without an empty packet behind a full one.
    fn say(&mut self, bytes: &[u8]) {
        for packet in bytes.chunks(self.packet) {
            let read = self.reads.iter_mut().find(|r| !r.1).expect("no read is queued");
            read.0.extend_from_slice(packet);
            read.1 = packet.len() < self.packet || read.0.len() == read.0.requested_len();
        }
    }

    fn end(&mut self, trouble: Option<TransferError>) {
        let read = self.reads.iter_mut().find(|r| !r.1).expect("no read is queued");
        (read.1, read.2) = (true, trouble);
    }
}

impl Queue for Controller {
    fn pending(&self) -> usize {
        self.reads.len()
    }
    fn wait(&mut self, within: Duration) -> Option<Completion> {
        if !self.reads.front()?.1 {
            std::thread::sleep(within);
            return None;
        }
        let (buffer, _, trouble) = self.reads.pop_front()?;
        Some(Completion { actual_len: buffer.len(), buffer, status: trouble.map_or(Ok(()), Err) })
    }
    fn cancel_all(&mut self) {
        for read in self.reads.iter_mut().skip(1).rev().filter(|r| !r.1) {
            (read.1, read.2) = (true, Some(TransferError::Cancelled));
        }
        let late = core::mem::take(&mut self.late);
        if self.reads.front().is_some_and(|r| !r.1) {
            self.say(&late);
        }
        if let Some(first) = self.reads.front_mut().filter(|r| !r.1) {
            (first.1, first.2) = (true, Some(TransferError::Cancelled));
        }
    }
}

impl Reads for Controller {
    fn buffer(&self, bytes: usize) -> Buffer {
        Buffer::new(bytes)
    }
    fn submit(&mut self, buffer: Buffer) {
        assert!(buffer.is_empty() && buffer.requested_len().is_multiple_of(self.packet));
        let full = self.memory > 0 && self.reads.len() >= self.memory;
        self.reads.push_back((buffer, full, full.then_some(TransferError::Unknown(12))));
        self.deepest = self.deepest.max(self.reads.len());
    }
}

fn input(memory: usize) -> Input<Controller> {
    let packet = NonZero::new(512).unwrap();
    Input::new(Controller { packet: 512, memory, ..Controller::default() }, packet)
}

/// As the link does it, without a phone that could leave. What came before a silence of three times [`QUIET`].
fn all(input: &mut Input<Controller>) -> Result<Vec<u8>, LinkError> {
    let (mut all, mut into) = (Vec::new(), [0; 3000]);
    let mut until = Instant::now() + 3 * QUIET;
    while Instant::now() < until || !input.is_idle() {
        let n = input.hand_over(&mut into);
        all.extend_from_slice(&into[..n]);
        if n > 0 {
            until = Instant::now() + 3 * QUIET;
        } else if let Some(trouble) = input.trouble() {
            input.mend(trouble, |_| Ok(()))?;
        } else if !input.wait(input.until_harvest().unwrap_or(QUIET)) {
            input.harvest();
        }
    }
    Ok(all)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 7 % 251) as u8).collect()
}

#[test]
fn a_full_last_packet_without_an_empty_one_behind_it_is_heard_after_a_short_silence() {
    for bytes in [512, 1024, 15 * 512] {
        let mut input = input(0);
        input.queue().say(&pattern(bytes));
        assert_eq!(all(&mut input).unwrap(), pattern(bytes));
        // And the next conversation goes on.
        input.sent();
        input.queue().say(&pattern(512));
        assert_eq!(all(&mut input).unwrap(), pattern(512));
    }
}

#[test]
fn what_arrives_while_the_queue_is_taken_back_keeps_its_place() {
    let mut input = input(0);
    let said = pattern(1024 + 2112);
    input.queue().say(&said[..1024]);
    input.queue().late = said[1024..].to_vec();
    assert_eq!(all(&mut input).unwrap(), said);
}

#[test]
fn one_silence_is_listened_into_once_and_until_then_nothing_is_cancelled() {
    let mut input = input(0);
    assert!(!input.harvest());
    assert!(!input.wait(QUIET));
    input.queue().say(&[1; 512]);
    assert!(input.harvest());
    assert!(!input.wait(QUIET), "what was heard is not waited for");
    let mut one = [0; 1000];
    assert_eq!(input.hand_over(&mut one), 512);
    std::thread::sleep(QUIET);
    assert!(!input.harvest());
    assert_eq!(input.until_harvest(), None);
    input.sent();
    assert!(input.until_harvest().is_some());
}

#[test]
fn many_short_transfers_are_handed_over_at_once_and_in_order_and_the_queue_grows_with_them() {
    let mut input = input(0);
    assert_eq!(input.queue().deepest, FEW);
    let said = pattern(2112 * 40);
    let mut got = Vec::new();
    for page in said.chunks(2112) {
        input.queue().say(page);
        if input.queue.reads.iter().all(|r| r.1) {
            assert!(input.wait(QUIET));
            let mut into = vec![0; said.len()];
            let n = input.hand_over(&mut into);
            assert!(n > 2112);
            got.extend_from_slice(&into[..n]);
        }
    }
    got.extend(all(&mut input).unwrap());
    assert_eq!(got, said);
    assert_eq!(input.queue().deepest, MOST);
}

#[test]
fn a_system_without_memory_for_many_reads_is_asked_for_few_small_ones() {
    let mut input = input(6);
    let said = pattern(2112 * 20);
    let mut got = Vec::new();
    for page in said.chunks(2112) {
        input.queue().say(page);
        got.extend(all(&mut input).unwrap());
    }
    assert_eq!(got, said);
    assert_eq!((input.most, input.size), (FEW, SMALL));
}

#[test]
fn an_endpoint_that_fails_again_and_again_is_given_up_and_a_byte_in_between_forgives() {
    let mut input = input(0);
    for _ in 0..5 {
        input.queue().end(Some(TransferError::Stall));
        input.queue().say(&[7]);
        assert_eq!(all(&mut input).unwrap(), [7]);
    }
    let mut ended = Ok(Vec::new());
    for _ in 0..=STRIKES {
        input.queue().end(Some(TransferError::Fault));
        ended = all(&mut input);
    }
    assert!(matches!(ended, Err(LinkError::Other(_))));
}
