//! The endpoints a driver needs, found in a configuration (USB 2.0 section 9.6, `usbip-cdc.md` section 5).

/// CDC data interface.
const DATA: u8 = 0x0a;

/// An endpoint of the bulk kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Without its direction.
    pub(crate) number: u8,
    /// Most bytes of a packet.
    pub(crate) packet: u16,
}

/// What a configuration offers for bytes to and fro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// To choose the configuration by.
    pub(crate) configuration: u8,
    /// From the device.
    pub(crate) inward: Endpoint,
    /// To the device.
    pub(crate) outward: Endpoint,
}

/// The first bulk endpoint of each direction of the data interface.
pub(crate) fn pair(configuration: &[u8]) -> Result<Pair, String> {
    let value = *configuration.get(5).ok_or("the configuration descriptor is too short")?;
    let (mut inward, mut outward, mut of_data) = (None, None, false);
    let mut rest = configuration;
    while let Some(&length) = rest.first() {
        let cut = rest.split_at_checked(usize::from(length)).filter(|_| length >= 2);
        let (one, later) = cut.ok_or("a descriptor of the configuration has an impossible length")?;
        rest = later;
        match *one {
            [_, 4, _, alternate, _, class, ..] => of_data = class == DATA && alternate == 0,
            [_, 5, address, kind, low, high, ..] if of_data && kind & 3 == 2 => {
                let packet = u16::from_le_bytes([low, high]) & 0x7ff;
                let place = if address & 0x80 != 0 { &mut inward } else { &mut outward };
                let number = address & 0xf;
                if number != 0 && packet != 0 {
                    place.get_or_insert(Endpoint { number, packet });
                }
            }
            _ => {}
        }
    }
    match (inward, outward) {
        (Some(inward), Some(outward)) => Ok(Pair { configuration: value, inward, outward }),
        _ => Err("no data interface with two bulk endpoints".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bromide_phone::usb::{Layout, Speed};

    #[test]
    fn every_published_layout_has_a_pair_at_both_speeds() {
        for layout in [Layout::P1, Layout::P2, Layout::P3, Layout::B1, Layout::B2, Layout::D0, Layout::D1] {
            for speed in [Speed::Full, Speed::High] {
                let packet = match layout {
                    Layout::B1 | Layout::B2 => 64,
                    _ => speed.packet() as u16,
                };
                let endpoint = Endpoint { number: 1, packet };
                let expected = Pair { configuration: 1, inward: endpoint, outward: endpoint };
                assert_eq!(pair(&layout.configuration(speed)), Ok(expected), "{layout:?}");
            }
        }
    }

    #[test]
    fn a_hostile_layout_is_refused_or_has_a_pair_and_never_more() {
        let mut refused = 0;
        for which in 0..Layout::HOSTILE {
            refused += u32::from(pair(&Layout::Hostile(which).configuration(Speed::High)).is_err());
        }
        assert!(refused >= 4, "{refused}");
        assert!(pair(&[]).is_err());
    }
}
