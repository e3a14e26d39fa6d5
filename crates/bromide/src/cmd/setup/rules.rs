//! The udev rules, composed from the ids that are known.
//!
//! Facts: `formats.md` section 8.1 (order before 73-seat-late and 80-mm-candidate, every action but `remove`, the
//! properties sit on the usb_device); ids: `bromide_proto::bus`. Android's own ids are left out: `adb` and file
//! managers have rules of their own for them, and MTP has to go on working there.

use std::collections::{BTreeMap, BTreeSet};

use bromide_proto::bus::{Face, IDS};

/// Name of the file. It sorts before 73-seat-late.rules, which gives access to what is tagged until then, and before
/// ModemManager's 77- and 80- rules.
pub(crate) const NAME: &str = "61-bromide.rules";

/// Where it is installed.
pub(crate) const FILE: &str = "/etc/udev/rules.d/61-bromide.rules";

/// COM ports of a feature phone (`formats.md` section 8.1 lists it among the ids of the rule): they are serial ports
/// which ModemManager would probe as well.
const COM_PORTS: (u16, u16) = (0x0e8d, 0x0023);

/// Vendors and their products, sorted.
fn ids() -> BTreeMap<u16, BTreeSet<u16>> {
    let mut ids: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    for id in IDS.iter().filter(|id| id.face != Face::Android) {
        ids.entry(id.vid).or_default().extend(id.first..=id.last);
    }
    ids.entry(COM_PORTS.0).or_default().insert(COM_PORTS.1);
    ids
}

/// The whole file.
pub(crate) fn text() -> String {
    let ids = ids();
    let line = |attr: &str, then: &str| -> String {
        let line = |(vid, pids): (&u16, &BTreeSet<u16>)| {
            let pids: Vec<_> = pids.iter().map(|pid| format!("{pid:04x}")).collect();
            let pids = pids.join("|");
            format!("{attr}{{idVendor}}==\"{vid:04x}\", {attr}{{idProduct}}==\"{pids}\", {then}\n")
        };
        ids.iter().map(line).collect()
    };
    format!(
        "{HEAD}{}{MIDDLE}{}{END}",
        line("ATTR", "GOTO=\"bromide_phone\""),
        line("ATTRS", "TAG+=\"uaccess\"")
    )
}

const HEAD: &str = r#"# udev rules of Bromide, for MediaTek phones in BootROM, preloader or Download Agent mode.
# Written by `bromide setup linux --install`; `bromide setup linux --remove` takes them away.

# Every event but the last one of a device: since kernel 4.12 a `bind` event follows `add`, and
# ModemManager looks again at it.
ACTION=="remove", GOTO="bromide_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="bromide_usb"
SUBSYSTEM=="tty", KERNEL=="ttyACM*", GOTO="bromide_port"
GOTO="bromide_end"

# These ids only. What a running Android shows is left to the rules of adb and of file managers.
LABEL="bromide_usb"
"#;

const MIDDLE: &str = r#"GOTO="bromide_end"

LABEL="bromide_phone"
# Whoever is logged in at this computer may use the phone.
TAG+="uaccess"
# Where nothing handles that tag (no systemd-logind, no elogind), open it to a group instead:
#MODE="0660", GROUP="plugdev"
# ModemManager would send AT commands in the one to three seconds a preloader stays.
ENV{ID_MM_DEVICE_IGNORE}="1"
# There are no files to be found by MTP.
ENV{MTP_NO_PROBE}="1"
GOTO="bromide_end"

# The serial port the kernel makes of the phone, the second way to it.
LABEL="bromide_port"
"#;

