//! Images as pages of a chip: what a user can say of their form, opened, and what ended a look at one.

use std::path::Path;

use bromide_image::read_at::ReadAt;
use bromide_job::event::Event;
use bromide_job::pageimage::{Checked, DamagedPage, Form, PageImageError, Shape, detect};
use bromide_link::Cancel;
use bromide_nand::Geometry;
use bromide_nand::report::Counts;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::stoppable::Stoppable;
use crate::front::Front;
use crate::numbers::grouped;
use crate::report::{Failure, exit};

/// Damaged pages that are listed on a screen.
const LISTED: usize = 24;

/// Entries of each list for programs.
pub(super) const MOST_LISTED: usize = 4096;

/// What the pages of an image are like.
#[derive(Debug, Args)]
pub(super) struct Pages {
    /// How the pages lie in the file [default: found from the bytes, by the parity]
    #[arg(long, value_name = "FORM")]
    layout: Option<FormArg>,
    /// Main bytes of a page
    #[arg(long, value_name = "BYTES", default_value_t = 2048)]
    page_size: u32,
    /// Spare bytes of a page [default: 16 for every 512 main bytes]
    #[arg(long, value_name = "BYTES")]
    spare: Option<u32>,
    /// Pages of an erase block
    #[arg(long, value_name = "PAGES", default_value_t = 64)]
    pages_per_block: u32,
}

/// A form by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormArg {
    /// As the chip stores it, and bromide read writes it: 512 main bytes, 16 spare bytes, and so on
    #[value(alias = "interleaved")]
    Raw,
    /// Main bytes of a page, then its spare bytes (bromide read --spare-last)
    SpareLast,
    /// Main bytes alone (bromide read --main-only)
    MainOnly,
    /// Main bytes, then spare bytes that begin with the YAFFS2 tags: a vendor's system.img, what unyaffs reads
    YaffsImage,
}

impl From<FormArg> for Form {
    fn from(arg: FormArg) -> Self {
        match arg {
            FormArg::Raw => Self::Interleaved,
            FormArg::SpareLast => Self::SpareLast,
            FormArg::MainOnly => Self::MainOnly,
            FormArg::YaffsImage => Self::YaffsImage,
        }
    }
}

/// An image and the shape of its pages.
pub(super) struct Image {
    pub(super) source: Stoppable,
    pub(super) shape: Shape,
    pub(super) title: String,
    cancel: Cancel,
}

impl Image {
    /// Opens an image and finds out its form, unless the user said it.
    pub(super) fn open(path: &Path, pages: &Pages, cancel: &Cancel) -> Result<Self, Failure> {
        let title = path.display().to_string();
        let source = Stoppable::open(path, cancel)?;
        let failed = |e: PageImageError| failure(&title, &e, cancel);
        let geometry = pages.geometry().map_err(failed)?;
        let form = match pages.layout {
            Some(form) => Some(form.into()),
            None => detect(&source, &geometry).map_err(|e| failed(e.into()))?,
        };
        let Some(form) = form else {
            let (bytes, page) = (source.len(), geometry.stored_page());
            if bytes < u64::from(page) {
                return Err(failed(PageImageError::TooShort { bytes, page }));
            }
            let (stored, main) = (geometry.stored_page(), geometry.page);
            let what = format!(
                "{title}: no layout fits: the parity of no page of {stored} bytes is right, and {} bytes are no \
                 whole number of pages of {main}",
                grouped(source.len())
            );
            let advice = format!(
                "bromide identify {title} tells what it is; --page-size and --spare are for other chips, --layout says \
                 what cannot be found"
            );
            return Err(Failure::new("image/unknown-layout", exit::FAILED, what, advice));
        };
        let shape = Shape::new(source.len(), form, geometry).map_err(failed)?;
        Ok(Self { source, shape, title, cancel: cancel.clone() })
    }

    /// What ended the work on it.
    pub(super) fn failed(&self, error: &PageImageError) -> Failure {
        failure(&self.title, error, &self.cancel)
    }

    /// Draws progress; says whether to go on.
    pub(super) fn go_on(&self, front: &mut Front, done: u64) -> bool {
        front.advance(done);
        !self.cancel.is_set()
    }

    /// Bytes of its whole pages.
    pub(super) fn bytes(&self) -> u64 {
        self.shape.offset(self.shape.pages)
    }

    /// What it is, in a line.
    pub(super) fn head(&self) -> String {
        let Shape { form, geometry, pages, .. } = self.shape;
        let page = match form {
            Form::MainOnly => geometry.page.to_string(),
            _ => format!("{} + {}", geometry.page, geometry.spare),
        };
        format!(
            "{}: {} bytes, {form}: {} pages of {page} bytes, {} block{}",
            self.title,
            grouped(self.source.len()),
            grouped(pages.into()),
            grouped(geometry.blocks.into()),
            if geometry.blocks == 1 { "" } else { "s" }
        )
    }

    /// A word about bytes behind the last whole page.
    pub(super) fn tell_left_over(&self, front: &mut Front) {
        if self.shape.left_over != 0 {
            let told = format!(
                "{}: the last {} bytes are the beginning of a page that is not whole; they are not looked at",
                self.title,
                grouped(self.shape.left_over)
            );
            front.tell(&Event::Warning(&told));
        }
    }

