//! A chip drawn block by block in a terminal: every block a sign of its own, with colour where that is wanted.
//!
//! The signs differ without colour, and what they mean stands below.

use std::io::IsTerminal as _;

use bromide_nand::report::BlockState;

use crate::numbers::grouped;

/// Most rows; larger chips have several blocks in a cell.
const MOST_ROWS: usize = 64;

/// Width where there is no terminal to ask.
const USUAL_WIDTH: usize = 80;

/// How a state is shown everywhere.
pub(super) struct Look {
    /// In a terminal.
    pub(super) sign: char,
    /// In words.
    pub(super) word: &'static str,
    /// In a picture: red, green, blue.
    pub(super) rgb: [u8; 3],
    /// In a terminal with colours: parameters of the escape code.
    ansi: &'static str,
}

/// All states, the better first.
const LOOKS: [Look; 9] = [
    Look { sign: '.', word: "blank", rgb: [0xE6, 0xE6, 0xE6], ansi: "2" },
    Look { sign: 'o', word: "clean", rgb: [0x4D, 0xAF, 0x7C], ansi: "32" },
    Look { sign: '1', word: "corrected, 1 wrong bit in a sector", rgb: [0xD9, 0xEF, 0x8B], ansi: "36" },
    Look { sign: '2', word: "corrected, 2 wrong bits in a sector", rgb: [0xFE, 0xE0, 0x8B], ansi: "96" },
    Look { sign: '3', word: "corrected, 3 wrong bits in a sector", rgb: [0xFD, 0xAE, 0x61], ansi: "33" },
    Look { sign: '4', word: "corrected, 4 wrong bits in a sector", rgb: [0xF4, 0x6D, 0x43], ansi: "93" },
    Look { sign: '?', word: "not checked", rgb: [0x9E, 0x9E, 0x9E], ansi: "34" },
    Look { sign: 'X', word: "damaged", rgb: [0xA5, 0x00, 0x26], ansi: "1;31" },
    Look { sign: 'B', word: "marked bad", rgb: [0x54, 0x27, 0x88], ansi: "1;35" },
];

/// Place of a state among [`LOOKS`].
pub(super) fn rank(state: BlockState) -> usize {
    match state {
        BlockState::Blank => 0,
        BlockState::Clean => 1,
        BlockState::Corrected(worst) => 1 + usize::from(worst.clamp(1, 4)),
        BlockState::NotChecked => 6,
        BlockState::Damaged => 7,
        BlockState::BadMark => 8,
    }
}

/// How a state is shown.
pub(super) fn look(state: BlockState) -> &'static Look {
    &LOOKS[rank(state)]
}

/// The states there are, the better first, with the number of blocks in each.
pub(super) fn present(blocks: &[BlockState]) -> Vec<(&'static Look, u64)> {
    let mut counts = [0_u64; LOOKS.len()];
    for block in blocks {
        counts[rank(*block)] += 1;
    }
    LOOKS.iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

/// All looks, by [`rank`].
pub(super) fn looks() -> &'static [Look] {
    &LOOKS
}

/// Where and how a map is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Canvas {
    /// Columns.
    width: usize,
    colour: bool,
}

impl Canvas {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        Self { width: columns().unwrap_or(USUAL_WIDTH), colour }
    }

    /// The chip as rows of cells, and below them what the signs mean.
    pub(super) fn map(self, blocks: &[BlockState]) -> Vec<String> {
        let label = blocks.len().to_string().len();
        let room = self.width.saturating_sub(label + 4).clamp(8, 128);
        let row = room - room % 8;
        let in_cell = blocks.len().div_ceil(row * MOST_ROWS).max(1);
        let mut lines = vec![match in_cell {
            1 => "every sign a block:".to_owned(),
            _ => format!("every sign {in_cell} blocks, the worst of them shown:"),
        }];
        for (number, blocks) in blocks.chunks(row * in_cell).enumerate() {
            let first = number * row * in_cell;
            let cells: Vec<&Look> = blocks
                .chunks(in_cell)
                .map(|cell| &LOOKS[cell.iter().map(|it| rank(*it)).max().unwrap_or(0)])
                .collect();
            lines.push(format!("{first:>label$} |{}|", self.cells(&cells)));
        }
        let meaning = |(look, count): (&Look, u64)| {
            let blocks = if count == 1 { "block" } else { "blocks" };
            format!("  {} {}: {} {blocks}", self.cells(&[look]), look.word, grouped(count))
        };
        lines.extend(present(blocks).into_iter().map(meaning));
        lines
    }

    /// Signs, those of one look painted together.
    fn cells(self, cells: &[&Look]) -> String {
        let mut text = String::new();
        for same in cells.chunk_by(|a, b| a.sign == b.sign) {
            let signs = same.iter().map(|look| look.sign);
            match same.first() {
                Some(look) if self.colour => {
                    text += &format!("\x1b[{}m", look.ansi);
                    text.extend(signs);
                    text += "\x1b[0m";
                }
                _ => text.extend(signs),
            }
        }
        text
    }
}

/// Columns of the terminal behind standard output.
#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Canvas = Canvas { width: 80, colour: false };

    fn chip(blocks: usize) -> Vec<BlockState> {
        let mut chip = vec![BlockState::Clean; blocks];
        chip[blocks / 2..].fill(BlockState::Blank);
        chip[1] = BlockState::Damaged;
        chip[2] = BlockState::Corrected(3);
        chip[3] = BlockState::BadMark;
        chip
    }

    #[test]
    fn every_block_has_its_sign_and_every_sign_its_meaning() {
        let lines = PLAIN.map(&chip(100));
        assert_eq!(lines[0], "every sign a block:");
        assert_eq!(lines[1], format!("  0 |oX3B{}{}|", "o".repeat(46), ".".repeat(22)));
        assert_eq!(lines[2], format!(" 72 |{}|", ".".repeat(28)));
        assert_eq!(
            lines[3..],
            [
                "  . blank: 50 blocks",
                "  o clean: 47 blocks",
                "  3 corrected, 3 wrong bits in a sector: 1 block",
                "  X damaged: 1 block",
                "  B marked bad: 1 block",
            ]
        );
    }

    #[test]
    fn a_large_chip_keeps_its_worst_blocks_in_sight_and_fits_any_width() {
        let mut large = vec![BlockState::Clean; 65536];
        large[40_000] = BlockState::Damaged;
        for width in [0, 20, 80, 500] {
            let lines = Canvas { width, colour: false }.map(&large);
            assert!(lines.len() <= MOST_ROWS + 3 && lines.iter().any(|line| line.contains('X')));
            assert!(width < 20 || lines[1].len() <= width, "{width}: {}", lines[1].len());
        }
        assert_eq!(PLAIN.map(&[]).len(), 1);
    }

    #[test]
    fn colours_come_on_top_of_the_signs() {
        let coloured = Canvas { width: 80, colour: true }.map(&chip(100)).join("\n");
        assert!(coloured.contains("\x1b[1;31mX\x1b[0m"));
        let mut plain = coloured;
        for look in looks() {
            plain = plain.replace(&format!("\x1b[{}m", look.ansi), "");
        }
        assert_eq!(plain.replace("\x1b[0m", ""), PLAIN.map(&chip(100)).join("\n"));
    }

    #[test]
    fn no_two_states_look_alike() {
        for (at, one) in looks().iter().enumerate() {
            for other in &looks()[at + 1..] {
                assert!(one.sign != other.sign && one.rgb != other.rgb && one.ansi != other.ansi);
            }
        }
    }
}
