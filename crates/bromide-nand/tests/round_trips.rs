//! Properties of pages of every size: nothing is lost between layouts, and what is written checks.

use bromide_nand::{Geometry, Layout, LayoutError, PageState, check_page, encode_page, fdm};
use proptest::collection::vec;
use proptest::prelude::*;

fn page_size() -> impl Strategy<Value = u32> {
    (0..=5_u32).prop_map(|power| 512 << power)
}

/// A chip with any spare, and a stored page of it.
fn any_page() -> impl Strategy<Value = (Geometry, Vec<u8>)> {
    page_size().prop_flat_map(|page| (Just(page), 1..=page / 4)).prop_flat_map(|(page, spare)| {
        let chip = Geometry::new(page, spare, 64, 1024).unwrap();
        (Just(chip), vec(any::<u8>(), usize::try_from(page + spare).unwrap()))
    })
}

/// A chip with the known ECC, and main and software bytes for a page of it.
fn any_content() -> impl Strategy<Value = (Geometry, Vec<u8>, Vec<u8>)> {
    page_size().prop_flat_map(|page| {
        let sectors = usize::try_from(page / 512).unwrap();
        let chip = Geometry::new(page, page / 32, 64, 1024).unwrap();
        (Just(chip), vec(any::<u8>(), sectors * 512), vec(any::<u8>(), 0..sectors * 7))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_page_survives_the_way_to_the_other_layout_and_back((chip, page) in any_page()) {
        let (mut other, mut back) = (vec![0; page.len()], vec![0; page.len()]);
        Layout::Interleaved.convert(&page, Layout::DataThenSpare, &mut other, &chip).unwrap();
        Layout::DataThenSpare.convert(&other, Layout::Interleaved, &mut back, &chip).unwrap();
        prop_assert_eq!(&back, &page);
    }

    #[test]
    fn every_byte_goes_where_the_notes_say((chip, page) in any_page()) {
        let mut other = vec![0; page.len()];
        Layout::Interleaved.convert(&page, Layout::DataThenSpare, &mut other, &chip).unwrap();
        let size = |bytes: u32| usize::try_from(bytes).unwrap();
        let (main, spare) = (size(chip.page), size(chip.spare_per_sector()));
        for at in 0..main {
            prop_assert_eq!(other[at], page[at / 512 * (512 + spare) + at % 512]);
        }
        let sectors = size(chip.sectors_per_page());
        for at in 0..sectors * spare {
            prop_assert_eq!(other[main + at], page[at / spare * (512 + spare) + 512 + at % spare]);
        }
        // The bytes no sector owns stay at the end.
        let owned = sectors * (512 + spare);
        prop_assert_eq!(&other[owned..], &page[owned..]);
    }

    #[test]
    fn main_bytes_are_the_same_from_every_layout((chip, page) in any_page()) {
        let mut other = vec![0; page.len()];
        Layout::Interleaved.convert(&page, Layout::DataThenSpare, &mut other, &chip).unwrap();
        let mut mains = [0; 3].map(|byte| vec![byte; usize::try_from(chip.page).unwrap()]);
        let [first, second, third] = &mut mains;
        Layout::Interleaved.main_bytes(&page, first, &chip).unwrap();
        Layout::DataThenSpare.main_bytes(&other, second, &chip).unwrap();
        Layout::MainOnly.main_bytes(second, third, &chip).unwrap();
        prop_assert_eq!(&*first, &other[..first.len()]);
        prop_assert_eq!(&*first, &*second);
        prop_assert_eq!(&*first, &*third);
    }

    #[test]
    fn a_wrong_length_is_an_error_and_changes_nothing((chip, page) in any_page(), wrong in 0..20_000_usize) {
        prop_assume!(wrong != page.len());
        let expected = page.len();
        let error = Err(LayoutError::Length { expected, found: wrong });
        let mut target = vec![0x5a; expected];
        let short = vec![0; wrong];
        prop_assert_eq!(
            Layout::Interleaved.convert(&short, Layout::DataThenSpare, &mut target, &chip), error);
        prop_assert!(target.iter().all(|byte| *byte == 0x5a));
        let mut target = vec![0x5a; wrong];
        prop_assert_eq!(
            Layout::DataThenSpare.convert(&page, Layout::Interleaved, &mut target, &chip), error);
        prop_assert!(target.iter().all(|byte| *byte == 0x5a));
        prop_assert_eq!(check_page(&short, Layout::Interleaved, &chip), PageState::NotChecked);
    }

    #[test]
    fn main_bytes_alone_give_no_spare((chip, page) in any_page()) {
        let main = &page[..usize::try_from(chip.page).unwrap()];
        let mut target = vec![0x5a; page.len()];
        let answer = Layout::MainOnly.convert(main, Layout::Interleaved, &mut target, &chip);
        prop_assert_eq!(answer, Err(LayoutError::NoSpare));
        prop_assert!(target.iter().all(|byte| *byte == 0x5a));
        prop_assert!(Layout::MainOnly.sectors(main, &chip).is_err());
    }

    #[test]
    fn a_written_page_is_clean_and_gives_everything_back(
        (chip, main, software) in any_content(),
        stands_for in any::<Option<u16>>(),
    ) {
        let mut page = vec![0; usize::try_from(chip.stored_page()).unwrap()];
        encode_page(&main, &software, stands_for, &chip, &mut page).unwrap();
        prop_assert_eq!(check_page(&page, Layout::Interleaved, &chip), PageState::Clean);
        prop_assert_eq!(bromide_nand::bad_mark(&page, Layout::Interleaved, &chip), Some(false));

        let sectors = main.len() / 512;
        let mut back = vec![0; main.len()];
        Layout::Interleaved.main_bytes(&page, &mut back, &chip).unwrap();
        prop_assert_eq!(&back, &main);
        let mut fdm_bytes = vec![0; sectors * 8];
        Layout::Interleaved.fdm_bytes(&page, &mut fdm_bytes, &chip).unwrap();
        prop_assert!(fdm::check_holds(&fdm_bytes));
        prop_assert_eq!(fdm::index(&fdm_bytes), Some(stands_for.unwrap_or(fdm::NOT_REMAPPED)));
        let mut tags = vec![0; fdm::software_bytes(sectors)];
        prop_assert_eq!(fdm::software(&fdm_bytes, &mut tags), tags.len());
        let mut expected = software;
        expected.resize(tags.len(), 0xff);
        prop_assert_eq!(tags, expected);
    }

    #[test]
    fn flipped_bits_of_a_written_page_are_counted_or_called_damage(
        (chip, main, software) in any_content(),
        flips in proptest::collection::btree_set((0..32_usize, 0..4212_usize), 1..12),
    ) {
        let mut page = vec![0; usize::try_from(chip.stored_page()).unwrap()];
        encode_page(&main, &software, None, &chip, &mut page).unwrap();
        let sectors = main.len() / 512;
        let flips: std::collections::BTreeSet<_> =
            flips.into_iter().map(|(sector, bit)| (sector % sectors, bit)).collect();
        let mut wrong = vec![0_u8; sectors];
        for (sector, bit) in &flips {
            page[sector * 528 + bit / 8] ^= 1 << (bit % 8);
            wrong[*sector] += 1;
        }
        let worst = wrong.iter().copied().max().unwrap();
        let state = check_page(&page, Layout::Interleaved, &chip);
        if worst <= 4 {
            prop_assert_eq!(state, PageState::Correctable { bits: u16::try_from(flips.len()).unwrap(), worst });
        } else {
            // More than four may pass for other four (0.3 %), never for none.
            let noticed = matches!(state, PageState::Damaged { .. } | PageState::Correctable { .. });
            prop_assert!(noticed, "{state:?}");
        }
    }

    #[test]
    fn no_bytes_whatever_upset_the_readers(bytes in vec(any::<u8>(), 0..3000), pool in any::<u8>()) {
        let chip = Geometry::new(2048, 64, 64, 4096).unwrap();
        for layout in [Layout::Interleaved, Layout::DataThenSpare, Layout::MainOnly] {
            let _ = check_page(&bytes, layout, &chip);
            let _ = bromide_nand::bad_mark(&bytes, layout, &chip);
        }
        let _ = bromide_nand::bmt::Bmt::parse(&bytes, pool);
        let _ = (fdm::index(&bytes), fdm::check_holds(&bytes), fdm::software(&bytes, &mut [0; 25]));
    }
}
