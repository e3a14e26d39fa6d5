//! A phone as a data file: identity, memory, NAND chip, partition table, known agents.
//!
//! Promises: a [`Model`] that came from [`Model::from_toml`] is consistent (blocks in range, replacements inside
//! the pool, partitions in the space before it), so the rest of the crate computes with it without checking again.
//! Each model file names the sources of its numbers.

use serde::Deserialize;
use serde::de::Error as _;
use thiserror::Error;

use crate::options::Generation;
use crate::pmt;

const BUILTIN: [(&str, &str); 3] = [
    ("mt6575", include_str!("../../../devices/mt6575.toml")),
    ("mt6577", include_str!("../../../devices/mt6577.toml")),
    ("small", include_str!("../../../devices/small.toml")),
];

/// Why a phone model was refused.
#[derive(Debug, Error)]
pub enum ModelError {
    /// No built-in model has this name.
    #[error("no virtual phone is called {name:?}; there are {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The text is not TOML or lacks a field.
    #[error("phone model: {0}")]
    Syntax(#[from] toml::de::Error),
    /// The numbers contradict each other.
    #[error("phone model {name:?}: {what}")]
    Contradiction {
        /// Name of the model.
        name: String,
        /// What contradicts what.
        what: String,
    },
}

/// Everything that makes one phone different from another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Short name, as in `phone:NAME`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Whether the phone keeps a partition table (PMT) in the two blocks before the replacement pool.
    #[serde(default)]
    pub pmt: bool,
    /// What the chip says about itself.
    pub chip: Chip,
    /// Where programs can be loaded and run.
    pub memory: Memory,
    /// The NAND chip as the factory left it.
    pub nand: Nand,
    /// Partitions in flash order, without holes.
    #[serde(rename = "partition", default)]
    partitions: Vec<Share>,
    /// Download Agents this phone recognises by the digest of their region 1.
    #[serde(rename = "agent", default)]
    pub agents: Vec<KnownAgent>,
}

/// What the chip answers about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Answer to FD.
    pub hw_code: u16,
    /// First word of the answer to FC.
    pub sub_code: u16,
    /// Second word of the answer to FC.
    pub hw_version: u16,
    /// Third word of the answer to FC.
    pub sw_version: u16,
    /// Answer to FF in the BootROM.
    pub bootrom_version: u8,
    /// Answer to FE in the preloader.
    pub preloader_version: u8,
    /// Answer to D8.
    pub target_config: u32,
    /// Answer to E1.
    #[serde(deserialize_with = "hex16")]
    pub me_id: [u8; 16],
    /// Random id at the end of the detection report.
    #[serde(deserialize_with = "hex16")]
    pub random_id: [u8; 16],
    /// Fourth byte of the agent's hello.
    pub agent_chip: u8,
    /// Answer to the agent's D0, in millivolts.
    pub battery_millivolts: u32,
}

/// Memory map, as far as loading an agent needs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// First address an upload may use.
    pub upload_base: u32,
    /// Bytes from there that an upload may use.
    pub upload_bytes: u32,
    /// First address that the BootROM itself uses.
    pub in_use_base: u32,
    /// Bytes from there that the BootROM itself uses.
    pub in_use_bytes: u32,
    /// The only address from which a known agent runs.
    pub agent_base: u32,
    /// External memory, reported only when a preloader switched it on.
    pub dram_bytes: u64,
}

/// The NAND chip: identity, geometry and what the factory found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nand {
    /// Five bytes of READ ID.
    pub id: [u8; 5],
    /// Main bytes of a page, a multiple of 512.
    pub page_bytes: u32,
    /// Spare bytes of a page, a multiple of the sectors in it.
    pub spare_bytes: u32,
    /// Pages of a block.
    pub pages_per_block: u32,
    /// Blocks of the chip.
    pub blocks: u32,
    /// Blocks of the replacement pool at the end of the chip.
    pub pool_blocks: u32,
    /// Blocks the factory marked bad.
    pub bad_blocks: Vec<u32>,
    /// Bad blocks with a stand-in in the pool, in the order of the bad-block table.
    pub replaced: Vec<Replacement>,
}

/// One row of the bad-block table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The bad block.
    pub bad: u32,
    /// The pool block that stands for it.
    pub by: u32,
}

/// A Download Agent the phone recognises.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownAgent {
    /// Where it is found, for people.
    pub label: String,
    /// Digest of region 1, signature included.
    #[serde(deserialize_with = "hex32")]
    pub sha256: [u8; 32],
    /// The wire format it speaks.
    pub format: Generation,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    name: String,
    bytes: u64,
}

/// A partition in logical main-area bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Name as in the model file.
    pub name: String,
    /// First main-area byte.
    pub start: u64,
    /// Main-area bytes.
    pub bytes: u64,
}

impl Model {
    /// Names of the models that come with the crate.
    #[must_use]
    pub fn names() -> [&'static str; 3] {
        BUILTIN.map(|(name, _)| name)
    }

