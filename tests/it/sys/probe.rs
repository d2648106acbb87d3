//! Probes of real sockets, and the owners of those that answer.
//!
//! The servers are further processes of this test binary that run [`a_server`] only.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use childminder::host::{ProbeError, ProbeOwner, ProbeTarget};
use childminder::machine::Stream;
use childminder::{Host, Spec, System};
use futures_lite::AsyncReadExt as _;
use futures_lite::future::{block_on, poll_once};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::is_root;
use crate::support::{Census, Child, alone, drop_privileges, skip};

/// The kind of server that [`a_server`] runs.
const SERVE: &str = "CHILDMINDER_TEST_SERVE";

fn probe(target: &ProbeTarget, owner: Option<u32>) -> Result<ProbeOwner, ProbeError> {
    block_on(System::new().probe(target, owner))
}

/// Returns the kind of I/O error of a probe, which must fail.
#[track_caller]
fn error_of(target: &ProbeTarget) -> ErrorKind {
    match probe(target, None) {
        Err(ProbeError::Io(error)) => error.kind(),
        other => panic!("{target}: {other:?}"),
    }
}

/// Describes this process as a stranger.
fn ourselves() -> ProbeOwner {
    let name = fs::read_to_string("/proc/self/comm").expect("/proc");
    ProbeOwner::Stranger(format!("pid {} ({})", process::id(), name.trim_end()))
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("it is bound").port()
}

fn http(port: u16, path: &str) -> ProbeTarget {
    ProbeTarget::Http { port, path: path.into(), status: 200.into() }
}

/// Starts a process that does nothing.
fn sleeper() -> Child {
    Child::start(&Spec::new("sleep").arg("1000")).expect("it starts")
}

/// Starts a server in a process of its own through `wrapper`, and returns it with its port.
fn start(wrapper: &[&str], kind: &str) -> (Child, u16) {
    let binary = env::current_exe().expect("the test binary").display().to_string();
    let server = [&binary, "--exact", "sys::probe::a_server", "--nocapture"];
    let mut words = wrapper.iter().chain(&server);
    let spec = Spec::new(words.next().expect("a program")).args(words).env(SERVE, kind);
    let mut child = Child::start(&spec).expect("it starts");
    let line = child.line_of(Stream::Stderr);
    let port = line.strip_prefix("port ").unwrap_or_else(|| panic!("{kind}: {line}"));
    let port = port.parse().expect("a number");
    (child, port)
}

/// The server that the other tests start; by itself it does nothing.
#[test]
fn a_server() {
    let Ok(kind) = env::var(SERVE) else { return };
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a server ends with its parent");
    let (kind, argument) = kind.split_once(' ').unwrap_or((&kind, ""));
    if kind == "unix" {
        let listener = UnixListener::bind(argument).expect("bind");
        eprintln!("port 0");
        listener.incoming().for_each(drop);
    }
    let listener = match kind {
        "v6" => TcpListener::bind((Ipv6Addr::LOCALHOST, argument.parse().unwrap_or(0))),
        "dual" => TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)),
        "any" => TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)),
        "twin" => Ok(twin(argument.parse().expect("a number"))),
        _ => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
    };
    let listener = listener.expect("bind");
    if kind == "unprivileged" {
        drop_privileges();
    }
    eprintln!("port {}", port_of(&listener));
    for stream in listener.incoming() {
        serve(kind, stream.expect("accept"));
    }
}

fn serve(kind: &str, mut stream: TcpStream) {
    match kind {
        "reset" => sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO)).expect("linger"),
        "http" => {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).expect("read");
            let request = String::from_utf8_lossy(&request[..length]);
            let answer = match request.split(' ').nth(1) {
                Some("/well") => "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe rest is never sent",
                Some("/busy") => "HTTP/1.1 503 Service Unavailable\r\n\r\n",
                Some("/garbage") => "+PONG\r\n",
                _ => "",
            };
            // The prober may have closed the connection already.
            let _ = stream.write_all(answer.as_bytes());
        }
        _ => {}
    }
}

/// Creates a listening socket on a port that can be shared.
fn twin(port: u16) -> TcpListener {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    sockopt::set_socket_reuseport(&fd, true).expect("SO_REUSEPORT");
    bind(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).expect("bind");
    listen(&fd, 16).expect("listen");
    fd.into()
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn f_82_a_socket_of_any_family_member_is_the_servers_own() {
    for kind in ["v4", "any"] {
        let (server, port) = start(&[], kind);
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect(kind), ProbeOwner::Own);
    }
    let shell = ["sh", "-c", "\"$@\" & wait", "sh"];
    let out_of_the_group = ["sh", "-c", "setsid \"$@\" & wait", "sh"];
    for wrapper in [shell, out_of_the_group] {
        let (server, port) = start(&wrapper, "v4");
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect("it answers"), ProbeOwner::Own);
        // For another owner the same socket is a stranger's.
        let other = probe(&ProbeTarget::Port(port), Some(sleeper().id())).expect("it answers");
        assert!(matches!(&other, ProbeOwner::Stranger(who) if who.starts_with("pid ")), "{other:?}");
    }
}

