//! Where each object hangs: parents checked, graves emptied, cycles cut, orphans taken into lost+found
//! (nand-yaffs2.md section 6, rules 7 and 14).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::fields::Kind;
use super::problem::{Problem, Problems};
use super::{LOST_FOUND, ROOT};

/// What is known of an object before it has its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loose {
    /// None without a header.
    pub(super) kind: Option<Kind>,
    pub(super) parent: u32,
    pub(super) gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// On the way up from the object being placed.
    Open,
    Here,
    Gone,
}

/// The parent of every object that is there. Each object is looked at once, however deep the tree.
pub(super) fn place(loose: &BTreeMap<u32, Loose>, problems: &mut Problems) -> BTreeMap<u32, u32> {
    let mut parents = BTreeMap::new();
    let mut fates = BTreeMap::from([(ROOT, Fate::Here), (LOST_FOUND, Fate::Here)]);
    let mut path = Vec::new();
    for id in loose.keys() {
        let mut at = *id;
        // Up to something of known fate ...
        let fate = loop {
            match fates.get(&at) {
                Some(Fate::Open) => {
                    // `at` is above itself: it is the one that is cut off.
                    problems.add(Problem::Cycle(at));
                    parents.insert(at, LOST_FOUND);
                    while let Some(below) = path.pop() {
                        fates.insert(below, Fate::Here);
                        if below == at {
                            break;
                        }
                    }
                    break Fate::Here;
                }
                Some(fate) => break *fate,
                None => {}
            }
            let Some(object) = loose.get(&at) else { break Fate::Gone };
            match step(at, *object, loose, problems) {
                Step::Gone => {
                    fates.insert(at, Fate::Gone);
                    break Fate::Gone;
                }
                Step::Up(parent) => {
                    fates.insert(at, Fate::Open);
                    path.push(at);
                    parents.insert(at, parent);
                    at = parent;
                }
            }
        };
        // ... and down again.
        while let Some(below) = path.pop() {
            fates.insert(below, fate);
        }
    }
    parents.retain(|id, _| fates.get(id) == Some(&Fate::Here));
    parents
}

enum Step {
    Gone,
    Up(u32),
}

fn step(id: u32, object: Loose, loose: &BTreeMap<u32, Loose>, problems: &mut Problems) -> Step {
    if object.gone {
        return Step::Gone;
    }
    if object.kind.is_none() {
        problems.add(Problem::NoHeader(id));
        return Step::Up(LOST_FOUND);
    }
    let parent = object.parent;
    let is_directory = match parent {
        ROOT | LOST_FOUND => true,
        _ => loose.get(&parent).is_some_and(|parent| parent.kind == Some(Kind::Directory)),
    };
    if is_directory {
        return Step::Up(parent);
    }
    problems.add(Problem::NoParent { object: id, parent });
    Step::Up(LOST_FOUND)
}
