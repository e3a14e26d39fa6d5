//! One session: its processes one after the other, and what has to be true after each of them.

#[cfg(test)]
mod false_programs;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::check::{Check, is_there};
use super::counts::Counts;
use super::dice::Dice;
use super::faults::Kind;
use super::forgetful_disk::{Disk, Room};
use super::plan::{End, Full, Phone, Place, Plan, Try};
use super::run::{Ended, Ran, Stop, run};
use super::truth::{CHIPS, MODEL, Truth};

/// What all sessions share.
pub(super) struct Bench {
    pub(super) program: PathBuf,
    /// Folder with the stand-ins for agents, `g1.bin` and `g2.bin`.
    pub(super) agents: PathBuf,
    /// Where sessions have their folders.
    pub(super) scratch: PathBuf,
    pub(super) truths: Vec<Truth>,
    pub(super) measured: Measured,
    /// Longest life of a process; three times that where silences take time.
    pub(super) bound: Duration,
}

/// What an undisturbed dump takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Measured {
    /// Time of the whole process where the phone's silences take none, and where they do.
    pub(super) took: Duration,
    pub(super) took_real: Duration,
    /// Changes of the disk.
    pub(super) changes: u64,
    /// Bytes on the disk.
    pub(super) bytes: u64,
}

impl Measured {
    /// The time of a dump of this phone.
    fn of(&self, phone: &Phone) -> Duration {
        if phone.real_time { self.took_real } else { self.took }
    }
}

/// A session that shows a fault of the program under test.
pub(super) struct Broken {
    pub(super) seed: u64,
    what: String,
    commands: Vec<String>,
    said: String,
    /// What is left of it.
    kept: PathBuf,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        writeln!(f, "what was run:")?;
        self.commands.iter().try_for_each(|command| writeln!(f, "  {command}"))?;
        writeln!(f, "the last one said:")?;
        self.said.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "what it left is in {}", self.kept.display())
    }
}

/// A session while it runs.
struct Session<'a> {
    bench: &'a Bench,
    plan: &'a Plan,
    folder: PathBuf,
    disk: Option<Disk>,
    dice: Dice,
    counts: Counts,
    commands: Vec<String>,
    said: String,
}

/// Runs a session; `foreign` has its files looked at by foreign tools too.
pub(super) fn session(bench: &Bench, plan: &Plan, foreign: bool) -> Result<Counts, Box<Broken>> {
    let folder = bench.scratch.join(plan.seed.to_string());
    let mut session = Session {
        bench,
        plan,
        folder,
        disk: None,
        dice: Dice::new(!plan.seed),
        counts: Counts { sessions: 1, ..Counts::default() },
        commands: Vec::new(),
        said: String::new(),
    };
    let ended = session.prepare().and_then(|()| session.all(foreign));
    match ended {
        Ok(()) => {
            session.disk = None; // unmounted before its folder goes
            let _ = fs::remove_dir_all(&session.folder);
            Ok(session.counts)
        }
        Err(what) => Err(Box::new(session.broken(what))),
    }
}

