//! The command line, types only. The help texts teach: they are the first documentation people meet.

use std::path::PathBuf;

use bromide_job::follow::SpeedWish;
use bromide_link::FaultSpec;
use bromide_proto::agent_format::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::choose::Via;
use crate::faults;
use crate::numbers::{bytes, count};
use crate::run_log::LogOptions;

/// Read back and check the storage of MediaTek phones.
///
/// The phone is reached through its BootROM or preloader and a Download Agent that you supply: the file the
/// vendor's flash tool calls DA (MTK_AllInOne_DA.bin or similar). Bromide reads; it changes nothing on the phone.
///
/// Try it without a phone: bromide demo
#[derive(Debug, Parser)]
#[command(name = "bromide", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) log: LogOptions,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no phone, 4 data differs, 5 damage found, 130 interrupted.";

/// How to talk to the user.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// Print one JSON object per line to standard output instead of text (for programs)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors and results
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    // A text here would hide the longer one of the arguments' own type.
    Read(Read),
    ReadList(ReadList),
    Resume(Resume),
    Verify(Verify),
    /// Show what phone is on the cable: chip, versions, security, storages, its own partition table
    Info(Info),
    /// Look into Download Agent files
    #[command(subcommand)]
    Da(Da),
    /// Show, check, compare and convert partition maps
    #[command(subcommand)]
    Map(crate::cmd::map::MapCommand),
    Identify(crate::cmd::identify::Identify),
    /// Look into the files of a dump
    #[command(subcommand)]
    Image(crate::cmd::image::ImageCommand),
    /// Check and compare dumps of all partitions, without a phone
    #[command(subcommand)]
    Bundle(crate::cmd::bundle::BundleCommand),
    /// Look into Windows driver files (INF), or write one
    #[command(subcommand)]
    Drivers(crate::cmd::drivers::Drivers),
    Doctor(crate::cmd::doctor::Doctor),
    /// Make this computer ready for phones
    #[command(subcommand)]
    Setup(crate::cmd::setup::Setup),
    Devices(crate::cmd::devices::Devices),
    Watch(crate::cmd::watch::Watch),
    /// Hand the phone to a virtual machine, for what only the vendor's tool can do
    #[command(subcommand)]
    Vm(crate::cmd::vm::Vm),
    /// What was said to phones in earlier runs: list, show, export, replay and remove the session logs
    #[command(subcommand)]
    Log(crate::cmd::log::LogCommand),
    /// Have Wireshark and tshark understand what passes between host and phone
    #[command(subcommand)]
    Wireshark(crate::cmd::wireshark::Wireshark),
    Demo(Demo),
    /// Virtual phones, for trying things out and for tests
    #[command(subcommand)]
    Phone(Phone),
}

/// Where the phone is and how its agent is started.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cable {
    /// Where the phone is: usb, usb:PORTCHAIN, serial:/dev/ttyACM0, tcp:HOST:PORT, a virtual one: phone:MODEL[?KEY=VALUE&..], or a recorded one: replay:FILE
    ///
    /// usb waits for a MediaTek phone in BootROM or preloader mode and follows it by its port through every change;
    /// with several phones on the cable, usb:1-4.2 picks one (bromide devices lists the ports).
    /// Keys of a virtual phone: flash=FILE, link=none|full-speed|high-speed, ecc=raw|corrected, agent=g1|g2,
    /// boot=bootrom|preloader, seed=N, high-speed=ok|aborts:BYTES|dies:BYTES, key=held|released,
    /// pmt=no|yes|pages (a partition table of its own; pages: on the chip only, the agent does not tell it),
    /// ecc-errors=P, bad-page=PAGE or PAGExTIMES, jitter=P, read-seed=N (as ecc, bad-page, jitter, seed of --fault),
    /// clock=real|virtual (virtual: waiting takes no time).
    /// A recorded phone (session.pcapng, or a capture by usbmon, Wireshark or USBPcap) answers as it did then, as long
    /// as it is told the same: give the options of the recorded command. The first byte that differs ends it.
    #[arg(long, value_name = "WHERE", default_value = "usb")]
    pub(crate) via: Via,
    /// Download Agent container (the vendor's DA file)
    #[arg(long, value_name = "FILE")]
    pub(crate) da: PathBuf,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// How a phone is met and its agent started.
