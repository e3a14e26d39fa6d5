//! On a made-up machine: a folder as sysfs, and a guest that notes what it is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::guest::{Controller, Guest, GuestDevice};

/// A guest with one port. What it does is written down.
#[derive(Debug, Default)]
struct Made {
    log: Arc<Mutex<Vec<String>>>,
    inside: Vec<Held>,
    /// Answers to the next attachments, before they go well.
    refusals: Vec<VmError>,
    /// Answers to the next detachments.
    hangs: Vec<VmError>,
    gone: bool,
    /// The next attachment happens although it is refused.
    late: bool,
}

impl Made {
    fn note(&self, text: String) {
        self.log.lock().unwrap().push(text);
    }
}

impl Machine for Made {
    fn look(&mut self) -> Result<Guest, VmError> {
        let device = |held: &Held| GuestDevice {
            bus: "b".into(),
            port: "3".into(),
            model: "usb-host".into(),
            id: held.id.clone(),
            host: held.host,
            attached: Some(true),
            ours: true,
            run: None,
        };
        let controllers = vec![Controller { bus: "b".into(), model: "qemu-xhci".into(), ports: Some(4) }];
        Ok(Guest { controllers, devices: self.inside.iter().map(device).collect(), ..Guest::default() })
    }

    fn attach(&mut self, device: &HostDevice, port: &GuestPort, _: bool) -> Result<Held, VmError> {
        if !self.refusals.is_empty() {
            if core::mem::take(&mut self.late) {
                self.inside.push(Held { id: "late".into(), host: Some((device.bus, device.address)) });
            }
            return Err(self.refusals.remove(0));
        }
        assert!(self.inside.is_empty(), "the port is taken");
        let held = Held { id: format!("phone-{}", device.address), host: Some((device.bus, device.address)) };
        self.note(format!("attach {} at {}", device.address, port.port));
        self.inside.push(held.clone());
        Ok(held)
    }

    fn detach(&mut self, held: &Held) -> Result<(), VmError> {
        if !self.hangs.is_empty() {
            return Err(self.hangs.remove(0));
        }
        self.note(format!("detach {}", held.id));
        self.inside.retain(|it| it != held);
        Ok(())
    }

    fn check(&mut self) -> Result<(), VmError> {
        if self.gone { Err(VmError::Gone) } else { Ok(()) }
    }

    fn words(&self, _: Option<&HostDevice>, _: &GuestPort, _: bool) -> [String; 2] {
        [String::new(), String::new()]
    }
}

/// A computer with USB, in a folder.
struct Computer(tempfile::TempDir);

impl Computer {
    fn new() -> Self {
        let computer = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(computer.places().sys.join("bus/usb/devices")).unwrap();
        computer
    }

    fn places(&self) -> Places {
        Places { sys: self.0.path().join("sys"), dev: self.0.path().join("dev") }
    }

    fn entry(&self, port: &str) -> PathBuf {
        self.places().sys.join("bus/usb/devices").join(port)
    }

    fn comes(&self, port: &str, pid: &str, address: u8) {
        let at = self.entry(port);
        let node = self.places().dev.join(format!("bus/usb/001/{address:03}"));
        fs::create_dir_all(node.parent().unwrap()).unwrap();
        fs::write(node, "").unwrap();
        fs::create_dir_all(&at).unwrap();
        let address = address.to_string();
        for (name, text) in [
            ("idVendor", "0e8d"),
            ("speed", "480"),
            ("busnum", "1"),
            ("devnum", &address),
            ("idProduct", pid),
        ] {
            fs::write(at.join(name), text).unwrap();
        }
    }

    fn leaves(&self, port: &str) {
        fs::remove_dir_all(self.entry(port)).unwrap();
    }