impl Session<'_> {
    fn prepare(&mut self) -> Result<(), String> {
        let said = |e: io::Error| format!("{}: {e}", self.folder.display());
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(self.place()).map_err(said)?;
        if let Place::Disk(rule) = self.plan.place {
            self.disk =
                Some(Disk::mount(&self.place(), rule).map_err(|e| format!("the forgetful disk: {e}"))?);
            self.counts.on_disk = 1;
        }
        Ok(())
    }

    /// The folder the dump's folder is in.
    fn place(&self) -> PathBuf {
        self.folder.join("disk")
    }

    fn dump(&self) -> PathBuf {
        self.place().join("dump")
    }

    fn check(&self, foreign: bool) -> Result<Check<'_>, String> {
        let chip = self.plan.phone.chip;
        let truth = self.bench.truths.get(chip).ok_or_else(|| format!("there is no chip {chip}"))?;
        let (shape, lies) = (self.plan.shape, self.plan.lies());
        let bound = self.bench.bound;
        Ok(Check { truth, shape, lies, folder: self.dump(), scratch: &self.folder, bound, foreign })
    }

    /// All tries, until one ends well.
    fn all(&mut self, foreign: bool) -> Result<(), String> {
        let plan = self.plan;
        for (number, it) in plan.tries.iter().enumerate() {
            let done = self.one(it)?;
            self.counts.images += self.check(foreign)?.so_far()?;
            if !done {
                self.cut_if_meant(it)?;
                self.counts.images += self.check(foreign)?.so_far()?;
                continue;
            }
            self.counts.at_once += u64::from(number == 0);
            // Whoever says that all is well has it on the disk.
            self.cut()?;
            let found = self.check(foreign)?.whole(&self.bench.program).map_err(|e| match self.disk {
                Some(_) => format!("exit code 0, and after a power cut: {e}"),
                None => format!("exit code 0, and {e}"),
            })?;
            self.counts.images += found.images;
            self.counts.told += found.told;
            self.counts.foreign += u64::from(foreign);
            return if foreign { self.once_more() } else { Ok(()) };
        }
        Err("the last tries had no faults, and the dump is still not whole".into())
    }

    /// A dump that is whole stays as it is, whatever it is asked for again.
    fn once_more(&mut self) -> Result<(), String> {
        let it = Try { resume: self.plan.seed.is_multiple_of(2), ..Try::default() };
        if !self.plan.lies() {
            self.one(&it)?;
            self.check(true)?.whole(&self.bench.program).map_err(|e| format!("asked for again, {e}"))?;
        }
        Ok(())
    }

    /// One process; whether it says that the dump is whole.
    fn one(&mut self, it: &Try) -> Result<bool, String> {
        let resume = it.resume && is_there(&self.dump());
        let went_on = is_there(&self.dump());
        self.counts.processes += 1;
        self.counts.again += u64::from(went_on && !resume);
        self.counts.resumed += u64::from(resume);
        it.kinds().into_iter().for_each(|kind| *self.counts.kinds.entry(kind).or_default() += 1);
        let room = it.room.map_or_else(Room::default, |full| room(full, self.bench.measured.bytes));
        if let Some(disk) = &self.disk {
            disk.set_room(room);
        }
        let args = arguments(self.plan, it, resume, &self.dump(), &self.bench.agents);
        self.commands.push(repeated(self.bench, &args, &self.plan.phone, it, room));
        let mut command = Command::new(&self.bench.program);
        // Whatever it notes about itself stays in the session's own folder.
        command.args(&args).env("XDG_STATE_HOME", self.folder.join("state")).env("HOME", &self.folder);
        let ran = self.watched(&mut command, it)?;
        self.said.clone_from(&ran.said);
        self.counts.killed += u64::from(matches!(ran.ended, Ended::Signal(_)));
        self.counts.unread += u64::from(ran.ended == Ended::Code(UNREAD));
        verdict(&ran, it, self.plan.lies())
    }

    fn watched(&self, command: &mut Command, it: &Try) -> Result<Ran, String> {
        let Bench { measured, bound, .. } = *self.bench;
        let bound = if self.plan.phone.real_time { bound * 3 } else { bound };
        let at = |thousandths: u64| part_of(measured.of(&self.plan.phone), thousandths);
        match (it.end, &self.disk) {
            (End::Kill(when), _) => run(command, &self.folder, bound, &Stop::After(at(when), Signal::KILL)),
            (End::Interrupt(when), _) => {
                run(command, &self.folder, bound, &Stop::After(at(when), Signal::INT))
            }
            (End::PowerCut(when), Some(disk)) => {
                disk.fail_after(Some(measured.changes * when / 1000));
                run(command, &self.folder, bound, &Stop::When(&|| disk.has_failed()))
            }
            _ => run(command, &self.folder, bound, &Stop::Nothing),
        }
    }

    fn cut_if_meant(&mut self, it: &Try) -> Result<(), String> {
        if matches!(it.end, End::PowerCut(_)) { self.cut() } else { Ok(()) }
    }

    /// Cuts the power of the disk, if the session has one.
    fn cut(&mut self) -> Result<(), String> {
        let Some(disk) = self.disk.take() else { return Ok(()) };
        let seed = self.dice.roll();
        self.commands.push(format!("# the power of the disk is cut, chance from seed {seed}"));
        self.counts.power_cuts += 1;
        self.disk = Some(disk.power_cut(seed).map_err(|e| format!("the forgetful disk: {e}"))?);
        Ok(())
    }

    /// Keeps what is there.
    fn broken(mut self, what: String) -> Broken {
        let kept = self.folder.with_extension("kept");
        let _ = fs::remove_dir_all(&kept);
        let copied = Command::new("cp").arg("-r").arg(&self.folder).arg(&kept).status();
        self.disk = None;
        let kept = if copied.is_ok_and(|status| status.success()) { kept } else { self.folder.clone() };
        Broken { seed: self.plan.seed, what, commands: self.commands, said: self.said, kept }
    }
}

