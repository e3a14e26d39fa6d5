//! Bit errors set in the flash come out in the report with their exact pages.

mod common;

use bromide_phone::{Boot, EccDelivery, Options, Phone};
use bromide_proto::agent_format::Format;
use common::*;

const START: u64 = REPLACED * BLOCK;
const FIRST: u32 = (START / PAGE) as u32;
/// A block of erased pages of the same partition.
const BLANK: u64 = (REPLACED + 100) * BLOCK;

fn flip(phone: &mut Phone, logical_page: u32, byte: u32, bit: u8) {
    // Flips are set where the page really lies.
    let block = logical_page / 64;
    let stand_in = phone.model.nand.replaced.iter().find(|r| r.bad == block).map_or(block, |r| r.by);
    phone.chip.flip(stand_in * 64 + logical_page % 64, byte, bit).unwrap();
}

/// Reads a block and gives its report as JSON, with the file's bytes.
fn report(phone: Phone, start: u64) -> (serde_json::Value, Vec<u8>, Vec<u8>) {
    let wanted = stored(&phone, start, BLOCK);
    let folder = folder();
    let file = folder.path().join("block.img");
    let wish = range(start, BLOCK, &file);
    let outcome = job(plug(phone), &da(Format::G2), &session_options(), &[wish], &read_options());
    let done = outcome.result.unwrap();
    let text = std::fs::read_to_string(&done[0].report).unwrap();
    assert!(done[0].report.ends_with("block.img.report.json"));
    (serde_json::from_str(&text).unwrap(), std::fs::read(&file).unwrap(), wanted)
}

fn pages(report: &serde_json::Value, list: &str) -> Vec<u64> {
    let entries = report[list].as_array().unwrap();
    entries
        .iter()
        .flat_map(|e| {
            let (first, n) = (e["page"].as_u64().unwrap(), e["pages"].as_u64().unwrap());
            first..first + n
        })
        .collect()
}

#[test]
fn one_to_four_wrong_bits_in_a_sector_are_correctable_and_more_are_damaged() {
    let mut phone = phone("mt6575", Boot::BootRom, Options::default());
    for page in 0..8u32 {
        // page n has n wrong bits in its second sector, scattered
        for n in 0..page {
            flip(&mut phone, FIRST + page, 528 + 37 * n, (n % 8) as u8);
        }
    }
    let (report, file, wanted) = report(phone, START);
    assert!(file == wanted, "the bytes are saved as they came");
    let at = |n: u64| u64::from(FIRST) + n;
    assert_eq!(pages(&report, "correctable"), [at(1), at(2), at(3), at(4)]);
    assert_eq!(pages(&report, "damaged"), [at(5), at(6), at(7)]);
    assert_eq!(report["damaged"][0]["sectors"], serde_json::json!([1]));
    assert_eq!(report["damaged"][0]["address"], format!("{:#x}", START + 5 * PAGE));
    assert_eq!(report["correctable"][3]["worst"], 4);
    assert_eq!(report["wrong_bits"], 10);
    assert_eq!(report["pages"]["clean"], 64 - 7);
}

#[test]
fn four_wrong_bits_in_every_sector_of_a_page_are_still_correctable() {
    let mut phone = phone("mt6575", Boot::BootRom, Options::default());
    for sector in 0..4u32 {
        for n in 0..4u32 {
            // data, FDM and parity alike: the last one lies in the parity
            flip(&mut phone, FIRST + 9, sector * 528 + [0, 300, 515, 522][n as usize], n as u8);
        }
    }
    let (report, ..) = report(phone, START);
    assert_eq!(pages(&report, "correctable"), [u64::from(FIRST) + 9]);
    assert_eq!(report["correctable"][0]["bits"], 16);
    assert_eq!(report["pages"]["damaged"], 0);
}

#[test]
fn an_erased_page_with_a_few_flips_is_blank() {
    let mut phone = phone("mt6575", Boot::BootRom, Options::default());
    let first = (BLANK / PAGE) as u32;
    for n in 0..4u32 {
        flip(&mut phone, first + 3, 528 + n * 100, 3);
    }
    for n in 0..6u32 {
        flip(&mut phone, first + 5, n * 80, 3);
    }
    let (report, ..) = report(phone, BLANK);
    assert_eq!(report["pages"]["blank"], 63);
    assert_eq!(
        pages(&report, "damaged"),
        [u64::from(first) + 5],
        "six flips in one sector are no longer blank"
    );
    assert_eq!(report["pages"]["correctable"], 0);
}

#[test]
fn a_controller_that_corrects_leaves_nothing_to_correct() {
    let options = Options { ecc: EccDelivery::Corrected, ..Options::default() };
    let mut phone = phone("mt6575", Boot::BootRom, options);
    flip(&mut phone, FIRST + 1, 100, 0);
    for n in 0..5u32 {
        flip(&mut phone, FIRST + 2, 100 + n, 0);
    }
    let folder = folder();
    let file = folder.path().join("block.img");
    let wish = range(START, BLOCK, &file);
    let done =
        job(plug(phone), &da(Format::G2), &session_options(), &[wish], &read_options()).result.unwrap();
    let counts = done[0].saved.pages.as_ref().unwrap().counts;
    assert_eq!((counts.clean, counts.correctable, counts.damaged), (63, 0, 1));
}

#[test]
fn main_bytes_alone_are_not_checked_and_say_so() {
    use bromide_proto::wire::nand_read::Shape;
    let phone = phone("mt6575", Boot::BootRom, Options::default());
    let folder = folder();
    let mut wish = range(START, BLOCK, &folder.path().join("main.img"));
    wish.shape = Shape::MainOnly;
    let done =
        job(plug(phone), &da(Format::G2), &session_options(), &[wish], &read_options()).result.unwrap();
    let pages = done[0].saved.pages.as_ref().unwrap();
    assert_eq!(pages.counts.not_checked, 64);
    assert!(pages.remarks[0].contains("not checked"));
}
