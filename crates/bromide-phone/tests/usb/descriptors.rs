//! Endpoint 0: every table byte by byte, every rule of `usbip-cdc.md` section 5.

use core::time::Duration;

use bromide_phone::usb::{Face, Layout, Speed, UsbOptions};

use crate::client::{Client, STALL, list};
use crate::host::hex;
use crate::served::{Served, boot_rom, preloader};

const DEVICE_2000: &str = "12 01 00 02 02 00 00 40 8d 0e 00 20 00 01 01 02 00 01";
const DEVICE_0003: &str = "12 01 00 02 02 00 00 40 8d 0e 03 00 00 01 00 00 00 01";
const DEVICE_2001: &str = "12 01 10 01 02 00 00 40 8d 0e 01 20 00 01 00 00 00 01";

const P1: &str = "09 02 46 00 02 01 03 c0 fa 09 04 00 00 02 0a 00 00 04 08 05 01 02 00 02 00 00
    08 05 81 02 00 02 00 00 09 04 01 00 01 02 02 01 05 05 24 00 10 01 04 24 02 0f 05 24 06 01 00
    05 24 01 03 00 08 05 83 03 40 00 10 00";
const P2: &str = "09 02 43 00 02 01 03 c0 fa 09 04 00 00 01 02 02 01 05 05 24 00 10 01 04 24 02 0f
    05 24 06 00 01 05 24 01 03 01 07 05 83 03 40 00 10 09 04 01 00 02 0a 00 00 04 07 05 01 02 00 02 00
    07 05 81 02 00 02 00";
const P3: &str = "09 02 46 00 02 01 03 c0 fa 09 04 01 00 02 0a 00 00 04 08 05 01 02 00 02 00 00
    08 05 81 02 00 02 00 00 09 04 00 00 01 02 02 01 05 05 24 00 10 01 04 24 02 0f 05 24 06 00 01
    05 24 01 03 01 08 05 83 03 40 00 10 00";
const B1: &str = "09 02 43 00 02 01 00 c0 fa 09 04 00 00 01 02 02 01 00 05 24 00 10 01 04 24 02 0f
    05 24 06 00 01 05 24 01 03 01 07 05 83 03 40 00 10 09 04 01 00 02 0a 00 00 00 07 05 01 02 40 00 00
    07 05 81 02 40 00 00";
const B2: &str = "09 02 43 00 02 01 00 80 fa 09 04 00 00 02 0a 00 00 00 07 05 01 02 40 00 00
    07 05 81 02 40 00 00 09 04 01 00 01 02 02 01 00 05 24 00 10 01 04 24 02 0f 05 24 06 01 00
    05 24 01 03 00 07 05 84 03 10 00 03";
const D0: &str = "09 02 43 00 02 01 00 80 fa 09 04 00 00 02 0a 00 00 00 07 05 81 02 00 02 00
    07 05 01 02 00 02 00 09 04 01 00 01 02 02 01 00 05 24 00 10 01 04 24 02 0f 05 24 06 01 00
    05 24 01 03 00 07 05 84 03 08 00 01";
const D1: &str = "09 02 43 00 02 01 00 80 fa 09 04 00 00 01 02 02 01 01 05 24 00 10 01 04 24 02 0f
    05 24 06 00 01 05 24 01 03 01 07 05 84 03 08 00 01 09 04 01 00 02 0a 00 00 02 07 05 81 02 00 02 00
    07 05 01 02 00 02 00";

#[test]
fn the_tables_are_the_published_ones_and_full_speed_differs_in_the_bulk_packets_only() {
    for (layout, face, device, configuration) in [
        (Layout::P1, Face::Preloader, DEVICE_2000, P1),
        (Layout::P2, Face::Preloader, DEVICE_2000, P2),
        (Layout::P3, Face::Preloader, DEVICE_2000, P3),
        (Layout::B1, Face::BootRom, DEVICE_0003, B1),
        (Layout::B2, Face::BootRom, DEVICE_0003, B2),
        (Layout::D0, Face::Agent, DEVICE_2001, D0),
        (Layout::D1, Face::Agent, DEVICE_2001, D1),
    ] {
        assert_eq!(layout.device(face)[..], hex(device), "{layout:?}");
        assert_eq!(layout.configuration(face.speed()), hex(configuration), "{layout:?}");
        let full = hex(&configuration.replace("02 00 02 00", "02 40 00 00"));
        assert_eq!(layout.configuration(Speed::Full), full, "{layout:?}");
    }
}

#[test]
fn a_host_that_enumerates_reads_the_tables_and_a_short_wish_is_cut() {
    for (layout, device, configuration) in
        [(Layout::P1, DEVICE_2000, P1), (Layout::P2, DEVICE_2000, P2), (Layout::P3, DEVICE_2000, P3)]
    {
        let mut usb = UsbOptions::default();
        usb.set_layout(layout);
        let served = Served::usbip(preloader(Duration::from_secs(60), usb));
        let mut host = Client::wait_for(&served.address);
        assert_eq!(host.descriptor(1, 0, 64), Ok(hex(device)));
        assert_eq!(host.descriptor(1, 0, 8), Ok(hex(device)[..8].to_vec()));
        assert_eq!(host.descriptor(2, 0, 9), Ok(hex(configuration)[..9].to_vec()));
        assert_eq!(host.descriptor(2, 0, 512), Ok(hex(configuration)));
        served.finish();
    }
    for (layout, configuration) in [(Layout::B1, B1), (Layout::B2, B2)] {
        let mut usb = UsbOptions::default();
        usb.set_layout(layout);
        let served = Served::usbip(boot_rom(usb));
        let mut host = Client::wait_for(&served.address);
        assert_eq!(host.descriptor(1, 0, 18), Ok(hex(DEVICE_0003)));
        assert_eq!(host.descriptor(2, 0, 67), Ok(hex(configuration)));
        assert_eq!(host.descriptor(3, 1, 255), Err(STALL));
        assert_eq!(host.descriptor(6, 0, 10), Err(STALL));
        served.finish();
    }
}

