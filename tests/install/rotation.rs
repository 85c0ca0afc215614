//! Certificates that are renewed, and a CA that is replaced, while pods are admitted.

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::Test;
use crate::helm::{CHART, Cluster, NAMESPACE};
use crate::life::Load;
use crate::node::Server;
use crate::support::failure::require;
use crate::support::lab::{Failure, wait_for};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("rotation::a_ca_is_replaced_under_load_and_no_admission_is_refused", |world| {
        Cluster::with(&world.tools, &world.chart.helms[0], rotated)
    }),
    ("rotation::a_set_that_was_made_by_hand_is_served_and_renewed", |world| Cluster::with(&world.tools, &world.chart.helms[0], by_hand)),
    ("rotation::a_clock_that_jumps_gets_a_new_pair_and_no_restart", |world| Cluster::with(&world.tools, &world.chart.helms[1], jumped)),
];

/// The overlap is a twelfth of the lifetime: 5 s, for news that here travel 3 s at most.
const LIFETIMES: [&str; 4] = ["--set", "certificates.lifetime=60s", "--set", "certificates.caLifetime=75s"];
/// How late an API server may hear of a caBundle, of which here is one and on a cluster are three.
const LATE: Duration = Duration::from_secs(2);

fn rotated(cluster: &Cluster) -> Result<(), Failure> {
    cluster.helm(&[["install", "podwire", CHART].as_slice(), &LIFETIMES].concat())?;
    let (webhooks, controllers) = (cluster.webhooks(2)?, [cluster.controller()?, cluster.controller()?]);
    cluster.ready(&webhooks.iter().chain(&controllers).collect::<Vec<_>>())?;
    cluster.wires()?;

    let load = Load::start(cluster);
    let (mut known, mut seen, mut handshakes) = (VecDeque::new(), BTreeMap::<&str, Vec<String>>::new(), 0);
    let mut note = |what: &'static str, now: String| {
        let all = seen.entry(what).or_default();
        if all.last() != Some(&now) {
            all.push(now);
        }
    };
    let begun = Instant::now();
    // One renewal, one CA, its first certificate, and the end of the CA before it.
    while begun.elapsed() < Duration::from_secs(66) {
        let ca = bundle(cluster)?;
        note("CAs trusted", ca.matches("BEGIN").count().to_string());
        known.push_back((Instant::now(), ca));
        while known.len() > 1 && known[1].0.elapsed() > LATE {
            known.pop_front();
        }
        for (trusting, who) in [(&known[0].1, "a late API server"), (&known[known.len() - 1].1, "an API server")] {
            for server in &webhooks {
                let leaf = handshake(trusting, server)
                    .map_err(|error| Failure::new(format!("{who} refuses after {:?}: {error}", begun.elapsed())))?;
                handshakes += 1;
                note(if server.port == webhooks[0].port { "certificates of the first" } else { "certificates of the second" }, leaf);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (sent, failures) = load.stop()?;
    let counts: BTreeMap<&str, usize> = seen.iter().map(|(what, all)| (*what, all.len())).collect();
    println!(
        "{sent} pods that asked, {} of them not wired; {handshakes} handshakes, none refused; {counts:?}, CAs {:?}",
        failures.len(),
        seen["CAs trusted"]
    );
    require(&format!("every pod was wired: {failures:?}"), sent > 200 && failures.is_empty())?;
    require("an old and a new CA overlapped, and the old one went", seen["CAs trusted"] == ["1", "2", "1"])?;
    require(
        &format!("both replicas served three certificates: {counts:?}"),
        ["certificates of the first", "certificates of the second"].iter().all(|what| counts[what] == 3),
    )
}

/// The controller has been away for longer than anything is good: everything has ended, and is made anew without a restart of the webhooks.
fn jumped(cluster: &Cluster) -> Result<(), Failure> {
    let short = ["--set", "certificates.lifetime=10s", "--set", "certificates.caLifetime=10s"];
    cluster.helm(&[["install", "podwire", CHART].as_slice(), &short].concat())?;
    let webhooks = cluster.webhooks(1)?;
    let controller = cluster.controller()?;
    cluster.ready(&[&webhooks[0], &controller])?;
    cluster.wires()?;
    let before = bundle(cluster)?;
    controller.terminate()?;
    wait_for("the certificate has ended", 30, || handshake(&bundle(cluster).ok()?, &webhooks[0]).err())?;
    let controller = cluster.controller()?;
    cluster.ready(&[&controller])?;
    cluster.wires()?;
    let after = bundle(cluster)?;
    require(
        "what had ended is trusted no more",
        !after.is_empty() && !before.lines().filter(|line| !line.starts_with('-')).any(|line| after.contains(line)),
    )
}

/// `podwire certs`, a Secret and a value: nobody makes anything, and the next set is taken without a restart.
fn by_hand(cluster: &Cluster) -> Result<(), Failure> {
    let folder = tempfile::TempDir::new()?;
    let set = folder.path().display().to_string();
    let certs = |more: &[&str]| -> Result<(), Failure> {
        let output = Command::new(env!("CARGO_BIN_EXE_podwire")).args(["certs", "--dir", &set]).args(more).output()?;
        require(&String::from_utf8_lossy(&output.stderr), output.status.success())
    };
    let secret = || -> Result<(), Failure> {
        let files = ["crt", "key"].map(|end| format!("--{}={set}/tls.{end}", if end == "crt" { "cert" } else { end }));
        let made = cluster.lab.kubectl(&[
            "create",
            "secret",
            "tls",
            "ours",
            "-n",
            NAMESPACE,
            &files[0],
            &files[1],
            "--dry-run=client",
            "-o",
            "json",
        ])?;
        cluster.lab.apply(&serde_json::from_str(&made)?)
    };
    certs(&[])?;
    secret()?;
    let values = ["--set", "certificates.mode=provided", "--set", "certificates.provided.secretName=ours"];
    let bundle_of = format!("certificates.provided.caBundle={set}/ca.crt");
    cluster.helm(&[["install", "podwire", CHART, "--set-file", &bundle_of].as_slice(), &values].concat())?;
    let webhooks = cluster.webhooks(1)?;
    cluster.ready(&[&webhooks[0]])?;
    cluster.wires()?;
    let before = handshake(&bundle(cluster)?, &webhooks[0]).map_err(Failure::new)?;
    // Another life is no reason to renew; another name is.
    certs(&["--renew", "--cluster-domain", "cluster.example"])?;
    secret()?;
    wait_for("the next certificate is served", 30, || handshake(&bundle(cluster).ok()?, &webhooks[0]).ok().filter(|now| *now != before))?;
    cluster.wires()
}

/// What the API server trusts.
fn bundle(cluster: &Cluster) -> Result<String, Failure> {
    let configuration = cluster.lab.get(&["mutatingwebhookconfiguration", "podwire"])?;
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(bundle).map_err(|error| Failure::new(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A new connection as the API server makes one: the certificate that it got, where it accepts it.
fn handshake(trusting: &str, server: &Server) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(trusting.as_bytes()) {
        roots.add(ca.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(format!("podwire-webhook.{NAMESPACE}.svc")).map_err(|error| failed(&error))?;
    let mut connection = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).map_err(|error| failed(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| failed(&error))?;
    }
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    leaf.map(|leaf| STANDARD.encode(leaf)).ok_or_else(|| "no certificate is served".to_owned())
}
