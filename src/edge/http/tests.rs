//! What the tests of every server share.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a server on loopback answers to a GET without TLS.
pub(crate) async fn get(at: SocketAddr, path: &str) -> (StatusCode, String) {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
