//! A map drawn to scale: a bar of characters for the terminal, and an SVG.

use super::region_name;
use super::show::Span;
use crate::numbers::grouped;
use crate::out::harmless;

/// Width of a drawn region in characters and in units of the SVG.
const CELLS: u16 = 72;
const WIDTH: u32 = 1000;

/// The sign of a partition in the drawing; they repeat in maps of more than 62.
pub(super) fn sign(at: usize) -> char {
    let signs = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char::from(signs[at % signs.len()])
}

/// What is drawn of a region: its title, the end of its last span, the spans with their numbers.
type Drawn<'a> = (String, u64, Vec<(usize, &'a Span<'a>)>);

fn regions<'a>(spans: &'a [Span<'a>]) -> Vec<Drawn<'a>> {
    let mut regions: Vec<Drawn<'a>> = Vec::new();
    for (at, it) in spans.iter().enumerate().filter(|(_, it)| it.size().is_some_and(|size| size > 0)) {
        let title = format!("{} {}", it.storage, region_name(it.region));
        let end = it.end.unwrap_or(0);
        match regions.iter_mut().find(|region| region.0 == title) {
            Some(region) => {
                region.1 = region.1.max(end);
                region.2.push((at, it));
            }
            None => regions.push((title, end, vec![(at, it)])),
        }
    }
    regions
}

/// One line a region: every cell shows what covers its middle.
pub(super) fn bars(spans: &[Span<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (title, end, spans) in regions(spans) {
        let cell = |at: u16| {
            let middle = u128::from(end) * (2 * u128::from(at) + 1) / (2 * u128::from(CELLS));
            let covers = |it: &Span<'_>| {
                it.start.is_some_and(|start| u128::from(start) <= middle)
                    && it.end.is_some_and(|end| middle < u128::from(end))
            };
            spans.iter().find(|(_, it)| covers(it)).map_or('.', |(at, _)| sign(*at))
        };
        lines.push(String::new());
        lines.push(harmless(&format!("{title}, {} bytes to scale", grouped(end))));
        lines.push(format!("|{}|", (0..CELLS).map(cell).collect::<String>()));
    }
    lines
}

/// Every region as a bar to scale; the name and place of a partition appear when it is pointed at.
pub(super) fn svg(spans: &[Span<'_>]) -> String {
    const COLOURS: [&str; 6] = ["#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377"];
    let regions = regions(spans);
    let height = regions.len() * 90 + 20;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{height}\" viewBox=\"0 0 {0} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n",
        WIDTH + 20
    );
    for (row, (title, end, spans)) in regions.iter().enumerate() {
        let top = row * 90 + 30;
        text += &format!("<text x=\"10\" y=\"{}\">{}, {end:#x} bytes</text>\n", top - 8, escaped(title));
        let scale = |it: u64| 10.0 + f64::from(WIDTH) * (it as f64) / (*end as f64);
        for (at, it) in spans {
            let (Some(from), Some(to)) = (it.start, it.end) else { continue };
            let (x, width) = (scale(from), (scale(to) - scale(from)).max(0.5));
            let (colour, name) = (COLOURS[at % COLOURS.len()], escaped(it.name));
            text += &format!(
                "<g><title>{name} {from:#x} to {to:#x}</title>\
                 <rect x=\"{x:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"44\" fill=\"{colour}\" stroke=\"white\" stroke-width=\"0.3\"/>"
            );
            // About 7 units a letter: shorter bars keep their name for the pointer.
            if width > 7.0 * it.name.chars().count() as f64 {
                text += &format!("<text x=\"{:.2}\" y=\"{}\">{name}</text>", x + 3.0, top + 26);
            }
            text += "</g>\n";
        }
    }
    text + "</svg>\n"
}

/// Fit for XML, which has no control characters at all.
pub(crate) fn escaped(text: &str) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() { '?' } else { it }).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use bromide_image::map;

    use super::super::show::spans;
    use super::*;

    const OLD: &[u8] = b"PRELOADER 0x0\n{\n}\nANDROID 0x40000\n{\n}\nUSRDATA 0x80000\n{\n}\n";

    #[test]
    fn the_bar_is_to_scale() {
        let map = map::parse(OLD).unwrap();
        let lines = bars(&spans(&map, Some(0x10_0000)));
        let cells = lines.last().unwrap();
        let count = |sign| cells.chars().filter(|it| *it == sign).count();
        assert_eq!((count('a'), count('b'), count('c')), (18, 18, 36));
    }

    #[test]
    fn the_drawing_escapes_foreign_names() {
        let map = map::parse(b"mtd0: 00040000 00020000 \"<a&b>\"\n").unwrap();
        let text = svg(&spans(&map, None));
        assert!(text.contains("<title>&lt;a&amp;b&gt; 0x0 to 0x40000</title>"), "{text}");
    }
}
