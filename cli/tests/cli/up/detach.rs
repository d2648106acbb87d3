//! `childminder up -d`.

use std::fs;

use super::Project;

#[test]
fn f_265_up_d_returns_when_everything_is_ready() {
    let project = Project::new(
        "[process.a]\ncommand = \"sh -c 'sleep 0.3; echo is up; exec sleep 1000'\"\nready = { output = \"is up\" }\n",
    );
    let up = project.ctl(&["up", "-d"], 0);
    assert!(up.contains("up as process "), "{up}");
    let a = project.status_of("a");
    assert_eq!((&a["state"], &a["ready"]), (&"up".into(), &true.into()));
    let refused = project.ctl(&["up", "-d"], 1);
    assert!(refused.contains("this file is up already, as process "), "{refused}");
    project.ctl(&["down"], 0);
    assert!(!fs::exists(format!("/proc/{}", a["pid"])).unwrap());
    let log = fs::read_to_string(project.path().join(".childminder/childminder.toml.log")).unwrap();
    assert!(log.contains("[a] is up") && log.contains("stopping, as requested by a client"), "{log}");
}

#[test]
fn f_266_up_d_fails_with_the_reason_and_leaves_nothing() {
    for (file, words, reason) in [
        (
            "[process.a]\ncommand = \"sleep 1000\"\nready = { uptime = 300 }\nready-timeout = 1000\n[process.b]\ncommand = \"sh -c 'echo no disk; exit 4'\"\nrestart = \"never\"\n",
            &["up", "-d"][..],
            &["b has failed", "exited with code 4", "no disk"][..],
        ),
        (
            "[process.a]\ncommand = \"sleep 1000\"\nready = { output = \"never\" }\n",
            &["up", "-d", "--timeout", "0.5"],
            &["not everything is ready in time: a: waits for output \"never\", started 0.5 s ago"],
        ),
    ] {
        let project = Project::new(file);
        let err = project.ctl(words, 1);
        for part in reason {
            assert!(err.contains(part), "{part}: {err}");
        }
        let err = project.ctl(&["status"], 1);
        assert!(err.contains("is not up"), "{err}");
    }
    // What is known beforehand is a problem of the file.
    let project = Project::new("[process.a]\ncommand = \"no-such-program-here\"\n");
    let err = project.ctl(&["up", "-d"], 2);
    assert!(err.contains("childminder.toml:2:11: ") && err.contains("no-such-program-here"), "{err}");
}
