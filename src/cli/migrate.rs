//! `podwire migrate`: which application gets which annotation next, and what must be true before, so that a namespace changes its style and no event is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::manifest::{self, Object};
use super::opts::KnownOpts;
use super::server::{self, ClusterOpts};
use super::walk::{self, Said};
use super::{Exit, plan, print, snapshot};
use crate::api::annotations;
use crate::api::style::Style;
use crate::edge::look;
use crate::engine::{Advance, Move, Mover, Owner, Role, Severity, Snapshot, migrate, undo};

/// What moves, where to, and what is known of it.
#[derive(Args, Debug)]
pub(super) struct MigrateOpts {
    /// The style to which the applications of the namespace move
    #[arg(long, value_name = "STYLE", value_parser = style)]
    to: Style,
    /// A file, a folder (every .yaml, .yml and .json in it) or - for standard input, in place of the cluster; may be repeated
    #[arg(short, long = "filename", value_name = "FILE")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    known: KnownOpts,
    /// Where a topic is published that nobody publishes whom podwire wires: orders=sidecar, broker, both or none; may be repeated
    #[arg(long, value_name = "TOPIC=SIDE", value_parser = outside)]
    external_publisher: Vec<(String, BTreeSet<Style>)>,
    /// Where a topic is consumed that nobody consumes whom podwire wires: the same words; may be repeated
    #[arg(long, value_name = "TOPIC=SIDE", value_parser = outside)]
    external_consumer: Vec<(String, BTreeSet<Style>)>,
    /// A sidecar may begin a consumer group, and get again what its store retains
    #[arg(long)]
    replay_ok: bool,
    /// Wait until a step can be made, or everything has moved, for at most so long: 10m
    #[arg(long, value_name = "DURATION", value_parser = server::duration, conflicts_with = "filename")]
    wait: Option<Duration>,
    /// The form in which the steps are printed
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    #[command(flatten)]
    cluster: ClusterOpts,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// How often the cluster is looked at while a step is waited for.
const AGAIN: Duration = Duration::from_secs(2);

pub(super) fn run(opts: &MigrateOpts) -> Exit {
    let (begun, mut warned) = (Instant::now(), BTreeSet::new());
    loop {
        let (of, snapshot) = match read(opts, &mut warned) {
            Ok(read) => read,
            Err(exit) => return exit,
        };
        let migration = migrate(&of, &snapshot);
        let open = migration.turns.first().is_none_or(|turn| turn.iter().any(Advance::is_open));
        let waits = opts.wait.is_some() && !open;
        if waits && opts.wait.is_some_and(|patience| begun.elapsed() < patience) {
            std::thread::sleep(AGAIN);
            continue;
        }
        let printed = print::data(&match opts.output {
            Form::Text => plan::text(&of, &migration),
            Form::Json => plan::json(&of, &migration),
        });
        print::talk(&plan::faults(&migration));
        let refused = !migration.refused.is_empty() || !migration.unwired.is_empty() || waits;
        return if printed == Exit::Clean && refused { Exit::Findings } else { printed };
    }
}

/// What moves and what is around it. `warned` holds the warnings that were said: who waits hears each once.
fn read(opts: &MigrateOpts, warned: &mut BTreeSet<String>) -> Result<(Move, Snapshot), Exit> {
    if !opts.filename.is_empty() {
        return files(opts);
    }
    opts.known.go_with_files()?;
    cluster(opts, warned)
}

fn style(text: &str) -> Result<Style, String> {
    Style::of_word(text).ok_or_else(|| "allowed: sidecar, broker".to_owned())
}

/// Reads `orders=both`.
fn outside(text: &str) -> Result<(String, BTreeSet<Style>), String> {
    let allowed = || "a topic and where it is: orders=sidecar, broker, both or none".to_owned();
    let (topic, side) = text.split_once('=').filter(|(topic, _)| !topic.is_empty()).ok_or_else(allowed)?;
    let sides: &[Style] = match side {
        "sidecar" => &[Style::Sidecar],
        "broker" => &[Style::Broker],
        "both" => &[Style::Sidecar, Style::Broker],
        "none" => &[],
        _ => return Err(allowed()),
    };
    Ok((topic.to_owned(), sides.iter().copied().collect()))
}

impl MigrateOpts {
    fn meant(&self, movers: Vec<Mover>) -> Move {
        let mut outside: BTreeMap<(String, Role), BTreeSet<Style>> = BTreeMap::new();
        for (said, role) in [(&self.external_publisher, Role::Publishes), (&self.external_consumer, Role::Consumes)] {
            said.iter().for_each(|(topic, sides)| outside.entry((topic.clone(), role)).or_default().extend(sides));
        }
        Move { namespace: self.known.namespace.clone(), to: self.to, movers, outside, replay_ok: self.replay_ok }
    }
}

fn files(opts: &MigrateOpts) -> Result<(Move, Snapshot), Exit> {
    let sources = manifest::read(&opts.filename)?;
    let mut snapshot = snapshot::read(&opts.known)?;
    snapshot.settings = opts.cluster.settings.meant();
    let documents = manifest::documents(&sources);
    let walk = walk::over(&documents, &opts.known.namespace, &mut snapshot, false);
    let mut movers = Vec::new();
    for said in walk.said {
        match said {
            // What is wrong with a pod is said beside the steps.
            Said::Judged(judged) => {
                let (title, listens_too) = (judged.template.title.clone(), judged.template.listens_too);
                movers.push(Mover { title, request: judged.request, listens_too });
            }
            Said::Found(remark) if remark.finding.severity() != Severity::Warning => print::talk(&remark.text()),
            Said::Found(_) | Said::Silent { .. } => {}
        }
    }
    Ok((opts.meant(movers), snapshot))
}

fn cluster(opts: &MigrateOpts, warned: &mut BTreeSet<String>) -> Result<(Move, Snapshot), Exit> {
    let (settings, namespace) = (opts.cluster.settings.meant(), opts.known.namespace.as_str());
    let seen = server::ask(opts.cluster.kubeconfig.as_deref(), async |client| Ok(look::workloads(client, settings, namespace).await?));
    let seen = seen.map_err(|error| error.told())?;
    seen.unread.iter().filter(|what| warned.insert((*what).clone())).for_each(|what| print::talk(&format!("warning: {what}\n")));
    let movers = seen.objects.iter().flat_map(|value| manifest::objects(value).into_iter().filter_map(|object| mover(namespace, &object)));
    Ok((opts.meant(movers.collect()), seen.snapshot))
}

/// The workload as the webhook would see its pods, where they ask; one that cannot be read is not wired either.
fn mover(namespace: &str, object: &Object) -> Option<Mover> {
    let template = object.template()?;
    let mut whole: Value = object.value.clone();
    template.of(&mut whole).filter(|pod| annotations::is_asking(pod))?;
    if template.owner == Owner::Bare {
        // A record that cannot be read is left as it is.
        let _ = undo(&mut whole);
    }
    let request = template.request(namespace, &whole).ok()?;
    Some(Mover { title: template.title.clone(), request, listens_too: template.listens_too })
}
