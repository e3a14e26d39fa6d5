//! Any bytes as a boot image and as an archive of a ramdisk: refused, or a tree that can be looked at.
#![no_main]

#[path = "../tree.rs"]
mod tree;

use std::rc::Rc;

use bromide_image::files::{BootFiles, CpioFiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let source = Rc::new(data.to_vec());
    let _ = (BootFiles::is_one(data), CpioFiles::is_one(data));
    if let Ok(files) = BootFiles::open(source.clone()) {
        tree::touch(&files);
    }
    if let Ok(files) = CpioFiles::open(source) {
        tree::touch(&files);
    }
});