#[test]
fn sv_18_f_82_a_foreign_listener_is_a_stranger_with_a_name() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = port_of(&listener);
    let child = sleeper();
    for owner in [Some(child.id()), None] {
        assert_eq!(probe(&ProbeTarget::Port(port), owner).expect("it answers"), ourselves());
    }
    assert_eq!(probe(&ProbeTarget::Port(port), Some(process::id())).expect("it answers"), ProbeOwner::Own);
}

#[test]
fn f_82_a_listener_that_was_passed_on_is_the_servers_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("socket");
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = port_of(&tcp);
    let unix = UnixListener::bind(&path).expect("bind");
    for (listener, target) in
        [(OwnedFd::from(tcp), ProbeTarget::Port(port)), (OwnedFd::from(unix), ProbeTarget::Unix(path))]
    {
        assert_eq!(probe(&target, None).expect("it answers"), ourselves());
        let copy = listener.try_clone().expect("a copy");
        let mut sleeper = Command::new("sleep").arg("1000").stdin(Stdio::from(copy)).spawn().expect("sleep");
        let while_shared = probe(&target, Some(sleeper.id()));
        drop(listener);
        let alone = probe(&target, Some(sleeper.id()));
        sleeper.kill().expect("kill");
        sleeper.wait().expect("wait");
        assert_eq!(while_shared.expect("it answers"), ProbeOwner::Own);
        assert_eq!(alone.expect("it answers"), ProbeOwner::Own);
    }
}

#[test]
fn sv_16_f_82_ipv4_is_tried_first_and_then_ipv6() {
    // A child of another test holds a copy of the listening socket between fork and exec.
    alone("sys::probe::sv_16_f_82_ipv4_is_tried_first_and_then_ipv6", || {
        if !has_ipv6() {
            return skip("sys::probe::sv_16_f_82_ipv4_is_tried_first_and_then_ipv6", "there is no IPv6");
        }
        for kind in ["dual", "v6"] {
            let (server, port) = start(&[], kind);
            assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect(kind), ProbeOwner::Own);
        }
        // A stranger on one address and the server on the other: half of the clients would reach the
        // stranger.
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = port_of(&stranger);
        let (server, same) = start(&[], &format!("v6 {port}"));
        assert_eq!(same, port);
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect("it answers"), ourselves());
        drop(stranger);
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect("it answers"), ProbeOwner::Own);
    });
}

#[test]
fn f_82_a_second_listener_of_another_process_makes_the_owner_a_stranger() {
    // A child of another test holds a copy of the sockets between fork and exec.
    alone("sys::probe::f_82_a_second_listener_of_another_process_makes_the_owner_a_stranger", || {
        let twin = twin(0);
        let port = port_of(&twin);
        let (server, _) = start(&[], &format!("twin {port}"));
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect("it answers"), ourselves());
        drop(twin);
        assert_eq!(probe(&ProbeTarget::Port(port), Some(server.id())).expect("it answers"), ProbeOwner::Own);
    });
}

#[test]
fn sv_17_a_failed_attempt_reports_its_reason_and_the_next_is_independent() {
    // A child of another test holds a copy of the listening socket between fork and exec.
    alone("sys::probe::sv_17_a_failed_attempt_reports_its_reason_and_the_next_is_independent", || {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        let target = ProbeTarget::Unix(path.clone());
        assert_eq!(error_of(&target), ErrorKind::NotFound);
        drop(UnixListener::bind(&path).expect("bind"));
        assert_eq!(error_of(&target), ErrorKind::ConnectionRefused);
        fs::remove_file(&path).expect("remove");
        let _listener = UnixListener::bind(&path).expect("bind");
        assert_eq!(probe(&target, None).expect("it answers"), ourselves());

        // The port is bound and does not listen, so no other process gets it.
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
        let listener = TcpListener::from(fd);
        let port = port_of(&listener);
        assert_eq!(error_of(&ProbeTarget::Port(port)), ErrorKind::ConnectionRefused);
        assert_eq!(error_of(&http(port, "/")), ErrorKind::ConnectionRefused);
        listen(&listener, 16).expect("listen");
        assert_eq!(probe(&ProbeTarget::Port(port), None).expect("it answers"), ourselves());
    });
}

#[test]
fn sv_17_a_server_that_does_not_accept_is_waited_for_one_second() {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
    listen(&fd, 0).expect("listen");
    let listener = TcpListener::from(fd);
    let target = http(port_of(&listener), "/");
    // The kernel accepts one connection beyond the queue.
    let _full = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("the first");
    assert_eq!(error_of(&target), ErrorKind::TimedOut);
}

