//! Errors for people: what happened, and what to do next. The only place that gives advice and picks exit codes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bromide_job::bundle::BundleError;
use bromide_job::error::JobError;
use bromide_job::save::SaveError;
use bromide_link::replay::{ReplayDiffers, ReplayEnded, ReplayUnreadable};
use bromide_link::usb::{NoBus, SeveralPhones, Unconfigured};
use bromide_proto::error::ErrorKind;
use bromide_proto::link::LinkError;

use crate::choose::Via;
use crate::numbers::grouped;
use crate::out::{self, harmless};

/// Exit codes, as `--help` lists them.
pub(crate) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NO_PHONE: u8 = 3;
    pub(crate) const DIFFERS: u8 = 4;
    pub(crate) const DAMAGED: u8 = 5;
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Anything a command can end with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What happened, one sentence.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) advice: Option<String>,
    /// The last exchanges with the phone.
    pub(crate) tail: String,
    /// Stable name for programs.
    pub(crate) code: String,
    /// Exit code.
    pub(crate) exit: u8,
}

impl Failure {
    /// A failure of the command itself, with its cure.
    pub(crate) fn new(code: &str, exit: u8, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: Some(advice.into()).filter(|a| !a.is_empty()),
            tail: String::new(),
            code: code.to_owned(),
            exit,
        }
    }

    /// A failure of the job, with the advice that fits it.
    pub(crate) fn of_job(error: &JobError, via: &Via) -> Self {
        let tail = match error {
            JobError::Talk(e) if !matches!(e.kind, ErrorKind::Link(LinkError::Cancelled)) => e.tail.clone(),
            _ => String::new(),
        };
        let what = match error {
            JobError::NoPhone(d) => format!("no phone at {via} within {} s", d.as_millis().div_ceil(1000)),
            other => other.to_string(),
        };
        Self {
            what,
            advice: job_advice(error, via),
            tail,
            code: other_code(error).unwrap_or(error.code()).to_owned(),
            exit: job_exit(error),
        }
    }

    /// A recording that cannot be played further.
    pub(crate) fn of_replay(error: &LinkError) -> Self {
        let (code, exit, advice) = match error {
            LinkError::Over(e) => replay_end(e.as_ref()).unwrap_or((error.code(), exit::FAILED, "")),
            _ => (error.code(), exit::FAILED, ""),
        };
        Self::new(code, exit, error.to_string(), advice)
    }

    /// A folder that cannot be used as a bundle.
    pub(crate) fn of_bundle(error: &BundleError) -> Self {
        Self::new(error.code(), exit::FAILED, error.to_string(), bundle_advice(error))
    }

    /// A file that cannot be saved, known before the phone was asked.
    pub(crate) fn of_save(error: &SaveError) -> Self {
        Self::new(error.code(), exit::FAILED, error.to_string(), save_advice(error))
    }

    /// Ctrl-C before there was a conversation to end.
    pub(crate) fn stopped() -> Self {
        Self::new("link/cancelled", exit::INTERRUPTED, "stopped by the user", "")
    }

    /// Adds where the bytes are that came before a read broke off: the same command again would stumble over them.
    pub(crate) fn with_part(mut self, error: &JobError, targets: &[PathBuf]) -> Self {
        use SaveError::{Io, Length, Write};
        if !matches!(
            error,
            JobError::Talk(_)
                | JobError::NoPhone(_)
                | JobError::NotOpened(_)
                | JobError::Save(Io { .. } | Length { .. } | Write { .. })
        ) {
            return self;
        }
        let parts = targets.iter().map(|target| target.with_added_extension("part"));
        let left = parts.filter_map(|part| Some((part.metadata().ok()?.len(), part))).next();
        if let Some((bytes, part)) = left {
            let told = format!(
                "{} holds what was read before ({} bytes); the same command again goes on from there",
                part.display(),
                grouped(bytes)
            );
            self.advice = Some(self.advice.map_or(told.clone(), |advice| format!("{advice}; {told}")));
        }
        self
    }

    /// Prints and gives the exit code.
    pub(crate) fn show(&self, json: bool) -> ExitCode {
        if json {
            out::line(serde_json::json!({
                "event": "error", "code": self.code, "text": self.what, "advice": self.advice,
                "last_exchanges": self.tail.lines().collect::<Vec<_>>(), "exit": self.exit,
            }));
            return ExitCode::from(self.exit);
        }
        let mut text = format!("error: {} [{}]", self.what, self.code);
        if let Some(advice) = &self.advice {
            text += &format!("\n  next: {advice}");
        }
        if !self.tail.is_empty() {
            text += "\n  last exchanges (> sent, < received):";
            text.extend(self.tail.lines().map(|line| format!("\n    {line}")));
        }
        out::tell(&harmless(&text));
        ExitCode::from(self.exit)
    }
}

