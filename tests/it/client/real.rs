//! Real sockets: a server that is killed and restarted, on every executor; and the resources that are left at
//! the end.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_io::Async;
use childminder::backoff::BackoffPolicy;
use childminder::client::{
    ClientState, ConnectError, Connection, Connector, DisconnectReason, Socket, TcpConnector, UnixConnector,
};
use childminder::{ClientService, Host, Port, System};
use futures_lite::future::{block_on, or};
use futures_lite::io::{AsyncRead, AsyncWrite, copy, split};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use rustix::net::sockopt;

use crate::real::every_runtime;
use crate::support::{Census, PATIENCE, alone};

every_runtime!(
    cs_3_5_8_a_tcp_server_is_killed_and_restarted,
    cs_3_5_8_a_unix_server_is_killed_and_restarted,
    cs_4_7_there_is_no_listener,
    a_host_with_several_addresses_is_reached_at_the_one_that_answers,
);

/// An echo server on a thread of its own. Dropping it closes all its sockets at once.
pub(super) struct Echo {
    kill: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub(super) fn tcp(listener: TcpListener) -> Self {
        let listener = Async::new(listener).unwrap();
        Self::start(async move || listener.accept().await.map(|(stream, _)| stream))
    }

    fn unix(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = Async::new(UnixListener::bind(path).unwrap()).unwrap();
        Self::start(async move || listener.accept().await.map(|(stream, _)| stream))
    }

