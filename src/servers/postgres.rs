//! PostgreSQL.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_lite::future::block_on;

use super::postgres_client::{Address, QueryError, run};
use super::server::{RunningServer, Server, ServerKind};
use crate::host::Spec;
use crate::machine::Signal;
use crate::service::{Resources, Service};

/// The oldest version that has all settings that are used here.
const OLDEST: u32 = 10;

/// The database that fresh ones are copied from, if the test has a template.
const TEMPLATE: &str = "childminder_template";

/// PostgreSQL, with the user `postgres` and no password.
///
/// ```no_run
/// use childminder::servers::Postgres;
///
/// let db = Postgres::new().start()?;
/// assert!(db.url().starts_with("postgresql://postgres@127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Tests that share a server get a database each, copied from a template in some 20 ms:
///
/// ```no_run
/// use childminder::servers::Postgres;
///
/// let server = Postgres::new()
///     .template_sql("CREATE TABLE account (name text PRIMARY KEY, balance bigint NOT NULL)")
///     .start()?;
/// let database = server.fresh_database()?;
/// println!("{}", database.url()); // removed when `database` is dropped
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Settings: it listens at 127.0.0.1 and at a socket in the scratch directory; every local client is trusted;
/// nothing is flushed to the disk (`fsync`, `synchronous_commit` and `full_page_writes` are off, the log has
/// the level `minimal`); the scratch directory is in memory, in `/dev/shm`, if there is 1 GiB of room, since
/// the files of a new database take most of the time; the encoding is UTF-8 and the locale `C`; the language
/// of messages is English. It is stopped by INT, the "fast" shutdown. The address is
/// `postgresql://postgres@127.0.0.1:PORT/postgres`, with the database `test` if there is a template.
///
/// Version 10 or later is required.
pub type Postgres = Server<PostgresKind>;

/// The kind of [`Postgres`], with its settings.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PostgresKind {
    template: Vec<TemplateStep>,
}

/// A closure that fills the database at this address.
type FillTemplate = dyn Fn(&str) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

/// A step that fills the template.
#[derive(Clone)]
enum TemplateStep {
    Sql(String),
    Closure(Arc<FillTemplate>),
}

impl Postgres {
    /// Runs SQL statements in the database from which all databases of the tests are copied. Several calls
    /// and [`template_with`](Self::template_with) run in order, each once for each start.
    pub fn template_sql(mut self, sql: &str) -> Self {
        self.kind.template.push(TemplateStep::Sql(sql.to_owned()));
        self
    }

    /// Calls a closure with the address of the database from which all databases of the tests are copied, for
    /// instance to run the migrations of an application. It must have closed its connections when it returns.
    ///
    /// ```no_run
    /// use childminder::servers::Postgres;
    ///
    /// # fn migrate(url: &str) -> std::io::Result<()> { Ok(()) }
    /// let db = Postgres::new().template_with(|url| Ok(migrate(url)?)).start()?;
    /// # Ok::<(), childminder::NotReady>(())
    /// ```
    pub fn template_with(
        mut self,
        fill: impl Fn(&str) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.kind.template.push(TemplateStep::Closure(Arc::new(fill)));
        self
    }
}

impl PostgresKind {
    /// Creates and fills the template, and copies the database of the server from it.
    fn create_template(&self, at: &Resources) -> Result<(), Box<dyn Error + Send + Sync>> {
        let address = |database: &str| Address {
            user: "postgres".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: at.port().unwrap_or_default(),
            database: database.to_owned(),
        };
        let in_database = |database: &str, sql: &str| block_on(run(&address(database), &[sql]));
        in_database("postgres", &format!("CREATE DATABASE {TEMPLATE}"))?;
        for step in &self.template {
            match step {
                TemplateStep::Sql(sql) => in_database(TEMPLATE, sql)?,
                TemplateStep::Closure(fill) => {
                    fill(&at.expand(&format!("postgresql://postgres@127.0.0.1:{{port}}/{TEMPLATE}"))?)?;
                }
            }
        }
        in_database("postgres", &format!("CREATE DATABASE test TEMPLATE {TEMPLATE}"))?;
        Ok(())
    }
}

