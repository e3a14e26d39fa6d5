//! The plugin in tshark. The script is named on the command line, which is heard for root too.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether tshark is here and has Lua; a word about it where not.
pub(crate) fn there() -> bool {
    let about = Command::new("tshark").arg("--version").stdin(Stdio::null()).output();
    let there = about.is_ok_and(|ran| String::from_utf8_lossy(&ran.stdout).contains("with Lua"));
    if !there {
        println!("skipped: no tshark with Lua here");
    }
    there
}

/// Runs tshark with the plugin, as `bromide wireshark show` prints it, and returns the lines it writes.
pub(crate) fn lines(file: &Path, arguments: &[&str]) -> Vec<String> {
    let script = file.with_extension("lua");
    let shown = Command::new(env!("CARGO_BIN_EXE_bromide")).args(["wireshark", "show"]).output().unwrap();
    std::fs::write(&script, shown.stdout).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).arg("-X").arg(format!("lua_script:{}", script.display())).args(arguments);
    let ran = tshark.stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    // For root tshark says that this is dangerous, and nothing else.
    let foreign: Vec<_> = err.lines().filter(|line| !line.contains("This could be dangerous")).collect();
    assert!(ran.status.success() && foreign.is_empty(), "{err}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Fields of the frames that pass a filter, in two passes as the window does it.
pub(crate) fn fields(file: &Path, filter: &str, names: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-2", "-Y", filter, "-T", "fields", "-E", "occurrence=a"];
    for name in names {
        arguments.extend(["-e", name]);
    }
    lines(file, &arguments).iter().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// All values of one field, in order.
pub(crate) fn values(file: &Path, name: &str) -> Vec<String> {
    let rows = fields(file, name, &[name]);
    rows.iter().flat_map(|row| row[0].split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What must never be found, whatever was recorded: errors of Lua and frames that could not be dissected.
pub(crate) fn assert_sound(file: &Path) {
    for passes in [&["-2"][..], &[]] {
        let bad = "_ws.malformed || _ws.lua.error || mtk.internal || _ws.expert.severity == error";
        let found = lines(file, &[passes, &["-Y", bad, "-V"]].concat());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// A session that nothing disturbed: every frame with data is understood.
pub(crate) fn assert_understood(file: &Path) {
    assert_sound(file);
    let odd = "mtk.out_of_step || mtk.unknown || mtk.bad_sum || (usb.capdata && !mtk)";
    let found = lines(file, &["-2", "-Y", odd, "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unread = fields(file, "mtk", &["frame.number", "_ws.col.Info"]);
    assert!(!unread.is_empty());
    let unread: Vec<_> = unread.iter().filter(|row| row[1].contains("unknown")).collect();
    assert!(unread.is_empty(), "{unread:?}");
}
