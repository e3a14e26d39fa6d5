//! What a map holds: partitions, areas counted from the end of the device, and what a file's header tells.
//!
//! Names of regions and storages are those of scatter files (formats.md section 2.2, tables "region values" and
//! "Entry keys").

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::names::is_usually_downloaded;

/// The kind of file a map was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The text of `/proc/mtd`: sizes in flash order, starts by adding them up.
    ProcMtd,
    /// The oldest scatter dialect, `NAME 0xADDR { }`: starts, no sizes.
    ScatterV0,
    /// The same list without braces, as over-the-air update scripts use it.
    OtaList,
    /// YAML-like scatter text of one storage (V1.1.x).
    ScatterV1,
    /// YAML-like scatter text with a section for every storage (V2.x).
    ScatterV2,
    /// XML scatter file of one storage (V1.1.x).
    ScatterXmlV1,
    /// XML scatter file with a section for every storage (V2.x).
    ScatterXmlV2,
    /// The text of `/proc/partitions`: block devices and sizes, no names.
    ProcPartitions,
    /// The text of `/proc/dumchar_info`.
    DumcharInfo,
    /// The kernel's `mtdparts=` argument.
    Mtdparts,
    /// A listing of a `by-name` folder: names and block devices, no places.
    ByName,
    /// What `gdisk -l` or `sgdisk -p` print.
    Gdisk,
    /// A GPT read from a dump.
    Gpt,
    /// An MBR and its chain read from a dump.
    Mbr,
    /// A partition table of MediaTek's own (PMT) read from a dump or from a phone.
    Pmt,
    /// JSON that does not say what the map was made of.
    Json,
    /// A table of comma-separated values.
    Csv,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ProcMtd,
        Self::ScatterV0,
        Self::OtaList,
        Self::ScatterV1,
        Self::ScatterV2,
        Self::ScatterXmlV1,
        Self::ScatterXmlV2,
        Self::ProcPartitions,
        Self::DumcharInfo,
        Self::Mtdparts,
        Self::ByName,
        Self::Gdisk,
        Self::Gpt,
        Self::Mbr,
        Self::Pmt,
        Self::Json,
        Self::Csv,
    ];

    /// Stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProcMtd => "proc-mtd",
            Self::ScatterV0 => "scatter-v0",
            Self::OtaList => "ota-list",
            Self::ScatterV1 => "scatter-v1",
            Self::ScatterV2 => "scatter-v2",
            Self::ScatterXmlV1 => "scatter-xml-v1",
            Self::ScatterXmlV2 => "scatter-xml-v2",
            Self::ProcPartitions => "proc-partitions",
            Self::DumcharInfo => "dumchar-info",
            Self::Mtdparts => "mtdparts",
            Self::ByName => "by-name",
            Self::Gdisk => "gdisk",
            Self::Gpt => "gpt",
            Self::Mbr => "mbr",
            Self::Pmt => "pmt",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// What kind of file that is, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ProcMtd => "/proc/mtd text",
            Self::ScatterV0 => "scatter file with braces",
            Self::OtaList => "over-the-air list",
            Self::ScatterV1 => "scatter file V1",
            Self::ScatterV2 => "scatter file V2",
            Self::ScatterXmlV1 => "XML scatter file V1",
            Self::ScatterXmlV2 => "XML scatter file V2",
            Self::ProcPartitions => "/proc/partitions text",
            Self::DumcharInfo => "/proc/dumchar_info text",
            Self::Mtdparts => "mtdparts= argument",
            Self::ByName => "by-name listing",
            Self::Gdisk => "gdisk listing",
            Self::Gpt => "GPT",
            Self::Mbr => "MBR chain",
            Self::Pmt => "PMT",
            Self::Json => "JSON",
            Self::Csv => "table (CSV)",
        }
    }
}

