//! What came of each class of damage, counted.

use super::opened::Opened;
use std::collections::BTreeMap;

/// Counts by class.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Table {
    pub fn add(&mut self, class: &str, opened: &Opened) {
        self.add_beside(class, "", opened);
    }

    /// Of another server.
    pub fn add_beside(&mut self, class: &str, who: &str, opened: &Opened) {
        let column = format!("{who}{}", opened.name());
        *self.rows.entry(class.to_owned()).or_default().entry(column).or_default() += 1;
    }

    /// How often something came of any class.
    pub fn count(&self, column: &str) -> u32 {
        self.rows.values().filter_map(|row| row.get(column)).sum()
    }

    pub fn print(&self, title: &str) {
        println!("{title}:");
        for (class, row) in &self.rows {
            let cells: Vec<String> =
                row.iter().map(|(column, count)| format!("{column} {count}")).collect();
            println!("  {class:<28} {}", cells.join(", "));
        }
    }
}
