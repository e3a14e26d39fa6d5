//! The difference of two short texts, line by line, as `diff` without context shows it.

/// Longer files are no rules of ours; comparing takes the product of the lines.
const MOST_LINES: usize = 1000;

/// Lines only in `old` behind `- `, lines only in `new` behind `+ `, in order.
pub(super) fn diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    if old.len() > MOST_LINES {
        return vec![format!("- {} lines, nothing like the rules", old.len())];
    }
    // common[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("- {}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+ {}", new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown_in_order() {
        assert_eq!(diff("a\nb\nc\n", "a\nx\nc\nd\n"), ["- b", "+ x", "+ d"]);
        assert!(diff("same\n", "same\n").is_empty());
        assert_eq!(diff("", "new"), ["+ new"]);
        assert_eq!(diff("gone", ""), ["- gone"]);
        assert_eq!(diff(&"x\n".repeat(1001), ""), ["- 1001 lines, nothing like the rules"]);
    }
}
