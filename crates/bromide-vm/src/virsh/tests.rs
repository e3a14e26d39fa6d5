//! Against a made-up `virsh`: a script that answers as libvirt 9.0 did, word for word.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::domain::parse;
use super::*;

const DOMAIN: &str = "<domain type='qemu' id='1'>
  <name>winxp</name>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0' model='qemu-xhci' ports='8'>
      <alias name='usb'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </controller>
    <controller type='usb' index='1' model='ich9-uhci1'/>
    <controller type='usb' index='1' model='ich9-ehci1'/>
    <controller type='pci' index='0' model='pci-root'/>
    <input type='tablet' bus='usb'>
      <alias name='input0'/>
      <address type='usb' bus='0' port='1'/>
    </input>
    <input type='mouse' bus='ps2'/>
    HOSTDEV
    <memballoon model='none'/>
  </devices>
</domain>
";

const PHONE: &str = "<hostdev mode='subsystem' type='usb' managed='yes'>
      <source guestReset='off'><address bus='1' device='5'/></source>
      <alias name='ua-bromide-phone-4294967295'/>
      <address type='usb' bus='0' port='3'/>
    </hostdev>";

/// A virsh that does this; `$1` and so on are its words behind `-q`.
fn virsh(folder: &Path, script: &str) -> Program {
    let path = folder.join("virsh");
    fs::write(&path, format!("#!/bin/sh\nshift\necho \"$*\" >> {}/calls\n{script}\n", folder.display()))
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Program::new(&path.to_string_lossy(), None)
}

fn port() -> GuestPort {
    GuestPort { bus: "0".into(), port: 3 }
}

fn device() -> HostDevice {
    HostDevice { bus: 1, address: 5, node: "/dev/bus/usb/001/005".into() }
}

/// A domain whose `attach-device` ends with this text on standard error.
fn refusing(folder: &Path, text: &str) -> VmError {
    let script = format!(
        "case $1 in uri) echo qemu:///system;; domstate) echo running;; *) printf '%s\\n' '{text}' >&2; exit 1;; esac"
    );
    let mut domain = Virsh::with(virsh(folder, &script), "winxp").unwrap();
    domain.attach(&device(), &port(), false).unwrap_err()
}

#[test]
fn a_running_domain_is_read_with_its_controllers_ports_and_devices() {
    let guest = parse(&DOMAIN.replace("HOSTDEV", PHONE)).unwrap();
    assert_eq!(guest.name.as_deref(), Some("winxp"));
    let controllers: Vec<_> =
        guest.controllers.iter().map(|c| (c.bus.as_str(), c.model.as_str(), c.ports)).collect();
    assert_eq!(
        controllers,
        [("0", "qemu-xhci", Some(8)), ("1", "ich9-ehci1", Some(6))],
        "companions are one bus"
    );
    let devices: Vec<_> =
        guest.devices.iter().map(|d| (d.model.as_str(), d.port.as_str(), d.host, d.ours)).collect();
    assert_eq!(devices, [("input", "1", None, false), ("hostdev", "3", Some((1, 5)), true)]);
    assert_eq!(guest.choose(None, None).unwrap(), GuestPort { bus: "0".into(), port: 2 });
    let refused = guest.choose(Some("0"), Some(1)).unwrap_err();
    assert!(refused.to_string().contains("taken by input input0"), "{refused}");
}

#[test]
fn a_domain_without_usb_has_no_controller_and_what_is_no_domain_is_an_error() {
    let text = "<domain><name>x</name><devices><controller type='usb' model='none'/></devices></domain>";
    assert!(matches!(parse(text).unwrap().choose(None, None), Err(VmError::NoController)));
    assert!(parse("<domain/>").is_err());
    assert!(parse("error: what").is_err());
}

#[test]
fn attaching_and_detaching_hand_virsh_a_description_with_address_and_pinned_port() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let script = format!(
        "case $1 in
         uri) echo qemu:///system;;
         domstate) echo running;;
         attach-device) cat \"$5\" > {at}/xml;;
         detach-device) cat > {at}/unplugged;;
         esac"
    );
    let mut domain = Virsh::with(virsh(folder.path(), &script), "winxp").unwrap();
    let held = domain.attach(&device(), &port(), false).unwrap();
    domain.detach(&held).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        read("xml"),
        format!(
            "<hostdev mode='subsystem' type='usb' managed='yes'>\n  <source guestReset='off'>\n    <address bus='1' \
             device='5'/>\n  </source>\n  <alias name='{}'/>\n  <address type='usb' bus='0' port='3'/>\n</hostdev>\n",
            name()
        )
    );
    assert!(read("unplugged").contains("<address bus='1' device='5'/>"));
    let calls = read("calls");
    assert!(calls.contains(&format!("attach-device --domain winxp --file {INPUT} --live")), "{calls}");
}

#[test]
fn every_refusal_that_was_seen_has_a_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let head = "error: Failed to attach device from /dev/stdin\nerror: ";
    let texts = [
        ("internal error: Did not find USB device 0e8d:2000", "vm/phone-gone"),
        ("XML error: requested USB port 9 not present on USB bus 0", "vm/no-port"),
        ("XML error: Duplicate USB address bus 0 port 3", "vm/port-taken"),
        ("XML error: Missing USB bus 4", "vm/no-bus"),
        ("Requested operation is not valid: domain is not running", "vm/gone"),
        ("Unable to open /dev/bus/usb/001/005: Permission denied", "vm/denied"),
        ("operation failed: something new", "vm/refused"),
        (
            "internal error: unable to execute QEMU command device_add: failed to open /dev/bus/usb/001/005: Permission denied",
            "vm/denied",
        ),
        (
            "internal error: unable to execute QEMU command device_add: failed to open host usb device",
            "vm/not-opened",
        ),
    ];
    for (text, code) in texts {
        let why = refusing(folder.path(), &format!("{head}{text}"));
        assert_eq!(why.code(), code, "{text}");
    }
    let taken = refusing(folder.path(), &format!("{head}XML error: Duplicate USB address bus 0 port 3"));
    assert!(matches!(taken, VmError::PortTaken { ref bus, port: 3, .. } if bus == "0"), "{taken:?}");
    let missing =
        refusing(folder.path(), &format!("{head}XML error: requested USB port 9 not present on USB bus 0"));
    assert_eq!(missing, VmError::NoPort { bus: "0".into(), port: 9, ports: None });
}