impl Source {
    /// Whether such a file says which partitions the vendor's tool offers for download. Listings of a phone and tables
    /// on flash do not; what a map of those has is assumed by the names.
    #[must_use]
    pub const fn states_downloads(self) -> bool {
        match self {
            Self::ScatterV0
            | Self::OtaList
            | Self::ScatterV1
            | Self::ScatterV2
            | Self::ScatterXmlV1
            | Self::ScatterXmlV2
            | Self::Json
            | Self::Csv => true,
            Self::ProcMtd
            | Self::ProcPartitions
            | Self::DumcharInfo
            | Self::Mtdparts
            | Self::ByName
            | Self::Gdisk
            | Self::Gpt
            | Self::Mbr
            | Self::Pmt => false,
        }
    }
}

/// What a map says about the size of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// That many bytes.
    Stated(u64),
    /// Up to the start of the next partition: derived, not read.
    ToNext,
    /// Up to the end of what the chip offers: derived, not read.
    ToEnd,
    /// Nothing is said (a by-name listing).
    Unknown,
}

/// Where a partition's start comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartIs {
    /// Stated in the file, or computed exactly from what it states.
    #[default]
    Stated,
    /// The sum of the sizes before it: derived, not read.
    FromSizes,
    /// Not known; the number is 0 and means nothing.
    Unknown,
}

/// The kind of flash a partition lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Storage {
    /// Raw NAND.
    Nand,
    /// Serial or parallel NOR.
    Nor,
    /// eMMC.
    Emmc,
    /// SD card (`SDMMC`).
    Sd,
    /// UFS.
    Ufs,
    /// The file does not say.
    #[default]
    Unknown,
}

impl Storage {
    /// The storage a scatter file means by `EMMC` or `HW_STORAGE_EMMC`; upper and lower case are the same.
    #[must_use]
    pub fn from_scatter(text: &str) -> Option<Self> {
        let prefix = "HW_STORAGE_";
        let bare = match text.split_at_checked(prefix.len()) {
            Some((head, tail)) if head.eq_ignore_ascii_case(prefix) => tail,
            _ => text,
        };
        [Self::Nand, Self::Nor, Self::Emmc, Self::Sd, Self::Ufs]
            .into_iter()
            .find(|it| it.scatter().eq_ignore_ascii_case(bare))
    }

    /// The word of scatter headers.
    #[must_use]
    pub fn scatter(self) -> &'static str {
        match self {
            Self::Nand => "NAND",
            Self::Nor => "NOR",
            Self::Emmc => "EMMC",
            Self::Sd => "SDMMC",
            Self::Ufs => "UFS",
            Self::Unknown => "NONE",
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Nand => "NAND",
            Self::Nor => "NOR",
            Self::Emmc => "eMMC",
            Self::Sd => "SD",
            Self::Ufs => "UFS",
            Self::Unknown => "unknown",
        })
    }
}

/// The part of a storage a partition's start is counted in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Region {
    /// The whole chip: NAND, or nothing said.
    #[default]
    Whole,
    /// First boot partition of an eMMC.
    Boot1,
    /// Second boot partition of an eMMC.
    Boot2,
    /// Both boot partitions of an eMMC, the same content twice.
    BothBoots,
    /// Replay-protected block of an eMMC.
    Rpmb,
    /// General purpose partition of an eMMC, 1 to 4.
    Gp(u8),
    /// User area of an eMMC.
    User,
    /// Logical unit of a UFS, from 0.
    UfsLu(u8),
    /// Both boot units of a UFS, the same content twice.
    UfsBothBoots,
    /// Any other word.
    Other(String),
}

impl Region {
    /// The region a word of a scatter file means.
    #[must_use]
    pub fn from_scatter(text: &str) -> Self {
        let upper = text.to_ascii_uppercase();
        let number = |prefix: &str| upper.strip_prefix(prefix)?.parse::<u8>().ok().filter(|it| *it < 10);
        match upper.as_str() {
            "NONE" | "" => Self::Whole,
            "EMMC_BOOT_1" | "EMMC_BOOT1" => Self::Boot1,
            "EMMC_BOOT_2" | "EMMC_BOOT2" => Self::Boot2,
            "EMMC_BOOT1_BOOT2" => Self::BothBoots,
            "EMMC_RPMB" => Self::Rpmb,
            "EMMC_USER" => Self::User,
            "UFS_LU0_LU1" => Self::UfsBothBoots,
            _ => match (number("EMMC_GP"), number("UFS_LU")) {
                (Some(at), _) => Self::Gp(at),
                (_, Some(at)) => Self::UfsLu(at),
                _ => Self::Other(text.to_owned()),
            },
        }
    }

