//! A server that sheds connections on which nothing comes, and ends when it is asked to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum_server::{Handle, Server};
use tokio::net::TcpListener;

/// For how long a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From its beginning to the end of the first request's head.
    pub(crate) first_request: Duration,
    /// From one answer to the end of the next request's head.
    pub(crate) idle: Duration,
}

/// A server on the listener; the handle ends it.
pub(crate) fn server(listener: TcpListener, patience: Patience, handle: &Handle<SocketAddr>) -> Server<SocketAddr> {
    let mut server = Server::from_listener(listener).handle(handle.clone()).first_request_timeout(patience.first_request);
    server.http_builder().http1().header_read_timeout(patience.idle);
    server.http_builder().http2().keep_alive_interval(patience.idle / 3).keep_alive_timeout(patience.idle / 3);
    server.accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "connection not accepted"))
}

/// Serves; once `stop` has ended, until what was taken in is answered.
pub(crate) async fn until_stopped(serving: impl Future<Output = io::Result<()>>, stop: impl Future<Output = ()>) -> io::Result<()> {
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop => {}
    }
    serving.await
}
