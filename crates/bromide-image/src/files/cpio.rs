//! Archives of the form "newc" (070701, 070702 with checksums), which ramdisks are, as trees of files.
//!
//! Paths become trees as a kernel unpacks them: leading slashes and `.` fall away, `..` stays a name, the last of two
//! objects at one path wins. Archives may follow each other. Packed ones and MediaTek's header before them are opened.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::boot::MtkHeader;
use super::unpack::{self, Packing, Room};
use super::{Entry, Files, FilesError, Kind, Time};
use crate::identify::fields::{has, narrow, wide};
use crate::read_at::{Part, ReadAt};

const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
const HEADER: usize = 110;
/// Longest path, with the zero byte after it, and longest target of a link.
const LONGEST: u64 = 4097;
/// Most objects of an archive.
const MOST_NODES: usize = 1 << 18;
/// Most doubts told one by one.
const MOST_DOUBTS: usize = 16;
/// Memory an object takes beside its name, in bytes, generously.
const NODE_BYTES: usize = 256;
const ROOT: u32 = 1;

/// An object.
#[derive(Debug, Clone)]
struct Node {
    kind: Kind,
    mode: u32,
    uid: u32,
    gid: u32,
    modified: u32,
    /// Where its bytes are, and how many.
    at: u64,
    size: u64,
    device: (u32, u32),
    names: u32,
    /// Of a directory.
    children: BTreeMap<Vec<u8>, u32>,
}

impl Node {
    const fn directory() -> Self {
        Self {
            kind: Kind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            modified: 0,
            at: 0,
            size: 0,
            device: (0, 0),
            names: 1,
            children: BTreeMap::new(),
        }
    }
}

/// The header of an object.
struct Header {
    node: Node,
    /// Device and inode it had where the archive was made: the same for all names of a file.
    origin: (u32, u32, u32),
    name_bytes: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if !MAGICS.iter().any(|magic| has(bytes, 0, magic)) {
            return None;
        }
        let mut fields = [0_u32; 13];
        for (field, digits) in fields.iter_mut().zip(bytes.get(6..HEADER)?.chunks_exact(8)) {
            // A sign would be taken for a number.
            let digits = core::str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
            *field = u32::from_str_radix(digits, 16).ok()?;
        }
        let [
            inode,
            mode,
            uid,
            gid,
            names,
            modified,
            size,
            major,
            minor,
            device_major,
            device_minor,
            name_bytes,
            _,
        ] = fields;
        let node = Node {
            kind: Kind::of_mode(mode),
            mode: mode & 0o7777,
            uid,
            gid,
            modified,
            size: size.into(),
            device: (device_major, device_minor),
            names,
            ..Node::directory()
        };
        Some(Self { node, origin: (major, minor, inode), name_bytes: name_bytes.into() })
    }
}

/// An archive.
pub struct CpioFiles {
    bytes: Rc<dyn ReadAt>,
    /// By id; the root is [`ROOT`], nothing is 0.
    nodes: Vec<Node>,
    doubts: Vec<String>,
    room: Room,
}

impl CpioFiles {
    /// Whether a file that begins with these bytes, some hundred or more, is an archive, packed or not, behind
    /// MediaTek's header or not. What is packed with xz may be anything: only [`Self::open`] knows.
    #[must_use]
    pub fn is_one(head: &[u8]) -> bool {
        let header = MtkHeader::parse(head).map_or(0, |it| narrow(it.header_bytes));
        let head = head.get(header..).unwrap_or_default();
        let begin = unpack::begin(head, 6);
        let packed = Packing::of(head) == Some(Packing::Xz);
        packed || MAGICS.iter().any(|magic| has(head, 0, magic) || has(&begin, 0, magic))
    }

    /// The archive in a file.
    ///
    /// A packed one is unpacked in memory, at most 256 MiB of it.
    ///
    /// # Errors
    /// It is none, is packed in a way that is not known here or damaged, or cannot be read.
    pub fn open(source: Rc<dyn ReadAt>) -> Result<Self, FilesError> {
        Self::within(source, Room::default())?.ok_or_else(none)
    }

    /// The same in the memory left for an image; `None` where there is none.
    pub(super) fn within(source: Rc<dyn ReadAt>, room: Room) -> Result<Option<Self>, FilesError> {
        let mut head = vec![0; narrow(source.len().min(0x200))];
        source.read_at(0, &mut head)?;
        let source: Rc<dyn ReadAt> = match MtkHeader::parse(&head) {
            Some(header) => Rc::new(Part::new(source, header.header_bytes, header.payload_bytes)),
            None => source,
        };
        Self::payload(source, room)
    }

    /// The same without MediaTek's header.
    pub(super) fn of_payload(source: Rc<dyn ReadAt>, room: Room) -> Result<Self, FilesError> {
        Self::payload(source, room)?.ok_or_else(none)
    }

