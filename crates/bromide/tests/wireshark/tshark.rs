//! The plugin in tshark. The script is named on the command line, which is heard for root too.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether tshark is here and has Lua; a word about it where not.
pub(crate) fn there() -> bool {
    let about = Command::new("tshark").arg("--version").stdin(Stdio::null()).output();
    let there = about.is_ok_and(|ran| String::from_utf8_lossy(&ran.stdout).contains("with Lua"));
    if !there {
        println!("skipped: no tshark with Lua here");
    }
    there
}

/// The plugin as `bromide wireshark show` prints it.
fn script() -> &'static Path {
    static SCRIPT: OnceLock<tempfile::TempPath> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let shown = Command::new(env!("CARGO_BIN_EXE_bromide")).args(["wireshark", "show"]).output().unwrap();
        let file = tempfile::Builder::new().suffix(".lua").tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::write(file.path(), shown.stdout).unwrap();
        file.into_temp_path()
    })
}

/// Runs tshark with the plugin and returns the lines it writes. It complains of nothing.
pub(crate) fn lines(file: &Path, arguments: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).arg("-X").arg(format!("lua_script:{}", script().display())).args(arguments);
    let ran = tshark.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    // For root tshark says that this is dangerous, and nothing else.
    let foreign: Vec<_> = err.lines().filter(|line| !line.contains("This could be dangerous")).collect();
    assert!(ran.status.success() && foreign.is_empty(), "{err}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The fields that tests ask for. One run gives them all: tshark takes its time to start.
const FIELDS: &[&str] = &[
    "frame.number",
    "_ws.col.Info",
    "_ws.malformed",
    "_ws.lua.error",
    "_ws.expert.message",
    "usb.device_address",
    "usb.transfer_type",
    "usb.capdata",
    "mtk",
    "mtk.internal",
    "mtk.out_of_step",
    "mtk.unknown",
    "mtk.bad_sum",
    "mtk.refused",
    "mtk.face",
    "mtk.start",
    "mtk.command_in",
    "mtk.brom.cmd",
    "mtk.brom.cmd_name",
    "mtk.brom.address",
    "mtk.brom.checksum",
    "mtk.brom.status",
    "mtk.brom.hw_code",
    "mtk.brom.upload",
    "mtk.da.cmd",
    "mtk.da.cmd_name",
    "mtk.da.format",
    "mtk.da.chip",
    "mtk.da.address",
    "mtk.da.length",
    "mtk.da.flag",
    "mtk.da.address_kind",
    "mtk.da.packet",
    "mtk.da.checksum",
    "mtk.da.page_data",
    "mtk.da.answer",
    "mtk.da.nand.id",
];

/// What tshark says of one frame.
#[derive(Debug)]
pub(crate) struct Row(BTreeMap<&'static str, String>);

impl Row {
    /// A field; several values in a row have `|` between them.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not among the fields asked for"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    pub(crate) fn take(&self, names: &[&str]) -> Vec<&str> {
        names.iter().map(|name| self.get(name)).collect()
    }
}

/// What tshark says of a file.
#[derive(Debug)]
pub(crate) struct Sheet(Vec<Row>);

impl Sheet {
    /// In two passes, as the window does it. Whatever was recorded, there is no error of Lua and no frame that could
    /// not be dissected.
    pub(crate) fn of(file: &Path) -> Self {
        Self::read(file, &["-2"])
    }

    /// In one pass, as tshark does it by itself: a frame is told before the next one is known.
    pub(crate) fn of_one_pass(file: &Path) -> Self {
        Self::read(file, &[])
    }

    fn read(file: &Path, passes: &[&str]) -> Self {
        let mut arguments = passes.to_vec();
        arguments.extend(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]);
        for name in FIELDS {
            arguments.extend(["-e", name]);
        }
        let row =
            |line: &String| Row(FIELDS.iter().copied().zip(line.split('\t').map(str::to_owned)).collect());
        let sheet = Self(lines(file, &arguments).iter().map(row).collect());
        for bad in ["_ws.malformed", "_ws.lua.error", "mtk.internal"] {
            assert!(sheet.having(bad).is_empty(), "{:?}", sheet.having(bad));
        }
        sheet
    }

    /// Number of frames.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Frames that have a field.
    pub(crate) fn having(&self, name: &str) -> Vec<&Row> {
        self.0.iter().filter(|row| row.has(name)).collect()
    }

    /// Frames where a field has this one value.
    pub(crate) fn at(&self, name: &str, value: &str) -> Vec<&Row> {
        self.0.iter().filter(|row| row.get(name) == value).collect()
    }

    /// All values of a field, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.having(name).into_iter().flat_map(|row| row.get(name).split('|')).collect()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        self.values(name).iter().map(|n| n.parse().unwrap()).collect()
    }

    /// A session that nothing disturbed: every bulk transfer with data is understood, and nothing else is.
    pub(crate) fn assert_understood(&self) {
        assert!(!self.having("mtk").is_empty());
        for row in &self.0 {
            let odd = ["mtk.out_of_step", "mtk.unknown", "mtk.bad_sum"].iter().any(|name| row.has(name));
            assert!(!odd && !row.get("_ws.col.Info").contains("unknown"), "{row:?}");
            let is_bulk = row.get("usb.transfer_type") == "0x03";
            assert!(
                if is_bulk { row.has("mtk") || !row.has("usb.capdata") } else { !row.has("mtk") },
                "{row:?}"
            );
        }
    }
}
