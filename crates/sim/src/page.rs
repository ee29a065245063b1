//! A run as a page: a time line for each member and for the network, and the trace, to be read in a
//! browser. The page is one file and asks for nothing else.

use std::fmt::Write as _;

use crate::run::Outcome;

/// How wide the time lines are, and how high each is.
const WIDTH: f64 = 1400.0;
const ROW: usize = 26;
const NAMES: f64 = 70.0;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a member is doing; the name of its colour in the style.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    Starting,
    Follows,
    Leads,
    Removed,
}

impl State {
    const fn class(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Starting => "starting",
            Self::Follows => "follows",
            Self::Leads => "leads",
            Self::Removed => "removed",
        }
    }

    /// What a member is doing from a line of its on, if the line says so.
    fn from_line(what: &str) -> Option<Self> {
        let begins = |with: &[&str]| with.iter().any(|with| what.starts_with(with));
        if begins(&["starts"]) {
            Some(Self::Starting)
        } else if begins(&["runs,", "follows in"]) {
            Some(Self::Follows)
        } else if begins(&["leads in"]) {
            Some(Self::Leads)
        } else if begins(&[
            "Killed",
            "PowerCut",
            "ends:",
            "does not start",
            "does not stop",
            "stops,",
        ]) {
            Some(Self::Down)
        } else if begins(&["is a member no more"]) {
            Some(Self::Removed)
        } else {
            None
        }
    }
}

/// A line of the trace.
struct Line<'a> {
    at: f64,
    who: &'a str,
    what: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (at, rest) = line.trim_start().split_once(' ')?;
        let (who, what) = rest.split_once(' ')?;
        Some(Self { at: at.parse().ok()?, who, what: what.trim_start() })
    }
}

/// The page of a run whose whole trace was kept.
#[must_use]
pub fn page(outcome: &Outcome) -> String {
    let lines: Vec<Line<'_>> = outcome.lines.iter().filter_map(|line| Line::parse(line)).collect();
    let end = outcome.time.as_secs_f64().max(f64::MIN_POSITIVE);
    let mut members: Vec<&str> =
        lines.iter().map(|line| line.who).filter(|who| is_member(who)).collect();
    members.sort_unstable();
    members.dedup();
    let mut drawing = Drawing { end, svg: String::new() };
    for (row, member) in members.iter().enumerate() {
        drawing.member(row, member, &lines);
    }
    drawing.network(members.len(), &lines);
    drawing.axis(members.len() + 1);
    let height = (members.len() + 2) * ROW;
    let wrong: String = outcome
        .wrong
        .iter()
        .map(|wrong| format!("<p class=wrong>{}</p>", escaped(wrong)))
        .collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Seed {seed}</title>\
         <style>{STYLE}</style><h1>Seed {seed}, {end:.1} s</h1>{wrong}\
         <p class=legend><b class=leads>leads</b> <b class=follows>follows</b> \
         <b class=starting>starts</b> <b class=down>down</b> <b class=paused>paused</b> \
         <b class=cut>cut</b> <b class=weather>bad network</b> <b class=removed>removed</b></p>\
         <svg id=lines width={width} height={height} data-end={end} data-left={NAMES}>{svg}</svg>\
         <p><input id=who placeholder='who: m1 c2 network' size=30> \
         <input id=what placeholder='what' size=30> from <input id=from size=8 value=0> \
         to <input id=to size=8 value={end:.3}> <span id=count></span></p>\
         <pre id=shown></pre><textarea id=trace hidden>{trace}</textarea>\
         <script>{SCRIPT}</script></html>\n",
        seed = outcome.seed,
        width = WIDTH + NAMES + 10.0,
        svg = drawing.svg,
        trace = escaped(&outcome.lines.join("\n")),
    )
}

fn is_member(who: &str) -> bool {
    who.strip_prefix('m').is_some_and(|number| number.parse::<u32>().is_ok())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// How long something takes, in seconds, as the trace writes it.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|letter: char| letter.is_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    let scale = match &text[unit..] {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => 1e-9,
    };
    Some(number * scale)
}

struct Drawing {
    end: f64,
    svg: String,
}

impl Drawing {
    fn x(&self, at: f64) -> f64 {
        NAMES + WIDTH * (at / self.end).clamp(0.0, 1.0)
    }

