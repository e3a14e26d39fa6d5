//! `cargo xtask soak`.

mod dice;
mod forgetful_disk;
