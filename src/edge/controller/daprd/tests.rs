use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::Redirect;
use axum::routing::get;
use futures::stream;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::*;

const METADATA: &str = r#"{"id":"cart","runtimeVersion":"1.16.0","components":[{"name":"pubsub","type":"pubsub.redis","version":"v1"}],
"subscriptions":[{"pubsubname":"pubsub","topic":"orders","rules":[{"match":"event.type == \"a\"","path":"/a"},{"path":"/x"}],
"deadLetterTopic":"dead","metadata":{},"type":"DECLARATIVE"},{"pubsubname":"pubsub","topic":"bare","rules":null}],"extended":{}}"#;

const METRICS: &str = r#"# HELP dapr_component_pubsub_ingress_count The number of incoming messages.
# TYPE dapr_component_pubsub_ingress_count counter
dapr_component_pubsub_ingress_count{app_id="cart",component="pubsub",namespace="shop",process_status="success",status="success",topic="orders"} 5
dapr_component_pubsub_ingress_count{app_id="cart",component="pubsub",namespace="shop",process_status="retry",status="retry",topic="orders"} 2e+01
dapr_component_pubsub_ingress_count{app_id="cart",component="pubsub",namespace="shop",process_status="drop",status="drop",topic="a \"b\"\\"} 1
dapr_component_pubsub_ingress_count_other{component="pubsub",topic="orders"} 100
dapr_component_pubsub_egress_count{component="pubsub",topic="orders"} 100
go_goroutines 12
"#;

