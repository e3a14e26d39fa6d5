//! The byte stream of a phone that is opened directly, past the kernel's serial driver.
//!
//! Promises: several large reads are always queued, so that nothing has to wait or be dropped (a tty drops,
//! test-bench.md section 3); a wait that times out leaves them queued; a stall, a short or an empty packet loses
//! nothing that arrived. The kernel's driver is detached from both interfaces and attached again on drop; only a
//! process that is killed leaves that undone.

use core::num::NonZero;
use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bromide_proto::bus::BusSpeed;
use bromide_proto::link::{Link, LinkError};
use nusb::transfer::{Bulk, Completion, In, Out, TransferError};
use nusb::{Endpoint, Interface, MaybeFuture};

use super::descriptors::Interfaces;
use super::details::{Access, access};
use super::input::{Input, give_back};
use super::listing::{self, Device, Places, port_of};
use crate::cancel::{Cancel, SLICE};
use crate::stream::STALL;

/// Bytes of one write, and how many of these are queued.
const WRITE: usize = 16 << 10;
const WRITES: usize = 4;

/// How often in a row an endpoint may fail without a single byte in between.
const STRIKES: u8 = 3;

/// A pulled cable shows as bus errors first; this long the system may take to notice that the phone is gone.
const NOTICE: Duration = Duration::from_millis(300);

/// One face of a phone, held exclusively until dropped.
#[derive(Debug)]
pub struct UsbLink {
    input: Option<Input<Endpoint<Bulk, In>>>,
    output: Option<Endpoint<Bulk, Out>>,
    // Given back in this order, data first: the driver binds to the control interface and wants the other free.
    data: Option<Interface>,
    control: Option<Interface>,
    watch: Presence,
    cancel: Cancel,
    stall: Duration,
    speed: BusSpeed,
    interfaces: Interfaces,
}

/// The system has not configured the phone, so it has no endpoints. Comes inside [`LinkError::Other`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the phone at port {0} is there, but the system has not configured it")]
pub struct Unconfigured(
    /// Its port chain.
    pub String,
);

/// Why one attempt to open a phone failed.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It is not there (any more).
    Absent,
    /// It is there but not for us; that may change within a moment.
    Refused(LinkError),
    /// Waiting cannot help.
    Hopeless(LinkError),
}

impl UsbLink {
    /// One attempt to open `device`; `gone` is set as soon as the link finds that it has left.
    pub(crate) fn attempt(
        device: &Device,
        places: &Places,
        cancel: Cancel,
        gone: Arc<AtomicBool>,
    ) -> Result<Self, Attempt> {
        let node = device.node(places).display().to_string();
        // A container may have been given the serial port alone: no node is as good as a forbidden one.
        if cfg!(target_os = "linux") && access(&device.node(places)) != Access::Granted {
            return Err(Attempt::Refused(LinkError::Denied(node)));
        }
        if listing::is_unconfigured(device, places) {
            return Err(Attempt::Refused(LinkError::Other(Unconfigured(device.port.clone()).into())));
        }
        let refused = |e: nusb::Error| refusal(&e, &node);
        let info = nusb::list_devices()
            .wait()
            .map_err(|e| Attempt::Hopeless(LinkError::Other(e.into())))?
            .find(|i| port_of(i) == device.port && i.device_address() == device.address)
            .ok_or(Attempt::Absent)?;
        let open = info.open().wait().map_err(refused)?;
        let interfaces = read_descriptors(&open, device, places)?;
        let claim = |number| open.detach_and_claim_interface(number).wait().map_err(refused);
        // Should the second not be had, the first is given back on the way out.
        let control = interfaces.control.map(claim).transpose()?;
        let data = claim(interfaces.data)?;
        let input = data.endpoint(interfaces.ep_in).map_err(refused)?;
        let output = data.endpoint(interfaces.ep_out).map_err(refused)?;
        let packet =
            NonZero::new(input.max_packet_size()).ok_or_else(|| hopeless("its packets are empty"))?;
        let watch = Presence { device: device.clone(), places: places.clone(), gone };
        Ok(Self {
            input: Some(Input::new(input, packet)),
            output: Some(output),
            data: Some(data),
            control,
            watch,
            cancel,
            stall: STALL,
            speed: device.speed,
            interfaces,
        })
    }