const HOW_TO_PLUG_IN: &str = "switch the phone off, start this command again, then plug the phone in; \
     if it leaves again within seconds, hold Volume-Down while plugging in";
/// What to do where there is no bus.
pub(crate) const NO_BUS: &str = "run it on the machine the phone is plugged into; a container or a virtual machine has \
     to be given the bus";
const POWER_CYCLE: &str = "unplug the phone, take its battery out for a moment (or hold the power key for 10 s), \
     plug it in again and repeat the command";

/// What happened in a replay happened in the recording.
const AS_RECORDED: &str = "the recording has it so; give the options of the recorded command";

fn job_exit(error: &JobError) -> u8 {
    match error {
        JobError::NoPhone(_) => exit::NO_PHONE,
        JobError::NotOpened(LinkError::Cancelled) => exit::INTERRUPTED,
        JobError::NotOpened(LinkError::Unplugged) => exit::NO_PHONE,
        JobError::Talk(e) => match &e.kind {
            ErrorKind::Link(LinkError::Cancelled) => exit::INTERRUPTED,
            ErrorKind::NoHandshake => exit::NO_PHONE,
            ErrorKind::Link(LinkError::Unplugged) if e.step == "start sequence" => exit::NO_PHONE,
            ErrorKind::Link(LinkError::Over(e)) => replay_end(e.as_ref()).map_or(exit::FAILED, |it| it.1),
            _ => exit::FAILED,
        },
        JobError::Unread(_) => exit::DAMAGED,
        JobError::NotOpened(LinkError::Over(e)) => replay_end(e.as_ref()).map_or(exit::FAILED, |it| it.1),
        JobError::Partition(_) | JobError::NoMap | JobError::Range(_) | JobError::SameFile(_) => exit::USAGE,
        _ => exit::FAILED,
    }
}

fn link_advice(error: &LinkError, via: &Via) -> Option<String> {
    Some(match error {
        LinkError::Timeout(_) | LinkError::Unplugged => match via {
            Via::Replay(_) => AS_RECORDED.into(),
            Via::Tcp(_) => "start the virtual phone first: bromide phone serve --listen tcp:..".into(),
            _ => HOW_TO_PLUG_IN.into(),
        },
        LinkError::Stalled(_) => POWER_CYCLE.into(),
        LinkError::Busy(_) => {
            "close the other program; ModemManager is a usual suspect: sudo systemctl stop ModemManager"
                .into()
        }
        LinkError::Denied(node) if matches!(via, Via::Usb(_)) && !Path::new(node).exists() => {
            "the file is missing: a container has to be given /dev/bus/usb".into()
        }
        LinkError::Denied(_) if matches!(via, Via::Usb(_)) => {
            "sudo bromide setup linux --install lets your user open phones; then unplug the phone and repeat"
                .into()
        }
        LinkError::Denied(port) => {
            format!(
                "let your user use serial ports: sudo usermod -aG dialout $USER, then log in again (or run once with sudo); port {port}"
            )
        }
        LinkError::Other(e) | LinkError::Over(e) => return other_advice(e.as_ref()),
        LinkError::Cancelled => return None,
    })
}

/// What to do about the errors that only some cables have.
fn other_advice(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(SeveralPhones(all)) = error.downcast_ref() {
        let ports: Vec<_> = all.iter().map(|seen| format!("--via usb:{}", seen.port)).collect();
        return Some(format!("say which one is meant: {}; or unplug the others", ports.join(" or ")));
    }
    if error.is::<Unconfigured>() {
        return Some(
            "plug it into a port of the computer itself: a hub without power of its own may not be able to feed it"
                .into(),
        );
    }
    if let Some((_, _, advice)) = replay_end(error) {
        return Some(advice.into());
    }
    error.is::<NoBus>().then(|| NO_BUS.into())
}

