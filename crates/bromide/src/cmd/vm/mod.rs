//! `vm`: hands the phone to a virtual machine and follows it there, for what only the vendor's tool can do.
//!
//! `attach` follows, `detach` and `status` are for what is in the guest, `xml` prints what libvirt is told.

mod advice;
mod attach;
mod detach;
mod plan;
mod status;
mod tell;
mod xml;

use std::path::PathBuf;

use bromide_link::Cancel;
use bromide_proto::bus::Face;
use bromide_vm::{Machine, Qmp, Virsh};
use clap::{Args, Subcommand, ValueEnum};

use crate::front::Front;
use crate::report::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    Attach(attach::Attach),
    Detach(detach::Detach),
    Status(status::Status),
    Xml(xml::Xml),
}

/// Which virtual machine.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Guest {
    /// The libvirt domain, by its name (virsh list --all shows them); virsh is what is called
    #[arg(conflicts_with = "qmp")]
    pub(crate) domain: Option<String>,
    /// libvirt's connection; virt-manager's machines are at qemu:///system [default: virsh's own]
    #[arg(long, value_name = "URI", requires = "domain")]
    pub(crate) connect: Option<String>,
    /// A plain QEMU, by the socket it was started with: -qmp unix:SOCKET,server=on,wait=off
    #[arg(long, value_name = "SOCKET")]
    pub(crate) qmp: Option<PathBuf>,
}

impl Guest {
    /// Reaches it.
    fn machine(&self) -> Result<Box<dyn Machine>, Failure> {
        let machine = match (&self.qmp, &self.domain) {
            (Some(socket), _) => Qmp::connect(socket).map(|it| Box::new(it) as Box<dyn Machine>),
            (None, domain) => {
                let name = domain.as_deref().unwrap_or_default();
                Virsh::open(name, self.connect.as_deref()).map(|it| Box::new(it) as Box<dyn Machine>)
            }
        };
        machine.map_err(|e| advice::failure(&e, self))
    }

    /// The words that name it on a command line.
    fn words(&self) -> String {
        match (&self.qmp, &self.domain, &self.connect) {
            (Some(socket), ..) => format!("--qmp {}", socket.display()),
            (None, Some(domain), Some(uri)) => format!("{domain} --connect {uri}"),
            (None, domain, _) => domain.clone().unwrap_or_default(),
        }
    }
}

/// What a phone shows, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaceArg {
    /// 0e8d:2000, for under 3 seconds when the phone is plugged in while off
    Preloader,
    /// 0e8d:0003, with Volume-Down held
    #[value(alias = "bootrom")]
    Brom,
    /// 0e8d:2001, the Download Agent after it has switched to high speed
    #[value(alias = "agent")]
    Da,
}

impl FaceArg {
    const fn face(self) -> Face {
        match self {
            Self::Preloader => Face::Preloader,
            Self::Brom => Face::BootRom,
            Self::Da => Face::Agent,
        }
    }
}

/// `bromide vm ..`.
pub(crate) fn vm(command: Vm, front: &mut Front, cancel: &Cancel) -> Result<(), Failure> {
    match command {
        Vm::Attach(args) => attach::attach(&args, front, cancel),
        Vm::Detach(args) => detach::detach(&args, front),
        Vm::Status(args) => status::status(&args, front),
        Vm::Xml(args) => xml::xml(&args, front),
    }
}
