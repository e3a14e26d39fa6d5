//! Chores of this repository, called as `cargo xtask CHORE`.
//!
//! * `ci [--install]`: every check but the tests and the demo, which have commands of their own in the README.
//!   With `--install`, tools that are missing are installed from the package registry; without, the check is named
//!   as not done.
//! * `whole`: the whole system partition over a pseudo-terminal, in every shape, against the chip.
//! * `compare [files | log]`: the speed figures of the README, measured as ratios in one run; all, or those of getting
//!   files out of an image, or what the session log, the mapfile and going on with a dump cost.
//! * `bench-usb [--full] [--only JOB,..] [--install]`: the program on a real Linux USB stack, in an emulated machine.
//! * `dist`: a static Linux binary of the program, checked and run; prints its size and sha256.
//! * `soak [--minutes N | --sessions N] [--seed S] [--disk | --no-disk] [--jobs J]`: a virtual phone dumped again and
//!   again while cable, chip, host and disk fail; stops at the first dump that is not what it says, with its seed.
//! * `kill-points [N]`: a dump killed, out of room or without power at points all over it, resumed and compared.
//! * `fuzz [SECONDS]`: every fuzz target for so long (needs the nightly toolchain and cargo-fuzz).

mod bench_usb;
mod bromide;
mod ci;
mod compare;
mod foreign;
mod fuzz;
mod platforms;
mod process;
mod rooms;
mod soak;
mod usage;
mod whole;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match args.as_slice() {
        ["ci"] => ci::ci(false),
        ["ci", "--install"] => ci::ci(true),
        ["compare"] => compare::compare(),
        ["compare", "files"] => compare::files(),
        ["compare", "log"] => compare::log(),
        ["whole"] => whole::whole(),
        ["bench-usb", options @ ..] => bench_usb::bench_usb(options),
        ["dist"] => platforms::dist(),
        ["soak", options @ ..] => soak::soak(options),
        ["kill-points"] => soak::kill_points(None),
        ["kill-points", points] => soak::kill_points(Some(points)),
        ["fuzz"] => fuzz::fuzz(60),
        ["fuzz", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::fuzz(seconds),
            Err(_) => Err(format!("{seconds} is no number of seconds")),
        },
        _ => Err("usage: cargo xtask ci [--install] | whole | compare [files | log] | dist | fuzz [SECONDS] | bench-usb [--full] [--only JOB,..] [--install] \
                  | soak [--minutes N | --sessions N] [--seed S] [--disk | --no-disk] [--jobs J] | kill-points [N]"
            .into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}
