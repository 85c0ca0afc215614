use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What is wrong with an API server.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Fault {
    #[default]
    None,
    Refuses,
    Hangs,
    /// It does what it is asked to, and nobody hears the answer.
    Mute,
}

/// An API server that knows one lease.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    lease: Option<Value>,
    version: u64,
    fault: Fault,
    requests: Vec<(Method, u16)>,
}

impl Inside {
    fn answer(&mut self, method: &Method, body: &[u8]) -> (u16, Value) {
        let sent = || serde_json::from_slice::<Value>(body).unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (method.as_str(), &self.lease) {
            ("GET", Some(lease)) => (200, lease.clone()),
            ("GET" | "PUT", None) => (404, json!({})),
            ("POST", Some(_)) => (409, json!({})),
            ("PUT", Some(lease)) if version(lease) != version(&sent()) => (409, json!({})),
            _ => {
                self.put(sent());
                (200, self.lease.clone().unwrap())
            }
        }
    }

    fn put(&mut self, mut lease: Value) {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease);
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        404 => "NotFound",
        409 => "Conflict",
        _ => "ServiceUnavailable",
    }
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let place = "/apis/coordination.k8s.io/v1/namespaces/podwire/leases";
                assert!(head.uri.path() == place || head.uri.path().strip_prefix(place) == Some("/controller"), "{}", head.uri);
                let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
                let (fault, (status, answer)) = {
                    let mut inside = server.0.lock().unwrap();
                    let answer = match inside.fault {
                        Fault::None | Fault::Mute => inside.answer(&head.method, &body),
                        Fault::Refuses | Fault::Hangs => (503, json!({})),
                    };
                    inside.requests.push((head.method, answer.0));
                    (inside.fault, answer)
                };
                if matches!(fault, Fault::Hangs | Fault::Mute) {
                    std::future::pending::<()>().await;
                }
                let answer = if status == 200 {
                    answer
                } else {
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": "", "reason": reason(status)})
                };
                let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
                Ok::<_, Infallible>(response.body(Body::from(answer.to_string())).unwrap())
            }
        });
        Client::new(service, "podwire")
    }

    fn spec(&self) -> Value {
        self.0.lock().unwrap().lease.as_ref().map_or(Value::Null, |lease| lease["spec"].clone())
    }

    fn set(&self, fault: Fault) {
        self.0.lock().unwrap().fault = fault;
    }

    /// Somebody writes the lease.
    fn write(&self, spec: Value) {
        self.0.lock().unwrap().put(json!({"metadata": {"name": "controller", "namespace": "podwire"}, "spec": spec}));
    }

    fn requests(&self) -> Vec<(Method, u16)> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    fn stand(&self, identity: &str) -> Standing {
        let election = Election { namespace: "podwire".into(), name: "controller".into(), identity: identity.into() };
        let ((lead, leading), (stop, stopped), (rest, rested)) = (watch::channel(false), oneshot::channel(), oneshot::channel());
        let (stopped, rested) = (async { drop(stopped.await) }, async { drop(rested.await) });
        let run = tokio::spawn(election.run(self.client(), lead, stopped, rested));
        Standing { leading, stop: Some(stop), rest: Some(rest), run }
    }
}

struct Standing {
    leading: watch::Receiver<bool>,
    stop: Option<oneshot::Sender<()>>,
    rest: Option<oneshot::Sender<()>>,
    run: JoinHandle<()>,
}

impl Standing {
    fn leads(&self) -> bool {
        *self.leading.borrow()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    fn rest(&mut self) {
        self.rest.take().unwrap().send(()).unwrap();
    }

    /// How long it takes until it leads, or does no longer.
    async fn until(&mut self, leads: bool) -> Duration {
        let begun = Instant::now();
        timeout(SECOND * 60, self.leading.wait_for(|now| *now == leads)).await.expect("in vain").unwrap();
        begun.elapsed()
    }
}

/// Within that time there are never two leaders.
async fn never_two(one: &Standing, other: &Standing, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(!(one.leads() && other.leads()), "two lead");
        sleep(SECOND / 50).await;
    }
}

/// A leader, and one who would be.
async fn two(server: &Server) -> (Standing, Standing) {
    let mut first = server.stand("first");
    first.until(true).await;
    let second = server.stand("second");
    sleep(SECOND * 3).await;
    (first, second)
}

