//! Which bytes of an image are there, as a GNU ddrescue mapfile.
//!
//! Promises: what is written is read by `ddrescuelog`, and what ddrescue writes is read here; a [`Mapfile`] always
//! covers its image without holes or overlaps, with no two neighbours of one state. Format: the chapter "Mapfile
//! structure" of the GNU ddrescue manual (1.27): comment lines with `#`, one status line (position, what is being
//! done, pass), then lines of position, size and state in rising order.

use std::fmt::Write as _;
use std::ops::Range;

use thiserror::Error;

/// More lines than any image has troubles.
const MOST_LINES: usize = 1 << 20;

/// What is known of a stretch of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Not asked for yet.
    Untried,
    /// Asked for at once and not got; its edges are not known.
    Untrimmed,
    /// Between two edges that were found; not asked for page by page.
    Unscraped,
    /// Asked for page by page and not got.
    Bad,
    /// There, and on the disk.
    Finished,
}

impl State {
    /// Its letter in the file.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Untried => '?',
            Self::Untrimmed => '*',
            Self::Unscraped => '/',
            Self::Bad => '-',
            Self::Finished => '+',
        }
    }

    fn of(letter: &str) -> Option<Self> {
        [Self::Untried, Self::Untrimmed, Self::Unscraped, Self::Bad, Self::Finished]
            .into_iter()
            .find(|state| letter.chars().eq([state.letter()]))
    }
}

/// A stretch of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Bytes of the image.
    pub range: Range<u64>,
    /// What is known of them.
    pub state: State,
}

/// The states of all bytes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapfile {
    stretches: Vec<Stretch>,
}

/// Why a text is no mapfile of this image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}")]
pub struct MapfileError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl Mapfile {
    /// Nothing of `bytes` bytes is there yet.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let all = Stretch { range: 0..bytes, state: State::Untried };
        Self { stretches: if bytes == 0 { Vec::new() } else { vec![all] } }
    }

    /// Bytes of the image.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.stretches.last().map_or(0, |last| last.range.end)
    }

    /// All stretches in rising order.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// The first stretch of this state that ends behind `from`, without what lies before it.
    #[must_use]
    pub fn next(&self, state: State, from: u64) -> Option<Range<u64>> {
        let found = self.stretches.iter().find(|it| it.state == state && it.range.end > from)?;
        Some(found.range.start.max(from)..found.range.end)
    }

    /// Bytes of this state.
    #[must_use]
    pub fn total(&self, state: State) -> u64 {
        let of_it = self.stretches.iter().filter(|it| it.state == state);
        of_it.map(|it| it.range.end - it.range.start).sum()
    }

    /// Whether every byte is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stretches.iter().all(|it| it.state == State::Finished)
    }

    /// Bytes from the start on that are there.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.stretches.first().filter(|it| it.state == State::Finished).map_or(0, |it| it.range.end)
    }

    /// From now on these bytes are of this state. What lies behind the image is ignored.
    pub fn set(&mut self, range: Range<u64>, state: State) {
        let range = range.start..range.end.min(self.bytes());
        if range.is_empty() {
            return;
        }
        let first = self.stretches.partition_point(|it| it.range.end < range.start);
        let behind = self.stretches.partition_point(|it| it.range.start <= range.end);
        let mut new: Vec<Stretch> = Vec::with_capacity(5);
        let mut push = |range: Range<u64>, state| match new.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.state == state => last.range.end = range.end,
            _ => new.push(Stretch { range, state }),
        };
        let touched = self.stretches.get(first..behind).unwrap_or_default();
        for it in touched {
            push(it.range.start..it.range.end.min(range.start), it.state);
        }
        push(range.clone(), state);
        for it in touched {
            push(it.range.start.max(range.end)..it.range.end, it.state);
        }
        self.stretches.splice(first..behind, new);
    }

    /// The file's text. `remarks` become comment lines.
    #[must_use]
    pub fn text(&self, remarks: &[String]) -> String {
        let mut text = String::new();
        for remark in remarks {
            for line in remark.lines() {
                let _ = writeln!(text, "# {line}"); // writing to a String cannot fail
            }
        }
        let unfinished =
            self.stretches.iter().filter(|it| it.state != State::Finished).min_by_key(|it| it.state);
        let (at, doing) = unfinished.map_or((self.bytes(), '+'), |it| (it.range.start, it.state.letter()));
        let _ = writeln!(text, "# current_pos  current_status  current_pass");
        let _ = writeln!(text, "0x{at:08X}     {doing}               1");
        let _ = writeln!(text, "#      pos        size  status");
        for Stretch { range, state } in &self.stretches {
            let _ = writeln!(
                text,
                "0x{:08X}  0x{:08X}  {}",
                range.start,
                range.end - range.start,
                state.letter()
            );
        }
        text
    }

    /// Reads a file's text; gives the remarks too, without their marks.
    ///
    /// # Errors
    /// Anything but what the format describes: the first wrong line.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), MapfileError> {
        let (mut remarks, mut stretches, mut has_status) = (Vec::new(), Vec::<Stretch>::new(), false);
        for (number, line) in text.lines().enumerate() {
            let wrong = |what: &str| MapfileError { line: number + 1, what: what.to_owned() };
            if number >= MOST_LINES {
                return Err(wrong("too many lines"));
            }
            if let Some(remark) = line.trim_start().strip_prefix('#') {
                remarks.push(remark.trim().to_owned());
                continue;
            }
            let mut words = line.split_whitespace();
            let Some(first) = words.next() else { continue };
            let at = number_of(first).ok_or_else(|| wrong("no position"))?;
            if !std::mem::replace(&mut has_status, true) {
                let doing = words.next().ok_or_else(|| wrong("no status"))?;
                if !["?", "*", "/", "-", "F", "G", "+"].contains(&doing) {
                    return Err(wrong("the status is none of ? * / - F G +"));
                }
                continue;
            }
            let size = words.next().and_then(number_of).filter(|n| *n > 0).ok_or_else(|| wrong("no size"))?;
            let state =
                words.next().and_then(State::of).ok_or_else(|| wrong("the state is none of ? * / - +"))?;
            if at != stretches.last().map_or(0, |last| last.range.end) {
                return Err(wrong("it does not begin where the one before ends"));
            }
            let end = at.checked_add(size).ok_or_else(|| wrong("it ends behind all numbers"))?;
            match stretches.last_mut() {
                Some(last) if last.state == state => last.range.end = end,
                _ => stretches.push(Stretch { range: at..end, state }),
            }
        }
        if has_status {
            Ok((Self { stretches }, remarks))
        } else {
            Err(MapfileError { line: 1, what: "no status line".into() })
        }
    }
}

/// A number as the file writes it: decimal, `0x` hexadecimal, or octal with a leading 0.
fn number_of(word: &str) -> Option<u64> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok();
    }
    match word.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        Some(octal) => u64::from_str_radix(octal, 8).ok(),
        None => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
