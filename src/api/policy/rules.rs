//! What the type does not say about a policy. Each rule stands here in CEL, for the API server, and in Rust, with one message for both.

use serde_json::Value;

use super::faults::Wrong;
use super::pattern::fits_image;
use crate::api::names::{EntryName, PubsubName, is_label};
use crate::api::quantity::Quantity;

/// A rule about the values at a place: fields with dots between them, `[]` for the items of a list, `{}` for the values of a map, `*` for every field.
pub(super) struct Rule {
    pub(super) at: String,
    pub(super) cel: String,
    pub(super) message: String,
    /// The field below the place that the API server names in its refusal.
    pub(super) field: Option<String>,
    pub(super) judge: Judge,
}

/// How a value is judged.
pub(super) enum Judge {
    /// A request or limit of one group, `min.requests`, which is not above that of another.
    NotAbove(Group, Group),
    Text(fn(&str) -> bool),
    Value(fn(&Value) -> Option<Wrong>),
}

/// Two fields of [`Bounds`](super::Bounds): `min`, `requests`.
type Group = (&'static str, &'static str);

/// How long texts, lists and maps may be. why: without bounds the API server cannot tell what a rule costs, and refuses it.
pub(super) const SIZES: &[(&str, usize)] = &[
    ("namespaceSelector.matchExpressions", 16),
    ("namespaceSelector.matchExpressions.[].key", 317),
    ("namespaceSelector.matchExpressions.[].operator", 12),
    ("namespaceSelector.matchExpressions.[].values", 64),
    ("namespaceSelector.matchExpressions.[].values.[]", 63),
    ("namespaceSelector.matchLabels", 32),
    ("namespaceSelector.matchLabels.{}", 63),
    ("allowedStyles", 2),
    ("sidecar.pubsub", 253),
    ("sidecar.image", 255),
    ("sidecar.allowedImages", 16),
    ("sidecar.allowedImages.[]", 200),
    ("sidecar.allowedOverrides", 100),
    ("sidecar.allowedOverrides.[]", 63),
    ("broker.allowedBrokers", 64),
    ("broker.allowedBrokers.[]", 50),
    ("broker.class", 253),
    ("broker.config.apiVersion", 253),
    ("broker.config.kind", 63),
    ("broker.config.name", 253),
    ("broker.config.namespace", 63),
    ("resources.*.*.*", 8),
];

/// Lists that name each value once, so that two owners may each apply their own.
pub(super) const SETS: &[&str] = &["allowedStyles", "sidecar.allowedImages", "sidecar.allowedOverrides", "broker.allowedBrokers"];

/// The operators of a selector.
pub(super) const OPERATORS: [&str; 4] = ["DoesNotExist", "Exists", "In", "NotIn"];

