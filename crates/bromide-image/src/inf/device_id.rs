//! Device ids of USB devices, and whether one fits a device (`formats.md` section 7.3).

use core::fmt;
use core::str::FromStr;

/// An id of a models line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceId {
    /// `USB\` with fields.
    Usb(UsbId),
    /// An id of another bus, or of a USB hub and the like.
    Other,
}

/// The fields of `USB\VID_vvvv&PID_pppp[&REV_rrrr][&MI_nn]` and of the class forms; all in hexadecimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsbId {
    /// Vendor.
    pub vid: Option<u16>,
    /// Product.
    pub pid: Option<u16>,
    /// Revision of the device (bcdDevice).
    pub rev: Option<u16>,
    /// Number of an interface of a composite device.
    pub mi: Option<u8>,
    /// Class, subclass and protocol.
    pub class: [Option<u8>; 3],
    /// There are further fields, which are not known.
    pub further: bool,
}

impl DeviceId {
    /// Reads an id, in any case. Nothing if it names a USB vendor, product and so on but not as Windows does.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(fields) = strip_prefix(text.trim(), "USB\\") else { return Some(Self::Other) };
        let mut id = UsbId::default();
        let mut any = false;
        for field in fields.split('&') {
            let Some((name, digits)) = field.split_once('_') else {
                id.further = true;
                continue;
            };
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match () {
                () if is("VID") => id.vid = Some(hex(digits, 4)?),
                () if is("PID") => id.pid = Some(hex(digits, 4)?),
                () if is("REV") => id.rev = Some(hex(digits, 4)?),
                () if is("MI") => id.mi = Some(hex8(digits)?),
                () if is("Class") => id.class[0] = Some(hex8(digits)?),
                () if is("SubClass") => id.class[1] = Some(hex8(digits)?),
                () if is("Prot") => id.class[2] = Some(hex8(digits)?),
                () => {
                    id.further = true;
                    continue;
                }
            }
            any = true;
        }
        Some(if any { Self::Usb(id) } else { Self::Other })
    }
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn hex(digits: &str, count: usize) -> Option<u16> {
    let digits = digits.trim_end();
    let only = digits.len() == count && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| only)
}

fn hex8(digits: &str) -> Option<u8> {
    hex(digits, 2).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for UsbId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "USB\\";
        let mut field = |name: &str, value: Option<u16>, digits: usize| match value {
            Some(value) => write!(out, "{}{name}_{value:0digits$X}", core::mem::replace(&mut separator, "&")),
            None => Ok(()),
        };
        let [class, subclass, protocol] = self.class.map(|byte| byte.map(u16::from));
        field("VID", self.vid, 4)?;
        field("PID", self.pid, 4)?;
        field("REV", self.rev, 4)?;
        field("MI", self.mi.map(u16::from), 2)?;
        field("Class", class, 2)?;
        field("SubClass", subclass, 2)?;
        field("Prot", protocol, 2)?;
        if self.further { out.write_str("&..") } else { Ok(()) }
    }
}

/// A device, or an interface of one, whose driver is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// Vendor.
    pub vid: u16,
    /// Product.
    pub pid: u16,
    /// Revision, where known.
    pub rev: Option<u16>,
    /// Number of the interface, where one is asked for.
    pub mi: Option<u8>,
}

/// Text that names no device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write VID:PID in hexadecimal, such as 0e8d:2000, 0e8d:2006:mi_02 or 0e8d:0003:rev_0100")]
pub struct BadQuery;

impl FromStr for Query {
    type Err = BadQuery;

    /// `vvvv:pppp[:rev_rrrr][:mi_nn]`, or the way Windows writes it: `USB\VID_vvvv&PID_pppp..`.
    fn from_str(text: &str) -> Result<Self, BadQuery> {
        let text = text.trim();
        if let Some(DeviceId::Usb(id)) = DeviceId::parse(text) {
            let (Some(vid), Some(pid), false, [None, None, None]) = (id.vid, id.pid, id.further, id.class)
            else {
                return Err(BadQuery);
            };
            return Ok(Self { vid, pid, rev: id.rev, mi: id.mi });
        }
        let mut parts = text.split(':');
        let mut id = || parts.next().and_then(|digits| hex(digits, 4)).ok_or(BadQuery);
        let mut query = Self { vid: id()?, pid: id()?, rev: None, mi: None };
        for part in parts {
            match part.split_once('_') {
                Some((name, digits)) if name.eq_ignore_ascii_case("rev") && query.rev.is_none() => {
                    query.rev = Some(hex(digits, 4).ok_or(BadQuery)?);
                }
                Some((name, digits)) if name.eq_ignore_ascii_case("mi") && query.mi.is_none() => {
                    query.mi = Some(hex8(digits).ok_or(BadQuery)?);
                }
                _ => return Err(BadQuery),
            }
        }
        Ok(query)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04x}:{:04x}", self.vid, self.pid)?;
        if let Some(rev) = self.rev {
            write!(out, ":rev_{rev:04x}")?;
        }
        if let Some(mi) = self.mi {
            write!(out, ":mi_{mi:02x}")?;
        }
        Ok(())
    }
}

/// What must also be true of a device for an id to match it. None of them: the id matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Only this interface of the device.
    pub interface: Option<u8>,
    /// Only this revision of the device.
    pub revision: Option<u16>,
    /// Only devices of the class, subclass and protocol the id names.
    pub class: bool,
    /// The device as a whole, not the interface that was asked for.
    pub whole_device: bool,
    /// The id has further fields that are not known.
    pub further: bool,
}

