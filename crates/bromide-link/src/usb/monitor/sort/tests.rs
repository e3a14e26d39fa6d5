//! Keyboards, phones and address after address.

use super::super::seen::{Seen, asked, sent, told};
use super::*;
use bromide_proto::bus::BusSpeed;

const BOOT_ROM: (u16, u16) = (0x0e8d, 3);
const AGENT: (u16, u16) = (0x0e8d, 0x2001);
const ANDROID: (u16, u16) = (0x0bb4, 0x0c03);
const KEYBOARD: (u16, u16) = (0x046d, 0xc31c);

/// A sorter, what it kept, and its list of devices.
struct Bench {
    sort: Sort,
    there: Vec<Device>,
    now: Instant,
}

impl Bench {
    fn new(wanted: Option<&str>) -> Self {
        let sort = Sort::new(WantedPort::new(wanted.map(str::to_owned)));
        Self { sort, there: Vec::new(), now: Instant::now() }
    }

    fn see(&mut self, events: &[Seen]) {
        events.iter().for_each(|seen| self.sort.take(seen.event(), self.now));
    }

    fn lists(&mut self, port: &str, address: u8, (vid, pid): (u16, u16)) {
        self.there.retain(|device| device.address != address);
        let (port, speed) = (port.to_owned(), BusSpeed::Full);
        self.there.push(Device { port, bus: 1, address, vid, pid, speed, hub: false });
        self.look();
    }

    fn look(&mut self) {
        self.sort.look(&self.there, |_| [0; 18], Duration::ZERO, self.now);
    }

    /// A device is enumerated: asked, told, and listed.
    fn comes(&mut self, port: &str, address: u8, ids: (u16, u16)) {
        self.see(&[asked(address), told(address, ids)]);
        self.lists(port, address, ids);
    }

    /// What was kept since: the address, and the byte of a bulk transfer that was submitted.
    fn kept(&mut self) -> Vec<(u8, u8)> {
        let bulk = |kept: &Kept| {
            let event = &kept.event;
            let sent = event.step() == UsbmonStep::Submitted && event.endpoint() == 1;
            sent.then(|| (event.device().1, event.id() as u8))
        };
        std::mem::take(&mut self.sort.kept).iter().filter_map(bulk).collect()
    }
}

#[test]
fn of_a_keyboard_and_a_device_without_an_address_nothing_is_kept() {
    let mut bench = Bench::new(None);
    bench.see(&[asked(0), told(0, BOOT_ROM)]);
    bench.see(&sent(0, 1));
    bench.comes("1-2", 4, KEYBOARD);
    bench.see(&sent(4, 2));
    bench.comes("1-4", 5, BOOT_ROM);
    bench.see(&sent(4, 3));
    bench.see(&sent(5, 9));
    assert!(bench.sort.kept.iter().all(|kept| kept.event.device() == (1, 5)));
    assert_eq!(bench.kept(), [(5, 9)]);
    assert_eq!(bench.sort.told, Vec::<String>::new());
}

#[test]
fn what_was_held_comes_out_in_order_once_the_port_is_known() {
    let mut bench = Bench::new(None);
    bench.see(&[asked(5)]);
    bench.see(&sent(5, 1));
    bench.see(&[told(5, BOOT_ROM)]);
    bench.see(&sent(5, 2));
    bench.look();
    assert_eq!(bench.sort.kept, []);
    assert!(bench.sort.waits());
    bench.lists("1-4.2", 5, BOOT_ROM);
    let note = bench.sort.kept[0].note.clone();
    assert_eq!(note.as_deref(), Some("BootROM 0e8d:0003 at port 1-4.2"));
    assert!(bench.sort.kept[0].event.asks_which());
    bench.see(&sent(5, 3));
    assert_eq!(bench.kept(), [(5, 1), (5, 2), (5, 3)]);
    assert!(!bench.sort.waits());
}

#[test]
fn the_first_phone_is_followed_at_its_port_and_another_is_left_out() {
    let mut bench = Bench::new(None);
    bench.comes("1-4", 5, BOOT_ROM);
    bench.comes("1-5", 6, BOOT_ROM);
    bench.see(&[sent(6, 1), sent(5, 2)].concat());
    bench.comes("1-4", 7, AGENT);
    bench.see(&sent(7, 3));
    assert_eq!(bench.kept(), [(5, 2), (7, 3)]);
    assert_eq!(bench.sort.wanted.get().as_deref(), Some("1-4"));
}

#[test]
fn a_port_that_was_named_is_waited_for() {
    let mut bench = Bench::new(Some("1-5"));
    bench.comes("1-4", 5, BOOT_ROM);
    bench.comes("1-5", 6, BOOT_ROM);
    bench.see(&[sent(5, 1), sent(6, 2)].concat());
    assert_eq!(bench.kept(), [(6, 2)]);
}

#[test]
fn a_phone_that_runs_its_own_system_is_left_alone() {
    let mut bench = Bench::new(Some("1-4"));
    bench.comes("1-4", 5, ANDROID);
    bench.see(&sent(5, 1));
    assert_eq!(bench.kept(), []);
    bench.comes("1-4", 6, BOOT_ROM);
    bench.see(&sent(6, 2));
    assert_eq!(bench.kept(), [(6, 2)]);
}