/// Code, exit code and advice where a recording is played no further.
fn replay_end(error: &(dyn std::error::Error + 'static)) -> Option<(&'static str, u8, &'static str)> {
    if error.is::<ReplayDiffers>() {
        let advice = "a recording answers what was said then: repeat the recorded command with the same options, \
                      Download Agent and map, and the version of the tool that recorded";
        return Some(("replay/differs", exit::DIFFERS, advice));
    }
    if error.is::<ReplayEnded>() {
        return Some(("replay/ended", exit::FAILED, "nothing more was recorded; record the session anew"));
    }
    let unreadable: &ReplayUnreadable = error.downcast_ref()?;
    let advice = "a recording refers to the files saved with it: keep it where it was made, or bromide log export it \
                  whole there";
    Some((unreadable.code, exit::FAILED, advice))
}

/// Stable names for them.
fn other_code(error: &JobError) -> Option<&'static str> {
    let error = match error {
        JobError::NotOpened(LinkError::Other(error) | LinkError::Over(error)) => error,
        JobError::Talk(talk) => match &talk.kind {
            ErrorKind::Link(LinkError::Other(error) | LinkError::Over(error)) => error,
            _ => return None,
        },
        _ => return None,
    };
    if let Some((code, _, _)) = replay_end(error.as_ref()) {
        return Some(code);
    }
    match error {
        e if e.is::<SeveralPhones>() => Some("usb/several-phones"),
        e if e.is::<Unconfigured>() => Some("usb/not-configured"),
        e if e.is::<NoBus>() => Some("usb/no-bus"),
        _ => None,
    }
}

fn job_advice(error: &JobError, via: &Via) -> Option<String> {
    Some(match error {
        JobError::Talk(e) => return talk_advice(e.step, &e.kind, via),
        JobError::NoPhone(d) => return link_advice(&LinkError::Timeout(*d), via),
        JobError::NotOpened(e) => return link_advice(e, via),
        JobError::AlreadyHighSpeed => {
            "hold Volume-Down while plugging in: the BootROM answers then, at full speed; or leave --speed full away".into()
        }
        JobError::AnotherPhone => "plug in the phone the read was begun with, and repeat the command".into(),
        JobError::NoSession => HOW_TO_PLUG_IN.into(),
        JobError::EdgeDiffers(_) => "is this the phone the read was begun with, and was it not used since? Then the .part file \
             cannot be trusted: --force discards it and begins again"
            .into(),
        JobError::AgentIo { .. } => "name the Download Agent file with --da; it comes with the vendor's flash tool".into(),
        JobError::AgentTooLarge { .. } | JobError::AgentFile { .. } => {
            "get the file again from where it came; bromide da list FILE shows what is in it".into()
        }
        JobError::NoEntry { serves, .. } => {
            format!("find a Download Agent made for this chip; this one serves {serves}")
        }
        JobError::NoTable { .. } => "use another Download Agent; bromide da list FILE shows what is in it".into(),
        JobError::UnknownFormat { .. } => {
            "say which: --agent-format g1 for agents of 2013 and before, g2 for 2015 and later. A wrong guess ends in a message, nothing is written".into()
        }
        JobError::Partition(find) => find_advice(find),
        JobError::Map(_) => {
            "check that the map belongs to this phone; --at and --len read by address without any map".into()
        }
        JobError::OwnTable { .. } => {
            "give a map that fits with --map: a scatter file or /proc/mtd text; or read by address: --at and --len".into()
        }
        JobError::NoMap => {
            "give a map with --map: a scatter file or /proc/mtd text; or read by address: --at and --len".into()
        }
        JobError::Unread(_) => "the same command again tries the missing pages once more and nothing else; what came is in \
             the .part files, which pages are missing in the .map files (ddrescuelog and ddrescueview read them)"
            .into(),
        JobError::PageUnreadable { .. } => POWER_CYCLE.into(),
        JobError::Range(_) => "bromide info shows the size of the chip and of its pages".into(),
        JobError::SameFile(_) => "give each row a file of its own".into(),
        JobError::Bundle(bundle) => bundle_advice(bundle),
        JobError::Save(save) => save_advice(save),
    })
}

fn find_advice(find: &bromide_image::map::FindError) -> String {
    use bromide_image::map::FindError;
    match find {
        // The message itself names the nearest, or all where none is near.
        FindError::Unknown(unknown) if unknown.nearest.is_empty() => {
            "name one of these, or read by address: --at and --len".into()
        }
        FindError::Unknown(unknown) => format!("the map has {}", unknown.all.join(", ")),
        FindError::Ambiguous { .. } => "read it by address: --at and --len".into(),
    }
}

fn bundle_advice(bundle: &BundleError) -> String {
    match bundle {
        BundleError::None(_) => "bromide read --all -o FOLDER makes one".into(),
        BundleError::Damaged { .. } => {
            "restore it from a copy; the images and their mapfiles are good without it, and --force begins anew".into()
        }
        BundleError::Busy(_) => "wait until it has ended, or choose another folder with -o".into(),
        BundleError::Other { .. } => {
            "choose another folder with -o for this one; or --force discards what is there".into()
        }
        BundleError::Save(save) => save_advice(save),
    }
}