/// A text: the place, what is allowed there, and the same as an expression and in Rust.
type Text = (&'static str, &'static str, &'static str, fn(&str) -> bool);
/// More than one text: the place, the field that is named, what is allowed, and the same in CEL and in Rust.
type Other = (&'static str, Option<&'static str>, &'static str, &'static str, fn(&Value) -> Option<Wrong>);

const TEXTS: &[Text] = &[
    (
        "namespaceSelector.matchExpressions.[].key",
        "the key of a label",
        r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        is_label_key,
    ),
    (
        "namespaceSelector.matchExpressions.[].values.[]",
        "the value of a label",
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        is_label_value,
    ),
    ("namespaceSelector.matchLabels.{}", "the value of a label", r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", is_label_value),
    ("sidecar.pubsub", PubsubName::ALLOWED, SUBDOMAIN, |text| PubsubName::parse(text).is_some()),
    ("sidecar.image", "an image reference, without blanks", r"^[A-Za-z0-9._:/@-]+$", |text| is_of(text, b"._:/@-")),
    (
        "sidecar.allowedImages.[]",
        "an image reference, without blanks, in which * stands for any run of characters",
        r"^[A-Za-z0-9._:/@*-]+$",
        |text| is_of(text, b"._:/@*-"),
    ),
    (
        "sidecar.allowedOverrides.[]",
        "an annotation of Dapr's without its prefix, such as sidecar-image",
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        |text| is_label(text, 63),
    ),
    (
        "broker.allowedBrokers.[]",
        "the name of a Broker (a-z, 0-9, -), in which * stands for any run of characters",
        r"^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$",
        |text| !text.is_empty() && EntryName::parse(&text.replace('*', "a")).is_some(),
    ),
    ("broker.class", "the class of a Broker, such as MTChannelBasedBroker", r"^[A-Za-z0-9]([-A-Za-z0-9._/]*[A-Za-z0-9])?$", |text| {
        is_word(text, b"-._/")
    }),
    ("broker.config.apiVersion", "an API version, such as v1", r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$", is_api_version),
    ("broker.config.kind", "a kind, such as ConfigMap", r"^[A-Z][A-Za-z0-9]*$", |text| {
        text.starts_with(|first: char| first.is_ascii_uppercase()) && is_of(text, b"")
    }),
    ("broker.config.name", PubsubName::ALLOWED, SUBDOMAIN, |text| PubsubName::parse(text).is_some()),
    ("broker.config.namespace", "a DNS-1123 label (a-z, 0-9, -)", r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", |text| is_label(text, 63)),
];

const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";

const OTHERS: &[Other] = &[
    ("", Some(".preferredStyle"), "preferredStyle must be one of allowedStyles", PREFERRED, preferred),
    ("allowedStyles", None, "allowed: at least one style", "self.size() > 0", |styles| {
        styles.as_array().is_some_and(Vec::is_empty).then(Wrong::default)
    }),
    ("namespaceSelector.matchLabels", None, "allowed: keys of labels", LABEL_KEYS, |labels| {
        let key = labels.as_object()?.keys().find(|key| !is_label_key(key))?;
        Some(Wrong { read: Some(key.clone()), ..Wrong::default() })
    }),
    (
        "namespaceSelector.matchExpressions.[]",
        None,
        "In and NotIn need values, Exists and DoesNotExist have none",
        "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0",
        values,
    ),
    ("sidecar", Some(".image"), "image must be one of allowedImages", ALLOWED_IMAGE, image),
    ("resources.*.*.*", None, "allowed: cpu, memory", "self.all(resource, resource in ['cpu', 'memory'])", |amounts| {
        let other = amounts.as_object()?.keys().find(|resource| !RESOURCES.contains(&resource.as_str()))?;
        Some(Wrong { read: Some(other.clone()), ..Wrong::default() })
    }),
    (QUANTITIES, None, "allowed: a quantity such as 250m, \"1.5\" or 128Mi, not a negative one", QUANTITY, |value| {
        quantity(value).is_none().then(|| Wrong { help: value.is_f64().then(|| "quote it".to_owned()), ..Wrong::default() })
    }),
];

/// Where requests and limits stand.
pub(super) const QUANTITIES: &str = "resources.*.*.*.{}";
/// The resources of which podwire decides requests and limits. why: of others it adds none, so that bounds of them would bind nobody.
const RESOURCES: [&str; 2] = ["cpu", "memory"];

const PREFERRED: &str = "!has(self.allowedStyles) || !has(self.preferredStyle) || self.preferredStyle in self.allowedStyles";
const LABEL_KEYS: &str = "self.all(key, key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))";
const QUANTITY: &str = "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0";
/// Each pattern as an expression; one with a digest is asked of the image without its tag too.
const ALLOWED_IMAGE: &str = "!has(self.image) || !has(self.allowedImages) || self.allowedImages.exists(pattern, \
    self.image.matches('^' + pattern.replace('.', '[.]').replace('*', '.*') + '$') || \
    (pattern.contains('@') && self.image.replace(self.image.find(':[A-Za-z0-9._-]+@'), '@', 1)\
    .matches('^' + pattern.replace('.', '[.]').replace('*', '.*') + '$')))";

/// What is not above what, of one resource: the bounds themselves, and no request of `min` or `default` above a limit that a container can have.
const NOT_ABOVE: [(Group, Group); 10] = [
    (("min", "requests"), ("default", "requests")),
    (("min", "requests"), ("max", "requests")),
    (("default", "requests"), ("max", "requests")),
    (("min", "limits"), ("default", "limits")),
    (("min", "limits"), ("max", "limits")),
    (("default", "limits"), ("max", "limits")),
    (("default", "requests"), ("default", "limits")),
    (("default", "requests"), ("max", "limits")),
    (("min", "requests"), ("default", "limits")),
    (("min", "requests"), ("max", "limits")),
];

/// Every rule.
pub(super) fn all() -> Vec<Rule> {
    let text = |(at, allowed, pattern, judge): &Text| Rule {
        at: (*at).to_owned(),
        cel: format!("self.matches('{pattern}')"),
        message: format!("allowed: {allowed}"),
        field: None,
        judge: Judge::Text(*judge),
    };
    let other = |(at, field, message, cel, judge): &Other| Rule {
        at: (*at).to_owned(),
        cel: (*cel).to_owned(),
        message: (*message).to_owned(),
        field: field.map(str::to_owned),
        judge: Judge::Value(*judge),
    };
    let container = |at: &'static str| NOT_ABOVE.iter().map(move |(lower, upper)| not_above(at, *lower, *upper));
    let amounts = ["resources.app", "resources.sidecar"].into_iter().flat_map(container);
    TEXTS.iter().map(text).chain(OTHERS.iter().map(other)).chain(amounts).collect()
}

/// A resource that stands in both groups, and is a quantity there, is not above in the first.
fn not_above(at: &str, lower: Group, upper: Group) -> Rule {
    let (low, high) = (format!("{}.{}", lower.0, lower.1), format!("{}.{}", upper.0, upper.1));
    let absent = |(outer, inner): Group| format!("!has(self.{outer}) || !has(self.{outer}.{inner})");
    let text = |group: &str| format!("string(self.{group}[resource])");
    let compared = format!("quantity({}).compareTo(quantity({})) <= 0", text(&low), text(&high));
    let each = format!("!(resource in self.{high}) || !isQuantity({}) || !isQuantity({}) || {compared}", text(&low), text(&high));
    let group =
        if lower.0 == upper.0 { absent(lower) + &format!(" || !has(self.{high})") } else { absent(lower) + " || " + &absent(upper) };
    Rule {
        at: at.to_owned(),
        cel: format!("{group} || self.{low}.all(resource, {each})"),
        message: format!("{low} must not be above {high}"),
        field: Some(format!(".{low}")),
        judge: Judge::NotAbove(lower, upper),
    }
}

/// The first resource that is above in the first group what it is in the second.
pub(super) fn above(bounds: &Value, lower: Group, upper: Group) -> Option<Wrong> {
    let of = |group: Group, resource: &str| quantity(&bounds[group.0][group.1][resource]);
    let above = |resource: &&str| of(lower, resource).zip(of(upper, resource)).is_some_and(|(low, high)| low > high);
    let resource = RESOURCES.into_iter().find(above)?;
    Some(Wrong {
        below: format!(".{}.{}.{resource}", lower.0, lower.1),
        read: of(lower, resource).map(|low| low.to_string()),
        help: of(upper, resource).map(|high| format!("{}.{}.{resource} is {high}", upper.0, upper.1)),
    })
}

/// Written as text or as a whole number. Of a number with a fraction the API server takes only the text.
pub(super) fn quantity(value: &Value) -> Option<Quantity> {
    let text = match value {
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::String(text) if text.len() <= 40 => text.clone(),
        _ => return None,
    };
    Quantity::parse(&text).ok().filter(|quantity| quantity.is_positive_or_zero())
}

fn preferred(spec: &Value) -> Option<Wrong> {
    let (allowed, preferred) = (spec["allowedStyles"].as_array()?, spec.get("preferredStyle")?);
    let wrong = || Wrong { below: ".preferredStyle".to_owned(), read: preferred.as_str().map(str::to_owned), help: None };
    (!allowed.contains(preferred)).then(wrong)
}

fn values(requirement: &Value) -> Option<Wrong> {
    let needs = ["In", "NotIn"].iter().any(|operator| requirement["operator"] == *operator);
    let has = requirement["values"].as_array().is_some_and(|values| !values.is_empty());
    (needs != has).then(Wrong::default)
}

fn image(sidecar: &Value) -> Option<Wrong> {
    let (allowed, image) = (sidecar["allowedImages"].as_array()?, sidecar["image"].as_str()?);
    let fits = allowed.iter().filter_map(Value::as_str).any(|pattern| fits_image(pattern, image));
    (!fits).then(|| Wrong { below: ".image".to_owned(), read: Some(image.to_owned()), help: None })
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let prefix = prefix.is_none_or(|prefix| is_word(prefix, b"-.") && !prefix.bytes().any(|byte| byte.is_ascii_uppercase()));
    prefix && name.len() <= 63 && is_word(name, b"-_.")
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_word(text, b"-_.")
}

fn is_api_version(text: &str) -> bool {
    let (group, version) = text.rsplit_once('/').map_or((None, text), |(group, version)| (Some(group), version));
    let lower = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let number = version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && is_of(rest, b""));
    number && lower(version) && group.is_none_or(|group| is_word(group, b"-.") && lower(group))
}

/// Letters and digits, and between the first and the last one of these others too.
fn is_word(text: &str, others: &[u8]) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    edge(text.bytes().next()) && edge(text.bytes().last()) && is_of(text, others)
}

/// Letters, digits and these others, at least one of them.
fn is_of(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}
