//! The journal of what happened to names and sizes, in order, and what of it is on the platter.
//!
//! A journalling file system keeps a prefix of it after a power cut. What the kernel promises about fsync is less
//! than what ext4 and xfs do: fsync(2) says that an entry in a directory needs an fsync of the directory; those two
//! bring everything to the platter that happened before the last change to what is synced. Programs have to live with
//! the first.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Number of a file or directory, never used twice.
pub(super) type Inode = u64;

/// The directory everything is in.
pub(super) const ROOT: Inode = 1;

/// A name in a directory.
pub(super) type Name = (Inode, Vec<u8>);

/// One change that is not content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A name was given to a file or a directory.
    Link(Name, Inode),
    /// A name was taken away.
    Unlink(Name),
    /// A name became another one, whatever that stood for.
    Rename(Name, Name, Inode),
    /// A file has this size now.
    Size(Inode, u64),
}

impl Step {
    /// Directories it is written into.
    fn directories(&self) -> Vec<Inode> {
        match self {
            Self::Link((directory, _), _) | Self::Unlink((directory, _)) => vec![*directory],
            Self::Rename((from, _), (to, _), _) => vec![*from, *to],
            Self::Size(..) => Vec::new(),
        }
    }

    fn concerns(&self, file: Inode, names_too: bool) -> bool {
        match self {
            Self::Size(inode, _) | Self::Link(_, inode) => *inode == file,
            Self::Rename(.., inode) => names_too && *inode == file,
            Self::Unlink(_) => false,
        }
    }
}

/// What an fsync brings to the platter beside the content of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rule {
    /// Of a file: its size. Of a directory: what happened in it. Nothing else.
    #[default]
    Strict,
    /// Everything up to the last change to what is synced, as ext4 and xfs do.
    Journal,
}

/// Names and sizes that survive.
#[derive(Debug, Clone, Default)]
pub(super) struct Platter {
    pub(super) directories: HashMap<Inode, BTreeMap<Vec<u8>, Inode>>,
    pub(super) sizes: HashMap<Inode, u64>,
    /// Smallest size a file has had on its way; what was behind it is not stored any more.
    pub(super) floors: HashMap<Inode, u64>,
}

impl Platter {
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Link((directory, name), inode) => {
                self.directories.entry(*directory).or_default().insert(name.clone(), *inode);
            }
            Step::Unlink((directory, name)) => {
                self.directories.entry(*directory).or_default().remove(name);
            }
            Step::Rename((from, old), (to, new), inode) => {
                let source = self.directories.entry(*from).or_default();
                if source.get(old) == Some(inode) {
                    source.remove(old);
                }
                self.directories.entry(*to).or_default().insert(new.clone(), *inode);
            }
            Step::Size(inode, size) => {
                self.sizes.insert(*inode, *size);
                let floor = self.floors.entry(*inode).or_insert(u64::MAX);
                *floor = (*floor).min(*size);
            }
        }
    }
}

/// What is on the platter and what is not yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    pub(super) platter: Platter,
    pub(super) open: Vec<Step>,
}

impl Journal {
    pub(super) fn add(&mut self, step: Step) {
        self.open.push(step);
    }

    /// The size a file had last, as far as anything was written down.
    pub(super) fn size_of(&self, file: Inode) -> Option<u64> {
        let open = self.open.iter().rev().find_map(|step| match step {
            Step::Size(inode, size) if *inode == file => Some(*size),
            _ => None,
        });
        open.or_else(|| self.platter.sizes.get(&file).copied())
    }

    /// fsync of a file that has this size; without `names_too` it is an fdatasync.
    pub(super) fn sync_file(&mut self, file: Inode, size: u64, rule: Rule, names_too: bool) {
        if rule == Rule::Journal
            && let Some(last) = self.open.iter().rposition(|step| step.concerns(file, names_too))
        {
            self.commit(last + 1);
        }
        self.open.retain(|step| !matches!(step, Step::Size(inode, _) if *inode == file));
        self.platter.sizes.insert(file, size);
        self.platter.floors.remove(&file);
    }

