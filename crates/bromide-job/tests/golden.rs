//! The conversation byte by byte, as the specification writes it down.
//!
//! `>` host, `<` phone. Sources: `brom-preloader.md` section 8 (minimal run), `da-legacy-observed.md` sections 2 to 7
//! (G1, G2, MT6577, preloader), `da-legacy.md` section 15. What depends on the phone (random id, agent bytes, page data)
//! is left out of the comparison.

mod common;

use std::cell::RefCell;

use bromide_link::{Direction, Tap};
use bromide_phone::{Boot, Options};
use bromide_proto::agent_format::Format;
use common::*;

/// Everything both said, in turns: direction and bytes joined until the other side speaks.
fn talk(model: &str, boot: Boot, format: Format) -> Vec<(Direction, Vec<u8>)> {
    let turns: RefCell<Vec<(Direction, Vec<u8>)>> = RefCell::new(Vec::new());
    let folder = folder();
    let wish = range(REPLACED * BLOCK, 3 * PAGE, &folder.path().join("x.img"));
    let tap = Tap::new(plug(phone(model, boot, Options::default())), |direction, bytes: &[u8]| {
        let mut turns = turns.borrow_mut();
        match turns.last_mut() {
            Some((last, said)) if *last == direction => said.extend(bytes),
            _ => turns.push((direction, bytes.to_vec())),
        }
    });
    job(tap, &da(format), &session_options(), &[wish], &read_options()).result.unwrap();
    turns.into_inner()
}

/// Lines of `> hex` and `< hex`; `*` at the end of a line: anything may follow in that turn.
fn expect(turns: &[(Direction, Vec<u8>)], script: &str) {
    let mut turns = turns.iter();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let direction = if line.starts_with('>') { Direction::ToPhone } else { Direction::FromPhone };
        let open = line.ends_with('*');
        let hex: String = line[1..].chars().filter(char::is_ascii_hexdigit).collect();
        let wanted: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let (who, said) = turns.next().unwrap_or_else(|| panic!("the conversation ends before: {line}"));
        assert_eq!(*who, direction, "{line}");
        let shown: String = said.iter().take(40).map(|b| format!("{b:02x}")).collect();
        let equal = if open { said.starts_with(&wanted) } else { *said == wanted };
        assert!(equal, "wanted {line}\nheard  {shown} ({} bytes)", said.len());
    }
    assert_eq!(turns.next(), None, "more was said than the specification has");
}

/// Start sequence, chip, versions.
fn start(sub_code: &str) -> String {
    format!(
        "> a0\n< 5f\n> 0a\n< f5\n> 50\n< af\n> 05\n< fa\n> fd\n< fd 6575 0000\n> fc\n< fc {sub_code} cb00 e201 0000\n"
    )
}

const WATCHDOG_OFF: &str = "
    > d0\n< d0\n> c0000000\n< c0000000\n> 00000001\n< 00000001 0000 0000 0000
    > d2\n< d2\n> c0000000\n< c0000000\n> 00000001\n< 00000001 0000\n> 2200\n< 2200 0000
";
/// The two words that only a virtual phone answers so; asked before a demo agent is sent, and never else.
const WATERMARK: &str = "
    > d0\n< d0\n> c0000014\n< c0000014\n> 00000001\n< 00000001 0000 b20d 0000
    > d0\n< d0\n> c0000018\n< c0000018\n> 00000001\n< 00000001 0000 171d 0000
";
const REMAP: &str = "
    > d1\n< d1\n> c0003070\n< c0003070\n> 00000001\n< 00000001 0000 00000000 0000
    > d4\n< d4\n> c0003070\n< c0003070\n> 00000001\n< 00000001 0000\n> 00000002\n< 00000002 0000
";
/// The demo's agent has 0x1e100 bytes with its signature; its checksum is the phone's to say.
const UPLOAD: &str = "
    > d7\n< d7\n> c2000000\n< c2000000\n> 0001e100\n< 0001e100\n> 00000100\n< 00000100 0000
    > *\n< *\n> d5\n< d5
