//! Generated namespaces move there and back: at no moment does a publisher speak where a consumer does not listen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::{Edit, Migration, Move, Mover, Stage, migrate};
use crate::api::annotations::{LISTEN, PUBLISH, STYLE, SUBSCRIBE};
use crate::api::style::Style;
use crate::engine::topology::Role;
use crate::engine::{Code, Owner, PodRequest, Snapshot};

/// An application: what it does, and what its annotations say now.
#[derive(Clone, Debug)]
struct Shop {
    publishes: BTreeSet<usize>,
    /// Topics, each with the one that gets what it cannot take.
    consumes: BTreeMap<usize, Option<usize>>,
    template: BTreeMap<&'static str, String>,
    workload: BTreeMap<&'static str, String>,
}

fn topic(number: usize) -> String {
    format!("t{number}")
}

impl Shop {
    fn new(publishes: BTreeSet<usize>, consumes: BTreeMap<usize, Option<usize>>, style: Style) -> Self {
        let template = BTreeMap::from([(STYLE, style.word().to_owned())]);
        Shop { publishes, consumes, template, workload: BTreeMap::new() }
    }

    fn style(&self) -> Style {
        Style::of_word(&self.template[STYLE]).unwrap()
    }

    /// Whether the pods take events there: a sidecar is a container, and a Trigger is an object.
    fn listens(&self, side: Style) -> bool {
        self.style() == side || self.template.contains_key(LISTEN) || (side == Style::Broker && self.workload.contains_key(LISTEN))
    }

    fn mover(&self, name: &str) -> Mover {
        let mut annotations: BTreeMap<&str, String> = self.template.clone();
        if !self.publishes.is_empty() {
            annotations.insert(PUBLISH, self.publishes.iter().map(|number| topic(*number)).collect::<Vec<_>>().join(","));
        }
        let entry = |(number, dead): (&usize, &Option<usize>)| {
            let dead = dead.map_or_else(String::new, |dead| format!(", deadLetter: {}", topic(dead)));
            format!("- {{topic: {}{dead}}}\n", topic(*number))
        };
        if !self.consumes.is_empty() {
            annotations.insert(SUBSCRIBE, self.consumes.iter().map(entry).collect());
        }
        let template = json!({
            "metadata": { "annotations": annotations },
            "spec": { "containers": [{ "name": "app", "image": "x", "ports": [{ "containerPort": 8080 }] }] },
        });
        let request = PodRequest::from_template("shop", Owner::Deployment(name.to_owned()), &template).unwrap();
        Mover { title: format!("Deployment/{name}"), request, listens_too: self.workload.contains_key(LISTEN) }
    }

    fn edit(&mut self, edit: &Edit) {
        for (annotations, changes) in [(&mut self.template, &edit.template), (&mut self.workload, &edit.workload)] {
            for (key, value) in changes {
                match value {
                    Some(value) => drop(annotations.insert(key, (*value).to_owned())),
                    None => drop(annotations.remove(key)),
                }
            }
        }
    }
}

type Shops = BTreeMap<String, Shop>;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let text = include_str!("../../../tests/golden/snapshot.yaml");
    let mut snapshot = Snapshot::empty();
    for part in text.split("\n---").filter(|part| part.contains("kind:")) {
        snapshot.take(&crate::api::yaml::read(part).unwrap().value()).unwrap();
    }
    snapshot
});

fn ask(shops: &Shops, to: Style, topics: usize) -> Migration {
    let movers = shops.iter().map(|(name, shop)| shop.mover(name)).collect();
    let nobody = |role| (0..topics).map(move |number| ((topic(number), role), BTreeSet::new()));
    let outside = nobody(Role::Publishes).chain(nobody(Role::Consumes)).collect();
    migrate(&Move { namespace: "shop".to_owned(), to, movers, outside, replay_ok: true }, &SNAPSHOT)
}

/// Every event that is published, and every one that cannot be taken, is heard where it goes.
fn heard(shops: &Shops) -> Result<(), TestCaseError> {
    for (name, shop) in shops {
        let published = shop.publishes.iter().map(|number| (*number, shop.style()));
        for (number, side) in published {
            for (other, taker) in shops.iter().filter(|(_, taker)| taker.consumes.contains_key(&number)) {
                prop_assert!(taker.listens(side), "{name} publishes {number} in {side:?} style, and {other} does not hear it: {shops:#?}");
            }
        }
    }
    Ok(())
}

