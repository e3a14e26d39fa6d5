//! A file of whatever length, under its interim name until whoever writes it says that it is whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::SaveError;
use super::place::Place;

/// The place of a file that is written by somebody else, with the same promises as [`Save`](super::Save).
#[derive(Debug)]
pub struct Interim {
    place: Place,
    force: bool,
}

impl Interim {
    /// Checks the place and creates `TARGET.part`, empty, ours alone.
    ///
    /// # Errors
    /// As [`Save::create`](super::Save::create).
    pub fn create(target: &Path, force: bool) -> Result<(Self, File), SaveError> {
        let place = Place::new(target)?;
        place.check(force, 0)?;
        let file = place.create(force)?;
        Ok((Self { place, force }, file))
    }

    /// Where the bytes are until then.
    #[must_use]
    pub fn part(&self) -> &Path {
        &self.place.part
    }

    /// Makes the bytes durable and gives the file its final name.
    ///
    /// # Errors
    /// A failure of the disk; the bytes then stay under the interim name. [`SaveError::Exists`]: a file of that name
    /// appeared meanwhile and was left alone.
    pub fn commit(self, file: &File) -> Result<PathBuf, SaveError> {
        file.sync_all().map_err(SaveError::io("save", &self.place.part))?;
        self.place.commit(file, self.force)?;
        Ok(self.place.target)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_has_its_name_once_it_is_whole_and_its_interim_name_before() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pcapng");
        let (interim, mut file) = Interim::create(&target, false).unwrap();
        file.write_all(b"all").unwrap();
        assert!(!target.exists());
        assert_eq!(fs::read(interim.part()).unwrap(), b"all");
        assert_eq!(interim.commit(&file).unwrap(), target);
        assert_eq!(fs::read(&target).unwrap(), b"all");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_replaced_by_force_only_and_not_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pcapng");
        fs::write(&target, "old").unwrap();
        assert!(matches!(Interim::create(&target, false), Err(SaveError::Exists(_))));
        let (interim, mut file) = Interim::create(&target, true).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        interim.commit(&file).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.pcapng");
        let (interim, file) = Interim::create(&target, false).unwrap();
        fs::write(&target, "theirs").unwrap();
        assert!(matches!(interim.commit(&file), Err(SaveError::Exists(_))));
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
    }
}
