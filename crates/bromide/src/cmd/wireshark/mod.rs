//! `wireshark`: the plugin that has Wireshark name what passes between host and phone.
//!
//! The script is kept in parts under `crates/bromide/wireshark/`, one idea each, and is one file once installed.

mod install;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::front::Front;
use crate::out;
use crate::report::Failure;

/// The script as Wireshark gets it.
pub(crate) const SCRIPT: &str = concat!(
    include_str!("../../../wireshark/1_fields.lua"),
    include_str!("../../../wireshark/2_streams.lua"),
    include_str!("../../../wireshark/3_brom.lua"),
    include_str!("../../../wireshark/4_agent_start.lua"),
    include_str!("../../../wireshark/5_agent.lua"),
    include_str!("../../../wireshark/6_hooks.lua"),
);

/// Its first line, by which a file is known to be ours.
fn first_line() -> &'static str {
    SCRIPT.lines().next().unwrap_or_default()
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wireshark {
    Install(Install),
    Uninstall(Uninstall),
    /// Print the plugin, for wireshark -X lua_script:FILE or another machine
    Show,
}

/// Put the plugin where your Wireshark and tshark look for it
///
/// That is the folder that tshark -G folders calls "Personal Lua Plugins" where tshark is installed, else
/// ~/.local/lib/wireshark/plugins (%APPDATA%\Wireshark\plugins on Windows). The file is bromide-mtk.lua; an older
/// one is replaced, a file of that name that Bromide did not write is kept. Then, for example:
///
///   tshark -r session.pcapng -Y 'mtk.brom.cmd == 0xd7'
///
/// Wireshark runs no plugins in Lua for root, unless init.lua in its configuration folder says
/// run_user_scripts_when_superuser = true. As root, name the script yourself:
///
///   bromide wireshark show > mtk.lua; tshark -X lua_script:mtk.lua -r session.pcapng
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Install {
    /// Another folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// Take the plugin away again
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// Another folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// `bromide wireshark ..`.
pub(crate) fn wireshark(command: Wireshark, front: &mut Front) -> Result<(), Failure> {
    match command {
        Wireshark::Install(args) => install::install(args.folder, front),
        Wireshark::Uninstall(args) => install::uninstall(args.folder, front),
        Wireshark::Show => show(front),
    }
}

fn show(front: &mut Front) -> Result<(), Failure> {
    if let Front::Json(json) = front {
        json.line(&json!({"event": "script", "file": install::FILE, "text": SCRIPT}));
        return Ok(());
    }
    out::result(&SCRIPT.lines().map(str::to_owned).collect::<Vec<_>>())
}
