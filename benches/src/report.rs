//! One Markdown table.

use std::fmt::{self, Write as _};

/// What is wanted of a row's result.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Goal {
    /// Whether `result` is what was wanted.
    pub fn is_met(self, result: f64) -> bool {
        match self {
            Self::AtMost(most) => result <= most,
            Self::AtLeast(least) => result >= least,
        }
    }
}

/// What a row's result is counted in.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Ours over theirs.
    Ratio,
    /// Nanoseconds that ours take more.
    Nanos,
    /// How many more ours are.
    Count,
}

impl Unit {
    fn show(self, result: f64) -> String {
        match self {
            Self::Ratio => format!("{result:.2}×"),
            Self::Nanos => format!("{result:+.0} ns"),
            Self::Count => format!("{result:+.0}"),
        }
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// What it took us, with its unit.
    pub ours: String,
    /// What it took them, with its unit and who they are.
    pub theirs: String,
    /// The number that the goal is for.
    pub result: f64,
    /// What it is counted in.
    pub unit: Unit,
    /// What is wanted of it; nothing, where the row is there to compare.
    pub goal: Option<Goal>,
}

/// All comparisons.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a row, and shows it at once: a whole run takes minutes.
    pub fn push(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// How many goals were met, and how many there are.
    pub fn met(&self) -> (usize, usize) {
        let goals = self.rows.iter().filter_map(|row| row.goal.map(|goal| goal.is_met(row.result)));
        goals.fold((0, 0), |(met, all), is_met| (met + usize::from(is_met), all + 1))
    }
}

/// As Markdown.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "| what | ours | theirs | result | goal | met |\n|---|---:|---:|---:|---:|---|",
        )?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{}", line(row)))
    }
}

fn line(row: &Row) -> String {
    let Row { what, ours, theirs, result, unit, goal } = row;
    let mut line = format!("| {what} | {ours} | {theirs} | {} |", unit.show(*result));
    let (goal, met) = match goal {
        None => ("–".to_owned(), "–"),
        Some(goal) => {
            let wanted = match goal {
                Goal::AtMost(most) => format!("≤ {}", unit.show(*most)),
                Goal::AtLeast(least) => format!("≥ {}", unit.show(*least)),
            };
            (wanted, if goal.is_met(*result) { "yes" } else { "**no**" })
        }
    };
    let _ = write!(line, " {goal} | {met} |");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_says_so() {
        let mut report = Report::default();
        let row = |result, goal| Row {
            what: "a call".into(),
            ours: "3 ns".into(),
            theirs: "2 ns".into(),
            result,
            unit: Unit::Ratio,
            goal: Some(goal),
        };
        report.push(row(1.5, Goal::AtMost(1.0)));
        report.push(row(0.8, Goal::AtLeast(0.8)));
        assert_eq!(report.met(), (1, 2));
        let table = report.to_string();
        let last: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            last,
            [
                "| a call | 3 ns | 2 ns | 1.50× | ≤ 1.00× | **no** |",
                "| a call | 3 ns | 2 ns | 0.80× | ≥ 0.80× | yes |"
            ]
        );
    }
}
