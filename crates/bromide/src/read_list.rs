//! The CSV list of `read-list`: the vendor tool's read-back table as a text file.
//!
//! FILE,FLAGS,START,LENGTH per row. FLAGS 0, 1 or 4 with an optional word `physical`; START an address or a
//! partition's name (then without LENGTH). A header row that begins with `file` and lines with `#` are skipped.

use std::path::{Component, Path, PathBuf};

use bromide_job::rows::{Want, Wish};
use bromide_job::sums;
use bromide_proto::wire::nand_read::{AddressKind, Shape};

use crate::numbers::bytes;

/// Reads the list; targets are placed inside `folder`. The error names the line.
pub(crate) fn parse(text: &[u8], folder: &Path) -> Result<Vec<Wish>, String> {
    // Spreadsheets put a byte order mark in front of what they call CSV.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut wishes = Vec::new();
    let mut header_due = true;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let told = |what: String| format!("line {}: {what}", number + 1);
        let fields = fields(line).map_err(told)?;
        let fields: Vec<&str> = fields.iter().collect();
        let header = std::mem::take(&mut header_due) && fields[0].eq_ignore_ascii_case("file");
        if !header {
            wishes.push(row(&fields, folder).map_err(told)?);
        }
    }
    if wishes.is_empty() {
        return Err("the list has no row; write FILE,FLAGS,START,LENGTH".into());
    }
    Ok(wishes)
}

/// The fields of one line. Lines are parsed one by one, so that a forgotten quote does not swallow those behind it
/// and the number told is that of the line.
fn fields(line: &[u8]) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(line);
    match reader.records().next() {
        Some(Ok(record)) => Ok(record),
        Some(Err(e)) if matches!(e.kind(), csv::ErrorKind::Utf8 { .. }) => Err("it is not UTF-8 text".into()),
        Some(Err(e)) => Err(e.to_string()),
        None => Err("it has no fields".into()),
    }
}

fn row(fields: &[&str], folder: &Path) -> Result<Wish, String> {
    let (file, flags, start, length) = match *fields {
        [file, flags, start] | [file, flags, start, ""] => (file, flags, start, None),
        [file, flags, start, length] => (file, flags, start, Some(length)),
        _ => return Err(format!("{} fields; write FILE,FLAGS,START,LENGTH", fields.len())),
    };
    let target = inside(folder, file)?;
    let (shape, kind) = flags_of(flags)?;
    let want = match length {
        Some(length) => Want::Range { start: bytes(start)?, length: bytes(length)?, target },
        None if bytes(start).is_ok() => return Err("a row with an address needs a length".into()),
        None if start.is_empty() => return Err("the start is empty".into()),
        None => Want::Partition { name: start.to_owned(), target },
    };
    Ok(Wish { want, shape, kind })
}

/// A list is often someone else's file: it may name files in the folder, not elsewhere.
fn inside(folder: &Path, file: &str) -> Result<PathBuf, String> {
    let path = Path::new(file);
    let harmless = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if file.is_empty() || !harmless || path.file_name().is_none() {
        return Err(format!("\"{file}\" is no file name inside the output folder"));
    }
    if path.file_name().is_some_and(|name| name == sums::FOLDER_NAME) {
        return Err(format!("\"{file}\" is where the digests of all files go; choose another name"));
    }
    Ok(folder.join(path))
}

fn flags_of(text: &str) -> Result<(Shape, AddressKind), String> {
    let mut shape = None;
    let mut kind = AddressKind::Logical;
    for word in text.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "0" | "0x0" => shape = Some(Shape::AsStored),
            "1" | "0x1" => shape = Some(Shape::MainOnly),
            "4" | "0x4" => shape = Some(Shape::SpareLast),
            "physical" => kind = AddressKind::Physical,
            "logical" => kind = AddressKind::Logical,
            "2" => {
                return Err(
                    "flag 2 (spare only) is not offered: agents of this chip send stale bytes for it".into(),
                );
            }
            "3" => return Err("flag 3 is not offered: its packets cannot be told apart; use 0 or 4".into()),
            other => return Err(format!("unknown flag \"{other}\"; use 0, 1 or 4, and physical")),
        }
    }
    shape.map(|shape| (shape, kind)).ok_or_else(|| "a flag is missing; use 0, 1 or 4".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_help_text_are_understood() {
        let text = b"file,flags,start,length\n# a comment\nrecovery.img, 0, 0x980000, 0x500000\n\
                     boot-raw.bin, 4 physical, 0x480000, 128K\nsystem.img,0,system\n";
        let wishes = parse(text, Path::new("out")).unwrap();
        assert_eq!(wishes.len(), 3);
        assert_eq!(
            wishes[1],
            Wish {
                want: Want::Range { start: 0x48_0000, length: 0x2_0000, target: "out/boot-raw.bin".into() },
                shape: Shape::SpareLast,
                kind: AddressKind::Physical,
            }
        );
        assert!(matches!(&wishes[2].want, Want::Partition { name, .. } if name == "system"));
    }

    #[test]
    fn a_bad_row_is_named_with_its_line() {
        let error = |text: &str| parse(text.as_bytes(), Path::new(".")).unwrap_err();
        assert!(error("a,0,0,0x800\nb,2,0,0x800\n").starts_with("line 2: flag 2"));
        assert!(error("# remark\n\n a,0,0,0x800\r\nb,2,0,0x800\n").starts_with("line 4: flag 2"));
        assert!(error("a,0,0,0x800\n\"b,0,0,0x800\nc,0,0,0x800\n").starts_with("line 2: 1 fields"));
        assert!(error("a,0,0x800\n").contains("needs a length"));
        assert!(error("a,physical,0,0x800\n").contains("flag is missing"));
        assert!(error("a,0,0,zzz\n").contains("no number"));
        assert!(error("a\n").contains("1 fields"));
        assert!(error("").contains("no row"));
        assert_eq!(parse(b"\xff,0,0,0x800", Path::new(".")).unwrap_err(), "line 1: it is not UTF-8 text");
    }

    #[test]
    fn a_list_from_a_spreadsheet_is_understood() {
        let text = b"\xef\xbb\xbfFile,Flags,Start,Length\r\n\"a, b.img\",0,\"0x0\",0x800\r\n";
        let wishes = parse(text, Path::new("out")).unwrap();
        assert!(matches!(&wishes[0].want, Want::Range { target, .. } if target == Path::new("out/a, b.img")));
    }

    #[test]
    fn a_list_cannot_name_files_outside_its_folder_or_the_digest_file() {
        for name in ["../x", "/etc/passwd", "a/../../b", "", "..", "SHA256SUMS", "a/SHA256SUMS"] {
            assert!(parse(format!("{name},0,0,0x800\n").as_bytes(), Path::new("out")).is_err(), "{name}");
        }
    }
}