    fn payload(source: Rc<dyn ReadAt>, room: Room) -> Result<Option<Self>, FilesError> {
        let mut head = vec![0; narrow(source.len().min(8))];
        source.read_at(0, &mut head)?;
        let (bytes, odd) = if Packing::of(&head).is_some() {
            if source.len() > wide(unpack::MOST) {
                return Err(FilesError::Unreadable("the packed archive is too large".into()));
            }
            let mut packed = vec![0; narrow(source.len())];
            source.read_at(0, &mut packed)?;
            let (unpacked, odd) = unpack::unpack(&packed, room.left())?;
            room.take(unpacked.len())?;
            let unpacked: Rc<dyn ReadAt> = Rc::new(unpacked);
            (unpacked, odd)
        } else {
            (source, None)
        };
        let nodes = vec![Node::directory(), Node::directory()];
        let mut files = Self { bytes, nodes, doubts: Vec::new(), room };
        files.doubts.extend(odd.map(String::from));
        Ok(files.gather()?.then_some(files))
    }

    fn doubt(&mut self, doubt: String) {
        if self.doubts.len() < MOST_DOUBTS {
            self.doubts.push(doubt);
        }
    }

    /// Reads all headers; gives whether there are any.
    fn gather(&mut self) -> Result<bool, FilesError> {
        let len = self.bytes.len();
        let mut links: BTreeMap<(u32, u32, u32), u32> = BTreeMap::new();
        let (mut at, mut ended) = (0_u64, false);
        while let Some(header) = self.header(at)? {
            let name_at = at.saturating_add(wide(HEADER));
            let data_at = name_at.saturating_add(header.name_bytes).next_multiple_of(4);
            let mut path = vec![0; narrow(header.name_bytes)];
            self.bytes.read_at(name_at, &mut path)?;
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            path.truncate(end);
            let size = header.node.size;
            at = data_at.saturating_add(size).next_multiple_of(4);
            ended = path == b"TRAILER!!!";
            if ended {
                links.clear();
                at = self.behind_padding(at)?;
                continue;
            }
            if data_at.saturating_add(size) > len {
                self.doubt(format!("{} is cut off", path.escape_ascii()));
            }
            self.add(&path, Header { node: Node { at: data_at, ..header.node }, ..header }, &mut links)?;
        }
        if at == 0 {
            return Ok(false);
        }
        if !ended || at < len {
            self.doubt(format!("the archive is damaged at {at:#x}: what follows is not told"));
        }
        Ok(true)
    }

    /// The header at a place; `None` where there is none, or its name is not all there.
    fn header(&self, at: u64) -> Result<Option<Header>, FilesError> {
        if at.saturating_add(wide(HEADER)) > self.bytes.len() {
            return Ok(None);
        }
        let mut bytes = [0; HEADER];
        self.bytes.read_at(at, &mut bytes)?;
        let whole = |it: &Header| {
            let end = at.saturating_add(wide(HEADER)).saturating_add(it.name_bytes);
            (1..=LONGEST).contains(&it.name_bytes) && end <= self.bytes.len()
        };
        Ok(Header::parse(&bytes).filter(whole))
    }

    /// Where the next archive begins behind the end of one: zeros stand between them.
    fn behind_padding(&self, mut at: u64) -> Result<u64, FilesError> {
        let len = self.bytes.len();
        let mut bytes = [0; 512];
        while at < len {
            let here = narrow(len.saturating_sub(at)).min(bytes.len());
            let piece = bytes.get_mut(..here).unwrap_or_default();
            self.bytes.read_at(at, piece)?;
            if let Some(next) = piece.iter().position(|&byte| byte != 0) {
                return Ok(at.saturating_add(wide(next)));
            }
            at = at.saturating_add(wide(here));
        }
        Ok(len)
    }

    /// Puts an object into the tree.
    fn add(
        &mut self,
        path: &[u8],
        header: Header,
        links: &mut BTreeMap<(u32, u32, u32), u32>,
    ) -> Result<(), FilesError> {
        let Header { node, origin, .. } = header;
        let names: Vec<&[u8]> =
            path.split(|&byte| byte == b'/').filter(|it| !matches!(*it, b"" | b".")).collect();
        let Some((last, above)) = names.split_last() else {
            self.take_on(ROOT, node);
            return Ok(());
        };
        let mut parent = ROOT;
        for name in above {
            parent = match self.node(parent).and_then(|it| it.children.get(*name)).copied() {
                Some(next) => next,
                None => self.insert(parent, name, Node::directory())?,
            };
        }
        if self.node(parent).is_none_or(|it| it.kind != Kind::Directory) {
            self.doubt(format!("{} lies in something that is no directory: left out", path.escape_ascii()));
            return Ok(());
        }
        let linked = node.kind == Kind::File && node.names > 1;
        let before = self.node(parent).and_then(|it| it.children.get(*last)).copied();
        if let Some(before) = before {
            let kind = self.node(before).map(|it| it.kind);
            if kind == Some(Kind::Directory) && node.kind == Kind::Directory {
                self.take_on(before, node);
                return Ok(());
            }
            self.doubt(format!("{} is there twice: the last is told", path.escape_ascii()));
        }
        match links.get(&origin).copied().filter(|_| linked) {
            Some(first) => {
                self.name(parent, last, first)?;
                // The bytes stand with one of the names, the last by custom.
                if let Some(known) = self.nodes.get_mut(narrow(first.into())).filter(|_| node.size > 0) {
                    (known.at, known.size) = (node.at, node.size);
                }
            }
            None => {
                let id = self.insert(parent, last, Node { names: 0, ..node })?;
                self.named(id);
                if linked {
                    links.insert(origin, id);
                }
            }
        }
        Ok(())
    }

