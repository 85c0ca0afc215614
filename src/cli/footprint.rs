//! `podwire footprint`: what applications request in each style, with what they share there, and where the two styles cross.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::manifest::{self, Object};
use super::opts::KnownOpts;
use super::server::{self, ClusterOpts};
use super::walk::{self, Said};
use super::{Exit, chart, print, sheet, snapshot};
use crate::api::quantity::Quantity;
use crate::api::style::Style;
use crate::api::wiring::Requests;
use crate::edge::look::{self, Parts, Workloads};
use crate::engine::{Cost, Footprint, Load, Platform, cost};

/// What is weighed, and with what.
#[derive(Args, Debug)]
pub(super) struct FootprintOpts {
    /// A file, a folder (every .yaml, .yml and .json in it) or - for standard input, in place of the cluster; may be repeated
    #[arg(short, long = "filename", value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Every namespace of the cluster, in place of one
    #[arg(short = 'A', long, conflicts_with_all = ["filename", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    known: KnownOpts,
    /// What the parts that all applications of a style share request, in place of what the cluster or the release says: 200m/640Mi is about Brokers, sidecar=100m/60Mi about sidecars; may be repeated
    #[arg(long, value_name = "[STYLE=]CPU/MEMORY", value_parser = platform)]
    platform: Vec<(Style, Requests)>,
    /// The form in which it is printed
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    #[command(flatten)]
    cluster: ClusterOpts,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Text,
    Json,
    Svg,
}

pub(super) fn run(opts: &FootprintOpts) -> Exit {
    read(opts).map_or_else(
        |exit| exit,
        |footprint| {
            print::data(&match opts.output {
                Form::Text => sheet::text(&footprint),
                Form::Json => sheet::json(&footprint),
                Form::Svg => chart::svg(&footprint),
            })
        },
    )
}

/// Reads `200m/640Mi` and `sidecar=100m/60Mi`.
fn platform(text: &str) -> Result<(Style, Requests), String> {
    let allowed = || "CPU and memory, as 200m/640Mi, with a style before them or without: sidecar=100m/60Mi".to_owned();
    let (style, amounts) = text.split_once('=').unwrap_or((Style::Broker.word(), text));
    let (cpu, memory) = amounts.split_once('/').ok_or_else(allowed)?;
    let amount = |text: &str| Quantity::parse(text).ok().filter(|amount| amount.is_positive_or_zero()).ok_or_else(allowed);
    Ok((Style::of_word(style).ok_or_else(allowed)?, Requests { cpu: amount(cpu)?, memory: amount(memory)? }))
}

fn read(opts: &FootprintOpts) -> Result<Footprint, Exit> {
    let (costs, mut platforms) = if opts.filename.is_empty() { cluster(opts)? } else { (files(opts)?, shipped()) };
    for (style, requests) in &opts.platform {
        platforms.insert(*style, Platform { requests: *requests, origin: "--platform".to_owned() });
    }
    Ok(Footprint { costs, platforms })
}

fn shipped() -> BTreeMap<Style, Platform> {
    [Style::Broker, Style::Sidecar].map(|style| (style, Platform::shipped(style))).into()
}

fn files(opts: &FootprintOpts) -> Result<Vec<Cost>, Exit> {
    let sources = manifest::read(&opts.filename)?;
    let mut snapshot = snapshot::read(&opts.known)?;
    snapshot.settings = opts.cluster.settings.meant();
    let documents = manifest::documents(&sources);
    let walk = walk::over(&documents, &opts.known.namespace, &mut snapshot, false);
    let (mut loads, mut remarks, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for said in walk.said {
        match said {
            Said::Judged(one) => {
                judged.extend(one.verdict.findings);
                loads.push(Load { title: one.template.title, request: one.request, pods: one.template.pods });
            }
            Said::Found(remark) if remark.finding.prevents() => remarks.push(remark),
            Said::Found(_) | Said::Silent { .. } => {}
        }
    }
    // What is wrong with a pod that was read is said beside its figures.
    remarks.retain(|remark| !judged.contains(&remark.finding));
    remarks.iter().for_each(|remark| print::talk(&remark.text()));
    if remarks.is_empty() { Ok(loads.iter().filter_map(|load| cost(load, &snapshot)).collect()) } else { Err(Exit::Findings) }
}

/// What makes pods in an object of the cluster.
fn loads(object: &Value, namespace: &str) -> Vec<Load> {
    let load = |object: Object| {
        let template = object.template()?;
        let request = template.request(template.namespace.as_deref().unwrap_or(namespace), object.value).ok()?;
        Some(Load { pods: template.pods, title: template.title, request })
    };
    manifest::objects(object).into_iter().filter_map(load).collect()
}

fn cluster(opts: &FootprintOpts) -> Result<(Vec<Cost>, BTreeMap<Style, Platform>), Exit> {
    let (settings, namespace) = (opts.cluster.settings.meant(), opts.known.namespace.as_str());
    opts.known.go_with_files()?;
    let within = (!opts.all_namespaces).then_some(namespace);
    let seen = server::ask(opts.cluster.kubeconfig.as_deref(), async |client| Ok(look::loads(client, settings.clone(), within).await?));
    let (all, [knative, dapr]) = seen.map_err(|error| error.told())?;
    let costs = all.iter().flat_map(|Workloads { objects, snapshot, unread }| {
        unread.iter().for_each(|what| print::talk(&format!("warning: {what}\n")));
        objects.iter().flat_map(|object| loads(object, namespace)).filter_map(move |load| cost(&load, snapshot))
    });
    let mut platforms = shipped();
    for (style, namespace, parts) in
        [(Style::Broker, &settings.knative_namespace, knative), (Style::Sidecar, &settings.dapr_namespace, dapr)]
    {
        platforms.extend(platform_of(namespace, parts).map(|platform| (style, platform)));
    }
    Ok((costs.collect(), platforms))
}

/// What is shared, as the cluster has it; nothing where it has none of it or does not tell.
fn platform_of(namespace: &str, parts: Parts) -> Option<Platform> {
    match parts {
        Ok(objects) => {
            let parts: Vec<Load> = objects.iter().flat_map(|object| loads(object, namespace)).collect();
            (!parts.is_empty()).then(|| Platform::of(&parts, format!("namespace {namespace} of the cluster")))
        }
        Err(error) => {
            print::talk(&format!("warning: what is shared is not read from namespace {namespace}: {error}\n"));
            None
        }
    }
}
