//! Journals of `up`, their replay, and incident files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use nix::unistd::Uid;

use super::eventually::eventually;
use super::skip::skip;
use super::supervisor::Supervisor;
use super::up::Project;

const FILE: &str = r#"[process.web]
command = "sh -c 'echo started; sleep 0.1; exit 3'"
min-restart-delay = "10ms"
max-restart-delay = "50ms"
env = { PASSWORD = "hunter2" }

[process.db]
command = "sleep 1000"
"#;

pub(super) fn contains(path: &Path, text: &str, count: usize) -> bool {
    fs::read_to_string(path).is_ok_and(|journal| journal.matches(text).count() >= count)
}

#[test]
fn f_314_what_up_has_recorded_is_replayed_identically() {
    let project = Project::new(FILE);
    let journal = project.path().join("night.journal");
    let up = project.up(&["--journal", "night.journal"]);
    project.wait();
    eventually("restarts", || contains(&journal, "starts again in", 3));
    project.write("childminder.toml", &FILE.replace("sleep 1000", "sleep 2000").replace("exit 3", "exit 4"));
    project.ctl(&["reload"], 0);
    project.ctl(&["stop", "web"], 0);
    project.ctl(&["start", "web"], 0);
    eventually("restarts after the reload", || contains(&journal, "exited with code 4", 2));
    // While it is being written.
    let found = project.ctl(&["replay", "night.journal"], 0);
    assert!(found.starts_with("identical: ") && found.contains("the end is open"), "{found}");
    assert_eq!(up.stop().status, 0);
    let found = project.ctl(&["replay", "night.journal"], 0);
    assert!(found.starts_with("identical: ") && !found.contains("the end is open"), "{found}");
    assert!(!contains(&journal, "hunter2", 1), "the value of a variable is in the journal");
    assert!(contains(&journal, "\"last\":[\"started\"]", 1));

    // Another decision than the recorded one.
    let text = fs::read_to_string(&journal).unwrap();
    let changed: String = text
        .lines()
        .map(|line| format!("{}}}\n", line.split(",\"sum\"").next().unwrap()))
        .collect::<String>()
        .replacen("notice web#1 started", "notice web#1 exploded", 1);
    project.write("changed.journal", &changed);
    let found = project.ctl(&["replay", "changed.journal"], 1);
    let line = 1 + changed.lines().position(|line| line.contains("exploded")).unwrap();
    assert!(found.starts_with(&format!("different at line {line} of changed.journal, ")), "{found}");
    assert!(
        found.contains("recorded  notice web#1 exploded") && found.contains("decided   notice web#1 started")
    );

    // No journals.
    for (name, text, expected) in [
        ("empty", "", "it is empty"),
        ("other", FILE, "line 1, column 1: the first line is not that of a journal"),
        (
            "flipped",
            &text.replacen("\"t\":", "\"t\":1", 1),
            "line 2, column 1: the line was changed after it was written",
        ),
    ] {
        project.write(name, text);
        let found = project.ctl(&["replay", name], 2);
        assert!(found.contains(expected), "{name}: {found}");
    }
    let found = project.ctl(&["replay", "none"], 2);
    assert!(found.contains("cannot read the journal \"none\": No such file"), "{found}");
}

#[test]
fn f_314_the_journal_of_an_up_that_was_killed_is_there_after_the_next_start() {
    let project = Project::new(FILE);
    let journal = project.path().join("night.journal");
    let up = project.up(&["--journal", "night.journal"]);
    eventually("restarts", || contains(&journal, "starts again in", 3));
    up.kill_and_wait();
    let found = project.ctl(&["replay", "night.journal"], 0);
    assert!(found.contains("childminder was killed") || found.contains("or was killed"), "{found}");
    let killed = fs::read(&journal).unwrap();
    let up = project.up(&["--journal", "night.journal"]);
    project.wait();
    assert_eq!(up.stop().status, 0);
    assert_eq!(fs::read(project.path().join("night.journal.1")).unwrap(), killed);
    project.ctl(&["replay", "night.journal.1"], 0);
    let found = project.ctl(&["replay", "night.journal"], 0);
    assert!(!found.contains("killed"), "{found}");
    let up = project.ctl(&["up", "--journal", "no/such/night.journal"], 2);
    assert!(up.contains("cannot create the journal \"no/such/night.journal\": No such file"), "{up}");
}

