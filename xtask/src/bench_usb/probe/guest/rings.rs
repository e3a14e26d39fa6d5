//! Rings of transfer request blocks as a driver keeps them (xHCI 1.2 sections 4.9 and 6.4).
//!
//! Pure: what is to be written and what was read are bytes at addresses of the machine's memory.

/// Bytes of a block.
pub(crate) const TRB: usize = 16;
/// Blocks of every ring; the last one of those that the driver fills leads back to the first.
pub(crate) const BLOCKS: usize = 64;

/// Bits of a block's last word (section 6.4).
const CYCLE: u32 = 1;
const TOGGLE_CYCLE: u32 = 1 << 1;
const LINK: u32 = 6;
const TYPE_AT: u32 = 10;

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trb {
    /// An address, or immediate data.
    pub(crate) parameter: u64,
    /// Lengths; in events also the completion code.
    pub(crate) status: u32,
    /// Type, flags, slot and endpoint.
    pub(crate) control: u32,
}

impl Trb {
    /// A block of this type with these flags.
    pub(crate) const fn new(kind: u32, parameter: u64, status: u32, flags: u32) -> Self {
        Self { parameter, status, control: kind << TYPE_AT | flags }
    }

    /// Its type (table 6-91).
    pub(crate) const fn kind(&self) -> u32 {
        self.control >> TYPE_AT & 0x3f
    }

    /// An event's completion code (table 6-90).
    pub(crate) const fn code(&self) -> u32 {
        self.status >> 24
    }

    /// An event's bytes that were not transferred.
    pub(crate) const fn rest(&self) -> usize {
        (self.status & 0xff_ffff) as usize
    }

    /// The slot an event or command is about.
    pub(crate) const fn slot(&self) -> u32 {
        self.control >> 24
    }

    /// The endpoint an event is about, as contexts count them.
    pub(crate) const fn endpoint(&self) -> u32 {
        self.control >> 16 & 0x1f
    }

    fn bytes(&self, cycle: bool) -> [u8; TRB] {
        let control = self.control & !CYCLE | u32::from(cycle);
        let whole = u128::from(self.parameter) | u128::from(self.status) << 64 | u128::from(control) << 96;
        whole.to_le_bytes()
    }

    fn read(bytes: [u8; TRB]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        Self { parameter: whole as u64, status: (whole >> 64) as u32, control: (whole >> 96) as u32 }
    }
}

/// A ring that the driver fills and the controller empties.
#[derive(Debug)]
pub(crate) struct Ring {
    base: u64,
    next: usize,
    cycle: bool,
}

impl Ring {
    /// A ring at this address, whose memory is zero.
    pub(crate) const fn new(base: u64) -> Self {
        Self { base, next: 0, cycle: true }
    }

    /// Where the controller begins, with the cycle state it begins with (bit 0).
    pub(crate) const fn start(&self) -> u64 {
        self.base | 1
    }

    /// Appends a block: its address, and what is to be written in this order.
    pub(crate) fn put(&mut self, trb: Trb) -> (u64, Vec<(u64, [u8; TRB])>) {
        let place = |at: usize| self.base + (at * TRB) as u64;
        let address = place(self.next);
        let mut writes = vec![(address, trb.bytes(self.cycle))];
        self.next += 1;
        if self.next == BLOCKS - 1 {
            // The way back belongs to this round; the next one has the other cycle state (section 4.9.2.1).
            let link = Trb::new(LINK, self.base, 0, TOGGLE_CYCLE);
            writes.push((place(self.next), link.bytes(self.cycle)));
            self.next = 0;
            self.cycle = !self.cycle;
        }
        (address, writes)
    }
}

/// The ring that the controller fills: one segment, no links (section 4.9.4).
#[derive(Debug)]
pub(crate) struct Events {
    base: u64,
    next: usize,
    cycle: bool,
}

impl Events {
    /// A ring at this address, whose memory is zero.
    pub(crate) const fn new(base: u64) -> Self {
        Self { base, next: 0, cycle: true }
    }

