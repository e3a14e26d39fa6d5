//! `cargo xtask soak [--minutes N | --sessions N] [--seed S] [--disk | --no-disk] [--jobs J]` and
//! `cargo xtask kill-points [N]`: a virtual phone is dumped again and again while everything goes wrong.
//!
//! Each session follows from its seed ([`plan`]): faults of the cable, of the chip and of the host, processes killed,
//! disks that are full or lose their power. What has to be true after each process is in [`session`] and [`check`].
//! The first session in which it is not ends the run, with its seed and the commands that were run.
//!
//! What is not repeated from a seed: the moment of a signal hits another instruction each time, and threads change
//! the order of what reaches the disk. The seed repeats the kind of session, and the message tells what was run.

mod check;
mod counts;
mod dice;
mod faults;
mod forgetful_disk;
mod kill_points;
mod plan;
mod pool;
mod ready;
mod run;
mod session;
mod truth;

use std::time::{Duration, Instant};

use counts::Table;
use plan::{Disks, Plan};
use pool::Pool;

pub(crate) use kill_points::kill_points;

/// So many sessions share one look of foreign tools.
const FOREIGN: u64 = 10;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Time(Duration),
    Sessions(u64),
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    until: Until,
    seed: u64,
    disks: Disks,
    jobs: usize,
}

/// Runs sessions until it is enough or one is broken.
pub(crate) fn soak(options: &[&str]) -> Result<(), String> {
    let wish = wish(options)?;
    let disks = ready::disks(wish.disks)?;
    let ready = ready::ready()?;
    let pages = ready.bench.truths.first().map_or(0, truth::Truth::pages);
    let chips = ready.bench.truths.len();
    println!("==> soak from seed {}, {} at a time", wish.seed, wish.jobs);
    let begun = Instant::now();
    let pool = Pool { bench: &ready.bench, jobs: wish.jobs, foreign: ready.foreign.then_some(FOREIGN) };
    let ended = pool.run(|number| {
        let enough = match wish.until {
            Until::Time(time) => begun.elapsed() >= time,
            Until::Sessions(sessions) => number >= sessions,
        };
        (!enough).then(|| Plan::of(wish.seed.wrapping_add(number), chips, pages, disks))
    });
    print!("{}", Table { counts: &ended.counts, seeds: ended.seeds, wall: begun.elapsed() });
    match ended.broken {
        None => ready.end(),
        Some(broken) => Err(format!(
            "{broken}\nagain: cargo xtask soak --sessions 1 --seed {}{}",
            broken.seed,
            match disks {
                Disks::Some => "",
                Disks::All => " --disk",
                Disks::None => " --no-disk",
            }
        )),
    }
}

fn wish(options: &[&str]) -> Result<Wish, String> {
    let jobs = 8 * std::thread::available_parallelism().map_or(1, usize::from);
    let mut wish =
        Wish { until: Until::Time(Duration::from_secs(60)), seed: 1, disks: Disks::default(), jobs };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut number = || -> Result<u64, String> {
            let value = options.next().ok_or_else(|| format!("{option} needs a number"))?;
            value.parse().map_err(|_| format!("{option}: {value} is no number"))
        };
        match *option {
            "--minutes" => wish.until = Until::Time(Duration::from_secs(number()?.saturating_mul(60))),
            "--sessions" => wish.until = Until::Sessions(number()?),
            "--seed" => wish.seed = number()?,
            "--jobs" => wish.jobs = usize::try_from(number()?.clamp(1, 256)).unwrap_or(1),
            "--disk" => wish.disks = Disks::All,
            "--no-disk" => wish.disks = Disks::None,
            _ => return Err(format!("soak knows no {option}")),
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_and_wrong_ones_named() {
        let all = wish(&["--sessions", "5", "--seed", "9", "--disk", "--jobs", "3"]).unwrap();
        assert_eq!(all, Wish { until: Until::Sessions(5), seed: 9, disks: Disks::All, jobs: 3 });
        assert_eq!(wish(&["--minutes", "2"]).unwrap().until, Until::Time(Duration::from_secs(120)));
        assert_eq!(wish(&["--no-disk"]).unwrap().disks, Disks::None);
        assert!(wish(&["--seed"]).unwrap_err().contains("--seed needs"));
        assert!(wish(&["--seed", "x"]).unwrap_err().contains("no number"));
        assert!(wish(&["--hours"]).unwrap_err().contains("--hours"));
    }
}