async fn serve(at: impl Into<std::net::IpAddr>, router: Router) -> SocketAddr {
    let listener = TcpListener::bind((at.into(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

/// A server that answers this to both questions.
async fn says(body: impl Into<Bytes>) -> SocketAddr {
    let body = body.into();
    serve(Ipv4Addr::LOCALHOST, Router::new().fallback(async move || body)).await
}

#[tokio::test]
async fn what_a_sidecar_says_is_read() {
    let loaded = Sidecars::new().loaded(says(METADATA).await).await.unwrap();
    assert_eq!(loaded.components, [("pubsub".to_owned(), "pubsub.redis".to_owned())]);
    let [orders, bare] = &loaded.subscriptions[..] else { panic!("{loaded:?}") };
    let rules: Vec<_> = orders.rules.iter().map(|rule| (rule.condition.as_str(), rule.path.as_str())).collect();
    assert_eq!(rules, [(r#"event.type == "a""#, "/a"), ("", "/x")]);
    assert_eq!((orders.component.as_str(), orders.topic.as_str()), ("pubsub", "orders"));
    assert_eq!((orders.dead_letter_topic.as_str(), orders.kind.as_str()), ("dead", "DECLARATIVE"));
    let expected = LoadedSubscription { component: "pubsub".into(), topic: "bare".into(), ..LoadedSubscription::default() };
    assert_eq!(*bare, expected);
    assert_eq!(Sidecars::new().loaded(says("{}").await).await.unwrap(), Loaded::default());
}

#[tokio::test]
async fn which_resiliencies_are_loaded_is_known_of_sidecars_that_tell() {
    let told = async |body: &'static str| Sidecars::new().loaded(says(body).await).await.unwrap().resiliencies;
    let one = r#"{"runtimeVersion":"edge","resiliencies":[{"name":"podwire-cart"}]}"#;
    assert_eq!(told(one).await, Some(vec!["podwire-cart".to_owned()]));
    for none in
        [r#"{"runtimeVersion":"1.18.1"}"#, r#"{"runtimeVersion":"v1.18.0-rc.1","resiliencies":[]}"#, r#"{"runtimeVersion":"2.0.0"}"#]
    {
        assert_eq!(told(none).await, Some(Vec::new()), "{none}");
    }
    for silent in
        ["{}", METADATA, r#"{"runtimeVersion":"edge"}"#, r#"{"runtimeVersion":"1"}"#, r#"{"runtimeVersion":"1.17.9","resiliencies":null}"#]
    {
        assert_eq!(told(silent).await, None, "{silent}");
    }
}

#[tokio::test]
async fn what_came_in_is_summed_by_component_and_topic() {
    let ingress = Sidecars::new().ingress(says(METRICS).await).await.unwrap();
    let sums: Vec<_> = ingress.0.iter().map(|((component, topic), sum)| (component.as_str(), topic.as_str(), *sum)).collect();
    assert_eq!(sums, [("pubsub", r#"a "b"\"#, 1), ("pubsub", "orders", 25)]);
    assert_eq!(Sidecars::new().ingress(says("# TYPE go_goroutines gauge\ngo_goroutines 12\n").await).await.unwrap(), Ingress::default());
}

#[tokio::test]
async fn what_cannot_be_read_is_no_silence() {
    let sidecars = Sidecars::new();
    for text in ["<html>", "# TYPE a counter\ndapr_component_pubsub_ingress_count{topic=\"a\"} 1\n"] {
        assert!(matches!(sidecars.ingress(says(text).await).await, Err(DaprdError::Metrics)), "{text}");
    }
    assert!(matches!(sidecars.ingress(says(vec![0xff]).await).await, Err(DaprdError::Metrics)));
    for text in ["<html>", "", r#"{"subscriptions":{}}"#] {
        assert!(matches!(sidecars.loaded(says(text).await).await, Err(DaprdError::Metadata(_))), "{text}");
    }
}

#[tokio::test]
async fn too_much_is_not_read_to_its_end() {
    let sidecars = Sidecars::new();
    let endless = || async { Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 1 << 16])))) };
    let at = serve(Ipv4Addr::LOCALHOST, Router::new().fallback(endless)).await;
    assert!(matches!(sidecars.loaded(at).await, Err(DaprdError::TooLarge(METADATA_BYTES))));
    assert!(matches!(sidecars.ingress(at).await, Err(DaprdError::TooLarge(METRICS_BYTES))));
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    assert!(sidecars.loaded(says(padded(METADATA_BYTES)).await).await.is_ok());
    assert!(matches!(sidecars.loaded(says(padded(METADATA_BYTES + 1)).await).await, Err(DaprdError::TooLarge(_))));
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_left() {
    let silent = serve(Ipv4Addr::LOCALHOST, Router::new().fallback(async || sleep(WHOLE * 5).await)).await;
    let drops = || stream::unfold((), |()| async { Some((Ok::<_, Infallible>("{}"), sleep(WHOLE / 5).await)) });
    let drips = serve(Ipv4Addr::LOCALHOST, Router::new().fallback(async move || Body::from_stream(drops()))).await;
    let sidecars = Sidecars::new();
    let begun = Instant::now();
    let (silent, drips) = tokio::join!(sidecars.loaded(silent), sidecars.loaded(drips));
    assert!(matches!((silent, drips), (Err(DaprdError::Slow), Err(DaprdError::Slow))));
    assert!((WHOLE..WHOLE * 2).contains(&begun.elapsed()));
}

#[tokio::test]
async fn other_answers_and_other_servers_are_errors() {
    let sidecars = Sidecars::new();
    let moved = Router::new().route("/v1.0/metadata", get(async || Redirect::temporary("/elsewhere")));
    let at = serve(Ipv4Addr::LOCALHOST, moved.route("/elsewhere", get(async || METADATA))).await;
    assert!(matches!(sidecars.loaded(at).await, Err(DaprdError::Status(StatusCode::TEMPORARY_REDIRECT))));
    assert!(matches!(sidecars.ingress(at).await, Err(DaprdError::Status(StatusCode::NOT_FOUND))));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let mute = tokio::spawn(async move { drop(listener.accept().await) });
    assert!(matches!(sidecars.loaded(at).await, Err(DaprdError::Broken(_))));
    mute.await.unwrap();
    assert!(matches!(sidecars.loaded(at).await, Err(DaprdError::Unreachable(_))));
}

#[tokio::test]
async fn the_address_is_named_as_a_host_also_with_ipv6() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        return;
    }
    let echo = async |headers: HeaderMap| format!(r#"{{"components":[{{"name":{:?}}}]}}"#, headers[header::HOST].to_str().unwrap());
    let at = serve(Ipv6Addr::LOCALHOST, Router::new().fallback(echo)).await;
    let loaded = Sidecars::new().loaded(at).await.unwrap();
    assert_eq!(loaded.components, [(format!("[::1]:{}", at.port()), String::new())]);
}

#[tokio::test]
async fn ten_are_asked_in_a_second() {
    let (sidecars, at) = (Sidecars::new(), says("{}").await);
    let begun = Instant::now();
    let all = futures::future::join_all((0..6).map(|_| sidecars.loaded(at))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(begun.elapsed() >= PACE * 5 - PACE / 10);
}