impl Conditions {
    /// The id matches as it is.
    pub fn none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut comma =
            |out: &mut fmt::Formatter<'_>| out.write_str(core::mem::replace(&mut separator, ", "));
        if let Some(mi) = self.interface {
            comma(out)?;
            write!(out, "interface {mi:02x} only")?;
        }
        if let Some(rev) = self.revision {
            comma(out)?;
            write!(out, "revision {rev:04x} only")?;
        }
        for (holds, text) in [
            (self.class, "devices of its class only"),
            (self.whole_device, "the whole device, not the interface"),
            (self.further, "with further conditions"),
        ] {
            if holds {
                comma(out)?;
                out.write_str(text)?;
            }
        }
        Ok(())
    }
}

impl UsbId {
    /// Whether the id can match the device, and under what conditions. A field the id does not have matches anything.
    pub fn fit(&self, query: &Query) -> Option<Conditions> {
        let differs = |a: Option<u16>, b: Option<u16>| matches!((a, b), (Some(a), Some(b)) if a != b);
        if differs(self.vid, Some(query.vid))
            || differs(self.pid, Some(query.pid))
            || differs(self.rev, query.rev)
            || differs(self.mi.map(u16::from), query.mi.map(u16::from))
        {
            return None;
        }
        Some(Conditions {
            interface: if query.mi.is_none() { self.mi } else { None },
            revision: if query.rev.is_none() { self.rev } else { None },
            class: self.class != [None; 3],
            // Windows gives an interface ids with MI_ (and of its class); the plain form is the parent's.
            whole_device: query.mi.is_some() && self.mi.is_none() && self.pid.is_some(),
            further: self.further,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn usb(text: &str) -> UsbId {
        match DeviceId::parse(text) {
            Some(DeviceId::Usb(id)) => id,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn fit(id: &str, query: &str) -> Option<std::string::String> {
        usb(id).fit(&query.parse().unwrap()).map(|conditions| conditions.to_string())
    }

    #[test]
    fn every_form_of_id_is_split_into_its_fields() {
        let full = usb("usb\\Vid_0e8d&Pid_2006&Rev_0100&Mi_0a");
        assert_eq!(
            (full.vid, full.pid, full.rev, full.mi),
            (Some(0x0e8d), Some(0x2006), Some(0x100), Some(10))
        );
        let class = usb("USB\\VID_12d1&Subclass_12&Prot_13");
        assert_eq!((class.vid, class.pid, class.class), (Some(0x12d1), None, [None, Some(0x12), Some(0x13)]));
        assert_eq!(usb("USB\\Class_02&SubClass_02&Prot_01").class, [Some(2), Some(2), Some(1)]);
        assert!(usb("USB\\VID_0E8D&PID_2000&Cdc_08").further);
        for other in
            ["PCI\\VEN_8086", "USB\\ROOT_HUB", "USB\\COMPOSITE", "USB\\MS_COMP_WINUSB", "", "USB", "é"]
        {
            assert_eq!(DeviceId::parse(other), Some(DeviceId::Other), "{other}");
        }
        for bad in [
            "USB\\VID_0E8&PID_2000",
            "USB\\VID_0E8D&PID_+200",
            "USB\\VID_0E8D&PID_2000&MI_2",
            "USB\\VID_xxxx",
        ] {
            assert_eq!(DeviceId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_is_shown_as_windows_shows_it() {
        assert_eq!(usb("usb\\vid_0e8d&pid_2006&mi_02").to_string(), "USB\\VID_0E8D&PID_2006&MI_02");
        assert_eq!(usb("USB\\Class_ff&x").to_string(), "USB\\Class_FF&..");
    }

    #[test]
    fn a_device_is_named_in_short_or_as_windows_does() {
        for (text, shown) in [
            ("0E8D:2000", "0e8d:2000"),
            ("0e8d:2006:mi_02", "0e8d:2006:mi_02"),
            ("0e8d:2006:MI_02:rev_0100", "0e8d:2006:rev_0100:mi_02"),
            ("USB\\VID_0E8D&PID_0003&REV_0100", "0e8d:0003:rev_0100"),
        ] {
            assert_eq!(text.parse::<Query>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "0e8d",
            "0e8d:",
            "e8d:2000",
            "0e8d:2000:",
            "0e8d:2000:mi_02:mi_03",
            "0e8d:20000",
            "USB\\VID_0E8D",
        ] {
            assert_eq!(bad.parse::<Query>(), Err(BadQuery), "{bad}");
        }
    }

    #[test]
    fn a_field_the_id_lacks_matches_anything_and_one_the_query_lacks_is_a_condition() {
        assert_eq!(fit("USB\\VID_0E8D&PID_2000", "0e8d:2000").as_deref(), Some(""));
        assert_eq!(fit("USB\\VID_0E8D&PID_2000", "0e8d:2000:rev_0100").as_deref(), Some(""));
        assert_eq!(fit("USB\\VID_0E8D&PID_2000", "0e8d:2001"), None);
        assert_eq!(fit("USB\\VID_0E8D&PID_2000&REV_0100", "0e8d:2000:rev_0200"), None);
        let only = fit("USB\\VID_0E8D&PID_2006&REV_0100&MI_02", "0e8d:2006");
        assert_eq!(only.as_deref(), Some("interface 02 only, revision 0100 only"));
        assert_eq!(fit("USB\\VID_0E8D&PID_2006&MI_02", "0e8d:2006:mi_02").as_deref(), Some(""));
        assert_eq!(fit("USB\\VID_0E8D&PID_2006&MI_02", "0e8d:2006:mi_03"), None);
        let parent = fit("USB\\VID_0E8D&PID_2006", "0e8d:2006:mi_02");
        assert_eq!(parent.as_deref(), Some("the whole device, not the interface"));
        assert_eq!(
            fit("USB\\VID_12D1&SubClass_12", "12d1:0001").as_deref(),
            Some("devices of its class only")
        );
    }
}
