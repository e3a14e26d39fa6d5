//! Digest files in the format of `sha256sum`, good for `sha256sum -c` in the folder they lie in.
//!
//! A line is the digest, two spaces and the file name. A name with a backslash, a newline or a carriage return is
//! written with `\\`, `\n` and `\r` in their stead and a backslash in front of the line, as `sha256sum` does.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::save::SaveError;
use crate::save::place::{replace_file, with_suffix};

/// Name of the digest file of a folder.
pub const FOLDER_NAME: &str = "SHA256SUMS";

/// Largest digest file of a folder that is taken over; a line is a name and 67 bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Writes `FILE.sha256` beside `file`, replacing an older one. `sha256` is the digest in lower-case hex.
///
/// # Errors
/// Whatever the system says to writing it.
pub fn beside(file: &Path, sha256: &str) -> Result<(), SaveError> {
    let path = with_suffix(file, ".sha256");
    let name = file.file_name().unwrap_or_default();
    replace_file(&path, |to| to.write_all(&line(sha256, name.as_encoded_bytes())))
}

/// Writes `SHA256SUMS` into `folder` with a line for each of `files` (path, digest in lower-case hex), in that order.
///
/// Lines of an existing one about other files stay as they are, in front; so a folder may be filled in several runs.
///
/// # Errors
/// Whatever the system says to reading the old and writing the new one.
pub fn in_folder(folder: &Path, files: &[(&Path, &str)]) -> Result<(), SaveError> {
    let path = folder.join(FOLDER_NAME);
    let new: Vec<_> = files
        .iter()
        .map(|(file, sha256)| {
            line(sha256, file.strip_prefix(folder).unwrap_or(file).as_os_str().as_encoded_bytes())
        })
        .collect();
    let old = existing(&path)?;
    replace_file(&path, |to| {
        for kept in old.split_inclusive(|b| *b == b'\n') {
            if new.iter().any(|n| subject(n) == subject(kept)) {
                continue;
            }
            to.write_all(kept)?;
            if !kept.ends_with(b"\n") {
                to.write_all(b"\n")?;
            }
        }
        new.iter().try_for_each(|n| to.write_all(n))
    })
}

/// One line, newline included.
fn line(sha256: &str, name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut escaped = false;
    for &byte in name {
        let letter = match byte {
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            plain => {
                text.push(plain);
                continue;
            }
        };
        text.extend([b'\\', letter]);
        escaped = true;
    }
    let mark: &[u8] = if escaped { b"\\" } else { b"" };
    [mark, sha256.as_bytes(), b"  ", &text, b"\n"].concat()
}

/// The file a line is about, as written: whether the name is escaped, and the name. `None`: not a line of digest,
/// space, space or asterisk, name.
fn subject(line: &[u8]) -> Option<(bool, &[u8])> {
    let (escaped, rest) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (digest, rest) = rest.split_at_checked(64)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *"))?;
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    (!name.is_empty() && digest.iter().all(u8::is_ascii_hexdigit)).then_some((escaped, name))
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The digest, as written.
    pub sha256: String,
    /// Name of the file.
    pub name: Vec<u8>,
}

/// The lines of `SHA256SUMS` in `folder`, in their order; none where there is no such file. What is no line of digest
/// and name is passed by.
///
/// # Errors
/// Whatever the system says to reading it; more bytes than any such file has.
pub fn of_folder(folder: &Path) -> Result<Vec<Line>, SaveError> {
    let text = existing(&folder.join(FOLDER_NAME))?;
    let read = |line: &[u8]| {
        let (escaped, name) = subject(line)?;
        let digest = line.get(usize::from(escaped)..)?.get(..64)?;
        let name = if escaped { unescaped(name) } else { name.to_vec() };
        Some(Line { sha256: String::from_utf8_lossy(digest).into_owned(), name })
    };
    Ok(text.split_inclusive(|byte| *byte == b'\n').filter_map(read).collect())
}

/// The name that was written so.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let (mut plain, mut bytes) = (Vec::with_capacity(name.len()), name.iter());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => *other,
                None => b'\\',
            },
            other => *other,
        });
    }
    plain
}

