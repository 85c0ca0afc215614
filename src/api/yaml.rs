//! YAML and JSON, read as kubectl reads them: `yes` is a boolean, `0644` is octal. The one place that knows the library.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A place in a text: line and column from 1, and the range of bytes where it is known.
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

/// Reads one document.
///
/// # Errors
/// [`NotYaml`] says what is wrong and where.
pub fn read(text: &str) -> Result<Node, NotYaml> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    let read: Result<Spanned<Tree>, _> = serde_saphyr::from_str_with_options(text, options);
    read.map(node).map_err(|error| {
        let place = error.location().map(place).unwrap_or_default();
        let whole = error.to_string();
        let message = whole.lines().next().unwrap_or_default();
        NotYaml { place, message: without_place(message).to_owned() }
    })
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
        match &self.tree {
            Tree::Map(entries) => entries.iter().find(|(known, _)| known == key).map(|(_, node)| node),
            Tree::Scalar(_) | Tree::Sequence(_) => None,
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

/// The library begins its messages with the place, which is told apart here.
fn without_place(message: &str) -> &str {
    let rest = message.strip_prefix("error: ").unwrap_or(message);
    let rest = rest.split(" at line ").next().unwrap_or(rest);
    let rest = rest.split(", set ").next().unwrap_or(rest);
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
        while let Some((key, value)) = access.next_entry::<String, Spanned<Tree>>()? {
            entries.push((key, node(value)));
        }
        Ok(Tree::Map(entries))
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
