//! Scratch directories, files, ports and placeholders.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use childminder::service::{NotReadyReason, PlaceholderProblem, ServiceError};
use childminder::{NotReady, Port, Service, Signal, System};

use crate::support::{DoomedProcess, alone, eventually, required};

/// Returns a service that prints these words and stays.
fn printer(words: &[&str]) -> Service {
    Service::new("sh").args(["-c", r#"printf '%s\n' "$@"; echo up; exec sleep 1000"#, "sh"]).args(words)
}

fn fails(service: &Service) -> NotReady {
    service.start().expect_err("it must not start")
}

/// Returns the error of a description that is refused before anything is started.
fn refused(service: &Service) -> ServiceError {
    let error = fails(service);
    let NotReadyReason::Invalid(error) = error.reason() else { panic!("{error}") };
    error.clone()
}

fn scratch_dirs() -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("childminder-scratch-")).collect()
}

#[test]
fn a_service_without_these_features_may_contain_any_braces() {
    let service = printer(&["{port}", "{x}"]).expect_output("up\n").start().unwrap();
    assert_eq!(service.tail(3), ["{port}", "{x}", "up"]);
}

#[test]
fn placeholders_are_filled_in_everywhere_and_files_are_created() {
    const NAME: &str = "service::files::placeholders_are_filled_in_everywhere_and_files_are_created";
    alone(NAME, || {
        let service = printer(&["{dir}", "$CONF", "{port:admin}", "{env:COLOUR}", "{{dir}}"])
            .file("conf/a.conf", "events { } listen {port:admin}; root {dir};")
            .file_from("tests/it/service/mod.rs")
            .env("COLOUR", "red")
            .env("CONF", "{dir}/conf/a.conf")
            .cwd("{dir}/conf")
            .named_port("admin")
            .expect_output("up\n");
        // A named port is required, and the shell does not listen.
        let error = fails(&service.timeout(std::time::Duration::from_millis(300)));
        assert!(matches!(error.reason(), NotReadyReason::TimedOut { .. }), "{error}");
        assert_eq!(error.tail()[3..], ["red", "{dir}", "up"]);
        let dir = Path::new(&error.tail()[0]).to_owned();
        assert!(!dir.exists(), "it is removed after a failed start");
        assert!(error.tail()[2].parse::<u16>().unwrap() > 0);

        let service = printer(&["{dir}"])
            .file("conf/a.conf", "root {dir};")
            .file_from("tests/it/service/mod.rs")
            .cwd("{dir}/conf")
            .expect_output("up\n")
            .start()
            .unwrap();
        let dir = service.dir().unwrap().to_owned();
        assert_eq!(fs::read_to_string(dir.join("conf/a.conf")).unwrap(), format!("root {};", dir.display()));
        assert!(dir.join("mod.rs").exists());
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_link(format!("/proc/{}/cwd", service.pid())).unwrap(), dir.join("conf"));
        assert_eq!(service.resources().expand("a {dir} b").unwrap(), format!("a {} b", dir.display()));
        drop(service);
        assert!(!dir.exists());
    });
}

#[test]
fn each_start_has_a_directory_and_a_port_of_its_own_and_an_outage_keeps_them() {
    const NAME: &str =
        "service::files::each_start_has_a_directory_and_a_port_of_its_own_and_an_outage_keeps_them";
    if required(NAME, "python3").is_none() {
        return;
    }
    let web = Service::new("python3")
        .scratch()
        .free_port()
        .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory", "{dir}", "{port}"])
        .expect_http("/");
    let (first, second) = (web.start().unwrap(), web.start().unwrap());
    assert!(first.port() != second.port() && first.port().is_some());
    assert_ne!(first.dir(), second.dir());
    let (port, dir) = (first.port(), first.dir().unwrap().to_owned());
    fs::write(dir.join("kept.txt"), "x").unwrap();
    first.stopped(|| assert!(dir.join("kept.txt").exists())).unwrap();
    assert_eq!((first.port(), first.dir()), (port, Some(&*dir)));
    assert!(dir.join("kept.txt").exists());
    drop(first);
    assert!(!dir.exists());
}

#[test]
fn f_230_an_unknown_placeholder_is_refused_before_anything_is_started() {
    const NAME: &str = "service::files::f_230_an_unknown_placeholder_is_refused_before_anything_is_started";
    alone(NAME, || {
        let problem = |service: Service| match refused(&service) {
            ServiceError::Placeholder(error) => (error.place().to_owned(), error.problem().clone()),
            other => panic!("{other}"),
        };
        let unknown = PlaceholderProblem::Unknown;
        assert_eq!(problem(printer(&["{prot}"]).scratch()), ("argument 4".into(), unknown.clone()));
        assert_eq!(
            problem(printer(&[]).file("a.conf", "x {dri}")),
            ("the file a.conf".into(), unknown.clone())
        );
        assert_eq!(
            problem(printer(&[]).before(["echo", "{x}"])),
            ("argument 1 of step 1 before the start".into(), unknown)
        );
        assert_eq!(problem(printer(&["{dir}"]).free_port()).1, PlaceholderProblem::NoDirectory);
        assert_eq!(problem(printer(&["{port}"]).scratch()).1, PlaceholderProblem::NoPort);
        let known = PlaceholderProblem::UnknownPort(vec!["admin".into()]);
        assert_eq!(problem(printer(&["{port:admim}"]).named_port("admin")).1, known);
        assert_eq!(problem(printer(&["{env:NO_SUCH_VARIABLE}"]).scratch()).1, PlaceholderProblem::NotSet);
        assert_eq!(scratch_dirs(), [""; 0].map(PathBuf::from));
    });
}

