//! Against a made-up QEMU on a socket pair: its answers are those that QEMU 7.2 gave, word for word.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::guest::{Controller, GuestDevice};

const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}"#;

/// Answers each command with lines; `{id}` in them is the command's number.
fn qemu(mut answer: impl FnMut(&str, &Value) -> Vec<String> + Send + 'static) -> Result<Qmp, VmError> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::spawn(move || {
        let mut out = theirs.try_clone().unwrap();
        writeln!(out, "{GREETING}").unwrap();
        for line in BufReader::new(theirs).lines().map_while(Result::ok) {
            let command: Value = serde_json::from_str(&line).unwrap();
            let name = command["execute"].as_str().unwrap().to_owned();
            let lines = match name.as_str() {
                "qmp_capabilities" => vec![r#"{"return": {}, "id": {id}}"#.to_owned()],
                _ => answer(&name, &command["arguments"]),
            };
            for line in lines {
                let line = line.replace("{id}", &command["id"].to_string());
                if writeln!(out, "{line}").is_err() {
                    return;
                }
            }
        }
    });
    Qmp::over(ours)
}

fn port(port: u32) -> GuestPort {
    GuestPort { bus: "xhci.0".into(), port }
}

fn device() -> HostDevice {
    HostDevice { bus: 1, address: 5, node: "/dev/bus/usb/001/005".into() }
}

fn done() -> Vec<String> {
    vec![r#"{"return": {}, "id": {id}}"#.to_owned()]
}

fn error(class: &str, text: &str) -> Vec<String> {
    vec![format!(r#"{{"error": {{"class": "{class}", "desc": "{text}"}}, "id": {{id}}}}"#)]
}

#[test]
fn a_phone_is_added_by_its_node_at_the_pinned_port_and_resets_are_kept_from_it() {
    let (said, heard) = std::sync::mpsc::channel();
    let mut machine = qemu(move |name, arguments| {
        said.send((name.to_owned(), arguments.clone())).unwrap();
        done()
    })
    .unwrap();
    let held = machine.attach(&device(), &port(3), false).unwrap();
    assert_eq!(held, Held { id: name(1), host: Some((1, 5)) });
    let (command, arguments) = heard.recv().unwrap();
    assert_eq!(command, "device_add");
    assert_eq!(
        arguments,
        json!({"driver": "usb-host", "id": name(1), "bus": "xhci.0", "port": "3",
               "hostdevice": "/dev/bus/usb/001/005", "guest-reset": false})
    );
    assert_eq!(machine.attach(&device(), &port(3), true).unwrap().id, name(2), "no name twice");
}

#[test]
fn a_device_is_gone_when_the_event_says_so_whether_it_comes_before_or_after_the_answer() {
    for before in [false, true] {
        let mut machine = qemu(move |name, _| {
            let event = json!({
                "timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED",
                "data": {"device": super::name(1), "path": "/machine/peripheral/x"},
            })
            .to_string();
            match (name, before) {
                ("device_del", true) => [vec![event], done()].concat(),
                ("device_del", false) => [done(), vec![event]].concat(),
                _ => done(),
            }
        })
        .unwrap();
        let held = machine.attach(&device(), &port(3), false).unwrap();
        machine.detach(&held).unwrap();
    }
}

#[test]
fn every_refusal_that_was_seen_has_a_meaning() {
    let texts = [
        ("failed to open /dev/bus/usb/001/005: Permission denied", "vm/denied"),
        ("failed to open /dev/bus/usb/001/005: No such file or directory", "vm/phone-gone"),
        ("failed to open host usb device /dev/bus/usb/001/005", "vm/not-opened"),
        ("usb port 3 (bus xhci.0) not found (in use?)", "vm/port-taken"),
        ("Bus 'xhci.0' not found", "vm/no-bus"),
        ("'usb-host' is not a valid device model name", "vm/refused"),
    ];
    for (text, code) in texts {
        let mut machine = qemu(move |_, _| error("GenericError", text)).unwrap();
        assert_eq!(machine.attach(&device(), &port(3), false).unwrap_err().code(), code, "{text}");
    }
    let mut machine = qemu(|_, _| error("DeviceNotFound", "Device 'bromide-phone-1' not found")).unwrap();
    let held = Held { id: "bromide-phone-1".into(), host: None };
    assert!(matches!(machine.detach(&held), Err(VmError::NoDevice(_))));
}

#[test]
fn a_machine_that_goes_is_told_at_once_in_the_middle_of_a_command_and_between_two() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut out = theirs.try_clone().unwrap();
        let mut lines = BufReader::new(theirs).lines();
        writeln!(out, "{GREETING}").unwrap();
        lines.next();
        writeln!(out, r#"{{"return": {{}}, "id": 1}}"#).unwrap();
        lines.next();
    });
    let mut machine = Qmp::over(ours).unwrap();
    assert_eq!(machine.check(), Ok(()));
    assert_eq!(machine.attach(&device(), &port(3), false), Err(VmError::Gone));
    server.join().unwrap();
    assert_eq!(machine.check(), Err(VmError::Gone));
}

#[test]
fn a_socket_whose_only_place_is_taken_is_told_from_one_that_does_not_exist_and_from_another_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let missing = Qmp::connect(&path).unwrap_err();
    assert!(matches!(&missing, VmError::NoSocket { denied: false, .. }), "{missing}");
    let _silent = UnixListener::bind(&path).unwrap();
    let silent = Qmp::connect(&path).unwrap_err();
    assert!(matches!(silent, VmError::NoGreeting(_)), "{silent}");
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
    assert!(matches!(Qmp::over(ours), Err(VmError::NotQmp(..))));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"{\"hello\": 1}\n").unwrap();
    assert!(matches!(Qmp::over(ours), Err(VmError::NotQmp(..))));
}