/// Nobody sends on the side that an application leaves.
fn silent(shops: &Shops, left: &str, from: Style) -> Result<(), TestCaseError> {
    let consumes = &shops[left].consumes;
    for (name, other) in shops.iter().filter(|(name, _)| *name != left) {
        let publishes = other.style() == from && other.publishes.iter().any(|number| consumes.contains_key(number));
        prop_assert!(!publishes, "{left} leaves {from:?}, where {name} sends: {shops:#?}");
    }
    Ok(())
}

/// Moves to the end as the first turn of each answer says; `order` decides who is first within a turn.
fn walk(shops: &mut Shops, to: Style, topics: usize, order: usize) -> Result<(), TestCaseError> {
    let planned = ask(shops, to, topics);
    prop_assert!(planned.refused.is_empty() && planned.held.is_empty() && planned.unwired.is_empty(), "{planned:#?}");
    for (number, turn) in planned.turns.iter().enumerate() {
        let mut now = ask(shops, to, topics).turns.first().cloned().unwrap_or_default();
        prop_assert_eq!(format!("{now:?}"), format!("{turn:?}"), "turn {} is another one than was planned", number);
        let begin = order % now.len();
        now.rotate_left(begin);
        for advance in &now {
            if advance.stage == Stage::Leave {
                silent(shops, &advance.app_id, to.other())?;
            }
            let shop = shops.get_mut(&advance.app_id).unwrap();
            advance.edits.iter().for_each(|edit| shop.edit(edit));
            heard(shops)?;
        }
    }
    prop_assert!(ask(shops, to, topics).turns.is_empty());
    for (name, shop) in shops.iter() {
        let plain = shop.style() == to && shop.workload.is_empty() && !shop.template.contains_key(LISTEN);
        prop_assert!(plain, "{name} has not arrived: {shop:?}");
    }
    Ok(())
}

