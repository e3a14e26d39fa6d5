//! INF files as they are found in the wild, and which drivers they offer to whom (`formats.md` section 7).

use std::path::Path;
use std::time::{Duration, Instant};

use bromide_image::inf::{
    Date, Decoration, Driver, Encoding, Inf, InfError, MakeError, Oddity, Query, Reach, System, Text, make,
};
use proptest::prelude::*;

const X64: System = System::WINDOWS_10_X64;
const X86: System = System::WINDOWS_10_X86;

/// The lines that matter of the INF the first user quoted: a usbser INF with ids added by hand.
const SEED: &str = r#"[Version]
Signature="$Windows NT$"
Class=Ports
ClassGuid={4D36E978-E325-11CE-BFC1-08002BE10318}
Provider=%MEDIATEK%
DriverVer=04/29/2011,2.0.1118.0

[Manufacturer]
%MEDIATEK%=DeviceList, NTamd64

[DriverInstall.NTamd64]
include=mdmcpq.inf
CopyFiles=DriverCopyFiles.NTamd64

[DriverInstall.NTamd64.Services]
AddService=usbser, 0x00000002, DriverService.NTamd64

[DriverService.NTamd64]
ServiceBinary=%12%\USBSER.sys

[DeviceList]
%GADGET%=DriverInstall, USB\VID_0BB4&PID_0005&MI_02
; BootRom & Preloader VCOM
%VCOM_BOOTROM%=DriverInstall, USB\Vid_0e8d&Pid_0003
%VCOM_PRELOADER%=DriverInstall, USB\Vid_0e8d&Pid_2000

[DeviceList.NTamd64]
%GADGET%=DriverInstall, USB\VID_0BB4&PID_0005&MI_02
%VCOM_BOOTROM%=DriverInstall, USB\Vid_0e8d&Pid_0003
%VCOM_PRELOADER%=DriverInstall, USB\Vid_0e8d&Pid_2000

[Strings]
MEDIATEK            = "MediaTek Inc."
GADGET              = "Gadget Serial"
VCOM_BOOTROM        = "MediaTek USB Port"
VCOM_PRELOADER      = "MediaTek PreLoader USB VCOM (Android)"
"#;

