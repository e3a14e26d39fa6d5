//! Sentences about the phone, its storage and its pages.

use bromide_job::pagecheck::{Counts, PageSummary};
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
            text += &format!(
                " Of the table of NAND chips it was offered ({}), record {offered} fitted.",
                counted(records, "record")
            );
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

/// What the check of the pages found: first whether they are good.
pub(super) fn verdict(pages: Option<&PageSummary>, recoveries: u32) -> String {
    let requests = match recoveries {
        0 => "no request had to be repeated".to_owned(),
        n => format!("the cable needed help: {} had to be repeated", counted(n.into(), "request")),
    };
    let Some(pages) = pages else {
        return format!("Whether its pages are good was not checked; {requests}.");
    };
    let mut text = judged(pages.counts, pages.wrong_bits, &requests);
    text += &blocks(&pages.bad_blocks, &pages.replaced);
    for remark in &pages.remarks {
        text += &format!(" {}", super::sentence(remark));
    }
    text
}

fn judged(c: Counts, wrong_bits: u64, requests: &str) -> String {
    if c.not_checked == c.total() {
        let pages = counted(c.total(), "page");
        return format!("Not judged: its {pages} were not checked; {requests}.");
    }
    let mut told = Vec::new();
    let mut tell = |n: u64, one: &str, many: &str| {
        if n > 0 {
            told.push(format!("{} {}", grouped(n), if n == 1 { one } else { many }));
        }
    };
    tell(
        c.clean,
        "carries data whose parity finds no wrong bit",
        "carry data whose parity finds no wrong bit",
    );
    tell(c.blank, "was never written (all FF)", "were never written (all FF)");
    tell(c.in_bad_blocks, "lies in a block marked bad", "lie in blocks marked bad");
    tell(c.not_checked, "was not checked", "were not checked");
    let correctable = match c.correctable {
        0 => "none has to be corrected".to_owned(),
        n => format!(
            "{} with {} in all can be corrected by parity (the file has them as they are)",
            grouped(n),
            counted(wrong_bits, "wrong bit")
        ),
    };
    let damaged = match c.damaged {
        0 => "none is damaged".to_owned(),
        n => format!("**{} beyond repair**", if n == 1 { "1 is".to_owned() } else { grouped(n) + " are" }),
    };
    let good = match c {
        _ if c.damaged > 0 => "Not all good",
        _ if c.not_checked > 0 => "Judged in part",
        _ => "Good",
    };
    let told = if told.is_empty() { String::new() } else { format!(" {};", told.join(", ")) };
    format!("{good}: of {}{told} {correctable}, {damaged}; {requests}.", counted(c.total(), "page"))
}

/// Blocks that are bad, or stand in for such.
fn blocks(bad: &[u32], replaced: &[(u32, u16)]) -> String {
    /// More are counted only; the report has them.
    const NAMED: usize = 8;
    let list = |names: Vec<String>| {
        let more = names.len().saturating_sub(NAMED);
        let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{named} and {} more", grouped(more as u64)) } else { named }
    };
    let mut text = String::new();
    if !bad.is_empty() {
        let names = bad.iter().map(u32::to_string).collect();
        text += &format!(" Marked bad: block {}.", list(names));
    }
    if !replaced.is_empty() {
        // By logical address the phone gives the pages of the substitute in the place of the bad block.
        let names = replaced.iter().map(|(block, stands_for)| {
            if *block == u32::from(*stands_for) {
                format!("block {block} by another, from which it was read")
            } else {
                format!("block {stands_for} by block {block}")
            }
        });
        text += &format!(" Replaced because bad: {}.", list(names.collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_comes_first_and_pages_that_did_not_occur_are_not_spoken_of() {
        let good = Counts { clean: 1500, blank: 1, ..Counts::default() };
        assert_eq!(
            judged(good, 0, "no request had to be repeated"),
            "Good: of 1,501 pages 1,500 carry data whose parity finds no wrong bit, 1 was never written (all FF); none \
             has to be corrected, none is damaged; no request had to be repeated."
        );
        let worn = judged(Counts { clean: 2, correctable: 3, ..Counts::default() }, 5, "x");
        assert!(worn.starts_with("Good: ") && worn.contains("3 with 5 wrong bits in all can be corrected"));
        let told = judged(Counts { clean: 2, damaged: 1, ..Counts::default() }, 0, "x");
        assert!(told.starts_with("Not all good: of 3 pages 2 carry "), "{told}");
        assert!(told.ends_with("**1 is beyond repair**; x."), "{told}");
        let unknown = judged(Counts { not_checked: 5, ..Counts::default() }, 0, "x");
        assert_eq!(unknown, "Not judged: its 5 pages were not checked; x.");
        assert!(verdict(None, 2).ends_with("the cable needed help: 2 requests had to be repeated."));
    }

    #[test]
    fn bad_blocks_and_their_substitutes_are_named_and_many_are_counted() {
        let bad: Vec<u32> = (100..120).collect();
        assert_eq!(
            blocks(&bad, &[(7, 7), (4000, 9)]),
            " Marked bad: block 100, 101, 102, 103, 104, 105, 106, 107 and 12 more. Replaced because bad: block 7 by \
             another, from which it was read, block 9 by block 4000."
        );
        assert_eq!(blocks(&[], &[]), "");
    }
}
