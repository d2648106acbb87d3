//! Servers that cannot be started, and servers that exist already.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use childminder::servers::{MariaDb, Postgres, Redis, Server, ServerKind};
use childminder::service::{NotReadyReason, StepProblem};
use childminder::{Service, SharedService};

use super::clients;
use crate::support::{alone, required};

/// A server that no system has.
#[derive(Clone, Debug, Default)]
struct Unknown;

impl ServerKind for Unknown {
    const PROGRAMS: &'static [&'static str] = &["no-such-server"];
    const AFTER_PATH: &'static [&'static str] = &["/opt/no-such-directory/*/bin"];
    const PACKAGES: &'static [(&'static str, &'static str)] =
        &[("Debian and Ubuntu", "apt install nothing"), ("Homebrew", "brew install nothing")];
    const USER: &'static str = "no-such-user";

    fn describe(&self, _: &Path, service: Service) -> Service {
        service
    }
}

#[test]
fn f_239_a_missing_program_names_its_package_for_each_system() {
    let error = Server::<Unknown>::new().start().unwrap_err();
    let NotReadyReason::MissingProgram(missing) = error.reason() else { panic!("{error}") };
    assert_eq!(missing.program(), "no-such-server");
    let text = error.to_string();
    for part in [
        "service no-such-server is not ready: no-such-server is in no directory of PATH and in none of ",
        "/opt/no-such-directory/*/bin, ",
        "; install it on Debian and Ubuntu: apt install nothing, on Homebrew: brew install nothing",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// Writes an executable script and returns its path.
fn script(dir: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn f_240_a_postgresql_that_is_too_old_is_refused_before_it_is_started() {
    const NAME: &str =
        "servers::ready_made::errors::f_240_a_postgresql_that_is_too_old_is_refused_before_it_is_started";
    alone(NAME, || {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        script(dir.path(), "initdb", r#"for dir; do :; done; mkdir "$dir" && echo 9.6 >"$dir/PG_VERSION""#);
        let postgres = script(dir.path(), "postgres", "exit 99");
        let error = Postgres::new().program(postgres).start().unwrap_err();
        let NotReadyReason::Step(step) = error.reason() else { panic!("{error}") };
        let expected = "PostgreSQL 9.6 is too old: version 10 or later is required";
        assert!(matches!(step.problem(), StepProblem::Failed(text) if text == expected), "{error}");
    });
}

#[test]
fn a_failing_installation_is_reported_with_its_output() {
    const NAME: &str = "servers::ready_made::errors::a_failing_installation_is_reported_with_its_output";
    alone(NAME, || {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        script(dir.path(), "mariadb-install-db", "echo no room; exit 7");
        let error = MariaDb::new().program(script(dir.path(), "mariadbd", "")).start().unwrap_err();
        let NotReadyReason::Step(step) = error.reason() else { panic!("{error}") };
        assert_eq!(step.output(), ["no room"]);
    });
}

#[test]
fn an_existing_server_is_used_instead_of_a_new_one() {
    const NAME: &str = "servers::ready_made::errors::an_existing_server_is_used_instead_of_a_new_one";
    const VARIABLE: &str = "CHILDMINDER_TEST_REDIS_URL";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    alone(NAME, || {
        let first = Redis::from_env(VARIABLE).start().unwrap();
        assert!(first.service().is_some(), "the variable is not set");
        // Nothing else runs in this process.
        #[expect(unsafe_code, reason = "the environment is changed by the only thread that uses it")]
        unsafe {
            std::env::set_var(VARIABLE, first.url());
        }
        let second = Redis::from_env(VARIABLE).start().unwrap();
        assert!(second.service().is_none() && second.url() == first.url());
        assert!(second.stop().unwrap().is_none(), "it is not stopped");
        assert_eq!(clients::program("redis-cli", &["-u", first.url(), "PING"]), "PONG\n");
    });
}

#[test]
fn a_ready_made_server_can_be_adjusted_and_shared() {
    static REDIS: SharedService = SharedService::new(|| {
        Redis::new().adjust(|service| service.name("cache").args(["--databases", "3"])).service()
    });
    const NAME: &str = "servers::ready_made::errors::a_ready_made_server_can_be_adjusted_and_shared";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    let redis = REDIS.get().unwrap();
    assert_eq!(redis.name(), "cache");
    let url = redis.url().expect("it has an address");
    let answer = clients::program("redis-cli", &["-u", url, "CONFIG", "GET", "databases"]);
    assert_eq!(answer, "databases\n3\n");
}

#[test]
fn a_server_is_started_in_asynchronous_code() {
    const NAME: &str = "servers::ready_made::errors::a_server_is_started_in_asynchronous_code";
    if required(NAME, "redis-server").is_none() {
        return;
    }
    smol::block_on(async {
        let redis = Redis::new().start_async().await.unwrap();
        assert!(redis.url().starts_with("redis://127.0.0.1:"));
        let ended = redis.stop_async().await.unwrap().expect("it was started");
        assert!(ended.asked && !ended.killed);
    });
}
