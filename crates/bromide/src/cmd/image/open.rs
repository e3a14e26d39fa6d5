//! Images of partitions: a file opened, its layout found, its tree read, and what is wrong with it told in a line.

use std::ffi::OsStr;
use std::path::Path;

use bromide_image::files::{Entry, Files, Left, Step, Yaffs2Files, lookup};
use bromide_image::read_at::{Part, ReadAt, ReadError};
use bromide_image::yaffs2::read::{Options, Problem, Tree, Verify, detect};
use bromide_job::event::Event;
use bromide_link::Cancel;
use bromide_nand::{Geometry, Layout};

use crate::cmd::identify::OpenFile;
use crate::front::Front;
use crate::numbers::grouped;
use crate::out::harmless;
use crate::report::{Failure, exit};

/// Stored bytes of a page as `bromide read` writes it.
const STORED_PAGE: u64 = 2112;

/// The same of a block.
const BLOCK: u64 = 64 * STORED_PAGE;

/// Pages looked at in one place to decide whether an image is one of those.
const SAMPLE: u64 = 96;

/// Pages of the smallest chip that a phone would have: 128 MiB.
const SMALLEST_CHIP: u32 = 65536;

/// An image that stops being read when the user wants it.
pub(crate) struct Image {
    file: OpenFile,
    cancel: Cancel,
}

impl ReadAt for Image {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if self.cancel.is_set() {
            return Err(ReadError::Medium { at, why: "stopped by the user".to_owned() });
        }
        self.file.read_at(at, into)
    }
}

/// The files of an image, and what it is called.
pub(crate) struct Opened {
    pub(crate) files: Box<dyn Files>,
    pub(crate) title: String,
    cancel: Cancel,
}

/// Opens an image and reads its tree. Doubts that were met are told in one warning.
///
/// File bytes are checked when they are read, everything else at once.
pub(crate) fn open(path: &Path, front: &mut Front, cancel: &Cancel) -> Result<Opened, Failure> {
    let title = path.display().to_string();
    let failed = |what: String| {
        if cancel.is_set() {
            return Failure::stopped();
        }
        Failure::new("file/io", exit::FAILED, format!("{title}: {what}"), "name a file that can be read")
    };
    let file = OpenFile::open(path).map_err(|e| failed(e.to_string()))?;
    let image = Image { file, cancel: cancel.clone() };
    let found = scan(image).map_err(|e| failed(e.to_string()))?;
    let Some(tree) = found else {
        let advice = format!("bromide identify {} tells what it is", path.display());
        let what = format!("{title}: this is no image of a YAFFS2 partition");
        return Err(Failure::new("image/unknown", exit::FAILED, what, advice));
    };
    if let Some(told) = summary(&tree) {
        front.tell(&Event::Warning(&harmless(&format!("{title}: {told}"))));
    }
    Ok(Opened { files: Box::new(Yaffs2Files::new(tree)), title, cancel: cancel.clone() })
}

/// The tree, or none where nothing looks like one.
fn scan(image: Image) -> Result<Option<Tree<Image>>, ReadError> {
    let usual = read_back().filter(|_| image.len() >= BLOCK && image.len().is_multiple_of(STORED_PAGE));
    let written = if usual.is_some() { first_written(&image)? } else { 0 };
    if let Some(usual) = usual {
        // A look at a few places decides for nearly all. Used partitions may begin with blocks of any other sort.
        let quarter = |n: u64| image.len() / 4 * n / BLOCK * BLOCK;
        for from in [written, quarter(1), quarter(2), quarter(3)] {
            if is_one(&Tree::scan(Part::new(&image, from, SAMPLE * STORED_PAGE), usual)?) {
                return Tree::scan(image, usual).map(Some);
            }
        }
    }
    if let Some(found) = detect(&Part::new(&image, written, u64::MAX))? {
        return Tree::scan(image, Options { verify: Verify::Tags, ..found.options }).map(Some);
    }
    let Some(usual) = usual else { return Ok(None) };
    let tree = Tree::scan(image, usual)?;
    Ok(is_one(&tree).then_some(tree))
}

/// Start of the first block with a byte that is not FF; 0 where there is none.
fn first_written(image: &Image) -> Result<u64, ReadError> {
    let mut block = vec![0; usize::try_from(BLOCK).unwrap_or(0)];
    for at in (0..image.len() / BLOCK).map(|number| number * BLOCK) {
        image.read_at(at, &mut block)?;
        if block.iter().any(|byte| *byte != 0xFF) {
            return Ok(at);
        }
    }
    Ok(0)
}

/// As `bromide read` writes partitions of the phones it knows.
fn read_back() -> Option<Options> {
    let geometry = Geometry::new(2048, 64, 64, 65536).ok()?;
    Some(Options { verify: Verify::Tags, ..Options::read_back(geometry, Layout::Interleaved) })
}

