//! `vm`: a phone into a virtual machine, with a made-up virsh and a made-up QEMU; the real ones are in the USB bench.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const DOMAIN: &str = "<domain type='qemu'><name>winxp</name><devices>
  <controller type='usb' index='0' model='qemu-xhci' ports='4'/>
  <input type='tablet' bus='usb'><alias name='input0'/><address type='usb' bus='0' port='1'/></input>
</devices></domain>";

/// A computer in a folder: its USB, and a virsh whose only domain is `winxp`.
struct Computer(tempfile::TempDir);

impl Computer {
    fn new() -> Self {
        let computer = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(computer.at("root/sys/bus/usb/devices")).unwrap();
        fs::create_dir_all(computer.at("bin")).unwrap();
        fs::write(computer.at("none.xml"), DOMAIN).unwrap();
        let folder = computer.at("").display().to_string();
        // It keeps what is attached in a file, and refuses what libvirt refuses.
        computer.script(
            "virsh",
            &format!(
                "cd {folder}
                 [ \"$1\" = -q ] && shift
                 [ \"$1\" = -c ] && shift 2
                 echo \"$*\" >> calls
                 case \"$1 $3\" in
                 'uri ') echo qemu:///system;;
                 'list --name') printf 'winxp\\nwin7\\n';;
                 'domstate winxp') [ -e off ] && echo 'shut off' || echo running;;
                 'dumpxml winxp') if [ -e phone.xml ]; then sed \"s|</devices>|$(tr -d '\\n' < phone.xml)</devices>|\" none.xml; else cat none.xml; fi;;
                 'attach-device winxp') cat > phone.xml;;
                 'detach-device winxp') cat > out.xml; rm -f phone.xml;;
                 *) echo \"error: failed to get domain '$3'\" >&2; exit 1;;
                 esac"
            ),
        );
        computer
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.at("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn phone_comes(&self, pid: &str, address: u8) {
        let at = self.at("root/sys/bus/usb/devices/1-4");
        let interface = at.join("1-4:1.0");
        fs::create_dir_all(&interface).unwrap();
        symlink("../../drivers/cdc_acm", interface.join("driver")).unwrap();
        let address = address.to_string();
        for (name, text) in
            [("idVendor", "0e8d"), ("speed", "12"), ("busnum", "1"), ("devnum", &address), ("idProduct", pid)]
        {
            fs::write(at.join(name), text).unwrap();
        }
    }

    fn phone_leaves(&self) {
        fs::remove_dir_all(self.at("root/sys/bus/usb/devices/1-4")).unwrap();
    }

    fn bromide(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bromide"));
        command.arg("vm").args(words).stdin(Stdio::null());
        if !words.contains(&"xml") {
            command.arg("--usb-root").arg(self.at("root"));
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.at("bin").display()));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        let out = self.bromide(words).output().unwrap();
        assert!(!String::from_utf8_lossy(&out.stderr).contains("panicked"), "{out:?}");
        out
    }
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < late, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_phone_is_followed_into_a_domain_and_taken_back_by_ctrl_c() {
    let computer = Computer::new();
    let mut child = computer
        .bromide(&["attach", "winxp", "--guest-port", "3", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(
        (&first["event"], &first["machine"], &first["guest_port"]),
        (&json!("waiting"), &json!("winxp"), &json!(3))
    );
    let mut address = 4;
    for (pid, face) in [("2000", "preloader"), ("0003", "bootrom"), ("2001", "agent"), ("0003", "bootrom")] {
        address += 1;
        computer.phone_comes(pid, address);
        assert_eq!(next()["event"], "came");
        let attached = next();
        assert_eq!((&attached["event"], &attached["face"]), (&json!("attached"), &json!(face)), "{attached}");
        assert_eq!((&attached["guest_bus"], &attached["guest_port"]), (&json!("0"), &json!(3)));
        assert!(attached["clock"].as_f64().unwrap() > 1.7e9);
        let xml = computer.text("phone.xml");
        assert!(xml.contains(&format!("<address bus='1' device='{address}'/>")), "{xml}");
        assert!(xml.contains("<address type='usb' bus='0' port='3'/>"), "{xml}");
        if address < 8 {
            computer.phone_leaves();
            assert_eq!(next()["event"], "left");
            assert_eq!(next()["event"], "detached");
            assert!(!computer.at("phone.xml").exists());
        }
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(next()["event"], "taking-back");
    assert_eq!(next()["event"], "detached");
    let back = next();
    assert_eq!((&back["event"], &back["drivers"]), (&json!("given-back"), &json!(["cdc_acm"])));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(computer.text("out.xml").contains("device='8'"));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_asks_for_nothing_that_changes_anything() {
    let computer = Computer::new();
    let out =
        computer.run(&["attach", "winxp", "--connect", "qemu:///system", "--faces", "brom", "--dry-run"]);
    let text = said(&out);
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(text.contains("The phone as BootROM: at any port of this computer"), "{text}");
    assert!(text.contains("goes to guest port 2 of USB bus 0, which is free"), "{text}");
    assert!(text.contains("virsh -c qemu:///system attach-device winxp FILE --live"), "{text}");
    assert!(text.contains("<address type='usb' bus='0' port='2'/>"), "{text}");
    let calls = computer.text("calls");
    assert!(!calls.contains("attach-device"), "{calls}");
    computer.phone_comes("0003", 7);
    let text = said(&computer.run(&["attach", "winxp", "--dry-run", "--json"]));
    let plan: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(plan["port"], "1-4");
    assert!(plan["attach"].as_str().unwrap().contains("bus='1' device='7'"), "{plan}");
}

#[test]
fn what_cannot_be_is_told_with_its_cure() {
    let computer = Computer::new();
    let cases: [(&[&str], i32, &str, &str); 7] = [
        (&["attach", "winpx"], 2, "vm/no-domain", "there are winxp, win7"),
        (
            &["attach", "winxp", "--guest-port", "1"],
            2,
            "taken by input input0 [vm/port-taken]",
            "free: 2, 3, 4",
        ),
        (&["attach", "winxp", "--guest-port", "5"], 2, "vm/no-port", "the ports 1 to 4"),
        (&["attach", "winxp", "--guest-bus", "7"], 2, "vm/no-bus", "there are 0"),
        (
            &["attach", "winxp", "--connect", "qemu+ssh://host/system"],
            1,
            "qemu+ssh://host/system is on another computer [vm/elsewhere]",
            "the computer that the phone is plugged into",
        ),
        (&["attach", "--qmp", "/nonexistent/qmp"], 1, "vm/no-socket", "-qmp unix:SOCKET"),
        (&["attach"], 2, "required arguments were not provided", "DOMAIN"),
    ];
    for (words, code, what, cure) in cases {
        let out = computer.run(words);
        let text = said(&out);
        assert_eq!(out.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(what) && text.contains(cure), "{words:?}: {text}");
    }
    assert!(!computer.text("calls").contains("ssh"), "nothing is asked of the other computer");
    fs::write(computer.at("off"), "").unwrap();
    let text = said(&computer.run(&["attach", "winxp"]));
    assert!(
        text.contains("not running (it is shut off) [vm/not-running]") && text.contains("virsh start winxp"),
        "{text}"
    );
    fs::write(computer.at("none.xml"), "<domain><devices/></domain>").unwrap();
    fs::remove_file(computer.at("off")).unwrap();
    let text = said(&computer.run(&["attach", "winxp"]));
    assert!(text.contains("vm/no-controller") && text.contains("qemu-xhci"), "{text}");
    fs::remove_dir_all(computer.at("root/sys")).unwrap();
    let text_without_usb = said(&computer.run(&["attach", "winxp"]));
    assert!(text_without_usb.contains("this system has no USB bus"), "{text_without_usb}");
    fs::create_dir_all(computer.at("root/sys/bus/usb/devices")).unwrap();
    fs::write(computer.at("none.xml"), "what?").unwrap();
    let text = said(&computer.run(&["attach", "winxp"]));
    assert!(text.contains("virsh dumpxml cannot be read"), "{text}");
}

#[test]
fn without_virsh_and_without_libvirt_it_is_said_what_to_install_or_start() {
    let computer = Computer::new();
    computer.script(
        "virsh",
        "echo \"error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/run/libvirt/libvirt-sock': $WHY\" >&2; exit 1",
    );
    for (why, cure) in [
        ("No such file or directory", "systemctl start libvirtd"),
        ("Permission denied", "usermod -aG libvirt"),
    ] {
        let out = computer.bromide(&["status", "winxp"]).env("WHY", why).output().unwrap();
        let text = said(&out);
        assert!(text.contains("vm/no-connection") && text.contains(cure), "{text}");
    }
    let out = computer.bromide(&["status", "winxp"]).env("PATH", "/nonexistent").output().unwrap();
    assert!(said(&out).contains("apt install libvirt-clients"), "{out:?}");
}

#[test]
fn what_a_killed_run_left_is_shown_by_status_and_taken_out_by_detach() {
    let computer = Computer::new();
    computer.phone_comes("0003", 5);
    let mut child =
        computer.bromide(&["attach", "winxp"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it is attached", || computer.text("phone.xml").contains("</hostdev>"));
    // While it goes on its phone is its own.
    let out = computer.run(&["detach", "winxp"]);
    let text = said(&out);
    assert!(text.contains("[vm/running]") && text.contains(&format!("kill -INT {}", child.id())), "{text}");
    let text = said(&computer.run(&["attach", "winxp", "--guest-port", "2"]));
    assert!(text.contains("taken by hostdev ua-bromide-phone"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    let name = format!("ua-bromide-phone-{}", child.id());
    let text = said(&computer.run(&["status", "winxp"])).replace(&name, "NAME");
    assert_eq!(
        text,
        "winxp (running)\nUSB bus 0: qemu-xhci, 4 ports\n  port 1    input (input0)\n  port 2    hostdev (NAME): \
         the phone, BootROM (0e8d:0003) at port 1-4, full speed of this computer\n"
    );
    computer.phone_leaves();
    let text = said(&computer.run(&["status", "winxp"]));
    assert!(
        text.contains("a phone that has left this computer (bus 1, device 5); next: bromide vm detach winxp"),
        "{text}"
    );
    let out = computer.run(&["detach", "winxp"]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    assert!(!computer.at("phone.xml").exists());
    assert!(said(&computer.run(&["detach", "winxp"])).contains("nothing of Bromide's"));
    let text = said(&computer.run(&["status", "winxp", "--json"]));
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
}

#[test]
fn a_description_is_printed_for_each_mode_and_virsh_could_read_it() {
    let computer = Computer::new();
    let text = said(&computer.run(&["xml"]));
    for id in ["0x2000", "0x0003", "0x2001"] {
        assert!(text.contains(&format!("<product id='{id}'/>")), "{text}");
    }
    let one = said(&computer.run(&["xml", "brom", "--guest-port", "3"]));
    assert!(one.contains("<address type='usb' bus='0' port='3'/>") && !one.contains("0x2000"), "{one}");
}

/// A QEMU with one xHCI that takes whatever it is given, until it is told to `go`.
fn qemu(socket: &Path) -> std::sync::mpsc::Receiver<String> {
    let listener = UnixListener::bind(socket).unwrap();
    let (send, heard) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut out = stream.try_clone().unwrap();
        writeln!(out, "{}", json!({"QMP": {"version": {}, "capabilities": []}})).unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let command: Value = serde_json::from_str(&line).unwrap();
            let path = command["arguments"]["path"].as_str().unwrap_or_default();
            let answer = match (command["execute"].as_str().unwrap(), path) {
                ("qom-list", "/machine/peripheral") => json!([{"name": "xhci", "type": "child<qemu-xhci>"}]),
                ("qom-list", "/machine/peripheral/xhci") => {
                    json!([{"name": "xhci.0", "type": "child<usb-bus>"}])
                }
                ("qom-list", _) => json!([]),
                ("device_add", _) => {
                    send.send(line.clone()).unwrap();
                    json!({})
                }
                _ => json!({}),
            };
            writeln!(out, "{}", json!({"return": answer, "id": command["id"]})).unwrap();
            if command["execute"] == "device_add" {
                return; // the machine is switched off
            }
        }
    });
    heard
}

#[test]
fn a_machine_that_is_switched_off_ends_it_well() {
    let computer = Computer::new();
    let socket = computer.at("qmp.sock");
    let heard = qemu(&socket);
    computer.phone_comes("0003", 5);
    let out = computer.run(&["attach", "--qmp", &socket.display().to_string()]);
    let text = said(&out);
    assert_eq!(out.status.code(), Some(0), "{text}");
    assert!(text.contains("is in the guest, at guest port 1 of USB bus xhci.0"), "{text}");
    assert!(text.contains("has been switched off"), "{text}");
    assert!(text.contains("is this computer's again, driver cdc_acm"), "{text}");
    let add = heard.recv().unwrap();
    assert!(add.contains("/dev/bus/usb/001/005"), "{add}");
}
