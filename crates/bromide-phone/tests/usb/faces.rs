//! The phone over time: it leaves, it comes back as something else, its cable is pulled.

use core::time::Duration;
use std::time::Instant;

use bromide_phone::usb::{Face, HighSpeed, Key, Layout, Pull, UsbOptions};
use bromide_phone::{Generation, Options};

use crate::client::{Bulk, Client};
use crate::host::{Host, hex};
use crate::served::{Served, boot_rom, preloader};

const SWITCH: &str = "H 72 D 5A 00 H 70 01 D 5A";

/// Through the BootROM and the switch to 0e8d:2001.
fn at_high_speed(served: &Served) -> Host<Bulk> {
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    assert_eq!(host.0.client.pid(), 0x0003);
    host.reach_commands(Generation::G2);
    host.play(SWITCH);
    host.gone();
    back_at_2001(served)
}

fn back_at_2001(served: &Served) -> Host<Bulk> {
    let host = Host(Bulk::new(Client::configured(&served.address)));
    assert_eq!(host.0.client.pid(), 0x2001);
    host
}

#[test]
fn the_agent_returns_as_2001_with_all_it_knew() {
    let served = Served::usbip(boot_rom(UsbOptions::default()));
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.reach_commands(Generation::G2);
    let image = host.read(Generation::G2, 0, false, 0, 0x20000, 64);
    // D7: a register of the agent.
    host.play("H D7 12345678 BEEF D 5A");
    host.play(SWITCH);
    let asked = Instant::now();
    host.gone();
    assert_eq!(served.left().0, Face::BootRom);
    let mut client = Client::wait_for(&served.address);
    assert!(asked.elapsed() >= Duration::from_millis(190), "{:?}", asked.elapsed());
    assert_eq!(client.record[296..300], [0, 0, 0, 3]);
    assert_eq!(client.descriptor(1, 0, 18), Ok(Layout::D0.device(Face::Agent).to_vec()));
    assert_eq!(client.descriptor(2, 0, 67), Ok(Layout::D0.configuration(Face::Agent.speed())));
    client.control([0, 9, 1, 0, 0, 0, 0, 0], &[]).unwrap();
    let mut host = Host(Bulk::new(client));
    host.play("H 72 D 5A 01 H D8 12345678 D BEEF 5A");
    assert!(host.read(Generation::G2, 0, false, 0, 0x20000, 64) == image);
    served.finish();
}

#[test]
fn after_a_preloader_the_link_is_fast_already_and_no_2001_follows() {
    let served = Served::usbip(preloader(Duration::from_secs(60), UsbOptions::default()));
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    let mut heard = Vec::new();
    // READY may be anywhere in front of the first echo.
    host.send(&[0xa0]);
    while heard.last() != Some(&0x5f) {
        heard.extend(host.hear(1));
    }
    assert!(heard.len() % 5 == 1 && heard.starts_with(b"READY"), "{heard:02x?}");
    host.play("H 0A D F5 H 50 D AF H 05 D FA");
    host.disable_watchdog();
    host.upload(&[bromide_proto::codes::DEMO_AGENT_MARKER, b"g2"].concat());
    host.jump();
    host.play("D C0 03 02 84");
    host.configure(Generation::G2, 80);
    host.play("D 5A 00000038 H 00000001 D 5A");
    host.send(&crate::host::record(0x78, [0xad, 0xbc, 0x90, 0x55, 0x54]));
    host.hear(1 + 218 + 10);
    host.play("H 72 D 5A 01 H 70 01 D 5A H 72 D 5A 01");
    served.finish();
}

#[test]
fn a_preloader_that_nobody_speaks_to_leaves_with_its_reads_pending_and_boots_on() {
    let usb = UsbOptions { plugs: Some(2), gap: Duration::from_millis(10), ..UsbOptions::default() };
    let served = Served::usbip(preloader(Duration::from_millis(500), usb));
    for _ in 0..2 {
        let mut host = Client::configured(&served.address);
        let begun = Instant::now();
        for _ in 0..16 {
            host.ask(1, 1024);
        }
        let heard = host.until_closed();
        let lived = begun.elapsed();
        assert!((Duration::from_millis(400)..Duration::from_secs(3)).contains(&lived), "{lived:?}");
        assert!((1..=6).contains(&heard.len()) && heard.iter().all(|ret| ret.data == b"READY"), "{heard:?}");
        assert_eq!(served.left(), (Face::Preloader, "nobody shook hands in time".to_owned()));
    }
    served.ends().unwrap();
}