#[test]
fn a_domain_that_does_not_exist_is_told_with_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let script = "case $1 in uri) echo qemu:///session;; list) printf 'winxp\\nwin7\\n\\n';; *) echo \"error: failed to get domain 'winpx'\" >&2; exit 1;; esac";
    let why = Virsh::with(virsh(folder.path(), script), "winpx").unwrap_err();
    assert_eq!(why, VmError::NoDomain { name: "winpx".into(), all: vec!["winxp".into(), "win7".into()] });
}

#[test]
fn a_domain_that_is_switched_off_no_libvirt_and_no_virsh_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let off = Virsh::with(
        virsh(folder.path(), "case $1 in uri) echo qemu:///system;; *) echo 'shut off';; esac"),
        "winxp",
    )
    .unwrap_err();
    assert_eq!(off, VmError::NotRunning { name: "winxp".into(), state: "shut off".into() });
    let text = "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/nope': No such file or directory";
    let alone =
        Virsh::with(virsh(folder.path(), &format!("echo \"{text}\" >&2; exit 1")), "winxp").unwrap_err();
    assert_eq!(
        alone,
        VmError::NoConnection("Failed to connect socket to '/nope': No such file or directory".into())
    );
    let nothing = Virsh::with(Program::new("/nonexistent/virsh", None), "winxp").unwrap_err();
    assert_eq!(nothing, VmError::NoVirsh);
}

#[test]
fn a_libvirt_of_another_computer_is_refused_because_it_would_take_another_device() {
    let folder = tempfile::tempdir().unwrap();
    for (uri, here) in [
        ("qemu:///system", true),
        ("qemu+unix:///system?socket=/run/x", true),
        ("qemu+ssh://host/system", false),
        ("qemu://host/system", false),
        ("qemu+tcp://localhost/system", false),
    ] {
        let script = format!("case $1 in uri) echo '{uri}';; *) echo running;; esac");
        let opened = Virsh::with(virsh(folder.path(), &script), "winxp");
        assert_eq!(opened.is_ok(), here, "{uri}: {opened:?}");
        assert!(here || opened.unwrap_err() == VmError::Elsewhere(uri.into()));
    }
}

#[test]
fn a_daemon_that_is_away_for_a_moment_does_not_end_a_run_and_one_that_stays_away_does() {
    let folder = tempfile::tempdir().unwrap();
    let script = "case $1 in uri) echo qemu:///system;; domstate) [ -e away ] && { echo 'error: failed to connect to the hypervisor' >&2; exit 1; }; echo running;; esac";
    let script = script.replace("away", &folder.path().join("away").display().to_string());
    let mut domain = Virsh::with(virsh(folder.path(), &script), "winxp").unwrap();
    let check = |domain: &mut Virsh| {
        domain.checked = domain.checked.checked_sub(CHECK).unwrap();
        domain.check()
    };
    fs::write(folder.path().join("away"), "").unwrap();
    for _ in 0..STRIKES {
        assert_eq!(check(&mut domain), Ok(()));
    }
    assert!(matches!(check(&mut domain), Err(VmError::NoConnection(_))));
    fs::remove_file(folder.path().join("away")).unwrap();
    assert_eq!(check(&mut domain), Ok(()));
}

#[test]
fn what_an_earlier_run_left_without_an_address_is_detached_by_its_alias() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("xml"), DOMAIN.replace("HOSTDEV", "")).unwrap();
    let script = format!(
        "case $1 in uri) echo qemu:///system;; domstate) echo running;; dumpxml) cat {}/xml;; esac",
        folder.path().display()
    );
    let mut domain = Virsh::with(virsh(folder.path(), &script), "winxp").unwrap();
    domain.detach(&Held { id: "ua-bromide-phone-1".into(), host: None }).unwrap();
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(
        calls.contains("detach-device-alias --domain winxp --alias ua-bromide-phone-1 --live"),
        "{calls}"
    );
}

#[test]
fn a_description_by_ids_does_not_keep_a_guest_from_starting_without_the_phone() {
    let xml = hostdev(&HostdevSource::Ids { vid: 0x0e8d, pid: 3 }, None, false, None);
    assert_eq!(
        xml,
        "<hostdev mode='subsystem' type='usb' managed='yes'>\n  <source startupPolicy='optional' guestReset='off'>\n    \
         <vendor id='0x0e8d'/>\n    <product id='0x0003'/>\n  </source>\n</hostdev>\n"
    );
    assert!(
        hostdev(&HostdevSource::Ids { vid: 1, pid: 2 }, Some(&port()), true, None)
            .contains("<address type='usb'")
    );
}

proptest! {
    #[test]
    fn whatever_a_description_holds_reading_it_ends(at in 0..DOMAIN.len(), bytes in ".{0,20}") {
        let mut text = DOMAIN.replace("HOSTDEV", PHONE);
        if text.is_char_boundary(at) {
            text.insert_str(at, &bytes);
        }
        if let Ok(guest) = parse(&text) {
            let _ = guest.choose(None, Some(3));
            prop_assert!(guest.ours().len() <= 1);
        }
    }
}