    /// The word of scatter files from V1.1.2 on.
    #[must_use]
    pub fn scatter(&self) -> String {
        match self {
            Self::Whole => "NONE".to_owned(),
            Self::Boot1 => "EMMC_BOOT1".to_owned(),
            Self::Boot2 => "EMMC_BOOT2".to_owned(),
            Self::BothBoots => "EMMC_BOOT1_BOOT2".to_owned(),
            Self::Rpmb => "EMMC_RPMB".to_owned(),
            Self::Gp(at) => format!("EMMC_GP{at}"),
            Self::User => "EMMC_USER".to_owned(),
            Self::UfsLu(at) => format!("UFS_LU{at}"),
            Self::UfsBothBoots => "UFS_LU0_LU1".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }

    /// Whether reserved areas at the end of the device lie in it (formats.md section 3.2).
    #[must_use]
    pub fn has_device_end(&self) -> bool {
        matches!(self, Self::Whole | Self::User | Self::UfsLu(2))
    }
}

/// Where a partition is mounted on the running phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Folder, such as `/system`.
    pub point: String,
    /// File system as the kernel names it, such as `yaffs2`.
    pub file_system: String,
}

/// What a file tells about a partition besides its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Image type, `EXT4_IMG` and the like; none where the file says `NONE` or nothing.
    pub kind: Option<String>,
    /// Operation of the vendor's tool, `UPDATE` and the like.
    pub operation: Option<String>,
    /// Image file; none where the file says `NONE` or nothing.
    pub file: Option<String>,
    /// An area nothing is downloaded to (`is_reserved`).
    pub reserved: bool,
    /// Block device on the phone without its folder, such as `mmcblk0p3` or `mtd11`.
    pub device: Option<String>,
    /// Where it is mounted.
    pub mount: Option<Mount>,
    /// Words behind an `mtdparts=` entry: `ro`, `lk`.
    pub flags: Vec<String>,
    /// Keys of a scatter file that are not looked at, as they stand and in their order.
    pub other: Vec<(String, String)>,
}

/// One partition as the map has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Name as in the file, without the `__NODL_` and `__NODL_RSV_` prefixes.
    pub name: String,
    /// First byte, counted in main-area bytes from the start of the region.
    pub start: u64,
    /// Where the start comes from.
    pub start_is: StartIs,
    /// What is known of the size.
    pub size: Size,
    /// Whether the vendor's tool offers it for download; assumed by the name where [`Source::states_downloads`] is
    /// false. Reading back works for all.
    pub downloadable: bool,
    /// Line of the file it stands in, from 1.
    pub line: u32,
    /// The flash it lies in.
    pub storage: Storage,
    /// What the start is counted in.
    pub region: Region,
    /// The linear address where it is another than the start: on eMMC phones up to V1.1.1 it counts from the start
    /// of the first boot partition (formats.md section 3.1).
    pub linear: Option<u64>,
    /// The rest.
    pub details: Details,
}

impl Partition {
    /// A partition of which no more is known than this.
    #[must_use]
    pub fn new(name: String, start: u64, size: Size, line: u32) -> Self {
        Self {
            name,
            start,
            start_is: StartIs::Stated,
            size,
            downloadable: true,
            line,
            storage: Storage::Unknown,
            region: Region::Whole,
            linear: None,
            details: Details::default(),
        }
    }

    /// Whether the vendor's tool shows it at all.
    #[must_use]
    pub fn visible(&self) -> bool {
        match self.details.operation.as_deref() {
            Some(it) => !it.eq_ignore_ascii_case("INVISIBLE") && !it.eq_ignore_ascii_case("RESERVED"),
            None => self.downloadable,
        }
    }

    /// The end, behind the last byte, where the size is stated.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        match self.size {
            Size::Stated(size) => Some(self.start.saturating_add(size)),
            Size::ToNext | Size::ToEnd | Size::Unknown => None,
        }
    }
}

