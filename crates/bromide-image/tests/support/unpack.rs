//! A reader of image-maker YAFFS2 for the tests, written from nand-yaffs2.md sections 4 to 6 alone: it shares nothing
//! with the writer it checks.

use std::collections::BTreeMap;

/// An object as its header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: u32,
    pub(crate) parent: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) owner: [u32; 2],
    pub(crate) times: [u32; 3],
    pub(crate) size: u32,
    pub(crate) equivalent: u32,
    pub(crate) target: Vec<u8>,
    pub(crate) device: u32,
    /// Chunk number (from 1) to bytes.
    pub(crate) chunks: BTreeMap<u32, Vec<u8>>,
}

impl Object {
    /// The file's bytes, zeros for what was not written.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut all = vec![0; self.size as usize];
        for (chunk, bytes) in &self.chunks {
            let at = (*chunk as usize - 1) * 2048;
            all[at..at + bytes.len()].copy_from_slice(bytes);
        }
        all
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&it| it != 0).collect()
}

/// Objects by id, from pages in the order of the flash.
pub(crate) fn unpack<'a>(pages: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> BTreeMap<u32, Object> {
    let mut objects = BTreeMap::new();
    for (page, software) in pages {
        assert_eq!(word(software, 0), 0x1000, "sequence number");
        let (id, chunk, bytes) = (word(software, 4), word(software, 8), word(software, 12));
        if chunk == 0 {
            assert_eq!(bytes, 0xFFFF);
            let object = Object {
                kind: word(page, 0),
                parent: word(page, 4),
                name: text(&page[10..265]),
                mode: word(page, 268),
                owner: [word(page, 272), word(page, 276)],
                times: [word(page, 280), word(page, 284), word(page, 288)],
                size: word(page, 292),
                equivalent: word(page, 296),
                target: text(&page[300..460]),
                device: word(page, 460),
                chunks: BTreeMap::new(),
            };
            assert!(objects.insert(id, object).is_none(), "object {id} has two headers");
            continue;
        }
        let object: &mut Object = objects.get_mut(&id).expect("data before its header");
        assert!(page[bytes as usize..].iter().all(|&it| it == 0xFF), "padding");
        assert!(object.chunks.insert(chunk, page[..bytes as usize].to_vec()).is_none(), "a chunk twice");
    }
    objects
}

/// The path of an object below the root.
pub(crate) fn path(objects: &BTreeMap<u32, Object>, id: u32) -> Vec<u8> {
    let object = &objects[&id];
    if object.parent == 1 {
        return object.name.clone();
    }
    [path(objects, object.parent).as_slice(), b"/", &object.name].concat()
}
