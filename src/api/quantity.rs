//! A resource quantity, exact over integers, in every form that Kubernetes accepts (`k8s.io/apimachinery/pkg/api/resource`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Billionths in one.
const NANO: i128 = 1_000_000_000;
/// The largest quantity with a binary suffix, 2^63-1: Kubernetes cuts there.
const BINARY_MAX: i128 = (i64::MAX as i128) * NANO;

/// An amount of CPU, memory or another resource.
///
/// The value is kept in billionths, the finest unit that Kubernetes knows; what is finer is rounded up, and with a binary suffix what is greater than
/// 2^63-1 is cut, as Kubernetes does. It is exact up to 10^29, beyond which all quantities are one. It is written in the family of suffixes in which it
/// was read. Two quantities are equal where their values are: `0.1` and `100m`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    Binary,
    Decimal,
    Exponent,
}

/// The text is no quantity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no quantity such as 250m, 1.5, 128Mi or 1e3")]
pub struct NotAQuantity;

/// Binary suffixes and the power of two of each.
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
/// Decimal suffixes and the power of ten of each.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { nanos: 0, family: Family::Decimal };

    /// So many thousandths, written with a decimal suffix: 100 is `100m`.
    pub const fn milli(thousandths: i64) -> Self {
        Quantity { nanos: thousandths as i128 * (NANO / 1000), family: Family::Decimal }
    }

    /// So many MiB, written with a binary suffix: 128 is `128Mi`.
    pub const fn mebi(mebibytes: i64) -> Self {
        Quantity { nanos: mebibytes as i128 * (1 << 20) * NANO, family: Family::Binary }
    }

    /// Reads a quantity.
    ///
    /// # Errors
    /// [`NotAQuantity`] where Kubernetes would refuse the text.
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // Kubernetes reads a number without digits as nothing: `.` and `Mi` are zero.
        if fraction.contains('.') || text.is_empty() {
            return Err(NotAQuantity);
        }
        let (family, doublings, shift) = scale(suffix)?;
        let mut decimal = Digits::new(whole, fraction);
        (0..doublings).for_each(|_| decimal.double());
        let nanos = decimal.nanos(shift).min(if family == Family::Binary { BINARY_MAX } else { i128::MAX });
        // A binary amount below one has no binary form: Kubernetes writes it with a decimal suffix from then on.
        let family = if family == Family::Binary && nanos > 0 && nanos < NANO { Family::Decimal } else { family };
        Ok(Quantity { nanos: if negative { -nanos } else { nanos }, family })
    }

    /// The value in thousandths, rounded up: what the API server stores of a container's resources.
    pub fn round_to_milli(self) -> Self {
        Quantity { nanos: round_up(self.nanos, NANO / 1000) * (NANO / 1000), ..self }
    }

    /// The value in whole units, rounded up: bytes of memory.
    pub fn units(self) -> i128 {
        round_up(self.nanos, NANO)
    }

    /// So many times the value, rounded down: to whole units where the value is great and whole, else to thousandths.
    pub fn times(self, ratio: Quantity) -> Self {
        let step = self.step();
        // why thousandths: a ratio is compared in them, and the product has room.
        let product = self.nanos.saturating_mul(ratio.nanos / (NANO / 1000)) / 1000;
        Quantity { nanos: product / step * step, ..self }
    }

    /// The value divided by so many, rounded up: to whole units where the value is great and whole, else to thousandths.
    pub fn over(self, ratio: Quantity) -> Self {
        let step = self.step();
        let quotient = round_up(self.nanos.saturating_mul(1000), (ratio.nanos / (NANO / 1000)).max(1));
        Quantity { nanos: round_up(quotient, step).saturating_mul(step), ..self }
    }

    /// So many of it.
    pub fn many(self, count: u64) -> Self {
        Quantity { nanos: self.nanos.saturating_mul(count.into()), ..self }
    }

    /// How often another amount fits into it whole; never where the other is nothing or less.
    pub fn holds(self, other: Quantity) -> u64 {
        let times = if other.nanos > 0 { self.nanos / other.nanos } else { 0 };
        u64::try_from(times).unwrap_or_default()
    }

    /// The steps in which such an amount is written. why 1024: as memory it is bytes.
    fn step(self) -> i128 {
        if self.nanos % NANO == 0 && self.nanos >= 1024 * NANO { NANO } else { NANO / 1000 }
    }

    /// Whether it is nothing or more.
    pub fn is_positive_or_zero(self) -> bool {
        self.nanos >= 0
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;

    /// The sum, in the family of the left side (of the right one where the left is nothing).
    fn add(self, other: Quantity) -> Quantity {
        let family = if self.nanos == 0 { other.family } else { self.family };
        Quantity { nanos: self.nanos.saturating_add(other.nanos), family }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;

    /// The difference, in the family of the left side.
    fn sub(self, other: Quantity) -> Quantity {
        self + Quantity { nanos: -other.nanos, ..other }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

/// Kubernetes' canonical form: no fraction, the greatest suffix.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is small or broken has no binary form that says it exactly.
        let whole = self.nanos.unsigned_abs() >= 1024 * NANO as u128 && self.nanos % NANO == 0;
        match self.family {
            Family::Binary if whole => {
                let mut value = self.nanos / NANO;
                let mut power = 0;
                while value % 1024 == 0 && power < 60 {
                    value /= 1024;
                    power += 10;
                }
                let suffix = BINARY.iter().find(|(_, of)| *of == power).map_or("", |(suffix, _)| suffix);
                write!(f, "{value}{suffix}")
            }
            family => {
                let mut value = self.nanos;
                let mut power = if value == 0 { 0 } else { -9 };
                while value != 0 && value % 1000 == 0 && (power < 18 || family == Family::Exponent) {
                    value /= 1000;
                    power += 3;
                }
                match family {
                    Family::Exponent if power == 0 => write!(f, "{value}"),
                    Family::Exponent => write!(f, "{value}e{power}"),
                    Family::Binary | Family::Decimal => {
                        let suffix = DECIMAL.iter().find(|(_, of)| *of == power).map_or("", |(suffix, _)| suffix);
                        write!(f, "{value}{suffix}")
                    }
                }
            }
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Read from text or from a number, as Kubernetes does.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::String(text) => text,
            other => return Err(serde::de::Error::custom(format!("{other} {NotAQuantity}"))),
        };
        Quantity::parse(&text).map_err(|error| serde::de::Error::custom(format!("{text:?} {error}")))
    }
}

impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "x-kubernetes-int-or-string": true, "maxLength": 40 })
    }
}