/// The object tree of a `-M pc` with `-usb`, an xHCI with a tablet, and a phone of an earlier run.
fn tree(name: &str, arguments: &Value) -> Vec<String> {
    let path = arguments["path"].as_str().unwrap_or_default();
    let children = |all: &[(&str, &str)]| {
        let all: Vec<_> = all.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
        vec![format!("{{\"return\": {}, \"id\": {{id}}}}", Value::from(all))]
    };
    let value = |value: Value| vec![format!("{{\"return\": {value}, \"id\": {{id}}}}")];
    let usb = [("port", "str"), ("attached", "bool"), ("parent_bus", "link<bus>")];
    match (name, path, arguments["property"].as_str().unwrap_or_default()) {
        ("query-name", ..) => value(json!({"name": "winxp"})),
        ("query-status", ..) => value(json!({"status": "running", "running": true})),
        ("qom-list", "/machine/peripheral", _) => children(&[
            ("type", "string"),
            ("xhci", "child<qemu-xhci>"),
            ("bromide-phone-7", "child<usb-host>"),
        ]),
        ("qom-list", "/machine/peripheral-anon", _) => children(&[("device[0]", "child<usb-tablet>")]),
        ("qom-list", "/machine/unattached", _) => {
            children(&[("device[18]", "child<piix3-usb-uhci>"), ("ide[0]", "child<memory-region>")])
        }
        ("qom-list", "/machine/peripheral/xhci", _) => {
            children(&[("xhci.0", "child<usb-bus>"), ("p2", "uint32"), ("p3", "uint32")])
        }
        ("qom-list", "/machine/unattached/device[18]", _) => children(&[("usb-bus.0", "child<usb-bus>")]),
        ("qom-list", ..) => children(&usb),
        ("qom-get", _, "p2") => value(json!(8)),
        ("qom-get", _, "p3") => value(json!(4)),
        ("qom-get", "/machine/peripheral-anon/device[0]", "port") => value(json!("2")),
        ("qom-get", _, "port") => value(json!("3")),
        ("qom-get", _, "parent_bus") => value(json!("/machine/peripheral/xhci/xhci.0")),
        ("qom-get", _, "attached") => value(json!(true)),
        ("qom-get", _, "hostdevice") => value(json!("/dev/bus/usb/001/009")),
        ("device_add", ..) => done(),
        _ => error("GenericError", "no such thing"),
    }
}

#[test]
fn the_guest_is_read_from_the_object_tree_with_its_ports_and_what_an_earlier_run_left() {
    let mut machine = qemu(tree).unwrap();
    let guest = machine.look().unwrap();
    assert_eq!((guest.name.as_deref(), guest.state.as_str()), (Some("winxp"), "running"));
    let controller =
        |bus: &str, model: &str, ports| Controller { bus: bus.into(), model: model.into(), ports };
    assert_eq!(
        guest.controllers,
        [controller("xhci.0", "qemu-xhci", Some(8)), controller("usb-bus.0", "piix3-usb-uhci", Some(2))]
    );
    let device = |port: &str, model: &str, id: &str, host, ours| GuestDevice {
        bus: "xhci.0".into(),
        port: port.into(),
        model: model.into(),
        id: id.into(),
        host,
        attached: Some(true),
        ours,
        run: None,
    };
    assert_eq!(
        guest.devices,
        [
            device("3", "usb-host", "bromide-phone-7", Some((1, 9)), true),
            device("2", "usb-tablet", "", None, false)
        ]
    );
    assert_eq!(guest.choose(None, None).unwrap(), port(1));
    assert!(guest.runs().is_empty());
}

#[test]
fn what_a_dry_run_shows_is_what_is_said() {
    let machine = qemu(|_, _| done()).unwrap();
    let [add, delete] = machine.words(None, &port(3), false);
    let add: Value = serde_json::from_str(&add).unwrap();
    assert_eq!(add["execute"], "device_add");
    assert_eq!(add["arguments"]["hostdevice"], "/dev/bus/usb/BBB/DDD");
    assert!(delete.contains("device_del") && delete.contains(&name(1)), "{delete}");
    let node = PathBuf::from("/dev/bus/usb/002/003");
    let [add, _] = machine.words(Some(&HostDevice { bus: 2, address: 3, node }), &port(3), true);
    assert!(add.contains("/dev/bus/usb/002/003") && add.contains("\"guest-reset\":true"), "{add}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_socket_says_the_end_is_an_error_in_words(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        writeln!(theirs, "{GREETING}").unwrap();
        writeln!(theirs, r#"{{"return": {{}}, "id": 1}}"#).unwrap();
        theirs.write_all(&bytes).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let mut machine = Qmp::over(ours).unwrap();
        let ended = machine.look();
        prop_assert!(matches!(ended, Err(VmError::Gone | VmError::NotQmp(..))), "{ended:?}");
    }
}
