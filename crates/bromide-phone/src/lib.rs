//! A virtual MediaTek phone: BootROM, preloader, Download Agent and NAND chip.
//!
//! Written from the same documents as the host, but sharing no encoder, decoder or conversation with it: of
//! `bromide-proto` only [`bromide_proto::link`] and [`bromide_proto::codes`] are used. The phone never knows what
//! the host is about to ask, and refuses what the real one refuses, in the same words or in the same silence.
//!
//! Reached in process through [`PhoneLink`]; over a pseudo terminal, TCP or USB through [`serve`] (Unix only).

// What only a served phone uses has no user where none can be served.
#![cfg_attr(not(unix), allow(dead_code, unused_imports))]

mod agent;
mod boot_rom;
mod bus;
mod cable;
mod clock;
pub mod demo_agent;
mod factory;
mod file_at;
mod model;
mod nand_chip;
mod noise;
mod options;
mod pace;
mod phone;
mod pmt;
pub mod serve;
mod upload;
pub mod usb;
mod wire;

pub use bus::{BusLink, BusManner, PhoneBus};
pub use cable::PhoneLink;
pub use clock::Clock;
pub use factory::{Factory, FactoryError, Filling, stored_page};
pub use model::{Chip, KnownAgent, Memory, Model, ModelError, Nand, Partition, Replacement};
pub use nand_chip::{ChipError, NandChip};
pub use noise::Noise;
pub use options::{
    Boot, EccDelivery, Faults, Generation, NandFault, Options, ReadFault, ReadFaultKind, SecondStart,
    TableAnswer, UnknownWord,
};
pub use pace::{Pace, Paced};
pub use phone::Phone;
pub use wire::Ended;