/// The family of a suffix, how often the number is doubled, and by how many places it is shifted.
fn scale(suffix: &str) -> Result<(Family, u32, i64), NotAQuantity> {
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Ok((Family::Binary, *power, 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Ok((Family::Decimal, 0, i64::from(*power)));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NotAQuantity)?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAQuantity);
    }
    Ok((Family::Exponent, 0, exponent.parse().map_err(|_| NotAQuantity)?))
}

/// `value / unit`, away from zero.
fn round_up(value: i128, unit: i128) -> i128 {
    let (quotient, rest) = (value / unit, value % unit);
    quotient + rest.signum()
}

/// A number as decimal digits, the most significant first, with so many of them before the point.
struct Digits {
    digits: Vec<u8>,
    point: i64,
}

impl Digits {
    fn new(whole: &str, fraction: &str) -> Self {
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        Digits { digits, point: whole.len() as i64 }
    }

    fn double(&mut self) {
        let mut carry = 0;
        for digit in self.digits.iter_mut().rev() {
            let doubled = *digit * 2 + carry;
            *digit = doubled % 10;
            carry = doubled / 10;
        }
        if carry > 0 {
            self.digits.insert(0, carry);
            self.point += 1;
        }
    }

    /// The number, shifted by so many places, in billionths: rounded up, and the greatest of all where it has no place.
    fn nanos(&self, shift: i64) -> i128 {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        if leading == self.digits.len() {
            return 0;
        }
        let whole = self.point.saturating_add(shift).saturating_add(9);
        // why 38: so many digits always fit.
        if whole.saturating_sub(leading as i64) > 38 {
            return i128::MAX;
        }
        let taken = usize::try_from(whole).unwrap_or(0);
        let mut value: i128 = 0;
        for place in leading..taken.max(leading) {
            value = value * 10 + i128::from(self.digits.get(place).copied().unwrap_or(0));
        }
        let rest = self.digits.iter().skip(taken).any(|digit| *digit != 0);
        value + i128::from(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;
    use proptest::prelude::*;

    /// What is read, and what Kubernetes writes for it.
    #[track_caller]
    fn check(read: &str, expected: Option<&str>) {
        assert_eq!(Quantity::parse(read).ok().map(|quantity| quantity.to_string()).as_deref(), expected, "{read}");
    }

    #[test]
    fn a_ratio_is_never_passed_by_rounding() {
        let of = |value: &str, ratio: &str| {
            let (value, ratio) = (Quantity::parse(value).unwrap(), Quantity::parse(ratio).unwrap());
            (value.times(ratio).to_string(), value.over(ratio).to_string())
        };
        assert_eq!(of("100m", "1.5"), ("150m".to_owned(), "67m".to_owned()));
        assert_eq!(of("250Mi", "2"), ("500Mi".to_owned(), "125Mi".to_owned()));
        assert_eq!(of("1Gi", "3"), ("3Gi".to_owned(), "357913942".to_owned()));
        assert_eq!(of("1", "3"), ("3".to_owned(), "334m".to_owned()));
    }

    #[test]
    fn reads_every_form_and_writes_the_canonical_one() {
        let good = [
            ("0", "0"),
            ("1", "1"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("5.", "5"),
            ("+1", "1"),
            ("-1.5", "-1500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1k", "1k"),
            ("1000", "1k"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Mi", "512Ki"),
            ("0.1Ki", "102400m"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1e-3", "1e-3"),
            ("12e6", "12e6"),
            ("1E", "1E"),
            ("0.1n", "1n"),
            ("1.0000000001", "1000000001n"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
            ("1e20", "100e18"),
            (".", "0"),
            ("Mi", "0"),
            ("8Ei", "9223372036854775807"),
            ("1Ei", "1Ei"),
            ("100Mi", "100Mi"),
            ("1025.5Ki", "1050112"),
            ("1.0001Ki", "1024102400u"),
            ("007", "7"),
            ("1e+3", "1e3"),
        ];
        good.into_iter().for_each(|(read, written)| check(read, Some(written)));
        let bad = ["", "1.2.3", "1K", "1 Gi", "1ki", "1e", "1e3Mi", "0x10", "--1", "1_000", "ten", "1MiB", "1e1.5", "1E+"];
        bad.into_iter().for_each(|read| check(read, None));
    }

    #[test]
    fn rounds_up_to_thousandths_as_the_api_server_stores_it() {
        let stored = |text: &str| Quantity::parse(text).unwrap().round_to_milli().to_string();
        assert_eq!([stored("0.1m"), stored("1.0001"), stored("-0.1m"), stored("250m")], ["1m", "1001m", "-1m", "250m"]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(milli in -1_000_000_000_000i64..1_000_000_000_000, mebi in 0i64..1_000_000) {
            for quantity in [Quantity::milli(milli), Quantity::mebi(mebi)] {
                prop_assert_eq!(Quantity::parse(&quantity.to_string()).unwrap(), quantity);
            }
        }

        #[test]
        fn no_text_panics(text in "[-+]?[0-9.]{0,40}[a-zA-Z]{0,3}[-+0-9]{0,20}") {
            let _ = Quantity::parse(&text);
        }
    }
}