#[test]
fn f_232_a_file_outside_the_directory_is_refused() {
    for path in ["../a", "/etc/passwd", "a/../../b", "", ".."] {
        let error = refused(&printer(&[]).file(path, "x"));
        assert!(matches!(error, ServiceError::FileOutside(_)), "{path}: {error}");
    }
    let error = fails(&printer(&[]).file_from("/no/such/file.conf"));
    assert_eq!(
        error.to_string().lines().next(),
        Some(
            "service sh is not ready: cannot prepare /no/such/file.conf: No such file or directory (os error 2)"
        )
    );
}

#[test]
fn a_reserved_port_can_be_named_by_a_placeholder() {
    let port = Port::reserve().unwrap();
    let error =
        fails(&printer(&["{port}"]).scratch().port(&port).timeout(std::time::Duration::from_millis(300)));
    assert_eq!(error.tail()[0], port.to_string());
}

#[test]
fn f_233_a_directory_is_kept_and_named_on_failure_if_that_is_asked_for() {
    const NAME: &str = "service::files::f_233_a_directory_is_kept_and_named_on_failure_if_that_is_asked_for";
    alone(NAME, || {
        let failing = Service::new("sh").args(["-c", "echo x >{dir}/log; exit 1"]).scratch();
        let error = fails(&failing);
        assert!(error.to_string().contains("hint: set CHILDMINDER_KEEP=1 to keep its directory"), "{error}");
        assert_eq!(error.kept_dir(), None);

        // Nothing else runs in this process.
        #[expect(unsafe_code, reason = "the environment is changed by the only thread that uses it")]
        unsafe {
            std::env::set_var("CHILDMINDER_KEEP", "1");
        }
        let error = fails(&failing);
        let dir = error.kept_dir().expect("it is kept").to_owned();
        assert_eq!(fs::read_to_string(dir.join("log")).unwrap(), "x\n");
        assert!(error.to_string().contains(&format!("its directory is kept: {}", dir.display())), "{error}");
        fs::remove_dir_all(dir).unwrap();

        // It is not kept without a failure, and kept after a death.
        let service = printer(&[]).scratch().expect_output("up\n").start().unwrap();
        let path = service.dir().unwrap().to_owned();
        service.stop().unwrap();
        assert!(!path.exists());
        let service = printer(&[]).scratch().expect_output("up\n").start().unwrap();
        let path = service.dir().unwrap().to_owned();
        service.signal(Signal::KILL);
        eventually("the service is dead", || !service.is_alive());
        drop(service);
        assert!(path.join(".kept").exists());
        fs::remove_dir_all(path).unwrap();
    });
}

#[test]
fn f_231_the_directory_of_a_killed_process_is_removed_by_the_next_one() {
    const NAME: &str = "service::files::f_231_the_directory_of_a_killed_process_is_removed_by_the_next_one";
    const PARENT: &str = "CHILDMINDER_TEST_PARENT";
    let parent = crate::support::Scratch::new();
    let start = || {
        DoomedProcess::prepared(
            NAME,
            |command| {
                command.env("TMPDIR", parent.path());
                command.env(PARENT, "1");
            },
            |send| {
                let service = printer(&[]).scratch().expect_output("up\n").start().unwrap();
                send(&service.dir().unwrap().display().to_string());
                std::mem::forget(service);
            },
        )
    };
    let mut first = start();
    let abandoned = PathBuf::from(first.line());
    first.kill_and_wait(rustix::process::Signal::KILL);
    assert!(abandoned.exists());
    let mut second = start();
    let used = PathBuf::from(second.line());
    assert!(!abandoned.exists() && used.exists());
    let mut third = start();
    third.line();
    assert!(used.exists(), "its process is alive");
    third.kill_and_wait(rustix::process::Signal::KILL);
    second.kill_and_wait(rustix::process::Signal::KILL);
    for dir in fs::read_dir(parent.path()).unwrap() {
        fs::remove_dir_all(dir.unwrap().path()).unwrap();
    }
}

#[test]
fn fifty_services_at_once_have_fifty_directories() {
    const NAME: &str = "service::files::fifty_services_at_once_have_fifty_directories";
    alone(NAME, || {
        let service = printer(&["{dir}"]).scratch().expect_output("up\n");
        let starts = (0..50).map(|_| service.start_async());
        let services = futures_lite::future::block_on(async {
            let starts: Vec<_> = starts.map(smol::spawn).collect();
            let mut services = Vec::new();
            for start in starts {
                services.push(start.await.unwrap());
            }
            services
        });
        let dirs: BTreeSet<_> = services.iter().map(|service| service.dir().unwrap().to_owned()).collect();
        assert_eq!(dirs.len(), 50);
        assert!(
            services.iter().all(|service| service.tail(2)[0] == service.dir().unwrap().display().to_string())
        );
        drop(services);
        assert!(dirs.iter().all(|dir| !dir.exists()));
    });
}

#[test]
fn a_host_without_threads_can_be_given_a_directory() {
    let service = printer(&["{dir}"]).scratch().expect_output("up\n");
    let (start, driver) = service.start_on(System::new()).unwrap();
    let service =
        futures_lite::future::block_on(futures_lite::future::or(async { start.await.unwrap() }, async {
            driver.await;
            unreachable!("the service holds the monitor")
        }));
    assert!(service.dir().unwrap().exists());
}