/// An area counted in blocks back from the end of the device (formats.md section 3.2), such as the bad-block pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// Name as in the file, without prefixes.
    pub name: String,
    /// Blocks from the start of the area to the end of the device. 0 where the area is smaller than a block and
    /// lies at the very end.
    pub blocks_from_end: u32,
    /// Size in bytes, where the file states it.
    pub size: Option<u64>,
    /// Line of the file it stands in, from 1.
    pub line: u32,
    /// Whether the vendor's tool offers it for download.
    pub downloadable: bool,
    /// The flash it lies in.
    pub storage: Storage,
    /// The region whose end is meant.
    pub region: Region,
    /// The rest.
    pub details: Details,
}

impl Reserved {
    /// An area of which no more is known than this.
    #[must_use]
    pub fn new(name: String, blocks_from_end: u32, line: u32) -> Self {
        Self {
            name,
            blocks_from_end,
            size: None,
            line,
            downloadable: false,
            storage: Storage::Unknown,
            region: Region::Whole,
            details: Details { reserved: true, ..Details::default() },
        }
    }
}

/// What a file says about one storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Which.
    pub storage: Storage,
    /// `MSDC_0`, `UFSHCI_0`, `NONE`.
    pub boot_channel: Option<String>,
    /// The unit areas are counted in from the end of the device, in bytes; on NAND the erase block.
    pub block_size: Option<u64>,
    /// Keys that are not looked at.
    pub other: Vec<(String, String)>,
}

/// A partition map as read from one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The kind of file.
    pub source: Source,
    /// The partitions in the order of the file, areas counted from the end of the device left out.
    pub partitions: Vec<Partition>,
    /// Areas counted from the end of the device, the bad-block pool among them.
    pub reserved: Vec<Reserved>,
    /// Length of the bad-block pool (BMTPOOL) of the NAND in erase blocks, where the file states it. An eMMC has none;
    /// an area of that name is among [`Map::reserved`] alone.
    pub pool_blocks: Option<u32>,
    /// Erase block size of the NAND in bytes, where the file states it.
    pub erase_block: Option<u32>,
    /// SoC, such as `MT6572`.
    pub platform: Option<String>,
    /// Project of the phone's maker.
    pub project: Option<String>,
    /// Version of the scatter dialect, such as `V1.1.2`.
    pub config_version: Option<String>,
    /// Name of the flash in an `mtdparts=` argument.
    pub mtd_id: Option<String>,
    /// What is said of each storage, in the order of the file.
    pub sections: Vec<Section>,
    /// Keys of the header that are not looked at.
    pub other: Vec<(String, String)>,
    /// What was accepted but deserves a word, as sentences for people.
    pub notes: Vec<String>,
}

impl Map {
    /// A map without partitions.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            partitions: Vec::new(),
            reserved: Vec::new(),
            pool_blocks: None,
            erase_block: None,
            platform: None,
            project: None,
            config_version: None,
            mtd_id: None,
            sections: Vec::new(),
            other: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The storages named in the map, in its order, each once. [`Storage::Unknown`] is among them where an entry says
    /// nothing.
    #[must_use]
    pub fn storages(&self) -> Vec<Storage> {
        let mut seen = Vec::new();
        let all =
            self.partitions.iter().map(|it| it.storage).chain(self.reserved.iter().map(|it| it.storage));
        for storage in all {
            if !seen.contains(&storage) {
                seen.push(storage);
            }
        }
        seen
    }

    /// The same map with the partitions of one storage only: files of several storages name every partition in each.
    #[must_use]
    pub fn only(&self, storage: Storage) -> Self {
        let mut map = self.clone();
        map.partitions.retain(|it| it.storage == storage);
        map.reserved.retain(|it| it.storage == storage);
        map.sections.retain(|it| it.storage == storage);
        map
    }

    /// Marks what is not downloaded by the names, where the kind of file does not say.
    pub(super) fn assume_downloads(&mut self) {
        if !self.source.states_downloads() {
            for it in &mut self.partitions {
                it.downloadable = it.downloadable && is_usually_downloaded(&it.name);
            }
        }
    }

    /// What the file says of a storage.
    #[must_use]
    pub fn section(&self, storage: Storage) -> Option<&Section> {
        self.sections.iter().find(|it| it.storage == storage)
    }
}
