//! Real files to read, where they are at hand.

use std::fs;
use std::path::PathBuf;

/// Files of a folder of the data, or nothing with a word about it.
pub(crate) fn data(folder: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("BROMIDE_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        eprintln!("skipped: no sample data (BROMIDE_DATA/{folder})");
        return None;
    };
    let read = |it: fs::DirEntry| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap());
    let mut files: Vec<_> = entries.map(|it| read(it.unwrap())).collect();
    files.sort();
    Some(files)
}
