//! Patterns for names, which are bytes: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before any of them.

/// Whether a whole name is like a pattern. The work is at most the product of both lengths.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Behind the last star: its place, and where in the name it was tried to end.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, from));
            continue;
        }
        match (pattern.get(at), name.get(from)) {
            (None, None) => return true,
            (Some(_), Some(byte)) => {
                if let Some(next) = one(pattern, at, *byte) {
                    (at, from) = (next, from + 1);
                    continue;
                }
            }
            _ => {}
        }
        match star {
            Some((behind, ended)) if ended < name.len() => {
                star = Some((behind, ended + 1));
                (at, from) = (behind, ended + 1);
            }
            _ => return false,
        }
    }
}

/// Where the pattern goes on if what is at `at` is like this byte.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    let literal = |at: usize| (pattern.get(at) == Some(&byte)).then_some(at + 1);
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'\\' if at + 1 < pattern.len() => literal(at + 1),
        b'[' => {
            let inverted = matches!(pattern.get(at + 1), Some(b'!' | b'^'));
            let first = at + 1 + usize::from(inverted);
            // A bracket that comes first is one of the set; without an end it stands for itself.
            let Some(end) = (first + 1..pattern.len()).find(|it| pattern[*it] == b']') else {
                return literal(at);
            };
            let (mut found, mut it) = (false, first);
            while it < end {
                let range = it + 2 < end && pattern[it + 1] == b'-';
                let last = if range { pattern[it + 2] } else { pattern[it] };
                found |= (pattern[it]..=last).contains(&byte);
                it += if range { 3 } else { 1 };
            }
            (found != inverted).then_some(end + 1)
        }
        _ => literal(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, name, like) in [
            ("", "", true),
            ("*", "", true),
            ("", "a", false),
            ("*.apk", "a.apk", true),
            ("*.apk", "a.apk.bak", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "", false),
            ("??", "ab", true),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("lib[", "lib[", true),
            ("[^a]", "b", true),
            ("[^a]", "a", false),
            ("[!]]", "a", true),
            ("[!]]", "]", false),
            ("[c-a]", "b", false),
            ("[a-cx-z]", "y", true),
            ("[a-cx-z]", "m", false),
            ("[-a]", "-", true),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("a\\", "a\\", true),
            ("\\[a]", "[a]", true),
            ("\\\\", "\\", true),
            ("**", "", true),
            ("*?", "", false),
            (".*", ".hidden", true),
            ("*", ".hidden", true),
            ("*/b", "a/b", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), like, "{pattern} {name}");
        }
        assert!(matches(b"a*\xff", b"a\xfe\xff"));
        let long = [b'a'; 4096];
        assert!(!matches(&b"*a".repeat(200), &long[..150]), "in a moment");
    }

    /// The same by its definition, without a thought about time. Knows no sets.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| by_definition(rest, &name[at..])),
            ([b'?', rest @ ..], [_, name @ ..]) => by_definition(rest, name),
            ([b'\\', it, rest @ ..] | [it, rest @ ..], [byte, name @ ..]) => {
                it == byte && by_definition(rest, name)
            }
            _ => false,
        }
    }

    fn all(letters: &[u8], longest: usize) -> Vec<Vec<u8>> {
        let mut all = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..longest {
            let until = all.len();
            for at in from..until {
                all.extend(
                    letters.iter().map(|letter| [&all[at][..], &[*letter]].concat()).collect::<Vec<_>>(),
                );
            }
            from = until;
        }
        all
    }

    #[test]
    fn every_short_pattern_is_like_what_its_definition_says() {
        let names = all(b"ab", 5);
        for pattern in all(b"ab*?\\", 5) {
            for name in &names {
                let like = by_definition(&pattern, name);
                assert_eq!(
                    matches(&pattern, name),
                    like,
                    "{} {}",
                    pattern.escape_ascii(),
                    name.escape_ascii()
                );
            }
        }
    }
}