    /// fsync of a directory.
    pub(super) fn sync_directory(&mut self, directory: Inode, rule: Rule) {
        if rule == Rule::Journal {
            let last = self.open.iter().rposition(|step| step.directories().contains(&directory));
            return self.commit(last.map_or(0, |at| at + 1));
        }
        // A rename between two directories brings what went before it in the other one along: it is one change.
        let mut along = HashSet::from([directory]);
        let mut taken = vec![false; self.open.len()];
        for (step, taken) in self.open.iter().zip(&mut taken).rev() {
            let touched = step.directories();
            if touched.iter().any(|it| along.contains(it)) {
                along.extend(touched);
                *taken = true;
            }
        }
        let mut kept = Vec::new();
        for (step, taken) in self.open.drain(..).zip(taken) {
            if taken { self.platter.apply(&step) } else { kept.push(step) }
        }
        self.open = kept;
    }

    /// Brings the first `steps` to the platter.
    pub(super) fn commit(&mut self, steps: usize) {
        for step in self.open.drain(..steps.min(self.open.len())) {
            self.platter.apply(&step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(directory: Inode, name: &str) -> Name {
        (directory, name.as_bytes().to_vec())
    }

    fn names(journal: &Journal, directory: Inode) -> Vec<String> {
        let entries = journal.platter.directories.get(&directory);
        entries.into_iter().flatten().map(|(name, _)| String::from_utf8(name.clone()).unwrap()).collect()
    }

    fn made(steps: &[Step]) -> Journal {
        Journal { open: steps.to_vec(), ..Journal::default() }
    }

    #[test]
    fn a_synced_file_has_no_name_unless_its_directory_is_synced_too() {
        let mut journal = made(&[Step::Link(name(ROOT, "a"), 2), Step::Size(2, 10)]);
        journal.sync_file(2, 10, Rule::Strict, true);
        assert!(names(&journal, ROOT).is_empty());
        assert_eq!(journal.platter.sizes[&2], 10);
        journal.sync_directory(ROOT, Rule::Strict);
        assert_eq!(names(&journal, ROOT), ["a"]);
        assert!(journal.open.is_empty());
    }

    #[test]
    fn a_synced_directory_has_no_name_itself_unless_the_one_above_is_synced() {
        let mut journal = made(&[Step::Link(name(ROOT, "d"), 2), Step::Link(name(2, "a"), 3)]);
        journal.sync_directory(2, Rule::Strict);
        assert_eq!((names(&journal, ROOT).len(), names(&journal, 2).len()), (0, 1));
    }

    #[test]
    fn by_the_other_rule_a_synced_file_brings_everything_before_it_along() {
        let steps = [
            Step::Link(name(ROOT, "d"), 2),
            Step::Link(name(2, "a"), 3),
            Step::Size(3, 5),
            Step::Rename(name(2, "a"), name(2, "b"), 3),
        ];
        let mut journal = made(&steps);
        journal.sync_file(3, 5, Rule::Journal, false);
        assert_eq!(names(&journal, 2), ["a"], "fdatasync needs no name");
        journal.sync_file(3, 5, Rule::Journal, true);
        assert_eq!((names(&journal, ROOT), names(&journal, 2)), (vec!["d".into()], vec!["b".into()]));
    }

    #[test]
    fn a_rename_between_directories_is_one_change() {
        let mut journal = made(&[
            Step::Link(name(2, "old"), 9),
            Step::Link(name(3, "x"), 4),
            Step::Rename(name(2, "old"), name(3, "x"), 9),
        ]);
        journal.sync_directory(2, Rule::Strict);
        assert_eq!(journal.platter.directories[&3][b"x".as_slice()], 9);
        assert!(names(&journal, 2).is_empty());
        assert!(journal.open.is_empty());
    }
}
