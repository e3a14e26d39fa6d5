//! A Download Agent container that holds no program: the demo's stand-in for a vendor file.
//!
//! Promises: a valid container (`formats.md` section 1) for MT6575 and MT6577 whose region 1 carries
//! [`DEMO_AGENT_MARKER`] and the wire format; only a virtual phone accepts it. Its NAND table has the real shape
//! (`da-legacy-device.md` section 3); ids and sizes are those of common parts, the opaque addresses are 0.

use bromide_proto::codes::DEMO_AGENT_MARKER;

use crate::options::Generation;

/// Where the first region lies in the containers of 2013 to 2016 (`formats.md` section 1.6).
const FIRST_REGION: usize = 0x119c;
const HEADER: usize = 0x6c;
const ENTRY: usize = 0xdc;
const STUB: usize = 0x270;
const AGENT: usize = 120 * 1024;
const SIGNATURE: usize = 0x100;

/// One NAND part: maker, device, READ ID bytes 3 to 5, MiB, 16 bit wide.
type Part = (u8, u8, [u8; 3], u32, bool);

/// The parts in the demo's table; the two of the virtual phones are in the middle, as they are in real tables.
const PARTS: [Part; 16] = [
    (0xec, 0xa1, [0x00, 0x15, 0x40], 128, false),
    (0xec, 0xb1, [0x00, 0x55, 0x40], 128, true),
    (0xec, 0xaa, [0x00, 0x15, 0x44], 256, false),
    (0xec, 0xba, [0x00, 0x55, 0x44], 256, true),
    (0xec, 0xac, [0x00, 0x15, 0x54], 512, false),
    (0xec, 0xbc, [0x00, 0x55, 0x54], 512, true),
    (0xad, 0xb1, [0x80, 0x55, 0x40], 128, true),
    (0xad, 0xba, [0x10, 0x55, 0x44], 256, true),
    (0xad, 0xda, [0x90, 0x95, 0x44], 256, false),
    (0xad, 0xbc, [0x10, 0x55, 0x54], 512, true),
    (0xad, 0xbc, [0x90, 0x55, 0x54], 512, true),
    (0x2c, 0xb1, [0x80, 0x55, 0x02], 128, true),
    (0x2c, 0xba, [0x80, 0x55, 0x50], 256, true),
    (0x2c, 0xbc, [0x90, 0x55, 0x56], 512, true),
    (0x98, 0xba, [0x90, 0x55, 0x76], 256, true),
    (0x98, 0xbc, [0x90, 0x55, 0x76], 512, true),
];