#[test]
fn standard_requests_are_answered_as_the_notes_say_and_all_others_stalled() {
    let served = Served::usbip(preloader(Duration::from_secs(60), UsbOptions::default()));
    let mut host = Client::wait_for(&served.address);
    assert_eq!(host.descriptor(3, 0, 255), Ok(hex("04 03 09 04")));
    assert_eq!(host.descriptor(3, 1, 255), Ok(hex("12 03 4d00 6500 6400 6900 6100 5400 6500 6b00")));
    assert_eq!(host.descriptor(3, 2, 255).map(|s| s.len()), Ok(2 + 2 * "MT65xx Preloader".len()));
    assert_eq!(host.descriptor(3, 6, 255), Err(STALL));
    assert_eq!(host.descriptor(6, 0, 10).map(|d| d.len()), Ok(10));
    assert_eq!(host.descriptor(0x0f, 0, 5), Err(STALL));
    assert_eq!(host.descriptor(2, 1, 9), Err(STALL));
    // Configuration, status, interface, halt.
    assert_eq!(host.control([0x80, 8, 0, 0, 0, 0, 1, 0], &[]), Ok(vec![0]));
    assert_eq!(host.control([0, 9, 2, 0, 0, 0, 0, 0], &[]), Err(STALL));
    assert_eq!(host.control([0, 9, 1, 0, 0, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([0x80, 8, 0, 0, 0, 0, 1, 0], &[]), Ok(vec![1]));
    assert_eq!(host.control([0x80, 0, 0, 0, 0, 0, 2, 0], &[]), Ok(vec![1, 0]));
    assert_eq!(host.control([1, 0x0b, 0, 0, 1, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([1, 0x0b, 1, 0, 1, 0, 0, 0], &[]), Err(STALL));
    assert_eq!(host.control([2, 3, 0, 0, 1, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([0x82, 0, 0, 0, 1, 0, 2, 0], &[]), Ok(vec![1, 0]));
    host.give(1, &[0xa0]);
    assert_eq!(host.must().status, STALL);
    assert_eq!(host.control([2, 1, 0, 0, 1, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([0x82, 0, 0, 0, 1, 0, 2, 0], &[]), Ok(vec![0, 0]));
    assert_eq!(host.control([0, 3, 1, 0, 0, 0, 0, 0], &[]), Err(STALL));
    assert_eq!(host.control([0xc0, 0x33, 0, 0, 0, 0, 8, 0], &[]), Err(STALL));
    host.ask(5, 64);
    assert_eq!(host.must().status, STALL);
    served.finish();
}

#[test]
fn class_requests_are_accepted_logged_and_reach_no_program() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Client::configured(&served.address);
    let coding = [0x80, 0x25, 0, 0, 0, 0, 8];
    assert_eq!(host.control([0x21, 0x20, 0, 0, 0, 0, 7, 0], &coding), Ok(vec![]));
    assert_eq!(host.control([0xa1, 0x21, 0, 0, 0, 0, 7, 0], &[]), Ok(coding.to_vec()));
    assert_eq!(host.control([0x21, 0x22, 3, 0, 0, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([0x21, 0x23, 100, 0, 0, 0, 0, 0], &[]), Ok(vec![]));
    assert_eq!(host.control([0x21, 0x20, 0, 0, 0, 0, 3, 0], &[1, 2, 3]), Err(STALL));
    assert_eq!(host.control([0x21, 0x02, 0, 0, 0, 0, 0, 0], &[]), Err(STALL));
    host.ask(1, 64);
    assert_eq!(host.next(Duration::from_millis(100)), Ok(None));
    let told = served.requests();
    assert_eq!(
        told[..3],
        ["SET_CONFIGURATION 1 at full speed", "SET_LINE_CODING 9600 baud", "GET_LINE_CODING"]
    );
    assert!(told.contains(&"SET_CONTROL_LINE_STATE 3".to_owned()), "{told:?}");
    assert!(told.last().unwrap().ends_with("STALL"), "{told:?}");
    served.finish();
}

#[test]
fn a_second_enumeration_on_the_same_connection_disturbs_nothing() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Client::configured(&served.address);
    host.ask(1, 64);
    host.give(1, &[0xa0]);
    let heard = [host.must(), host.must()];
    assert!(heard.iter().any(|ret| ret.data == [0x5f]), "{heard:?}");
    assert_eq!(host.descriptor(1, 0, 18), Ok(hex(DEVICE_0003)));
    assert_eq!(host.control([0, 9, 1, 0, 0, 0, 0, 0], &[]), Ok(vec![]));
    host.ask(1, 64);
    host.give(1, &[0x0a]);
    let heard = [host.must(), host.must()];
    assert!(heard.iter().any(|ret| ret.data == [0xf5]), "{heard:?}");
    served.finish();
}

#[test]
fn the_list_shows_the_phone_and_its_interfaces() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    // The phone is on its bus a moment after the server is.
    let client = Client::wait_for(&served.address);
    let shown = list(&served.address);
    assert_eq!(shown[..12], hex("0111 0005 00000000 00000001"));
    assert_eq!(shown.len(), 12 + 312 + 2 * 4);
    assert_eq!(shown[12..324], client.record[..]);
    assert_eq!(shown[12 + 288..324], hex("00000001 00000002 00000002 0e8d 0003 0100 02 00 00 01 01 02"));
    assert_eq!(shown[324..], hex("02 02 01 00 0a 00 00 00"));
    served.finish();
}
