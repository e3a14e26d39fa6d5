//! The specification's own examples, of hosts and agents this repository has no part of.
//!
//! `>` host, `<` phone; `n*xx` repeats a byte. Sources: `brom-preloader.md` section 4, `da-legacy-observed.md` sections
//! 2, 7 and 8, `da-legacy-device.md` sections 5 to 9 and 13.

use std::path::PathBuf;

use bromide_proto::bus::Face;
use bromide_proto::link::Direction;

use crate::said::{Said, sighting, write};
use crate::tshark::{Sheet, there};

fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let (times, hex) = word.split_once('*').map_or((1, word), |(n, hex)| (n.parse().unwrap(), hex));
        for _ in 0..times {
            out.extend((0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()));
        }
    }
    out
}

fn script(pid: u16, text: &str) -> Vec<Said> {
    let mut said = vec![Said::Opened(sighting(Face::BootRom, pid))];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let direction = if line.starts_with('>') { Direction::ToPhone } else { Direction::FromPhone };
        said.push(Said::Bytes(direction, bytes(&line[1..])));
    }
    said
}

fn recorded(pid: u16, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spec.pcapng");
    write(&file, &script(pid, text));
    (folder, file)
}

const START: &str = "> a0\n< 5f\n> 0a\n< f5\n> 50\n< af\n> 05\n< fa\n";
const JUMP: &str = "> d5\n< d5\n> c2000000\n< c2000000\n< 0000\n";

#[test]
fn the_commands_of_a_vendor_host_before_the_upload_are_understood() {
    if !there() {
        return;
    }
    // Battery check over I2C, power latch, identity, certificate not needed, identity without a length.
    let text = format!(
        "{START}
        > b0\n< b0 0000
        > b4\n< b4\n> 00000000\n< 00000000\n> 00000064\n< 00000064\n< 0000 0000
        > b2\n< b2\n> 000000c0\n< 000000c0\n> 00000001\n< 00000001\n< 0000\n> 28\n< 0000
        > b3\n< b3\n> 000000c0\n< 000000c0\n> 00000001\n< 00000001\n< 0000\n< 00\n< 0000
        > b1\n< b1 0000
        > d2\n< d2\n> c1003074\n< c1003074\n> 00000001\n< 00000001\n< 0000\n> 0001\n< 0001\n< 0000
        > a2\n< a2\n> 70026000\n< 70026000\n> 00000002\n< 00000002\n< 1234 5678
        > e1\n< e1 00000010 16*00 0000
        > e1\n< e1 00000000
        > e0\n< e0\n> 00000004\n< 00000004\n< 1d0c
        > e3\n< e3 7017
        > fb\n< fb 00000000 00000000
        > dc\n< dc\n> 000e1000\n< 000e1000\n< 0000
        > d7\n< d7\n> c2000000\n< c2000000\n> 00000003\n< 00000003\n> 00000000\n< 00000000\n< 0000
        > 01 02 03\n< 0202 0000
        {JUMP}"
    );
    let (_folder, file) = recorded(3, &text);
    // The certificate's answer is an error number that means success, so nothing is odd here.
    let sheet = Sheet::of(&file);
    sheet.assert_understood();
    let names = sheet.values("mtk.brom.cmd_name");
    let wanted = "I2C_INIT I2C_SET_SPEED I2C_WRITE8 I2C_READ8 I2C_DEINIT WRITE16 READ16_OLD GET_ME_ID GET_ME_ID \
                  SEND_CERT SLA_CHALLENGE GET_PL_CAP SET_UART_SPEED SEND_DA JUMP_DA";
    assert_eq!(names.join(" "), wanted);
    assert_eq!(sheet.values("mtk.brom.checksum"), ["0x0202"], "the specification's own sum of 01 02 03");
}

