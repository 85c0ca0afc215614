//! `podwire.io/subscribe` → entries: the short form and the long one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::annotations::SUBSCRIBE;
use crate::api::names::{EntryName, EventPath, Topic};
use crate::api::subscribe::{Entry, FIELDS};
use crate::api::yaml::{self, Node};
use crate::engine::request::PodRequest;
use crate::engine::{Code, Finding};

/// Reads the entries; whatever is wrong in one of them is no reason to forget the others.
pub(super) fn read(request: &PodRequest, findings: &mut Vec<Finding>) -> Vec<Entry> {
    let Some(text) = request.annotation(SUBSCRIBE) else { return Vec::new() };
    let before = findings.len();
    let entries: Vec<Entry> =
        if is_list(text) { long(text, findings) } else { text.split(',').filter_map(|topic| short(topic.trim(), findings)).collect() };
    if entries.len() > MOST {
        findings.push(too_many(SUBSCRIBE, entries.len()));
    }
    if findings.len() == before {
        together(&entries, text, findings);
    }
    entries
}

/// why 64: each is a Trigger, and perhaps a Broker; an application with more of them is several.
pub(super) const MOST: usize = 64;

/// A list that is longer than that.
pub(super) fn too_many(annotation: &str, count: usize) -> Finding {
    Finding::annotation(Code::TooManyTopics, annotation, &count.to_string(), format!("at most {MOST}"))
}

/// The short form holds neither brackets nor line breaks nor colons.
fn is_list(text: &str) -> bool {
    text.trim_start().starts_with(['[', '-', '{']) || text.trim().contains(['\n', ':'])
}

fn fault(code: Code, read: &str, allowed: impl Into<String>) -> Finding {
    Finding::annotation(code, SUBSCRIBE, read, allowed)
}

fn short(text: &str, findings: &mut Vec<Finding>) -> Option<Entry> {
    let topic = topic(text, findings)?;
    let (path, name) = (default_path(&topic), default_name(&topic));
    Some(Entry { path: path?, name: name?, topic, attributes: BTreeMap::new(), dead_letter: None })
}

fn topic(text: &str, findings: &mut Vec<Finding>) -> Option<Topic> {
    let topic = Topic::parse(text);
    if topic.is_none() {
        findings.push(fault(Code::InvalidTopic, text, format!("allowed: {}", Topic::ALLOWED)));
    }
    topic
}

fn default_path(topic: &Topic) -> Option<EventPath> {
    EventPath::parse(&format!("/events/{topic}"))
}

fn default_name(topic: &Topic) -> Option<EntryName> {
    let cut: String = topic.slug().chars().take(50).collect();
    EntryName::parse(cut.trim_end_matches('-'))
}

fn long(text: &str, findings: &mut Vec<Finding>) -> Vec<Entry> {
    const FORM: &str = "allowed: orders,payments or a YAML or JSON list of entries";
    match yaml::read(text) {
        Ok(list) if matches!(list.tree, yaml::Tree::Sequence(_)) => list.items().iter().filter_map(|item| entry(item, findings)).collect(),
        Ok(_) => {
            findings.push(fault(Code::InvalidSubscribe, text, FORM));
            Vec::new()
        }
        Err(error) => {
            let place = format!("line {} column {}: {error}", error.place.line, error.place.column);
            findings.push(fault(Code::InvalidSubscribe, text, place).help(FORM));
            Vec::new()
        }
    }
}

/// A field that is text.
fn text(item: &Node, field: &str, findings: &mut Vec<Finding>) -> Option<String> {
    match item.get(field)?.value() {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => {
            findings.push(fault(Code::InvalidSubscribe, &other.to_string(), format!("{field} is text: quote it")));
            None
        }
    }
}