#[derive(Debug, Clone, Args)]
pub(crate) struct Manner {
    /// Wire format of the agent, where it does not follow from the file: g1 for agents of 2013 and before, g2 for 2015 and later
    #[arg(long, value_name = "FORMAT")]
    pub(crate) agent_format: Option<AgentFormat>,
    /// Blocks of the bad-block pool at the end of the chip [default: the map's BMTPOOL, else 80]
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(0..=4096))]
    pub(crate) pool: Option<u32>,
    /// Seconds to wait for the phone
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) wait: u64,
    /// Speed of the link: full, high, or as the phone was met
    ///
    /// high asks the agent to switch and follows the phone to 0e8d:2001: several times as fast, but on some phones
    /// it keeps breaking off. Bromide then opens it again, and if the agent is gone says which key to hold and goes
    /// on at full speed where it was. full is refused where a high-speed preloader answered.
    #[arg(long, value_name = "SPEED", default_value = "auto")]
    pub(crate) speed: SpeedArg,
    #[command(flatten)]
    pub(crate) place: crate::cmd::devices::Place,
    /// Make things go wrong on purpose: KEY=VALUE,.. (--help lists the keys)
    ///
    /// For example seed=42,drop=1e-5,unplug=after:1500000. The same seed and the same traffic give the same faults.
    /// P is a probability for each byte from the phone, 0 to 0.5.
    ///
    /// seed=N; drop=P or P:N (a byte is lost, or up to N in a row), flip=P (a bit is inverted), insert=P (a foreign
    /// byte comes); stall=P:TIME (silence, like 300ms); unplug=after:BYTES or random:P, both with :away=TIME (may be
    /// given again); slow=FACTOR or BYTES/s; kill-host=after:BYTES or random:P (this program kills itself).
    ///
    /// drop-sent=P, flip-sent=P do it to bytes for the phone. A read address that is altered on its way cannot be
    /// noticed by any host, so this may give wrong files; on USB a checksum excludes it, on a bare UART nothing does.
    ///
    /// With --via phone: also ecc=P (stored bits that are always wrong), bad-page=PAGE or PAGExTIMES (the agent falls
    /// silent there), jitter=P (pages that come with a bit flipped once).
    #[arg(long, value_name = "SPEC", help_heading = "Testing", value_parser = faults::parse)]
    pub(crate) fault: Option<Box<FaultSpec>>,
}

/// What is wished of the link's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpeedArg {
    /// As the phone was met: full speed in BootROM, high speed in most preloaders
    Auto,
    /// Full speed (USB 1.1, about 180 KB/s): slow and reliable
    Full,
    /// High speed where it works, full speed where not
    High,
}

