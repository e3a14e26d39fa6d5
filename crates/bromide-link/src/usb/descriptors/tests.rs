//! The published layouts, byte for byte, and hostile ones.

use super::*;
use proptest::prelude::*;

/// Hexadecimal bytes with spaces and line ends between them.
fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

// usbip-cdc.md sections 2 to 4.
const P1: &str = "09 02 46 00 02 01 03 c0 fa  09 04 00 00 02 0a 00 00 04
    08 05 01 02 00 02 00 00  08 05 81 02 00 02 00 00  09 04 01 00 01 02 02 01 05
    05 24 00 10 01  04 24 02 0f  05 24 06 01 00  05 24 01 03 00  08 05 83 03 40 00 10 00";
const P2: &str = "09 02 43 00 02 01 03 c0 fa  09 04 00 00 01 02 02 01 05
    05 24 00 10 01  04 24 02 0f  05 24 06 00 01  05 24 01 03 01  07 05 83 03 40 00 10
    09 04 01 00 02 0a 00 00 04  07 05 01 02 00 02 00  07 05 81 02 00 02 00";
// As P1, but the data interface, listed first, carries number 1.
const P3: &str = "09 02 46 00 02 01 03 c0 fa  09 04 01 00 02 0a 00 00 04
    08 05 01 02 00 02 00 00  08 05 81 02 00 02 00 00  09 04 00 00 01 02 02 01 05
    05 24 00 10 01  04 24 02 0f  05 24 06 00 01  05 24 01 03 01  08 05 83 03 40 00 10 00";
const B1: &str = "09 02 43 00 02 01 00 c0 fa  09 04 00 00 01 02 02 01 00
    05 24 00 10 01  04 24 02 0f  05 24 06 00 01  05 24 01 03 01  07 05 83 03 40 00 10
    09 04 01 00 02 0a 00 00 00  07 05 01 02 40 00 00  07 05 81 02 40 00 00";
const B2: &str = "09 02 43 00 02 01 00 80 fa  09 04 00 00 02 0a 00 00 00
    07 05 01 02 40 00 00  07 05 81 02 40 00 00  09 04 01 00 01 02 02 01 00
    05 24 00 10 01  04 24 02 0f  05 24 06 01 00  05 24 01 03 00  07 05 84 03 10 00 03";
const D0: &str = "09 02 43 00 02 01 00 80 fa  09 04 00 00 02 0a 00 00 00
    07 05 81 02 00 02 00  07 05 01 02 00 02 00  09 04 01 00 01 02 02 01 00
    05 24 00 10 01  04 24 02 0f  05 24 06 01 00  05 24 01 03 00  07 05 84 03 08 00 01";
const D1: &str = "09 02 43 00 02 01 00 80 fa  09 04 00 00 01 02 02 01 01
    05 24 00 10 01  04 24 02 0f  05 24 06 00 01  05 24 01 03 01  07 05 84 03 08 00 01
    09 04 01 00 02 0a 00 00 02  07 05 81 02 00 02 00  07 05 01 02 00 02 00";
const DEVICE_2000: &str = "12 01 00 02 02 00 00 40 8d 0e 00 20 00 01 01 02 00 01";

fn usual(control: u8, data: u8, packet: u16) -> Interfaces {
    Interfaces {
        control: Some(control),
        data,
        ep_in: 0x81,
        ep_out: 0x01,
        packet_in: packet,
        packet_out: packet,
    }
}

#[test]
fn every_published_layout_is_understood() {
    for (name, text, control, data, packet) in [
        ("P1", P1, 1, 0, 512),
        ("P2", P2, 0, 1, 512),
        ("P3", P3, 0, 1, 512),
        ("B1", B1, 0, 1, 64),
        ("B2", B2, 1, 0, 64),
        ("D0", D0, 1, 0, 512),
        ("D1", D1, 0, 1, 512),
    ] {
        let bytes = hex(text);
        assert_eq!(usize::from(bytes[2]), bytes.len(), "{name}: its own total");
        assert_eq!(Interfaces::parse(&bytes, None), Ok(usual(control, data, packet)), "{name}");
    }
}

#[test]
fn a_device_descriptor_may_come_first() {
    let mut bytes = hex(DEVICE_2000);
    bytes.extend(hex(P1));
    assert_eq!(Interfaces::parse(&bytes, Some(1)), Ok(usual(1, 0, 512)));
}

#[test]
fn of_several_configurations_the_active_one_counts() {
    let (mut bytes, mut second) = (hex(B2), hex(D1));
    second[5] = 7;
    bytes.extend(second);
    assert_eq!(Interfaces::parse(&bytes, Some(7)), Ok(usual(0, 1, 512)));
    assert_eq!(Interfaces::parse(&bytes, Some(1)), Ok(usual(1, 0, 64)));
    assert_eq!(Interfaces::parse(&bytes, Some(9)), Ok(usual(1, 0, 64)), "no such value: the first");
}

