//! `System` with real children: successful and failed starts.

use std::fs;
use std::io::Write;
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use childminder::machine::SpawnStep;
use childminder::{Exit, Host, SpawnError, Spec, System};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::support::{
    Census, Child, PORTABLE, alone, alone_with_fault, drop_privileges, run, skip, status_field,
};

mod attributes;
mod descriptors;
mod exit;
mod guardian;
mod inherit;
mod probe;
mod resources;
mod start;
mod stop;
mod storm;
mod terminal;
mod together;

/// Returns the error of a start, which must fail and leave nothing behind.
fn error(spec: &Spec) -> SpawnError {
    Child::start(spec).expect_err("the start must fail")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Creates an executable file that this process never has open for writing: a fork of another test could hold
/// such a descriptor at the moment of the exec.
fn executable(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    let script = format!("cat > {name} && chmod 755 {name}");
    let mut cat = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("sh");
    cat.stdin.take().expect("piped").write_all(text.as_bytes()).expect("write");
    assert!(cat.wait().expect("wait").success());
    path
}

#[test]
fn f_1_pm_20_a_missing_program_is_an_error_that_says_where_it_was_looked_for() {
    alone("sys::f_1_pm_20_a_missing_program_is_an_error_that_says_where_it_was_looked_for", || {
        let empty = tempfile::tempdir().expect("a directory");
        let path = empty.path().join("none");
        let system = System::new();
        let before = Census::take();
        // Every way to a start reports the same.
        let plain = Spec::new(&path);
        for spec in [plain.clone(), plain.clone().cwd("/tmp"), plain.umask(0o22)] {
            let error = system.spawn(&spec).expect_err("missing");
            assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Find, Some(libc::ENOENT)));
            assert_eq!(error.subject(), path.to_str().unwrap());
        }
        let here = empty.path().display();
        for (spec, expected) in [
            (Spec::new("none").env("PATH", empty.path()), format!("none (not in PATH={here})")),
            (Spec::new("none").env("PATH", "").cwd(empty.path()), "none (not in PATH=)".into()),
            (
                Spec::new("no such thing").env_clear(),
                "no such thing (there is no PATH, and it is not in /usr/local/bin:/bin:/usr/bin)".into(),
            ),
        ] {
            let error = system.spawn(&spec).expect_err("missing");
            assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Find, Some(libc::ENOENT)));
            assert_eq!(error.subject(), expected);
            assert!(!error.is_resource());
            assert_eq!(system.locate(&spec).expect_err("missing").to_string(), error.to_string());
        }
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn f_2_a_directory_or_a_plain_file_is_no_program() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("plain");
    fs::write(&file, "#!/bin/sh\n").expect("write");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    for (program, subject) in [
        (dir.path(), format!("{} (is a directory)", dir.path().display())),
        (&file, format!("{} (not executable by this user)", file.display())),
    ] {
        let spec = Spec::new(program);
        let error = error(&spec);
        assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Exec, Some(libc::EACCES)));
        assert_eq!(error.subject(), subject);
        assert_eq!(System::new().locate(&spec).expect_err("no program").to_string(), error.to_string());
    }
    // A search through PATH continues with the next folder.
    let error = error(&Spec::new("plain").env("PATH", dir.path()));
    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Exec, Some(libc::EACCES)));
    let other = tempfile::tempdir().expect("a directory");
    executable(&other, "plain", "#!/bin/sh\necho found\n");
    let path = format!("{}:{}", dir.path().display(), other.path().display());
    assert_eq!(run(&Spec::new("plain").env("PATH", path)).1, "found\n");
}

#[test]
fn f_3_a_script_without_an_interpreter_is_not_run_by_a_shell() {
    let dir = tempfile::tempdir().expect("a directory");
    let bare = executable(&dir, "bare", "echo must not run\n");
    let lost = executable(&dir, "lost", "#! /nowhere/at-all -x\n");
    for forked in [false, true] {
        let spec = |program: &Path| if forked { Spec::new(program).umask(0o22) } else { Spec::new(program) };
        let bare = error(&spec(&bare));
        assert_eq!((bare.step(), bare.raw_os_error()), (SpawnStep::Exec, Some(libc::ENOEXEC)));
        let lost = error(&spec(&lost));
        assert_eq!((lost.step(), lost.raw_os_error()), (SpawnStep::Exec, Some(libc::ENOENT)));
        assert!(lost.to_string().contains("its interpreter /nowhere/at-all was not found"), "{lost}");
    }
}

