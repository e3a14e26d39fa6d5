//! Why a phone does not get into a machine.

use core::time::Duration;

use thiserror::Error;

/// Anything that can hinder it. The texts say what happened; what to do about it is the front end's to say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VmError {
    /// The user's libvirt has no such machine.
    #[error("there is no virtual machine called \"{name}\"")]
    NoDomain {
        /// As it was asked for.
        name: String,
        /// Those that there are.
        all: Vec<String>,
    },
    /// It is switched off.
    #[error("the virtual machine \"{name}\" is not running (it is {state})")]
    NotRunning {
        /// Its name.
        name: String,
        /// libvirt's word for its state.
        state: String,
    },
    /// libvirt's program is not installed.
    #[error("the program virsh is not installed")]
    NoVirsh,
    /// libvirt's daemon cannot be reached.
    #[error("libvirt cannot be reached: {0}")]
    NoConnection(String),
    /// The socket of QEMU cannot be opened.
    #[error("{path}: {why}")]
    NoSocket {
        /// The socket.
        path: String,
        /// The system's words.
        why: String,
        /// Whether the rights are what is missing.
        denied: bool,
    },
    /// Somebody accepted the connection and said nothing.
    #[error("{0} accepts the connection and says nothing")]
    NoGreeting(String),
    /// What answers is not QEMU.
    #[error("{0} does not speak QMP: {1}")]
    NotQmp(String, String),
    /// It answered no command within this time.
    #[error("the virtual machine did not answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// It was switched off, or its program ended.
    #[error("the virtual machine has been switched off")]
    Gone,
    /// The guest has no USB.
    #[error("the virtual machine has no USB controller")]
    NoController,
    /// The guest has no such bus.
    #[error("the virtual machine has no USB bus {bus}")]
    NoBus {
        /// As it was asked for.
        bus: String,
        /// Those that there are.
        all: Vec<String>,
    },
    /// The controller has no such port.
    #[error("USB bus {bus} of the virtual machine has no port {port}")]
    NoPort {
        /// The bus.
        bus: String,
        /// As it was asked for.
        port: u32,
        /// How many it has.
        ports: Option<u32>,
    },
    /// Something else is at the port.
    #[error("port {port} of USB bus {bus} of the virtual machine is taken by {by}")]
    PortTaken {
        /// The bus.
        bus: String,
        /// The port.
        port: u32,
        /// By what.
        by: String,
        /// Ports of this bus that are free.
        free: Vec<u32>,
    },
    /// The machine found the phone and could not make use of it; its own output says more.
    #[error("the virtual machine could not open the phone: {0}")]
    NotOpened(String),
    /// A run of this tool has put it there and goes on.
    #[error("the phone in the virtual machine is that of a run that goes on, process {0}")]
    Running(u32),
    /// The libvirt that was named is that of another computer.
    #[error("{0} is on another computer")]
    Elsewhere(String),
    /// All ports are taken.
    #[error("every USB port of the virtual machine is taken")]
    NoFreePort,
    /// The machine's program may not open the phone.
    #[error("the virtual machine may not open the phone: {0}")]
    Denied(String),
    /// Another program on this computer has the phone.
    #[error("the phone is in use by {0}")]
    Claimed(String),
    /// Several phones are there and none was chosen.
    #[error("several phones are on USB, at the ports {}", .0.join(", "))]
    SeveralPhones(Vec<String>),
    /// The machine has no device of this name any more.
    #[error("the virtual machine has no device {0}")]
    NoDevice(String),
    /// The host has no such device any more.
    #[error("the phone is no longer there: {0}")]
    PhoneGone(String),
    /// The machine's own words, where nothing better is known.
    #[error("the virtual machine refused: {0}")]
    Refused(String),
    /// This computer's USB cannot be watched.
    #[error("{0}")]
    Usb(String),
}

impl VmError {
    /// Stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoDomain { .. } => "vm/no-domain",
            Self::NotRunning { .. } => "vm/not-running",
            Self::NoVirsh => "vm/no-virsh",
            Self::NoConnection(_) => "vm/no-connection",
            Self::NoSocket { .. } => "vm/no-socket",
            Self::NoGreeting(_) => "vm/no-greeting",
            Self::NotQmp(..) => "vm/not-qmp",
            Self::NoAnswer(_) => "vm/no-answer",
            Self::Gone => "vm/gone",
            Self::NoController => "vm/no-controller",
            Self::NoBus { .. } => "vm/no-bus",
            Self::NoPort { .. } => "vm/no-port",
            Self::PortTaken { .. } => "vm/port-taken",
            Self::NotOpened(_) => "vm/not-opened",
            Self::Running(_) => "vm/running",
            Self::Elsewhere(_) => "vm/elsewhere",
            Self::NoFreePort => "vm/no-free-port",
            Self::Denied(_) => "vm/denied",
            Self::Claimed(_) => "vm/claimed",
            Self::SeveralPhones(_) => "usb/several-phones",
            Self::NoDevice(_) => "vm/no-device",
            Self::PhoneGone(_) => "vm/phone-gone",
            Self::Refused(_) => "vm/refused",
            Self::Usb(_) => "usb/list",
        }
    }
}