impl ServerKind for PostgresKind {
    const PROGRAMS: &'static [&'static str] = &["postgres"];
    const AFTER_PATH: &'static [&'static str] = &[
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/usr/local/pgsql/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install postgresql"),
        ("Fedora", "dnf install postgresql-server"),
        ("Homebrew", "brew install postgresql"),
        ("Nix", "nix profile install nixpkgs#postgresql"),
    ];
    const USER: &'static str = "postgres";

    const IN_MEMORY: bool = true;

    fn describe(&self, program: &Path, service: Service) -> Service {
        // `initdb` lies beside the file that a link in PATH leads to.
        let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        let initdb = Spec::new(program.with_file_name("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"])
            .args(["-D", "{dir}/data"])
            .env("LC_ALL", "C");
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories={dir}",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            "shared_buffers=32MB",
            // Otherwise a server that is killed leaves files in /dev/shm.
            "dynamic_shared_memory_type=mmap",
            "lc_messages=C",
            "log_timezone=UTC",
        ];
        let service = service
            .before(initdb)
            .before_with(check_version)
            .env("LC_ALL", "C")
            .args(["-D", "{dir}/data", "-p", "{port}"])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stop_signal(Signal::INT)
            .expect_output("database system is ready to accept connections")
            .timeout(Duration::from_secs(30));
        if self.template.is_empty() {
            return service.url("postgresql://postgres@127.0.0.1:{port}/postgres");
        }
        let kind = self.clone();
        service
            .prepare_with(move |at| kind.create_template(at))
            .url("postgresql://postgres@127.0.0.1:{port}/test")
    }
}

/// Checks the version of the database that `initdb` has created.
fn check_version(at: &Resources) -> Result<(), Box<dyn Error + Send + Sync>> {
    let version = fs::read_to_string(at.expand("{dir}/data/PG_VERSION")?)?;
    let version = version.trim();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < OLDEST => {
            Err(format!("PostgreSQL {version} is too old: version {OLDEST} or later is required").into())
        }
        _ => Ok(()),
    }
}

impl RunningServer<PostgresKind> {
    /// Creates a database of its own for a test, as a copy of the template, or an empty one if there is no
    /// template. It takes some 20 ms.
    ///
    /// With an existing server ([`Server::from_env`]) the database is copied from the one in its address, to
    /// which no other client may be connected at that moment. That server must not ask for a password.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the server refuses it or does not answer.
    pub fn fresh_database(&self) -> Result<FreshDatabase, QueryError> {
        block_on(self.fresh_database_async())
    }

    /// Creates a database like [`fresh_database`](Self::fresh_database), without blocking the thread.
    ///
    /// # Errors
    ///
    /// Those of [`fresh_database`](Self::fresh_database).
    pub async fn fresh_database_async(&self) -> Result<FreshDatabase, QueryError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let Some(mut address) = Address::parse(self.url()) else {
            return Err(QueryError::unsupported(self.url()));
        };
        let template = match self.service() {
            None => address.database.clone(),
            Some(_) if self.kind.template.is_empty() => "template1".to_owned(),
            Some(_) => TEMPLATE.to_owned(),
        };
        // A connection to the template would prevent the copy.
        address.database = "postgres".to_owned();
        run(&address, &[&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")]).await?;
        let (before, after) = self.url().split_once('?').unwrap_or_else(|| (self.url(), ""));
        let (server, _) = before.rsplit_once('/').unwrap_or((before, ""));
        let parameters = if after.is_empty() { String::new() } else { format!("?{after}") };
        Ok(FreshDatabase { url: format!("{server}/{name}{parameters}"), name, address })
    }
}

/// A database of one test, from [`RunningServer::fresh_database`]. It is removed when this is dropped, also
/// if clients are connected to it.
#[derive(Debug)]
#[must_use = "the database is removed when this is dropped"]
pub struct FreshDatabase {
    url: String,
    name: String,
    address: Address,
}

impl FreshDatabase {
    /// Returns the address of the database for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        // Servers before version 13 do not know FORCE. The database ends with the server at the latest.
        let Self { name, address, .. } = self;
        if block_on(run(address, &[&format!("DROP DATABASE \"{name}\" WITH (FORCE)")])).is_err() {
            let _ = block_on(run(address, &[&format!("DROP DATABASE IF EXISTS \"{name}\"")]));
        }
    }
}

impl std::fmt::Debug for PostgresKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresKind").field("template", &self.template.len()).finish()
    }
}