    /// Where the next event will be.
    pub(crate) const fn place(&self) -> u64 {
        self.base + (self.next * TRB) as u64
    }

    /// Bytes from there to the end of the ring.
    pub(crate) const fn until_end(&self) -> usize {
        (BLOCKS - self.next) * TRB
    }

    /// Takes the events among the bytes read from [`Events::place`].
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Trb> {
        let mut found = Vec::new();
        for bytes in bytes.as_chunks::<TRB>().0.iter().take(BLOCKS - self.next) {
            let event = Trb::read(*bytes);
            if (event.control & CYCLE != 0) != self.cycle {
                break;
            }
            found.push(event);
        }
        self.next += found.len();
        if self.next == BLOCKS {
            self.next = 0;
            self.cycle = !self.cycle;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: usize = BLOCKS * TRB;

    /// Memory of one ring.
    fn write(memory: &mut [u8], writes: &[(u64, [u8; TRB])]) {
        for (address, bytes) in writes {
            let at = usize::try_from(*address).unwrap() - 0x1000;
            memory[at..at + TRB].copy_from_slice(bytes);
        }
    }

    #[test]
    fn a_block_has_its_fields_where_the_specification_has_them() {
        let trb = Trb::new(33, 0x1234_5678_9abc_def0, 13 << 24 | 0x800, 5 << 24);
        let bytes = trb.bytes(true);
        assert_eq!(bytes[..8], [0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12]);
        assert_eq!(bytes[8..], [0, 8, 0, 13, 1, 33 << 2, 0, 5]);
        let read = Trb::read(bytes);
        assert_eq!((read.kind(), read.code(), read.rest(), read.slot()), (33, 13, 0x800, 5));
    }

    #[test]
    fn the_last_block_of_a_ring_leads_back_and_the_cycle_state_changes_with_each_round() {
        let mut ring = Ring::new(0x1000);
        let mut memory = vec![0; BYTES];
        let mut addresses = Vec::new();
        for round in 0..3 {
            for number in 0..BLOCKS - 1 {
                let (address, writes) = ring.put(Trb::new(1, 7, 0, 0));
                addresses.push(address);
                write(&mut memory, &writes);
                let cycle = u8::from(round % 2 == 0);
                assert_eq!(memory[number * TRB + 12] & 1, cycle);
                assert_eq!(writes.len(), if number == BLOCKS - 2 { 2 } else { 1 });
            }
            let link = &memory[BYTES - TRB..];
            assert_eq!(link[..8], 0x1000_u64.to_le_bytes());
            assert_eq!(link[12..14], [2 | u8::from(round % 2 == 0), 6 << 2]);
        }
        assert_eq!(addresses[BLOCKS - 1], 0x1000);
        assert_eq!(addresses[BLOCKS - 2], 0x1000 + (BYTES - 2 * TRB) as u64);
    }

    #[test]
    fn events_are_taken_once_each_and_round_the_end() {
        let mut events = Events::new(0x1000);
        let mut memory = vec![0; BYTES];
        let (mut put, mut taken) = (0_usize, Vec::new());
        // In fives: no divisor of the ring.
        for _ in 0..40 {
            for _ in 0..5 {
                let at = put % BLOCKS * TRB;
                let event = Trb::new(32, put as u64, 0, 0);
                memory[at..at + TRB].copy_from_slice(&event.bytes((put / BLOCKS).is_multiple_of(2)));
                put += 1;
            }
            for _ in 0..2 {
                let at = usize::try_from(events.place()).unwrap() - 0x1000;
                taken.extend(events.take(&memory[at..at + events.until_end()]));
            }
        }
        let numbers: Vec<_> = taken.iter().map(|event| event.parameter).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_event_ring_has_no_events() {
        let mut events = Events::new(0x1000);
        assert_eq!(events.take(&[0; BYTES]), []);
        assert_eq!(events.take(&[]), []);
        assert_eq!(events.place(), 0x1000);
    }
}
