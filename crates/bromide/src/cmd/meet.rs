//! What every command with a cable begins and ends with: the container, the phone at its place, the session's end.

use std::cell::RefCell;
use std::time::Duration;

use bromide_job::agent_file::AgentFile;
use bromide_job::event::{Event, Tell};
use bromide_job::follow::FollowOptions;
use bromide_job::session::{Session, SessionOptions};
use bromide_link::Cancel;
use bromide_link::usb::Notice;
use bromide_log::RecordedBus;
use bromide_proto::link::Link;

use crate::choose::{AnyBus, Via};
use crate::cli::Cable;
use crate::faults::{self, Cabled};
use crate::front::Front;
use crate::report::{Failure, exit};
use crate::run_log;

/// Waits for the phone at the place of `--via` and does `job` with it; what passes is logged.
pub(crate) fn on_phone<T>(
    cable: &Cable,
    pool: u32,
    front: &mut Front,
    cancel: &Cancel,
    job: impl FnOnce(RecordedBus<Cabled<'_>>, FollowOptions, &mut Tell<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let recorder = run_log::begin(cable, front);
    run_log::hear_of_place(&cable.via);
    let faults = cable.manner.fault.as_deref();
    let via = faults::in_phone(&cable.via, faults)?;
    if let Some(faults) = faults {
        front.tell(&Event::Warning(&format!("faults are injected on purpose: {faults}")));
    }
    match &via {
        Via::Phone(spec) => spec.announce(front),
        via => front.waiting(&via.to_string(), cable.manner.wait),
    }
    let follow = FollowOptions {
        session: SessionOptions {
            agent_format: cable.manner.agent_format.map(Into::into),
            pool_blocks: pool,
        },
        speed: cable.manner.speed.into(),
        wait: Duration::from_secs(cable.manner.wait),
    };
    let front = RefCell::new(front);
    let bus = AnyBus::at(&via, cable.manner.place.places(), cancel, |notice| {
        front.borrow_mut().tell(&Event::Warning(&in_words(&notice)));
    })?;
    let bus = faults::on_cable(bus, faults, cancel);
    job(RecordedBus::new(bus, recorder), follow, &mut |event: Event<'_>| front.borrow_mut().tell(&event))
}

/// What the user should know about a phone on USB besides.
fn in_words(notice: &Notice) -> String {
    let cure = "the udev rule that allows it (sudo bromide setup linux --install writes it)";
    match notice {
        Notice::OnTty { node, tty, rule, .. } => format!(
            "your user may not open {}; going on through {}, which is slower and may lose bytes (they are asked \
             for again). What is missing is {cure}:\n  {rule}",
            node.display(),
            tty.display()
        ),
        Notice::Refused { seen, node, .. } if !node.exists() => {
            format!("there is a phone, but its file {} is missing: {seen}", node.display())
        }
        Notice::Refused { seen, rule, .. } => {
            format!(
                "there is a phone, but your user may not open it: {seen}. What is missing is {cure}:\n  {rule}"
            )
        }
        Notice::Elsewhere { seen, port } => format!(
            "waiting at port {port}, but there is a phone at another: {seen}. To read that one: --via usb:{}",
            seen.port
        ),
    }
}

/// Ends a session well or, after a failure, quickly; also when the user stopped it.
pub(crate) async fn end<L: Link>(
    session: Option<Session<L>>,
    well: bool,
    cancel: &Cancel,
    tell: &mut Tell<'_>,
) {
    let Some(session) = session else { return };
    if well {
        session.finish(tell).await;
    } else {
        cancel.clear();
        session.abandon().await;
    }
}

/// The Download Agent container: read first, because a wrong file should not cost the user a plug-in. Damage is
/// told at once; whether it matters depends on the phone.
pub(crate) fn container(cable: &Cable, front: &mut Front) -> Result<AgentFile, Failure> {
    let failed = |e| Failure::of_job(&e, &cable.via);
    let da = AgentFile::open(&cable.da).map_err(failed)?;
    let entries = da.table().map_err(failed)?.entries;
    let mut damaged = entries.iter().filter_map(|entry| Some((entry.index, entry.damage.as_ref()?)));
    if let Some((index, what)) = damaged.next() {
        front.tell(&Event::Warning(&format!(
            "{} is damaged: {} of its {} entries cannot be used (entry {index}: {what})",
            cable.da.display(),
            damaged.count() + 1,
            entries.len()
        )));
    }
    Ok(da)
}

/// No phone that can be read could be started from a container without any of these (hw codes of the entries for
/// MT6575 and MT6577, `da-legacy-observed.md` section 2).
pub(crate) fn has_readable_chip(da: &AgentFile, cable: &Cable) -> Result<(), Failure> {
    let file = da.table().map_err(|e| Failure::of_job(&e, &cable.via))?;
    if file.entries.iter().any(|entry| matches!(entry.hw_code, 0x6575 | 0x6577)) {
        return Ok(());
    }
    let what = format!(
        "{} holds no agent for MT6575 or MT6577, the chips that can be read so far",
        cable.da.display()
    );
    let advice = "use the Download Agent made for this phone; bromide da list FILE shows what is in one";
    Err(Failure::new("da/no-entry", exit::FAILED, what, advice))
}