impl From<SpeedArg> for SpeedWish {
    fn from(arg: SpeedArg) -> Self {
        match arg {
            SpeedArg::Auto => Self::AsMet,
            SpeedArg::Full => Self::Full,
            SpeedArg::High => Self::High,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AgentFormat {
    /// Containers up to v7.1320 (2013)
    G1,
    /// Containers of 2015 and later
    G2,
}

impl From<AgentFormat> for Format {
    fn from(f: AgentFormat) -> Self {
        match f {
            AgentFormat::G1 => Self::G1,
            AgentFormat::G2 => Self::G2,
        }
    }
}

/// What a file gets for every page, and how it is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Pages {
    /// Only the main bytes of each page: smaller, but nothing left to check or repair with
    #[arg(long, conflicts_with = "spare_last")]
    pub(crate) main_only: bool,
    /// Main bytes of each page, then its spare bytes, instead of the order stored on the chip
    #[arg(long)]
    pub(crate) spare_last: bool,
    /// Read the chip as it is, bad blocks and all, instead of through the bad-block table
    #[arg(long)]
    pub(crate) physical: bool,
    /// Pages per packet
    #[arg(long, value_name = "PAGES", default_value_t = 64, value_parser = count)]
    pub(crate) packet_pages: u32,
    /// Replace files that exist, and discard what an interrupted run left
    #[arg(long)]
    pub(crate) force: bool,
}

/// How much is done against trouble.
#[derive(Debug, Clone, Args)]
pub(crate) struct Care {
    /// Read everything twice, the second time backwards and in other packets, and settle what differs by its parity
    #[arg(long)]
    pub(crate) verify: bool,
    /// Make what came durable after so many bytes, and at least once a second: what a power cut may cost
    #[arg(long, value_name = "BYTES", default_value = "32M", value_parser = bytes)]
    pub(crate) checkpoint: u64,
}

/// Read a partition, all partitions, a range or the whole chip into files
///
/// The pages arrive as they are stored, with their spare bytes, and every sector is checked against
/// its parity on the way. Beside the image you get NAME.report.json (which pages are damaged) and
/// NAME.sha256. With --all the folder becomes a bundle: images, digests, mapfiles, the map, a record
/// and the log of every run.
///
/// A read that was cut short (Ctrl-C, cable, disk, power) goes on where it was when the same command
/// is given again. Pages that do not come are tried again at the end; what is missing then is marked
/// in NAME.map, a GNU ddrescue mapfile, and the file stays NAME.part (exit code 5).
///
/// Examples:
///
///   bromide read system --map proc_mtd.txt --da DA.bin -o system.img
///
///   bromide read --all --map MT6575_scatter.txt --da DA.bin -o dump/
///
///   bromide read --all --da DA.bin -o dump/
///
///   bromide read --at 0x13a0000 --len 0x20000 --da DA.bin -o piece.bin
///
/// The map is /proc/mtd of the running phone (adb shell cat /proc/mtd), a scatter file, or whatever
/// else bromide map show can read. Without a map the phone's own partition table (PMT) is used; a
/// phone that was never partitioned anew has none, and the error says so. Addresses need no map.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Read {
    /// Partition, by the map's name or a usual alias (system = ANDROID, boot = BOOTIMG, userdata = USRDATA)
    #[arg(required_unless_present_any = ["all", "at", "chip"])]
    pub(crate) partition: Option<String>,
    /// Every partition of the map, one file each, as a bundle
    #[arg(long, conflicts_with_all = ["partition", "at", "chip"])]
    pub(crate) all: bool,
    /// The whole chip
    #[arg(long, conflicts_with_all = ["partition", "at"])]
    pub(crate) chip: bool,
    /// First byte to read, counted in main-area bytes (0x.. or decimal, K, M, G)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "partition", requires = "len", value_parser = bytes)]
    pub(crate) at: Option<u64>,
    /// Main-area bytes to read
    #[arg(long, value_name = "LENGTH", requires = "at", value_parser = bytes)]
    pub(crate) len: Option<u64>,
    /// Partition map: /proc/mtd text or a scatter file [default: the phone's own table, where it keeps one]
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
    /// File to write, or the folder with --all [default: NAME.img, or dump with --all]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pages: Pages,
    #[command(flatten)]
    pub(crate) care: Care,
    #[command(flatten)]
    pub(crate) cable: Cable,
}

/// Read many ranges or partitions, one file each, as listed in a CSV file
///
/// The list is CSV with one row per file: FILE,FLAGS,START,LENGTH
///
///   recovery.img, 0,          0x980000, 0x500000
///   boot-raw.bin, 4 physical, 0x480000, 0x20000
///   system.img,   0,          system
///
/// FLAGS are the vendor tool's numbers: 0 as stored with spare, 1 main bytes only, 4 spare last;
/// add the word physical to pass by the bad-block table. START may be a partition's name, by the
/// map or by the phone's own partition table; LENGTH is then left out. Lines that begin with # are
/// skipped. Files are placed relative to the folder given by -o.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReadList {
    /// The list
    pub(crate) list: PathBuf,
    /// Partition map, where the list names partitions [default: the phone's own table, where it keeps one]
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
    /// Folder to write into
    #[arg(short, long, value_name = "FOLDER", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Pages per packet
    #[arg(long, value_name = "PAGES", default_value_t = 64, value_parser = count)]
    pub(crate) packet_pages: u32,
    /// Replace files that exist, and discard what an interrupted run left
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) care: Care,
    #[command(flatten)]
    pub(crate) cable: Cable,
}

/// Go on with a dump of all partitions that was cut short
///
/// The same as the read --all that began it, with what its record (bundle.json) knows: map, way of reading, agent.
/// It must be the same phone. What is there already is not read again, but for one page that is compared.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Folder of the dump
    pub(crate) folder: PathBuf,
    /// Where the phone is: see bromide read --help
    #[arg(long, value_name = "WHERE", default_value = "usb")]
    pub(crate) via: Via,
    /// Download Agent container [default: that of the earlier runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) da: Option<PathBuf>,
    /// Pages per packet
    #[arg(long, value_name = "PAGES", default_value_t = 64, value_parser = count)]
    pub(crate) packet_pages: u32,
    #[command(flatten)]
    pub(crate) care: Care,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// Compare a dump with the phone it came from, page by page
///
/// Reads every image of the dump again, backwards and in other packets, and changes neither the files nor the phone.
/// Pages that differ only in bits their parity corrects count as the same. Exit code 4: the phone holds something
/// else. bromide bundle verify checks the files alone, without a phone.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Folder of the dump
    pub(crate) folder: PathBuf,
    /// Images by name [default: all that are whole]
    pub(crate) images: Vec<String>,
    /// Where the phone is: see bromide read --help
    #[arg(long, value_name = "WHERE", default_value = "usb")]
    pub(crate) via: Via,
    /// Download Agent container [default: that of the earlier runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) da: Option<PathBuf>,
    /// Pages per packet
    #[arg(long, value_name = "PAGES", default_value_t = 64, value_parser = count)]
    pub(crate) packet_pages: u32,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) cable: Cable,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Da {
    /// List the agents of a container: chips, versions, regions, wire format
    List {
        /// Download Agent container
        file: PathBuf,
    },
}

