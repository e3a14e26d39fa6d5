//! `bromide`: reads back and checks the storage of MediaTek phones.
//!
//! This file starts and ends the program; `cli.rs` says what can be typed, `cmd/` what it does, `report.rs` what
//! an error advises, `choose.rs` where the phone is.

mod choose;
mod cli;
mod cmd;
mod demo_flash;
mod faults;
mod front;
mod json;
mod numbers;
mod out;
mod read_list;
mod recording;
mod report;
mod run_log;
mod screen;
mod usb_recording;
mod virtual_phone;

use std::process::ExitCode;

use bromide_link::Cancel;
use clap::Parser;

use crate::cli::{Cli, Command, Da, Phone};
use crate::front::Front;
use crate::report::{Failure, exit};
use crate::run_log::LogOptions;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let cancel = Cancel::new();
    let flag = cancel.clone();
    // Without a handler Ctrl-C still ends the program, only less politely. So does a second one, should the first
    // not be heard: a named pipe as a map, a disk that hangs.
    let _ = ctrlc::set_handler(move || {
        if flag.is_set() {
            std::process::exit(exit::INTERRUPTED.into());
        }
        flag.set();
    });
    let mut front = Front::new(cli.output);
    run_log::intend(&cli.command, &cli.log);
    let ended = run(cli.command, &cli.log, &mut front, &cancel);
    front.settle();
    run_log::finish(&ended, &mut front);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.show(cli.output.json),
    }
}

fn run(command: Command, log: &LogOptions, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        Command::Read(args) => cmd::read::read(args, front, cancel),
        Command::ReadList(args) => cmd::read::read_list(args, front, cancel),
        Command::Resume(args) => cmd::resume::resume(args, front, cancel),
        Command::Verify(args) => cmd::verify::verify(args, front, cancel),
        Command::Info(args) => cmd::info::info(args, front, cancel),
        Command::Da(Da::List { file }) => cmd::da::list(&file, front),
        Command::Map(command) => cmd::map::map(command, front),
        Command::Identify(args) => cmd::identify::identify(&args, front),
        Command::Image(command) => cmd::image::image(command, front, cancel),
        Command::Bundle(command) => cmd::bundle::bundle(command, front, cancel),
        Command::Drivers(command) => cmd::drivers::drivers(command, front, cancel),
        Command::Doctor(args) => cmd::doctor::doctor(&args, front),
        Command::Setup(command) => cmd::setup::setup(command, front),
        Command::Devices(args) => cmd::devices::devices(&args, front),
        Command::Watch(args) => cmd::watch::watch(&args, front, cancel),
        Command::Vm(command) => cmd::vm::vm(command, front, cancel),
        Command::Log(command) => cmd::log::log(command, log, front, cancel),
        Command::Demo(args) => cmd::demo::demo(args, front, cancel),
        Command::Wireshark(command) => cmd::wireshark::wireshark(command, front),
        Command::Phone(Phone::Serve(args)) => cmd::phone::serve(args, front, cancel),
        Command::Phone(Phone::DemoAgent { format, output }) => cmd::phone::demo_agent(format, &output, front),
        Command::Phone(Phone::Models) => cmd::phone::models(front),
    }
}
