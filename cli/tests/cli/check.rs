//! `childminder check`.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use super::up::{Project, golden_exact};

const FILE: &str = r#"[process.db]
command = "postgres -D data -p {port}"
port = 15999
ready = { uptime = "2s" }

[process.web]
command = "sh -c 'exec gunicorn --graceful-timeout 40 app:app'"
after = { db = "ready", tool = "started" }
kill-time = "10s"
give-up = { failures = 5, within = "3s" }

[process.spin]
command = "true"
threshold = "0s"
stdin = "no-such-file"
log = "no-such-dir/spin.log"

[process.once]
command = "true"
restart = "never"
give-up = { failures = 3 }
kill-time = 0

[process.errors]
command = "sleep 1"
ready = { output = { text = "up", stream = "stderr" } }
ready-timeout = "10s"
give-up = { failures = 2, within = "5s" }

[process.tool]
command = "sleep 1"
policy = "supervisord"
hold = true
port = 15999

[process.probe]
command = "sleep 1"
policy = "systemd"
ready = { port = 15999 }
after = "tool"
"#;

#[test]
fn f_270_everything_that_can_be_known_before_a_start_is_found() {
    let project = Project::new(&FILE.replace("postgres -D", "sleep").replace("exec gunicorn", "gunicorn"));
    let found = project.ctl(&["check"], 2);
    golden_exact("check.txt", project.path(), &found);
    let report: Value = serde_json::from_str(&project.ctl(&["check", "--json"], 2)).unwrap();
    let web = &report["processes"][1];
    assert_eq!((&web["name"], &web["restart"]), (&"web".into(), &"always".into()));
    assert_eq!(web["delays"][2], serde_json::json!({ "min": 4.0, "max": 4.0 }));
    assert_eq!(web["findings"][0]["line"], 10, "{web:#}");
    assert!(!project.path().join(".childminder").exists(), "something was started");
}

#[test]
fn f_270_warnings_are_no_failure_and_an_occupied_port_is_one_of_them() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = format!("[process.a]\ncommand = \"sleep 1\"\nport = {port}\ngive-up = {{ failures = 3 }}\n");
    let project = Project::new(&file);
    let found = project.ctl(&["check", "childminder.toml"], 0);
    let expected = format!("warning   line 3: port {port} is in use on this machine now");
    assert!(found.contains(&expected) && found.contains("0 errors, 1 warning"), "{found}");
    assert!(found.contains("gives up  at failure 3 in a row, at the latest after 5.997s"), "{found}");
    drop(taken);
    let found = project.ctl(&["check"], 0);
    assert!(found.contains("0 errors, 0 warnings"), "{found}");
}

#[test]
fn f_270_a_file_that_up_would_refuse_is_an_error() {
    let project = Project::new(
        "[process.a]\ncommand = \"no-such-program-here\"\n[process.b]\ncommand = \"true\"\ncwd = \"none\"\n",
    );
    let found = project.ctl(&["check"], 2);
    assert!(found.contains("childminder.toml:2:11") && found.contains("childminder.toml:5:7"), "{found}");
    project.write("childminder.toml", "[process.a]\ncomand = \"true\"\n");
    let found = project.ctl(&["check"], 2);
    assert!(found.contains("did you mean `command`?"), "{found}");
    let report: Value = serde_json::from_str(&project.ctl(&["check", "--json"], 2)).unwrap();
    assert_eq!(report["errors"][0]["line"], 2, "{report:#}");
    let found = project.ctl(&["check", "other.toml"], 2);
    assert!(found.contains("other.toml: cannot read this file"), "{found}");
    fs::remove_file(project.path().join("childminder.toml")).unwrap();
    assert!(project.ctl(&["check"], 2).contains("there is no childminder.toml"));
}

#[test]
fn f_270_the_ports_of_a_running_up_are_its_own() {
    // Two free ports: the test listens on one in the place of the program, `up` on the other.
    let [program, socket] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [port, listening] = [&program, &socket].map(|listener| listener.local_addr().unwrap().port());
    drop(socket);
    let file = format!(
        "[process.a]\ncommand = \"sleep 1000\"\nport = {port}\n[process.b]\ncommand = \"sleep 1000\"\n\
         listeners = [\"127.0.0.1:{listening}\"]\n"
    );
    let project = Project::new(&file);
    project.ctl(&["up", "-d"], 0);
    let found = project.ctl(&["check"], 0);
    assert!(found.contains("0 errors, 0 warnings"), "{found}");
    // The running program does not have a port that the file has got since.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let new = other.local_addr().unwrap().port();
    project.write("childminder.toml", &file.replace(&port.to_string(), &new.to_string()));
    let found = project.ctl(&["check"], 0);
    assert!(found.contains(&format!("port {new} is in use on this machine now")), "{found}");
    project.write("childminder.toml", &file);
    project.ctl(&["down"], 0);
    let found = project.ctl(&["check"], 0);
    assert!(found.contains(&format!("port {port} is in use on this machine now")), "{found}");
}
