//! Tables with lines around them.

/// A head and rows of the same length.
#[derive(Debug)]
pub struct Table {
    /// The names of the columns.
    pub head: &'static [&'static str],
    /// Their values.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The rows as lines, with commas.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.join(", ")).collect()
    }

    /// The whole, as Go's table writer draws it: the head in capitals and in the middle, values to
    /// the right.
    pub fn render(&self) -> String {
        let head: Vec<String> =
            self.head.iter().map(|name| name.to_uppercase().replace('_', " ")).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let rule = |left: &str, middle: &str, right: &str| {
            let parts: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            format!("{left}{}{right}\n", parts.join(middle))
        };
        let row = |cells: Vec<String>| format!("│ {} │\n", cells.join(" │ "));
        let centred = head.iter().zip(&widths).map(|(name, width)| {
            let room = width - name.chars().count();
            format!("{}{name}{}", " ".repeat(room / 2), " ".repeat(room - room / 2))
        });
        let mut out = rule("┌", "┬", "┐");
        out.push_str(&row(centred.collect()));
        out.push_str(&rule("├", "┼", "┤"));
        for cells in &self.rows {
            let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
            out.push_str(&row(cells.collect()));
        }
        out.push_str(&rule("└", "┴", "┘"));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_to_the_right_under_centred_names() {
        let rows = vec![vec!["12345678".to_owned(), String::new()]];
        let table = Table { head: &["id", "is_learner"], rows };
        let expected = "\
┌──────────┬────────────┐
│    ID    │ IS LEARNER │
├──────────┼────────────┤
│ 12345678 │            │
└──────────┴────────────┘
";
        assert_eq!(table.render(), expected);
    }
}
