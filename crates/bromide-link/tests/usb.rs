//! Looking at a made-up sysfs: listing, watching, choosing, and what happens when a phone may not be opened.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bromide_link::usb::{
    Access, Change, Details, NoBus, Notice, Places, SeveralPhones, Unconfigured, UsbBus, UsbOptions,
    UsbOrTty, Watch, list, udev_rule,
};
use bromide_link::{Cancel, run};
use bromide_proto::bus::{Bus, BusSpeed, Face};
use bromide_proto::link::{Link, LinkError};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A machine with USB, in a folder.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.device("usb1", "1d6b:0002", 1, "480", "09");
        machine
    }

    fn places(&self) -> Places {
        Places { sys: self.folder.path().join("sys"), dev: self.folder.path().join("dev") }
    }

    fn entry(&self, port: &str) -> PathBuf {
        self.places().sys.join("bus/usb/devices").join(port)
    }

    fn device(&self, port: &str, id: &str, address: u8, speed: &str, class: &str) {
        let (vid, pid) = id.split_once(':').unwrap();
        let at = self.entry(port);
        fs::create_dir_all(&at).unwrap();
        let address = address.to_string();
        // The last one written makes the device complete, as it would appear.
        for (name, text) in [
            ("idVendor", vid),
            ("speed", speed),
            ("busnum", "1"),
            ("devnum", &address),
            ("bDeviceClass", class),
            ("idProduct", pid),
        ] {
            fs::write(at.join(name), format!("{text}\n")).unwrap();
        }
    }

    fn boot_rom(&self, port: &str, address: u8) {
        self.device(port, "0e8d:0003", address, "12", "02");
    }

    fn leaves(&self, port: &str) {
        fs::remove_dir_all(self.entry(port)).unwrap();
    }

    /// Binds a driver to interface 1 and gives it a serial port that leads to `target`.
    fn tty(&self, port: &str, target: &Path) {
        let interface = self.entry(port).join(format!("{port}:1.1"));
        fs::create_dir_all(interface.join("tty/ttyACM3")).unwrap();
        symlink("../../../../bus/usb/drivers/cdc_acm", interface.join("driver")).unwrap();
        fs::create_dir_all(self.places().dev).unwrap();
        symlink(target, self.places().dev.join("ttyACM3")).unwrap();
    }

    fn options(&self, port: Option<&str>) -> UsbOptions {
        UsbOptions { cancel: Cancel::new(), port: port.map(Into::into), places: self.places() }
    }
}

fn meet(options: UsbOptions, faces: &[Face], within: u64) -> Result<String, LinkError> {
    let mut bus = UsbBus::new(options, |_| {});
    run(bus.meet(faces, Duration::from_millis(within))).map(|(seen, _)| seen.port)
}

#[test]
fn devices_are_listed_with_port_speed_and_face_and_interfaces_are_not_devices() {
    let machine = Machine::new();
    machine.device("1-4", "05e3:0608", 2, "480", "09");
    machine.device("1-4.10", "0e8d:2000", 7, "480", "02");
    machine.device("1-4.2", "046d:c31c", 3, "1.5", "00");
    fs::create_dir_all(machine.entry("1-4.10:1.0")).unwrap();
    let all = list(&machine.places()).unwrap();
    let ports: Vec<_> = all.iter().map(|d| d.port.as_str()).collect();
    assert_eq!(ports, ["usb1", "1-4", "1-4.2", "1-4.10"]);
    assert_eq!(all.iter().map(|d| d.hub).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(all[2].speed, BusSpeed::Low);
    assert_eq!(all[2].sighting(), None);
    let seen = all[3].sighting().unwrap();
    assert_eq!((seen.face, seen.speed), (Face::Preloader, BusSpeed::High));
    assert_eq!(all[3].node(&machine.places()), machine.places().dev.join("bus/usb/001/007"));
}

#[test]
fn a_device_with_nonsense_in_its_files_is_left_out() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    machine.device("1-2", "zz:0003", 6, "12", "02");
    machine.device("1-3", "0e8d:0003", 7, "12", "02");
    fs::write(machine.entry("1-3").join("devnum"), "\u{fffd}300").unwrap();
    fs::create_dir_all(machine.entry("1-5")).unwrap();
    let ports: Vec<_> = list(&machine.places()).unwrap().into_iter().map(|d| d.port).collect();
    assert_eq!(ports, ["usb1", "1-1"]);
}

