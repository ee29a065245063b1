//! The figures of both servers side by side, with what they have to be.

use std::fmt;

use super::subject::{Figures, Pair, median};

/// What ours has to be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Bar {
    /// Shown only.
    None,
    /// At most this part of the reference's figure.
    PartOfReference(f64),
    /// At least this many times the reference's figure.
    TimesReference(f64),
    /// At most this, in the row's own unit.
    Figure(f64),
}

/// The table, in Markdown.
#[derive(Debug)]
pub struct Table {
    reference: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    figures: Pair<f64>,
    bar: Bar,
}

impl Table {
    /// Without rows.
    pub fn new(reference: &str) -> Self {
        Self { reference: reference.to_owned(), rows: Vec::new() }
    }

    /// Adds a row. A figure that there is none of is not a number.
    pub fn row(&mut self, name: &str, figures: Pair<f64>, bar: Bar) {
        self.rows.push(Row { name: name.to_owned(), figures, bar });
    }
}

impl Table {
    /// Adds the rows of a load, medians of its rounds, with the bars for the CPU time and the rate.
    pub fn load(&mut self, name: &str, rounds: &Pair<Vec<Figures>>, cpu: Bar, rate: Bar) {
        let of = |figure: fn(&Figures) -> f64| {
            let middle = |all: &[Figures]| median(all.iter().map(figure).collect());
            Pair { reference: middle(&rounds.reference), ours: middle(&rounds.ours) }
        };
        self.row(&format!("{name}: CPU s per 100k"), of(|f| f.cpu_s_per_100k), cpu);
        self.row(&format!("{name}: per second"), of(|f| f.per_second), rate);
        self.row(&format!("{name}: p99 ms"), of(|f| f.p99_ms), Bar::None);
        self.row(&format!("{name}: resident MiB"), of(|f| f.resident_mib), Bar::None);
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.figures.ours / self.figures.reference
    }

    /// Whether the bar is met; `None` without a bar.
    fn is_met(&self) -> Option<bool> {
        match self.bar {
            Bar::None => None,
            Bar::PartOfReference(part) => Some(self.ratio() <= part),
            Bar::TimesReference(times) => Some(self.ratio() >= times),
            Bar::Figure(most) => Some(self.figures.ours <= most),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| load | {} | ours | ratio | bar | met |", self.reference)?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let bar = match row.bar {
                Bar::None => String::new(),
                Bar::PartOfReference(part) => format!("at most {part} of it"),
                Bar::TimesReference(times) => format!("at least {times} of it"),
                Bar::Figure(most) => most.to_string(),
            };
            let met = row.is_met().map_or("", |met| if met { "yes" } else { "NO" });
            let [reference, ours, ratio] =
                [row.figures.reference, row.figures.ours, row.ratio()].map(shown);
            writeln!(f, "| {} | {reference} | {ours} | {ratio} | {bar} | {met} |", row.name)?;
        }
        Ok(())
    }
}

/// Three digits that count.
fn shown(figure: f64) -> String {
    match figure.abs() {
        size if size.is_nan() => String::new(),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_whether_their_bar_is_met() {
        let mut table = Table::new("3.5.16");
        let pair = |reference, ours| Pair { reference, ours };
        table.row("a", pair(10.0, 6.0), Bar::PartOfReference(0.6));
        table.row("b", pair(10.0, 6.01), Bar::PartOfReference(0.6));
        table.row("c", pair(250.0, 1.5), Bar::Figure(2.0));
        table.row("e", pair(10.0, 19.9), Bar::TimesReference(2.0));
        table.row("d", pair(f64::NAN, 12345.0), Bar::None);
        let shown = table.to_string();
        let lines: Vec<&str> = shown.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| a | 10.0 | 6.00 | 0.60 | at most 0.6 of it | yes |",
                "| b | 10.0 | 6.01 | 0.60 | at most 0.6 of it | NO |",
                "| c | 250 | 1.50 | 0.01 | 2 | yes |",
                "| e | 10.0 | 19.9 | 1.99 | at least 2 of it | NO |",
                "| d |  | 12345 |  |  |  |",
            ]
        );
    }

    #[test]
    fn a_figure_that_is_missing_meets_no_bar() {
        let row = Row {
            name: String::new(),
            figures: Pair { reference: 1.0, ours: f64::NAN },
            bar: Bar::Figure(2.0),
        };
        assert_eq!(row.is_met(), Some(false));
    }
}