#[test]
fn f_82_a_local_socket_is_looked_up_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a socket");
    let target = ProbeTarget::Unix(path.clone());
    let old = UnixListener::bind(&path).expect("bind");
    assert_eq!(probe(&target, Some(sleeper().id())).expect("it answers"), ourselves());
    // The old socket still listens, but its path is gone.
    fs::remove_file(&path).expect("remove");
    let (server, _) = start(&[], &format!("unix {}", path.display()));
    assert_eq!(probe(&target, Some(server.id())).expect("it answers"), ProbeOwner::Own);
    drop(old);
    assert_eq!(probe(&target, Some(server.id())).expect("it answers"), ProbeOwner::Own);
    let to_others = probe(&target, None).expect("it answers");
    assert!(
        matches!(&to_others, ProbeOwner::Stranger(who) if who.starts_with(&format!("pid {} (", server.id())))
    );
}

#[test]
fn f_82_a_server_that_resets_accepts_but_does_not_answer() {
    let (server, port) = start(&[], "reset");
    // Whether the reset is seen depends on timing; if it is, the probe has failed.
    for _ in 0..20 {
        match probe(&ProbeTarget::Port(port), Some(server.id())) {
            Ok(holder) => assert_eq!(holder, ProbeOwner::Own),
            Err(ProbeError::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            Err(error) => panic!("{error}"),
        }
    }
    let kind = error_of(&http(port, "/"));
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind), "{kind:?}");
}

#[test]
fn f_82_http_must_be_answered_with_the_status() {
    let (server, port) = start(&[], "http");
    let ask = |path| probe(&http(port, path), Some(server.id()));
    assert_eq!(ask("/well").expect("the status is right"), ProbeOwner::Own);
    assert!(matches!(ask("/busy"), Err(ProbeError::Status(503))));
    assert!(matches!(ask("/garbage"), Err(ProbeError::NotHttp)));
    assert_eq!(error_of(&http(port, "/closed at once")), ErrorKind::UnexpectedEof);
}

#[test]
fn sv_18_a_probe_leaves_no_connection_open_when_it_ends_and_when_it_is_dropped() {
    const NAME: &str =
        "sys::probe::sv_18_a_probe_leaves_no_connection_open_when_it_ends_and_when_it_is_dropped";
    alone(NAME, || {
        let system = System::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let port = port_of(&listener);
        let before = Census::take();
        block_on(system.probe(&ProbeTarget::Port(port), None)).expect("it answers");
        listener.set_nonblocking(true).expect("it is a socket");
        match listener.accept() {
            Ok((mut stream, _)) => {
                assert_eq!(io::Read::read(&mut stream, &mut [0]).expect("an orderly end"), 0);
            }
            // On Linux the socket was found without a connection.
            Err(error) => {
                assert_eq!((error.kind(), cfg!(target_os = "linux")), (ErrorKind::WouldBlock, true));
            }
        }
        let mut probe = system.probe(&http(port, "/slow"), None);
        block_on(async {
            // The connection comes first, then the request.
            let listener = async_io::Async::new(listener.try_clone().expect("a copy")).expect("watched");
            assert!(poll_once(&mut probe).await.is_none());
            let (mut stream, _) = listener.accept().await.expect("a connection");
            while poll_once(stream.peek(&mut [0])).await.is_none() {
                assert!(poll_once(&mut probe).await.is_none());
            }
            drop(probe);
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.expect("an orderly end");
            assert!(heard.starts_with("GET /slow HTTP/1.1\r\n"), "{heard}");
        });
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn f_82_a_process_that_cannot_be_examined_is_unverified() {
    const NAME: &str = "sys::probe::f_82_a_process_that_cannot_be_examined_is_unverified";
    if !is_root() {
        return skip(NAME, "only root can become a user without access");
    }
    alone(NAME, || {
        // A process that has dropped privileges is closed to its own user too.
        let (server, port) = start(&[], "unprivileged");
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        drop_privileges();
        let id = server.id();
        assert_eq!(
            probe(&ProbeTarget::Port(port), Some(id)).expect("it answers"),
            ProbeOwner::Unverified(format!("the descriptors of pid {id} cannot be read"))
        );
        assert_eq!(
            probe(&ProbeTarget::Port(port), None).expect("it answers"),
            ProbeOwner::Stranger("a process whose descriptors cannot be read".into())
        );
        drop(stranger);
    });
}

#[test]
fn f_82_a_process_with_a_network_of_its_own_is_unverified() {
    const NAME: &str = "sys::probe::f_82_a_process_with_a_network_of_its_own_is_unverified";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let tried = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return skip(NAME, "no network namespace is available");
    }
    let script = "echo there; exec sleep 1000";
    let mut child = Child::start(&Spec::new("unshare").args(["--net", "sh", "-c", script])).expect("unshare");
    assert_eq!(child.line(), "there");
    let expected = ProbeOwner::Unverified("it has its own network namespace".into());
    assert_eq!(
        probe(&ProbeTarget::Port(port_of(&listener)), Some(child.id())).expect("it answers"),
        expected
    );
}
