//! Times in log lines, in etcd's layout (client/pkg/logutil/zap.go): `2026-11-24T02:17:54.123456Z`,
//! or with an offset such as `+0100` where the local zone has one.

use std::fmt;

/// A wall-clock time with the local zone's offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timestamp {
    /// Nanoseconds since 1970-01-01 UTC.
    pub unix_nanos: u64,
    /// Seconds east of UTC; parts of a minute are not printed.
    pub offset_seconds: i32,
}

/// Where the logger gets the time from.
pub trait TimeSource: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> TimeSource for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

impl Timestamp {
    /// As Go's package `log` writes it: `2026/11/24 02:17:54`.
    #[must_use]
    pub fn to_the_second(&self) -> String {
        let ((year, month, day), [hour, minute, second]) = self.date_and_time();
        format!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}")
    }

    /// Year, month and day; hour, minute and second.
    fn date_and_time(&self) -> ((i64, i64, i64), [i64; 3]) {
        let seconds = (self.unix_nanos / 1_000_000_000) as i64 + i64::from(self.offset_seconds);
        let second = seconds.rem_euclid(86_400);
        (civil(seconds.div_euclid(86_400)), [second / 3600, second / 60 % 60, second % 60])
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.unix_nanos % 1_000_000_000 / 1_000;
        let ((year, month, day), [hour, minute, second]) = self.date_and_time();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")?;
        if self.offset_seconds == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

/// Year, month and day of a day counted from 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms", `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_in_zaps_layout() {
        let cases: [(u64, i32, &str); 6] = [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_827_696_789_123_999, 0, "2000-02-29T12:34:56.789123Z"),
            (1_795_486_674_000_001_000, 0, "2026-11-24T02:17:54.000001Z"),
            (1_795_486_674_000_000_000, 19_800, "2026-11-24T07:47:54.000000+0530"),
            (1_795_486_674_000_000_000, -10_800, "2026-11-23T23:17:54.000000-0300"),
            (4_107_542_399_999_999_999, 0, "2100-02-28T23:59:59.999999Z"),
        ];
        for (unix_nanos, offset_seconds, text) in cases {
            assert_eq!(Timestamp { unix_nanos, offset_seconds }.to_string(), text);
        }
    }

    #[test]
    fn times_print_in_the_layout_of_gos_log() {
        let time = Timestamp { unix_nanos: 951_827_696_789_123_999, offset_seconds: 0 };
        assert_eq!(time.to_the_second(), "2000/02/29 12:34:56");
    }
}