    /// One of the models that come with the crate, by its exact name.
    pub fn builtin(name: &str) -> Result<Self, ModelError> {
        match BUILTIN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Self::from_toml(text),
            None => Err(ModelError::Unknown { name: name.to_owned(), known: Self::names().to_vec() }),
        }
    }

    /// A model from the text of a model file.
    pub fn from_toml(text: &str) -> Result<Self, ModelError> {
        toml::from_str::<Self>(text)?.consistent()
    }

    /// The same phone with or without a partition table (PMT) of its own.
    pub fn with_pmt(mut self, pmt: bool) -> Result<Self, ModelError> {
        self.pmt = pmt;
        self.consistent()
    }

    fn consistent(self) -> Result<Self, ModelError> {
        match self.contradiction() {
            None => Ok(self),
            Some(what) => Err(ModelError::Contradiction { name: self.name, what }),
        }
    }

    /// Partitions in flash order.
    #[must_use]
    pub fn partitions(&self) -> Vec<Partition> {
        let mut start = 0;
        let place = |share: &Share| {
            let partition = Partition { name: share.name.clone(), start, bytes: share.bytes };
            start += share.bytes;
            partition
        };
        self.partitions.iter().map(place).collect()
    }

    /// The partition of this exact name.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<Partition> {
        self.partitions().into_iter().find(|p| p.name == name)
    }

    fn contradiction(&self) -> Option<String> {
        let nand = &self.nand;
        nand.contradiction()
            .or_else(|| {
                let block = u64::from(nand.block_main_bytes());
                let odd = self.partitions.iter().find(|p| p.bytes == 0 || p.bytes % block != 0);
                if let Some(odd) = odd {
                    return Some(format!("partition {:?} is not a whole number of blocks", odd.name));
                }
                let total = self.partitions.iter().try_fold(0u64, |sum, p| sum.checked_add(p.bytes));
                let room = u64::from(nand.blocks - nand.pool_blocks) * block;
                match total {
                    Some(total) if total <= room => None,
                    _ => Some(format!("the partitions need more than the {room} bytes before the pool")),
                }
            })
            .or_else(|| if self.pmt { self.pmt_contradiction() } else { None })
    }

    /// Whether the phone can keep a PMT of its own partitions.
    fn pmt_contradiction(&self) -> Option<String> {
        let Some([pt, mpt]) = self.nand.pmt_blocks() else {
            return Some("the chip has no two blocks for a PMT before its pool".to_owned());
        };
        let end: u64 = self.partitions.iter().map(|p| p.bytes).sum();
        if end > u64::from(pt) * u64::from(self.nand.block_main_bytes()) {
            return Some("the partitions leave no two blocks for the PMT before the pool".to_owned());
        }
        if self.nand.is_lost(pt) || self.nand.is_lost(mpt) {
            return Some(format!("block {pt} or {mpt}, which the PMT needs, is bad and not replaced"));
        }
        pmt::page(pmt::PT, &self.partitions(), self.nand.page_bytes).err()
    }
}

impl Nand {
    /// Stored bytes of a page: main and spare.
    #[must_use]
    pub fn stored_page_bytes(&self) -> u32 {
        self.page_bytes + self.spare_bytes
    }

    /// Main bytes of a block.
    #[must_use]
    pub fn block_main_bytes(&self) -> u32 {
        self.page_bytes * self.pages_per_block
    }

    /// Pages of the chip.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.blocks * self.pages_per_block
    }

    /// Stored bytes of the whole chip.
    #[must_use]
    pub fn stored_chip_bytes(&self) -> u64 {
        u64::from(self.pages()) * u64::from(self.stored_page_bytes())
    }

    /// First block of the replacement pool.
    #[must_use]
    pub fn first_pool_block(&self) -> u32 {
        self.blocks - self.pool_blocks
    }

    /// The two logical blocks of the PMT and its mirror: the last before the pool (`formats.md` section 5.1).
    #[must_use]
    pub fn pmt_blocks(&self) -> Option<[u32; 2]> {
        let mpt = self.first_pool_block().checked_sub(1)?;
        Some([mpt.checked_sub(1)?, mpt])
    }

    /// The block that holds the bytes of a logical block.
    #[must_use]
    pub fn stand_in(&self, block: u32) -> u32 {
        self.replaced.iter().find(|row| row.bad == block).map_or(block, |row| row.by)
    }

    /// Whether a logical block is bad and nothing stands for it.
    #[must_use]
    pub fn is_lost(&self, block: u32) -> bool {
        self.bad_blocks.contains(&self.stand_in(block))
    }

    fn contradiction(&self) -> Option<String> {
        let says = |what: &str| Some(what.to_owned());
        if !matches!(self.page_bytes, 512 | 2048 | 4096) {
            return says("page_bytes must be 512, 2048 or 4096");
        }
        if self.spare_bytes != self.page_bytes / 512 * 16 {
            return says("only 16 spare bytes per 512 are modelled");
        }
        if !(1..=1024).contains(&self.pages_per_block) || !(1..=65_536).contains(&self.blocks) {
            return says("pages_per_block must be 1..=1024 and blocks 1..=65536");
        }
        // At most 127 rows fit the bad-block table (nand-yaffs2.md section 7).
        if self.pool_blocks > 127 || self.pool_blocks >= self.blocks {
            return says("pool_blocks must be below 128 and below blocks");
        }
        if self.bad_blocks.iter().any(|b| *b >= self.blocks) {
            return says("a bad block lies behind the chip's end");
        }
        self.replaced.iter().find_map(|row| self.row_contradiction(row))
    }

    fn row_contradiction(&self, row: &Replacement) -> Option<String> {
        let pool = self.first_pool_block()..self.blocks;
        let Replacement { bad, by } = *row;
        if !self.bad_blocks.contains(&bad) || pool.contains(&bad) {
            return Some(format!("replaced block {bad} is not a bad block before the pool"));
        }
        if !pool.contains(&by) || self.bad_blocks.contains(&by) {
            return Some(format!("replacement block {by} is not a good block of the pool"));
        }
        let twice = self.replaced.iter().filter(|r| r.bad == bad || r.by == by).count() > 1;
        twice.then(|| format!("block {bad} or its replacement {by} is named twice"))
    }
}

