//! The way from the API server to Services, where there is no node: it asks a proxy for every connection into the cluster (an EgressSelectorConfiguration), and the proxy leads it to a process.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The proxy. Its thread ends with the process.
pub(crate) struct Egress {
    config: PathBuf,
    backends: Arc<Backends>,
}

/// The ports behind the one Service, each asked in its turn.
#[derive(Default)]
struct Backends {
    ports: Mutex<Vec<u16>>,
    turn: AtomicUsize,
}

impl Egress {
    /// Listens on a socket in the folder.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let (socket, config) = (folder.join("egress.sock"), folder.join("egress.yaml"));
        let listener = UnixListener::bind(&socket)?;
        let text = include_str!("../tools/control-plane/egress.yaml");
        fs::write(&config, text.replace("{socket}", &socket.display().to_string()))?;
        let backends = Arc::new(Backends::default());
        let shared = Arc::clone(&backends);
        thread::spawn(move || {
            for asked in listener.incoming().map_while(Result::ok) {
                let backends = Arc::clone(&shared);
                thread::spawn(move || backends.lead(asked));
            }
        });
        Ok(Egress { config, backends })
    }

    /// What the API server must be told.
    pub(crate) fn flag(&self) -> String {
        format!("--egress-selector-config-file={}", self.config.display())
    }

    /// Leads to these ports from now on.
    pub(crate) fn lead_to(&self, ports: Vec<u16>) {
        *self.backends.ports.lock().unwrap_or_else(PoisonError::into_inner) = ports;
    }
}

impl Backends {
    /// Answers a CONNECT, whatever address it names: the API server asks for nothing else in the cluster than webhooks.
    fn lead(&self, mut asked: UnixStream) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && asked.read(&mut byte)? == 1 {
            head.extend(byte);
        }
        let Some(backend) = self.connect() else {
            return asked.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        };
        asked.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let (mut from, mut to) = (asked.try_clone()?, backend.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut backend = backend;
        let _ = io::copy(&mut backend, &mut asked);
        asked.shutdown(Shutdown::Write)
    }

    /// The next one that listens: a Service leads to ready pods only.
    fn connect(&self) -> Option<TcpStream> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..ports.len()).find_map(|number| TcpStream::connect(("127.0.0.1", ports[(first + number) % ports.len()])).ok())
    }
}