#[test]
fn without_a_union_the_classes_decide() {
    let text = B2.replace("05 24 06 01 00", "").replace("09 02 43", "09 02 3e");
    assert_eq!(Interfaces::parse(&hex(&text), None), Ok(usual(1, 0, 64)));
}

#[test]
fn a_union_with_its_two_sides_exchanged_is_understood() {
    let text = P1.replace("05 24 06 01 00", "05 24 06 00 01");
    assert_eq!(Interfaces::parse(&hex(&text), None), Ok(usual(1, 0, 512)));
}

#[test]
fn a_union_that_names_interfaces_that_do_not_exist_is_ignored() {
    let text = P2.replace("05 24 06 00 01", "05 24 06 09 08");
    assert_eq!(Interfaces::parse(&hex(&text), None), Ok(usual(0, 1, 512)));
}

#[test]
fn of_two_data_interfaces_the_one_with_a_union_is_taken() {
    let lonely = "09 04 04 00 02 0a 00 00 00  07 05 05 02 00 02 00  07 05 85 02 00 02 00";
    let mut bytes = hex(P1);
    let tail = bytes.split_off(9);
    bytes.extend(hex(lonely));
    bytes.extend(tail);
    bytes[2] = bytes.len() as u8;
    assert_eq!(Interfaces::parse(&bytes, None), Ok(usual(1, 0, 512)));
}

#[test]
fn without_the_data_class_a_pair_of_bulk_endpoints_is_enough() {
    // P4 of usbip-cdc.md section 2.3 has a third interface of class FF/FF/0; here it is the only one.
    let text =
        "09 02 20 00 01 01 00 80 fa  09 04 02 00 02 ff ff 00 00  07 05 02 02 00 02 00  07 05 83 02 00 02 00";
    assert_eq!(
        Interfaces::parse(&hex(text), None),
        Ok(Interfaces { control: None, data: 2, ep_in: 0x83, ep_out: 0x02, packet_in: 512, packet_out: 512 })
    );
}

#[test]
fn mass_storage_is_not_taken_for_a_byte_stream() {
    let text =
        "09 02 20 00 01 01 00 80 fa  09 04 00 00 02 08 06 50 00  07 05 01 02 00 02 00  07 05 81 02 00 02 00";
    assert_eq!(Interfaces::parse(&hex(text), None), Err(DescriptorError::NoPair(1)));
}

#[test]
fn what_follows_a_descriptor_of_length_zero_does_not_exist() {
    let broken = P2.replace("05 24 01 03 01", "00 24 01 03 01");
    assert_eq!(Interfaces::parse(&hex(&broken), None), Err(DescriptorError::NoPair(1)));
    let behind = format!("{P1} 00 24 06 00 00").replace("09 02 46", "09 02 4b");
    assert_eq!(Interfaces::parse(&hex(&behind), None), Ok(usual(1, 0, 512)));
}

#[test]
fn endpoints_of_other_settings_and_empty_packets_do_not_count() {
    let text = "09 02 00 00 01 01 00 80 fa  09 04 00 00 01 0a 00 00 00  07 05 01 02 00 02 00
        09 04 00 01 01 0a 00 00 00  07 05 81 02 00 02 00";
    let mut bytes = hex(text);
    bytes[2] = bytes.len() as u8;
    assert_eq!(Interfaces::parse(&bytes, None), Err(DescriptorError::NoPair(1)));
    let empty = B2.replace("07 05 81 02 40 00 00", "07 05 81 02 00 00 00");
    assert_eq!(Interfaces::parse(&hex(&empty), None), Err(DescriptorError::NoPair(2)));
}

#[test]
fn a_total_that_is_wrong_does_no_harm() {
    let mut long = hex(D0);
    (long[2], long[3]) = (0xff, 0xff);
    assert_eq!(Interfaces::parse(&long, None), Ok(usual(1, 0, 512)));
    let mut short = hex(D0);
    (short[2], short[3]) = (0, 0);
    assert_eq!(Interfaces::parse(&short, None), Err(DescriptorError::NoPair(0)));
}

#[test]
fn nothing_at_all_is_no_configuration() {
    for bytes in [&[][..], &[0], &[9], &[0, 2], &[9, 2, 9, 0], &hex(DEVICE_2000)] {
        assert_eq!(Interfaces::parse(bytes, None), Err(DescriptorError::NoConfiguration), "{bytes:02x?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400), active: Option<u8>) {
        let _ = Interfaces::parse(&bytes, active);
    }

    #[test]
    fn a_damaged_descriptor_gives_endpoints_that_can_be_used_or_an_error(
        which in 0usize..7, hits in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), cut: u8
    ) {
        let mut bytes = hex([P1, P2, P3, B1, B2, D0, D1][which]);
        for (at, value) in hits {
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len().max(1) - usize::from(cut) % 4);
        if let Ok(found) = Interfaces::parse(&bytes, Some(1)) {
            prop_assert!(found.packet_in > 0 && found.packet_out > 0);
            prop_assert!((0x81..=0x8f).contains(&found.ep_in) && (0x01..=0x0f).contains(&found.ep_out));
            prop_assert_ne!(found.control, Some(found.data));
        }
    }
}