#[test]
fn f_313_a_full_disk_is_reported_and_does_not_disturb_the_programs() {
    if !Uid::effective().is_root() {
        return skip("foresight::f_313_a_full_disk", "only root can mount a small disk");
    }
    let project = Project::new(FILE);
    let disk = project.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&disk);
    if !mount.status().is_ok_and(|status| status.success()) {
        return skip("foresight::f_313_a_full_disk", "a small disk cannot be mounted here");
    }
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
        }
    }
    let _unmount = Unmount(&disk);
    let journal = disk.join("night.journal");
    let mut up = project.up(&["--journal", "disk/night.journal"]);
    eventually("restarts", || contains(&journal, "starts again in", 2));
    let filler = disk.join("filler");
    let _ = fs::write(&filler, vec![0; 1 << 20]);
    let reported = up.err.wait_for("cannot write the journal");
    assert!(reported.contains("No space left on device"), "{reported}");
    let restarts = || project.status_of("web")["restarts"].as_u64().unwrap_or_default();
    let before = restarts();
    eventually("restarts on a full disk", || restarts() > before + 3);
    fs::remove_file(&filler).unwrap();
    up.err.wait_for("is written again");
    eventually("restarts after that", || contains(&journal, "\"lost\":", 1));
    let count = fs::read_to_string(&journal).unwrap().matches("starts again in").count();
    eventually("restarts after that", || contains(&journal, "starts again in", count + 2));
    let ended = up.stop();
    assert_eq!(ended.status, 0);
    assert!(!ended.err.contains("cannot write the journal"), "it is reported once: {}", ended.err);
    let found = project.ctl(&["replay", "disk/night.journal"], 0);
    assert!(found.starts_with("identical: ") && found.contains("could not be written"), "{found}");
}

#[test]
fn f_315_an_incident_file_is_replayed_and_explained_elsewhere() {
    let project = Project::new(FILE);
    let found = project.ctl(&["incident", "-o", "night.tar.gz"], 2);
    assert!(found.contains("start it with `childminder up --journal FILE`"), "{found}");
    let journal = project.path().join("night.journal");
    let up = project.up(&["--journal", "night.journal"]);
    project.wait();
    eventually("restarts", || contains(&journal, "starts again in", 5));
    project.ctl(&["stop", "db"], 0);
    eventually("the stop", || contains(&journal, "db is held", 1));
    let found = project.ctl(&["incident", "-o", "night.tar.gz"], 0);
    assert!(
        found.contains("the last lines of 2 programs") && found.contains("may contain secrets"),
        "{found}"
    );
    let found = project.ctl(&["incident", "--last", "1ms", "-o", "last.tar.gz"], 0);
    assert!(found.contains("last.tar.gz: a journal of"), "{found}");
    up.signal(Signal::SIGTERM);
    assert_eq!(up.end().status, 0);
    let found = project.ctl(&["incident", "-o", "later.tar.gz"], 0);
    assert!(found.contains("since childminder does not answer: ") && found.contains("is not up"), "{found}");
    let found = project
        .ctl(&["incident", "--file", "gone.toml", "--journal", "night.journal", "-o", "gone.tar.gz"], 2);
    assert!(found.contains("gone.toml: cannot read this file"), "{found}");
    assert!(!project.path().join("gone.tar.gz").exists());

    let elsewhere = Project::new("[process.other]\ncommand = \"true\"\n");
    for name in ["night.tar.gz", "last.tar.gz", "later.tar.gz"] {
        fs::copy(project.path().join(name), elsewhere.path().join(name)).unwrap();
        let found = elsewhere.ctl(&["replay", name], 0);
        assert!(found.starts_with("identical: "), "{found}");
        let found = elsewhere.ctl(&["why", "--journal", name, "db"], 0);
        assert!(found.contains("db"), "{found}");
    }
    let found = elsewhere.ctl(&["why", "--journal", "night.tar.gz", "db"], 0);
    assert!(found.contains("held"), "{found}");
    assert!(found.contains("at the end of the journal, after ") && found.contains("--at asks"), "{found}");
    let found = elsewhere.ctl(&["why", "--journal", "night.tar.gz", "--at", "400ms", "db"], 0);
    assert!(!found.contains("--at asks"), "{found}");
    let found = elsewhere.ctl(&["why", "--journal", "night.tar.gz", "nothing"], 2);
    assert!(found.contains("there is no process \"nothing\"") && found.contains("web, db"), "{found}");

    let unpack = Command::new("tar").args(["xzf", "night.tar.gz"]).current_dir(elsewhere.path()).status();
    assert!(unpack.unwrap().success());
    let dir = elsewhere.path().join("incident");
    let read =
        |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let all = [
        read("about.json"),
        read("why.txt"),
        read("status.json"),
        read("childminder.toml"),
        read("output/web.txt"),
        read("journal.jsonl"),
    ];
    assert!(all.iter().all(|text| !text.is_empty() && !text.contains("hunter2")), "{all:?}");
    assert!(read("childminder.toml").contains("PASSWORD") && read("output/web.txt").contains("started"));
}

