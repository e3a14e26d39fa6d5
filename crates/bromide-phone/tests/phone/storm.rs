//! Hosts that say anything at all: the phone neither panics nor hangs, and the chip stays as it is.

use core::time::Duration;

use bromide_phone::{Boot, Ended, Factory, Filling, Generation, NandChip, Options, Phone};
use bromide_proto::link::{Link, LinkError};

use crate::host::{Plugged, mt6575, plug_phone, run};

/// Bytes every part of the phone understands, so that noise gets deep.
const WORDS: &[u8] = &[
    0xa0, 0x0a, 0x50, 0x05, 0xfd, 0xfc, 0xfe, 0xff, 0xd0, 0xd1, 0xd2, 0xd4, 0xd5, 0xd7, 0xd8, 0xe0, 0xe1,
    0xe2, 0xe3, 0xa2, 0x5a, 0xa5, 0x69, 0x96, 0xdf, 0x72, 0x70, 0xd6, 0xd9, 0xdb, 0xe8, 0xb3, 0xa3, 0x00,
    0x01, 0x02, 0x04, 0x08, 0x40, 0xc2, 0xc0,
];

struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        match self.next(4) {
            0 => self.next(256) as u8,
            1 => 0,
            _ => WORDS[self.next(WORDS.len())],
        }
    }
}

/// Says noise and reads some of what comes, until the phone is gone or enough was said.
fn babble(host: &mut Plugged, noise: &mut Noise) {
    let mut heard = vec![0; 4096];
    for _ in 0..noise.next(60) {
        let said: Vec<u8> = (0..noise.next(30)).map(|_| noise.byte()).collect();
        if run(host.0.send(&said)).is_err() {
            return;
        }
        for _ in 0..noise.next(4) {
            match run(host.0.recv(&mut heard, Duration::from_millis(10))) {
                Ok(n) => assert!((1..=heard.len()).contains(&n)),
                Err(LinkError::Timeout(_)) => break,
                Err(LinkError::Unplugged) => return,
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn whatever_a_host_says_the_phone_survives_with_its_chip_unchanged() {
    let model = mt6575();
    let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).unwrap();
    factory.fill("preloader", 128, Filling::default()).unwrap();
    let mut phone = Phone::new(model, factory.finish().unwrap(), Options::default());
    let programs = phone.chip.program_count();
    let mut noise = Noise(0x6575);
    let mut ends = std::collections::BTreeMap::new();
    for round in 0..1500u32 {
        let generation = if round % 2 == 0 { Generation::G1 } else { Generation::G2 };
        phone.options = Options { agent: Some(generation), ..Options::default() };
        phone.options.boot = if round % 5 == 4 { Boot::Preloader } else { Boot::BootRom };
        let resumed = phone.returns_as_2001();
        let mut host = plug_phone(phone);
        if !resumed {
            match (round / 2) % 4 {
                _ if round % 5 == 4 => {}
                0 => {}
                1 => host.start(),
                2 => host.load(generation),
                _ => drop(host.reach_commands(generation)),
            }
        }
        babble(&mut host, &mut noise);
        let (back, ended) = host.0.unplug();
        phone = back;
        *ends.entry(format!("{ended:?}").split(['(', ' ']).next().unwrap().to_owned()).or_insert(0u32) += 1;
    }
    assert_eq!(phone.chip.program_count(), programs);
    println!("{ends:?}");
    assert!(ends.contains_key(&format!("{:?}", Ended::Unplugged)) && ends.len() >= 4, "{ends:?}");
}
