//! Probes of the ports of a service, with real servers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use childminder::{Condition, Port, Service};

use crate::support::required;

fn python(script: &str, port: &Port) -> Service {
    Service::new("python3").args(["-u", "-c", script, &port.to_string()])
}

/// Serves the first client only.
const SINGLE_CLIENT: &str = "
import socket, sys, time
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
client, _ = server.accept()
client.sendall(b'served ' + client.recv(100))
client.close()
time.sleep(1000)
";

#[test]
#[cfg(target_os = "linux")]
fn f_127_a_server_for_a_single_client_does_not_lose_it_to_a_probe() {
    const NAME: &str = "service::probes::f_127_a_server_for_a_single_client_does_not_lose_it_to_a_probe";
    if required(NAME, "python3").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let _server = python(SINGLE_CLIENT, &port).port(&port).start().unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port.number())).unwrap();
    client.write_all(b"first").unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).unwrap();
    assert_eq!(response, "served first");
}

const ON_ANOTHER_ADDRESS: &str = "
import http.server, sys
http.server.HTTPServer(('127.0.0.2', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
";

#[test]
#[cfg(target_os = "linux")]
fn f_128_a_server_at_any_local_address_is_found() {
    const NAME: &str = "service::probes::f_128_a_server_at_any_local_address_is_found";
    if required(NAME, "python3").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let service = python(ON_ANOTHER_ADDRESS, &port).port(&port);
    drop(service.start().unwrap());
    drop(service.expect(Condition::http(port.number(), "/")).start().unwrap());
}

/// Becomes ready after some time, and sends its body in pieces. A connection that is reset meanwhile is
/// logged.
const SLOW_BODY: &str = "
import http.server, sys, time
begin = time.time()
class Handler(http.server.BaseHTTPRequestHandler):
    def log_request(self, *_):
        pass
    def do_GET(self):
        assert self.headers['User-Agent'].startswith('childminder/')
        self.send_response(204 if time.time() - begin > 0.5 else 503)
        self.end_headers()
        self.wfile.flush()
        for _ in range(5):
            time.sleep(0.005)
            self.wfile.write(b'<p>a piece</p>')
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

#[test]
fn f_129_an_http_probe_reads_the_response_and_accepts_a_range_of_statuses() {
    const NAME: &str =
        "service::probes::f_129_an_http_probe_reads_the_response_and_accepts_a_range_of_statuses";
    if required(NAME, "python3").is_none() {
        return;
    }
    let port = Port::reserve().unwrap();
    let ready = Condition::http_status(port.number(), "/", 200..=399);
    let service = python(SLOW_BODY, &port).expect(ready).start().unwrap();
    assert!(service.took() >= Duration::from_millis(500));
    let exit = service.stop().unwrap();
    assert!(exit.is_some_and(|exit| exit.asked));
    // What the server has logged is in its output up to the stop.
    let service = python(SLOW_BODY, &port).expect(Condition::http_status(port.number(), "/", 204));
    let service = service.start().unwrap();
    assert_eq!(service.tail(1000), [""; 0], "the server has logged errors");
}

#[test]
#[cfg(target_os = "linux")]
fn f_123_the_wrong_port_is_reported_with_the_one_at_which_the_server_listens() {
    const NAME: &str =
        "service::probes::f_123_the_wrong_port_is_reported_with_the_one_at_which_the_server_listens";
    if required(NAME, "python3").is_none() {
        return;
    }
    let [right, wrong] = [Port::reserve().unwrap(), Port::reserve().unwrap()];
    let service = python(SINGLE_CLIENT, &right).port(&wrong).timeout(Duration::from_secs(3));
    let error = service.start().unwrap_err();
    assert_eq!(error.hints(), [format!("it listens at 127.0.0.1:{right}, not at port {wrong}")], "{error}");
}
