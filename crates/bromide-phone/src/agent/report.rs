//! The detection report: 218 bytes in G2 (`da-legacy.md` section 2.4, `da-legacy-device.md` section 4), 184 in G1
//! (`da-legacy-observed.md` section 6), and the ten bytes behind it.

use bromide_proto::codes::da;

use super::{Agent, status};
use crate::model::Model;
use crate::options::Generation;

/// Everything before the tail; `id` is what READ ID gives, zeros when no chip answers.
pub(super) fn body(agent: &Agent, model: &Model, id: [u8; 5]) -> Vec<u8> {
    let mut out = Vec::with_capacity(218);
    nor(&mut out);
    nand(&mut out, agent, id);
    emmc(&mut out, agent.generation);
    sd(&mut out);
    ram(&mut out, agent, model);
    out
}

/// Pre-process result, download status, boot style, SoC check.
pub(super) fn tail(agent: &Agent, refused: bool) -> Vec<u8> {
    let style = if agent.nand.is_some() { status::BOOT_STYLE_NAND } else { status::BOOT_STYLE_NONE };
    let mut out = vec![da::ACK];
    out.extend(status::BLANK_FLASH.to_be_bytes());
    out.extend(style.to_be_bytes());
    out.push(if refused { da::SOC_FAIL } else { da::SOC_OK });
    out
}

fn nor(out: &mut Vec<u8>) {
    out.extend(status::NOR_NOT_FOUND.to_be_bytes());
    out.extend([0x00, 0x08, 0xff, 0xff]);
    out.extend([0; 20]);
}

fn nand(out: &mut Vec<u8>, agent: &Agent, id: [u8; 5]) {
    out.extend(agent.nand_status.to_be_bytes());
    out.push(0);
    let part = agent.nand.as_ref();
    out.extend(part.map_or(0xffff, |p| p.record_id).to_be_bytes());
    out.extend(part.map_or(0, |p| p.size_bytes()).to_be_bytes());
    if agent.generation == Generation::G2 {
        out.extend(5u16.to_be_bytes());
    }
    for code in part.map_or(id.map(u16::from), |p| p.codes()) {
        out.extend(code.to_be_bytes());
    }
    match part {
        None => out.extend([0; 9]),
        Some(p) => {
            for field in [p.page_bytes, p.spare_bytes, p.pages_per_block] {
                out.extend((field as u16).to_be_bytes());
            }
            out.extend([p.bus_bits, p.address_cycles, u8::from(p.has_table())]);
        }
    }
}

fn emmc(out: &mut Vec<u8>, generation: Generation) {
    out.extend(status::NO_EMMC.to_be_bytes());
    let sizes = match generation {
        Generation::G1 => 7 * 4 + 8,
        Generation::G2 => 8 * 8,
    };
    out.resize(out.len() + sizes + 16 + 8, 0);
}

fn sd(out: &mut Vec<u8>) {
    out.extend(status::NO_SD.to_be_bytes());
    out.extend([0; 8 + 16]);
}

fn ram(out: &mut Vec<u8>, agent: &Agent, model: &Model) {
    out.extend(0u32.to_be_bytes());
    out.extend(0x0002_0000u32.to_be_bytes());
    let (state, kind, size) = match agent.dram_on {
        true => (0, 2, model.memory.dram_bytes),
        false => (status::EXTERNAL_RAM_OFF, 0, 0),
    };
    out.extend(state.to_be_bytes());
    out.extend([kind, 0]);
    match agent.generation {
        Generation::G1 => out.extend((size as u32).to_be_bytes()),
        Generation::G2 => out.extend(size.to_be_bytes()),
    }
    out.extend(model.chip.random_id);
}