/// See the whole job without a phone: build a virtual one, read its system partition back, compare
///
/// Builds a virtual MT6575 with a full-size system partition (several hundred invented files), makes a stand-in
/// for a Download Agent, reads the partition back, compares it byte by byte with the virtual chip, and prints the
/// line for a real phone. Takes up to 1 GiB of disk meanwhile.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep everything in this new folder [default: a temporary folder, removed at the end]
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Phone {
    Serve(Serve),
    /// Write a stand-in for a Download Agent that only virtual phones accept
    DemoAgent {
        /// Wire format it stands for
        #[arg(long, default_value = "g2")]
        format: AgentFormat,
        /// File to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// List the models
    Models,
}

/// Serve a virtual phone on a pseudo-terminal, a TCP port or a USB bus until Ctrl-C
///
/// Each connection is one plug-in: the phone starts afresh, its flash stays. On USB it shows one face
/// after the other as a real one does. Example:
///
///   bromide phone serve --model mt6575 --flash flash.bin --listen pty:phone.tty
///
///   bromide read system --map proc_mtd.txt --da DA.bin --via serial:phone.tty -o system.img
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    /// Model, or a model file of your own (TOML)
    #[arg(long, default_value = "mt6575")]
    pub(crate) model: String,
    /// File that holds the chip, page and spare bytes in chip order; made and filled with an example when missing
    /// [default: a filled chip in memory, lost at the end]
    #[arg(long, value_name = "FILE")]
    pub(crate) flash: Option<PathBuf>,
    /// pty, pty:LINK (a symbolic link to the terminal is made), tcp:ADDRESS:PORT, usbip:ADDRESS:PORT,
    /// usbredir:SOCKET_PATH (QEMU connects to it), vhci or vhci:PORT (this machine's own USB bus; needs root)
    #[arg(long, value_name = "WHERE")]
    pub(crate) listen: Listen,
    /// Other keys as in --via phone:, for example link=full-speed&ecc=corrected&boot=preloader. On USB also
    /// layout=p1|p2|p3|b1|b2|d0|d1|hostile:N, stay=MS (life of the preloader), key=held|released, plugs=N, gap=MS,
    /// pull-after=BYTES or random:SEED, high-speed=ok|aborts:BYTES|dies:BYTES, transfers=pages|whole
    #[arg(long, value_name = "KEY=VALUE&..", default_value = "")]
    pub(crate) with: String,
    /// What is wrong with its chip: seed=N,ecc=P,bad-page=PAGE or PAGExTIMES,jitter=P (P: probability for each stored
    /// bit, or with jitter for each page)
    #[arg(long, value_name = "SPEC", help_heading = "Testing", value_parser = faults::parse)]
    pub(crate) fault: Option<Box<FaultSpec>>,
}

/// Where a virtual phone is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    Pty(Option<PathBuf>),
    Tcp(String),
    UsbIp(String),
    UsbRedir(PathBuf),
    Vhci(Option<u32>),
}

impl std::str::FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "pty" => Ok(Self::Pty(None)),
            Some(("pty", link)) if !link.is_empty() => Ok(Self::Pty(Some(link.into()))),
            None if text == "vhci" => Ok(Self::Vhci(None)),
            Some(("tcp", address)) if address.contains(':') => Ok(Self::Tcp(address.into())),
            Some(("usbip", address)) if address.contains(':') => Ok(Self::UsbIp(address.into())),
            Some(("usbredir", path)) if !path.is_empty() => Ok(Self::UsbRedir(path.into())),
            Some(("vhci", port)) => match port.parse() {
                Ok(port) => Ok(Self::Vhci(Some(port))),
                Err(_) => Err(format!("vhci: \"{port}\" is no port number")),
            },
            _ => Err("use pty, pty:LINK_PATH, tcp:ADDRESS:PORT, usbip:ADDRESS:PORT, usbredir:SOCKET_PATH, vhci or \
                      vhci:PORT"
                .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn listen_takes_what_the_help_says_and_refuses_the_rest() {
        assert_eq!("pty".parse(), Ok(Listen::Pty(None)));
        assert_eq!("pty:x/y".parse(), Ok(Listen::Pty(Some("x/y".into()))));
        assert_eq!("tcp:127.0.0.1:0".parse(), Ok(Listen::Tcp("127.0.0.1:0".into())));
        assert_eq!("usbip:127.0.0.1:3240".parse(), Ok(Listen::UsbIp("127.0.0.1:3240".into())));
        assert_eq!("usbredir:x/y".parse(), Ok(Listen::UsbRedir("x/y".into())));
        assert_eq!("vhci".parse(), Ok(Listen::Vhci(None)));
        assert_eq!("vhci:3".parse(), Ok(Listen::Vhci(Some(3))));
        for bad in
            ["", "tcp:", "tcp:9000", "pty:", "unix:x", "usbip:", "usbip:3240", "usbredir:", "vhci:", "vhci:x"]
        {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }
}