    fn start<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        accept: impl AsyncFn() -> io::Result<S> + Send + 'static,
    ) -> Self {
        let (kill, killed) = async_channel::bounded(1);
        let thread = thread::spawn(move || {
            let connections = async_executor::LocalExecutor::new();
            let serve = async {
                loop {
                    let (mut reader, mut writer) = split(accept().await.unwrap());
                    connections.spawn(async move { copy(&mut reader, &mut writer).await }).detach();
                }
            };
            let killed = async { killed.recv().await.unwrap_or_default() };
            block_on(or(connections.run(serve), killed));
        });
        Self { kill, thread: Some(thread) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.kill.try_send(());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Returns a listener on a free port.
fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Short delays, of at most 65 ms.
fn short_delays() -> BackoffPolicy {
    BackoffPolicy {
        initial_delay: Duration::from_millis(10),
        max_delay: Duration::from_millis(60),
        jitter: Duration::from_millis(5),
        seed: 7,
        ..BackoffPolicy::default()
    }
}

/// Runs `body` with a started service and its driver. Afterwards the driver must end.
async fn with_service<C: Connector, F: Future<Output = ()>>(
    connector: C,
    body: impl FnOnce(ClientService<C::Stream>) -> F,
) {
    let (service, driver) =
        ClientService::builder(connector).policy(short_delays()).build(System::new()).unwrap();
    service.start_service();
    let mut driver = std::pin::pin!(driver);
    let early = async {
        or(&mut driver, late("the body")).await;
        panic!("the driver ended too early")
    };
    or(early, body(service)).await;
    or(driver, late("the end of the driver")).await;
}

async fn late(what: &str) {
    async_io::Timer::after(PATIENCE).await;
    panic!("timeout: {what} took longer than {PATIENCE:?}");
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(mut link: &Connection<S>) {
    let mut answer = [0; 5];
    link.write_all(b"hello").await.unwrap();
    link.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

/// Kills and restarts the server several times. The users of each connection see its end, and receive the
/// next one.
async fn outages<S>(service: &ClientService<S>, mut restart: impl FnMut(Option<Echo>) -> Echo)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut states = service.states();
    let mut echo = restart(None);
    let mut last = None;
    for _ in 0..3 {
        let link = service.when_connected(None).await.unwrap();
        assert!(last.is_none_or(|last: Connection<S>| last != link && !last.is_up()));
        echoes(&link).await;
        // The connection ends while it is being read.
        echo = restart(Some(echo));
        match (&link).read(&mut [0]).await {
            Ok(length) => assert_eq!(length, 0),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        last = Some(link);
    }
    // No attempt starts before its time.
    let mut due = None;
    let mut outages = 0;
    while outages < 3 {
        match states.next().await.unwrap().unwrap() {
            ClientState::Waiting { since, until, reason } => {
                assert!(until >= since + short_delays().initial_delay);
                assert!(
                    matches!(
                        reason,
                        DisconnectReason::Closed
                            | DisconnectReason::Broken(_)
                            | DisconnectReason::ConnectFailed(_)
                    ),
                    "{reason}"
                );
                due = Some(until);
            }
            ClientState::Connecting => {
                if let Some(due) = due {
                    assert!(service.now() >= due);
                }
            }
            ClientState::Connected { since } => {
                if let Some(due) = due.take() {
                    assert!(since >= due);
                    outages += 1;
                }
            }
            _ => {}
        }
    }
    service.stop_service().await.unwrap();
}

async fn cs_3_5_8_a_tcp_server_is_killed_and_restarted() {
    let port = Port::reserve().unwrap();
    with_service(TcpConnector::new("127.0.0.1", port.number()), async |service| {
        outages(&service, |echo| {
            drop(echo);
            Echo::tcp(listen_again(&port))
        })
        .await;
    })
    .await;
}

/// Listens as soon as the port is free. Between fork and exec, a child of another test holds a copy of the
/// last listener.
fn listen_again(port: &Port) -> TcpListener {
    let begin = Instant::now();
    loop {
        match port.listen() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < PATIENCE => {}
            bound => return bound.unwrap(),
        }
        thread::yield_now();
    }
}

async fn cs_3_5_8_a_unix_server_is_killed_and_restarted() {
    let home = tempfile::tempdir().unwrap();
    let path: PathBuf = home.path().join("socket");
    with_service(UnixConnector::new(&path).unwrap(), async |service| {
        outages(&service, |echo| {
            drop(echo);
            Echo::unix(&path)
        })
        .await;
    })
    .await;
}

async fn cs_4_7_there_is_no_listener() {
    let port = Port::reserve().unwrap();
    with_service(TcpConnector::new("127.0.0.1", port.number()), async |service| {
        let error = service.when_connected(Some(3)).await.unwrap_err().to_string();
        let reason = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let refused = format!("cannot connect: 127.0.0.1:{port}: {reason}");
        assert_eq!(error, format!("not connected after 3 failures: {refused}"));
    })
    .await;
}

async fn a_host_with_several_addresses_is_reached_at_the_one_that_answers() {
    let (listener, address) = listen();
    let _echo = Echo::tcp(listener);
    with_service(TcpConnector::new("localhost", address.port()), async |service| {
        let link = service.when_connected(Some(1)).await.unwrap();
        echoes(&link).await;
    })
    .await;
}

#[test]
fn tcp_options_are_set_as_requested() {
    let (_listener, address) = listen();
    let tcp = TcpConnector::new("127.0.0.1", address.port());
    let plain = block_on(tcp.connect(&System::new())).unwrap();
    assert!(!sockopt::socket_keepalive(&plain).unwrap() && sockopt::tcp_nodelay(&plain).unwrap());
    let kept = block_on(tcp.clone().keep_alive(Duration::from_secs(7)).connect(&System::new())).unwrap();
    assert!(sockopt::socket_keepalive(&kept).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&kept).unwrap(), Duration::from_secs(7));
    assert_eq!(sockopt::tcp_keepintvl(&kept).unwrap(), Duration::from_secs(7));
    assert_eq!(sockopt::tcp_keepcnt(&kept).unwrap(), 9);
    #[cfg(target_os = "linux")]
    assert_eq!(sockopt::tcp_user_timeout(&kept).unwrap(), 70_000);
    // The system accepts neither zero nor more than fifteen bits.
    for (interval, expected) in [(Duration::ZERO, 1), (Duration::MAX, 32_767)] {
        let kept = block_on(tcp.clone().keep_alive(interval).connect(&System::new())).unwrap();
        assert_eq!(sockopt::tcp_keepidle(&kept).unwrap(), Duration::from_secs(expected));
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_failed_attempt() {
    let error = block_on(TcpConnector::new("no.such.host.invalid", 1).connect(&System::new())).unwrap_err();
    assert!(error.inner().is::<io::Error>() && !error.is_permanent(), "{error}");
}

/// Services that end at any point, with connections still in use: no descriptor and no thread is left.
#[test]
fn cs_8_9_10_nothing_is_left_open() {
    alone("client::real::cs_8_9_10_nothing_is_left_open", || {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let (listener, address) = listen();
        drop(listener);
        let system = System::new();
        // The first round starts what all others share.
        round(&system, &path, address);
        let before = Census::settled();
        for _ in 0..10 {
            round(&system, &path, address);
        }
        Census::settled().assert_unchanged_since(&before);
    });
}

fn round(system: &System, path: &Path, address: SocketAddr) {
    // Stopped while a connection is in use.
    let echo = Echo::unix(path);
    let service = ClientService::background(system.clone(), UnixConnector::new(path).unwrap()).unwrap();
    service.start_service();
    let link = service.when_connected(None).wait().unwrap();
    block_on(echoes(&link));
    service.stop_service().wait().unwrap();
    assert!(!link.is_up());
    drop(echo);

    // Dropped while a connection is in use.
    let echo = Echo::tcp(TcpListener::bind(address).unwrap());
    let service =
        ClientService::background(system.clone(), TcpConnector::new("127.0.0.1", address.port())).unwrap();
    service.start_service();
    let kept = service.when_connected(None).wait().unwrap();
    drop(service);
    assert!(!kept.is_up());
    drop(echo);

    // Dropped or stopped while connecting, preparing and waiting.
    let connect = || std::future::pending::<io::Result<Async<TcpStream>>>();
    let service = ClientService::background(system.clone(), connect).unwrap();
    service.start_service();
    let waiter = service.when_connected(None);
    drop(service);
    waiter.wait().unwrap_err();

    let echo = Echo::unix(path);
    let (entered, seen) = async_channel::bounded(1);
    let service = ClientService::builder(UnixConnector::new(path).unwrap())
        .prepare(move |link: Connection<Socket<UnixStream>>| {
            let _ = entered.try_send(link);
            std::future::pending::<Result<(), ConnectError>>()
        })
        .background(system.clone())
        .unwrap();
    service.start_service();
    let link = seen.recv_blocking().unwrap();
    service.stop_service().wait().unwrap();
    assert!(!link.is_up());
    drop((service, echo));

    let service =
        ClientService::background(system.clone(), TcpConnector::new("127.0.0.1", address.port())).unwrap();
    service.start_service();
    service.when_connected(Some(1)).wait().unwrap_err();
    service.stop_service().wait().unwrap();
    assert!(matches!(service.state(), ClientState::Stopped));
    assert!(service.now() <= system.now());
}