/// The digest file as it is; empty if there is none.
fn existing(path: &Path) -> Result<Vec<u8>, SaveError> {
    let read = || {
        if fs::metadata(path)?.len() > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a list of digests"));
        }
        fs::read(path)
    };
    match read() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(SaveError::io("read", path)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::{Command, Stdio};

    use super::*;

    /// SHA-256 of "abc" (FIPS 180-4) and of nothing.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Names a file system allows, each more awkward than the one before.
    const NAMES: [&[u8]; 9] = [
        b"system.img",
        b"with space",
        b" leading and trailing ",
        b"-c",
        b"*star",
        b"back\\slash",
        b"new\nline",
        b"\\n is no newline, \n is",
        b"not \xff\xfe UTF-8",
    ];

    fn sha256sum() -> Option<Command> {
        let there = Command::new("sha256sum").arg("--version").stdout(Stdio::null()).status();
        if there.is_err() {
            println!("skipped: no sha256sum here");
        }
        there.ok().map(|_| Command::new("sha256sum"))
    }

    #[test]
    fn sha256sum_accepts_the_file_beside_a_file_and_writes_the_same() {
        let Some(_) = sha256sum() else { return };
        for name in NAMES {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(OsStr::from_bytes(name));
            fs::write(&file, "abc").unwrap();
            beside(&file, ABC).unwrap();
            let sums = with_suffix(&file, ".sha256");
            let check = sha256sum().unwrap().arg("-c").arg(&sums).current_dir(&folder).output().unwrap();
            assert!(check.status.success(), "{name:?}: {check:?}");
            let mut theirs = sha256sum().unwrap();
            let theirs = theirs.arg("--").arg(OsStr::from_bytes(name)).current_dir(&folder).output().unwrap();
            assert_eq!(fs::read(&sums).unwrap(), theirs.stdout, "{name:?}");
        }
    }

    #[test]
    fn sha256sum_refuses_the_file_when_a_byte_has_changed() {
        let Some(mut command) = sha256sum() else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("system.img");
        fs::write(&file, "abd").unwrap();
        beside(&file, ABC).unwrap();
        let check = command.arg("-c").arg("system.img.sha256").current_dir(&folder).output().unwrap();
        assert!(!check.status.success());
    }

    #[test]
    fn sha256sum_accepts_the_file_of_a_folder() {
        let Some(mut command) = sha256sum() else { return };
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = NAMES.map(|n| folder.path().join(OsStr::from_bytes(n))).into();
        let files: Vec<(&Path, &str)> = paths.iter().map(|p| (p.as_path(), ABC)).collect();
        paths.iter().for_each(|p| fs::write(p, "abc").unwrap());
        in_folder(folder.path(), &files).unwrap();
        let check = command.args(["-c", "SHA256SUMS"]).current_dir(&folder).output().unwrap();
        assert!(check.status.success(), "{check:?}");
        assert_eq!(check.stdout.windows(4).filter(|w| w == b": OK").count(), NAMES.len());
    }

    #[test]
    fn names_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = NAMES.map(|n| folder.path().join(OsStr::from_bytes(n))).into();
        let files: Vec<(&Path, &str)> = paths.iter().map(|p| (p.as_path(), ABC)).collect();
        in_folder(folder.path(), &files).unwrap();
        let read = of_folder(folder.path()).unwrap();
        let names: Vec<&[u8]> = read.iter().map(|line| line.name.as_slice()).collect();
        assert_eq!(names, NAMES);
        assert!(read.iter().all(|line| line.sha256 == ABC));
        fs::write(folder.path().join("SHA256SUMS"), format!("# {ABC}\n{ABC} x\n{ABC}  \n\n")).unwrap();
        assert_eq!(of_folder(folder.path()).unwrap(), []);
    }

    #[test]
    fn a_carriage_return_is_escaped() {
        assert_eq!(line("d", b"a\rb"), b"\\d  a\\rb\n");
    }

    #[test]
    fn a_second_run_replaces_its_own_lines_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name| folder.path().join(name);
        fs::write(at("SHA256SUMS"), format!("{NOTHING} *boot.img\n# a remark\n{NOTHING}  system.img"))
            .unwrap();
        in_folder(folder.path(), &[(&at("boot.img"), ABC), (&at("logo.img"), ABC)]).unwrap();
        in_folder(folder.path(), &[(&at("logo.img"), NOTHING)]).unwrap();
        let text = fs::read_to_string(at("SHA256SUMS")).unwrap();
        let expected = format!("# a remark\n{NOTHING}  system.img\n{ABC}  boot.img\n{NOTHING}  logo.img\n");
        assert_eq!(text, expected);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let e = beside(&folder.path().join("gone/system.img"), ABC).unwrap_err();
        assert!(e.to_string().contains("gone/system.img.sha256.part"), "{e}");
    }
}
