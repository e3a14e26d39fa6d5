//! The keys of scatter files in their printed order, for the text and the XML (formats.md section 2.2).

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::model::{Details, Map, Partition, Region, Reserved, StartIs, Storage};
use super::super::names::canonical;
use super::super::tables::is_table_key;
use super::{Item, Starts, about, downloads, items, running_phone};

pub(super) type Keys<'a> = Vec<(Cow<'a, str>, String)>;

/// A scatter file of either writing.
pub(super) struct File<'a> {
    pub(super) version: String,
    /// `platform`, `project` and unknown ones.
    pub(super) header: Keys<'a>,
    /// Whether every storage has its own section.
    pub(super) nested: bool,
    pub(super) sections: Vec<Part<'a>>,
    pub(super) remarks: Vec<String>,
}

/// One storage.
pub(super) struct Part<'a> {
    pub(super) storage: Storage,
    /// `boot_channel`, `block_size` and unknown ones.
    pub(super) header: Keys<'a>,
    pub(super) entries: Vec<Keys<'a>>,
}

impl<'a> File<'a> {
    /// `is_key` says which keys the writing can hold.
    pub(super) fn of(map: &'a Map, is_key: fn(&str) -> bool) -> Self {
        let mut remarks = Vec::new();
        let mut storages = map.storages();
        if storages.contains(&Storage::Unknown) {
            remarks.push("the map does not say which flash it is of; NAND is written".to_owned());
            storages.retain(|it| *it != Storage::Unknown && *it != Storage::Nand);
            storages.insert(0, Storage::Nand);
        }
        let stated = map.config_version.as_deref();
        let nested = storages.len() > 1 || stated.is_some_and(|it| it.starts_with("V2"));
        let linear = map.partitions.iter().any(|it| it.linear.is_some());
        let version = match (nested, stated) {
            (true, Some(it)) if it.starts_with("V2") => it,
            (false, Some(it)) if it.starts_with("V1") => it,
            (true, _) => "V2.1.0",
            (false, _) if linear => "V1.1.1",
            (false, _) => "V1.1.2",
        };
        if let Some(stated) = stated.filter(|it| *it != version) {
            remarks.push(format!("the dialect is {version}, not {stated}"));
        }
        if map.platform.is_none() {
            remarks.push(
                "the map does not name the SoC, which the vendor's tool wants as \"platform\"".to_owned(),
            );
        }
        running_phone(map, &mut remarks);
        let mut header: Keys<'a> = Vec::new();
        for (key, value) in [("platform", &map.platform), ("project", &map.project)] {
            header.extend(value.clone().map(|it| (Cow::Borrowed(key), it)));
        }
        let other = kept(&map.other, is_key, &mut remarks);
        let mut writer = Writer {
            starts: Starts::of(map),
            old_boot: version == "V1.1.1",
            is_key,
            assumed: Vec::new(),
            unplaced: Vec::new(),
            sized: Vec::new(),
            remarks,
        };
        let mut sections: Vec<Part<'a>> = storages.into_iter().map(|it| writer.part(map, it)).collect();
        // In files of one storage all keys are of one header, and those that are rare come last.
        match sections.first_mut().filter(|_| !nested) {
            Some(only) => only.header.extend(other),
            None => header.extend(other),
        }
        let Writer { assumed, unplaced, sized, mut remarks, .. } = writer;
        remarks.extend(about(&unplaced, "left out, since their place cannot be stated"));
        remarks.extend(about(
            &sized,
            "the size is derived from the next start, and written as if it were stated",
        ));
        remarks.extend(about(
            &assumed,
            "type and operation are not stated; what the vendor's tool takes by the name is written",
        ));
        downloads(map, &mut remarks);
        let of_table = |other: &[(String, String)]| other.iter().any(|it| is_table_key(&it.0));
        if of_table(&map.other) || map.partitions.iter().any(|it| of_table(&it.details.other)) {
            remarks.push("numbers, GUIDs and flags of the table on flash have no place here".to_owned());
        }
        if map.partitions.iter().any(|it| !it.details.flags.is_empty()) {
            remarks.push("words behind mtdparts entries (ro, lk) have no place here".to_owned());
        }
        Self { version: version.to_owned(), header, nested, sections, remarks }
    }
}

/// Unknown keys that can be written.
fn kept<'a>(other: &'a [(String, String)], is_key: fn(&str) -> bool, remarks: &mut Vec<String>) -> Keys<'a> {
    let mut keys = Vec::new();
    for (key, value) in other {
        if is_table_key(key) {
            continue;
        }
        if is_key(key) {
            keys.push((Cow::Borrowed(key.as_str()), value.clone()));
        } else {
            remarks.push(format!("the key {key} cannot be written here"));
        }
    }
    keys
}

struct Writer<'a> {
    starts: Starts<'a>,
    /// Boot partitions are spelled EMMC_BOOT_1 (formats.md section 2.2, region values).
    old_boot: bool,
    is_key: fn(&str) -> bool,
    assumed: Vec<&'a str>,
    unplaced: Vec<&'a str>,
    sized: Vec<&'a str>,
    remarks: Vec<String>,
}

/// What partitions and reserved areas have in common.
struct Common<'a> {
    name: &'a str,
    downloadable: bool,
    storage: Storage,
    region: &'a Region,
    details: &'a Details,
    linear: u64,
    physical: u64,
    size: u64,
}