#[tokio::test(start_paused = true)]
async fn of_two_candidates_one_leads_and_writes_seldom() {
    let server = Server::default();
    let (first, second) = (server.stand("first"), server.stand("second"));
    never_two(&first, &second, SECOND * 300).await;
    assert!(first.leads() ^ second.leads());
    let requests = server.requests();
    let writes = requests.iter().filter(|(method, _)| method == Method::PUT).count();
    let reads = requests.iter().filter(|(method, _)| method == Method::GET).count();
    assert!((58..=61).contains(&writes) && (290..=380).contains(&reads), "{writes} writes and {reads} reads");
    let spec = server.spec();
    assert_eq!((&spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&json!(15), &json!(0)));
    assert_eq!(spec["holderIdentity"], if first.leads() { "first" } else { "second" });
    assert!(spec["acquireTime"].as_str().unwrap() <= spec["renewTime"].as_str().unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_the_work_and_the_next_leads_soon_after() {
    let server = Server::default();
    let (mut first, mut second) = two(&server).await;
    first.stop();
    assert_eq!(first.until(false).await, Duration::ZERO);
    never_two(&first, &second, SECOND * 40).await;
    assert_eq!((second.leads(), &server.spec()["holderIdentity"]), (false, &json!("first")));
    assert!(!first.run.is_finished());

    first.rest();
    assert!(second.until(true).await < SECOND * 3);
    timeout(SECOND, first.run).await.unwrap().unwrap();
    let spec = server.spec();
    assert_eq!((&spec["holderIdentity"], &spec["leaseTransitions"]), (&json!("second"), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_reads_as_client_go_leaves_it() {
    let server = Server::default();
    let mut only = server.stand("only");
    only.until(true).await;
    sleep(SECOND * 7).await;
    only.rest();
    only.stop();
    timeout(SECOND, only.run).await.unwrap().unwrap();
    let spec = server.spec();
    assert_eq!((&spec["holderIdentity"], &spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&json!(""), &json!(1), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_vanished_is_succeeded_when_its_lease_is_over() {
    let server = Server::default();
    let (first, mut second) = two(&server).await;
    // It vanishes right after a renewal.
    let renewed = server.spec()["renewTime"].clone();
    while server.spec()["renewTime"] == renewed {
        sleep(SECOND / 100).await;
    }
    first.run.abort();
    let took = second.until(true).await;
    assert!((SECOND * 15..=SECOND * 17).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_another_can_begin() {
    for fault in [Fault::Refuses, Fault::Hangs, Fault::Mute] {
        let server = Server::default();
        let (mut first, second) = two(&server).await;
        server.set(fault);
        let took = first.until(false).await;
        assert!((SECOND * 5..=SECOND * 10).contains(&took), "{took:?}");
        never_two(&first, &second, SECOND * 20).await;
        assert!(!second.leads());
        server.set(Fault::None);
        never_two(&first, &second, SECOND * 40).await;
        assert!(first.leads() ^ second.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_trouble_ends_no_leadership() {
    for fault in [Fault::Refuses, Fault::Hangs, Fault::Mute] {
        let server = Server::default();
        let (first, second) = two(&server).await;
        for _ in 0..5 {
            server.set(fault);
            sleep(SECOND * 4).await;
            server.set(Fault::None);
            sleep(SECOND * 8).await;
            assert_eq!((first.leading.has_changed().ok(), first.leads(), second.leads()), (Some(false), true, false));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_nobody_is_renewed_and_one_with_a_leader_ends_the_term() {
    let server = Server::default();
    let mut only = server.stand("only");
    only.until(true).await;
    let mut spec = server.spec();
    server.write(spec.clone());
    server.requests();
    sleep(SECOND * 7).await;
    let told: Vec<_> = server.requests().into_iter().map(|(method, status)| (method.to_string(), status)).collect();
    assert_eq!(told, [("PUT".to_owned(), 409), ("GET".to_owned(), 200), ("PUT".to_owned(), 200)]);
    assert!(only.leads());

    spec["holderIdentity"] = json!("another");
    server.write(spec);
    assert!(only.until(false).await < SECOND * 7);
    assert_eq!(server.spec()["holderIdentity"], "another");
    assert!(only.until(true).await <= SECOND * 17);
    assert_eq!(server.spec()["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_no_trouble() {
    let server = Server::default();
    let candidates: Vec<_> = (0..5).map(|number| server.stand(&format!("candidate-{number}"))).collect();
    sleep(SECOND / 2).await;
    assert_eq!(candidates.iter().filter(|one| one.leads()).count(), 1);
    let lost = server.requests().iter().filter(|(method, status)| method == Method::POST && *status == 409).count();
    assert_eq!(lost, 4);
    sleep(SECOND * 60).await;
    assert_eq!(candidates.iter().filter(|one| one.leads()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again() {
    let server = Server::default();
    let mut only = server.stand("only");
    only.until(true).await;
    server.0.lock().unwrap().lease = None;
    sleep(SECOND * 7).await;
    assert!(only.leads());
    assert_eq!(server.spec()["holderIdentity"], "only");
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_another_does_not_matter() {
    for time in ["1999-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"] {
        let server = Server::default();
        let spec =
            |renewed: &str| json!({"holderIdentity": "wrong", "leaseDurationSeconds": 15, "acquireTime": time, "renewTime": renewed});
        server.write(spec(time));
        let mut second = server.stand("second");
        // The other renews every ten seconds, always with its wrong time.
        for tick in 1..10 {
            sleep(SECOND * 10).await;
            assert!(!second.leads());
            server.write(spec(&time.replace(":00.000000", &format!(":00.00000{tick}"))));
        }
        let took = second.until(true).await;
        assert!((SECOND * 15..=SECOND * 17).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_led_ends_at_once_and_gives_nothing_back() {
    let server = Server::default();
    let (_first, mut second) = two(&server).await;
    second.rest();
    second.stop();
    timeout(SECOND / 10, second.run).await.unwrap().unwrap();
    assert_eq!(server.spec()["holderIdentity"], "first");
}
