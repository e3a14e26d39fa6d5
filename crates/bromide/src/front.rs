//! Where events go: a screen for people or lines for programs.

use bromide_job::event::Event;

use crate::cli::Output;
use crate::json::Json;
use crate::run_log;
use crate::screen::Screen;

/// Shows what a job tells.
pub(crate) enum Front {
    /// Text and progress bars on standard error, results on standard output.
    Screen(Screen),
    /// One JSON object per line on standard output.
    Json(Json),
}

impl Front {
    /// As the user asked.
    pub(crate) fn new(output: Output) -> Self {
        if output.json { Self::Json(Json::new()) } else { Self::Screen(Screen::new(output.quiet)) }
    }

    /// How another one would be made.
    pub(crate) const fn output(&self) -> Output {
        match self {
            Self::Screen(screen) => Output { json: false, quiet: screen.is_quiet() },
            Self::Json(_) => Output { json: true, quiet: false },
        }
    }

    /// Shows one event, and has it logged.
    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        run_log::hear(event);
        self.show(event);
        if let Some(why) = run_log::trouble() {
            self.show(&Event::Warning(&why));
        }
    }

    fn show(&mut self, event: &Event<'_>) {
        match self {
            Self::Screen(screen) => screen.tell(event),
            Self::Json(json) => json.tell(event),
        }
    }

    /// The phone is waited for.
    pub(crate) fn waiting(&mut self, place: &str, seconds: u64) {
        run_log::waiting(place, seconds);
        match self {
            Self::Screen(screen) => {
                screen.say(&format!("Waiting up to {seconds} s for the phone at {place}"))
            }
            Self::Json(json) => json.line(&serde_json::json!({
                "event": "waiting", "place": place, "seconds": seconds
            })),
        }
    }

    /// Work over `total` bytes begins.
    pub(crate) fn begin(&mut self, what: &str, total: u64) {
        match self {
            Self::Screen(screen) => screen.begin(what, total, "green"),
            Self::Json(json) => json.begin(what, total),
        }
    }

    /// So many bytes of it are done.
    pub(crate) fn advance(&mut self, done: u64) {
        match self {
            Self::Screen(screen) => screen.advance(done),
            Self::Json(json) => json.advance(done),
        }
    }

    /// A line about something this tool does itself.
    pub(crate) fn say(&mut self, text: &str) {
        match self {
            Self::Screen(screen) => screen.say(text),
            Self::Json(json) => json.tell(&Event::Note(text)),
        }
    }

    /// Takes unfinished bars off the screen, so that what follows stands alone.
    pub(crate) fn settle(&mut self) {
        if let Self::Screen(screen) = self {
            screen.settle();
        }
    }
}