#[test]
fn a_boot_rom_leaves_without_a_handshake_and_comes_back_while_the_key_is_held() {
    let options = Options { bootrom_patience: Some(Duration::from_millis(300)), ..Options::default() };
    let served = Served::usbip(options);
    for _ in 0..2 {
        Client::configured(&served.address).until_closed();
        assert_eq!(served.left().0, Face::BootRom);
    }
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.start();
    served.finish();
}

#[test]
fn a_released_key_lets_the_phone_boot_through_its_preloader() {
    let usb = UsbOptions { key: Key::Released, plugs: Some(1), ..UsbOptions::default() };
    let options = Options {
        usb,
        bootrom_patience: Some(Duration::from_millis(100)),
        preloader_patience: Some(Duration::from_millis(200)),
        ..Options::default()
    };
    let served = Served::usbip(options);
    for pid in [0x0003, 0x2000] {
        let mut host = Client::configured(&served.address);
        assert_eq!(host.pid(), pid);
        host.until_closed();
    }
    served.ends().unwrap();
}

#[test]
fn a_high_speed_link_that_aborts_keeps_the_agent_each_time() {
    let usb = UsbOptions { high_speed: HighSpeed::Aborts(50_000), ..UsbOptions::default() };
    let served = Served::usbip(boot_rom(usb));
    let mut host = at_high_speed(&served);
    for page in [0u32, 20, 40] {
        // A stretch that fits goes well, what follows breaks in its middle.
        host.play("H 72 D 5A 01");
        host.read(Generation::G2, 0, false, page * 2048, 10 * 2048, 10);
        host.ask(Generation::G2, 0, false, 0, 0x20000);
        host.play("D 5A 00000800 00000040 00000840 H 00000040");
        host.hear(8);
        while let Ok(1..) = crate::host::run(bromide_proto::link::Link::recv(
            &mut host.0,
            &mut [0; 4096],
            Duration::from_secs(10),
        )) {}
        host.gone();
        host = back_at_2001(&served);
    }
    host.play("H 72 D 5A 01");
    served.finish();
}

#[test]
fn a_high_speed_link_that_dies_takes_the_agent_and_the_key_decides_what_follows() {
    for (key, pid) in [(Key::Held, 0x0003), (Key::Released, 0x2000)] {
        let usb = UsbOptions { high_speed: HighSpeed::Dies(1), key, ..UsbOptions::default() };
        let served = Served::usbip(boot_rom(usb));
        let mut host = at_high_speed(&served);
        host.send(&[0x72]);
        host.gone();
        assert_eq!(Client::wait_for(&served.address).pid(), pid);
        served.finish();
    }
}

#[test]
fn a_pulled_cable_ends_the_plug_in_and_the_next_one_starts_afresh() {
    let usb = UsbOptions {
        pull: Some(Pull::After(2)),
        plugs: Some(3),
        gap: Duration::from_millis(20),
        ..UsbOptions::default()
    };
    let served = Served::usbip(boot_rom(usb));
    for _ in 0..3 {
        let mut host = Host(Bulk::new(Client::configured(&served.address)));
        host.play("H A0 D 5F H 0A D F5");
        host.send(&[0x50]);
        host.gone();
        assert_eq!(served.left().1, "the link broke after 2 bytes to the host");
    }
    served.ends().unwrap();
}

#[test]
fn a_finished_phone_leaves_after_its_last_word() {
    let usb = UsbOptions { plugs: Some(1), ..UsbOptions::default() };
    let served = Served::usbip(boot_rom(usb));
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.reach_commands(Generation::G2);
    host.play("H D9 D 5A H 00000000 D 5A");
    host.gone();
    assert_eq!(served.left(), (Face::BootRom, "finished with 0".to_owned()));
    served.ends().unwrap();
}

#[test]
fn a_phone_with_a_later_agent_layout_returns_with_it() {
    let usb = UsbOptions { agent: Layout::D1, ..UsbOptions::default() };
    let served = Served::usbip(boot_rom(usb));
    let mut host = Host(Bulk::new(Client::configured(&served.address)));
    host.reach_commands(Generation::G2);
    host.play(SWITCH);
    host.gone();
    let mut client = Client::wait_for(&served.address);
    assert_eq!(client.descriptor(2, 0, 9), Ok(hex("09 02 43 00 02 01 00 80 fa")));
    served.finish();
}
