//! Headers of tar archives: POSIX.1-2001 (pax) over ustar. What fits no ustar field is said in pax records.

use bromide_image::files::{Entry, Kind, Xattr};

/// Unit of an archive.
pub(super) const BLOCK: usize = 512;

/// What a header says besides the attributes of its entry.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    /// Path in the archive; of a directory with a slash at its end.
    pub(super) path: &'a [u8],
    /// Target of a link.
    pub(super) link: &'a [u8],
    /// Type of the ustar header.
    pub(super) kind: u8,
    /// Bytes that follow.
    pub(super) size: u64,
    /// Size of a file with holes, of which only some bytes follow, behind a map of them.
    pub(super) sparse: Option<u64>,
}

/// Type of a ustar header.
pub(super) const fn type_of(kind: Kind) -> Option<u8> {
    Some(match kind {
        Kind::File => b'0',
        Kind::Symlink => b'2',
        Kind::CharacterDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Pipe => b'6',
        Kind::Socket | Kind::Unknown => return None,
    })
}

/// Type of a ustar header for a further name of a file.
pub(super) const HARD_LINK: u8 = b'1';

/// Octal digits and a zero byte; `None` where there are too few of them.
fn octal(field: &mut [u8], value: u64) -> Option<()> {
    let text = format!("{value:0width$o}", width = field.len() - 1);
    let digits = field.len() - 1;
    (text.len() == digits).then(|| field[..digits].copy_from_slice(text.as_bytes()))
}

/// A field of bytes, cut where they do not fit; whether they do.
fn bytes(field: &mut [u8], value: &[u8]) -> bool {
    let len = value.len().min(field.len());
    field[..len].copy_from_slice(&value[..len]);
    len == value.len() && value.is_ascii()
}

/// One record: its length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    records.extend(format!("{len} ").as_bytes());
    records.extend([key, b"=", value, b"\n"].concat());
}

/// Seconds as pax writes them.
fn time(entry: &Entry) -> String {
    let time = entry.modified;
    match (time.seconds, time.nanos.min(999_999_999)) {
        (seconds, 0) => seconds.to_string(),
        (seconds @ 0.., nanos) => format!("{seconds}.{nanos:09}"),
        // -1.25 is three quarters after second -2.
        (-1, nanos) => format!("-0.{:09}", 1_000_000_000 - nanos),
        (seconds, nanos) => format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
    }
}

/// The name of an extended attribute as GNU tar writes it into a key.
fn key(xattr: &Xattr) -> Vec<u8> {
    let mut key = b"SCHILY.xattr.".to_vec();
    for byte in &xattr.name {
        match byte {
            b'%' => key.extend(b"%25"),
            b'=' => key.extend(b"%3D"),
            byte => key.push(*byte),
        }
    }
    key
}

fn ustar(kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block
}

fn sealed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(text.as_bytes());
    block
}

/// The blocks before the bytes of an object, records first where it needs some.
pub(super) fn blocks(header: &Header<'_>, entry: &Entry, xattrs: &[Xattr]) -> Vec<u8> {
    let mut records = Vec::new();
    let mut block = ustar(header.kind);
    let name = header.path;
    if !(std::str::from_utf8(name).is_ok() && std::str::from_utf8(header.link).is_ok()) {
        record(&mut records, b"hdrcharset", b"BINARY");
    }
    if let Some(real) = header.sparse {
        for (key, value) in [("major", 1), ("minor", 0), ("realsize", real)] {
            record(&mut records, format!("GNU.sparse.{key}").as_bytes(), value.to_string().as_bytes());
        }
        record(&mut records, b"GNU.sparse.name", name);
        bytes(&mut block[..100], &[b"GNUSparseFile.0/", &name[..name.len().min(84)]].concat());
    } else if !bytes(&mut block[..100], name) {
        record(&mut records, b"path", name);
    }
    if !bytes(&mut block[157..257], header.link) {
        record(&mut records, b"linkpath", header.link);
    }
    let _ = octal(&mut block[100..108], u64::from(entry.mode & 0o7777));
    for (field, key, value) in [
        (108..116, &b"uid"[..], u64::from(entry.uid)),
        (116..124, b"gid", u64::from(entry.gid)),
        (124..136, b"size", header.size),
    ] {
        if octal(&mut block[field.clone()], value).is_none() {
            record(&mut records, key, value.to_string().as_bytes());
            let _ = octal(&mut block[field], 0);
        }
    }
    let seconds = u64::try_from(entry.modified.seconds).ok().filter(|_| entry.modified.nanos == 0);
    if seconds.and_then(|seconds| octal(&mut block[136..148], seconds)).is_none() {
        let _ = octal(&mut block[136..148], 0);
        record(&mut records, b"mtime", time(entry).as_bytes());
    }
    if matches!(header.kind, b'3' | b'4') {
        let _ = octal(&mut block[329..337], u64::from(entry.device.0));
        let _ = octal(&mut block[337..345], u64::from(entry.device.1));
    }
    for xattr in xattrs {
        record(&mut records, &key(xattr), &xattr.value);
    }
    if records.is_empty() {
        return sealed(block).to_vec();
    }
    let mut all = sealed(records_header(name, records.len())).to_vec();
    all.append(&mut records);
    all.resize(all.len().next_multiple_of(BLOCK), 0);
    all.extend(sealed(block));
    all
}

/// The header of the records of the next one.
fn records_header(name: &[u8], len: usize) -> [u8; BLOCK] {
    let mut block = ustar(b'x');
    bytes(&mut block[..100], &[b"PaxHeaders/", &name[..name.len().min(88)]].concat());
    for (field, value) in
        [(100..108, 0o644), (108..116, 0), (116..124, 0), (124..136, len as u64), (136..148, 0)]
    {
        let _ = octal(&mut block[field], value);
    }
    block
}

/// Whether an archive can hold these device numbers.
pub(super) fn holds_device(entry: &Entry) -> bool {
    entry.device.0 <= 0o777_7777 && entry.device.1 <= 0o777_7777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, start) in [(3, "8 k="), (4, "9 k="), (5, "11 k="), (93, "99 k="), (94, "101 k=")] {
            let mut records = Vec::new();
            record(&mut records, b"k", &vec![b'v'; value]);
            assert!(records.starts_with(start.as_bytes()), "{value}: {}", String::from_utf8_lossy(&records));
            assert_eq!(records.len().to_string(), start[..start.len() - 3]);
        }
    }
}