fn save_advice(save: &SaveError) -> String {
    match save {
        SaveError::Exists(_) => "choose another name with -o, or --force to replace it".into(),
        SaveError::PartExists { .. } => {
            "an earlier run was interrupted; keep what it read by renaming the file, or --force to begin again".into()
        }
        SaveError::NoFolder(folder) => format!("make the folder first: mkdir -p {}", folder.display()),
        SaveError::NotAFile(_) | SaveError::NoName(_) => "name a new file with -o".into(),
        SaveError::PartBusy(_) => "wait until it has ended, or choose another name with -o".into(),
        SaveError::DiskFull { .. } => "make room, or write to another disk with -o".into(),
        other if other.code() == "save/disk-full" => "make room, or write to another disk with -o".into(),
        SaveError::Write { .. } | SaveError::Io { .. } => {
            "check that the disk works and may be written, or choose another place with -o".into()
        }
        SaveError::OtherRead { .. } => {
            "read into another place with -o; or --force discards what is there and begins again".into()
        }
        SaveError::Altered(_) => {
            "something else changed it since; --force discards it and begins again".into()
        }
        SaveError::MapDamaged { .. } => {
            "without its mapfile nobody knows which bytes were read; --force discards both and begins again".into()
        }
        SaveError::Length { .. } | SaveError::PartGone(_) => "repeat the command".into(),
    }
}

fn talk_advice(step: &str, kind: &ErrorKind, via: &Via) -> Option<String> {
    if matches!(via, Via::Replay(_)) {
        return match kind {
            ErrorKind::Link(e @ (LinkError::Cancelled | LinkError::Other(_) | LinkError::Over(_))) => {
                link_advice(e, via)
            }
            _ => Some(AS_RECORDED.into()),
        };
    }
    Some(match kind {
        ErrorKind::NoHandshake => format!(
            "{HOW_TO_PLUG_IN}. If an earlier run was interrupted the phone may still be running its agent: {POWER_CYCLE}"
        ),
        ErrorKind::Link(LinkError::Cancelled) if step == "start sequence" => return None,
        ErrorKind::Link(LinkError::Cancelled) => {
            "if the phone does not answer the next run, take its battery out for a moment: its agent may still wait".into()
        }
        ErrorKind::Link(LinkError::Timeout(_)) if step.starts_with("hello") => format!(
            "the agent did not start; check that the Download Agent is made for this phone (bromide da list), then {POWER_CYCLE}"
        ),
        ErrorKind::Link(LinkError::Timeout(_) | LinkError::Unplugged) | ErrorKind::Echo { .. } => POWER_CYCLE.into(),
        ErrorKind::Link(e) => return link_advice(e, via),
        ErrorKind::BromStatus(_) | ErrorKind::UploadSum { .. } | ErrorKind::Unexpected { .. } => {
            format!("{POWER_CYCLE}; if it happens again try another cable or USB port")
        }
        ErrorKind::Babble => {
            "something else talks on this port: close other programs (ModemManager is a usual suspect), or try another port".into()
        }
        ErrorKind::Shifted => format!(
            "do not use the .part file; {POWER_CYCLE}. If it happens again try another cable or USB port"
        ),
        ErrorKind::BadCable { .. } | ErrorKind::NoRecovery { .. } => format!(
            "try another cable or USB port, without a hub, and smaller packets (--packet-pages 4); {POWER_CYCLE}"
        ),
        ErrorKind::AgentSecurity => "this phone's security does not let this agent work".into(),
        ErrorKind::AgentStatus(_) => "the number is the agent's own word; nothing was changed on the phone".into(),
        ErrorKind::Unsupported(_) => "see the README for the chips that can be read".into(),
        ErrorKind::AuthRequired(_) => {
            "this phone only runs agents its maker has signed; Bromide does not get around that".into()
        }
        ErrorKind::DemoAgentForRealPhone => {
            "use a real Download Agent: the file the vendor's flash tool calls DA".into()
        }
        ErrorKind::WrongFormat(format) => {
            let other = if format.to_string() == "g1" { "g2" } else { "g1" };
            format!("{POWER_CYCLE}, with --agent-format {other}")
        }
        ErrorKind::AgentRefusesChip => "use a Download Agent that lists this chip (bromide da list)".into(),
        ErrorKind::Contradiction(_) => {
            format!("nothing was saved under its final name; {POWER_CYCLE}")
        }
        ErrorKind::NoNand(_) => {
            "the agent has no record for this chip, or the phone has eMMC, which cannot be read yet; a newer Download Agent may know the chip".into()
        }
        ErrorKind::Unreadable { .. } => {
            "what came before is kept in the .part file; the ranges before and behind can be read with --at and --len".into()
        }
        ErrorKind::BadRequest(_) => "correct the request".into(),
    })
}