#[test]
fn a_refused_agent_is_told_with_the_name_of_its_status() {
    if !there() {
        return;
    }
    let text = format!(
        "{START}> d7\n< d7\n> c2000000\n< c2000000\n> 00000004\n< 00000004\n> 00000000\n< 00000000\n< 1d0d"
    );
    let (_folder, file) = recorded(3, &text);
    let sheet = Sheet::of(&file);
    let told = sheet.at("mtk.brom.status", "0x1d0d");
    assert!(
        told[0].get("_ws.expert.message").contains("SEND_DA answered 0x1d0d, authentication required"),
        "{told:?}"
    );
}

#[test]
fn read_backs_of_both_reference_hosts_are_understood_in_the_middle_of_a_session() {
    if !there() {
        return;
    }
    // Two pages of zeros, one a packet; the second is asked for again. The format shows in the request's length.
    let page = "< 2112*00 0000";
    let header = "< 5a 00000800 00000040 00000840\n> 00000001";
    let requests =
        ["> df 00 01 00020000 00001000 00000000", "> df 00 01 0000000000020000 0000000000001000 00000000"];
    for (request, total) in requests.iter().zip(["< 00001080", "< 0000000000001080"]) {
        let text =
            format!("{request}\n{header}\n{total}\n{page}\n> 5a\n{page}\n> 69\n{page}\n> 5a\n> 72\n< 5a 01");
        let (_folder, file) = recorded(0x2001, &text);
        let sheet = Sheet::of(&file);
        sheet.assert_understood();
        assert_eq!(sheet.values("mtk.da.address"), ["0x0000000000020000"]);
        assert_eq!(sheet.values("mtk.da.answer"), ["0x5a", "0x5a", "0x69", "0x5a", "0x5a"]);
        assert_eq!(sheet.values("mtk.da.cmd_name"), ["NAND_READ", "USB_STATUS"]);
    }
}

#[test]
fn a_stopped_read_and_a_refused_one_leave_the_agent_at_its_commands() {
    if !there() {
        return;
    }
    let text = "
        > df 00 00 0000000000000000 0000000000001000 00000000
        < 5a 00000800 00000040 00000840\n> 00000001\n< 0000000000001080\n< 2112*00 0000\n> 96
        > df 00 00 00000000ff000000 0000000000001000 00000000\n< a5 00000bd8
        > d6 0c 01 0000000000000000 0000000000001000\n< a5 000003eb
        > a2\n< a5 0000040d
        > d9\n< 5a\n> 00000000\n< 5a";
    let (_folder, file) = recorded(0x2001, text);
    let sheet = Sheet::of(&file);
    sheet.assert_understood();
    let told = sheet.having("mtk.refused");
    let wanted = ["0xbd8, start address out of range", "0x3eb, storage kind", "0x40d, no partition table"];
    assert_eq!(told.len(), wanted.len());
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.get("_ws.expert.message").contains(wanted), "{told:?}");
    }
}

