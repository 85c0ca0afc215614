//! Prometheus's text format, as far as a counter needs it.

use std::collections::BTreeMap;

/// Labels and value of a counter's sample, from behind the `{`; `None` where it cannot be read.
pub(super) fn sample(text: &str) -> Option<(BTreeMap<&str, String>, u64)> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.starts_with('}') {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.insert(name.trim_end(), value);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
    // A time may stand behind the value.
    let value: f64 = rest[1..].split_whitespace().next()?.parse().ok()?;
    // Counters are floats; past 2^53 this one would be wrong, and nobody counts that far.
    (value.is_finite() && value >= 0.0).then_some((labels, value as u64))
}

/// A label's value without its quotes and escapes, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn labels_are_read_with_their_escapes() {
        let (labels, value) = sample(r#"app_id="a,b}", topic = "say \"hi\" \\ now\n" ,empty="",} 1.2e+01 1700000000000"#).unwrap();
        assert_eq!(value, 12);
        assert_eq!(labels["app_id"], "a,b}");
        assert_eq!(labels["topic"], "say \"hi\" \\ now\n");
        assert_eq!(labels["empty"], "");
        assert_eq!(sample("} 3").unwrap(), (Default::default(), 3));
    }

    #[test]
    fn what_is_no_counter_is_not_read() {
        for text in ["", "}", "} x", "} NaN", "} +Inf", "} -1", r#"a="b" 1"#, r#"a="b} 1"#, "a=b} 1", r#"a="b\"#, r#"a="b"c="d"} 1"#] {
            assert_eq!(sample(text), None, "{text}");
        }
    }
}
