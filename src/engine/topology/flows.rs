//! The ends of every topic of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::names::{BrokerName, Topic};
use crate::api::style::Style;
use crate::engine::app::{App, Member};

/// What an application is to a topic.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// It takes events.
    Consumes,
    /// What it cannot take of another topic goes there.
    DeadLetters,
    /// It sends events.
    Publishes,
}

impl Role {
    /// Whether events come from it.
    fn sends(self) -> bool {
        self != Role::Consumes
    }

    /// What it does, before the topic.
    fn verb(self) -> &'static str {
        match self {
            Role::Consumes => "consumes",
            Role::DeadLetters => "sends dead letters to",
            Role::Publishes => "publishes",
        }
    }
}

/// One application at one end of a topic, on one side.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct End {
    /// The topic.
    pub topic: String,
    /// What the application is to it.
    pub role: Role,
    /// On which side.
    pub side: Style,
    /// Through what: `pubsub/orders`, or the Broker's name.
    pub through: String,
}

/// The ends of every topic of a namespace, by app-id.
#[derive(Clone, Debug, Default)]
pub struct Flows(pub BTreeMap<String, BTreeSet<End>>);

impl App {
    /// The ends that the application has: of its workloads, and of the pods that still run.
    pub fn ends(&self) -> BTreeSet<End> {
        self.members.iter().chain(&self.carried).flat_map(ends).collect()
    }
}

fn ends(member: &Member) -> Vec<End> {
    let through = |topic: &Topic, role: Role, side: Style| match (side, role) {
        (Style::Sidecar, _) => Some(format!("{}/{topic}", member.pubsub)),
        // A Broker that annotations name is that of what the application publishes and consumes.
        (Style::Broker, Role::DeadLetters) => BrokerName::of_topic(topic).map(|name| name.to_string()),
        (Style::Broker, Role::Publishes | Role::Consumes) => member.intent.broker_of(topic).map(|name| name.to_string()),
    };
    let end = |topic: &Topic, role, side| Some(End { topic: topic.to_string(), role, side, through: through(topic, role, side)? });
    let publishes = member.intent.publish.iter().filter_map(|topic| end(topic, Role::Publishes, member.publish));
    let entries = &member.intent.subscribe;
    let consumes = member.listen.iter().flat_map(|side| entries.iter().filter_map(|entry| end(&entry.topic, Role::Consumes, *side)));
    let dead = entries.iter().filter_map(|entry| entry.dead_letter.as_ref());
    let buries = member.listen.iter().flat_map(|side| dead.clone().filter_map(|topic| end(topic, Role::DeadLetters, *side)));
    publishes.chain(consumes).chain(buries).collect()
}

impl Flows {
    /// The applications at the other end of a topic, and how.
    fn opposite<'a>(&'a self, end: &'a End) -> impl Iterator<Item = (&'a str, &'a End)> {
        let all = self.0.iter().flat_map(|(app_id, ends)| ends.iter().map(move |end| (app_id.as_str(), end)));
        all.filter(move |(_, other)| other.topic == end.topic && other.role.sends() != end.role.sends())
    }

    /// The applications that publish to one of the topics on a side. Dead letters do not count: two applications may bury in each other, and neither side would ever be drained.
    pub(crate) fn publishers<'a>(&'a self, topics: &BTreeSet<&str>, side: Style) -> BTreeSet<&'a str> {
        let all = self.0.iter().flat_map(|(app_id, ends)| ends.iter().map(move |end| (app_id.as_str(), end)));
        let publish = all.filter(|(_, end)| end.role == Role::Publishes && end.side == side && topics.contains(end.topic.as_str()));
        publish.map(|(app_id, _)| app_id).collect()
    }

    /// What becomes of the topics of an application.
    pub(crate) fn meetings(&self, app_id: &str) -> Meetings {
        let mut meetings = Meetings::default();
        for end in self.0.get(app_id).into_iter().flatten() {
            let mut others: BTreeMap<&str, Vec<&End>> = BTreeMap::new();
            self.opposite(end).for_each(|(other, end)| others.entry(other).or_default().push(end));
            match end.role {
                Role::Consumes if others.is_empty() => drop(meetings.unknown.insert((end.topic.clone(), Role::Publishes))),
                Role::Publishes if others.is_empty() => drop(meetings.unknown.insert((end.topic.clone(), Role::Consumes))),
                // Dead letters that nobody takes are there for people to look at.
                _ => {}
            }
            for (other, theirs) in others {
                // A consumer must hear every side on which somebody publishes; a publisher need not use every side on which somebody listens.
                let met = match end.role {
                    Role::Publishes | Role::DeadLetters => theirs.iter().any(|one| one.side == end.side && one.through == end.through),
                    Role::Consumes => self.hears(app_id, &theirs),
                };
                if !met {
                    let (publisher, consumer) = if end.role.sends() { (app_id, other) } else { (other, app_id) };
                    meetings.missed.extend(self.missed(&end.topic, publisher, consumer));
                }
            }
        }
        meetings
    }

    /// Whether a consumer hears everything that a publisher sends.
    fn hears(&self, consumer: &str, published: &[&End]) -> bool {
        let listens: Vec<&End> = self.0.get(consumer).into_iter().flatten().filter(|end| end.role == Role::Consumes).collect();
        let heard = |sent: &&End| listens.iter().any(|end| end.topic == sent.topic && end.side == sent.side && end.through == sent.through);
        published.iter().all(heard)
    }

    /// The sentence about two ends that do not meet.
    fn missed(&self, topic: &str, publisher: &str, consumer: &str) -> Option<Missed> {
        let of = |app_id: &str, sends| -> Vec<&End> {
            self.0.get(app_id).into_iter().flatten().filter(|end| end.topic == topic && end.role.sends() == sends).collect()
        };
        let (sent, heard) = (of(publisher, true), of(consumer, false));
        let lost = sent.into_iter().find(|end| !heard.iter().any(|other| other.side == end.side && other.through == end.through))?;
        let elsewhere = heard.iter().find(|other| other.side == lost.side).map(|other| other.through.clone());
        Some(Missed {
            topic: topic.to_owned(),
            role: lost.role,
            publisher: publisher.to_owned(),
            consumer: consumer.to_owned(),
            side: lost.side,
            through: lost.through.clone(),
            elsewhere,
        })
    }
}

/// What becomes of the topics of an application.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    /// Ends that are known and do not meet.
    pub(crate) missed: BTreeSet<Missed>,
    /// Topics of which one end is not known, and which.
    pub(crate) unknown: BTreeSet<(String, Role)>,
}

/// A publisher that a consumer does not hear.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Missed {
    topic: String,
    role: Role,
    publisher: String,
    consumer: String,
    side: Style,
    through: String,
    elsewhere: Option<String>,
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Missed { topic, publisher, consumer, through, .. } = self;
        let (side, sends) = (self.side.word(), self.role.verb());
        match &self.elsewhere {
            Some(elsewhere) => {
                write!(f, "{publisher} {sends} {topic} through {through} and {consumer} listens to {elsewhere}: name the same in both")
            }
            None => write!(
                f,
                "{publisher} {sends} {topic} in {side} style and {consumer} does not listen there: podwire.io/listen: both on {consumer}, \
                 or the same podwire.io/style in both"
            ),
        }
    }
}
