//! `childminder replay` with other settings.

use std::fs;

use super::up::Project;

#[test]
fn a_recorded_crash_loop_is_rehearsed_with_other_settings() {
    let project = Project::new(
        "[process.web]\ncommand = \"false\"\nmin-restart-delay = 0.01\non-give-up = \"stop-all\"\n\
         give-up = { failures = 4 }\n",
    );
    project.ctl(&["up", "--journal", "night.journal"], 3);
    let row = |words: &[&str]| -> Vec<String> {
        let text = project.ctl(&[&["replay", "night.journal"], words].concat(), 0);
        assert!(text.contains("assumed: the n-th run of a program does"), "{text}");
        let row = text.lines().find(|line| line.starts_with("web ")).expect("a row");
        row.split_whitespace().map(str::to_owned).collect()
    };
    let same = row(&["--set", "web.kill-time=9s"]);
    assert_eq!((&*same[1], &*same[2]), ("3", "3"), "{same:?}");
    let fewer = row(&["--set", "web.give-up.failures=2", "-o", "what-if.svg"]);
    assert_eq!((&*fewer[1], &*fewer[2]), ("3", "1"), "{fewer:?}");
    assert!(fs::read_to_string(project.path().join("what-if.svg")).unwrap().starts_with("<svg"));
    row(&["--policy", "supervisord"]);

    let text = project.ctl(&["replay", "night.journal", "--set", "wbe.kill-time=1"], 2);
    assert!(text.contains("--set:1:1: there is no process `wbe`") && text.contains("`web`?"), "{text}");
    let text = project.ctl(&["replay", "night.journal", "--policy", "kubernets"], 2);
    assert!(text.contains("kubernetes"), "{text}");
    project.ctl(&["replay", "night.journal", "-o", "x.svg"], 2);
    let text = project.ctl(&["replay", "night.journal", "--policy", "otp", "-o", "x.png"], 2);
    assert!(text.contains("--output x.png: the name of a picture ends with"), "{text}");
    project.ctl(&["replay", "night.journal", "--with", "none.toml"], 2);
}
