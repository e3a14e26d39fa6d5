//! What the virtual phones really hold, from the model's side: the host's code has no part in it.

use bromide_phone::{Factory, Filling, Model, NandChip, stored_page};

use super::plan::Shape;

/// The phone that is dumped.
pub(super) const MODEL: &str = "small";
/// Seeds of the chips' contents.
pub(super) const CHIPS: [u64; 4] = [7, 11, 23, 42];
/// Pages a phone in memory has written at the start of every partition, as `--via phone:` makes it.
const WRITTEN: u32 = 256;

/// One chip's partitions.
pub(super) struct Truth {
    /// Name, and the stored pages of each.
    partitions: Vec<(String, Vec<Vec<u8>>)>,
}

impl Truth {
    /// What `phone:small?seed=SEED` holds.
    pub(super) fn of(seed: u64) -> Result<Self, String> {
        let said = |e: &dyn std::fmt::Display| format!("the virtual phone: {e}");
        let model = Model::builtin(MODEL).map_err(|e| said(&e))?;
        let mut factory = Factory::new(&model, NandChip::blank(&model.nand)).map_err(|e| said(&e))?;
        for partition in model.partitions() {
            let filling = Filling { seed, ..Filling::default() };
            factory.fill(&partition.name, WRITTEN, filling).map_err(|e| said(&e))?;
        }
        let chip = factory.finish().map_err(|e| said(&e))?;
        let page = u64::from(model.nand.page_bytes);
        let mut partitions = Vec::new();
        for partition in model.partitions() {
            let numbers = partition.start / page..(partition.start + partition.bytes) / page;
            let pages: Result<Vec<_>, _> = numbers
                .map(|number| stored_page(&model, &chip, u32::try_from(number).unwrap_or(u32::MAX)))
                .collect();
            partitions.push((partition.name.clone(), pages.map_err(|e| said(&e))?));
        }
        Ok(Self { partitions })
    }

    /// Names of the partitions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().map(|(name, _)| name.as_str())
    }

    /// Pages of all partitions together.
    pub(super) fn pages(&self) -> u64 {
        self.partitions.iter().map(|(_, pages)| pages.len() as u64).sum()
    }

    /// The image of a partition, as stored.
    #[cfg(test)]
    pub(super) fn image(&self, name: &str) -> Vec<u8> {
        self.partitions
            .iter()
            .filter(|(known, _)| known == name)
            .flat_map(|(_, pages)| pages.concat())
            .collect()
    }

    /// How many pages of an image differ; an error if it is too long or too short.
    pub(super) fn differing(&self, name: &str, shape: Shape, image: &[u8]) -> Result<u64, String> {
        let found = self.partitions.iter().find(|(known, _)| known == name);
        let (_, pages) = found.ok_or_else(|| format!("the phone has no partition {name}"))?;
        let bytes = pages.iter().map(|page| shape.of(page).len()).sum::<usize>();
        if bytes != image.len() {
            return Err(format!("{name}: {} bytes instead of {bytes}", image.len()));
        }
        let size = bytes / pages.len().max(1);
        let differ = pages.iter().zip(image.chunks(size.max(1))).filter(|(page, got)| shape.of(page) != *got);
        Ok(differ.count() as u64)
    }
}

impl Shape {
    /// The bytes of a stored page in an image of this shape: sectors of 512 + 16 (`nand-yaffs2.md` section 1).
    fn of(self, stored: &[u8]) -> Vec<u8> {
        let main = || stored.chunks(528).flat_map(|sector| sector.iter().take(512).copied());
        let spare = || stored.chunks(528).flat_map(|sector| sector.iter().skip(512).copied());
        match self {
            Self::Stored => stored.to_vec(),
            Self::MainOnly => main().collect(),
            Self::SpareLast => main().chain(spare()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart_by_its_sectors() {
        let stored: Vec<u8> = (0..4_u8).flat_map(|n| [[n; 512].as_slice(), &[n + 10; 16]].concat()).collect();
        let main = Shape::MainOnly.of(&stored);
        assert_eq!((main.len(), main[511], main[512], main[2047]), (2048, 0, 1, 3));
        let last = Shape::SpareLast.of(&stored);
        assert_eq!((last.len(), last[2047], last[2048], last[2111]), (2112, 3, 10, 13));
        assert_eq!(Shape::Stored.of(&stored), stored);
    }
}
