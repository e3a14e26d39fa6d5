//! `log replay`: a recording as a phone for another program.

use std::path::PathBuf;
use std::time::Instant;

use bromide_link::replay::{Left, ReplayPhone};
use bromide_link::{Cancel, run};
use bromide_phone::Pace;
use bromide_phone::serve::{self, Next, Over, Served, Serving, Terms};
use bromide_proto::link::{Link, LinkError};
use clap::Args;

use crate::cli::Listen;
use crate::cmd::phone::say;
use crate::front::Front;
use crate::out::harmless;
use crate::recording;
use crate::report::{Failure, exit};

/// Play a recording as a phone to another program
///
/// The recorded phone answers on a pseudo-terminal or TCP port as long as the program says what the
/// host of the recording said, and stops at the first byte that differs, saying where (exit code
/// 4). To replay a recording to Bromide itself no terminal is needed: --via replay:FILE.
///
///   bromide log replay session.pcapng --as-phone --listen pty:phone.tty
///
/// FILE is a session.pcapng, or what usbmon, Wireshark or USBPcap captured of any tool.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Replay {
    /// Recording, pcapng or pcap
    file: PathBuf,
    /// Behave as the phone that was recorded
    #[arg(long, required = true)]
    as_phone: bool,
    /// pty, pty:LINK (a symbolic link to the terminal is made) or tcp:ADDRESS:PORT
    #[arg(long, value_name = "WHERE", default_value = "pty", value_parser = place)]
    listen: Listen,
}

/// A recording has no bus of its own.
fn place(text: &str) -> Result<Listen, String> {
    match text.parse() {
        Ok(listen @ (Listen::Pty(_) | Listen::Tcp(_))) => Ok(listen),
        _ => Err("use pty, pty:LINK_PATH or tcp:ADDRESS:PORT".into()),
    }
}

/// The recorded phone, and why it stopped.
struct Played {
    phone: ReplayPhone,
    failure: Option<LinkError>,
}

impl Served for Played {
    fn plug_in<L: Link>(&mut self, link: L, tell: &mut dyn FnMut(Serving)) -> Over {
        tell(Serving::PluggedIn);
        if let Ok(Some(seen)) = self.phone.shows() {
            // The port is a text out of the file.
            tell(Serving::Remark(harmless(&format!("plays {seen}"))));
        }
        let (told, next) = match run(self.phone.plugged_in(link)) {
            Ok(Left::AsRecorded) => ("it leaves, as recorded".into(), Next::Returns),
            Ok(Left::Early) => ("the host let go earlier than recorded".into(), Next::Open),
            Ok(Left::Over(false)) => ("that was the whole recording".into(), Next::Nothing),
            Ok(Left::Over(true)) => ("that was all there is: the recording is cut off".into(), Next::Nothing),
            Err(e) => {
                let told = e.to_string();
                self.failure = Some(e);
                (told, Next::Nothing)
            }
        };
        Over { told: Serving::Remark(told), next }
    }
}

/// `bromide log replay --as-phone`: until the end of the recording, a difference, or Ctrl-C.
pub(crate) fn replay(args: &Replay, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    let (playback, pieces) = recording::open(&args.file)?;
    let mut played = Played { phone: ReplayPhone::new(playback, pieces), failure: None };
    let shows = played.phone.shows().map_err(|e| Failure::of_replay(&e))?;
    if shows.is_none() {
        let what = format!("{} holds no conversation with a MediaTek phone", args.file.display());
        let advice = "record from before the phone is plugged in, so that its ids are in the capture";
        return Err(Failure::new("replay/no-phone", exit::NO_PHONE, what, advice));
    }
    let terms = Terms { pace: Pace::None, stop: cancel.flag() };
    let begun = Instant::now();
    let tell = &mut |serving: Serving| say(front, &serving, begun.elapsed());
    let served = match &args.listen {
        Listen::Tcp(address) => serve::connections(&mut played, address, terms, tell),
        Listen::Pty(link) => serve::terminal(&mut played, link.as_deref(), terms, tell),
        Listen::UsbIp(_) | Listen::UsbRedir(_) | Listen::Vhci(_) => Ok(()),
    };
    served.map_err(|e| {
        Failure::new("phone/serve", exit::FAILED, e.to_string(), "choose another address or path")
    })?;
    match played.failure {
        _ if cancel.is_set() => Err(Failure::stopped()),
        Some(e) => Err(Failure::of_replay(&e)),
        None => Ok(()),
    }
}