#[test]
fn f_315_an_archive_that_is_cut_or_another_one_is_named_with_what_to_try() {
    let project = Project::new(FILE);
    let up = project.up(&["--journal", "night.journal"]);
    project.wait();
    assert_eq!(up.stop().status, 0);
    project.ctl(&["incident", "--journal", "night.journal", "-o", "night.tar.gz"], 0);
    let bytes = fs::read(project.path().join("night.tar.gz")).unwrap();
    let replay = |name: &str, bytes: &[u8]| {
        fs::write(project.path().join(name), bytes).unwrap();
        let found = project.ctl(&["replay", name], 2);
        let rest = found.strip_prefix(&format!("error: cannot read the incident file {name}: "));
        rest.unwrap_or_else(|| panic!("{found}")).trim_end().to_owned()
    };
    let size = fs::metadata(project.path().join("night.journal")).unwrap().len();
    let found = replay("half.tar.gz", &bytes[..bytes.len() / 3]);
    let there = found.strip_prefix("it is cut: ").and_then(|rest| rest.split_once(' ')).expect(&found);
    assert!((1..size).contains(&there.0.parse().expect("a number")), "{found}");
    let expected = "bytes of its journal are there; copy it again, or unpack that part with `tar xzf` and use \
                    incident/journal.jsonl";
    assert!(there.1.starts_with("of the ") && there.1.ends_with(expected), "{found}");
    for length in [2, 9, 12, 40] {
        let found = replay("begin.tar.gz", &bytes[..length]);
        assert_eq!(found, "it is cut before its journal begins; copy it again", "{length}");
    }
    // Nothing of it is read as if it were right, and nothing is a panic.
    for index in (2..bytes.len()).step_by(bytes.len() / 40) {
        let mut flipped = bytes.clone();
        flipped[index] ^= 0x55;
        fs::write(project.path().join("flipped.tar.gz"), flipped).unwrap();
        let Output { status, stdout, stderr } =
            project.command(&["replay", "flipped.tar.gz"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        match status.code() {
            Some(0) => {
                assert!(out.starts_with("identical: ") && !out.contains("not complete"), "{index}: {out}")
            }
            code => assert!(code == Some(2) && err.starts_with("error: cannot read"), "{index}: {err}"),
        }
    }

    let pack = |name: &str, script: &str| {
        let script = format!("rm -rf incident && tar xzf night.tar.gz && {script}");
        let status = Command::new("sh").args(["-c", &script]).current_dir(project.path()).status();
        assert!(status.unwrap().success(), "{name}");
        replay(name, &fs::read(project.path().join(name)).unwrap())
    };
    let found = pack("text.gz", "seq 1000 | gzip > text.gz");
    assert_eq!(found, "it is compressed, but no archive; use a file of `childminder incident`");
    let found = pack("other.tar.gz", "tar czf other.tar.gz childminder.toml");
    assert_eq!(found, "it contains no incident/journal.jsonl; use a file of `childminder incident`");
    let newer = "rm incident/journal.jsonl && sed -i 's/\"packed_by\": .*,/\"packed_by\": \"childminder 9.1\",/' \
                 incident/about.json && tar czf newer.tar.gz incident";
    let found = pack("newer.tar.gz", newer);
    assert!(
        found.contains("was packed by \"childminder 9.1\"; this is childminder 0.1.0: use the program"),
        "{found}"
    );
    let newer = "sed -i '1s/\"version\":1/\"version\":9/; 1s/,\"sum.*/}/' incident/journal.jsonl && \
                 tar czf format.tar.gz incident";
    let found = pack("format.tar.gz", newer);
    assert!(found.contains("it has format 9, written by") && found.contains("or a newer one"), "{found}");

    // What is not a regular file is not removed. It is a link, so that a failure of this test removes only
    // that.
    let full = project.path().join("full");
    symlink("/dev/full", &full).unwrap();
    let found = project.ctl(&["incident", "--journal", "night.journal", "-o", "full"], 1);
    assert!(found.contains("cannot write full: No space left on device"), "{found}");
    assert!(full.is_symlink(), "the link to a device was removed");
}

#[test]
fn f_314_what_run_has_recorded_is_replayed_identically() {
    let project = Project::new("");
    let journal = project.path().join("run.journal");
    let script = "echo started; exit 3";
    let run = |journal: &str| {
        let words = ["run", "--journal", journal, "--name", "web", "-m", "0.01", "-M", "0.05"];
        let rest = ["--env", "PASSWORD=hunter2", "--", "sh", "-c", script];
        Supervisor::start(&mut project.command(&[&words[..], &rest].concat()))
    };
    let supervisor = run("run.journal");
    eventually("restarts", || contains(&journal, "starts again in", 3));
    assert_eq!(supervisor.stop().status, 0);
    let found = project.ctl(&["replay", "run.journal"], 0);
    assert!(found.starts_with("identical: ") && !found.contains("the end is open"), "{found}");
    assert!(contains(&journal, "\"last\":[\"started\"]", 1) && !contains(&journal, "hunter2", 1));
    project.ctl(&["timeline", "run.journal", "-o", "run.svg"], 0);

    let first = fs::read(&journal).unwrap();
    let supervisor = run("run.journal");
    let earlier = project.path().join("run.journal.1");
    eventually("another journal", || earlier.exists() && contains(&journal, "starts again in", 1));
    assert_eq!(supervisor.stop().status, 0);
    assert_eq!(fs::read(&earlier).unwrap(), first);
    // Nothing is started.
    let ended = run("no/such/run.journal").end();
    assert_eq!((ended.status, &*ended.out), (2, ""));
    let expected = "error: cannot create the journal \"no/such/run.journal\": No such file";
    assert!(ended.err.starts_with(expected), "{}", ended.err);
}