";

/// Ten records do not match, the eleventh does.
fn table(count: &str) -> String {
    let refused = "> *\n< 69\n".repeat(10);
    format!("< 5a 00000038\n> {count}\n< 5a\n{refused}> *\n< 5a *\n")
}

#[test]
fn g2_from_the_bootrom_of_an_mt6575() {
    let script = [
        &start("8a00"),
        WATCHDOG_OFF,
        "> fe\n< fe\n> d8\n< d8 00000000 0000\n> ff\n< 05\n> fe\n< fe\n",
        WATERMARK,
        REMAP,
        UPLOAD,
        "> c2000000\n< c2000000 0000 c0 03 02 84\n",
        "> 05 fe 00 08 00 7007ffff 00 00000050 02 01 02 00\n",
        &table("00000011"),
        // three pages from block 1000, two a packet
        "> df 00 00 0000000007d00000 0000000000001800 00000000\n",
        "< 5a 00000800 00000040 00000840\n> 00000002\n< 00000000000018c0 *\n> 5a\n< *\n",
        "> 5a 72\n< 5a 00\n> d9\n< 5a\n> 00000000\n< 5a\n",
    ];
    expect(&talk("mt6575", Boot::BootRom, Format::G2), &script.concat());
}

#[test]
fn g1_from_the_bootrom_of_an_mt6577() {
    let script = [
        &start("8b00"),
        "> d1\n< d1\n> c0009024\n< c0009024\n> 00000001\n< 00000001 0000 00000000 0000\n",
        WATCHDOG_OFF,
        "> fe\n< fe\n> d8\n< d8 00000000 0000\n> ff\n< 05\n> fe\n< fe\n",
        WATERMARK,
        REMAP,
        UPLOAD,
        "> c2000000\n< c2000000 0000 c0 03 02 85\n",
        "> 05 fe 00 08 00 7007ffff 00000050 02 00\n",
        // the MT6577 has the sixth part of the table
        "< 5a 00000038\n> 00000011\n< 5a\n",
        &"> *\n< 69\n".repeat(5),
        "> *\n< 5a *\n> f0\n< 00000bfa\n",
        "> df 00 00 07d00000 00001800 00000000\n",
        "< 5a 00000800 00000040 00000840\n> 00000002\n< 000018c0 *\n> 5a\n< *\n",
        "> 5a 72\n< 5a 00\n> d9\n< 5a\n> 00000000\n< 5a\n",
    ];
    expect(&talk("mt6577", Boot::BootRom, Format::G1), &script.concat());
}

#[test]
fn g2_from_a_preloader_leaves_the_remap_register_alone_and_passes_its_version_on() {
    let turns = talk("mt6575", Boot::Preloader, Format::G2);
    // READY comes first and between; from the chip code on everything is in step.
    let chip = turns.iter().position(|(d, b)| *d == Direction::ToPhone && *b == [0xfd]).unwrap();
    let versions = &start("8a00");
    let (_, after_start) = versions.split_at(versions.find("> fd").unwrap());
    let script = [
        after_start,
        WATCHDOG_OFF,
        "> fe\n< 01\n> d8\n< d8 00000000 0000\n> ff\n< ff\n> fe\n< 01\n",
        WATERMARK,
        UPLOAD,
        "> c2000000\n< c2000000 0000 c0 03 02 84\n",
        "> ff 01 00 08 00 7007ffff 00 00000050 02 01 02 00\n",
        &table("00000011"),
        "> df 00 00 0000000007d00000 0000000000001800 00000000\n",
        "< 5a 00000800 00000040 00000840\n> 00000002\n< 00000000000018c0 *\n> 5a\n< *\n",
        "> 5a 72\n< 5a 01\n> d9\n< 5a\n> 00000000\n< 5a\n",
    ];
    expect(&turns[chip..], &script.concat());
}
