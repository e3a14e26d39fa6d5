//! A phone on a bus, whatever carries it: appearance after appearance, plug-in after plug-in.
//!
//! Promises: the phone's program runs on a thread of its own and only while the phone is on the bus and configured;
//! a line is told for everything a person could see in a list of devices.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::{ServeError, Serving, Terms, to_the_end};
use crate::options::Boot;
use crate::phone::Phone;
use crate::usb::{Answer, Face, Layout, Left, Plug, Port, Step, UrbLink, Urbs};
use crate::wire::Ended;

/// How long a host may take to enumerate before its time counts as the phone's.
const ENUMERATION: Duration = Duration::from_secs(3);
/// How long a wait may go on without a look at the stop flag.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// A phone as a bus sees it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) face: Face,
    pub(super) layout: Layout,
}

impl Shown {
    pub(super) fn device(&self) -> [u8; 18] {
        self.layout.device(self.face)
    }

    pub(super) fn configuration(&self) -> Vec<u8> {
        self.layout.configuration(self.face.speed())
    }

    /// Descriptors of the configuration, as far as their lengths make sense.
    pub(super) fn descriptors(&self) -> Vec<Vec<u8>> {
        let all = self.configuration();
        let mut rest = &all[..];
        let mut found = Vec::new();
        while let Some(&length) = rest.first()
            && length >= 2
            && let Some((one, later)) = rest.split_at_checked(usize::from(length))
        {
            found.push(one.to_vec());
            rest = later;
        }
        found
    }
}

/// Who ended the carrying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// [`Port::over`].
    PhoneLeft,
    /// The host closed, or was sent away with these words.
    HostLeft(Option<String>),
}

/// Something that carries USB requests to a host.
pub(super) trait Carrier {
    /// Shows the phone and waits until a host can talk to it; `None`: told to stop.
    fn connect(&mut self, shown: &Shown, terms: Terms<'_>) -> Result<Option<(OwnedFd, String)>, ServeError>;
    /// How a finished request is said.
    fn answer(&self) -> Answer;
    /// Carries until one of the two leaves.
    fn carry(&mut self, port: &Port<'_>, tell: &mut dyn FnMut(Serving)) -> Carried;
    /// Takes the phone off the bus.
    fn leave(&mut self, carried: &Carried, terms: Terms<'_>);
}

/// Plug-in after plug-in until there were enough or the stop flag is set.
pub(super) fn live(
    phone: &mut Phone,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
    carrier: &mut dyn Carrier,
) -> Result<(), ServeError> {
    let boot = phone.options.boot;
    let mut plug = Plug::new(phone.options.usb.clone(), boot);
    let lived = plug_ins(phone, &mut plug, terms, tell, carrier);
    phone.options.boot = boot;
    lived
}

fn plug_ins(
    phone: &mut Phone,
    plug: &mut Plug,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
    carrier: &mut dyn Carrier,
) -> Result<(), ServeError> {
    let mut gap = Duration::ZERO;
    while let Some(mut step) = plug.begin() {
        if !rest(gap, terms) {
            break;
        }
        gap = phone.options.usb.gap;
        let ended = loop {
            if !rest(step.after, terms) {
                return Ok(());
            }
            let Some((left, sent, ended)) = appear(phone, step, terms, tell, carrier)? else { return Ok(()) };
            match plug.after(left, sent) {
                Some(next) => step = next,
                None => break ended,
            }
        };
        tell(Serving::Over(ended));
    }
    Ok(())
}

/// Nothing is on the bus for this long; false when told to stop.
fn rest(time: Duration, terms: Terms<'_>) -> bool {
    let until = Instant::now() + time;
    loop {
        if terms.stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// One appearance: how it ended, bytes to the host, and the program's own word.
fn appear(
    phone: &mut Phone,
    step: Step,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
    carrier: &mut dyn Carrier,
) -> Result<Option<(Left, u64, Ended)>, ServeError> {
    if step.reset {
        phone.power_off();
    }
    let face = step.face;
    let patience = match face {
        Face::BootRom => phone.options.bootrom_patience,
        Face::Preloader => phone.options.preloader_patience,
        Face::Agent => None,
    };
    match face {
        Face::BootRom => phone.options.boot = Boot::BootRom,
        Face::Preloader => phone.options.boot = Boot::Preloader,
        Face::Agent => {}
    }
    let shown = Shown { face, layout: phone.options.usb.layout(face) };
    let Some((socket, place)) = carrier.connect(&shown, terms)? else { return Ok(None) };
    tell(Serving::Appeared { face, place });
    let urbs = Urbs::new(face, shown.layout, step.limit, carrier.answer());
    let nand = &phone.model.nand;
    let page = [nand.page_bytes + nand.spare_bytes, nand.page_bytes];
    let mut port =
        Port::new(urbs, face, &phone.options.usb, page, socket, terms.stop).map_err(ServeError::Wait)?;
    if let Some(patience) = patience {
        port.leave_unless_configured(patience.saturating_add(ENUMERATION));
    }
    let heard = phone.remarks().len();
    let (carried, ended) = both(phone, &port, terms, tell, carrier);
    let left = match (&carried, ended) {
        _ if port.broken() => Left::Broken,
        (Carried::HostLeft(_), _) => Left::Host,
        (Carried::PhoneLeft, Some(ended)) => Left::Program(ended),
        (Carried::PhoneLeft, None) => Left::Ignored,
    };
    let sent = port.sent();
    drop(port);
    carrier.leave(&carried, terms);
    for remark in phone.remarks().iter().skip(heard) {
        tell(Serving::Remark(remark.clone()));
    }
    tell(Serving::Left { face, why: why(left, &carried, sent) });
    Ok(Some((left, sent, ended.unwrap_or(Ended::LeftBus))))
}

/// The program on its thread, the requests on this one.
fn both(
    phone: &mut Phone,
    port: &Port<'_>,
    terms: Terms<'_>,
    tell: &mut dyn FnMut(Serving),
    carrier: &mut dyn Carrier,
) -> (Carried, Option<Ended>) {
    std::thread::scope(|scope| {
        let program = scope.spawn(|| {
            port.live(|| {
                let clock = phone.clock().clone();
                to_the_end(phone.serve(UrbLink::new(port, terms.pace, clock)))
            })
        });
        let carried = carrier.carry(port, tell);
        port.leave();
        match program.join() {
            Ok(ended) => (carried, ended),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn why(left: Left, carried: &Carried, sent: u64) -> String {
    match (left, carried) {
        (Left::Broken, _) => format!("the link broke after {sent} bytes to the host"),
        (_, Carried::HostLeft(Some(words))) => format!("the host was sent away: {words}"),
        (Left::Host, _) => "the host let go".to_owned(),
        (Left::Ignored, _) => "no host configured it".to_owned(),
        (Left::Program(ended), _) => ended.to_string(),
    }
}
