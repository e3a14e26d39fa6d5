//! What was odd about a YAFFS2 image, a sentence for each sort of problem.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::{Discriminant, discriminant};

use crate::read_at::ReadAt;
use crate::yaffs2::read::{Problem, Tree};

/// Pages of the smallest chip that a phone would have: 128 MiB.
const SMALLEST_CHIP: u32 = 65536;

/// The problems of an image by their sorts, with the first of each.
pub(super) fn doubts<S: ReadAt>(tree: &Tree<S>) -> Vec<String> {
    let problems = tree.problems();
    let mut sorts: Vec<(Discriminant<Problem>, Problem, u64)> = Vec::new();
    for problem in problems.named() {
        let sort = discriminant(problem);
        match sorts.iter_mut().find(|it| it.0 == sort) {
            Some(it) => it.2 = it.2.saturating_add(1),
            None => sorts.push((sort, *problem, 0)),
        }
    }
    let mut told = Vec::new();
    if may_be_several(tree) {
        told.push("this looks like more than one partition; their files would be mixed up".to_string());
    }
    told.extend(sorts.iter().map(|(_, first, more)| match more {
        0 => worded(tree, first),
        more => format!("{} (and {more} more like it)", worded(tree, first)),
    }));
    if problems.more() != 0 {
        told.push(format!("{} problems more", problems.more()));
    }
    told
}

/// Whether more than one partition may be in the image: it is as large as chips are, or whole blocks are of no file
/// system.
fn may_be_several<S: ReadAt>(tree: &Tree<S>) -> bool {
    let counts = tree.counts();
    let known = [counts.blank, counts.chunks, counts.damaged, counts.checkpoint, counts.summary, counts.bad];
    let foreign = known.iter().fold(counts.pages, |left, it| left.saturating_sub(*it));
    foreign >= 64 || (counts.pages >= SMALLEST_CHIP && counts.pages.is_power_of_two())
}

/// A problem in words, with the name it is about; what is no UTF-8 or steers a terminal is escaped.
fn worded<S: ReadAt>(tree: &Tree<S>, problem: &Problem) -> String {
    match problem {
        Problem::Name(id) => {
            let name = tree.node(*id).map_or(&[][..], |node| &node.name);
            format!("the name {} is not safe to use as it is", name.escape_ascii())
        }
        other => other.to_string(),
    }
}
