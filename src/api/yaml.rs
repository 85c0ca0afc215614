//! YAML and JSON, read as kubectl reads them: `yes` is a boolean, `0644` is octal. The one place that knows the library.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, MessageFormatter, Options, Spanned, UserMessageFormatter};

/// The stack of one level, in bytes, as a debug build needs it; measured, a release build needs a sixth.
pub const LEVEL: usize = 48 * 1024;
/// why: a thread has 2 MiB of stack, and what an annotation says needs four levels.
const DEPTH: usize = 32;

/// A place in a text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub tree: Tree,
}

/// A value whose parts know where they stand.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A mapping, in the order of the text.
    Map(Vec<(String, Node)>),
    /// Text, number, boolean or nothing.
    Scalar(Value),
    /// A sequence.
    Sequence(Vec<Node>),
}

/// A text that is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NotYaml {
    /// Where reading stopped.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

/// Reads one document. A key is text: of a boolean or a number it is the text that kubectl makes of it, `true` of `y`.
///
/// # Errors
/// [`NotYaml`] says what is wrong and where.
pub fn read(text: &str) -> Result<Node, NotYaml> {
    read_to(text, DEPTH)
}

/// As [`read`], of texts that are nested deeper, for callers that have the stack for it: [`LEVEL`] each.
///
/// # Errors
/// [`NotYaml`] says what is wrong and where.
pub fn read_to(text: &str, depth: usize) -> Result<Node, NotYaml> {
    let read: Result<Spanned<Tree>, _> = serde_saphyr::from_str_with_options(text, options(text.len(), depth));
    read.map(node).map_err(|error| {
        let place = error.location().map(place).unwrap_or_default();
        let whole = words(&error, depth);
        NotYaml { place, message: without_place(whole.lines().next().unwrap_or_default()).to_owned() }
    })
}

/// A text of any length is read; what aliases may make of it stays bounded.
fn options(length: usize, depth: usize) -> Options {
    let defaults = serde_saphyr::Budget::default();
    // why: `?,` is a mapping, a key and a value, and five events; an escape of two bytes is at most one character of three.
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        // why: a hundred events a byte is more than people write, and what they cost is paid for every annotation too.
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: length.saturating_mul(100).clamp(10_000, 1_000_000),
        },
        budget: serde_saphyr::budget! {
            flow_nesting_limit: depth,
            max_depth: depth,
            max_events: defaults.max_events.max(length.saturating_mul(5)),
            max_nodes: defaults.max_nodes.max(length.saturating_mul(3)),
            max_total_scalar_bytes: defaults.max_total_scalar_bytes.max(length.saturating_mul(3)),
        },
    }
}

/// What is wrong, in words for people who wrote a manifest.
fn words(error: &Error, depth: usize) -> String {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => words(error, depth),
        Error::MultipleDocuments { .. } => {
            "another document begins: the line of its three dashes holds nothing else but a comment".to_owned()
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key {key} stands twice in one mapping"),
        Error::DuplicateMappingKey { key: None, .. } => "a key stands twice in one mapping".to_owned(),
        Error::NonFiniteFloat { value, .. } => format!("{value} is a number that JSON does not have"),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => format!("it is nested deeper than {depth} levels"),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => "its anchors and aliases make too much of it".to_owned(),
        Error::UnknownAnchor { .. } => "the alias has no anchor before it".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an anchor holds an alias of itself".to_owned(),
        // What a value may be is not narrowed: only a key can be of another type than is expected.
        Error::SerdeInvalidType { .. } => "a key is text".to_owned(),
        Error::BinaryNotUtf8 { .. } => "the value of a !!binary is no text".to_owned(),
        other => match UserMessageFormatter.format_message(other).into_owned() {
            // What the scanner says has no variants.
            text if text == "recursion limit exceeded" => format!("it is nested deeper than {depth} levels"),
            text if text == "did not find expected <document start>" => {
                "something follows the end of the document: another begins after a line of three dashes".to_owned()
            }
            text => text,
        },
    }
}

/// Writes one document, so that kubectl reads the same values.
///
/// # Errors
/// What the library says; a JSON value always has a form.
pub fn write(value: &Value) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: true, min_fold_chars: usize::MAX, folded_wrap_chars: usize::MAX };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options)?;
    Ok(text)
}

impl Node {
    /// The value without places.
    pub fn value(&self) -> Value {
        match &self.tree {
            Tree::Map(entries) => Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect::<Map<_, _>>()),
            Tree::Scalar(value) => value.clone(),
            Tree::Sequence(items) => Value::Array(items.iter().map(Node::value).collect()),
        }
    }

    /// The node of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> &[(String, Node)] {
        match &self.tree {
            Tree::Map(entries) => entries,
            Tree::Scalar(_) | Tree::Sequence(_) => &[],
        }
    }

    /// The items of a sequence.
    pub fn items(&self) -> &[Node] {
        match &self.tree {
            Tree::Sequence(items) => items,
            Tree::Map(_) | Tree::Scalar(_) => &[],
        }
    }
}

