//! What is left when the power fails.
//!
//! Of the journal a prefix, in order. Of every page written since the last sync one of the versions it had, or what
//! was there before. The two know nothing of each other: a rename may be there and the bytes not, a size without
//! what was written (zeros then), bytes without the size.

use std::collections::{BTreeMap, HashSet};

use super::content::Content;
use super::journal::{Inode, Platter, ROOT};
use super::state::{Kind, Node, State, Stored};
use crate::soak::dice::Dice;

/// What luck a file has. Whole files in one state are more likely than chance would make them.
#[derive(Clone, Copy)]
enum Luck {
    Nothing,
    Everything,
    Mixed,
}

/// The disk after a power cut and a new start.
pub(super) fn power_cut(state: &State, seed: u64) -> State {
    let mut dice = Dice::new(seed);
    let mut journal = state.journal.clone();
    let kept = dice.below(journal.open.len() as u64 + 1);
    journal.commit(usize::try_from(kept).unwrap_or(usize::MAX));
    let mut after = State::new(state.rule);
    let mut todo = vec![(ROOT, ROOT)];
    let mut seen = HashSet::new();
    // In the order of names, so that the same seed gives the same.
    while let Some((inode, above)) = todo.pop() {
        let Some(node) = state.nodes.get(&inode).filter(|_| seen.insert(inode)) else { continue };
        let kind = match &node.kind {
            Kind::File(stored) => Kind::File(Box::new(survivor(inode, stored, &journal.platter, &mut dice))),
            Kind::Directory { .. } => {
                let entries = entries(inode, state, &journal.platter);
                todo.extend(entries.values().map(|below| (*below, inode)));
                Kind::Directory { entries, above }
            }
        };
        after.restore(inode, node, kind);
    }
    after.room = state.room;
    after
}

fn entries(directory: Inode, state: &State, platter: &Platter) -> BTreeMap<Vec<u8>, Inode> {
    let mut entries = platter.directories.get(&directory).cloned().unwrap_or_default();
    entries.retain(|_, inode| state.nodes.contains_key(inode));
    entries
}

/// A file after the power cut.
fn survivor(inode: Inode, stored: &Stored, platter: &Platter, dice: &mut Dice) -> Stored {
    let size = platter.sizes.get(&inode).copied().unwrap_or(0);
    let mut content = stored.safe.clone();
    let floor = platter.floors.get(&inode).copied().unwrap_or(u64::MAX);
    content.resize(floor.min(content.size));
    let luck = *dice.pick(&[Luck::Nothing, Luck::Everything, Luck::Mixed]).unwrap_or(&Luck::Mixed);
    for (page, versions) in &stored.since {
        let version = match luck {
            Luck::Nothing => None,
            Luck::Everything => versions.last(),
            // One more throw than versions: what was there before.
            Luck::Mixed => versions.get(usize::try_from(dice.below(versions.len() as u64 + 1)).unwrap_or(0)),
        };
        if let Some(version) = version {
            content.pages.insert(*page, version.clone());
        }
    }
    // Whatever lies behind the end is not of the file.
    let content = cut_at(content, size);
    Stored { safe: content.clone(), now: content, ..Stored::default() }
}

fn cut_at(mut content: Content, size: u64) -> Content {
    content.size = u64::MAX;
    content.resize(size);
    content
}

impl State {
    /// Puts what survived in its place, durable.
    fn restore(&mut self, inode: Inode, was: &Node, kind: Kind) {
        match &kind {
            Kind::File(stored) => {
                self.journal.platter.sizes.insert(inode, stored.now.size);
            }
            Kind::Directory { entries, .. } => {
                self.journal.platter.directories.insert(inode, entries.clone());
            }
        }
        self.add(inode, was.again(kind));
    }
}