#[test]
fn an_address_that_is_used_again_belongs_to_whoever_answers() {
    let mut bench = Bench::new(None);
    bench.comes("1-2", 5, KEYBOARD);
    bench.comes("1-4", 5, BOOT_ROM);
    bench.see(&sent(5, 1));
    bench.kept();
    // What is typed between question and answer is the keyboard's.
    bench.see(&[asked(5)]);
    bench.see(&sent(5, 2));
    bench.see(&[told(5, KEYBOARD)]);
    bench.see(&sent(5, 3));
    assert_eq!(bench.sort.kept, []);
}

#[test]
fn a_phone_that_is_asked_again_by_anybody_is_still_the_phone() {
    let mut bench = Bench::new(None);
    bench.comes("1-4", 5, BOOT_ROM);
    bench.see(&[asked(5)]);
    bench.see(&sent(5, 1));
    bench.see(&[told(5, BOOT_ROM)]);
    bench.look();
    bench.see(&sent(5, 2));
    // Asked, but it does not say.
    bench.see(&[asked(5)]);
    bench.see(&sent(5, 3));
    bench.see(&[Seen { status: -32, data: Vec::new(), length: 0, ..told(5, BOOT_ROM) }]);
    bench.see(&sent(5, 4));
    assert_eq!(bench.kept(), [(5, 1), (5, 2), (5, 3), (5, 4)]);
}

#[test]
fn the_first_bytes_of_a_descriptor_decide_nothing() {
    let mut bench = Bench::new(None);
    bench.comes("1-4", 5, BOOT_ROM);
    bench.kept();
    let mut eight = told(5, KEYBOARD);
    eight.data.truncate(8);
    bench.see(&[asked(5), eight]);
    assert_eq!(bench.sort.kept, []);
    bench.see(&[asked(5), told(5, KEYBOARD)]);
    assert_eq!(bench.sort.kept, []);
}

#[test]
fn a_phone_that_was_there_is_described_and_others_are_left_out() {
    let mut bench = Bench::new(None);
    let device = |port: &str, address, (vid, pid)| Device {
        port: port.into(),
        bus: 1,
        address,
        vid,
        pid,
        speed: BusSpeed::High,
        hub: false,
    };
    let Some(descriptor) = told(5, BOOT_ROM).data.first_chunk().copied() else { panic!() };
    let at = Duration::new(1_700_000_000, 7000);
    for device in [device("1-2", 4, KEYBOARD), device("1-4", 5, BOOT_ROM), device("1-5", 6, BOOT_ROM)] {
        bench.sort.was_there(&device, &descriptor, at);
    }
    let [question, answer] = &bench.sort.kept[..] else { panic!("{:?}", bench.sort.kept) };
    assert!(question.made_up && answer.made_up && question.event.asks_which());
    assert_eq!((answer.event.tells_which(), answer.event.at()), (Some(BOOT_ROM), at));
    assert!(question.note.as_deref().unwrap().ends_with("BootROM 0e8d:0003 at port 1-4"));
    bench.see(&[sent(4, 1), sent(5, 2), sent(6, 3)].concat());
    assert_eq!(bench.kept(), [(5, 2)]);
}

#[test]
fn a_phone_whose_answer_was_missed_is_known_by_the_list() {
    let mut bench = Bench::new(None);
    bench.see(&sent(5, 1));
    bench.see(&sent(6, 2));
    bench.lists("1-2", 6, KEYBOARD);
    bench.lists("1-4", 5, BOOT_ROM);
    assert!(bench.sort.kept[0].made_up && bench.sort.kept[0].event.asks_which());
    assert_eq!(bench.kept(), [(5, 1)]);
}

#[test]
fn what_is_held_too_long_or_grows_too_large_is_given_up_and_told() {
    let mut bench = Bench::new(None);
    let long = vec![0; 60_000];
    for _ in 0..MOST_HELD_BYTES / 60_000 + 2 {
        bench.see(&[Seen::bulk(1, b'S', 1, 5, &long)]);
    }
    for _ in 0..MOST_HELD {
        bench.see(&[Seen::bulk(1, b'S', 1, 6, &[])]);
    }
    bench.see(&[asked(7), told(7, BOOT_ROM)]);
    bench.now += LONGEST_HELD;
    bench.look();
    assert_eq!(bench.sort.told.len(), 3, "{:?}", bench.sort.told);
    let told = &bench.sort.told[2];
    assert_eq!(
        told,
        "a device at bus 1, address 7 said it is BootROM 0e8d:0003, but its port could not be found: it is left out \
         (2 events so far)"
    );
    assert_eq!(bench.sort.kept, []);
    assert!(!bench.sort.waits());
    bench.comes("1-4", 7, BOOT_ROM);
    bench.see(&sent(7, 1));
    assert_eq!(bench.kept(), [(7, 1)], "it may come again");
}

#[test]
fn a_phone_whose_port_is_still_unknown_at_the_end_is_told() {
    let mut bench = Bench::new(None);
    bench.see(&[asked(7), told(7, BOOT_ROM)]);
    bench.sort.end();
    assert_eq!(bench.sort.told.len(), 1);
}