    fn held_by(&self, port: &str, driver: &str) {
        let interface = self.entry(port).join(format!("{port}:1.0"));
        fs::create_dir_all(&interface).unwrap();
        let _ = fs::remove_file(interface.join("driver"));
        #[cfg(unix)]
        std::os::unix::fs::symlink(format!("../../drivers/{driver}"), interface.join("driver")).unwrap();
    }

    fn wish(&self) -> Wish {
        let faces = vec![Face::Preloader, Face::BootRom, Face::Agent];
        Wish { places: self.places(), port: None, faces, guest_reset: false }
    }
}

/// Follows while `meanwhile` changes the computer, one step each time something new was told, until it has nothing
/// more to do; what the guest was told, and how it ended.
fn follow(
    machine: &mut Made,
    wish: Wish,
    mut meanwhile: impl FnMut(&Event) -> bool,
) -> (Vec<Event>, Result<(), VmError>) {
    let (cancel, mut told) = (Cancel::new(), Vec::new());
    let stop = cancel.clone();
    let late = cancel.clone();
    let watchdog = thread::spawn(move || {
        for _ in 0..600 {
            thread::sleep(Duration::from_millis(50));
            if late.is_set() {
                return;
            }
        }
        late.set();
    });
    let port = GuestPort { bus: "b".into(), port: 3 };
    let guest = machine.look().unwrap();
    let ended = Follower::new(machine, &guest, port, wish).follow(&cancel, &mut |event| {
        told.push(event.clone());
        if !meanwhile(event) {
            stop.set();
        }
    });
    stop.set();
    watchdog.join().unwrap();
    (told, ended)
}