    /// How fast the phone was enumerated.
    pub fn speed(&self) -> BusSpeed {
        self.speed
    }

    /// Which interfaces and endpoints are used.
    pub fn interfaces(&self) -> Interfaces {
        self.interfaces
    }

    fn receive(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        if into.is_empty() {
            return Err(LinkError::Other("a receive into an empty buffer can never end".into()));
        }
        let Self { input: Some(input), watch, cancel, .. } = self else { return Err(LinkError::Unplugged) };
        let until = Instant::now().checked_add(within); // None: too far away to name, wait for ever
        loop {
            if cancel.is_set() {
                return Err(LinkError::Cancelled);
            }
            let n = input.hand_over(into);
            if n > 0 {
                return Ok(n);
            }
            if watch.known_gone() {
                return Err(LinkError::Unplugged);
            }
            if let Some(trouble) = input.trouble() {
                if trouble != TransferError::Stall
                    && let LinkError::Unplugged = watch.meaning(trouble)
                {
                    return Err(LinkError::Unplugged);
                }
                input.mend(trouble, |endpoint| clear_halt(endpoint, watch))?;
                continue;
            }
            let left = until.map_or(SLICE, |u| u.saturating_duration_since(Instant::now()));
            let slice = left.min(SLICE).min(input.until_harvest().unwrap_or(SLICE));
            if !input.wait(slice) {
                watch.look()?;
                input.harvest();
            }
            // A phone that sends empty packets for ever is silent too.
            if left.is_zero() && input.is_idle() {
                return Err(LinkError::Timeout(within));
            }
        }
    }