fn node(spanned: Spanned<Tree>) -> Node {
    Node { place: place(spanned.referenced), tree: spanned.value }
}

fn place(location: serde_saphyr::Location) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Place { line: number(location.line()), column: number(location.column()) }
}

/// The library may say the place in its messages, which is told apart here.
fn without_place(message: &str) -> &str {
    let rest = message.split(" at line ").next().unwrap_or(message);
    match rest.split_once(": ") {
        Some((first, rest)) if first.starts_with("line ") => rest,
        _ => rest,
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Tree, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Tree>>()? {
            items.push(node(item));
        }
        Ok(Tree::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Key, Spanned<Tree>>()? {
            entries.push((key.0, node(value)));
        }
        Ok(Tree::Map(entries))
    }
}

/// A key of a mapping, as text.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Key, E> {
        Ok(Key(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Key, E> {
        Ok(Key(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Key, E> {
        Ok(Key(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Key, E> {
        Ok(Key(number_key(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Key, E> {
        Ok(Key(value.to_owned()))
    }
}

/// As Go writes a float of 32 bits in its shortest form, which is what kubectl makes of such a key.
fn number_key(value: f64) -> String {
    // why a cast: kubectl rounds as well.
    let short = value as f32;
    let scientific = format!("{short:e}");
    match scientific.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>())) {
        Some((digits, Ok(exponent))) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => short.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn reads_as_kubectl_does() {
        let text = "{mode: 0644, a: yes, b: 'yes', c: off, d: ~, e: 1.5, f: 0o17, g: 0x1F, h: '0644'}";
        let expected = json!({ "mode": 420, "a": true, "b": "yes", "c": false, "d": null, "e": 1.5, "f": 15, "g": 31, "h": "0644" });
        assert_eq!(read(text).unwrap().value(), expected);
    }

    #[test]
    fn a_key_is_the_text_that_kubectl_makes_of_it() {
        let text = "{y: 1, 'n': 2, NO: 3, 7: 4, 0x1F: 5, 1.50: 6, 1e6: 7, 0.00001: 8, '8': 9, -2: 10}";
        let expected = json!({ "true": 1, "n": 2, "false": 3, "7": 4, "31": 5, "1.5": 6, "1e+06": 7, "1e-05": 8, "8": 9, "-2": 10 });
        assert_eq!(read(text).unwrap().value(), expected);
        assert_eq!(read("~: 1").unwrap_err().message, "a key is text");
        assert_eq!(read("? [a]\n: 1").unwrap_err().message, "a key is text");
    }

    fn check_refused(text: &str, line: usize, message: &str) {
        let error = read(text).unwrap_err();
        assert_eq!((error.place.line, error.message.as_str()), (line, message), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said_in_words_for_people() {
        check_refused("a: 1\na: 2\n", 2, "the key a stands twice in one mapping");
        check_refused("a: 1\n--- {b: 2}\n", 2, "another document begins: the line of its three dashes holds nothing else but a comment");
        check_refused("a: .inf\n", 1, ".inf is a number that JSON does not have");
        check_refused("a: *b\n", 1, "the alias has no anchor before it");
        check_refused("a: !!binary /w==\n", 1, "the value of a !!binary is no text");
        check_refused(&("[".repeat(200) + &"]".repeat(200)), 1, "it is nested deeper than 32 levels");
        let blocks: String = (0..200).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        check_refused(&blocks, 33, "it is nested deeper than 32 levels");
    }

    #[test]
    fn depth_within_the_limit_is_read() {
        assert!(read(&("[".repeat(32) + &"]".repeat(32))).is_ok());
        let blocks: String = (0..32).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        assert!(read(&blocks).is_ok());
    }

    #[test]
    fn a_long_text_is_read() {
        let node = read(&format!("[{}]", "?,".repeat(100_000))).unwrap();
        assert_eq!(node.items().len(), 100_000);
    }

    #[test]
    fn aliases_that_explode_are_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        (1..10).for_each(|level| text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "))));
        assert_eq!(read(&text).unwrap_err().message, "its anchors and aliases make too much of it");
        assert_eq!(read("a: &a [*a]\n").unwrap_err().message, "an anchor holds an alias of itself");
    }

    #[test]
    fn knows_where_a_value_stands() {
        let node = read("a:\n  b: [x, yy]\n").unwrap();
        let item = &node.get("a").unwrap().get("b").unwrap().items()[1];
        assert_eq!((item.place.line, item.place.column), (2, 10));
    }

    #[test]
    fn says_where_reading_stopped() {
        let error = read("a: 1\nb: [1,\n").unwrap_err();
        assert!(error.place.line >= 2, "{error:?}");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text =
            prop_oneof!["[ -~\n\t]{0,40}", "(yes|no|on|off|y|n|null|~|true|0644|0o17|1e3|1_000|\\.5|0x1f|-|=|<<|190:20|[0-9]{1,12})"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z0-9./-]{1,12}|yes|no|y|0644", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in any_value()) {
            let text = write(&value).unwrap();
            prop_assert_eq!(read(&text).unwrap().value(), value, "{}", text);
        }
    }
}
