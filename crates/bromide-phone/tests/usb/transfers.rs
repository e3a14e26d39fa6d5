//! Pending, unlinked and large transfers (`usbip-cdc.md` section 11).

use core::time::Duration;
use std::time::Instant;

use bromide_phone::usb::UsbOptions;
use bromide_phone::{Generation, Pace};
use bromide_proto::link::Link;

use crate::client::{Bulk, Client, UNLINKED, list};
use crate::host::{Host, run};
use crate::served::{Served, boot_rom, preloader};

#[test]
fn sixteen_pending_reads_are_served_in_order() {
    let served = Served::usbip(preloader(Duration::from_secs(60), UsbOptions::default()));
    let mut host = Client::configured(&served.address);
    let asked: Vec<u32> = (0..16).map(|_| host.ask(1, 1024)).collect();
    for number in asked {
        let ret = host.must();
        assert_eq!((ret.number, ret.status, &ret.data[..]), (number, 0, &b"READY"[..]));
    }
    served.finish();
}

#[test]
fn a_read_with_nothing_to_give_stays_pending_without_a_word() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Client::configured(&served.address);
    for _ in 0..16 {
        host.ask(1, 128);
    }
    host.ask(3, 64);
    assert_eq!(host.next(Duration::from_millis(5200)), Ok(None));
    host.give(1, &[0x00]);
    let heard = [host.must(), host.must()];
    assert!(heard.iter().any(|ret| ret.data == [0x01]), "{heard:?}");
    served.finish();
}

#[test]
fn an_unlinked_read_is_never_answered_and_one_already_answered_says_so() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Client::configured(&served.address);
    let (first, second, third) = (host.ask(1, 64), host.ask(1, 64), host.ask(3, 64));
    for victim in [first, third] {
        let number = host.unlink(victim);
        let ret = host.must();
        assert_eq!((ret.command, ret.number, ret.status), (4, number, UNLINKED));
    }
    host.give(1, &[0x00]);
    let heard = [host.must(), host.must()];
    assert!(heard.iter().any(|ret| ret.number == second && ret.data == [0x01]), "{heard:?}");
    host.unlink(second);
    let ret = host.must();
    assert_eq!((ret.command, ret.status), (4, 0));
    served.finish();
}

#[test]
fn one_mebibyte_goes_out_in_one_transfer() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.reach_commands(Generation::G2);
    // E0 swallows so many bytes and says 5A.
    host.play("H E0 00100000");
    host.send(&vec![0x55; 1 << 20]);
    host.play("D 5A H 72 D 5A 00");
    served.finish();
}

#[test]
fn a_read_back_is_the_same_with_reads_of_every_size() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut images = Vec::new();
    for (asked, queued) in [(64, 1), (512, 16), (16384, 8), (1 << 20, 4)] {
        let mut host = Host(Bulk::with_reads(Client::configured(&served.address), asked, queued));
        host.reach_commands(Generation::G2);
        images.push(host.read(Generation::G2, 0, false, 0, 0x40000, 64));
    }
    assert_eq!(images[0].len(), 128 * 2112);
    assert!(images.iter().all(|image| *image == images[0]));
    served.finish();
}

#[test]
fn pages_end_transfers_as_the_real_agent_ends_them() {
    for (page_transfers, wanted) in [(true, vec![2111, 1, 2111, 1, 2]), (false, vec![4226])] {
        let served = Served::usbip(boot_rom(UsbOptions { page_transfers, ..UsbOptions::default() }));
        let mut host = Host(Bulk::with_reads(Client::configured(&served.address), 8192, 1));
        host.reach_commands(Generation::G2);
        host.ask(Generation::G2, 0, false, 0, 0x1000);
        host.play("D 5A 00000800 00000040 00000840 H 00000002");
        host.hear(8);
        let mut lengths = Vec::new();
        let mut into = [0; 8192];
        for _ in 0..wanted.len() {
            lengths.push(run(host.0.recv(&mut into, Duration::from_secs(5))).unwrap());
        }
        assert_eq!(lengths, wanted);
        served.finish();
    }
}

#[test]
fn unlinking_under_load_loses_and_doubles_nothing() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Host(Bulk::with_reads(Client::configured(&served.address), 1024, 1));
    host.reach_commands(Generation::G2);
    host.ask(Generation::G2, 0, false, 0, 0x20000);
    host.play("D 5A 00000800 00000040 00000840 H 00000040");
    host.hear(8);
    let client = &mut host.0.client;
    // One more read is pending from the cable; every third of those that follow is taken back.
    let mut got = Vec::new();
    let (mut unlinked, mut answered) = (0, 0);
    let wanted = 64 * 2112 + 2;
    while got.len() < wanted {
        let asked: Vec<u32> = (0..12).map(|_| client.ask(1, 1024)).collect();
        let taken_back: Vec<u32> = asked.iter().step_by(3).map(|victim| client.unlink(*victim)).collect();
        let mut left = taken_back.len();
        while left > 0 || (got.len() < wanted && answered < 4) {
            let ret = client.must();
            if ret.command == 4 {
                assert!(taken_back.contains(&ret.number), "{ret:?}");
                unlinked += u32::from(ret.status == UNLINKED);
                left -= 1;
            } else {
                answered += 1;
                got.extend(ret.data);
            }
        }
        answered = 0;
    }
    assert_eq!(got.len(), wanted);
    let sum = got[..64 * 2112].iter().map(|byte| u32::from(*byte)).sum::<u32>() as u16;
    assert_eq!(got[64 * 2112..], sum.to_be_bytes());
    println!("{unlinked} reads were taken back in time");
    served.finish();
}

#[test]
fn a_phone_in_use_is_refused_to_others_and_free_again_after_the_close() {
    let served = Served::usbip(boot_rom(UsbOptions { gap: Duration::ZERO, ..UsbOptions::default() }));
    let first = Client::configured(&served.address);
    assert_eq!(Client::import(&served.address, "1-1").err(), Some(1));
    assert_eq!(Client::import(&served.address, "1-2").err(), Some(1));
    assert_eq!(list(&served.address)[8..12], [0, 0, 0, 1]);
    drop(first);
    let mut again = Host(Bulk::new(Client::configured(&served.address)));
    again.start();
    served.finish();
}

#[test]
fn a_paced_bus_is_as_fast_as_full_speed_and_no_faster() {
    let served = Served::paced(boot_rom(UsbOptions::default()), Pace::FullSpeed);
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.reach_commands(Generation::G2);
    let begun = Instant::now();
    let image = host.read(Generation::G2, 0, false, 0, 0x40000, 64);
    let took = begun.elapsed();
    let least = Duration::from_secs_f64((image.len() - (256 << 10)) as f64 / 1_216_000.0);
    assert!(took >= least, "{} bytes in {took:?}", image.len());
    served.finish();
}