    fn text(&mut self, x: f64, row: usize, text: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.svg, "<text x={x:.1} y={}>{}</text>", row * ROW + 17, escaped(text));
    }

    fn bar(&mut self, row: usize, (from, to): (f64, f64), class: &str, title: &str) {
        let (x, y) = (self.x(from), row * ROW + 4);
        let (width, height) = ((self.x(to) - x).max(0.5), ROW - 8);
        let _ = write!(
            self.svg,
            "<rect x={x:.1} y={y} width={width:.1} height={height} class={class}><title>{from:.3} \
             {}</title></rect>",
            escaped(title)
        );
    }

    fn mark(&mut self, row: usize, at: f64, class: &str, title: &str) {
        let (x, y) = (self.x(at), row * ROW + 2);
        let height = ROW - 4;
        let _ = write!(
            self.svg,
            "<rect x={x:.1} y={y} width=1.5 height={height} class={class}><title>{at:.3} {}</title>\
             </rect>",
            escaped(title)
        );
    }

    fn member(&mut self, row: usize, member: &str, lines: &[Line<'_>]) {
        self.text(0.0, row, member);
        let mut now = (0.0, State::Down, "");
        for line in lines.iter().filter(|line| line.who == member) {
            if let Some(state) = State::from_line(line.what).filter(|_| now.1 != State::Removed) {
                self.bar(row, (now.0, line.at), now.1.class(), now.2);
                now = (line.at, state, line.what);
            }
            let after = |with: &str| line.what.strip_prefix(with);
            if let Some(time) = after("is paused for ").and_then(seconds) {
                self.bar(row, (line.at, line.at + time), "paused", line.what);
            } else if after("PowerCut").is_some() {
                self.mark(row, line.at, "power", line.what);
            } else if after("Killed").is_some() {
                self.mark(row, line.at, "kill", line.what);
            } else if ["ends:", "has a disk", "has a wall"].iter().any(|with| after(with).is_some())
            {
                self.mark(row, line.at, "disk", line.what);
            }
        }
        let end = self.end;
        self.bar(row, (now.0, end), now.1.class(), now.2);
    }

    fn network(&mut self, row: usize, lines: &[Line<'_>]) {
        self.text(0.0, row, "network");
        let mut cut: Option<&Line<'_>> = None;
        for line in lines.iter().filter(|line| line.who == "network") {
            if line.what.starts_with("Weather") {
                self.mark(row, line.at, "weather", line.what);
            } else if line.what == "is whole" {
                if let Some(since) = cut.take() {
                    self.bar(row, (since.at, line.at), "cut", since.what);
                }
            } else {
                cut.get_or_insert(line);
            }
        }
        if let Some(since) = cut {
            let end = self.end;
            self.bar(row, (since.at, end), "cut", since.what);
        }
        for line in lines.iter().filter(|line| line.who == "all") {
            self.mark(row, line.at, "all", line.what);
        }
    }

    fn axis(&mut self, row: usize) {
        let step =
            [1.0, 2.0, 5.0, 10.0, 20.0, 60.0].into_iter().find(|step| self.end / step < 25.0);
        let step = step.unwrap_or(300.0);
        let mut at = 0.0;
        while at <= self.end {
            let x = self.x(at);
            self.text(x, row, &format!("{at:.0}"));
            at += step;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_has_what_a_member_did_and_no_markup_of_the_trace() {
        let lines = [
            "    0.500000 m1       starts",
            "    0.600000 m1       runs, applied 0 at revision 1",
            "    1.000000 m1       leads in term 2, leader 1",
            "    1.500000 m1       is paused for 250ms",
            "    2.000000 network  m1 is alone",
            "    3.000000 c1       put at m1: <b>",
        ];
        let lines = lines.map(str::to_owned).to_vec();
        let (time, wrong) = (Duration::from_secs(4), vec!["a & b".to_owned()]);
        let page = page(&Outcome { seed: 7, time, lines, wrong, ..Outcome::default() });
        for part in [
            "class=starting><title>0.500 starts",
            "class=leads><title>1.000 leads in term 2",
            "class=paused><title>1.500 is paused",
            "class=cut><title>2.000 m1 is alone",
            "put at m1: &lt;b&gt;",
            "a &amp; b",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(!page.contains("http"), "the page asks for something else");
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for nanos in [3, 4_000, 25_000_000, 1_500_000_000] {
            let time = Duration::from_nanos(nanos);
            let read = seconds(&format!("{time:?}")).unwrap();
            assert!((read - time.as_secs_f64()).abs() < 1e-12, "{time:?} is {read}");
        }
    }
}
