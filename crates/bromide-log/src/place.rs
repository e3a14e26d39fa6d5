//! Where logs lie: one folder per run, named by its moment, its command and some letters.

use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::for_names;

/// The recording.
pub const RECORDING: &str = "session.pcapng";
/// The events.
pub const EVENTS: &str = "session.jsonl";
/// The account.
pub const ACCOUNT: &str = "hacklog.md";

/// How often a name that is taken is tried anew.
const TRIES: u32 = 100;

/// Where the log of a run goes.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Among the logs of all runs, in this folder.
    Store(&'a Path),
    /// Into the bundle in this folder, below `log`.
    Bundle(&'a Path),
}

/// Makes the folder of a run. What is logged is private, so it is the user's alone where the system knows that.
pub(crate) fn make(place: Place<'_>, at: Duration, verb: &str) -> io::Result<PathBuf> {
    let root = match place {
        Place::Store(root) => root.to_owned(),
        Place::Bundle(bundle) => bundle.join("log"),
    };
    fs::create_dir_all(&root)?;
    let verb: String = verb.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let mut tried = 0;
    loop {
        let folder = root.join(format!("{}-{verb}-{}", for_names(at), letters(tried)));
        tried += 1;
        match private().create(&folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => {}
            made => return made.map(|()| folder),
        }
    }
}

fn private() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "nothing is set elsewhere"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Four letters and digits that another run does not have at the same moment.
fn letters(salt: u32) -> String {
    const FROM: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u32(salt);
    let mut number = hasher.finish();
    let mut letter = || {
        let letter = FROM[(number % 32) as usize];
        number /= 32;
        char::from(letter)
    };
    [letter(), letter(), letter(), letter()].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_the_same_moment_do_not_collide() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("state/bromide/log");
        let at = Duration::from_secs(951_782_399);
        let made: Vec<PathBuf> =
            (0..50).map(|_| make(Place::Store(&deep), at, "image ls").unwrap()).collect();
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 50);
        let name = made[0].file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("2000-02-28T23-59-59Z-image-ls-"), "{name}");
        let bundled = make(Place::Bundle(root.path()), at, "read").unwrap();
        assert_eq!(bundled.parent().unwrap(), root.path().join("log"));
    }

    #[test]
    #[cfg(unix)]
    fn a_log_is_its_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let folder = make(Place::Store(root.path()), Duration::ZERO, "read").unwrap();
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
