//! Sentences about the phone, its storage and its pages.

use bromide_job::pagecheck::Counts;
use bromide_proto::agent::Found;
use bromide_proto::brom::{Boot, Identity};
use bromide_proto::wire::status;

use crate::words::{counted, grouped};

/// Who the phone is.
pub(super) fn phone(id: &Identity, again: bool) -> String {
    let boot = match id.boot {
        Boot::BootRom => "from its BootROM".to_owned(),
        Boot::Preloader(version) => format!("from its preloader, version {version:02x}"),
    };
    let c = id.codes;
    let config = id.target_config;
    let security = match (config.wants_auth(), config.secure_boot()) {
        (true, _) => "it asks for authentication, and Bromide does not get around that",
        (false, true) => "secure boot is on, which does not hinder reading",
        (false, false) => "nothing is locked",
    };
    format!(
        "{} {} {boot}: codes {:04x}/{:04x}/{:04x}/{:04x} (hardware, sub code, hardware version, software version), BootROM \
         version {:02x}, boot loader {:02x}. Its security bits are {:#010x}: {security}.",
        if again { "Again" } else { "It is an" },
        if again {
            format!("an {} answered", id.chip.name)
        } else {
            format!("{}, which answered", id.chip.name)
        },
        c.hw_code,
        c.sub_code,
        c.hw_version,
        c.sw_version,
        id.brom_version,
        id.bl_version,
        config.0,
    )
}

/// What the agent found.
pub(super) fn storage(found: &Found, (offered, records): (u64, u64)) -> String {
    let [major, minor, chip] = found.hello;
    let nand = &found.report.nand;
    let ids: Vec<String> = nand.codes.iter().map(|c| format!("{c:02x}")).collect();
    let mut text = format!("The agent runs; it calls itself version {major}.{minor}, chip {chip:02x}. ");
    if nand.status == 0 {
        let table = if nand.has_bad_block_table { "a" } else { "no" };
        text += &format!(
            "It found a NAND chip of {} MiB, id {}: pages of {} + {} bytes, {} to a block, with {table} bad-block table.",
            nand.size >> 20,
            ids.join(" "),
            grouped(nand.page.into()),
            nand.spare,
            nand.pages_per_block,
        );
        if offered > 0 {
            text +=
                &format!(" It knew the chip by record {offered} of the {} it was offered.", grouped(records));
        }
    } else {
        text +=
            &format!("It found no usable NAND chip ({}), id {}.", status::agent(nand.status), ids.join(" "));
    }
    let report = &found.report;
    let others = [
        ("NOR flash", report.nor.status, u64::from(report.nor.size)),
        ("eMMC", report.emmc.status, report.emmc.user),
        ("SD card", report.sd.status, report.sd.size),
    ];
    let mut none = Vec::new();
    for (name, state, size) in others {
        if state == 0 {
            text += &format!(" There is {name} of {} MiB too.", grouped(size >> 20));
        } else {
            none.push(name);
        }
    }
    if !none.is_empty() {
        text += &format!(" There is no {}.", none.join(", no "));
    }
    text
}

/// What the check of the pages found.
pub(super) fn pages(counts: &Counts) -> String {
    let parts = [
        (counts.clean, "are clean"),
        (counts.correctable, "have bit errors that can be corrected"),
        (counts.damaged, "are **damaged beyond repair**"),
        (counts.blank, "are blank"),
        (counts.in_bad_blocks, "lie in bad blocks"),
        (counts.not_checked, "were not checked"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", grouped(*n))).collect();
    if told.is_empty() {
        return "Its pages were not checked.".to_owned();
    }
    format!("Of its {} {}.", counted(counts.total(), "page"), told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_did_not_occur_are_not_spoken_of() {
        let counts = Counts { clean: 1500, damaged: 1, ..Counts::default() };
        assert_eq!(pages(&counts), "Of its 1,501 pages 1,500 are clean, 1 are **damaged beyond repair**.");
        assert_eq!(pages(&Counts::default()), "Its pages were not checked.");
    }
}
