//! Counts tests by the summary lines that libtest and libtest-mimic print.

/// How many tests ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that held.
    pub(crate) passed: u64,
    /// Those that did not.
    pub(crate) failed: u64,
}

impl Tally {
    /// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.split_once("test result: ")?;
        let count = |what: &str| {
            let before = counts.split_once(what)?.0;
            before.trim_end().rsplit(' ').next()?.parse().ok()
        };
        Some(Self { passed: count("passed")?, failed: count("failed;")? })
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// The closing line.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_run_is_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; \
                    finished in 0.01s";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 12, failed: 0 }));
    }

    #[test]
    fn a_bad_run_is_counted() {
        let line =
            "test result: FAILED. 3 passed; 14 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 3, failed: 14 }));
    }

    #[test]
    fn colours_do_not_hide_a_run() {
        let line = "test result: \u{1b}[32mok\u{1b}[0m. 7 passed; 1 failed; 0 ignored";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 7, failed: 1 }));
    }

    #[test]
    fn other_lines_are_not() {
        assert_eq!(Tally::of_line("test kv::a_put_is_read ... ok"), None);
        assert_eq!(Tally::of_line("12 passed, 0 failed"), None);
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(Tally { passed: 2, failed: 1 }.to_string(), "2 passed, 1 failed");
    }
}
