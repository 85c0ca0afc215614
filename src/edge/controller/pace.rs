//! When a status is written: not between two things that are on their way, and not word by word.

use std::time::{Duration, Instant};

/// What was written is answered within this as a rule, by a controller or by the watch. A status that is written earlier is soon written again.
const SETTLING: Duration = Duration::from_millis(500);

/// The pace at which the status of one application is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Until when no status is written.
    until: Option<Instant>,
    /// One was put off. It is not put off again, whatever is written meanwhile.
    owed: bool,
}

impl Pace {
    /// Whether there is anything to say now.
    pub(super) fn wishes(&mut self, anything: bool) {
        self.owed &= anything;
    }

    /// Something was written, or the status itself.
    pub(super) fn wrote(&mut self, status: bool, now: Instant) {
        if status || !self.owed && self.until.is_none_or(|until| until <= now) {
            *self = Pace { until: Some(now + SETTLING), owed: false };
        }
    }

    /// For how long a status is put off.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let wait = self.until.map(|until| until.saturating_duration_since(now)).filter(|wait| !wait.is_zero());
        self.owed = wait.is_some();
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, tenths: u64) -> Instant {
        start + Duration::from_millis(100 * tenths)
    }

    #[test]
    fn a_status_waits_for_what_was_just_written_and_then_is_not_put_off_again() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.wait(start), None);
        pace.wrote(false, start);
        assert_eq!(pace.wait(after(start, 1)), Some(Duration::from_millis(400)));
        // Somebody edits an object again and again, and podwire brings it back.
        pace.wrote(false, after(start, 4));
        pace.wrote(false, after(start, 6));
        assert_eq!(pace.wait(after(start, 6)), None);
        pace.wrote(true, after(start, 6));
        assert_eq!(pace.wait(after(start, 7)), Some(Duration::from_millis(400)));
        assert_eq!(pace.wait(after(start, 11)), None);
    }

    #[test]
    fn what_need_not_be_said_any_more_is_not_owed() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.wrote(false, start);
        assert!(pace.wait(start).is_some());
        pace.wishes(false);
        pace.wrote(false, after(start, 20));
        assert_eq!(pace.wait(after(start, 21)), Some(Duration::from_millis(400)));
    }
}