#[test]
fn the_details_name_driver_serial_port_and_access() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    machine.tty("1-1", Path::new("/dev/null"));
    let places = machine.places();
    let phone = list(&places).unwrap().remove(1);
    let details = Details::of(&phone, &places);
    assert_eq!(details.drivers, ["cdc_acm"]);
    assert_eq!(details.tty, Some(places.dev.join("ttyACM3")));
    assert_eq!(details.access, Access::Missing);
    fs::create_dir_all(details.node.parent().unwrap()).unwrap();
    fs::write(&details.node, "").unwrap();
    assert_eq!(Details::of(&phone, &places).access, Access::Granted);
}

#[test]
fn watching_tells_each_coming_and_going_and_how_long_it_lasted() {
    let machine = Machine::new();
    machine.device("1-2", "0bb4:0c03", 4, "480", "00");
    let (mut watch, cancel) = (Watch::new(machine.places()), Cancel::new());
    let second = Duration::from_secs(1);
    let Ok(Change::Came { seen, before: true, .. }) = watch.next(second, &cancel) else { panic!() };
    assert_eq!(seen.face, Face::Android);
    assert!(matches!(watch.next(Duration::from_millis(40), &cancel), Err(LinkError::Timeout(_))));

    machine.leaves("1-2");
    assert!(matches!(watch.next(second, &cancel), Ok(Change::Left { seen, stayed })
        if seen.port == "1-2" && stayed >= Duration::from_millis(40)));
    machine.boot_rom("1-2", 5);
    assert!(matches!(watch.next(second, &cancel), Ok(Change::Came { seen, before: false, .. })
        if seen.face == Face::BootRom));
    // It was away between two looks: another address at the same port is another appearance.
    machine.boot_rom("1-2", 6);
    assert!(matches!(watch.next(second, &cancel), Ok(Change::Left { .. })));
    assert!(matches!(watch.next(second, &cancel), Ok(Change::Came { .. })));
    cancel.set();
    assert!(matches!(watch.next(second, &cancel), Err(LinkError::Cancelled)));
}

#[test]
fn without_a_usb_bus_watching_and_meeting_end_at_once_with_the_reason() {
    let nowhere = Places { sys: "/nonexistent".into(), dev: "/nonexistent".into() };
    let start = Instant::now();
    let watched = Watch::new(nowhere.clone()).next(Duration::from_secs(60), &Cancel::new());
    let Err(LinkError::Other(e)) = watched else { panic!() };
    assert_eq!(e.downcast_ref::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
    let met = meet(UsbOptions { places: nowhere, ..UsbOptions::default() }, &[Face::BootRom], 60_000);
    assert!(matches!(met, Err(LinkError::Other(e)) if e.downcast_ref::<NoBus>().is_some()));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_face_that_is_not_wanted_is_waited_past() {
    let machine = Machine::new();
    machine.device("1-1", "0e8d:2001", 5, "480", "02");
    let met = meet(machine.options(None), &[Face::BootRom, Face::Preloader], 50);
    assert!(matches!(met, Err(LinkError::Timeout(d)) if d == Duration::from_millis(50)));
}

#[test]
fn two_phones_and_no_choice_made_is_an_error_that_names_both_ports() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    machine.device("1-4.2", "0e8d:2000", 6, "480", "02");
    let Err(LinkError::Other(e)) = meet(machine.options(None), &[Face::BootRom, Face::Preloader], 5_000)
    else {
        panic!()
    };
    let several = e.downcast_ref::<SeveralPhones>().unwrap();
    let ports: Vec<_> = several.0.iter().map(|s| s.port.as_str()).collect();
    assert_eq!(ports, ["1-1", "1-4.2"]);
    assert!(e.to_string().contains("port 1-1") && e.to_string().contains("port 1-4.2"), "{e}");
}

#[test]
fn of_two_phones_only_the_chosen_port_counts() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    machine.boot_rom("1-2", 6);
    let Err(LinkError::Denied(node)) = meet(machine.options(Some("1-2")), &[Face::BootRom], 100) else {
        panic!()
    };
    assert!(node.ends_with("bus/usb/001/006"), "{node}");
    assert!(matches!(meet(machine.options(Some("1-3")), &[Face::BootRom], 50), Err(LinkError::Timeout(_))));
}

#[test]
fn a_phone_at_another_port_than_the_one_waited_at_is_mentioned_once() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    machine.device("1-2", "0e8d:2001", 6, "480", "02");
    let mut told = Vec::new();
    let mut bus = UsbBus::new(machine.options(Some("1-3")), |notice| told.push(notice));
    for _ in 0..2 {
        let met = run(bus.meet(&[Face::BootRom], Duration::from_millis(1_200)));
        assert!(matches!(met, Err(LinkError::Timeout(_))));
    }
    drop(bus);
    assert!(
        matches!(&told[..], [Notice::Elsewhere { seen, port }] if seen.port == "1-1" && port == "1-3"),
        "{told:?}"
    );
}

