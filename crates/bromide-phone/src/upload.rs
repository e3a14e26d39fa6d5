//! What D7 puts into internal memory and what D5 finds there.
//!
//! Promises: an upload is refused with the status words of `brom-preloader.md` section 5 before a byte of it is
//! taken, so memory use is bounded by the model's internal memory. Which of two fitting refusals a real BootROM
//! gives first is not known.

use bromide_proto::codes::DEMO_AGENT_MARKER;
use sha2::{Digest, Sha256};

use crate::model::{KnownAgent, Memory};
use crate::options::Generation;

/// Uploads the BootROM keeps account of; the real number behind 1D10 is not known.
const MOST_BLOCKS: usize = 8;

/// 16-bit status words (`brom-preloader.md` section 5).
pub(crate) mod status {
    pub(crate) const OK: u16 = 0x0000;
    pub(crate) const NOT_NEEDED: u16 = 0x1d0c;
    pub(crate) const SLA_REQUIRED: u16 = 0x1d0d;
    pub(crate) const OVERLAP: u16 = 0x1d0e;
    pub(crate) const INVALID_JUMP: u16 = 0x1d0f;
    pub(crate) const TOO_MANY_BLOCKS: u16 = 0x1d10;
    pub(crate) const NOT_ALIGNED: u16 = 0x1d11;
    pub(crate) const INVALID_RANGE: u16 = 0x1d12;
    pub(crate) const ZERO_LENGTH: u16 = 0x1d13;
    pub(crate) const SIGNATURE_TOO_LONG: u16 = 0x1d14;
    pub(crate) const SIGNATURE_MISSING: u16 = 0x1d15;
    pub(crate) const NOTHING_SENT: u16 = 0x1d16;
    pub(crate) const AUTH_VERIFY_FAILED: u16 = 0x2000;
    pub(crate) const DA_SIGNATURE: u16 = 0x7015;
    pub(crate) const SLA_NOT_NEEDED: u16 = 0x7017;
}

/// The three fields of D7.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced {
    pub(crate) address: u32,
    pub(crate) bytes: u32,
    pub(crate) signature: u32,
}

impl Announced {
    /// The status the phone gives before the data; `signed` = only signed agents are accepted.
    pub(crate) fn status(&self, memory: &Memory, signed: bool) -> u16 {
        let end = u64::from(self.address) + u64::from(self.bytes);
        let overlaps = |base: u32, bytes: u32| {
            u64::from(self.address) < u64::from(base) + u64::from(bytes) && u64::from(base) < end
        };
        if self.bytes == 0 {
            status::ZERO_LENGTH
        } else if !self.address.is_multiple_of(2) {
            status::NOT_ALIGNED
        } else if self.signature > self.bytes {
            status::SIGNATURE_TOO_LONG
        } else if signed && self.signature == 0 {
            status::SIGNATURE_MISSING
        } else if self.address < memory.upload_base
            || end > u64::from(memory.upload_base) + u64::from(memory.upload_bytes)
        {
            status::INVALID_RANGE
        } else if overlaps(memory.in_use_base, memory.in_use_bytes) {
            status::OVERLAP
        } else {
            status::OK
        }
    }
}

/// What has been uploaded since power-up.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Vec<(u32, Vec<u8>)>);

impl Uploads {
    /// Whether one more block at this address is accepted.
    pub(crate) fn room_for(&self, address: u32) -> bool {
        self.0.len() < MOST_BLOCKS || self.0.iter().any(|(at, _)| *at == address)
    }

    /// Keeps a block; a block at the same address is replaced.
    pub(crate) fn keep(&mut self, address: u32, bytes: Vec<u8>) {
        self.0.retain(|(at, _)| *at != address);
        self.0.push((address, bytes));
    }

    /// Status of a jump to this address.
    pub(crate) fn jump_status(&self, address: u32) -> u16 {
        let inside = |(at, bytes): &(u32, Vec<u8>)| address >= *at && ((address - at) as usize) < bytes.len();
        match self.0.is_empty() {
            true => status::NOTHING_SENT,
            false if self.0.iter().any(inside) => status::OK,
            false => status::INVALID_JUMP,
        }
    }

    /// The wire format of the program at this address: a known digest, then a demo agent's marker, then
    /// `otherwise`. `None`: what runs there is no agent.
    pub(crate) fn agent_at(
        &self,
        address: u32,
        memory: &Memory,
        known: &[KnownAgent],
        otherwise: Option<Generation>,
    ) -> Option<Generation> {
        let (_, bytes) = self.0.iter().find(|(at, _)| *at == address && address == memory.agent_base)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        known
            .iter()
            .find(|agent| agent.sha256 == digest)
            .map(|agent| agent.format)
            .or_else(|| demo_agent(bytes))
            .or(otherwise)
    }
}