/// The one process of an undisturbed dump, in this place or a new folder, without any check.
pub(super) fn undisturbed(bench: &Bench, plan: &Plan, place: Option<&Path>) -> Result<Ran, String> {
    let folder = bench.scratch.join("undisturbed");
    let said = |e: io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(&folder).map_err(said)?;
    let dump = place.unwrap_or(&folder).join("dump");
    let mut command = Command::new(&bench.program);
    command.args(arguments(plan, &Try::default(), false, &dump, &bench.agents));
    command.env("XDG_STATE_HOME", folder.join("state")).env("HOME", &folder);
    let ran = run(&mut command, &folder, bench.bound, &Stop::Nothing)?;
    fs::remove_dir_all(&folder).map_err(said)?;
    match ran.ended {
        Ended::Code(0) => Ok(ran),
        ended => Err(format!("an undisturbed dump ended with {ended:?}: {}", ran.said)),
    }
}

/// Exit codes: pages that cannot be read, the phone's data is not what was read before (README).
const UNREAD: i32 = 5;
const DIFFERS: i32 = 4;

/// Whether a process says that the dump is whole, if its end is one it may have.
fn verdict(ran: &Ran, it: &Try, lies: bool) -> Result<bool, String> {
    let has = |kind| it.kinds().contains(&kind);
    if ran.said.contains("panicked at") || ran.ended == Ended::Code(101) {
        return Err("it panicked".into());
    }
    match ran.ended {
        Ended::Code(0) => Ok(true),
        // Failed, no phone, pages that do not come, interrupted.
        Ended::Code(1 | 3 | UNREAD | 130) => Ok(false),
        Ended::Code(DIFFERS) if lies => Ok(false),
        Ended::Signal(9) if ran.stopped || has(Kind::KillHost) => Ok(false),
        // Before it can take care of the signal it dies of it.
        Ended::Signal(2) if ran.stopped && has(Kind::SigInt) => Ok(false),
        Ended::Hung => Err(format!("it did not end within {:.0?}", ran.took)),
        ended => Err(format!("it ended with {ended:?}")),
    }
}

/// The command line of a try.
fn arguments(plan: &Plan, it: &Try, resume: bool, dump: &Path, agents: &Path) -> Vec<String> {
    let Phone { chip, agent, boot, real_time } = plan.phone;
    let clock = if real_time { "real" } else { "virtual" };
    let seed = CHIPS.get(chip).copied().unwrap_or_default();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut args: Vec<String> = if resume {
        vec!["resume".into(), path(dump)]
    } else {
        let mut args = vec!["read".into(), "--all".into(), "-o".into(), path(dump)];
        args.extend(plan.shape.option().map(Into::into));
        args.extend(plan.packet.map(|pages| format!("--packet-pages={pages}")));
        args
    };
    args.extend(["--da".into(), path(&agents.join(format!("{agent}.bin")))]);
    args.extend([
        "--via".into(),
        format!("phone:{MODEL}?seed={seed}&agent={agent}&boot={boot}&clock={clock}"),
    ]);
    if let Some(spec) = it.spec() {
        args.extend(["--fault".into(), spec]);
    }
    args
}