fn entry(item: &Node, findings: &mut Vec<Finding>) -> Option<Entry> {
    let yaml::Tree::Map(fields) = &item.tree else {
        let read = item.value();
        findings.push(fault(
            Code::InvalidSubscribe,
            read.as_str().unwrap_or(&read.to_string()),
            "an entry is a mapping with at least a topic",
        ));
        return None;
    };
    let before = findings.len();
    for (field, _) in fields.iter().filter(|(field, _)| !FIELDS.contains(&field.as_str())) {
        findings.push(fault(Code::InvalidSubscribe, field, format!("allowed fields: {}", FIELDS.join(", "))));
    }
    let Some(stated) = text(item, "topic", findings) else {
        if findings.len() == before {
            findings.push(fault(Code::InvalidSubscribe, &item.value().to_string(), "an entry has a topic"));
        }
        return None;
    };
    let topic = topic(&stated, findings);
    let attributes = attributes(item, findings);
    let path = match text(item, "path", findings) {
        Some(stated) => or_fault(EventPath::parse(&stated), Code::InvalidPath, &stated, EventPath::ALLOWED, findings),
        None => topic.as_ref().and_then(default_path),
    };
    let name = match text(item, "name", findings) {
        Some(stated) => or_fault(EntryName::parse(&stated), Code::InvalidEntryName, &stated, EntryName::ALLOWED, findings),
        None => topic.as_ref().and_then(default_name),
    };
    let dead_letter = text(item, "deadLetter", findings).and_then(|stated| {
        let portable = Topic::parse(&stated).filter(Topic::is_portable).filter(|dead| Some(dead) != topic.as_ref());
        or_fault(
            portable,
            Code::InvalidDeadLetter,
            &stated,
            "another topic than the entry's own, a DNS-1123 label of at most 50 characters",
            findings,
        )
    });
    // An entry with a fault is none: what would follow from it needs no word of its own.
    let entry = Entry { topic: topic?, attributes, path: path?, name: name?, dead_letter };
    (findings.len() == before).then_some(entry)
}

fn or_fault<T>(value: Option<T>, code: Code, read: &str, allowed: &str, findings: &mut Vec<Finding>) -> Option<T> {
    if value.is_none() {
        findings.push(fault(code, read, format!("allowed: {allowed}")));
    }
    value
}

/// `type` and `filter` together: what an event must carry.
fn attributes(item: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    if let Some(kind) = text(item, "type", findings) {
        if kind.is_empty() {
            findings.push(fault(Code::InvalidFilter, "type", "a type is not empty"));
        }
        attributes.insert("type".to_owned(), kind);
    }
    let Some(filter) = item.get("filter").filter(|filter| !filter.value().is_null()) else { return attributes };
    let yaml::Tree::Map(pairs) = &filter.tree else {
        findings.push(fault(Code::InvalidFilter, &filter.value().to_string(), "a filter is a mapping of attributes to values"));
        return attributes;
    };
    for (name, value) in pairs {
        let value = value.value();
        match value.as_str() {
            // YAML reads an unquoted `y` or `off` as a boolean, in a key as well.
            _ if name == "true" || name == "false" => {
                findings.push(fault(Code::InvalidFilter, name, "an attribute's name is text: quote it"));
            }
            Some(_) if name == "type" => findings.push(fault(Code::InvalidFilter, name, "type is a field of the entry")),
            Some(value) if is_attribute(name) && !value.is_empty() => drop(attributes.insert(name.clone(), value.to_owned())),
            _ => {
                let read = format!("{name}: {value}");
                findings.push(fault(Code::InvalidFilter, &read, "allowed: names [a-z][a-z0-9]{0,19}, values that are text and not empty"));
            }
        }
    }
    attributes
}

/// An attribute's name as CloudEvents 1.0 and Knative's Trigger take it.
fn is_attribute(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    letters && name.len() <= 20 && name.starts_with(|first: char| first.is_ascii_lowercase())
}

/// What can only be said of all entries together.
fn together(entries: &[Entry], text: &str, findings: &mut Vec<Finding>) {
    for (index, entry) in entries.iter().enumerate() {
        for other in &entries[..index] {
            let same_events = other.topic == entry.topic && !other.is_disjoint(entry);
            if other.name == entry.name && !same_events {
                let help = format!("give each entry of {} a name of its own", entry.topic);
                findings.push(fault(Code::InvalidEntryName, entry.name.as_str(), "two entries have this name").help(help));
            }
            if other.topic != entry.topic {
                continue;
            }
            if same_events {
                let help = "fix one attribute in both, to different values";
                let entries = if other.name == entry.name {
                    format!("two entries of {}", entry.topic)
                } else {
                    format!("{} and {}", other.name, entry.name)
                };
                findings.push(fault(Code::OverlappingEntries, text, format!("{entries} can take the same event")).help(help));
            }
            if other.dead_letter != entry.dead_letter {
                let read = entry.dead_letter.as_ref().map_or("none", Topic::as_str);
                findings.push(fault(
                    Code::InvalidDeadLetter,
                    read,
                    format!("all entries of {} have the same dead letter topic", entry.topic),
                ));
            }
        }
    }
}
