//! Mapfiles against a plain array of bytes, against the manual's example, and against `ddrescuelog`.

use std::fs;
use std::process::{Command, Stdio};

use super::*;

const STATES: [State; 5] = [State::Untried, State::Untrimmed, State::Unscraped, State::Bad, State::Finished];

/// A small generator, the same on every machine (the constants are Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// The states byte by byte.
fn bytewise(map: &Mapfile) -> Vec<State> {
    map.stretches().iter().flat_map(|it| it.range.clone().map(|_| it.state)).collect()
}

#[test]
fn any_sequence_of_changes_gives_what_an_array_of_bytes_gives() {
    let mut dice = Dice(7);
    for _ in 0..200 {
        let bytes = dice.below(60);
        let mut map = Mapfile::new(bytes);
        let mut plain = vec![State::Untried; bytes as usize];
        for _ in 0..30 {
            let (start, len) = (dice.below(70), dice.below(20));
            let state = STATES[dice.below(5) as usize];
            map.set(start..start + len, state);
            for at in start..(start + len).min(bytes) {
                plain[at as usize] = state;
            }
            assert_eq!(bytewise(&map), plain);
            assert!(map.stretches().windows(2).all(|pair| pair[0].state != pair[1].state), "{map:?}");
            for state in STATES {
                assert_eq!(map.total(state), plain.iter().filter(|s| **s == state).count() as u64);
                let from = dice.below(70);
                let next = plain.iter().enumerate().find(|(at, s)| **s == state && *at as u64 >= from);
                assert_eq!(map.next(state, from).map(|r| r.start), next.map(|(at, _)| at as u64));
            }
            let prefix = plain.iter().take_while(|s| **s == State::Finished).count() as u64;
            assert_eq!((map.prefix(), map.is_whole()), (prefix, prefix == bytes));
            let (again, remarks) = Mapfile::parse(&map.text(&["made for a test".into()])).unwrap();
            assert_eq!((again, remarks[0].as_str()), (map.clone(), "made for a test"));
        }
    }
}

#[test]
fn a_file_as_ddrescue_writes_it_is_understood() {
    let text = "# Mapfile. Created by GNU ddrescue version 1.27\n# Command line: ddrescue -d /dev/sdc hdimage mapfile\n\
                # current_pos  current_status  current_pass\n0x29F2C400     *               1\n\
                #      pos        size  status\n0x00000000  0x00117000  +\n0x00117000  0x00000200  -\n\
                0x00117200  0x00001000  /\n0x00118200  0x00007E00  *\n0x00120000  0x00048000  ?\n";
    let (map, remarks) = Mapfile::parse(text).unwrap();
    assert_eq!(map.bytes(), 0x168000);
    assert_eq!(map.prefix(), 0x117000);
    assert_eq!(map.next(State::Bad, 0), Some(0x117000..0x117200));
    assert_eq!(remarks.len(), 4);
}

#[test]
fn a_file_that_is_none_is_refused_with_its_line() {
    for (text, line) in [
        ("", 1),
        ("# only remarks\n", 1),
        ("x ? 1\n", 1),
        ("0x0 Q 1\n", 1),
        ("0x0 ? 1\n0x10 0x10 +\n", 2),
        ("0x0 ? 1\n0x0 0x10 +\n0x10 0x0 +\n", 3),
        ("0x0 ? 1\n0x0 0x10 !\n", 2),
        ("0x0 ? 1\n0x0 0xffffffffffffffff +\n0xffffffffffffffff 0x10 +\n", 3),
    ] {
        assert_eq!(Mapfile::parse(text).unwrap_err().line, line, "{text:?}");
    }
}

#[test]
fn ddrescuelog_accepts_every_file_and_counts_the_same() {
    if Command::new("ddrescuelog").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: no ddrescuelog here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(99);
    for round in 0..20 {
        let mut map = Mapfile::new(1 + dice.below(1 << 30));
        for _ in 0..dice.below(20) {
            let start = dice.below(1 << 30);
            map.set(start..start + dice.below(1 << 24), STATES[dice.below(5) as usize]);
        }
        if round == 0 {
            map.set(0..map.bytes(), State::Finished);
        }
        let path = folder.path().join("x.map");
        fs::write(&path, map.text(&["Mapfile. Created by a test".into()])).unwrap();
        let shown = Command::new("ddrescuelog").args(["-t"]).arg(&path).output().unwrap();
        assert!(shown.status.success(), "{shown:?}\n{}", map.text(&[]));
        // `-D`: exit code 0 only for a whole image, `-l +` lists blocks of one byte's size that are there.
        let done = Command::new("ddrescuelog").arg("-D").arg(&path).status().unwrap();
        assert_eq!(done.success(), map.is_whole());
    }
}
