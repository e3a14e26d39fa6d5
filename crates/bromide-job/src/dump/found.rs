//! What an earlier run left of an image, and whether this read may go on with it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use super::checkpoint::{ORIGIN, PREFIX, Prefix};
use super::{DumpOptions, map_path};
use crate::mapfile::{Mapfile, State};
use crate::save::SaveError;
use crate::save::place::{Place, lstat};

/// Larger than any mapfile of ours.
const MOST_BYTES: u64 = 64 << 20;

/// A part with its mapfile, or a whole file with one.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) map: Mapfile,
    pub(super) prefix: Option<Prefix>,
    pub(super) whole_under_final_name: bool,
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
            Some(text) => Begun::read(&text, place, options),
        };
        match (part, target) {
            // A whole file of another read, or without a word of whose it is, is simply in the way.
            (None, Some(target)) => {
                let ours = begun.ok().filter(|begun| begun.map.is_whole() && target.len() == options.bytes);
                Ok(ours.map(|it| Self { map: it.map, prefix: None, whole_under_final_name: true }))
            }
            (Some(part), target) if part.is_file() && (target.is_none() || options.replace) => {
                let Begun { map, prefix } = begun?;
                let end = map.stretches().iter().rfind(|it| it.state == State::Finished);
                if end.is_some_and(|it| it.range.end > part.len()) {
                    return Err(SaveError::Altered(place.part.clone()));
                }
                Ok(Some(Self { map, prefix, whole_under_final_name: false }))
            }
            _ => Ok(None),
        }
    }
}

/// What a mapfile says of this read.
struct Begun {
    map: Mapfile,
    prefix: Option<Prefix>,
}

impl Begun {
    fn read(text: &str, place: &Place, options: &DumpOptions) -> Result<Self, SaveError> {
        let damaged = |what: String| SaveError::MapDamaged { map: map_path(&place.target), what };
        let (mut map, remarks) = Mapfile::parse(text).map_err(|e| damaged(e.to_string()))?;
        let Some(origin) = remarks.iter().find_map(|remark| remark.strip_prefix(ORIGIN.trim_end())) else {
            return Err(damaged("the line that tells what was read is missing".into()));
        };
        let origin: Value = serde_json::from_str(origin).map_err(|e| damaged(e.to_string()))?;
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
        Ok(Self { prefix: prefix_of(&remarks), map })
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
