//! A chip drawn block by block as a picture: SVG, with words for those who point at a block or cannot see it, and PNG.

use bromide_nand::report::BlockState;

use super::draw_pages::{Look, look, looks, present, rank};
use crate::cmd::map::escaped;
use crate::numbers::grouped;

/// Blocks in a row.
const ROW: usize = 64;

/// Width and height of a block with the gap behind it.
const CELL: usize = 12;

/// Gap between blocks.
const GAP: usize = 1;

/// Room for the number of a row's first block.
const LEFT: usize = 60;

/// Room for the title.
const TOP: usize = 40;

/// Height of a line of the legend.
const LINE: usize = 20;

/// The map as SVG. `pages` are those of a block.
pub(super) fn svg(title: &str, blocks: &[BlockState], pages: u32) -> String {
    let (rows, present) = (blocks.len().div_ceil(ROW), present(blocks));
    let (width, below) = (LEFT + ROW * CELL + 10, TOP + rows * CELL + 10);
    let height = below + present.len() * LINE + 10;
    let title = escaped(title);
    let told: Vec<String> =
        present.iter().map(|(look, count)| format!("{} {}", grouped(*count), look.word)).collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\" role=\"img\" \
         aria-labelledby=\"title desc\">\n<title id=\"title\">Blocks of {title}</title>\n\
         <desc id=\"desc\">{} blocks of {pages} pages, {ROW} in a row. Blocks by the worst of their pages: {}.</desc>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"14\">{title}: {} blocks of {pages} pages</text>\n",
        blocks.len(),
        told.join("; "),
        grouped(blocks.len() as u64)
    );
    let side = CELL - GAP;
    for (row, cells) in blocks.chunks(ROW).enumerate() {
        let y = TOP + row * CELL;
        text += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"10\">{}</text>\n",
            LEFT - 6,
            y + CELL - 3,
            row * ROW
        );
        for (column, state) in cells.iter().enumerate() {
            let (x, block, look) = (LEFT + column * CELL, row * ROW + column, look(*state));
            text += &format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{}\"><title>block {block}: {}\
                 </title></rect>\n",
                colour(look),
                look.word
            );
        }
    }
    for (line, (look, count)) in present.iter().enumerate() {
        let y = below + line * LINE;
        text += &format!(
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{}\" stroke=\"#666\" \
             stroke-width=\"0.5\"/><text x=\"{}\" y=\"{}\">{}: {}</text>\n",
            colour(look),
            LEFT + CELL + 8,
            y + CELL - 2,
            look.word,
            grouped(*count)
        );
    }
    text + "</svg>\n"
}

fn colour(look: &Look) -> String {
    let [red, green, blue] = look.rgb;
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The map as PNG: a square for each block, rows as in the SVG, in the colours of its legend.
pub(super) fn png(blocks: &[BlockState]) -> Result<Vec<u8>, png::EncodingError> {
    let rows = blocks.len().div_ceil(ROW).max(1);
    let (width, height) = (ROW * CELL + GAP, rows * CELL + GAP);
    let white = looks().len();
    let mut pixels = vec![white as u8; width * height];
    for (block, state) in blocks.iter().enumerate() {
        let (left, top) = (block % ROW * CELL + GAP, block / ROW * CELL + GAP);
        for line in pixels.chunks_exact_mut(width).skip(top).take(CELL - GAP) {
            line[left..left + CELL - GAP].fill(rank(*state) as u8);
        }
    }
    let palette: Vec<u8> = looks().iter().flat_map(|look| look.rgb).chain([0xFF; 3]).collect();
    let mut file = Vec::new();
    // At most 64 x 12 pixels wide and 1024 rows of blocks high.
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip() -> Vec<BlockState> {
        let mut chip = vec![BlockState::Clean; 100];
        chip[99] = BlockState::Damaged;
        chip
    }

    #[test]
    fn the_svg_has_a_square_with_its_words_for_every_block_and_escapes_the_name() {
        let text = svg("<a>.img", &chip(), 64);
        assert_eq!(text.matches("<title>block ").count(), 100);
        assert!(
            text.contains("<title>block 99: damaged</title>")
                && text.contains("<title>block 0: clean</title>")
        );
        assert!(text.contains("<title id=\"title\">Blocks of &lt;a&gt;.img</title>"));
        assert!(text.contains("99 clean; 1 damaged."));
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn the_png_has_a_square_in_its_colour_for_every_block() {
        let bytes = png(&chip()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (769, 25));
        let at = |x: usize, y: usize| <[u8; 3]>::try_from(&pixels[(y * 769 + x) * 3..][..3]).unwrap();
        assert_eq!(at(5, 5), look(BlockState::Clean).rgb);
        assert_eq!(at(35 * 12 + 5, 17), look(BlockState::Damaged).rgb);
        assert_eq!(at(36 * 12 + 5, 17), [0xFF; 3], "there is no block 100");
        assert_eq!(at(12, 5), [0xFF; 3], "the gap");
    }
}
