//! What to do about a phone that does not get into a guest.

use std::fs;

use bromide_vm::VmError;

use super::Guest;
use crate::report::{Failure, exit};

/// The phone is faster than the machine.
pub(super) const MISSED: &str = "hold Volume-Down while plugging in: the BootROM stays for seconds and comes back; plain QEMU \
     (--qmp) is faster than libvirt; and udevd or another program may be slowing this computer down";

/// The host's driver does not come back.
pub(super) const NO_DRIVER: &str = "unplug the phone and plug it in again, or: sudo modprobe cdc_acm";

/// A failure of the command, with its cure.
pub(super) fn failure(error: &VmError, guest: &Guest) -> Failure {
    let code = match error {
        VmError::NoDomain { .. }
        | VmError::NoBus { .. }
        | VmError::NoPort { .. }
        | VmError::PortTaken { .. }
        | VmError::SeveralPhones(_) => exit::USAGE,
        _ => exit::FAILED,
    };
    let advice = of(error, guest).unwrap_or_default();
    Failure::new(error.code(), code, error.to_string(), advice)
}

/// What to do, in words that name the machine as it was typed.
pub(super) fn of(error: &VmError, guest: &Guest) -> Option<String> {
    let start = match (&guest.connect, &guest.domain) {
        (Some(uri), Some(domain)) => format!("-c {uri} start {domain}"),
        (_, domain) => format!("start {}", domain.as_deref().unwrap_or_default()),
    };
    let guest = guest.words();
    Some(match error {
        VmError::NoDomain { all, .. } if all.is_empty() => {
            "virt-manager's machines are the system's: --connect qemu:///system; virsh list --all shows what there is".into()
        }
        VmError::NoDomain { all, .. } => format!(
            "there are {}; those of virt-manager are the system's: --connect qemu:///system",
            all.join(", ")
        ),
        VmError::NotRunning { .. } => format!("start it: virsh {start}"),
        VmError::NoVirsh => {
            "install it (Debian: sudo apt install libvirt-clients), or name the socket of a plain QEMU: --qmp SOCKET".into()
        }
        VmError::NoConnection(why) if why.contains("ermission denied") || why.contains("uthenticat") => {
            "let your user use libvirt: sudo usermod -aG libvirt $USER, then log in again".into()
        }
        VmError::NoConnection(_) => "is libvirt running? sudo systemctl start libvirtd".into(),
        VmError::NoSocket { denied: true, .. } => "run this as the user who started QEMU, or with sudo".into(),
        VmError::NoSocket { .. } => "start QEMU with -qmp unix:SOCKET,server=on,wait=off".into(),
        VmError::NoGreeting(_) => "QEMU listens to one program at a time at each socket: end the other one (another bromide vm \
             attach?), or give QEMU a second -qmp option"
            .into(),
        VmError::NotQmp(..) => {
            "it has to be the socket of QEMU's -qmp option; that of -monitor speaks another language".into()
        }
        VmError::NoAnswer(_) => {
            format!("is the machine's program stopped, or this computer overloaded? bromide vm status {guest} shows what is in the guest")
        }
        VmError::NoController => "give it one. QEMU: -device qemu-xhci,id=xhci; libvirt: <controller type='usb' \
             model='qemu-xhci' ports='8'/>. Windows XP and 7 have no driver for xHCI: docs/recipes/windows-guest.md has theirs"
            .into(),
        VmError::NoBus { all, .. } if all.is_empty() => format!("bromide vm status {guest} lists them"),
        VmError::NoBus { all, .. } => format!("there are {}", all.join(", ")),
        VmError::NoPort { ports: Some(ports), .. } => format!("it has the ports 1 to {ports}"),
        VmError::NoPort { .. } => format!("bromide vm status {guest} lists the controllers and their ports"),
        VmError::PortTaken { free, .. } if free.is_empty() => {
            format!("choose another with --guest-port; bromide vm status {guest} shows what is where")
        }
        VmError::PortTaken { free, .. } => {
            let free: Vec<_> = free.iter().map(ToString::to_string).collect();
            format!("choose another with --guest-port; free: {}", free.join(", "))
        }
        VmError::NoFreePort => "give the guest another USB controller, or take something out of it".into(),
        VmError::NotOpened(_) => "a phone is a full-speed device as BootROM and a high-speed one before and afterwards: does the \
             guest's controller take both (xHCI, or EHCI with UHCI companions, docs/recipes/windows-guest.md)? What \
             QEMU itself says is in its output, with libvirt in /var/log/libvirt/qemu; then plug the phone in again"
            .into(),
        VmError::Running(process) => format!("end that run with Ctrl-C, or: kill -INT {process}"),
        VmError::Elsewhere(_) => "run bromide on the computer that the phone is plugged into and the machine runs on".into(),
        VmError::Denied(why) => denied(why),
        VmError::Claimed(by) => claimed(by),
        VmError::SeveralPhones(ports) => {
            let all: Vec<_> = ports.iter().map(|port| format!("--port {port}")).collect();
            format!("say which one is meant: {}; or unplug the others", all.join(" or "))
        }
        VmError::Usb(_) => crate::report::NO_BUS.into(),
        VmError::Refused(why) if why.contains("/sys/bus/usb") => crate::report::NO_BUS.into(),
        VmError::Refused(why) if why.contains("not a valid device model") || why.contains("hostdevice") => {
            "this QEMU cannot hand over a device of this computer: 5.1 or later is needed, built with libusb (Debian: \
             sudo apt install qemu-system-x86)"
                .into()
        }
        VmError::Gone | VmError::NoDevice(_) | VmError::PhoneGone(_) | VmError::Refused(_) => {
            return None;
        }
    })
}