#[test]
fn f_4_a_bad_working_directory_is_distinguished_from_a_missing_program() {
    let dir = tempfile::tempdir().expect("a directory");
    let (missing, file) = (dir.path().join("missing"), dir.path().join("file"));
    fs::write(&file, "").expect("write");
    for (cwd, errno) in [(&missing, libc::ENOENT), (&file, libc::ENOTDIR)] {
        let spec = Spec::new("true").cwd(cwd);
        let error = error(&spec);
        assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Chdir, Some(errno)));
        assert_eq!(error.subject(), cwd.to_str().unwrap());
        assert_eq!(System::new().locate(&spec).expect_err("no directory").step(), SpawnStep::Chdir);
    }
    // Removed between two starts.
    let brief = dir.path().join("brief");
    fs::create_dir(&brief).expect("mkdir");
    let spec = Spec::new("true").cwd(&brief);
    assert_eq!(run(&spec).0, Exit::Code(0));
    fs::remove_dir(&brief).expect("rmdir");
    assert_eq!(error(&spec).step(), SpawnStep::Chdir);
}

#[test]
fn f_5_76_pm_7_another_user_is_really_another_user() {
    const NAME: &str = "sys::f_5_76_pm_7_another_user_is_really_another_user";
    if !is_root() {
        return skip(NAME, "only root can change the user");
    }
    let ids =
        |child: &Child| ["Uid", "Gid", "Groups"].map(|field| status_field(child.id(), field).expect(field));
    let spec = Spec::new("sleep").arg("100").uid(65_534).gid(65_533);
    let child = Child::start(&spec).expect("it starts");
    assert_eq!(ids(&child), ["65534\t65534\t65534\t65534", "65533\t65533\t65533\t65533", ""]);
    assert_eq!(status_field(child.id(), "CapEff").unwrap(), "0000000000000000");
    let child = Child::start(&spec.groups([7, 1_000_000])).expect("it starts");
    assert_eq!(ids(&child)[2], "7 1000000");
}

#[test]
fn f_5_a_refused_change_of_identity_names_its_step_and_runs_nothing() {
    const NAME: &str = "sys::f_5_a_refused_change_of_identity_names_its_step_and_runs_nothing";
    if !is_root() {
        return skip(NAME, "only root can drop privileges");
    }
    alone(NAME, || {
        drop_privileges();
        let system = System::new();
        for (spec, step, subject) in [
            (Spec::new("true").groups([7]), SpawnStep::Setgroups, "[7]"),
            (Spec::new("true").uid(0), SpawnStep::Setgroups, "[]"),
        ] {
            let error = system.spawn(&spec).expect_err("not allowed");
            assert_eq!((error.step(), error.raw_os_error()), (step, Some(libc::EPERM)));
            assert_eq!(error.subject(), subject);
        }
    });
}

#[test]
fn f_5_each_step_of_the_change_is_named() {
    const NAME: &str = "sys::f_5_each_step_of_the_change_is_named";
    if !is_root() {
        return skip(NAME, "only root passes the first step");
    }
    alone_with_fault("setresuid,setuid:error=EPERM", NAME, || {
        let error = error(&Spec::new("true").uid(65_534));
        assert_eq!((error.step(), error.subject()), (SpawnStep::Setuid, "65534"));
    });
}

#[test]
fn f_7_what_exec_cannot_take_is_an_error() {
    let long = "x".repeat(200_000);
    let refused = error(&Spec::new("true").arg(&long));
    assert_eq!((refused.step(), refused.raw_os_error()), (SpawnStep::Exec, Some(libc::E2BIG)));
    for spec in [Spec::new(""), Spec::new("a\0b"), Spec::new("true").env("A=B", "c")] {
        let refused = error(&spec);
        assert_eq!((refused.step(), refused.raw_os_error()), (SpawnStep::Exec, None));
    }
}

