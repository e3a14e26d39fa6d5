//! Which interface and which endpoints carry the bytes, from the raw configuration descriptor.
//!
//! Promises: any bytes give an answer or an error, in time linear in their number. MediaTek's descriptors break
//! rules that strict parsers keep: endpoint descriptors of 8 bytes, the data interface first, numbers against the
//! order, a union that is missing (`usbip-cdc.md` sections 2 to 4, `brom-preloader.md` section 1). So this walks by
//! `bLength` alone and stops where that leads nowhere, as Linux does.

/// Where the byte stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interfaces {
    /// The communication interface, to be claimed as well so that no driver takes the phone meanwhile.
    pub control: Option<u8>,
    /// The interface with the two bulk endpoints.
    pub data: u8,
    /// Address of the bulk IN endpoint (0x81 to 0x8f).
    pub ep_in: u8,
    /// Address of the bulk OUT endpoint (0x01 to 0x0f).
    pub ep_out: u8,
    /// Largest packet of the IN endpoint in bytes, at least 1.
    pub packet_in: u16,
    /// Largest packet of the OUT endpoint in bytes, at least 1.
    pub packet_out: u16,
}

/// Why a descriptor names no byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// There is no configuration in it.
    #[error("the phone's descriptors hold no configuration")]
    NoConfiguration,
    /// No interface has a bulk IN and a bulk OUT endpoint.
    #[error("the phone offers no interface with a bulk endpoint in each direction (interfaces seen: {0})")]
    NoPair(usize),
}

const DEVICE: u8 = 0x01;
const CONFIGURATION: u8 = 0x02;
const INTERFACE: u8 = 0x04;
const ENDPOINT: u8 = 0x05;
const CDC: u8 = 0x24;
const CDC_UNION: u8 = 0x06;

const CLASS_COMMUNICATION: u8 = 0x02;
const CLASS_DATA: u8 = 0x0a;
const CLASS_STORAGE: u8 = 0x08;

impl Interfaces {
    /// Reads a configuration descriptor with all that follows it; a device descriptor may come first, as in the
    /// `descriptors` file of Linux. Of several configurations the one with the value `active` counts, else the first.
    ///
    /// # Errors
    /// [`DescriptorError`], when no interface carries bytes both ways.
    pub fn parse(raw: &[u8], active: Option<u8>) -> Result<Self, DescriptorError> {
        let found: Vec<_> = configurations(raw).collect();
        let wanted = |c: &&&[u8]| active.is_some() && c.get(5).copied() == active;
        let configuration =
            found.iter().find(wanted).or(found.first()).ok_or(DescriptorError::NoConfiguration)?;
        let parts = Parts::of(configuration);
        let data = parts.data().ok_or(DescriptorError::NoPair(parts.interfaces.len()))?;
        let (Some((ep_in, packet_in)), Some((ep_out, packet_out))) = (data.bulk_in, data.bulk_out) else {
            return Err(DescriptorError::NoPair(parts.interfaces.len()));
        };
        let control = parts.control(data.number);
        Ok(Self { control, data: data.number, ep_in, ep_out, packet_in, packet_out })
    }
}

/// The descriptors in `bytes`, each as long as it says; ends where a length is below 2 or leads out.
fn walk(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let len = usize::from(*rest.first()?);
        if len < 2 {
            return None;
        }
        let (one, after) = rest.split_at_checked(len)?;
        rest = after;
        Some(one)
    })
}

/// The configurations in `raw`, each with all that belongs to it, as far as it is there.
fn configurations(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let device = walk(raw).next().filter(|d| d.get(1) == Some(&DEVICE)).map_or(0, <[u8]>::len);
    let mut rest = raw.get(device..).unwrap_or_default();
    core::iter::from_fn(move || {
        let head = walk(rest).next().filter(|d| d.len() >= 9 && d.get(1) == Some(&CONFIGURATION))?;
        let total = usize::from(u16::from_le_bytes([*head.get(2)?, *head.get(3)?]));
        let (one, after) = rest.split_at(total.clamp(head.len(), rest.len()));
        rest = after;
        Some(one)
    })
}

/// One interface in its first alternate setting.
#[derive(Debug, Clone, Copy)]
struct Interface {
    number: u8,
    class: u8,
    bulk_in: Option<(u8, u16)>,
    bulk_out: Option<(u8, u16)>,
}

impl Interface {
    fn has_pair(&self) -> bool {
        self.bulk_in.is_some() && self.bulk_out.is_some()
    }
}

/// What matters of one configuration.
#[derive(Debug, Default)]
struct Parts {
    interfaces: Vec<Interface>,
    /// Control and data interface as each union names them.
    unions: Vec<(u8, u8)>,
}

impl Parts {
    fn of(configuration: &[u8]) -> Self {
        let mut parts = Self::default();
        let mut counts = false; // whether the interface we are in is a first setting
        for descriptor in walk(configuration) {
            match *descriptor {
                [_, INTERFACE, number, setting, _, class, _, _, _, ..] => {
                    // A second descriptor of the same number is not what the system talks to either.
                    counts = setting == 0 && parts.interfaces.iter().all(|i| i.number != number);
                    if counts {
                        parts.interfaces.push(Interface { number, class, bulk_in: None, bulk_out: None });
                    }
                }
                [_, ENDPOINT, address, attributes, low, high, _, ..] if counts => {
                    parts.endpoint(address, attributes, u16::from_le_bytes([low, high]) & 0x7ff);
                }
                [_, CDC, CDC_UNION, control, data, ..] => parts.unions.push((control, data)),
                _ => {}
            }
        }
        parts
    }

    fn endpoint(&mut self, address: u8, attributes: u8, packet: u16) {
        const BULK: u8 = 2;
        let Some(interface) = self.interfaces.last_mut() else { return };
        if attributes & 3 != BULK || packet == 0 || address & 0x0f == 0 || address & 0x70 != 0 {
            return;
        }
        let way = if address & 0x80 != 0 { &mut interface.bulk_in } else { &mut interface.bulk_out };
        way.get_or_insert((address, packet));
    }

    /// The data interface: by its class, by a union's word among several, else any with a pair of bulk endpoints.
    fn data(&self) -> Option<&Interface> {
        let with_pair = || self.interfaces.iter().filter(|i| i.has_pair());
        let by_class = || with_pair().filter(|i| i.class == CLASS_DATA);
        let named = |i: &&Interface| self.unions.iter().any(|u| u.0 == i.number || u.1 == i.number);
        by_class()
            .find(named)
            .or_else(|| by_class().next())
            .or_else(|| with_pair().find(|i| i.class == CLASS_COMMUNICATION))
            .or_else(|| with_pair().find(|i| i.class != CLASS_STORAGE))
    }

    /// The communication interface that belongs to `data`: a union's word in either order, else the first by class.
    fn control(&self, data: u8) -> Option<u8> {
        let mut possible = self
            .interfaces
            .iter()
            .filter(|i| i.number != data && i.class == CLASS_COMMUNICATION)
            .map(|i| i.number);
        let named = |number: &u8| self.unions.iter().any(|u| *u == (*number, data) || *u == (data, *number));
        possible.clone().find(named).or_else(|| possible.next())
    }
}

#[cfg(test)]
mod tests;