fn hex16<'de, D: serde::Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
    hex(from)
}

fn hex32<'de, D: serde::Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
    hex(from)
}

fn hex<'de, D: serde::Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(from)?;
    let wrong = || D::Error::custom(format!("{text:?} is not {} hexadecimal digits", 2 * N));
    if text.len() != 2 * N || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        let text = BUILTIN[0].1;
        assert!(text.contains(from), "{from:?} is not in the model");
        Model::from_toml(&text.replacen(from, to, 1)).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_partitions_of_the_mt6575_start_where_the_scatter_says() {
        // formats.md section 3.3
        let model = Model::builtin("mt6575").unwrap();
        let starts: Vec<_> = model.partitions().iter().map(|p| (p.name.clone(), p.start)).collect();
        assert!(starts.contains(&("uboot".into(), 0x0042_0000)));
        let system = model.partition("system").unwrap();
        assert_eq!((system.start, system.bytes), (0x013a_0000, 0x1270_0000));
        let userdata = model.partition("userdata").unwrap();
        assert_eq!(userdata.start + userdata.bytes, 0x1f5c_0000);
        assert_eq!(model.nand.stored_chip_bytes(), 553_648_128);
    }

    #[test]
    fn the_two_chips_differ_only_by_sub_code_in_what_they_answer() {
        let (a, b) = (Model::builtin("mt6575").unwrap().chip, Model::builtin("mt6577").unwrap().chip);
        assert_eq!((a.hw_code, a.sub_code, a.hw_version, a.sw_version), (0x6575, 0x8a00, 0xcb00, 0xe201));
        assert_eq!((b.hw_code, b.sub_code, b.hw_version, b.sw_version), (0x6575, 0x8b00, 0xcb00, 0xe201));
    }

    #[test]
    fn the_small_phone_is_small_and_has_a_table_of_its_own() {
        let small = Model::builtin("small").unwrap();
        let bytes: Vec<_> = small.partitions().iter().map(|p| p.bytes).collect();
        assert_eq!(bytes.iter().sum::<u64>(), 20 * 128 * 1024);
        assert!(small.pmt && bytes.len() >= 8);
        assert_eq!(small.nand.id, Model::builtin("mt6575").unwrap().nand.id);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let said = Model::builtin("mt9999").unwrap_err().to_string();
        assert!(said.contains("mt9999") && said.contains("mt6575") && said.contains("mt6577"), "{said}");
    }

    #[test]
    fn contradictions_are_named() {
        assert!(refused("by = 4016", "by = 4015").contains("4015"));
        assert!(refused("by = 4016", "by = 4095").contains("4095"));
        assert!(refused("bad_blocks = [1000, 2600, 4095]", "bad_blocks = [2600]").contains("1000"));
        assert!(refused("blocks = 4096", "blocks = 100").contains("bad block"));
        assert!(refused("bytes = 0x12700000", "bytes = 0x12700001").contains("system"));
        assert!(refused("bytes = 0x12700000", "bytes = 0x22700000").contains("pool"));
        assert!(refused("page_bytes = 2048", "page_bytes = 1000").contains("page_bytes"));
        assert!(refused("b20dde0065758a00", "b20d").contains("hexadecimal"));
        assert!(refused("hw_code", "hw_kode").contains("hw_kode"));
    }

    #[test]
    fn a_partition_table_needs_its_two_blocks_and_names_that_fit() {
        let with = |from: &str, to: &str| {
            let text = BUILTIN[0].1.replacen("pmt = false", "pmt = true", 1);
            assert!(text.contains("pmt = true") && text.contains(from), "{from:?}");
            Model::from_toml(&text.replacen(from, to, 1))
        };
        assert!(with("pmt", "pmt").unwrap().pmt);
        let refused = |from, to| with(from, to).expect_err("must be refused").to_string();
        assert!(refused("bytes = 0x07f20000", "bytes = 0x07f60000").contains("two blocks"));
        assert!(refused("bad_blocks = [1000, 2600,", "bad_blocks = [1000, 4014,").contains("4014"));
        assert!(refused("name = \"misc\"", "name = \"mi sc\"").contains("mi sc"));
    }
}