#[test]
fn f_8_a_failed_fork_is_a_shortage_and_later_starts_succeed() {
    const NAME: &str = "sys::f_8_a_failed_fork_is_a_shortage_and_later_starts_succeed";
    // The threads of the test and of the event loop are clones too; they come first.
    alone_with_fault("clone3,clone,fork,vfork:error=EAGAIN:when=7..8", NAME, || {
        let system = System::new();
        let before = Census::take();
        let (mut started, mut refused) = (0, 0);
        for _ in 0..12 {
            match system.spawn(&Spec::new("sleep").arg("100")) {
                Ok(_) => started += 1,
                Err(error) => {
                    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Fork, Some(libc::EAGAIN)));
                    assert!(error.is_resource());
                    refused += 1;
                }
            }
        }
        assert_eq!((started, refused), (10, 2));
        Census::take().assert_unchanged_since(&before);
    });
}

#[test]
fn f_9_30_with_any_number_of_free_descriptors_a_start_succeeds_or_leaves_nothing() {
    alone("sys::f_9_30_with_any_number_of_free_descriptors_a_start_succeeds_or_leaves_nothing", || {
        let system = System::new();
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(100), ..limit }).expect("a lower limit");
        let before = Census::take();
        let mut started = Vec::new();
        for free in 0..12 {
            for spec in [Spec::new("sleep").arg("100"), Spec::new("sleep").arg("100").cwd("/").umask(0o22)] {
                let mut hogs: Vec<_> = iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
                hogs.truncate(hogs.len() - free);
                match system.spawn(&spec) {
                    Ok(child) => {
                        // A stop needs no descriptor.
                        hogs.extend(iter::from_fn(|| fs::File::open("/dev/null").ok()));
                        drop(child);
                        started.push(free);
                    }
                    Err(error) => assert!(error.is_resource(), "{free} free: {error}"),
                }
                drop(hogs);
                Census::take().assert_unchanged_since(&before);
            }
        }
        assert!(started.contains(&6) || PORTABLE, "six suffice: {started:?}");
        assert!(started.contains(&11) && !started.contains(&3), "{started:?}");
    });
}

#[test]
fn f_12_a_process_that_cannot_be_watched_is_ended_before_the_error_is_returned() {
    const NAME: &str = "sys::f_12_a_process_that_cannot_be_watched_is_ended_before_the_error_is_returned";
    // Some of these hit a pipe, before there is a process, and some its handle.
    for nth in 5..9 {
        alone_with_fault(&format!("epoll_ctl:error=ENOSPC:when={nth}+"), NAME, || {
            let system = System::new();
            let before = Census::take();
            match system.spawn(&Spec::new("sleep").arg("100")) {
                Ok(child) => drop(child),
                Err(error) => {
                    assert_eq!((error.step(), error.raw_os_error()), (SpawnStep::Watch, Some(libc::ENOSPC)));
                }
            }
            Census::take().assert_unchanged_since(&before);
        });
    }
}

#[test]
fn pm_4_the_name_is_looked_up_in_the_path_of_the_child_and_no_shell_sees_it() {
    let dir = tempfile::tempdir().expect("a directory");
    executable(&dir, "tool", "#!/bin/sh\nprintf '%s|' \"$0\" \"$@\"\n");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let spec = Spec::new("tool").env("PATH", path).args(["$HOME", "a  b", "*", ""]);
    let found = dir.path().join("tool");
    assert_eq!(System::new().locate(&spec).expect("it is there"), found);
    assert_eq!(run(&spec), (Exit::Code(0), format!("{}|$HOME|a  b|*||", found.display()), String::new()));
    // A path is relative to the directory of the child; an empty entry of PATH means that directory.
    for spec in [Spec::new("./tool"), Spec::new("tool").env("PATH", "/nowhere:")] {
        let spec = spec.cwd(dir.path());
        assert_eq!(run(&spec).1, "./tool|");
        assert_eq!(System::new().locate(&spec).expect("it is there"), dir.path().join("./tool"));
    }
    // Without a PATH the default folders are searched.
    assert_eq!(run(&Spec::new("true").env_clear()).0, Exit::Code(0));
}