    fn transmit(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let Self { output: Some(output), watch, cancel, stall, .. } = self else {
            return Err(LinkError::Unplugged);
        };
        let mut rest = bytes;
        let mut strikes = 0;
        while !rest.is_empty() {
            if watch.known_gone() {
                return Err(LinkError::Unplugged);
            }
            let (sent, ended) = send_queue(output, rest, cancel, *stall, watch);
            let back = give_back(output);
            rest = rest.get(sent..).unwrap_or_default();
            strikes = if sent > 0 { 1 } else { strikes + 1 };
            match ended {
                Ok(()) => return Ok(()),
                // Bytes behind the stalled ones must not have passed, or the stream would have a hole.
                Err(Sending::Stalled) if strikes <= STRIKES && back.all && back.kept.is_empty() => {
                    clear_halt(output, watch)?;
                }
                Err(Sending::Stalled) => {
                    return Err(LinkError::Other("the phone refuses what is sent (stall)".into()));
                }
                Err(Sending::Failed(e)) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Why a queue of writes was not finished.
enum Sending {
    Stalled,
    Failed(LinkError),
}

/// Sends through a queue of transfers. Returns how many bytes the phone took for certain, in order.
fn send_queue(
    output: &mut Endpoint<Bulk, Out>,
    bytes: &[u8],
    cancel: &Cancel,
    stall: Duration,
    watch: &Presence,
) -> (usize, Result<(), Sending>) {
    let packet = output.max_packet_size().max(1);
    let mut pieces = bytes.chunks(WRITE.next_multiple_of(packet));
    let mut sent = 0;
    let mut until = Instant::now() + stall;
    loop {
        while output.pending() < WRITES
            && let Some(piece) = pieces.next()
        {
            output.submit(piece.to_vec().into());
        }
        if output.pending() == 0 {
            return (sent, Ok(()));
        }
        let left = until.saturating_duration_since(Instant::now());
        let failed = |e| Err(Sending::Failed(e));
        match output.wait_next_complete(left.min(SLICE)) {
            Some(Completion { status, actual_len, .. }) => {
                sent += actual_len;
                until = Instant::now() + stall;
                match status {
                    Ok(()) => {}
                    Err(TransferError::Stall) => return (sent, Err(Sending::Stalled)),
                    Err(e) => return (sent, failed(watch.meaning(e))),
                }
            }
            None if left.is_zero() => return (sent, failed(LinkError::Stalled(stall))),
            None => {
                if let Err(e) = watch.look() {
                    return (sent, failed(e));
                }
            }
        }
        if cancel.is_set() {
            return (sent, failed(LinkError::Cancelled));
        }
    }
}

fn clear_halt<Dir: nusb::transfer::EndpointDirection>(
    endpoint: &mut Endpoint<Bulk, Dir>,
    watch: &Presence,
) -> Result<(), LinkError> {
    match endpoint.clear_halt().wait() {
        Err(e) if e.kind() == nusb::ErrorKind::Disconnected => Err(watch.left()),
        // A phone that does not know the request may go on all the same; if not, the strikes end it.
        _ => Ok(()),
    }
}

/// Knows whether the phone is still where it was.
#[derive(Debug)]
struct Presence {
    device: Device,
    places: Places,
    gone: Arc<AtomicBool>,
}

impl Presence {
    fn known_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Notes that it left.
    fn left(&self) -> LinkError {
        self.gone.store(true, Ordering::Relaxed);
        LinkError::Unplugged
    }

    /// # Errors
    /// [`LinkError::Unplugged`] when the system no longer lists it.
    fn look(&self) -> Result<(), LinkError> {
        if listing::is_there(&self.device, &self.places) { Ok(()) } else { Err(self.left()) }
    }

    /// What a failed transfer means. A phone that leaves shows as all kinds of failure a moment before.
    fn meaning(&self, trouble: TransferError) -> LinkError {
        let until = Instant::now() + NOTICE;
        while trouble != TransferError::Disconnected && Instant::now() < until {
            if self.look().is_err() {
                return LinkError::Unplugged;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        match trouble {
            TransferError::Disconnected => self.left(),
            other => LinkError::Other(other.into()),
        }
    }
}

fn hopeless(why: &str) -> Attempt {
    Attempt::Hopeless(LinkError::Other(format!("the phone cannot be used: {why}").into()))
}

/// What an error on the way to an open phone means.
fn refusal(e: &nusb::Error, node: &str) -> Attempt {
    match e.kind() {
        nusb::ErrorKind::Disconnected => Attempt::Absent,
        nusb::ErrorKind::PermissionDenied => Attempt::Refused(LinkError::Denied(node.to_owned())),
        nusb::ErrorKind::Busy => Attempt::Refused(LinkError::Busy(node.to_owned())),
        // A phone that leaves in the middle shows as many things; the next look tells.
        _ => Attempt::Refused(LinkError::Other(format!("{node}: {e}").into())),
    }
}

/// The raw descriptors, from where they are least touched.
fn read_descriptors(open: &nusb::Device, device: &Device, places: &Places) -> Result<Interfaces, Attempt> {
    let configuration = open.active_configuration();
    let active =
        configuration.as_ref().ok().map(nusb::descriptors::ConfigurationDescriptor::configuration_value);
    let raw = listing::raw_descriptors(device, places)
        .or_else(|| configuration.as_ref().ok().map(|c| c.as_bytes().to_vec()))
        .unwrap_or_default();
    Interfaces::parse(&raw, active).map_err(|e| Attempt::Refused(LinkError::Other(e.into())))
}

impl Link for UsbLink {
    /// Returns when the phone has taken all `bytes`; gives up with [`LinkError::Stalled`] when it takes none for
    /// [`STALL`]. No empty packet is added at the end: the vendor's host sends none either (the serial
    /// driver it talks through does not, brom-preloader.md section 4).
    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if self.cancel.is_set() {
            return Err(LinkError::Cancelled);
        }
        let sent = self.transmit(bytes);
        if let Some(input) = &mut self.input {
            input.sent();
        }
        sent
    }

    async fn recv(&mut self, into: &mut [u8], within: Duration) -> Result<usize, LinkError> {
        self.receive(into, within)
    }

    fn now(&self) -> Duration {
        crate::stream::now()
    }
}

impl Drop for UsbLink {
    fn drop(&mut self) {
        // An interface is given back only when no transfer refers to it any more.
        if let Some(mut input) = self.input.take() {
            let _ = give_back(input.queue());
        }
        if let Some(mut endpoint) = self.output.take() {
            let _ = give_back(&mut endpoint);
        }
        drop(self.data.take());
        drop(self.control.take());
    }
}