    /// Gives a directory the attributes it is said to have later.
    fn take_on(&mut self, id: u32, node: Node) {
        if let Some(known) = self.nodes.get_mut(narrow(id.into())).filter(|_| node.kind == Kind::Directory) {
            let children = core::mem::take(&mut known.children);
            *known = Node { children, names: known.names, size: 0, ..node };
        }
    }

    fn insert(&mut self, parent: u32, name: &[u8], node: Node) -> Result<u32, FilesError> {
        let id = u32::try_from(self.nodes.len()).ok().filter(|_| self.nodes.len() < MOST_NODES);
        let id = id.ok_or_else(|| FilesError::Unreadable("the archive has too many objects".into()))?;
        self.room.take(name.len().saturating_add(NODE_BYTES))?;
        self.nodes.push(node);
        if let Some(parent) = self.nodes.get_mut(narrow(parent.into())) {
            parent.children.insert(name.to_vec(), id);
        }
        Ok(id)
    }

    /// Another name of an object.
    fn name(&mut self, parent: u32, name: &[u8], id: u32) -> Result<(), FilesError> {
        self.room.take(name.len().saturating_add(NODE_BYTES))?;
        if let Some(parent) = self.nodes.get_mut(narrow(parent.into())) {
            parent.children.insert(name.to_vec(), id);
        }
        self.named(id);
        Ok(())
    }

    fn named(&mut self, id: u32) {
        if let Some(node) = self.nodes.get_mut(narrow(id.into())) {
            node.names = node.names.saturating_add(1);
        }
    }

    fn node(&self, id: u32) -> Option<&Node> {
        self.nodes.get(narrow(id.into())).filter(|_| id != 0)
    }

    fn object(&self, id: u64) -> Result<&Node, FilesError> {
        u32::try_from(id).ok().and_then(|id| self.node(id)).ok_or(FilesError::NoObject(id))
    }

    fn of_kind(&self, id: u64, kind: Kind, wanted: &'static str) -> Result<&Node, FilesError> {
        let node = self.object(id)?;
        if node.kind == kind { Ok(node) } else { Err(FilesError::Not { id, wanted }) }
    }
}

fn none() -> FilesError {
    FilesError::Unreadable("it is no cpio archive of the form newc".into())
}

fn entry(id: u64, name: Vec<u8>, node: &Node) -> Entry {
    let time = Time { seconds: node.modified.into(), nanos: 0 };
    Entry {
        id,
        name,
        kind: node.kind,
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        size: if matches!(node.kind, Kind::File | Kind::Symlink) { node.size } else { 0 },
        accessed: time,
        modified: time,
        changed: time,
        names: node.names,
        device: if node.kind.is_device() { node.device } else { (0, 0) },
    }
}

impl Files for CpioFiles {
    fn title(&self) -> &'static str {
        "cpio"
    }

    fn root(&self) -> u64 {
        ROOT.into()
    }

    fn entry(&self, id: u64) -> Result<Entry, FilesError> {
        Ok(entry(id, Vec::new(), self.object(id)?))
    }

    fn children(&self, directory: u64) -> Result<Vec<Entry>, FilesError> {
        let node = self.of_kind(directory, Kind::Directory, "directory")?;
        let children = node.children.iter();
        children.map(|(name, &id)| Ok(entry(id.into(), name.clone(), self.object(id.into())?))).collect()
    }

    fn target(&self, id: u64) -> Result<Vec<u8>, FilesError> {
        let node = self.of_kind(id, Kind::Symlink, "symbolic link")?;
        if node.size >= LONGEST {
            return Err(FilesError::Unreadable(format!("object {id}: its target is too long to be one")));
        }
        let mut target = vec![0; narrow(node.size)];
        self.bytes.read_at(node.at, &mut target)?;
        Ok(target)
    }

    fn read(&self, id: u64, offset: u64, into: &mut [u8]) -> Result<usize, FilesError> {
        let node = self.of_kind(id, Kind::File, "file")?;
        let len = narrow(node.size.saturating_sub(offset)).min(into.len());
        let into = into.get_mut(..len).unwrap_or_default();
        self.bytes.read_at(node.at.saturating_add(offset), into)?;
        Ok(len)
    }

    fn largest(&self) -> u64 {
        u32::MAX.into()
    }

    fn doubts(&self) -> Vec<String> {
        self.doubts.clone()
    }
}