impl<'a> Writer<'a> {
    fn part(&mut self, map: &'a Map, storage: Storage) -> Part<'a> {
        let mut header: Keys<'a> = Vec::new();
        let section = map.section(storage);
        let usual = match storage {
            Storage::Emmc | Storage::Sd => "MSDC_0",
            Storage::Ufs => "UFSHCI_0",
            Storage::Nand | Storage::Nor | Storage::Unknown => "NONE",
        };
        let channel = section.and_then(|it| it.boot_channel.as_deref());
        let block = map.block_size(storage);
        if channel.is_none() && usual != "NONE" {
            self.remarks.push(format!("the boot channel of {storage} is not stated; {usual} is written"));
        }
        let stated = section.and_then(|it| it.block_size).filter(|it| *it > 0);
        if stated.is_none() && map.erase_block.is_none() {
            self.remarks.push(format!("the block size of {storage} is not stated; {block:#x} is written"));
        }
        header.push(("boot_channel".into(), channel.unwrap_or(usual).to_owned()));
        header.push(("block_size".into(), format!("{block:#x}")));
        if let Some(it) = section {
            header.extend(kept(&it.other, self.is_key, &mut self.remarks));
        }
        let mut entries = Vec::new();
        for item in items(map) {
            let of = match item {
                Item::Partition(it) => it.storage,
                Item::Reserved(it) => it.storage,
            };
            if of != storage && !(of == Storage::Unknown && storage == Storage::Nand) {
                continue;
            }
            let common = match item {
                Item::Partition(it) => self.partition(it, storage),
                Item::Reserved(it) => self.reserved(it, storage),
            };
            entries.extend(common.map(|it| self.entry(it)));
        }
        Part { storage, header, entries }
    }

    fn partition(&mut self, it: &'a Partition, storage: Storage) -> Option<Common<'a>> {
        if it.start_is == StartIs::Unknown {
            self.unplaced.push(&it.name);
            return None;
        }
        let size = self.starts.size(it);
        if size.is_some() && it.end().is_none() {
            self.sized.push(&it.name);
        }
        let (linear, physical) = (it.linear.unwrap_or(it.start), it.start);
        let (size, region) = (size.unwrap_or(0), &it.region);
        let (name, downloadable, details) = (it.name.as_str(), it.downloadable, &it.details);
        Some(Common { name, downloadable, storage, region, details, linear, physical, size })
    }

    fn reserved(&mut self, it: &'a Reserved, storage: Storage) -> Option<Common<'a>> {
        if it.blocks_from_end > 0xFFFF {
            self.unplaced.push(&it.name);
            return None;
        }
        let address = u64::from(it.blocks_from_end).saturating_add(0xFFFF_0000);
        let (name, downloadable, details, region) =
            (it.name.as_str(), it.downloadable, &it.details, &it.region);
        let size = it.size.unwrap_or(0);
        Some(Common {
            name,
            downloadable,
            storage,
            region,
            details,
            linear: address,
            physical: address,
            size,
        })
    }

    fn entry(&mut self, it: Common<'a>) -> Keys<'a> {
        let details = it.details;
        let none = || "NONE".to_owned();
        let (kind, operation) = match &details.operation {
            Some(operation) => (details.kind.clone().unwrap_or_else(none), operation.clone()),
            None => {
                self.assumed.push(it.name);
                let (kind, operation) = usual(it.name, it.downloadable, it.storage);
                (details.kind.clone().unwrap_or_else(|| kind.to_owned()), operation.to_owned())
            }
        };
        let region = match it.region {
            Region::Boot1 if self.old_boot => "EMMC_BOOT_1".to_owned(),
            other => other.scatter(),
        };
        let mut other = kept(&details.other, self.is_key, &mut self.remarks);
        let mut last = |key: &str| {
            let at = other.iter().position(|it| it.0 == key)?;
            Some(other.remove(at).1)
        };
        let check = last("boundary_check").unwrap_or_else(|| format!("{}", !details.reserved));
        let reserve = last("reserve").unwrap_or_else(|| "0x00".to_owned());
        let mut keys: Keys<'a> = [
            ("partition_name", it.name.to_owned()),
            ("file_name", details.file.clone().unwrap_or_else(none)),
            ("is_download", format!("{}", it.downloadable)),
            ("type", kind),
            ("linear_start_addr", format!("{:#x}", it.linear)),
            ("physical_start_addr", format!("{:#x}", it.physical)),
            ("partition_size", format!("{:#x}", it.size)),
            ("region", region),
            ("storage", format!("HW_STORAGE_{}", it.storage.scatter())),
            ("boundary_check", check),
            ("is_reserved", format!("{}", details.reserved)),
            ("operation_type", operation),
        ]
        .into_iter()
        .map(|(key, value)| (Cow::Borrowed(key), value))
        .collect();
        keys.append(&mut other);
        keys.push(("reserve".into(), reserve));
        keys
    }
}

/// Type and operation by the vendor generator's rule (formats.md sections 2.1 and 2.2), by whatever name the partition
/// goes.
fn usual(name: &str, downloadable: bool, storage: Storage) -> (&'static str, &'static str) {
    let canonical = canonical(name);
    let operation = match canonical.as_str() {
        "PRELOADER" | "DSP_BL" => "BOOTLOADERS",
        "NVRAM" => "BINREGION",
        "PRO_INFO" | "PROTECT_F" | "PROTECT_S" => "PROTECTED",
        "OTP" | "PMT" | "BMTPOOL" => "RESERVED",
        _ if downloadable => "UPDATE",
        _ => "INVISIBLE",
    };
    let kind = match canonical.as_str() {
        "PRELOADER" | "DSP_BL" => "SV5_BL_BIN",
        "SEC_RO" | "ANDROID" | "USRDATA" | "FAT" | "CUSTPACK2" | "CUSTPACK4" | "MOBILE_INFO"
            if storage == Storage::Nand =>
        {
            "YAFFS_IMG"
        }
        _ => "NORMAL_ROM",
    };
    (kind, operation)
}
