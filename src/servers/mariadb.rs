//! MariaDB.

use std::path::Path;
use std::time::Duration;

use super::find::find_program;
use super::server::{Server, ServerKind};
use crate::host::Spec;
use crate::service::Service;

/// MariaDB, with an empty database `test` and the user `root` without a password.
///
/// ```no_run
/// use childminder::servers::MariaDb;
///
/// let db = MariaDb::new().start()?;
/// assert!(db.url().starts_with("mysql://root@127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1 and at `{dir}/mariadb.sock`; nothing is flushed to the disk
/// (`innodb_flush_log_at_trx_commit=0`, `innodb_doublewrite=0`, no binary log), buffers are small, and names
/// of hosts are not resolved. The scratch directory is in memory, in `/dev/shm`, if there is 1 GiB of room.
/// No configuration file of the system is read. It may take 60 s to become ready. The address is
/// `mysql://root@127.0.0.1:PORT/test`.
pub type MariaDb = Server<MariaDbKind>;

/// The kind of [`MariaDb`]. It has no settings of its own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MariaDbKind;

/// The directories of both programs.
const DIRECTORIES: &[&str] = &["/usr/libexec", "/opt/homebrew/opt/mariadb/bin", "/usr/local/opt/mariadb/bin"];

impl ServerKind for MariaDbKind {
    const PROGRAMS: &'static [&'static str] = &["mariadbd"];
    const AFTER_PATH: &'static [&'static str] = DIRECTORIES;
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install mariadb-server"),
        ("Fedora", "dnf install mariadb-server"),
        ("Homebrew", "brew install mariadb"),
        ("Nix", "nix profile install nixpkgs#mariadb"),
    ];
    const USER: &'static str = "mysql";

    const IN_MEMORY: bool = true;

    fn describe(&self, program: &Path, service: Service) -> Service {
        let beside = program.with_file_name("mariadb-install-db");
        let installer = Some(beside).filter(|path| path.exists());
        let installer = installer.or_else(|| find_program(&["mariadb-install-db"], &[], DIRECTORIES));
        // If it is missing, the step fails with its name.
        let installer = installer.unwrap_or_else(|| "mariadb-install-db".into());
        let fast = [
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=32M",
            "--innodb-use-native-aio=0",
            "--sync-binlog=0",
        ];
        let install = Spec::new(installer)
            .args(["--no-defaults", "--datadir={dir}/data", "--auth-root-authentication-method=normal"])
            .args(fast);
        service
            .before(install)
            .args(["--no-defaults", "--datadir={dir}/data", "--socket={dir}/mariadb.sock"])
            .args(["--pid-file={dir}/mariadb.pid", "--bind-address=127.0.0.1", "--port={port}"])
            .args(["--skip-log-bin", "--skip-name-resolve", "--performance-schema=0"])
            .args(fast)
            .expect_output("ready for connections")
            .timeout(Duration::from_secs(60))
            .kill_time(Duration::from_secs(15))
            .url("mysql://root@127.0.0.1:{port}/test")
    }
}
