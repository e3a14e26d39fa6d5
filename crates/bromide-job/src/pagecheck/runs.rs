//! Lists of pages that stay small: neighbours of which the same is said are one entry.

/// Most entries of one list. As many as the largest chip seen so far has pages (512 MiB in pages of 2048 bytes), so
/// that its lists are always whole; pages beyond are still counted. An entry takes 16 bytes.
pub const MOST_RUNS: usize = 262_144;

/// Neighbouring pages of which the same is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<T> {
    /// Number of the first page.
    pub first: u64,
    /// How many pages.
    pub pages: u32,
    /// What is said of each.
    pub what: T,
}

/// Pages in rising order with what is said of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs<T> {
    list: Vec<Run<T>>,
    unlisted: u64,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { list: Vec::new(), unlisted: 0 }
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    /// Adds a page behind all others.
    pub(super) fn push(&mut self, page: u64, what: T) {
        if self.unlisted == 0
            && let Some(last) = self.list.last_mut()
            && last.what == what
            && last.first + u64::from(last.pages) == page
            && last.pages < u32::MAX
        {
            last.pages += 1;
        } else if self.list.len() < MOST_RUNS {
            self.list.push(Run { first: page, pages: 1, what });
        } else {
            self.unlisted += 1;
        }
    }

    /// The entries, in order of their pages.
    #[must_use]
    pub fn list(&self) -> &[Run<T>] {
        &self.list
    }

    /// Every listed page with what is said of it.
    pub fn pages(&self) -> impl Iterator<Item = (u64, T)> + '_ {
        self.list
            .iter()
            .flat_map(|run| (run.first..run.first + u64::from(run.pages)).map(move |p| (p, run.what)))
    }

    /// Pages that are counted but found no room in the list.
    #[must_use]
    pub const fn unlisted(&self) -> u64 {
        self.unlisted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_kind_are_one_entry() {
        let mut runs = Runs::default();
        for (page, what) in [(5, 'a'), (6, 'a'), (7, 'b'), (9, 'b'), (10, 'b')] {
            runs.push(page, what);
        }
        let entry = |first, pages, what| Run { first, pages, what };
        assert_eq!(runs.list(), [entry(5, 2, 'a'), entry(7, 1, 'b'), entry(9, 2, 'b')]);
        let pages: Vec<_> = runs.pages().collect();
        assert_eq!(pages, [(5, 'a'), (6, 'a'), (7, 'b'), (9, 'b'), (10, 'b')]);
        assert_eq!(runs.unlisted(), 0);
    }

    #[test]
    fn a_list_without_room_still_counts_every_page() {
        let mut runs = Runs::default();
        for page in 0..MOST_RUNS as u64 + 1000 {
            runs.push(page * 2, ());
        }
        assert_eq!(runs.list().len(), MOST_RUNS);
        assert_eq!(runs.unlisted(), 1000);
    }

    #[test]
    fn an_entry_has_the_size_that_bounds_memory() {
        assert!(size_of::<Run<u32>>() <= 16);
        assert!(size_of::<Run<super::super::WrongBits>>() <= 16);
    }
}
