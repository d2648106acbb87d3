//! TCP keep-alive with a real peer that disappears: its system discards every packet.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use childminder::client::{ClientState, DisconnectReason, TcpConnector};
use childminder::{ClientService, System};
use futures_lite::future::{block_on, or};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};

const INTERVAL: Duration = Duration::from_secs(1);

/// The time until the loss is noticed: ten intervals, with room for the granularity of the timers and a
/// loaded machine.
const EXPECTED: std::ops::Range<Duration> = Duration::from_secs(8)..Duration::from_secs(25);

/// Discards every packet that arrives for the socket, acknowledgements and keep-alive probes included.
#[expect(unsafe_code, reason = "there is no safe function to attach a filter")]
fn discard_packets(stream: &TcpStream) {
    // "Return 0": keep no byte of the packet.
    let mut program = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 }];
    let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    let length = libc::socklen_t::try_from(size_of_val(&filter)).unwrap();
    // SAFETY: the filter and its program live until the call returns; the kernel copies both.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            length,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Connects a service to a peer that disappears, and returns how long the service takes to notice that. With
/// `data_in_flight`, the service has sent data that is never acknowledged.
fn time_until_lost(data_in_flight: bool) -> Duration {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connector = TcpConnector::new("127.0.0.1", port).keep_alive(INTERVAL);
    let service = ClientService::background(System::new(), connector).unwrap();
    service.start_service();
    let (mut peer, _) = listener.accept().unwrap();
    let mut connection = service.when_connected(None).wait().unwrap();
    block_on(connection.write_all(b"hello")).unwrap();
    let mut word = [0; 5];
    peer.read_exact(&mut word).unwrap();
    peer.write_all(&word).unwrap();
    block_on(connection.read_exact(&mut word)).unwrap();
    let mut states = service.states();
    discard_packets(&peer);
    let begin = Instant::now();
    if data_in_flight {
        block_on(connection.write_all(b"lost")).unwrap();
    }
    let reason = async {
        loop {
            match states.next().await.unwrap().unwrap() {
                ClientState::Waiting { reason, .. } => return reason,
                ClientState::Connected { .. } => {}
                state => panic!("{state:?}"),
            }
        }
    };
    let late = async {
        async_io::Timer::after(2 * EXPECTED.end).await;
        panic!("not noticed within {:?}", 2 * EXPECTED.end)
    };
    let reason = block_on(or(late, reason));
    assert!(matches!(reason, DisconnectReason::Broken(_)), "{reason}");
    begin.elapsed()
}

#[test]
fn f_132_a_lost_peer_is_noticed_with_data_in_flight() {
    let in_flight = thread::spawn(|| time_until_lost(true));
    let idle = time_until_lost(false);
    let in_flight = in_flight.join().unwrap();
    assert!(EXPECTED.contains(&idle), "idle: {idle:?}");
    assert!(EXPECTED.contains(&in_flight), "with data in flight: {in_flight:?}");
}
