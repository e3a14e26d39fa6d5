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

    /// Which pages of an image differ; an error if it is too long or too short.
    pub(super) fn compare(&self, name: &str, shape: Shape, image: &[u8]) -> Result<Differing, String> {
        let found = self.partitions.iter().find(|(known, _)| known == name);
        let (_, pages) = found.ok_or_else(|| format!("the phone has no partition {name}"))?;
        let bytes = pages.iter().map(|page| shape.of(page).len()).sum::<usize>();
        if bytes != image.len() {
            return Err(format!("{name}: {} bytes instead of {bytes}", image.len()));
        }
        let size = bytes / pages.len().max(1);
        let mut differing = Differing::default();
        for (page, got) in pages.iter().zip(image.chunks(size.max(1))) {
            let wanted = shape.of(page);
            if wanted == got {
                continue;
            }
            differing.pages += 1;
            let filler = shape.of(&filler(page.len()));
            let bits = wanted.iter().zip(got).zip(&filler);
            let covered = bits.into_iter().any(|((wanted, got), filler)| (wanted ^ got) & !filler != 0);
            differing.covered += u64::from(covered);
        }
        Ok(differing)
    }
}

/// Pages of an image that are not what the phone holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Differing {
    pub(super) pages: u64,
    /// Those that differ in more than the bits no code covers.
    pub(super) covered: u64,
}

/// A stored page with ones where no code covers its bits: the last 12 of each sector (`nand-yaffs2.md` section 2).
fn filler(bytes: usize) -> Vec<u8> {
    let of_byte = |at: usize| match at % 528 {
        526 => 0xf0,
        527 => 0xff,
        _ => 0,
    };
    (0..bytes).map(of_byte).collect()
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
    fn a_wrong_bit_is_found_in_every_shape_and_told_apart_from_one_no_code_covers() {
        let truth = Truth::of(CHIPS[0]).unwrap();
        let image = truth.image("nvram");
        let shaped = |shape: Shape, image: &[u8]| -> Vec<u8> {
            image.chunks(2112).flat_map(|page| shape.of(page)).collect()
        };
        for shape in [Shape::Stored, Shape::MainOnly, Shape::SpareLast] {
            let differing = |image: &[u8]| truth.compare("nvram", shape, &shaped(shape, image)).unwrap();
            assert_eq!(differing(&image), Differing::default());
            let mut wrong = image.clone();
            wrong[2112 * 5 + 600] ^= 4;
            assert_eq!(differing(&wrong), Differing { pages: 1, covered: 1 });
            wrong[2112 * 9 + 527] ^= 4;
            let both = if shape == Shape::MainOnly { 1 } else { 2 };
            assert_eq!(differing(&wrong), Differing { pages: both, covered: 1 });
        }
        assert!(truth.compare("nvram", Shape::Stored, &image[1..]).is_err());
        assert!(truth.compare("x", Shape::Stored, &image).is_err());
    }

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
