//! Clients that break every rule, and phones that do.

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;

use bromide_phone::usb::{Layout, UsbOptions};

use crate::client::{Bulk, Client, Closed};
use crate::host::Host;
use crate::served::{Served, boot_rom};

fn served() -> Served {
    Served::usbip(boot_rom(UsbOptions { gap: Duration::ZERO, ..UsbOptions::default() }))
}

/// The server still does its work.
fn still_serves(served: Served) {
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.start();
    drop(host);
    served.finish();
}

#[test]
fn messages_that_break_the_rules_end_in_an_orderly_close() {
    let served = served();
    for (words, said) in [
        ([9, 1, 0, 0, 0, 0, 0, 0, 0, 0], "no USB/IP command"),
        ([1, 1, 0, 0, 1, 0, u32::MAX, 0, 0, 0], "is the most"),
        ([1, 1, 0, 1, 1, 0, u32::MAX, 0, 0, 0], "is the most"),
        ([1, 1, 0, 0, 0, 0, u32::MAX, 0, 0, 0], "is the most"),
        ([1, 1, 0, 2, 1, 0, 8, 0, 0, 0], "no direction"),
        ([1, 1, 0, 1, 99, 0, 8, 0, 0, 0], "endpoint 99"),
        ([1, 1, 0, 1, 1, 0, 8, 0, 4, 0], "isochronous"),
    ] {
        let mut host = Client::configured(&served.address);
        host.message(words, [0; 8], &[]);
        assert_eq!(host.next(Duration::from_secs(5)), Err(Closed));
        let (_, why) = served.left();
        assert!(why.contains(said), "{why}");
    }
    still_serves(served);
}

#[test]
fn a_host_that_submits_without_end_is_sent_away() {
    let served = served();
    let mut host = Client::configured(&served.address);
    for _ in 0..70_000 {
        host.ask(1, 64);
    }
    assert!(host.until_closed().is_empty());
    assert!(served.left().1.contains("too much"));
    still_serves(served);
}

#[test]
fn openings_that_are_nonsense_or_never_end_keep_nobody_waiting() {
    let served = served();
    let mut silent: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
    silent[0].write_all(&[1, 0x11, 0x80]).unwrap();
    silent[1].write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    silent[2].write_all(&[1, 0x11, 0x80, 3, 0, 0, 0, 0, b'1']).unwrap();
    let mut rest = Vec::new();
    // Closed with an end or a reset, but closed.
    let _ = silent[1].read_to_end(&mut rest);
    assert!(rest.is_empty());
    still_serves(served);
}

#[test]
fn a_client_that_vanishes_in_the_middle_of_a_message_is_a_pulled_cable() {
    let served = served();
    for bytes in [1, 47, 48, 60] {
        let mut host = Client::configured(&served.address);
        let mut message = [0; 48 + 100];
        (message[3], message[7], message[19], message[27]) = (1, 9, 1, 100);
        host.stream.write_all(&message[..bytes]).unwrap();
        drop(host);
        assert_eq!(served.left().1, "the host let go");
    }
    still_serves(served);
}

#[test]
fn random_bytes_after_the_import_never_stop_the_server() {
    let served = served();
    let mut seed = 7u64;
    for _ in 0..100 {
        let mut host = Client::configured(&served.address);
        let noise: Vec<u8> = (0..2000)
            .map(|at| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Half of the words are small, so that some messages are nearly right.
                if at % 4 != 3 && seed >> 63 == 0 { 0 } else { (seed >> 56) as u8 & 0x83 }
            })
            .collect();
        // The server may have closed already.
        let _ = host.stream.write_all(&noise);
        drop(host);
        served.left();
    }
    still_serves(served);
}

#[test]
fn every_hostile_layout_is_served_as_it_stands() {
    for which in 0..Layout::HOSTILE {
        let mut usb = UsbOptions::default();
        usb.set_layout(Layout::Hostile(which));
        let speed = bromide_phone::usb::Speed::Full;
        let served = Served::usbip(boot_rom(usb));
        let mut host = Client::wait_for(&served.address);
        assert_eq!(host.pid(), 0x0003);
        let configuration = host.descriptor(2, 0, u16::MAX).unwrap();
        assert_eq!(configuration, Layout::Hostile(which).configuration(speed));
        assert_ne!(configuration, Layout::P2.configuration(speed));
        served.finish();
    }
}