#[test]
fn a_phone_that_the_system_has_not_configured_is_refused_with_that_reason() {
    let machine = Machine::new();
    machine.boot_rom("1-1", 5);
    fs::write(machine.entry("1-1").join("bConfigurationValue"), "\n").unwrap();
    let node = machine.places().dev.join("bus/usb/001/005");
    fs::create_dir_all(node.parent().unwrap()).unwrap();
    fs::write(&node, "").unwrap();
    let Err(LinkError::Other(e)) = meet(machine.options(None), &[Face::BootRom], 60_000) else { panic!() };
    assert_eq!(e.downcast_ref::<Unconfigured>(), Some(&Unconfigured("1-1".into())));
}

#[test]
fn waiting_for_a_phone_ends_on_request() {
    let machine = Machine::new();
    let options = machine.options(None);
    let cancel = options.cancel.clone();
    let setter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(60));
        cancel.set();
    });
    let start = Instant::now();
    assert!(matches!(meet(options, &[Face::BootRom], 60_000), Err(LinkError::Cancelled)));
    assert!(start.elapsed() < Duration::from_secs(10));
    setter.join().unwrap();
}

#[test]
fn where_direct_access_is_refused_the_serial_port_of_the_same_phone_is_used_and_only_that_port_counts_then() {
    let machine = Machine::new();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = PathBuf::from(ptsname(&master, Vec::new()).unwrap().into_string().unwrap());
    machine.boot_rom("1-3", 5);
    machine.tty("1-3", &slave);

    let mut told = Vec::new();
    let mut bus = UsbBus::new(machine.options(None), |notice| told.push(notice));
    let (seen, mut link) = run(bus.meet(&[Face::BootRom], Duration::from_secs(20))).unwrap();
    assert_eq!(seen.port, "1-3");
    assert_eq!(bus.port(), Some("1-3"));
    assert!(matches!(link, UsbOrTty::Tty(..)));
    assert!(link.most_at_once().unwrap() < 64 << 10);
    run(link.send(&[0xa0])).unwrap();
    let mut byte = [0; 4];
    assert_eq!(rustix::io::read(&master, &mut byte), Ok(1));
    assert_eq!(byte[0], 0xa0);

    // The cable is pulled. What is left of the phone in the list is not met again, nor is a phone elsewhere.
    drop(master);
    assert!(matches!(run(link.recv(&mut byte, Duration::from_secs(20))), Err(LinkError::Unplugged)));
    drop(link);
    machine.boot_rom("1-4", 6);
    let again = run(bus.meet(&[Face::BootRom], Duration::from_millis(60)));
    assert!(matches!(again, Err(LinkError::Timeout(_))));
    drop(bus);

    let [Notice::OnTty { node, tty, rule, .. }] = &told[..] else { panic!("{told:?}") };
    assert!(node.ends_with("bus/usb/001/005") && tty.ends_with("ttyACM3"));
    assert_eq!(*rule, udev_rule(0x0e8d, 3));
}

#[test]
fn a_phone_that_can_be_opened_neither_way_is_refused_within_seconds_and_the_rule_is_told() {
    let machine = Machine::new();
    machine.boot_rom("1-3", 5);
    let mut told = Vec::new();
    let mut bus = UsbBus::new(machine.options(None), |notice| told.push(notice));
    let start = Instant::now();
    let met = run(bus.meet(&[Face::BootRom], Duration::from_secs(60)));
    assert!(matches!(met, Err(LinkError::Denied(_))));
    assert!(start.elapsed() < Duration::from_secs(20));
    drop(bus);
    assert!(matches!(&told[..], [Notice::Refused { rule, .. }] if rule.contains("uaccess")));
}

#[test]
fn a_refusal_is_not_forgotten_when_the_phone_has_left_again() {
    let machine = Machine::new();
    machine.device("1-1", "0e8d:2000", 5, "480", "02");
    let places = machine.entry("1-1");
    let leaver = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        fs::remove_dir_all(places).unwrap();
    });
    let met = meet(machine.options(None), &[Face::Preloader], 400);
    assert!(matches!(met, Err(LinkError::Denied(_))), "{met:?}");
    leaver.join().unwrap();
}