/// Who has it decides what to do: ending a machine's program would end the machine.
fn claimed(by: &str) -> String {
    if by.starts_with("qemu") || by.starts_with("the virtual machine") {
        return "a virtual machine has it by itself, through its definition or command line: take the phone out of that \
                (virsh edit; usb-host with vendorid), then plug it in again"
            .into();
    }
    if ["virt-manager", "remote-viewer", "virt-viewer", "spicy"].iter().any(|viewer| by.contains(viewer)) {
        return "a viewer hands new devices to its guest by itself: switch that off (virt-manager: Preferences, Console, SPICE \
                USB redirection: manual), then plug the phone in again"
            .into();
    }
    "end that program, then plug the phone in again".into()
}

/// The machine's program may not open the phone: plain rights, or a security module.
fn denied(why: &str) -> String {
    let module = modules();
    let confined = match module.as_slice() {
        [] => String::new(),
        all => format!(
            "; {} is active here and may be what forbids it: look for DENIED in sudo dmesg or the audit log",
            all.join(" and ")
        ),
    };
    if why.to_lowercase().contains("apparmor") {
        return format!("AppArmor does not let libvirt change the machine's profile{confined}");
    }
    format!(
        "let the user the machine runs as open phones: sudo bromide setup linux --install where that is you (plain QEMU, \
         qemu:///session); qemu:///system sets the rights itself unless dynamic_ownership = 0 in \
         /etc/libvirt/qemu.conf{confined}; then plug the phone in again"
    )
}

/// Security modules that confine programs.
fn modules() -> Vec<&'static str> {
    let says = |file: &str, word: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == word);
    let mut active = Vec::new();
    if says("/sys/module/apparmor/parameters/enabled", "Y") {
        active.push("AppArmor");
    }
    if says("/sys/fs/selinux/enforce", "1") {
        active.push("SELinux");
    }
    active
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Guest {
        Guest { domain: Some("winxp".into()), connect: Some("qemu:///system".into()), qmp: None }
    }

    #[test]
    fn advice_names_the_machine_as_it_was_typed() {
        let why = VmError::NoBus { bus: "7".into(), all: vec![] };
        let advice = failure(&why, &guest()).advice.unwrap();
        assert_eq!(advice, "bromide vm status winxp --connect qemu:///system lists them");
        let plain = Guest { domain: None, connect: None, qmp: Some("/run/q".into()) };
        assert!(failure(&why, &plain).advice.unwrap().contains("status --qmp /run/q lists"));
    }

    #[test]
    fn a_taken_port_is_answered_with_the_free_ones() {
        let why = VmError::PortTaken { bus: "0".into(), port: 1, by: "input".into(), free: vec![2, 3] };
        let failure = failure(&why, &guest());
        assert_eq!(failure.exit, exit::USAGE);
        assert!(failure.advice.unwrap().ends_with("free: 2, 3"));
    }
}