fn shops(topics: usize) -> impl Strategy<Value = Shops> {
    let shop = (
        prop::collection::btree_set(0..topics, 0..3),
        prop::collection::btree_map(0..topics, prop::option::weighted(0.3, 0..topics), 0..3),
    );
    prop::collection::vec(shop, 1..6).prop_map(|all| {
        let named = all.into_iter().enumerate().map(|(number, (publishes, mut consumes))| {
            // A dead letter goes to another topic, podwire refuses the same one.
            consumes.iter_mut().for_each(|(topic, dead)| *dead = dead.filter(|dead| dead != topic));
            (format!("a{number}"), Shop::new(publishes, consumes, Style::Sidecar))
        });
        named.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn nobody_speaks_where_nobody_listens(mut shops in shops(4), order in 0..5_usize) {
        walk(&mut shops, Style::Broker, 4, order)?;
        walk(&mut shops, Style::Sidecar, 4, order)?;
    }
}

fn one(publishes: &[usize], consumes: &[usize], style: Style) -> Shop {
    Shop::new(publishes.iter().copied().collect(), consumes.iter().map(|number| (*number, None)).collect(), style)
}

fn codes(migration: &Migration, app_id: &str) -> Vec<Code> {
    migration.refused.get(app_id).into_iter().flatten().map(|finding| finding.code).collect()
}

#[test]
fn there_upstream_goes_first_and_back_downstream() {
    let shops = |style| {
        Shops::from([
            ("web".to_owned(), one(&[0], &[], style)),
            ("cart".to_owned(), one(&[1], &[0], style)),
            ("mail".to_owned(), one(&[], &[1], style)),
        ])
    };
    let order = |migration: Migration| -> Vec<String> {
        let publish = migration.turns.into_iter().flatten().filter(|advance| advance.stage == Stage::Publish);
        publish.map(|advance| advance.app_id).collect()
    };
    assert_eq!(order(ask(&shops(Style::Sidecar), Style::Broker, 2)), ["web", "cart"]);
    assert_eq!(order(ask(&shops(Style::Broker), Style::Sidecar, 2)), ["cart", "web"]);
}

#[test]
fn who_takes_what_others_could_not_leaves_after_them_unless_they_bury_in_each_other() {
    let buries = |consumes: usize, dead: usize| Shop::new(BTreeSet::new(), BTreeMap::from([(consumes, Some(dead))]), Style::Sidecar);
    let last =
        |shops: &Shops| ask(shops, Style::Broker, 3).turns.pop().unwrap().into_iter().map(|advance| advance.app_id).collect::<Vec<_>>();
    assert_eq!(last(&Shops::from([("a".to_owned(), one(&[], &[1], Style::Sidecar)), ("z".to_owned(), buries(0, 1))])), ["a"]);
    assert_eq!(last(&Shops::from([("a".to_owned(), buries(0, 1)), ("z".to_owned(), buries(1, 0))])), ["z"]);
}

#[test]
fn a_flow_that_could_not_be_kept_is_refused_and_what_depends_on_it_stays() {
    let shops = Shops::from([("web".to_owned(), one(&[0], &[], Style::Sidecar)), ("cart".to_owned(), one(&[], &[0, 1], Style::Sidecar))]);
    let movers: Vec<Mover> = shops.iter().map(|(name, shop)| shop.mover(name)).collect();
    let ask = |outside: &[(&str, Role, &[Style])], to, replay_ok| {
        let outside = outside.iter().map(|(topic, role, sides)| (((*topic).to_owned(), *role), sides.iter().copied().collect())).collect();
        migrate(&Move { namespace: "shop".to_owned(), to, movers: movers.clone(), outside, replay_ok }, &SNAPSHOT)
    };
    let unknown = ask(&[], Style::Broker, false);
    assert_eq!((codes(&unknown, "cart"), unknown.turns.len()), (vec![Code::UnknownEnd], 0));
    assert_eq!(unknown.held["web"].code, Code::StaysBehind);
    // It is published on the old side from outside, for ever: the consumer ends on both sides.
    let stays = ask(&[("t1", Role::Publishes, &[Style::Sidecar])], Style::Broker, false);
    assert_eq!(stays.turns.len(), 2, "{stays:#?}");
    assert_eq!(stays.held["cart"].code, Code::StaysBehind);
    let moves = ask(&[("t1", Role::Publishes, &[Style::Broker])], Style::Broker, false);
    assert_eq!((moves.turns.len(), moves.held.len()), (3, 0));
    // The way back of an application that has never had a sidecar.
    let shops = Shops::from([("web".to_owned(), one(&[0], &[], Style::Broker)), ("cart".to_owned(), one(&[], &[0], Style::Broker))]);
    let movers = shops.iter().map(|(name, shop)| shop.mover(name)).collect();
    let mut born = Move { namespace: "shop".to_owned(), to: Style::Sidecar, movers, outside: BTreeMap::new(), replay_ok: false };
    assert_eq!(codes(&migrate(&born, &SNAPSHOT), "cart"), [Code::ReplayExpected]);
    born.replay_ok = true;
    assert_eq!(migrate(&born, &SNAPSHOT).turns.len(), 3);
    // Somebody outside hears one side only.
    born.outside = BTreeMap::from([(("t0".to_owned(), Role::Consumes), BTreeSet::from([Style::Broker]))]);
    assert_eq!(codes(&migrate(&born, &SNAPSHOT), "web"), [Code::MissedThere]);
}

#[test]
fn what_the_policy_refuses_is_refused_before_anything_moves() {
    let shops = Shops::from([("web".to_owned(), one(&[0], &[], Style::Sidecar)), ("cart".to_owned(), one(&[], &[0], Style::Sidecar))]);
    let mut snapshot = SNAPSHOT.clone();
    let policy = json!({"apiVersion": "podwire.io/v1alpha1", "kind": "InjectionPolicy", "metadata": {"name": "only"}, "spec": {"allowedStyles": ["sidecar"], "priority": 1000}});
    snapshot.take(&policy).unwrap();
    let movers = shops.iter().map(|(name, shop)| shop.mover(name)).collect();
    let of = Move { namespace: "shop".to_owned(), to: Style::Broker, movers, outside: BTreeMap::new(), replay_ok: false };
    let migration = migrate(&of, &snapshot);
    assert_eq!((codes(&migration, "web").len(), codes(&migration, "cart").len(), migration.turns.len()), (1, 1, 0), "{migration:#?}");
}
