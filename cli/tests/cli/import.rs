//! `childminder import`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::supervisor::PROGRAM;
use super::up::{Project, golden_exact};

/// The kinds with their files, in `tests/import`.
const KINDS: &[(&str, &[&str])] = &[
    ("supervisord", &["supervisord.conf"]),
    ("procfile", &["Procfile"]),
    ("process-compose", &["process-compose.yaml"]),
    ("systemd", &["web.service", "db.service", "cache@one.service"]),
];

fn inputs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// Imports files of a directory, and returns the exit status and both outputs.
fn import(dir: &Path, kind: &str, files: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(PROGRAM);
    let output = command.args(["import", kind]).args(files).current_dir(dir).output().expect("childminder");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit"), text(output.stdout), text(output.stderr))
}

#[test]
fn f_273_every_kind_becomes_a_file_that_is_valid_and_lists_what_is_lost() {
    for (kind, files) in KINDS {
        let (status, toml, notes) = import(&inputs(), kind, files);
        assert_eq!(status, 0, "{kind}: {notes}");
        golden_exact(&format!("import-{kind}.toml"), &inputs(), &toml);
        golden_exact(&format!("import-{kind}.txt"), &inputs(), &notes);
        for note in notes.lines() {
            let note = note.rsplit_once(" [").filter(|_| note.ends_with(']')).map_or(note, |(note, _)| note);
            assert!(toml.contains(&format!("# {note}")), "{kind}: no comment for {note}");
        }
        // An export reads the file as `up` does, without a look at this machine.
        let project = Project::new(&toml);
        let again = project.ctl(&["export", "nomad"], 0);
        assert!(again.contains("job \"childminder\""), "{again}");
    }
}

#[test]
fn f_273_later_files_of_process_compose_override_earlier_ones() {
    let project = Project::new("");
    project.write("a.yaml", "processes:\n  a:\n    command: one\n    working_dir: /tmp\n");
    project.write("b.yaml", "processes:\n  a:\n    command: two\n  b: { command: three }\n");
    let (status, toml, notes) = import(project.path(), "process-compose", &["a.yaml", "b.yaml"]);
    assert_eq!((status, &*notes), (0, ""));
    assert!(toml.contains("two") && toml.contains("three") && toml.contains("cwd = \"/tmp\""), "{toml}");
    assert!(!toml.contains("one"), "{toml}");
}

#[test]
fn f_274_a_file_of_another_kind_is_an_error_with_its_line() {
    let project = Project::new("");
    let dir = project.path();
    fs::write(dir.join("binary"), b"[program:a]\n\xff\xfe\n").unwrap();
    project.write("half.conf", "[program:a]\ncommand=x\n[progr");
    project.write("loop.conf", "[program:a]\ncommand=x\n[include]\nfiles=loop2.conf\n");
    project.write("loop2.conf", "[include]\nfiles = loop*.conf\n");
    project.write("half.yaml", "processes:\n  a: { command: \"x\n");
    project.write("list.yaml", "processes: [a, b]\n");
    project.write("other.yaml", "services: {}\n");
    project.write("Procfile", "web: x\nno command here\n");
    project.write("socket.service", "[Socket]\nListenStream=1\n");
    project.write("prose.txt", "This is a letter.\n");
    fs::create_dir(dir.join("folder")).unwrap();
    for (kind, file, expected) in [
        ("supervisord", "binary", "binary:2: this is not UTF-8 text"),
        ("supervisord", "half.conf", "half.conf:3: expected a section such as [name]"),
        ("supervisord", "loop.conf", "loop2.conf:2: includes loop.conf, which includes this file"),
        ("supervisord", "prose.txt", "prose.txt:1: "),
        ("supervisord", "missing.conf", "missing.conf: cannot read this file"),
        ("supervisord", "folder", "folder: cannot read this file"),
        ("supervisord", "socket.service", "socket.service: there is no process in this file"),
        ("process-compose", "half.yaml", "half.yaml:"),
        ("process-compose", "list.yaml", "list.yaml:1: expected processes by their names"),
        ("process-compose", "other.yaml", "other.yaml: there is no process in this file"),
        ("process-compose", "prose.txt", "prose.txt: there is no process in this file"),
        ("procfile", "Procfile", "Procfile:2: expected `name: command`"),
        ("systemd", "socket.service", "socket.service:1: this unit has no [Service]"),
        ("systemd", "prose.txt", "prose.txt:1: expected key = value"),
    ] {
        let (status, out, err) = import(dir, kind, &[file]);
        assert_eq!((status, &*out), (2, ""), "{kind} {file}: {err}");
        assert!(err.starts_with(&format!("error: {expected}")), "{kind} {file}: {err}");
    }
}