/// A line for the shell that does the same.
fn repeated(bench: &Bench, args: &[String], phone: &Phone, it: &Try, room: Room) -> String {
    let Bench { program, measured, .. } = bench;
    let quoted = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
        if word.chars().all(plain) { word.clone() } else { format!("'{word}'") }
    };
    let line = args.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let line = format!("{} {line}", program.display());
    let seconds = |thousandths| part_of(measured.of(phone), thousandths).as_secs_f64();
    let line = match it.end {
        End::Itself => line,
        End::Kill(when) => format!("timeout -s KILL {:.4} {line}", seconds(when)),
        End::Interrupt(when) => format!("timeout -s INT {:.4} {line}", seconds(when)),
        End::PowerCut(when) => {
            format!("{line}  # the disk's power fails after {} changes", measured.changes * when / 1000)
        }
    };
    match room.bytes {
        Some(bytes) if room.promises => format!("{line}  # on a disk of {bytes} bytes that promises more"),
        Some(bytes) => format!("{line}  # on a disk of {bytes} bytes"),
        None => line,
    }
}

fn room(full: Full, of: u64) -> Room {
    Room { bytes: Some(of * full.of / 1000), promises: full.quota }
}

/// Thousandths of a time.
fn part_of(time: Duration, thousandths: u64) -> Duration {
    time.mul_f64(thousandths as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::super::faults::Fault;
    use super::super::plan::Shape;
    use super::*;

    fn ran(ended: Ended, stopped: bool, said: &str) -> Ran {
        Ran { ended, stopped, took: Duration::ZERO, said: said.into() }
    }

    fn with(kind: Kind, end: End) -> Try {
        Try { faults: vec![Fault { kind, word: String::new() }], end, ..Try::default() }
    }

    #[test]
    fn ends_are_taken_for_what_they_are() {
        let plain = with(Kind::Drop, End::Itself);
        assert_eq!(verdict(&ran(Ended::Code(0), false, ""), &plain, false), Ok(true));
        for code in [1, 3, 5, 130] {
            assert_eq!(verdict(&ran(Ended::Code(code), false, ""), &plain, false), Ok(false));
        }
        for code in [2, 4, 101, 77] {
            assert!(verdict(&ran(Ended::Code(code), false, ""), &plain, false).is_err(), "{code}");
        }
        assert!(
            verdict(&ran(Ended::Code(1), false, "thread 'main' panicked at src"), &plain, false).is_err()
        );
        assert!(verdict(&ran(Ended::Hung, false, ""), &plain, false).is_err());
    }

    #[test]
    fn a_process_dies_of_signals_it_was_sent_only() {
        let plain = with(Kind::Drop, End::Itself);
        assert!(verdict(&ran(Ended::Signal(9), false, ""), &plain, false).is_err());
        assert!(verdict(&ran(Ended::Signal(11), true, ""), &plain, false).is_err());
        assert_eq!(verdict(&ran(Ended::Signal(9), true, ""), &plain, false), Ok(false));
        let own = with(Kind::KillHost, End::Itself);
        assert_eq!(verdict(&ran(Ended::Signal(9), false, ""), &own, false), Ok(false));
        let interrupted = with(Kind::Drop, End::Interrupt(3));
        assert_eq!(verdict(&ran(Ended::Signal(2), true, ""), &interrupted, false), Ok(false));
        assert!(verdict(&ran(Ended::Signal(2), false, ""), &interrupted, false).is_err());
    }

    #[test]
    fn the_command_that_repeats_a_try_can_be_pasted() {
        let mut plan = Plan::of_one(3, Place::Folder, End::Kill(500), None);
        plan.shape = Shape::SpareLast;
        let args = arguments(&plan, &plan.tries[0], false, Path::new("d/dump"), Path::new("a"));
        let bench = Bench {
            program: "bromide".into(),
            agents: "a".into(),
            scratch: "s".into(),
            truths: Vec::new(),
            measured: Measured { took: Duration::from_millis(100), ..Measured::default() },
            bound: Duration::ZERO,
        };
        assert_eq!(
            repeated(&bench, &args, &plan.phone, &plan.tries[0], Room::default()),
            "timeout -s KILL 0.0500 bromide read --all -o d/dump --spare-last --da a/g2.bin --via \
             'phone:small?seed=7&agent=g2&boot=bootrom&clock=virtual'"
        );
        let args = arguments(&plan, &plan.tries[1], true, Path::new("d/dump"), Path::new("a"));
        assert_eq!(args[..2], ["resume", "d/dump"]);
    }
}
