//! Any bytes as a SquashFS: refused, or a tree that can be looked at.
#![no_main]

#[path = "../tree.rs"]
mod tree;

use std::rc::Rc;

use bromide_image::files::SquashFiles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = SquashFiles::is_one(data);
    if let Ok(files) = SquashFiles::open(Rc::new(data.to_vec())) {
        tree::touch(&files);
    }
});
