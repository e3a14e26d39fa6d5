//! Numbers, times and commands as a person writes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// 318,996,480.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// 1 page, 2 pages.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// 2,048 bytes, 309,329,920 bytes (295 MiB), 5,406,720 bytes (5.2 MiB).
pub(crate) fn sized(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    let size = counted(bytes, "byte");
    match (tenths / 10, tenths % 10) {
        (0, _) => size,
        (whole, 0) => format!("{size} ({whole} MiB)"),
        (whole, tenth) => format!("{size} ({whole}.{tenth} MiB)"),
    }
}

/// Less than 1 ms, 7 ms, 0.9 s, 41 s, 4 min 31 s, 1 h 2 min.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs() {
        0 if time.as_millis() == 0 => "less than 1 ms".to_owned(),
        0 if time.as_millis() < 100 => format!("{} ms", time.as_millis()),
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

/// 1.2 MB/s, 180 KB/s.
pub(crate) fn speed(bytes: u64, time: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    let rate = bytes as f64 / time.as_secs_f64().max(0.001);
    match rate {
        0.0..1e6 => format!("{:.0} KB/s", rate / 1e3),
        1e6..1e7 => format!("{:.1} MB/s", rate / 1e6),
        _ => format!("{:.0} MB/s", rate / 1e6),
    }
}

/// One word of a command as a POSIX shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A path as code in Markdown, without the `.` a program put into it.
pub(crate) fn file(path: &Path) -> String {
    code(&path.components().collect::<PathBuf>().to_string_lossy())
}

/// A command as a POSIX shell takes it.
pub(crate) fn command(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Foreign text in Markdown, as code: no control characters, and nothing that ends the code.
pub(crate) fn code(text: &str) -> String {
    let harmless: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if harmless.contains('`') { format!("`` {harmless} ``") } else { format!("`{harmless}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_speeds_read_as_a_person_writes_them() {
        let ms = Duration::from_millis;
        assert_eq!([span(ms(7)), span(ms(940)), span(ms(41_999))], ["7 ms", "0.9 s", "41 s"]);
        assert_eq!(span(Duration::from_micros(999)), "less than 1 ms");
        assert_eq!([sized(1), sized(2048)], ["1 byte", "2,048 bytes"]);
        assert_eq!(sized(309_329_920), "309,329,920 bytes (295 MiB)");
        assert_eq!(sized(5_406_720), "5,406,720 bytes (5.2 MiB)");
        assert_eq!([span(ms(271_000)), span(ms(3_725_000))], ["4 min 31 s", "1 h 2 min"]);
        assert_eq!(speed(180_000, ms(1000)), "180 KB/s");
        assert_eq!(speed(1_190_000, ms(1000)), "1.2 MB/s");
        assert_eq!(speed(318_996_480, ms(900)), "354 MB/s");
        assert_eq!([counted(1, "page"), counted(1510, "page")], ["1 page", "1,510 pages"]);
    }

    #[test]
    fn a_shell_takes_the_words_back_as_they_were() {
        let words = ["bromide", "", "a b", "it's", "phone:mt6575?flash=f&link=none", "$(x)", "plain-1.bin"];
        let line = format!("printf '%s\\n' {}", command(&words.map(str::to_owned)));
        let Ok(ran) = std::process::Command::new("sh").arg("-c").arg(line).output() else {
            return println!("skipped: there is no sh here");
        };
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), words.map(|word| format!("{word}\n")).concat());
    }
}
