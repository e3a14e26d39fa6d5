//! Any bytes as an ext2, ext3 or ext4 file system: refused, or a tree that can be looked at.
#![no_main]

#[path = "../tree.rs"]
mod tree;

use bromide_image::files::ExtFiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = ExtFiles::<&[u8]>::is_one(data);
    if let Ok(files) = ExtFiles::open(data) {
        tree::touch(&files);
    }
});
