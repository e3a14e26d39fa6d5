//! Sparse images: what libsparse's own programs make and take, round trips, and damage.

#[path = "support/disk.rs"]
mod disk;

use std::io::Read;

use bromide_image::identify::{Kind, identify};
use bromide_image::read_at::{ReadAt, ReadError};
use bromide_image::sparse::{Counts, Plan, PlanError, Sparse, SparseError};
use proptest::prelude::*;

const BLOCK: usize = 4096;

fn bytes_of(source: &impl ReadAt) -> Vec<u8> {
    let mut all = vec![0; usize::try_from(source.len()).unwrap()];
    source.read_at(0, &mut all).unwrap();
    all
}

fn written(content: &[u8], block_bytes: u32) -> Vec<u8> {
    let plan = Plan::of(content, block_bytes).unwrap();
    let mut file = Vec::new();
    plan.write(content, &mut |piece| -> Result<(), ReadError> {
        file.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    assert_eq!(plan.file_bytes(), file.len() as u64);
    file
}

/// Blocks of zeros, of a repeated word, of bytes without a pattern, of FF.
fn mixed() -> Vec<u8> {
    let mut all = Vec::new();
    for (number, kind) in b"zzzwwrrrrzfffrzrwz".iter().enumerate() {
        let block: Vec<u8> = match kind {
            b'z' => vec![0; BLOCK],
            b'f' => vec![0xFF; BLOCK],
            b'w' => [0xDE, 0xAD, 0xBE, 0xEF].repeat(BLOCK / 4),
            _ => (0..BLOCK).map(|at| (at * 31 + number * 7 + at / 256) as u8).collect(),
        };
        all.extend(block);
    }
    all
}

/// A header and chunks of (kind, blocks, payload), in blocks of 4 bytes.
fn small(blocks: u32, chunks: &[(u16, u32, &[u8])]) -> Vec<u8> {
    let head = [0xED26_FF3A, 1, 0x000C_001C, 4, blocks, chunks.len() as u32, 0];
    let mut file: Vec<u8> = head.iter().flat_map(|it: &u32| it.to_le_bytes()).collect();
    for (kind, blocks, payload) in chunks {
        let head = [u32::from(*kind), *blocks, 12 + payload.len() as u32];
        file.extend(head.iter().flat_map(|it| it.to_le_bytes()));
        file.extend_from_slice(payload);
    }
    file
}

#[test]
fn chunks_of_every_kind_read_as_the_content_they_stand_for() {
    // formats.md section 6.7.
    let file = small(
        6,
        &[
            (0xCAC1, 2, b"abcdefgh"),
            (0xCAC4, 0, &[1, 2, 3, 4]),
            (0xCAC3, 1, b""),
            (0xCAC2, 2, b"wxyz"),
            (0xCAC1, 1, b"last"),
        ],
    );
    let sparse = Sparse::read(&file).unwrap();
    assert_eq!(sparse.counts(), Counts { raw: 2, fill: 1, dont_care: 1, checksum: 1 });
    assert_eq!(sparse.file_bytes(), file.len() as u64);
    assert_eq!(bytes_of(&sparse), b"abcdefgh\0\0\0\0wxyzwxyzlast");
    let mut five = [0; 5];
    sparse.read_at(13, &mut five).unwrap();
    assert_eq!(&five, b"xyzwx");
    assert_eq!(sparse.read_at(20, &mut five), Err(ReadError::Beyond { at: 20, wanted: 5, len: 24 }));
}

#[test]
fn larger_headers_are_stepped_over() {
    let mut file = small(1, &[(0xCAC1, 1, b"abcd")]);
    file.splice(40..40, [9; 4]);
    file.splice(28..28, [9; 4]);
    file[8] = 32;
    file[10] = 16;
    file[32 + 8] = 20;
    assert_eq!(bytes_of(&Sparse::read(&file).unwrap()), b"abcd");
}

#[test]
fn damage_is_named_with_its_chunk() {
    let whole = small(2, &[(0xCAC2, 1, b"abcd"), (0xCAC1, 1, b"efgh")]);
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = whole.clone();
        change(&mut file);
        Sparse::read(&file).unwrap_err()
    };
    assert_eq!(error(&|it| it[0] = 0), SparseError::NoMagic);
    assert_eq!(error(&|it| it.truncate(20)), SparseError::CutHeader);
    assert_eq!(error(&|it| it[9] = 1), SparseError::CutHeader);
    assert_eq!(error(&|it| it[4] = 2), SparseError::Version(2, 0));
    assert_eq!(error(&|it| it[8] = 27), SparseError::HeaderBytes { header_bytes: 27, chunk_bytes: 12 });
    assert_eq!(error(&|it| it[12] = 6), SparseError::BlockBytes(6));
    assert_eq!(error(&|it| it[12] = 0), SparseError::BlockBytes(0));
    assert_eq!(error(&|it| it[23] = 1), SparseError::TooMany(0x0100_0002));
    assert_eq!(error(&|it| it[28] = 0xC5), SparseError::Kind { chunk: 0, at: 28, kind: 0xCAC5 });
    assert_eq!(error(&|it| it[36] = 12), SparseError::ChunkBytes { chunk: 0, at: 28, told: 12, wanted: 16 });
    assert_eq!(error(&|it| it.truncate(50)), SparseError::Cut { chunk: 1, at: 44 });
    assert_eq!(error(&|it| it.truncate(58)), SparseError::Cut { chunk: 1, at: 44 });
    assert_eq!(error(&|it| it[16] = 3), SparseError::Blocks { found: 2, told: 3 });
}

#[test]
fn a_hostile_header_costs_no_more_than_the_file_is_long() {
    let file = small(u32::MAX, &[(0xCAC3, u32::MAX, b"")]);
    let sparse = Sparse::read(&file).unwrap();
    assert_eq!(sparse.len(), u64::from(u32::MAX) * 4);
    let mut end = [1; 3];
    sparse.read_at(sparse.len() - 3, &mut end).unwrap();
    assert_eq!(end, [0; 3]);
    let overflow = small(0, &[(0xCAC3, u32::MAX, b""), (0xCAC3, 1, b"")]);
    assert_eq!(Sparse::read(&overflow).unwrap_err(), SparseError::Blocks { found: 1 << 32, told: 0 });
}

#[test]
fn content_that_does_not_go_into_blocks_is_refused() {
    let five: &[u8] = &[0; 5];
    assert_eq!(Plan::of(five, 4), Err(PlanError::Length { bytes: 5, block_bytes: 4 }));
    assert_eq!(Plan::of(five, 0), Err(PlanError::BlockBytes(0)));
    assert_eq!(Plan::of(five, 5), Err(PlanError::BlockBytes(5)));
}

#[test]
fn no_raw_chunk_grows_beyond_what_32_bits_hold() {
    let content: Vec<u8> = (0..(65_usize << 20) / 4).flat_map(|it| (it as u32).to_le_bytes()).collect();
    let file = written(&content, 4096);
    let sparse = Sparse::read(&file).unwrap();
    assert_eq!(sparse.counts().raw, 2);
    assert!(bytes_of(&sparse) == content);
}

/// A file of these bytes and its name.
fn named(bytes: &[u8]) -> (tempfile::NamedTempFile, String) {
    let file = disk::image(bytes.len() as u64, &[(0, bytes)]);
    let name = file.path().to_str().unwrap().to_owned();
    (file, name)
}

fn read_back(mut file: tempfile::NamedTempFile) -> Vec<u8> {
    let mut all = Vec::new();
    file.as_file_mut().read_to_end(&mut all).unwrap();
    all
}

#[test]
fn what_img2simg_makes_is_read_and_identified() {
    let content = mixed();
    let ((_raw, raw), (out, sparse)) = (named(&content), named(&[]));
    let Some(_) = disk::run("img2simg", &[&raw, &sparse]) else { return };
    let file = read_back(out);
    let read = Sparse::read(&file).unwrap();
    assert!(bytes_of(&read) == content);
    assert_eq!(read.file_bytes(), file.len() as u64);
    let found = identify(&file).unwrap();
    let detail = |key| found.findings[0].detail(key).unwrap().to_string();
    assert_eq!((found.findings.len(), found.findings[0].kind), (1, Kind::Sparse));
    assert_eq!(found.findings[0].length, Some(file.len() as u64));
    assert_eq!((detail("block"), detail("blocks")), ("4096".into(), "18".into()));
    assert_eq!(detail("expanded_bytes"), content.len().to_string());
    // Stretches of one kind: z w r z f r z r w z, where img2simg may merge or split, but never lose a chunk.
    let counts = read.counts();
    let all = counts.raw + counts.fill + counts.dont_care + counts.checksum;
    assert_eq!(detail("chunks"), all.to_string());
    assert_eq!(detail("raw_chunks"), counts.raw.to_string());
    assert_eq!((counts.raw, counts.fill + counts.dont_care), (3, 7), "{counts:?}");
}

#[test]
fn what_is_written_is_expanded_by_simg2img() {
    let content = mixed();
    for block in [4096, 1024] {
        let file = written(&content, block);
        let ((_sparse, sparse), (out, raw)) = (named(&file), named(&[]));
        let Some(_) = disk::run("simg2img", &[&sparse, &raw]) else { return };
        assert!(read_back(out) == content, "blocks of {block}");
    }
}

#[test]
fn a_real_file_system_goes_through_img2simg_and_is_found_inside() {
    let raw = disk::image(8 << 20, &[]);
    let name = raw.path().to_str().unwrap().to_owned();
    let Some(_) = disk::run("mkfs.ext4", &["-q", "-F", "-L", "system", &name]) else { return };
    let (out, sparse) = named(&[]);
    let Some(_) = disk::run("img2simg", &[&name, &sparse]) else { return };
    let file = read_back(out);
    let found = identify(&file).unwrap();
    assert_eq!(found.findings[0].detail("content").unwrap().to_string(), "ext");
    let content = bytes_of(&Sparse::read(&file).unwrap());
    assert!(content == read_back(raw));
    assert_eq!(identify(&content).unwrap().findings[0].detail("label").unwrap().to_string(), "system");
}

proptest! {
    #[test]
    fn writing_and_reading_lose_nothing(
        blocks in prop::collection::vec((0_u8..4, any::<[u8; 4]>()), 0..60),
        block_bytes in prop::sample::select(vec![4_u32, 12, 512, 4096]),
        at in any::<prop::sample::Index>(),
    ) {
        let mut content = Vec::new();
        for (kind, seed) in blocks {
            let words = block_bytes as usize / 4;
            match kind {
                0 => content.extend(vec![0; words * 4]),
                1 => content.extend(seed.repeat(words)),
                _ => content.extend((0..words).flat_map(|it| (u32::from_le_bytes(seed).wrapping_add(it as u32)).to_le_bytes())),
            }
        }
        let file = written(&content, block_bytes);
        let sparse = Sparse::read(&file).unwrap();
        prop_assert!(bytes_of(&sparse) == content);
        // Any part of it reads as the same part.
        let from = at.index(content.len() + 1);
        let mut part = vec![0; (content.len() - from).min(700)];
        sparse.read_at(from as u64, &mut part).unwrap();
        prop_assert_eq!(&part[..], &content[from..from + part.len()]);
    }

    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
        let good = small(2, &[(0xCAC2, 1, b"abcd"), (0xCAC1, 1, b"efgh")]);
        let keep = if whole { 16 } else { 28 }.min(bytes.len());
        bytes[..keep].copy_from_slice(&good[..keep]);
        if let Ok(sparse) = Sparse::read(&bytes) {
            let mut some = vec![0; usize::try_from(sparse.len()).unwrap_or(usize::MAX).min(1 << 16)];
            sparse.read_at(0, &mut some).unwrap();
        }
    }
}
