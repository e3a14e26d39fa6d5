//! What an earlier run left of an image, and whether this read may go on with it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use super::checkpoint::{self, About, ORIGIN, PREFIX, Prefix, REPLACES};
use super::{DumpOptions, map_path};
use crate::mapfile::{Mapfile, State};
use crate::save::SaveError;
use crate::save::place::{Place, lstat};

/// Larger than any mapfile of ours.
const MOST_BYTES: u64 = 64 << 20;

/// What there is of an image, with its mapfile.
#[derive(Debug)]
pub(super) enum Found {
    /// The file, whole under its final name, with the digest its mapfile notes.
    Whole(Option<Prefix>),
    /// A part.
    Part(Part),
    /// Another file of the final name that an earlier run was told to replace, and did not begin to.
    ToBeReplaced,
}

/// A part of an image.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) map: Mapfile,
    pub(super) prefix: Option<Prefix>,
    /// The file of the final name is an older one that an earlier run was told to replace.
    pub(super) replaces: bool,
}

impl Found {
    /// `None`: nothing to go on with; whether anything is in the way is for others to say.
    pub(super) fn look(place: &Place, options: &DumpOptions) -> Result<Option<Self>, SaveError> {
        let (part, target) = (lstat(&place.part)?, lstat(&place.target)?);
        if part.is_none() && target.is_none() {
            return Ok(None);
        }
        let path = map_path(&place.target);
        let begun = match text_of(&path)? {
            None => return Ok(None),
            Some(text) => Part::read(&text, place, options),
        };
        match (part, target) {
            // A whole file of another read, or without a word of whose it is, is simply in the way.
            (None, Some(target)) => {
                let Ok(begun) = begun else { return Ok(None) };
                let fits = target.is_file() && target.len() == options.bytes;
                Ok(match begun.map.is_whole() {
                    true if fits => Some(Self::Whole(begun.prefix)),
                    false if begun.replaces => Some(Self::ToBeReplaced),
                    _ => None,
                })
            }
            (Some(part), target) if part.is_file() => {
                let may = |begun: &Part| target.is_none() || options.replace || begun.replaces;
                let begun = match begun {
                    Ok(begun) if !may(&begun) => return Ok(None),
                    Err(_) if target.is_some() && !options.replace => return Ok(None),
                    other => other?,
                };
                let end = begun.map.stretches().iter().rfind(|it| it.state == State::Finished);
                if end.is_some_and(|it| it.range.end > part.len()) {
                    return Err(SaveError::Altered(place.part.clone()));
                }
                Ok(Some(Self::Part(begun)))
            }
            _ => Ok(None),
        }
    }
}

/// Whatever file has this name now will be replaced by a read that begins anew: from now on its mapfile says so, and
/// nobody takes it for a part of that read. Without a mapfile nobody would.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn to_be_replaced(target: &Path) -> Result<(), SaveError> {
    let place = Place::new(target)?;
    let path = map_path(target);
    let text = match text_of(&path) {
        Err(SaveError::MapDamaged { .. }) | Ok(None) => return Ok(()),
        other => other?.unwrap_or_default(),
    };
    let Ok((map, remarks)) = Mapfile::parse(&text) else { return Ok(()) };
    let Some(origin) = origin_of(&remarks) else { return Ok(()) };
    let about = About { origin, replaces: true };
    checkpoint::write_map(&place, &Mapfile::new(map.bytes()), &about, None)
}

/// Whether the mapfile says that an older file is to be replaced.
pub(super) fn replaces(target: &Path) -> Result<bool, SaveError> {
    let text = text_of(&map_path(target))?.unwrap_or_default();
    Ok(Mapfile::parse(&text).is_ok_and(|(_, remarks)| says_replaces(&remarks)))
}

fn says_replaces(remarks: &[String]) -> bool {
    remarks.iter().any(|remark| remark == REPLACES)
}

fn origin_of(remarks: &[String]) -> Option<Value> {
    let origin = remarks.iter().find_map(|remark| remark.strip_prefix(ORIGIN.trim_end()))?;
    serde_json::from_str(origin).ok()
}

impl Part {
    /// What a mapfile says of this read.
    fn read(text: &str, place: &Place, options: &DumpOptions) -> Result<Self, SaveError> {
        let damaged = |what: String| SaveError::MapDamaged { map: map_path(&place.target), what };
        let (mut map, remarks) = Mapfile::parse(text).map_err(|e| damaged(e.to_string()))?;
        let Some(origin) = origin_of(&remarks) else {
            return Err(damaged("the line that tells what was read is missing or no JSON".into()));
        };
        let mut differs = differences(&origin, &options.origin);
        if differs.is_empty() && map.bytes() != options.bytes {
            differs.push("length".into());
        }
        if !differs.is_empty() {
            return Err(SaveError::OtherRead { part: place.part.clone(), what: differs.join(", ") });
        }
        // Bad pages get one more chance in every run, the way ddrescue's retries are asked for.
        let bad: Vec<_> = map.stretches().iter().filter(|it| it.state == State::Bad).cloned().collect();
        bad.into_iter().for_each(|it| map.set(it.range, State::Unscraped));
        Ok(Self { prefix: prefix_of(&remarks), map, replaces: says_replaces(&remarks) })
    }
}

/// Members that are not equal.
pub(super) fn differences(a: &Value, b: &Value) -> Vec<String> {
    let (Value::Object(a), Value::Object(b)) = (a, b) else { return vec!["everything".into()] };
    let missing = |a: &Map<String, Value>, key: &String| a.get(key).cloned().unwrap_or(Value::Null);
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter().filter(|key| missing(a, key) != missing(b, key)).cloned().collect()
}

fn prefix_of(remarks: &[String]) -> Option<Prefix> {
    let rest = remarks.iter().find_map(|remark| remark.strip_prefix(PREFIX))?;
    let (bytes, sha256) = rest.split_once(" bytes: ")?;
    Some(Prefix { bytes: bytes.parse().ok()?, sha256: sha256.to_owned() })
}

fn text_of(path: &Path) -> Result<Option<String>, SaveError> {
    let read = || {
        let found = fs::symlink_metadata(path)?;
        if !found.is_file() || found.len() > MOST_BYTES {
            return Err(std::io::Error::new(ErrorKind::InvalidData, "no mapfile"));
        }
        fs::read_to_string(path)
    };
    match read() {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == ErrorKind::InvalidData => {
            Err(SaveError::MapDamaged { map: path.to_owned(), what: e.to_string() })
        }
        other => other.map(Some).map_err(SaveError::io("read", path)),
    }
}
