//! How fast pages are checked: `cargo bench -p bromide-nand`, with `--features simd` for carry-less multiply.
//!
//! Pages of 2048 + 64 bytes, 64 MiB of them, so that they come from memory and not from a cache. GB/s are 10^9
//! stored bytes (2112 a page) a second, the best of several runs; "two" is the same pages shared by two threads.
//! Pages are checked as a check of a whole chip does it, and every run must count the pages it expects.

use std::thread;
use std::time::{Duration, Instant};

use bromide_nand::ecc::correct_sector;
use bromide_nand::report::Counts;
use bromide_nand::{Geometry, Layout, check_page, encode_page};

const STORED: usize = 2112;
const SECTOR: usize = 528;
const PAGES: usize = (64 << 20) / STORED;

fn chip() -> Geometry {
    Geometry::new(2048, 64, 64, 4096).unwrap()
}

/// Reproducible noise (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// Written pages of noise, interleaved, with so many wrong bits in every sector.
fn written(wrong: usize) -> Vec<u8> {
    let (mut noise, mut pages) = (Noise(6575), vec![0; PAGES * STORED]);
    let mut main = [0; 2048];
    for page in pages.chunks_exact_mut(STORED) {
        main.as_chunks_mut().0.iter_mut().for_each(|word| *word = noise.next().to_le_bytes());
        let tags: [u8; 24] = std::array::from_fn(|at| main[at]);
        encode_page(&main, &tags, None, &chip(), page).unwrap();
        for sector in page.chunks_exact_mut(SECTOR) {
            let mut bits = Vec::new();
            while bits.len() < wrong {
                let bit = noise.below(4212);
                if !bits.contains(&bit) {
                    sector[bit / 8] ^= 1 << (bit % 8);
                    bits.push(bit);
                }
            }
        }
    }
    pages
}

fn in_layout(pages: &[u8], layout: Layout) -> Vec<u8> {
    let mut other = vec![0; pages.len()];
    for (to, from) in other.chunks_exact_mut(STORED).zip(pages.chunks_exact(STORED)) {
        Layout::Interleaved.convert(from, layout, to, &chip()).unwrap();
    }
    other
}

fn count(pages: &[u8], layout: Layout) -> Counts {
    let (mut counts, chip) = (Counts::default(), chip());
    for page in pages.chunks_exact(STORED) {
        counts.add(check_page(page, layout, &chip));
    }
    counts
}

fn count_on_two(pages: &[u8], layout: Layout) -> Counts {
    let (front, back) = pages.split_at(PAGES / 2 * STORED);
    thread::scope(|scope| {
        let other = scope.spawn(|| count(back, layout));
        let mut counts = count(front, layout);
        counts.merge(&other.join().unwrap());
        counts
    })
}

/// GB/s of the best run: at least three, and as many as fit half a second.
fn speed<T: PartialEq + std::fmt::Debug>(bytes: usize, expected: &T, what: impl Fn() -> T) -> f64 {
    let begun = Instant::now();
    let (mut best, mut runs) = (Duration::MAX, 0);
    while runs < 3 || begun.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        let found = what();
        best = best.min(start.elapsed());
        assert_eq!(&found, expected);
        runs += 1;
    }
    f64::from(u32::try_from(bytes).unwrap()) / best.as_secs_f64() / 1e9
}

fn check(name: &str, pages: &[u8], layout: Layout, expected: Counts) {
    let one = speed(pages.len(), &expected, || count(pages, layout));
    let two = speed(pages.len(), &expected, || count_on_two(pages, layout));
    println!("{name:<42} {one:>6.2} GB/s {two:>6.2} GB/s   {:.2}", two / one);
}

fn main() {
    // Arguments are cargo's (`--bench`); there is nothing to choose.
    let pages = u64::try_from(PAGES).unwrap();
    println!("{:<42} {:>11} {:>11}   two/one", "check_page", "one thread", "two");
    let clean = written(0);
    for layout in [Layout::Interleaved, Layout::DataThenSpare] {
        let name = format!("clean, {layout:?}");
        check(&name, &in_layout(&clean, layout), layout, Counts { clean: pages, ..Counts::default() });
    }
    for wrong in [1, 2, 3, 4] {
        let mut expected =
            Counts { wrong_bits: pages * 4 * u64::try_from(wrong).unwrap(), ..Counts::default() };
        expected.correctable[wrong - 1] = pages;
        let name = format!("{wrong} wrong bits in every sector, Interleaved");
        check(&name, &written(wrong), Layout::Interleaved, expected);
    }
    for layout in [Layout::Interleaved, Layout::DataThenSpare] {
        let blank = Counts { blank: pages, ..Counts::default() };
        check(&format!("blank, {layout:?}"), &vec![0xff; PAGES * STORED], layout, blank);
    }
    check(
        "damaged (looked at in the other layout)",
        &in_layout(&clean, Layout::DataThenSpare),
        Layout::Interleaved,
        Counts { damaged: pages, ..Counts::default() },
    );
    correction(&clean);
}

/// Sectors repaired in place, with the wrong bits put in again each time: the time of that is part of it.
fn correction(clean: &[u8]) {
    let mut sectors: Vec<_> = clean
        .chunks_exact(SECTOR)
        .take(1 << 14)
        .map(|sector| {
            let (data, spare) = sector.split_at(512);
            (<[u8; 512]>::try_from(data).unwrap(), <[u8; 16]>::try_from(spare).unwrap())
        })
        .collect();
    println!("\n{:<42} {:>11}", "correct_sector, one thread", "a sector");
    for wrong in 0..=4 {
        let (mut noise, mut best) = (Noise(2075), Duration::MAX);
        for _ in 0..5 {
            let start = Instant::now();
            for (data, spare) in &mut sectors {
                for place in 0..wrong {
                    data[place * 128 + noise.below(128)] ^= 1 << place;
                }
                std::hint::black_box(correct_sector(data, spare));
            }
            best = best.min(start.elapsed());
        }
        println!("{:<42} {:>8} ns", format!("{wrong} wrong bits"), best.as_nanos() >> 14);
    }
}