/// The format a demo agent names behind its marker.
fn demo_agent(bytes: &[u8]) -> Option<Generation> {
    let marker = DEMO_AGENT_MARKER;
    let at = bytes.windows(marker.len()).position(|w| w == marker)? + marker.len();
    match bytes.get(at..at + 2)? {
        b"g1" => Some(Generation::G1),
        b"g2" => Some(Generation::G2),
        _ => None,
    }
}

/// XOR of all 16-bit little-endian words; an odd last byte counts as a low byte (`brom-preloader.md` section 4.8).
pub(crate) fn xor16(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |b| u16::from(*b));
    words.fold(0, |x, w| x ^ u16::from_le_bytes([w[0], w[1]])) ^ odd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn memory() -> Memory {
        Model::builtin("mt6575").unwrap().memory
    }

    fn answer(address: u32, bytes: u32, signature: u32, signed: bool) -> u16 {
        Announced { address, bytes, signature }.status(&memory(), signed)
    }

    #[test]
    fn the_checksums_of_the_notes_come_out() {
        // brom-preloader.md section 4.8
        assert_eq!(xor16(&[1, 2, 3]), 0x0202);
        assert_eq!(xor16(&[0xff, 0xff, 0xff, 0xff, 0x12, 0x34]), 0x3412);
    }

    #[test]
    fn an_upload_is_refused_in_the_words_of_the_boot_rom() {
        assert_eq!(answer(0xc200_0000, 0x219dc, 0x100, true), 0);
        assert_eq!(answer(0xc203_8000, 0x17d8, 0, false), 0);
        assert_eq!(answer(0xc200_0000, 0, 0, false), 0x1d13);
        assert_eq!(answer(0xc200_0001, 0x100, 0, false), 0x1d11);
        assert_eq!(answer(0xc200_0000, 0xff, 0x100, false), 0x1d14);
        assert_eq!(answer(0xc200_0000, 0x100, 0, true), 0x1d15);
        assert_eq!(answer(0xc1ff_fffe, 0x100, 0, false), 0x1d12);
        assert_eq!(answer(0xc200_0000, u32::MAX, 0, false), 0x1d12);
        assert_eq!(answer(0xffff_fffe, u32::MAX, 0, false), 0x1d12);
        assert_eq!(answer(0xc203_eff0, 0x20, 0, false), 0x1d0e);
    }

    #[test]
    fn a_jump_needs_something_to_jump_to() {
        let mut uploads = Uploads::default();
        assert_eq!(uploads.jump_status(0xc200_0000), 0x1d16);
        uploads.keep(0xc200_0000, vec![0; 16]);
        assert_eq!(uploads.jump_status(0xc200_000f), 0);
        assert_eq!(uploads.jump_status(0xc200_0010), 0x1d0f);
    }

    #[test]
    fn only_a_known_program_at_its_own_address_is_an_agent() {
        let demo = [b"....", DEMO_AGENT_MARKER, b"g1 and more"].concat();
        let mut uploads = Uploads::default();
        uploads.keep(0xc200_0000, demo.clone());
        uploads.keep(0xc201_0000, demo);
        assert_eq!(uploads.agent_at(0xc200_0000, &memory(), &[], None), Some(Generation::G1));
        assert_eq!(uploads.agent_at(0xc201_0000, &memory(), &[], None), None);
        uploads.keep(0xc200_0000, DEMO_AGENT_MARKER.to_vec());
        assert_eq!(uploads.agent_at(0xc200_0000, &memory(), &[], None), None);
        assert_eq!(uploads.agent_at(0xc200_0000, &memory(), &[], Some(Generation::G2)), Some(Generation::G2));
    }

    #[test]
    fn a_known_digest_decides_before_everything_else() {
        let bytes = b"some agent".to_vec();
        let sha256 = Sha256::digest(&bytes).into();
        let known = KnownAgent { label: String::new(), sha256, format: Generation::G1 };
        let mut uploads = Uploads::default();
        uploads.keep(0xc200_0000, bytes);
        let told = uploads.agent_at(0xc200_0000, &memory(), &[known], Some(Generation::G2));
        assert_eq!(told, Some(Generation::G1));
    }

    #[test]
    fn the_blocks_are_counted() {
        let mut uploads = Uploads::default();
        for n in 0..8 {
            assert!(uploads.room_for(n * 16));
            uploads.keep(n * 16, vec![0; 2]);
        }
        assert!(uploads.room_for(0));
        assert!(!uploads.room_for(8 * 16));
    }
}