/// `da-legacy-device.md` section 13, with a second stage of 0x1800 bytes, and commands of an eMMC agent.
#[test]
fn a_two_stage_agent_and_its_emmc_commands_are_understood() {
    if !there() {
        return;
    }
    let nor = "00000bc3 0008 ffff 20*00";
    let nand = "00000bc0 00 ffff 00000000 0005 10*00 0000 0000 0000 00 00 00";
    let report =
        format!("{nor} {nand} 00000000 88*00 00000c4a 24*00 00000000 00020000 00000000 02 00 8*00 16*11");
    let start = format!(
        "{START}{JUMP}
        < c0
        < 00000bc0 0005 10*00 00000000 16*15
        > 5a
        < 04 02 87
        > 05 fe 00 08 00 7007ffff 00 00000000 02 01 02 00
        > 00000000
        < 00000000
        > 80000000 00001800 00001000\n< 5a
        > 4096*33\n< 5a\n> 2048*44\n< 5a\n< 5a\n> 5a
        < {report}\n< 5a 00000c06 00000409 c1"
    );
    let commands = "
        > 60\n< 5a\n> 08\n< 5a
        > d6 0c 02 0000000000001000 0000000000000018\n< 5a\n> 00000010\n< 16*01 0010\n> 5a\n< 8*01 0008\n> 5a
        > 62 02 08 0000000000000000 0000000000000010 00000010\n< 5a\n> 5a\n> 16*01\n> 0010\n< 69
        > d4 02 00 00 00 0000000000000000 0000000000100000\n< 5a 5a\n< 00000000 64\n> 5a\n< 5a 5a
        > 63\n< 5a 00000001
        > 99\n< 00000c53\n> d0\n< 000000a5\n> ef\n< 00000bfa\n> e0 00000000\n< 5a\n> b4 00000000\n< 00001799
        > a5\n< 5a 00000060\n> 5a\n< 96*00\n> 5a
        > e8 ffffffff\n< 5a\n> 80000001\n< 00000bba
        > d7 c0000000 2200\n< 5a\n> d8 c0000000\n< 2200 5a\n> bc\n< 32*00\n> a3\n< 5a 01 0001 0002\n> 5a
        > b3 00 00 00000001 00000001 00000840 00000000\n< 5a\n> 5a\n> 2112*00 0000\n< 69
        > 70 01\n< 5a";
    let (_folder, file) = recorded(3, &format!("{start}{commands}"));
    let sheet = Sheet::of(&file);
    sheet.assert_understood();
    let wanted = "SWITCH_PARTITION READ WRITE_RAW FORMAT CARD_TEST CMD_99 BATTERY CMD_EF PC_SECURITY_INFO \
                  SECURITY_RECORD PARTITION_TABLE_SD ENABLE_DRAM WRITE_REG16 READ_REG16 CUSTOMER_NAME BAD_BLOCK_TABLE \
                  NAND_WRITE_RAW USB_SETUP";
    assert_eq!(sheet.values("mtk.da.cmd_name").join(" "), wanted);
    assert_eq!(sheet.values("mtk.da.chip"), ["0x87"]);
    assert_eq!(sheet.at("mtk.da.cmd", "0xd6")[0].get("_ws.col.Info"), "DA READ eMMC 0x1000+0x18");
}

#[test]
fn every_command_of_the_specification_has_a_name() {
    if !there() {
        return;
    }
    let brom = "a2 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ba bf c4 c5 c6 c7 c8 d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 da db dc dd de df \
                e0 e1 e2 e3 e7 fb fc fd fe ff";
    let agent = "51 52 60 61 62 63 70 72 73 96 99 9a 9b 9c 9d 9e a1 a2 a3 a4 a5 a6 a7 a8 b3 b4 b5 b6 b9 ba bb bc bd be \
                 bf d0 d2 d3 d4 d5 d6 d7 d8 d9 da db dd de df e0 e8 e9 ea eb ec ed ee ef f0 fe";
    for (pid, list, start, field) in
        [(3, brom, START, "mtk.brom.cmd"), (0x2001, agent, "> 72\n< 5a 01\n", "mtk.da.cmd")]
    {
        let mut said = Vec::new();
        // A phone each: what follows an abandoned command is not the matter here.
        for code in list.split_whitespace() {
            said.extend(script(pid, &format!("{start}> {code}")));
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.pcapng");
        write(&file, &said);
        let sheet = Sheet::of(&file);
        assert!(sheet.having("mtk.unknown").is_empty());
        let mut codes = sheet.values(field);
        codes.dedup();
        let named = codes.iter().filter(|code| **code != "0x72" || field == "mtk.brom.cmd").count();
        let wanted = list.split_whitespace().filter(|code| *code != "72").count();
        assert_eq!(named, wanted, "{codes:?}");
    }
}

#[test]
fn arguments_that_nobody_knows_end_at_the_next_command() {
    if !there() {
        return;
    }
    let text = format!("{START}> c4\n< c4\n> 00000010\n< 00000010\n< 0000\n> fd\n< fd 6575 0000");
    let (_folder, file) = recorded(3, &text);
    let sheet = Sheet::of(&file);
    sheet.assert_understood();
    assert_eq!(sheet.values("mtk.brom.cmd_name"), ["PMIC_C4", "GET_HW_CODE"]);
    assert_eq!(sheet.values("mtk.brom.hw_code"), ["0x6575"]);
}
