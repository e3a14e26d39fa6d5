//! One finding: how bad, why, and what to do.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not in the way.
    Fine,
    /// May be in the way, or only one of the ways to the phone is closed.
    Warning,
    /// In the way.
    Problem,
}

impl State {
    /// Stable name for programs.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Problem => "PROBLEM",
            other => other.code(),
        }
    }

    /// Terminal colour.
    pub(super) fn paint(self) -> &'static str {
        match self {
            Self::Fine => "32",
            Self::Warning => "33",
            Self::Problem => "1;31",
        }
    }
}

/// One finding.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) state: State,
    /// One line.
    pub(super) why: String,
    /// What to do, a line to type where there is one.
    pub(super) cure: Option<String>,
}

impl Check {
    pub(super) fn fine(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, state: State::Fine, why: why.into(), cure: None }
    }

    pub(super) fn warning(name: &'static str, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Warning, why: why.into(), cure: Some(cure.into()) }
    }

    pub(super) fn problem(name: &'static str, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Problem, why: why.into(), cure: Some(cure.into()) }
    }
}

/// 1 problem, 2 problems.
pub(super) fn number(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}
