//! nginx, which prints nothing when it is ready.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use childminder::{Condition, Port, Service};

use super::{connect, start_and_stop_repeatedly};
use crate::support::{alone, required};

/// Returns a configuration that keeps all files in `dir` and logs to the standard error. `user` is set for
/// root only, since nginx warns otherwise.
fn configuration(dir: &Path, port: &Port) -> String {
    let dir = dir.display();
    let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; master_process on; worker_processes 2; {user}
         pid {dir}/nginx.pid; error_log stderr notice;
         events {{ worker_connections 64; }}
         http {{
             access_log off;
             client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
             uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"hello\\n\"; }} }}
         }}"
    )
}

#[test]
fn nginx_is_started_twenty_times() {
    const NAME: &str = "servers::nginx::nginx_is_started_twenty_times";
    let Some(nginx) = required(NAME, "nginx") else { return };
    alone(NAME, || {
        let dir = tempfile::tempdir().unwrap();
        let server = |port: &Port| {
            let path = dir.path().join("nginx.conf");
            fs::write(&path, configuration(dir.path(), port)).unwrap();
            Service::new(&nginx)
                .args(["-e", "stderr", "-p"])
                .arg(dir.path())
                .arg("-c")
                .arg(path)
                .port(port)
                .expect(Condition::http(port.number(), "/"))
                .min_uptime(Duration::ZERO)
        };
        start_and_stop_repeatedly(server, |service| {
            let mut connection = connect(service.port().unwrap());
            connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello\n"),
                "{answer}"
            );
        });
        assert!(!dir.path().join("nginx.pid").exists());
    });
}