#[test]
fn pl_3_a_program_is_located_as_an_absolute_path_and_nothing_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let tool = executable(&dir, "tool", "#!/bin/sh\ntouch started\n");
    fs::create_dir(dir.path().join("folder")).expect("mkdir");
    let here = std::env::current_dir().expect("a directory");
    let up: String = here.components().skip(1).map(|_| "../").collect();
    let (relative, to_dir) =
        (format!("{up}bin/sh"), format!("{up}{}", &dir.path().display().to_string()[1..]));
    let system = System::new();
    for (spec, expected) in [
        (Spec::new(&tool), tool.clone()),
        (Spec::new("./tool").cwd(dir.path()), tool.clone()),
        (Spec::new("tool").env("PATH", dir.path()), tool.clone()),
        (Spec::new("tool").env("PATH", ".").cwd(dir.path()), tool),
        (Spec::new(&relative), here.join(&relative)),
        (Spec::new("tool").env("PATH", &to_dir), here.join(&to_dir).join("tool")),
        (Spec::new("./tool").cwd(&to_dir), here.join(&to_dir).join("tool")),
    ] {
        let found = system.locate(&spec).expect("it is there");
        assert!(found.is_absolute());
        assert_eq!(found, expected);
    }
    assert!(!dir.path().join("started").exists());
    // The error is that of a start.
    for (spec, what) in [
        (Spec::new("folder").env("PATH", dir.path()), "(is a directory)"),
        (Spec::new("./folder").cwd(dir.path()), "(is a directory)"),
        (Spec::new("./none").cwd(dir.path()), "./none"),
        (Spec::new("none").env("PATH", dir.path()), "none (not in PATH="),
        (Spec::new(""), "program is empty"),
        (Spec::new("to\0ol"), "program has a NUL byte in it"),
    ] {
        let error_text = system.locate(&spec).expect_err("there is no such program").to_string();
        assert!(error_text.contains(what), "{error_text}");
        assert_eq!(error_text, error(&spec).to_string());
    }
}

#[test]
fn pm_5_the_environment_is_inherited_changed_or_empty_as_asked() {
    let names = |spec: Spec| {
        // The mark of the run is always there, unless the spec removes it.
        let lines = run(&spec).1;
        lines
            .lines()
            .filter(|line| !line.starts_with("CHILDMINDER_RUN="))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    assert_eq!(names(Spec::new("env").env_clear()), "");
    assert!(run(&Spec::new("env").env_clear()).1.starts_with("CHILDMINDER_RUN="));
    assert_eq!(run(&Spec::new("env").env_clear().env_remove("CHILDMINDER_RUN")).1, "");
    assert_eq!(names(Spec::new("env").env("A", "=").env("B", "").env_clear()), "A==\nB=\n");
    let path = format!("PATH={}", std::env::var("PATH").expect("tests have a PATH"));
    let has = |output: &str, line: &str| output.lines().any(|other| other == line);
    let inherited = names(Spec::new("env").env("A", "1"));
    assert!(has(&inherited, &path) && has(&inherited, "A=1"));
    let without = names(Spec::new("/usr/bin/env").env_remove("PATH"));
    assert!(!without.is_empty() && !without.lines().any(|line| line.starts_with("PATH=")));
}

#[test]
fn pm_6_the_working_directory_is_inherited_or_as_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let real = dir.path().canonicalize().expect("it is there");
    let pwd = |spec: Spec| PathBuf::from(run(&spec).1.trim_end());
    assert_eq!(pwd(Spec::new("/bin/pwd").cwd(&real)), real);
    assert_eq!(pwd(Spec::new("/bin/pwd").cwd(&real).umask(0o77)), real);
    assert_eq!(
        pwd(Spec::new("/bin/pwd")),
        std::env::current_dir().expect("a directory").canonicalize().unwrap()
    );
    assert_eq!(run(&Spec::new("sh").args(["-c", "umask"]).umask(0o27)).1, "0027\n");
}