/// Whether most of what is written are chunks of objects.
fn is_one<S: ReadAt>(tree: &Tree<S>) -> bool {
    let counts = tree.counts();
    let other = [counts.blank, counts.checkpoint, counts.bad, counts.summary];
    let written = other.iter().fold(counts.pages, |left, it| left.saturating_sub(*it));
    counts.chunks > 0 && counts.chunks >= written / 2 && tree.nodes().len() > 1
}

/// The problems of an image by their sorts, with the first of each; none where there are none.
fn summary<S: ReadAt>(tree: &Tree<S>) -> Option<String> {
    let problems = tree.problems();
    let mut sorts: Vec<(std::mem::Discriminant<Problem>, Problem, u64)> = Vec::new();
    for problem in problems.named() {
        let sort = std::mem::discriminant(problem);
        match sorts.iter_mut().find(|it| it.0 == sort) {
            Some(it) => it.2 += 1,
            None => sorts.push((sort, *problem, 1)),
        }
    }
    let mut told: Vec<String> = sorts
        .iter()
        .map(|(_, first, count)| match count - 1 {
            0 => worded(tree, first),
            more => format!("{} (and {} more like it)", worded(tree, first), grouped(more)),
        })
        .collect();
    if may_be_several(tree) {
        told.insert(0, "this looks like more than one partition; their files would be mixed up".to_owned());
    }
    if problems.more() != 0 {
        told.push(format!("{} problems more", grouped(problems.more())));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether more than one partition may be in the image: it is as large as chips are, or whole blocks are of no file
/// system.
fn may_be_several<S: ReadAt>(tree: &Tree<S>) -> bool {
    let counts = tree.counts();
    let known = [counts.blank, counts.chunks, counts.damaged, counts.checkpoint, counts.summary, counts.bad];
    let foreign = known.iter().fold(counts.pages, |left, it| left.saturating_sub(*it));
    foreign >= 64 || (counts.pages >= SMALLEST_CHIP && counts.pages.is_power_of_two())
}

/// A problem in words, with the name it is about.
fn worded<S: ReadAt>(tree: &Tree<S>, problem: &Problem) -> String {
    match problem {
        Problem::Name(id) => {
            let name = tree.node(*id).map_or(&[][..], |node| &node.name);
            format!("the name {} is not safe to use as it is", shown(name))
        }
        other => other.to_string(),
    }
}

impl Opened {
    /// The object a user named; the root when none was.
    pub(super) fn named(&self, path: Option<&OsStr>) -> Result<Entry, Failure> {
        let asked = path.map_or(&b""[..], OsStr::as_encoded_bytes);
        let found = lookup(&*self.files, asked).map_err(|e| self.failed(&e.to_string()))?;
        found.ok_or_else(|| {
            let what = format!("{}: there is no {} in it", self.title, shown(asked));
            let advice = "bromide image ls -R shows what there is; links are not followed";
            Failure::new("image/no-file", exit::FAILED, what, advice)
        })
    }

    /// A directory a walk passes by is told.
    pub(super) fn tell_left(&self, step: &Step, front: &mut Front) {
        let why = match step.left {
            None => return,
            Some(Left::TooDeep) => "lies too deep",
            Some(Left::SeenBefore) => "was met before under another name",
        };
        let told = format!("{}: /{} {why} and is not gone into", self.title, short(&step.path));
        front.tell(&Event::Warning(&told));
    }

    /// What became of a read that failed.
    pub(super) fn failed(&self, what: &str) -> Failure {
        if self.cancel.is_set() {
            return Failure::stopped();
        }
        Failure::new("image/file", exit::FAILED, format!("{}: {what}", self.title), "")
    }

    /// Ctrl-C between two results.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.cancel.is_set() { Err(Failure::stopped()) } else { Ok(()) }
    }
}

/// A path that only a hostile image has is not told whole.
fn short(path: &[u8]) -> String {
    match path.get(..200) {
        Some(start) => format!("{}..", shown(start)),
        None => shown(path),
    }
}

/// A name or path on one line: what is not UTF-8, would steer a terminal or turn the writing round is escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for part in name.utf8_chunks() {
        for c in harmless(part.valid()).chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    text.extend(c.escape_unicode());
                }
                c => text.push(c),
            }
        }
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line_and_in_its_direction() {
        assert_eq!(shown("grün 漢字".as_bytes()), "grün 漢字");
        assert_eq!(shown(b"a\nb\x1b[31m\xff\xc3"), "a\\nb\\u{1b}[31m\\xff\\xc3");
        assert_eq!(shown("\u{202e}txt.exe".as_bytes()), "\\u{202e}txt.exe");
    }
}