const END: &str = r#"
LABEL="bromide_end"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// A device as udev sees it.
    struct Event<'a> {
        action: &'a str,
        subsystem: &'a str,
        devtype: &'a str,
        kernel: &'a str,
        vid: u16,
        pid: u16,
    }

    impl Event<'_> {
        /// Value of a key to be compared; attributes are those of the device or, for `ATTRS`, of the parent.
        fn value(&self, key: &str) -> String {
            let usb = self.subsystem == "usb";
            match key {
                "ACTION" => self.action.into(),
                "SUBSYSTEM" => self.subsystem.into(),
                "ENV{DEVTYPE}" => self.devtype.into(),
                "KERNEL" => self.kernel.into(),
                "ATTR{idVendor}" if usb => format!("{:04x}", self.vid),
                "ATTR{idProduct}" if usb => format!("{:04x}", self.pid),
                "ATTRS{idVendor}" => format!("{:04x}", self.vid),
                "ATTRS{idProduct}" => format!("{:04x}", self.pid),
                "ATTR{idVendor}" | "ATTR{idProduct}" => String::new(),
                other => panic!("{other} is no key this test knows"),
            }
        }
    }

    fn glob(pattern: &str, value: &str) -> bool {
        pattern.split('|').any(|one| match one.strip_suffix('*') {
            Some(start) => value.starts_with(start),
            None => one == value,
        })
    }

    /// Follows the rules as udev(7) tells: in order, all conditions of a line, GOTO forward only. What was assigned.
    fn assigned(event: &Event<'_>) -> Vec<String> {
        let text = text();
        let (mut set, mut skip_to): (Vec<String>, Option<String>) = (Vec::new(), None);
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parts: Vec<_> = line.split(", ").collect();
            if let Some(label) = line.strip_prefix("LABEL=") {
                if skip_to.as_deref() == Some(label) {
                    skip_to = None;
                }
                continue;
            }
            if skip_to.is_some() {
                continue;
            }
            let holds = parts.iter().all(|part| {
                if let Some((key, want)) = part.split_once("==") {
                    return glob(want.trim_matches('"'), &event.value(key));
                }
                true
            });
            for part in parts.iter().filter(|part| holds && !part.contains("==")) {
                match part.strip_prefix("GOTO=") {
                    Some(label) => skip_to = Some(label.to_owned()),
                    None => set.push((*part).to_owned()),
                }
            }
        }
        assert_eq!(skip_to, None, "a GOTO without its LABEL behind it");
        set
    }

    fn usb(vid: u16, pid: u16) -> Event<'static> {
        Event { action: "add", subsystem: "usb", devtype: "usb_device", kernel: "1-4", vid, pid }
    }

    const ALL: [&str; 3] = ["TAG+=\"uaccess\"", "ENV{ID_MM_DEVICE_IGNORE}=\"1\"", "ENV{MTP_NO_PROBE}=\"1\""];

    #[test]
    fn every_download_face_is_opened_to_the_user_and_kept_from_modemmanager_and_mtp() {
        for id in IDS.iter().filter(|id| id.face != Face::Android) {
            assert_eq!(assigned(&usb(id.vid, id.first)), ALL, "{id:?}");
        }
        for action in ["bind", "change"] {
            assert_eq!(assigned(&Event { action, ..usb(0x0e8d, 0x2000) }), ALL, "{action}");
        }
    }

    #[test]
    fn a_running_android_other_vendors_interfaces_and_removals_are_left_alone() {
        for (vid, pid) in [(0x0bb4, 0x0c03), (0x0e8d, 0x2008), (0x1d6b, 0x0003), (0x1004, 0x2000)] {
            assert!(assigned(&usb(vid, pid)).is_empty(), "{vid:04x}:{pid:04x}");
        }
        assert!(assigned(&Event { action: "remove", ..usb(0x0e8d, 3) }).is_empty());
        assert!(assigned(&Event { devtype: "usb_interface", ..usb(0x0e8d, 3) }).is_empty());
    }

    #[test]
    fn the_serial_port_of_a_phone_is_opened_too_and_no_other_port() {
        let port = |kernel, vid, pid| Event { subsystem: "tty", devtype: "", kernel, ..usb(vid, pid) };
        assert_eq!(assigned(&port("ttyACM0", 0x0e8d, 0x2000)), ["TAG+=\"uaccess\""]);
        assert!(assigned(&port("ttyACM0", 0x2341, 0x0043)).is_empty());
        assert!(assigned(&port("ttyS0", 0x0e8d, 0x2000)).is_empty());
    }
}
