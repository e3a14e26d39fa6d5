//! `cargo xtask kill-points [N]`: a dump ended once, at points all over it, then gone on with.
//!
//! N times by SIGKILL, evenly over the time an undisturbed dump takes; and as often each by SIGKILL with a power cut at
//! the end, by a disk that is
//! full at any size, and by a power cut at any change of the forgetful disk.

use std::time::Instant;

use super::counts::{Counts, Table};
use super::dice::Dice;
use super::forgetful_disk::Rule;
use super::plan::{Disks, End, Full, Place, Plan};
use super::pool::Pool;
use super::ready;

/// Points without a number given.
const POINTS: u64 = 100;
/// Rounds until all points are hit: how long a process takes is never quite the same.
const MOST_ROUNDS: usize = 20;

/// The session of a point of so many.
type Way = fn(u64, u64) -> Plan;
/// How many sessions were ended before their time.
type Hit = fn(&Counts) -> u64;

/// Runs them all, one table for each way to end.
pub(crate) fn kill_points(points: Option<&str>) -> Result<(), String> {
    let points = match points {
        None => POINTS,
        Some(number) => number.parse().map_err(|_| format!("{number} is no number of points"))?,
    };
    let has_disk = ready::disks(Disks::Some)? != Disks::None;
    let ready = ready::ready()?;
    let ways: [(&str, u64, Way, Hit); 4] = [
        ("SIGKILL", points, killed, |counts| counts.killed),
        ("SIGKILL on the forgetful disk, power cut after the end", points, killed_on_disk, |counts| {
            counts.killed
        }),
        ("full disk", points, full, |counts| counts.sessions - counts.at_once),
        ("power cut", points, cut, |counts| counts.sessions - counts.at_once),
    ];
    // One at a time: a moment of a run is what it was measured to be.
    let pool = Pool { bench: &ready.bench, jobs: 1, foreign: ready.foreign.then_some(1) };
    for (name, points, plan, hit) in ways {
        if !has_disk && plan(0, points).place != Place::Folder {
            continue;
        }
        println!("==> {name}, {points} points");
        let begun = Instant::now();
        let counts = until_hit(&pool, points, plan, hit)?;
        print!("{}", Table { counts: &counts, seeds: None, wall: begun.elapsed() });
    }
    ready.end()
}

/// Runs so many points; those that came after the end of their process are taken again.
fn until_hit(pool: &Pool<'_>, points: u64, plan: Way, hit: Hit) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for _ in 0..MOST_ROUNDS {
        let missing = points.saturating_sub(hit(&counts));
        if missing == 0 {
            return Ok(counts);
        }
        let ended = pool.run(|number| (number < missing).then(|| plan(number, missing)));
        counts.add(&ended.counts);
        if let Some(broken) = ended.broken {
            return Err(broken.to_string());
        }
    }
    Err(format!("of {points} points only {} came before the end of the process", hit(&counts)))
}

/// A point of so many, evenly spread with a little chance, in thousandths.
fn spread(number: u64, points: u64) -> u64 {
    let share = 1000 / points.max(1);
    number * 1000 / points.max(1) + Dice::new(number).below(share.max(1))
}

fn killed(number: u64, points: u64) -> Plan {
    Plan::of_one(number, Place::Folder, End::Kill(spread(number, points)), None)
}

fn killed_on_disk(number: u64, points: u64) -> Plan {
    Plan::of_one(number, Place::Disk(Rule::Strict), End::Kill(spread(number, points)), None)
}

fn full(number: u64, points: u64) -> Plan {
    let full = Full { of: spread(number, points), quota: number % 2 == 1 };
    Plan::of_one(number, Place::Disk(Rule::Strict), End::Itself, Some(full))
}

fn cut(number: u64, points: u64) -> Plan {
    let rule = if number % 4 == 3 { Rule::Journal } else { Rule::Strict };
    Plan::of_one(number, Place::Disk(rule), End::PowerCut(spread(number, points)), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_spread_over_the_whole_run() {
        for points in [1, 10, 100, 1000, 3000] {
            let all: Vec<u64> = (0..points).map(|number| spread(number, points)).collect();
            assert!(all.is_sorted() && all.iter().all(|at| *at < 1000), "{points}");
            assert!(points < 10 || (all[0] < 100 && all[all.len() - 1] >= 900), "{points}");
        }
    }
}