/// A container for MT6575 (CB00/E201) and MT6577 (CA00/E100) whose agents speak this format.
#[must_use]
pub fn container(format: Generation) -> Vec<u8> {
    let word = match format {
        Generation::G1 => "G1",
        Generation::G2 => "G2",
    };
    let entries = [(0x6575u16, 0xcb00u16, 0xe201u16), (0x6577, 0xca00, 0xe100)];
    let mut out = vec![0; FIRST_REGION];
    put(&mut out, 0, b"MTK_DOWNLOAD_AGENT");
    put(&mut out, 0x20, format!("BROMIDE_DEMO_AGENT_{word} for virtual phones only").as_bytes());
    put(&mut out, 0x60, &4u32.to_le_bytes());
    put(&mut out, 0x64, &0x2266_8899u32.to_le_bytes());
    put(&mut out, 0x68, &(entries.len() as u32).to_le_bytes());
    for (n, (hw_code, hw_version, sw_version)) in entries.into_iter().enumerate() {
        let at = HEADER + n * ENTRY;
        for (word, offset) in [
            (0xdada, 0x00),
            (hw_code, 0x02),
            (hw_version, 0x06),
            (sw_version, 0x08),
            (0x1000, 0x0c),
            (1, 0x10),
            (3, 0x12),
        ] {
            put(&mut out, at + offset, &word.to_le_bytes());
        }
        let regions = [
            (stub(), 0xc201_0000u32, 0),
            (agent(hw_code, format), 0xc200_0000, SIGNATURE),
            (nand_table(format), 0xc203_8000, 0),
        ];
        for (slot, (bytes, load, signature)) in regions.into_iter().enumerate() {
            let signature_at = if signature == 0 { 0 } else { bytes.len() - signature };
            let fields = [out.len(), bytes.len(), load as usize, signature_at, signature];
            for (n, field) in fields.into_iter().enumerate() {
                put(&mut out, at + 0x14 + slot * 0x14 + n * 4, &(field as u32).to_le_bytes());
            }
            out.extend(bytes);
        }
    }
    out
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

fn stub() -> Vec<u8> {
    let mut bytes = vec![0; STUB];
    put(&mut bytes, 0, b"stub of a demo agent; not uploaded, not a program");
    bytes
}

/// Marker, format, filler, and bytes in the place of a signature.
fn agent(hw_code: u16, format: Generation) -> Vec<u8> {
    let mut bytes = DEMO_AGENT_MARKER.to_vec();
    bytes.extend(match format {
        Generation::G1 => b"g1",
        Generation::G2 => b"g2",
    });
    // Filler that differs in every word, so that a lost or doubled piece of an upload changes its sum.
    let mut word = u32::from(hw_code);
    while bytes.len() < AGENT {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(word.to_le_bytes());
    }
    bytes.truncate(AGENT);
    bytes.extend([0x5e; SIGNATURE]);
    bytes
}

fn nand_table(format: Generation) -> Vec<u8> {
    let records = PARTS.iter().zip(0x60u32..).map(|(part, index)| {
        // The index real tables give the first user's part (da-legacy-observed.md section 5).
        let index = match (*part, format) {
            ((0xad, 0xbc, [0x90, 0x55, 0x54], ..), Generation::G1) => 0x67,
            ((0xad, 0xbc, [0x90, 0x55, 0x54], ..), Generation::G2) => 0x78,
            _ => index + 0x100,
        };
        record(index, *part)
    });
    let terminator = record(0xffff, (0, 0, [0; 3], 0, false));
    records.chain([terminator]).flatten().collect()
}

fn record(index: u32, (maker, device, id, megabytes, wide): Part) -> [u8; 56] {
    let mut bytes = [0; 56];
    put(&mut bytes, 0x00, &index.to_le_bytes());
    if maker == 0 {
        return bytes;
    }
    put(&mut bytes, 0x04, &[maker, 0, device, 0, id[0], id[1], id[2], 0xff]);
    // Pages per block, page size, bus, address cycles, spare bytes per 512.
    let cycles = if megabytes > 128 { 5 } else { 4 };
    for (n, field) in [megabytes, 64, 2048, u32::from(wide), cycles, 16].into_iter().enumerate() {
        put(&mut bytes, 0x0c + n * 4, &field.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> usize {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }

    #[test]
    fn the_regions_lie_back_to_back_and_end_with_the_file() {
        let file = container(Generation::G2);
        let mut next = FIRST_REGION;
        for entry in 0..2 {
            for slot in 0..3 {
                let at = HEADER + entry * ENTRY + 0x14 + slot * 0x14;
                assert_eq!(u32_at(&file, at), next);
                next += u32_at(&file, at + 4);
            }
        }
        assert_eq!(next, file.len());
    }

    #[test]
    fn the_record_of_the_first_users_part_begins_as_in_the_observed_table() {
        // da-legacy-observed.md section 5
        let table = nand_table(Generation::G1);
        let head = [
            0x67, 0, 0, 0, 0xad, 0, 0xbc, 0, 0x90, 0x55, 0x54, 0xff, 0, 2, 0, 0, 0x40, 0, 0, 0, 0, 8, 0, 0,
            1, 0, 0, 0, 5, 0, 0, 0, 0x10, 0, 0, 0,
        ];
        assert!(table.chunks(56).any(|record| record.starts_with(&head)));
        assert_eq!(table.len() % 56, 0);
        assert!(table[table.len() - 52..].iter().all(|b| *b == 0));
    }

    #[test]
    fn only_the_format_and_what_follows_from_it_differs() {
        let (a, b) = (container(Generation::G1), container(Generation::G2));
        assert_eq!(a.len(), b.len());
        assert!(a != b);
        assert!(a.windows(DEMO_AGENT_MARKER.len() + 2).any(|w| w == [DEMO_AGENT_MARKER, b"g1"].concat()));
        assert!(!b.windows(DEMO_AGENT_MARKER.len() + 2).any(|w| w == [DEMO_AGENT_MARKER, b"g1"].concat()));
    }
}