    /// The fields every event about an image of pages has.
    pub(super) fn value(&self, event: &str) -> Value {
        let Shape { form, geometry, pages, left_over } = self.shape;
        json!({
            "event": event, "file": self.title, "bytes": self.source.len(), "form": form.name(),
            "page": geometry.page, "spare": geometry.spare, "pages_per_block": geometry.pages_per_block,
            "blocks": geometry.blocks, "page_count": pages, "left_over": left_over,
        })
    }
}

impl Pages {
    /// As many blocks as any chip has: the file says how many there are.
    fn geometry(&self) -> Result<Geometry, PageImageError> {
        let spare = self.spare.unwrap_or(self.page_size / 32);
        Ok(Geometry::new(self.page_size, spare, self.pages_per_block, 65536)?)
    }
}

/// What happened, and what to do about it.
fn failure(title: &str, error: &PageImageError, cancel: &Cancel) -> Failure {
    use PageImageError as E;
    if cancel.is_set() {
        return Failure::stopped();
    }
    let advice = match error {
        E::Stopped => return Failure::stopped(),
        E::Save(e) => return Failure::of_save(e),
        E::Read(_) | E::Thread(_) => "check that the disk works, and repeat the command".to_owned(),
        E::TooShort { .. } => format!("bromide identify {title} tells what it is"),
        E::LeftOver { whole, .. } => format!(
            "the file was cut short: read it again; to go on without the last page: truncate -s {whole} on a copy"
        ),
        E::Geometry(_) => {
            "--page-size, --spare and --pages-per-block are those of the chip; an image is at most one chip".into()
        }
        E::OverInput(_) => "name another file with -o".into(),
        E::NoParity(_) => "only raw and spare-last images have parity; read it without --main-only".into(),
        E::UnknownEcc { .. } => "--page-size and --spare say what the pages are".into(),
        E::SameForm(_) => "choose another form with --to; if it is not in that form, say which with --layout".into(),
        E::SpareIsGone => {
            "--fill-spare builds spare bytes with parity and without tags: right for a boot image, useless for YAFFS2"
                .into()
        }
        E::TagsAreGone => "read the partition again, without --main-only".into(),
        E::NoRoomForTags => "convert to raw, spare-last or main-only".into(),
        E::WrittenWrong(_) => "check that the disk works, or choose another place with -o".into(),
    };
    let exit = match error {
        E::SameForm(_) | E::OverInput(_) | E::Geometry(_) => exit::USAGE,
        _ => exit::FAILED,
    };
    Failure::new(error.code(), exit, format!("{title}: {error}"), advice)
}

/// The counts as the report of a read back has them.
pub(super) fn counts(counts: &Counts) -> bromide_job::pagecheck::Counts {
    bromide_job::pagecheck::Counts {
        clean: counts.clean,
        correctable: counts.corrected(),
        damaged: counts.damaged,
        blank: counts.blank,
        in_bad_blocks: counts.in_bad_blocks,
        not_checked: counts.not_checked,
    }
}

/// The same for programs, under the names of the report.
pub(super) fn counts_value(of: &Counts) -> Value {
    let counts = counts(of);
    json!({
        "total": counts.total(), "clean": counts.clean, "correctable": counts.correctable, "damaged": counts.damaged,
        "blank": counts.blank, "in_bad_blocks": counts.in_bad_blocks, "not_checked": counts.not_checked,
    })
}

/// Damaged pages, a line each, as far as there is room.
pub(super) fn damaged_lines(checked: &Checked) -> Vec<String> {
    let line = |it: &DamagedPage| {
        let at = checked.shape.offset(it.page);
        let numbers: Vec<String> = sectors(it).map(|it| it.to_string()).collect();
        let unit = if numbers.len() == 1 { "sector" } else { "sectors" };
        format!("  page {} at byte {at:#x}, {unit} {}", it.page, numbers.join(", "))
    };
    let mut lines: Vec<String> = checked.damaged.iter().take(LISTED).map(line).collect();
    lines.extend(more(checked.damaged.len(), LISTED));
    lines
}

/// How many were left out.
pub(super) fn more(all: usize, listed: usize) -> Option<String> {
    let left = all.checked_sub(listed).filter(|left| *left > 0)?;
    Some(format!("  and {} more", grouped(left as u64)))
}

/// The same for programs.
pub(super) fn damaged_value(checked: &Checked) -> Value {
    let value = |it: &DamagedPage| {
        let at = format!("{:#x}", checked.shape.offset(it.page));
        json!({ "page": it.page, "offset": at, "sectors": sectors(it).collect::<Vec<_>>() })
    };
    checked.damaged.iter().take(MOST_LISTED).map(value).collect()
}

fn sectors(page: &DamagedPage) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(|sector| page.sectors >> sector & 1 == 1)
}

/// 1 bit, 1,234 bits.
pub(super) fn bits(n: u64) -> String {
    format!("{} bit{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Ends a command whose image has damage, with the exit code for that.
pub(super) fn damage(title: &str, pages: u64, advice: &str) -> Result<(), Failure> {
    if pages == 0 {
        return Ok(());
    }
    let what = format!("{title}: damaged beyond repair: {}", crate::numbers::pages(pages));
    Err(Failure::new("image/damaged", exit::DAMAGED, what, advice))
}