fn query(text: &str) -> Query {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn utf16(text: &str, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    [mark, text].concat().encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The sections a device is matched in, by name.
fn sections(inf: &Inf<'_>, id: &str) -> Vec<String> {
    let mut names: Vec<_> = inf.matches(&query(id)).iter().map(|m| m.models.section.to_owned()).collect();
    names.dedup();
    names
}

/// Description, service and driver file on a system.
fn answer(inf: &Inf<'_>, id: &str, system: System) -> Option<(String, Option<String>, Option<String>)> {
    let used = inf.used(&inf.matches(&query(id)), system)?;
    let install = inf.install(used.model, system).unwrap_or_default();
    Some((inf.description(used.model), install.service, install.driver))
}

fn told(text: &str, service: &str, driver: &str) -> Option<(String, Option<String>, Option<String>)> {
    Some((text.into(), Some(service.into()), Some(driver.into())))
}

#[test]
fn the_first_users_inf_gives_what_was_seen_in_it() {
    let text = Text::decode(SEED.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    assert_eq!(inf.notes, []);
    assert_eq!(inf.version.class.as_deref(), Some("Ports"));
    assert_eq!(inf.version.provider.as_deref(), Some("MediaTek Inc."));
    assert_eq!(inf.version.date, Some(Date { year: 2011, month: 4, day: 29 }));
    assert_eq!(inf.version.version.as_deref(), Some("2.0.1118.0"));
    assert!(inf.version.catalogues.is_empty());
    for id in ["0e8d:0003", "0e8d:2000"] {
        assert_eq!(sections(&inf, id), ["DeviceList", "DeviceList.NTamd64"]);
        assert_eq!(inf.reach(&inf.matches(&query(id))), Reach::Both);
    }
    assert_eq!(sections(&inf, "0e8d:2001"), [""; 0]);
    assert_eq!(answer(&inf, "0e8d:0003", X64), told("MediaTek USB Port", "usbser", "usbser.sys"));
    let preloader = "MediaTek PreLoader USB VCOM (Android)";
    assert_eq!(answer(&inf, "0e8d:2000", X64), told(preloader, "usbser", "usbser.sys"));
}

#[test]
fn an_install_section_for_one_architecture_installs_nothing_on_the_other() {
    let text = Text::decode(SEED.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    let used = inf.used(&inf.matches(&query("0e8d:2000")), X86).unwrap();
    assert_eq!((used.models.section, used.models.decoration), ("DeviceList", Decoration::Plain));
    assert_eq!(inf.install(used.model, X86), None);
}

#[test]
fn an_interface_is_never_matched_without_being_asked_for() {
    let text = Text::decode(SEED.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    let matches = inf.matches(&query("0bb4:0005"));
    assert_eq!(matches.len(), 2);
    assert_eq!(matches[0].conditions.to_string(), "interface 02 only");
    assert_eq!(inf.reach(&matches), Reach::Neither);
    assert_eq!(inf.reach(&inf.matches(&query("0bb4:0005:mi_02"))), Reach::Both);
    assert_eq!(inf.matches(&query("0bb4:0005:mi_03")).len(), 0);
}

#[test]
fn utf16_and_dos_lines_give_the_same_answer() {
    let dos = SEED.replace('\n', "\r\n");
    for (bytes, encoding) in [
        (utf16(&dos, true), Encoding::Utf16Le),
        (utf16(SEED, false), Encoding::Utf16Le),
        (["\u{feff}", &dos].concat().into_bytes(), Encoding::Utf8),
        (SEED.replace('\n', "\r").into_bytes(), Encoding::Ascii),
        (SEED.replace("Inc.", "Inc.;").replace("Gadget", "\u{e9}").into_bytes(), Encoding::Cp1252),
    ] {
        let text = Text::decode(&bytes);
        assert_eq!(text.encoding, encoding);
        let inf = Inf::parse(&text).unwrap();
        assert_eq!(sections(&inf, "0e8d:2000"), ["DeviceList", "DeviceList.NTamd64"]);
        assert_eq!(answer(&inf, "0e8d:0003", X64), told("MediaTek USB Port", "usbser", "usbser.sys"));
        assert_eq!(inf.matches(&query("0e8d:0003"))[0].model.line, 24);
    }
}

#[test]
fn only_the_named_architecture_gets_a_driver() {
    let file = |manufacturer: &str, models: &str| {
        format!(
            "[Version]\n[Manufacturer]\nx={manufacturer}\n[{models}]\nPort=Reader,USB\\Vid_0e8d&Pid_0003,\
             USB\\Vid_0e8d&Pid_1003\n[Reader.NT]\n[Reader.NT.Services]\nAddService = usbser, 0x2, S \n\
             [S]\nServiceBinary = %12%\\usbser.sys ; in-box\n"
        )
    };
    for (manufacturer, models, reach) in [
        ("MTK", "MTK", Reach::Only32),
        ("MTK,NTamd64", "MTK.NTamd64", Reach::Only64),
        ("MTK,NTx86,NTamd64.5.1", "mtk.ntAMD64.5.1", Reach::Only64),
        ("MTK,NT.5.1", "MTK.NT.5.1", Reach::Only32),
        ("MTK,NTia64", "MTK.NTia64", Reach::Neither),
    ] {
        let text = Text::decode(file(manufacturer, models).as_bytes());
        let inf = Inf::parse(&text).unwrap();
        for id in ["0e8d:0003", "0e8d:1003"] {
            let matches = inf.matches(&query(id));
            assert_eq!((matches.len(), inf.reach(&matches)), (1, reach), "{manufacturer}");
            let compatible = id == "0e8d:1003";
            assert_eq!(matches[0].compatible, compatible);
        }
        let system = if reach == Reach::Only64 { X64 } else { X86 };
        let want = (reach != Reach::Neither).then(|| told("Port", "usbser", "usbser.sys")).flatten();
        assert_eq!(answer(&inf, "0e8d:0003", system), want);
    }
}

#[test]
fn a_system_uses_the_newest_section_that_is_not_too_new() {
    let text = "[Version]\n[Manufacturer]\nx=M,NTamd64,NTamd64.6.1,NTamd64.99\n\
        [M.NTamd64]\nOld=I,USB\\VID_0E8D&PID_2000\n[M.NTamd64.6.1]\nNew=I,USB\\VID_0E8D&PID_2000\n\
        [M.NTamd64.99]\nFuture=I,USB\\VID_0E8D&PID_2000\n";
    let text = Text::decode(text.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    let matches = inf.matches(&query("0e8d:2000"));
    assert_eq!(inf.description(inf.used(&matches, X64).unwrap().model), "New");
    let vista = System { version: (6, 0, 6000), ..X64 };
    assert_eq!(inf.description(inf.used(&matches, vista).unwrap().model), "Old");
}

#[test]
fn the_id_that_says_more_wins_and_compatible_ids_come_last() {
    let text = "[Version]\n[Manufacturer]\nx=M,NTamd64\n[M.NTamd64]\n\
        Class=I,USB\\Class_02\nCompatible=I,PCI\\VEN_1,USB\\VID_0E8D&PID_2000&REV_0100\n\
        Plain=I,USB\\VID_0E8D&PID_2000\nRevision=I,USB\\VID_0E8D&PID_2000&REV_0100\n";
    let text = Text::decode(text.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    let order = |id: &str| -> Vec<String> {
        inf.matches(&query(id)).iter().map(|found| inf.description(found.model)).collect()
    };
    assert_eq!(order("0e8d:2000:rev_0100"), ["Revision", "Plain", "Compatible", "Class"]);
    assert_eq!(order("0e8d:2000:rev_0200"), ["Plain", "Class"]);
    assert_eq!(order("0e8d:2000"), ["Plain", "Revision", "Class", "Compatible"]);
}

#[test]
fn sections_of_one_name_are_one_and_names_have_no_case() {
    let text = "garbage\n; [Version] in a comment\n[VERSION]\nclass = \"Ports\" \n[manufacturer]\n%a%=List,ntAMD64\n\
        [LIST.NTamd64]\n%A%=I, \\ ; goes on\n  USB\\vid_0E8D&pid_2000\n[other]\n[list.NTAMD64]\n\
        \"50%% \"\"x\"\" %nope%\"=I,USB\\VID_0E8D&PID_2001\n[Strings]\nA=\"plain\"\n[Strings.0409]\na=\"English\"\n\
        [Strings.0407]\na=\"deutsch\"\n";
    let text = Text::decode(text.as_bytes());
    let inf = Inf::parse(&text).unwrap();
    assert_eq!(inf.notes.iter().map(|note| &note.what).collect::<Vec<_>>(), [&Oddity::BeforeFirst]);
    assert_eq!(inf.version.class.as_deref(), Some("Ports"));
    let describe = |inf: &Inf<'_>, id: &str| inf.description(inf.matches(&query(id))[0].model);
    assert_eq!(describe(&inf, "0e8d:2000"), "English");
    assert_eq!(describe(&inf, "0e8d:2001"), "50% \"x\" %nope%");
    let german = Inf::parse_in(&text, Some(0x0407)).unwrap();
    assert_eq!(describe(&german, "0e8d:2000"), "deutsch");
    let neutral = Inf::parse_in(&text, None).unwrap();
    assert_eq!(describe(&neutral, "0e8d:2000"), "plain");
}

#[test]
fn the_driver_is_found_behind_filters_and_in_winusb() {
    let file = |services: &str| {
        format!(
            "[Version]\n[Manufacturer]\nx=M,NTamd64\n[M.NTamd64]\nd=I,USB\\VID_0E8D&PID_2000\n[I]\n\
             [I.Services]\n{services}\n[F]\nServiceBinary=%12%\\filter.sys\n[S]\nServiceBinary=%12%\\usb2ser.sys\n"
        )
    };
    for (services, want) in [
        ("AddService=filter,,F\nAddService=wdm_usb,2,S", told("d", "wdm_usb", "usb2ser.sys")),
        ("AddService=wdm_usb,0x0000000A,S", told("d", "wdm_usb", "usb2ser.sys")),
        ("AddService=wdm_usb,,S", told("d", "wdm_usb", "usb2ser.sys")),
        ("AddService=a,,F\nAddService=b,,S", Some(("d".into(), None, None))),
        ("AddService=elsewhere,2,Gone", Some(("d".into(), Some("elsewhere".into()), None))),
        ("Include=winusb.inf\nNeeds=WINUSB.NT.Services", told("d", "WinUSB", "winusb.sys")),
        ("Include=other.inf\nNeeds=WINUSB.NT", Some(("d".into(), None, None))),
    ] {
        let text = Text::decode(file(services).as_bytes());
        assert_eq!(answer(&Inf::parse(&text).unwrap(), "0e8d:2000", X64), want, "{services}");
    }
}

#[test]
fn slips_of_the_hand_are_told_with_their_place() {
    let text = "[Version]\nSignature=\"$Linux$\"\nDriverVer=2011-04-29\n [Manufacturer\nx=M,XP,NTx86\ny=N,NTamd64\n\
        [M]\n[M.XP]\n[M.NTamd64]\n  a=I,USB\\VID_0E8D&PID_200\n\"b=I\n[N.NTamd64]\nq=I,USB\\VID_0E8\n";
    let text = Text::decode(text.as_bytes());
    let notes: Vec<String> = Inf::parse(&text).unwrap().notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "line 4, column 2: the section's name is not closed with ]",
            "line 11, column 1: a quote is not closed",
            "line 3, column 1: the DriverVer \"2011-04-29\" has no date of the form month/day/year",
            "line 2, column 1: the Signature \"$Linux$\" is not one Windows accepts",
            "line 5, column 1: the decoration \"XP\" is not understood; its models section is used by no system",
            "line 5, column 1: [M.NTx86] is named here but not in the file",
            "line 5, column 1: [M.NTamd64] is in the file but not named here, so Windows does not use it",
            "line 13, column 1: \"USB\\VID_0E8\" is not a USB id as Windows forms them",
        ]
    );
}

#[test]
fn other_files_are_no_inf() {
    let error = |bytes: &[u8]| Inf::parse(&Text::decode(bytes)).unwrap_err();
    assert_eq!(error(b""), InfError::NoSection);
    assert_eq!(error(b"\x7fELF\0\0\0"), InfError::NoSection);
    assert_eq!(error(b"[autorun]\nopen=setup.exe\n"), InfError::NoVersion);
}

#[test]
fn an_inf_that_is_made_is_read_back_to_the_same_answer() {
    let devices = ["0e8d:2001", "0e8d:0003:rev_0100", "1004:6000", "0e8d:2006:mi_02", "0e8d:2001"].map(query);
    let date = Date { year: 2024, month: 2, day: 29 };
    for (driver, class, service, file) in [
        (Driver::WinUsb, "USBDevice", "WinUSB", "winusb.sys"),
        (Driver::Usbser, "Ports", "usbser", "usbser.sys"),
    ] {
        let written = make(&devices, driver, date).unwrap();
        assert!(written.is_ascii());
        assert_eq!(written.matches('\n').count(), written.matches("\r\n").count());
        assert!(!written.replace("\r\n", "").contains('\r'));
        let text = Text::decode(written.as_bytes());
        let inf = Inf::parse(&text).unwrap();
        assert_eq!(inf.notes, []);
        assert_eq!((inf.version.class.as_deref(), inf.version.date), (Some(class), Some(date)));
        for device in devices {
            for system in [X64, X86] {
                let matches = inf.matches(&device);
                assert_eq!(matches.len(), 2);
                let used = inf.used(&matches, system).unwrap();
                let install = inf.install(used.model, system).unwrap();
                assert_eq!(install.service.as_deref(), Some(service));
                assert_eq!(install.driver.as_deref(), Some(file));
                assert!(!inf.description(used.model).contains('%'));
            }
        }
        assert_eq!(inf.matches(&query("0e8d:2000")).len(), 0);
    }
    assert_eq!(make(&[], Driver::WinUsb, date), Err(MakeError::NoDevice));
    let many: Vec<Query> = (0..1001).map(|pid| Query { vid: 1, pid, rev: None, mi: None }).collect();
    assert_eq!(make(&many, Driver::WinUsb, date), Err(MakeError::TooMany));
}

/// The table of `formats.md` section 7.5, and what each file installs where.
#[test]
fn the_sample_files_give_the_expected_answers() {
    let data = std::env::var("BROMIDE_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").into());
    let both = ["DeviceList", "DeviceList.NTamd64"].as_slice();
    let none = [].as_slice();
    let usb2ser = ("wdm_usb", "usb2ser.sys");
    let usbser = ("usbser", "usbser.sys");
    for (name, ids, in_sections, da, count, x64, x86, notes, date) in [
        ("cdc-acm_2016.inf", 3, both, both, 112, Some(usb2ser), Some(usb2ser), 0, "2016-08-03"),
        ("mtk_sp_usb2ser_seed.inf", 2, both, none, 6, Some(usbser), None, 0, "2011-04-29"),
        ("usb2ser_Win7.inf", 3, &["MTK"][..], &["MTK"][..], 6, None, Some(usbser), 0, "2011-05-30"),
        ("usb2ser_Win764.inf", 3, &["MTK.NTamd64"], &["MTK.NTamd64"], 6, Some(usbser), None, 1, "2011-05-30"),
    ] {
        let Ok(bytes) = std::fs::read(Path::new(&data).join("inf").join(name)) else {
            println!("skipped: no sample {name}");
            continue;
        };
        for bytes in [bytes.clone(), utf16(std::str::from_utf8(&bytes).unwrap(), true)] {
            let text = Text::decode(&bytes);
            let inf = Inf::parse(&text).unwrap();
            let all = inf.models.iter().flat_map(|models| &models.lines).map(|line| line.ids.len());
            assert_eq!(all.sum::<usize>(), count, "{name}");
            assert_eq!(inf.notes.len(), notes, "{name}: {:?}", inf.notes);
            assert_eq!(inf.version.date.unwrap().to_string(), date);
            assert_eq!(sections(&inf, "0e8d:2001"), da, "{name}");
            for id in ["0e8d:0003", "0e8d:2000", "0e8d:2001"].iter().take(ids) {
                assert_eq!(sections(&inf, id), in_sections, "{name} {id}");
                for (system, want) in [(X64, x64), (X86, x86)] {
                    let found = answer(&inf, id, system).and_then(|(_, service, driver)| service.zip(driver));
                    let want = want.map(|(service, driver)| (service.to_owned(), driver.to_owned()));
                    assert_eq!(found, want, "{name} {id} {system:?}");
                }
            }
        }
    }
}

/// Texts that would cost quadratic time or memory if anything were read again and again.
#[test]
fn hostile_text_takes_linear_time() {
    let head = "[Version]\n[Manufacturer]\n";
    let n = 60_000;
    let many = |text: &str| text.repeat(n);
    let long = "x".repeat(1 << 19);
    for (what, text) in [
        (
            "one section named often",
            format!("{head}{}[M]\n{}", many("a=M\n"), many("a=I,USB\\VID_0E8D&PID_2000\n")),
        ),
        ("strings in strings", format!("{head}a=M\n[M]\n{}[Strings]\na={long}\n", many("%a%=%a%%a%,%a%\n"))),
        ("a long name, many decorations", format!("{head}a={long}{}\n", many(",NTx86"))),
        ("many decorations", format!("{head}a=M{}\n", many(",NTx86"))),
        ("continuations", format!("{head}{}", many("\\\n"))),
        ("backslashes and blanks", format!("{head}{}", many("\\   ;"))),
        ("percent signs", format!("{head}a=M\n[M]\na=b,{}\n", many("%,%"))),
        ("quotes", format!("{head}a=M\n[M]\na=b,{}\n", many("\"\",\""))),
        ("headers", format!("{head}{}", many("[a\n"))),
        ("one long line", format!("{head}a=M\n[M]\n{long}")),
        ("commas", format!("{head}a=M\n[M]\na={}\n", many(",,,,"))),
        ("ids", format!("{head}a=M\n[M]\na=b{}\n", many(",USB\\VID_0E8D&PID_2000"))),
        ("fields of an id", format!("{head}a=M\n[M]\na=b,USB\\{}\n", many("VID_0E8D&"))),
        (
            "install sections",
            format!(
                "{head}a=M\n[M]\na=I,USB\\VID_0E8D&PID_2000\n[I]\n{}[I.Services]\n{}",
                many("Include=,,\n"),
                many("AddService=a,2,I\n")
            ),
        ),
    ] {
        let begun = Instant::now();
        let text = Text::decode(text.as_bytes());
        let inf = Inf::parse(&text).unwrap();
        let matches = inf.matches(&query("0e8d:2000"));
        if let Some(used) = inf.used(&matches, X86) {
            let _ = (inf.description(used.model), inf.install(used.model, X86));
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}: {:?}", begun.elapsed());
    }
}

/// Everything a caller can ask of an INF.
fn ask_everything(bytes: &[u8]) {
    let text = Text::decode(bytes);
    let Ok(inf) = Inf::parse(&text) else { return };
    let matches = inf.matches(&query("0e8d:2000"));
    for found in &matches {
        for system in [X64, X86] {
            let _ = (
                inf.description(found.model),
                inf.install(found.model, system),
                found.conditions.to_string(),
            );
        }
    }
    let _ = inf.reach(&matches);
}

/// Pieces of INF files, for texts that get past the first checks.
const PIECES: [&str; 26] = [
    "[Version]\n",
    "[Manufacturer]\n",
    "[M]\n",
    "[M.NTamd64]\n",
    "[I.NT.Services]\n",
    "[I]\n",
    "[Strings]\n",
    "[Strings.0409]\n",
    "a=M,NTamd64",
    "%a%=I,",
    "USB\\VID_0E8D&PID_2000",
    "&MI_02",
    "AddService=a,2,I",
    "ServiceBinary=%12%\\u.sys",
    "\n",
    "\r",
    "\\",
    "\"",
    ";",
    "%",
    ",",
    "=",
    "[",
    "]",
    " ",
    "é",
];

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        ask_everything(&bytes);
        ask_everything(&[b"[Version]\n".as_slice(), &bytes].concat());
        ask_everything(&[b"\xff\xfe".as_slice(), &bytes].concat());
    }

    #[test]
    fn any_shuffled_inf_is_survived_and_encodings_agree(parts in proptest::collection::vec(0..PIECES.len(), 0..80)) {
        let text: String = parts.iter().map(|part| PIECES[*part]).collect();
        ask_everything(text.as_bytes());
        let (marked, wide) = (["\u{feff}", &text].concat().into_bytes(), utf16(&text, true));
        let (marked, wide) = (Text::decode(&marked), Text::decode(&wide));
        prop_assert_eq!(marked.as_str(), wide.as_str());
        prop_assert_eq!(marked.as_str(), text);
    }
}