#[test]
fn each_face_goes_to_the_same_port_and_comes_out_when_it_leaves_and_the_last_when_the_user_stops() {
    let computer = Computer::new();
    let mut machine = Made::default();
    let log = Arc::clone(&machine.log);
    computer.comes("1-4", "2000", 5);
    let (told, ended) = follow(&mut machine, computer.wish(), |event| match event {
        Event::Attached { seen, .. } if seen.pid == 0x2000 => {
            computer.leaves("1-4");
            true
        }
        Event::Detached { id, .. } if id == "phone-5" => {
            computer.comes("1-4", "0003", 6);
            true
        }
        Event::Attached { .. } => false,
        _ => true,
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(*log.lock().unwrap(), ["attach 5 at 3", "detach phone-5", "attach 6 at 3", "detach phone-6"]);
    assert!(machine.inside.is_empty());
    assert!(matches!(told.last(), Some(Event::GivenBack { port, .. }) if port == "1-4"), "{told:?}");
    let since = told.iter().find_map(|event| match event {
        Event::Attached { seen, since_kernel, .. } if seen.pid == 3 => Some(*since_kernel),
        _ => None,
    });
    assert!(since.flatten().is_some(), "a face that came meanwhile has a time");
}

#[test]
fn only_the_port_of_the_first_face_counts_and_a_face_not_wished_for_stays_with_the_host() {
    let computer = Computer::new();
    let mut machine = Made::default();
    let log = Arc::clone(&machine.log);
    let wish = Wish { faces: vec![Face::BootRom], ..computer.wish() };
    computer.comes("1-4", "2000", 5);
    let (told, ended) = follow(&mut machine, wish, |event| match event {
        Event::Passed(_) => {
            computer.leaves("1-4");
            true
        }
        Event::Left { seen, .. } if seen.pid == 0x2000 => {
            computer.comes("1-4", "0003", 6);
            true
        }
        Event::Attached { .. } => {
            computer.comes("1-9", "0003", 7);
            true
        }
        Event::Elsewhere { .. } => {
            computer.leaves("1-4");
            true
        }
        Event::Detached { .. } => false,
        _ => true,
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(*log.lock().unwrap(), ["attach 6 at 3", "detach phone-6"]);
    assert!(!told.iter().any(|event| matches!(event, Event::Came { seen, .. } if seen.port == "1-9")));
    assert!(told.iter().any(|event| matches!(event, Event::Elsewhere { seen, followed }
        if seen.port == "1-9" && followed == "1-4")));
}

#[test]
fn two_phones_at_the_beginning_are_no_choice_and_a_named_port_is_one() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    computer.comes("1-5", "0003", 6);
    let (_, ended) = follow(&mut Made::default(), computer.wish(), |_| true);
    assert_eq!(ended, Err(VmError::SeveralPhones(vec!["1-4".into(), "1-5".into()])));
    let mut machine = Made::default();
    let log = Arc::clone(&machine.log);
    let wish = Wish { port: Some("1-5".into()), ..computer.wish() };
    let (_, ended) = follow(&mut machine, wish, |event| !matches!(event, Event::Attached { .. }));
    assert_eq!(ended, Ok(()));
    assert_eq!(log.lock().unwrap()[0], "attach 6 at 3");
}

#[test]
fn rights_that_come_a_moment_late_are_waited_for_and_a_port_not_yet_free_too() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    let taken = VmError::PortTaken { bus: "b".into(), port: 3, by: "x".into(), free: vec![] };
    let refusals = vec![VmError::Denied("no".into()), taken, VmError::PhoneGone("not ready".into())];
    let mut machine = Made { refusals, ..Made::default() };
    let (told, ended) =
        follow(&mut machine, computer.wish(), |event| !matches!(event, Event::Attached { .. }));
    assert_eq!(ended, Ok(()));
    assert!(!told.iter().any(|event| matches!(event, Event::NotAttached(..))), "{told:?}");
}

#[test]
fn a_phone_whose_arrival_the_machine_confirmed_too_late_is_taken_out_before_the_next_one_goes_in() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    let taken = VmError::PortTaken { bus: "b".into(), port: 3, by: "x".into(), free: vec![] };
    let refusals = vec![VmError::NoAnswer(Duration::from_secs(10)), taken];
    let mut machine = Made { refusals, late: true, ..Made::default() };
    let log = Arc::clone(&machine.log);
    let (_, ended) = follow(&mut machine, computer.wish(), |event| match event {
        Event::NotAttached(..) => {
            computer.leaves("1-4");
            true
        }
        Event::Left { .. } => {
            computer.comes("1-4", "2001", 6);
            true
        }
        Event::Attached { .. } => false,
        _ => true,
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(*log.lock().unwrap(), ["detach late", "attach 6 at 3", "detach phone-6"]);
}

#[test]
fn a_refusal_that_stays_is_told_and_the_next_face_is_tried_again() {
    let computer = Computer::new();
    computer.comes("1-4", "2000", 5);
    let mut machine = Made { refusals: vec![VmError::Refused("no".into())], ..Made::default() };
    let (told, ended) = follow(&mut machine, computer.wish(), |event| match event {
        Event::NotAttached(..) => {
            computer.leaves("1-4");
            true
        }
        Event::Left { .. } => {
            computer.comes("1-4", "0003", 6);
            true
        }
        Event::Attached { .. } => false,
        _ => true,
    });
    assert_eq!(ended, Ok(()));
    assert!(told.contains(&Event::NotAttached(
        Sighting {
            face: Face::Preloader,
            vid: 0x0e8d,
            pid: 0x2000,
            port: "1-4".into(),
            speed: bromide_proto::bus::BusSpeed::High
        },
        VmError::Refused("no".into())
    )));
}

#[test]
fn a_phone_that_another_program_holds_is_not_handed_over() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    computer.held_by("1-4", "usbfs");
    let mut machine = Made::default();
    let (told, ended) =
        follow(&mut machine, computer.wish(), |event| !matches!(event, Event::NotAttached(..)));
    assert_eq!(ended, Ok(()));
    assert!(machine.log.lock().unwrap().is_empty());
    assert!(matches!(told.last(), Some(Event::NotAttached(_, VmError::Claimed(_)))), "{told:?}");
}

#[test]
fn a_phone_that_is_held_for_a_moment_only_is_handed_over() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    computer.held_by("1-4", "usbfs");
    let mut machine = Made::default();
    let (told, ended) = follow(&mut machine, computer.wish(), |event| {
        if matches!(event, Event::Came { .. }) {
            let interface = computer.entry("1-4").join("1-4:1.0/driver");
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                fs::remove_file(interface).unwrap();
            });
        }
        !matches!(event, Event::Attached { .. })
    });
    assert_eq!(ended, Ok(()));
    assert!(!told.iter().any(|event| matches!(event, Event::NotAttached(..))), "{told:?}");
}

