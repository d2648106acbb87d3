//! Files: what is wrong with them, and what is done with the settings.

use std::fs;

use nix::sys::signal::Signal;

use super::{Project, golden};
use crate::supervisor::Ended;

#[test]
fn f_250_all_problems_of_a_file_are_shown_and_nothing_is_started() {
    let project = Project::new(
        r#"[defaults]
kil-time = "10s"
threshold = "soon"

[process.db]
command = "touch proof"
port = "automatic"
limits = { nofile = 100, nofiles = 3 }
env = { TOKEN = [1] }

[process.web]
command = "serve 'unclosed"
after = { bd = "ready", web = "ready" }
ready = { http = "https://127.0.0.1/", prot = 80 }
give-up = { within = "1m" }

[process."no name"]
comand = ["x"]

[process.worker]
command = "touch proof --port {port}"
restart = "sometimes"
stop-signal = "TREM"
success = [0, 256]

[process.one]
command = "touch proof"
after = { two = "ready" }

[process.two]
command = "touch proof"
after = { one = "completed" }

[prosess.three]
"#,
    );
    let Ended { status, out, err } = project.up(&[]).end();
    assert_eq!((status, &*out), (2, ""), "{err}");
    golden("problems.txt", &project, &err);
    assert!(!project.path().join("proof").exists());
}

#[test]
fn f_250_problems_of_the_syntax_and_of_the_machine_have_lines_too() {
    for (name, file) in [
        ("syntax.txt", "[process.a]\ncommand = \"x\nhold = tru\n[process.b\ncommand = 1"),
        (
            "machine.txt",
            "[process.a]\ncommand = \"no-such-program-here\"\n[process.b]\ncommand = \"true\"\ncwd = \"none\"\nuser = \"no-such-user\"\n",
        ),
        ("empty.txt", "# nothing\n"),
    ] {
        let project = Project::new(file);
        let Ended { status, err, .. } = project.up(&[]).end();
        assert_eq!(status, 2, "{err}");
        golden(name, &project, &err);
    }
    let project = Project::new("");
    project.write("childminder.toml", "[process.a]\ncommand = \"true\"\n");
    let err = project.ctl(&["up", "-f", "other.toml"], 2);
    assert!(err.contains("other.toml: cannot read this file"), "{err}");
    let err = project.ctl(&["up", "b"], 2);
    assert!(err.contains("there is no process `b` in the file"), "{err}");
    fs::remove_file(project.path().join("childminder.toml")).unwrap();
    let err = project.ctl(&["status"], 2);
    assert!(err.contains("there is no childminder.toml or Procfile in"), "{err}");
}

#[test]
fn f_256_the_schema_is_printed() {
    let project = Project::new("");
    let schema: serde_json::Value = serde_json::from_str(&project.ctl(&["schema"], 0)).unwrap();
    assert_eq!(schema["$defs"]["process"]["properties"]["hold"]["type"], "boolean");
}

#[test]
fn f_262_the_settings_of_a_process_are_those_of_its_file() {
    let project = Project::new(
        r#"[defaults]
env = { A = "default", B = "default" }
env-file = "vars.env"

[process.other]
command = "sleep 1000"
port = 1234

[process.my-web]
command = ["sh", "-c", "umask; ulimit -n; pwd; echo $A $B $C $D {port} $CHILDMINDER_PORT_MY_WEB $CHILDMINDER_PORT_OTHER {port.other}; cat; nice; exec sleep 1000"]
port = "auto"
env = { B = "own", D = "{port}", C = false }
umask = "027"
limits = { nofile = 77 }
nice = 3
cwd = "sub"
stdin = "input.txt"
"#,
    );
    fs::create_dir(project.path().join("sub")).unwrap();
    project.write("input.txt", "from the file\n");
    project.write("vars.env", "A=file\nC=file\nD=file\n");
    let mut up = project.up(&[]);
    let mut lines: Vec<String> = (0..6).map(|_| up.out.next()).collect();
    let port = project.status_of("my-web")["port"].to_string();
    lines.iter_mut().for_each(|line| *line = line.trim_start_matches("[my-web] ").to_owned());
    let dir = fs::canonicalize(project.path().join("sub")).unwrap();
    let values = format!("default own {port} {port} {port} 1234 1234");
    let expected = ["0027", "77", dir.to_str().unwrap(), &values, "from the file", "3"];
    assert_eq!(lines, expected.map(str::to_owned));
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_253_a_procfile_runs_with_its_variables_in_a_parent_directory() {
    let project = Project::new("");
    fs::remove_file(project.path().join("childminder.toml")).unwrap();
    project.write(
        "Procfile",
        "web: echo web $PORT $TOKEN; exec sleep 1000\nworker: echo worker $PORT && exec sleep 1000\n",
    );
    project.write(".env", "TOKEN='a b'\n");
    let below = project.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let mut up = crate::supervisor::Supervisor::start(project.command(&["up"]).current_dir(below));
    let mut lines = [up.out.next(), up.out.next()];
    lines.sort();
    assert_eq!(lines, ["[web]    web 5000 a b", "[worker] worker 5100"]);
    // The signal for logs is not one to stop.
    up.signal(Signal::SIGUSR1);
    project.wait();
    assert_eq!(up.stop().status, 0);
}

#[test]
fn f_263_lines_and_events_can_be_json() {
    let project = Project::new("[process.a]\ncommand = \"sh -c 'echo \\\"hello\\\"; exec sleep 1000'\"\n");
    let mut up = project.up(&["--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&up.out.next()).unwrap();
    assert_eq!((&line["name"], &line["text"], &line["run"]), (&"a".into(), &"hello".into(), &1.into()));
    let event: serde_json::Value = serde_json::from_str(&up.err.wait_for("started")).unwrap();
    assert_eq!((&event["level"], &event["name"], &event["run"]), (&"info".into(), &"a".into(), &1.into()));
    assert!(event["time"].as_str().unwrap().len() >= 24, "{event}");
    let ended = up.stop();
    for line in ended.err.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn f_264_the_log_file_of_a_process_has_its_lines_alone() {
    let project = Project::new(
        r#"[process.a]
command = "sh -c 'echo one; echo two >&2; exec sleep 1000'"
log = { file = "a.log", max-size = "1MB", keep = 2 }
[process.b]
command = "sh -c 'echo other; exec sleep 1000'"
"#,
    );
    let mut up = project.up(&[]);
    up.out.wait_for("two");
    assert_eq!(up.stop().status, 0);
    assert_eq!(fs::read_to_string(project.path().join("a.log")).unwrap(), "one\ntwo\n");
    project.write("childminder.toml", "[process.a]\ncommand = \"true\"\nlog = \"no/such/dir/a.log\"\n");
    let err = project.ctl(&["up"], 2);
    assert!(err.contains("cannot open the log file") && err.contains("no/such/dir/a.log"), "{err}");
}
