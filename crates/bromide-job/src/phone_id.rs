//! What makes one phone another than another, as far as it tells: for reads that go on later.
//!
//! Promises: nothing here leads back to the phone's own numbers. Its random id (`da-legacy-observed.md` section 5;
//! whether it is the same on every start is untested on hardware) is kept as part of a digest only.

use bromide_nand::Geometry;
use bromide_proto::agent::Found;
use bromide_proto::brom::Identity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::agent_file::hex;

/// A phone and its chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneId {
    /// Name of the chip.
    pub chip: String,
    /// hw code, sub code, hw version, sw version, in hex.
    pub codes: String,
    /// READ ID of the NAND chip, in hex.
    pub nand: String,
    /// Main bytes, spare bytes, pages a block, blocks.
    pub geometry: [u32; 4],
    /// Blocks of the bad-block pool.
    pub pool_blocks: u32,
    /// The beginning of a digest of the phone's random id; empty where it has none.
    pub unit: String,
}

impl PhoneId {
    /// Of a phone whose agent is running.
    #[must_use]
    pub fn of(identity: &Identity, found: &Found, geometry: &Geometry, pool_blocks: u32) -> Self {
        let codes = identity.codes;
        let nand = &found.report.nand;
        Self {
            chip: identity.chip.name.to_owned(),
            codes: format!(
                "{:04x}/{:04x}/{:04x}/{:04x}",
                codes.hw_code, codes.sub_code, codes.hw_version, codes.sw_version
            ),
            nand: nand.codes.iter().map(|code| format!("{code:02x}")).collect::<Vec<_>>().join(" "),
            geometry: [geometry.page, geometry.spare, geometry.pages_per_block, geometry.blocks],
            pool_blocks,
            unit: unit(&found.report.ram.random_id),
        }
    }
}

impl PhoneId {
    /// What differs between two phones, in words.
    #[must_use]
    pub fn differs(&self, other: &Self) -> String {
        let pairs = [
            ("chip", self.chip == other.chip && self.codes == other.codes),
            ("NAND chip", self.nand == other.nand && self.geometry == other.geometry),
            ("bad-block pool (--pool)", self.pool_blocks == other.pool_blocks),
            ("phone of the same kind", self.unit == other.unit),
        ];
        pairs.iter().find(|(_, same)| !same).map_or("nothing", |(what, _)| *what).to_owned()
    }
}

/// Whether two reports can be of one phone. An id of nothing but zeros says nothing.
#[must_use]
pub fn may_be_one(a: &Found, b: &Found) -> bool {
    let (first, second) = (&a.report.ram.random_id, &b.report.ram.random_id);
    let silent = |id: &[u8; 16]| id.iter().all(|byte| *byte == 0);
    a.report.nand == b.report.nand && (first == second || silent(first) || silent(second))
}

fn unit(random_id: &[u8; 16]) -> String {
    if random_id.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    let mut digest = hex(&Sha256::digest([b"bromide unit ".as_slice(), random_id].concat()));
    digest.truncate(16);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_told_from_another_without_its_number() {
        let (a, b) = (unit(&[0x21; 16]), unit(&[0x22; 16]));
        assert_ne!(a, b);
        assert_eq!((a.len(), unit(&[0; 16]).len()), (16, 0));
        assert!(!a.contains("2121"));
    }
}