#[test]
fn a_phone_that_came_just_before_the_wish_to_stop_stays_with_the_host() {
    let computer = Computer::new();
    computer.comes("1-4", "2000", 5);
    let mut machine = Made::default();
    let log = Arc::clone(&machine.log);
    let (told, ended) = follow(&mut machine, computer.wish(), |event| match event {
        Event::Attached { .. } => {
            computer.leaves("1-4");
            computer.comes("1-4", "0003", 6);
            false
        }
        _ => true,
    });
    assert_eq!(ended, Ok(()));
    assert_eq!(*log.lock().unwrap(), ["attach 5 at 3", "detach phone-5"]);
    assert!(told.contains(&Event::TakingBack), "{told:?}");
}

#[test]
fn an_opening_that_failed_is_not_repeated_because_each_resets_the_phone() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    let refusals = vec![VmError::NotOpened("failed".into()); 2];
    let mut machine = Made { refusals, ..Made::default() };
    let (told, _) = follow(&mut machine, computer.wish(), |event| !matches!(event, Event::NotAttached(..)));
    assert!(matches!(told.last(), Some(Event::NotAttached(_, VmError::NotOpened(_)))), "{told:?}");
    assert_eq!(machine.refusals.len(), 1);
}

#[test]
fn a_phone_faster_than_the_machine_is_told_as_missed() {
    let computer = Computer::new();
    computer.comes("1-4", "2000", 5);
    let mut machine = Made { refusals: vec![VmError::PhoneGone("gone".into()); 3], ..Made::default() };
    let (told, _) = follow(&mut machine, computer.wish(), |event| {
        if matches!(event, Event::Came { .. }) {
            computer.leaves("1-4");
        }
        !matches!(event, Event::Missed { .. })
    });
    assert!(told.iter().any(|event| matches!(event, Event::Missed { .. })), "{told:?}");
}

#[test]
fn what_an_earlier_run_left_is_taken_out_first_and_given_back() {
    let computer = Computer::new();
    computer.comes("1-4", "0003", 5);
    computer.held_by("1-4", "cdc_acm");
    let stale = Held { id: "phone-5".into(), host: Some((1, 5)) };
    let mut machine = Made { inside: vec![stale], ..Made::default() };
    let (told, ended) =
        follow(&mut machine, computer.wish(), |event| !matches!(event, Event::Attached { .. }));
    assert_eq!(ended, Ok(()));
    assert!(matches!(&told[0], Event::Detached { id, stale: true, .. } if id == "phone-5"), "{told:?}");
    assert_eq!(told[1], Event::GivenBack { port: "1-4".into(), drivers: vec!["cdc_acm".into()] });
}

#[test]
fn a_machine_that_is_switched_off_ends_it_and_one_that_does_not_let_go_is_an_error() {
    let computer = Computer::new();
    let (_, ended) = follow(&mut Made { gone: true, ..Made::default() }, computer.wish(), |_| true);
    assert_eq!(ended, Err(VmError::Gone));
    computer.comes("1-4", "0003", 5);
    let hangs = vec![VmError::NoAnswer(Duration::from_secs(10))];
    let (_, ended) = follow(&mut Made { hangs, ..Made::default() }, computer.wish(), |event| {
        !matches!(event, Event::Attached { .. })
    });
    assert_eq!(ended, Err(VmError::NoAnswer(Duration::from_secs(10))));
}
