//! Over TLS on loopback: protocols, certificates that change, clients that are slow, and the end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::future::join_all;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::support::{Protocol, Serving, Unusual, always, connect, handshake, serve, until, wired};
use crate::edge::certs::tests::{Authority, lay};
use crate::edge::webhook::Limits;
use crate::edge::webhook::decide::Decide;

const BOTH: [Protocol; 2] = [Protocol::H1, Protocol::H2];

/// The serial of the certificate that a new connection is served.
async fn serial(serving: &Serving) -> u64 {
    let stream = handshake(serving.addresses.admission, serving.tls(None, Protocol::H1)).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    let (_, certificate) = X509Certificate::from_der(&certificates[0]).unwrap();
    certificate.tbs_certificate.serial.to_u64_digits()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_are_spoken() {
    let serving = serve(Unusual::default(), always(wired())).await;
    for protocol in BOTH {
        let mut connection = serving.connect(protocol).await;
        for _ in 0..3 {
            connection.wire().await.unwrap();
        }
    }
    assert_eq!(serving.get("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(serving.get("/readyz").await, (StatusCode::OK, "ok\n".to_owned()));
    let (_, metrics) = serving.get("/metrics").await;
    assert!(metrics.contains("podwire_certificate_expiry_timestamp_seconds 2493158400"), "{metrics}");
    serving.stop();
    serving.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_under_load_without_a_lost_request() {
    let serving = Arc::new(serve(Unusual::default(), always(wired())).await);
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = [(Protocol::H1, true), (Protocol::H2, true), (Protocol::H1, false), (Protocol::H2, false)];
    let clients: Vec<_> = clients
        .into_iter()
        .map(|(protocol, lasting)| {
            let (serving, stop, sent) = (Arc::clone(&serving), Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                let mut connection = serving.connect(protocol).await;
                while !stop.load(Ordering::Relaxed) {
                    if !lasting {
                        connection = serving.connect(protocol).await;
                    }
                    connection.wire().await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for next in 2..=6 {
        let before = sent.load(Ordering::Relaxed);
        lay(serving.folder.path(), &next.to_string(), &serving.authority.issue(next), None);
        until("the new certificate", || async { serial(&serving).await == next }).await;
        until("requests after it", || async { sent.load(Ordering::Relaxed) > before + 20 }).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in join_all(clients).await {
        client.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_checked_where_a_ca_is_given() {
    let serving = serve(Unusual { checks_clients: true, ..Unusual::default() }, always(wired())).await;
    let (known, stranger) = (serving.authority.issue(7), Authority::new());
    let unknown = stranger.issue(7);
    for protocol in BOTH {
        let attempt = async |pair| {
            let mut connection = connect(serving.addresses.admission, serving.tls(pair, protocol)).await?;
            connection.wire().await
        };
        attempt(Some(&known)).await.unwrap();
        assert!(attempt(None).await.is_err());
        assert!(attempt(Some(&unknown)).await.is_err());
    }
    lay(serving.folder.path(), "2", &serving.authority.issue(2), Some(&stranger.pem()));
    until("the new ca", || async {
        let connection = connect(serving.addresses.admission, serving.tls(Some(&unknown), Protocol::H2)).await;
        match connection {
            Ok(mut connection) => connection.wire().await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
}

/// Reads until the other side closes.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    // A reset is an end, too.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("the connection stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_shed() {
    let short = Duration::from_millis(150);
    let limits = Limits { handshake: short, first_request: short, idle: short, body: short, ..Limits::default() };
    let serving = serve(Unusual { limits, ..Unusual::default() }, always(wired())).await;
    let at = serving.addresses.admission;

    let mut silent = TcpStream::connect(at).await.unwrap();
    closed(&mut silent).await;

    for protocol in BOTH {
        let mut idle = handshake(at, serving.tls(None, protocol)).await.unwrap();
        closed(&mut idle).await;
    }

    let dribble = async |head: &'static [u8]| {
        let (mut read, mut write) = tokio::io::split(handshake(at, serving.tls(None, Protocol::H1)).await.unwrap());
        write.write_all(head).await.unwrap();
        let writing = async {
            while write.write_all(b"x").await.is_ok() && write.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = closed(&mut read) => {}
            () = writing => {}
        }
    };
    timeout(Duration::from_secs(10), dribble(b"POST /mutate HTTP/1.1\r\nhost: localhost\r\nslow: ")).await.unwrap();
    timeout(Duration::from_secs(10), dribble(b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\nPOST /mutate HTTP/1.1\r\nslow: "))
        .await
        .unwrap();

    for protocol in BOTH {
        let mut connection = serving.connect(protocol).await;
        let stuck = stream::pending::<Result<Bytes, std::io::Error>>();
        let (status, _) = connection.post(Body::from_stream(stuck)).await.unwrap();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    }
    serving.connect(Protocol::H2).await.wire().await.unwrap();
}

/// Who is in when the end is asked for is answered, and who comes within the delay; who comes later finds nobody.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_loses_no_request() {
    let (entered, entering) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let decide: Decide = Arc::new(move |_, _| {
        entered.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        wired()
    });
    let serving = serve(Unusual { shutdown_delay: Duration::from_millis(200), ..Unusual::default() }, decide).await;
    let answers = Mutex::new(Vec::new());
    let request = async |protocol| {
        let mut connection = serving.connect(protocol).await;
        answers.lock().unwrap().push(tokio::spawn(async move { connection.wire().await.map_err(|error| error.to_string()) }));
        until("the request is in", async || entering.try_recv().is_ok()).await;
    };
    for protocol in BOTH {
        request(protocol).await;
    }
    serving.stop();
    let stopping = (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
    until("readiness says so", async || serving.get("/readyz").await == stopping).await;
    for protocol in BOTH {
        request(protocol).await;
    }
    until("nobody listens", async || TcpStream::connect(serving.addresses.admission).await.is_err()).await;
    let answers = answers.into_inner().unwrap();
    answers.iter().for_each(|_| open.send(()).unwrap());
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    serving.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_a_connection_is_told_to_leave_before_the_end() {
    let serving = serve(Unusual { shutdown_delay: Duration::from_secs(3), ..Unusual::default() }, always(wired())).await;
    let mut kept = serving.connect(Protocol::H1).await;
    kept.wire().await.unwrap();
    kept.wire().await.unwrap();
    serving.stop();
    let stopping = (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n".to_owned());
    until("readiness says so", async || serving.get("/readyz").await == stopping).await;
    kept.wire().await.unwrap();
    assert!(kept.wire().await.is_err(), "the connection is closed after an answer that said so");
    serving.connect(Protocol::H1).await.wire().await.unwrap();
    serving.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_is_missing() {
    let serving = serve(Unusual { lacks_key: true, ..Unusual::default() }, always(wired())).await;
    let (status, text) = serving.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.starts_with("certificates: ") && text.contains("missing.key cannot be read"), "{text}");
    assert_eq!(serving.get("/healthz").await.0, StatusCode::OK);
    assert!(handshake(serving.addresses.admission, serving.tls(None, Protocol::H1)).await.is_err());

    let folder = serving.folder.path();
    std::fs::copy(folder.join("tls.key"), folder.join("missing.key")).unwrap();
    until("it is ready", async || serving.get("/readyz").await.0 == StatusCode::OK).await;
    serving.connect(Protocol::H2).await.wire().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_while_it_is_sent() {
    let serving = serve(Unusual::default(), always(wired())).await;
    for protocol in BOTH {
        let announced = Body::from(vec![b' '; 12 << 20]);
        let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 << 10]));
        let chunked = Body::from_stream(stream::iter(std::iter::repeat_with(chunk).take(200)));
        for body in [announced, chunked] {
            let answer = serving.connect(protocol).await.post(body).await;
            assert_eq!(answer.unwrap().0, StatusCode::PAYLOAD_TOO_LARGE, "{protocol:?}");
        }
    }
}
