//! The methods that describe what a service needs besides its program: a directory, files, ports, steps
//! before and after its start.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::builder::Service;
use super::not_ready::NotReadyReason;
use super::recipe::{Content, Preparation, ServiceFile};
use super::resources::Resources;
use crate::host::Spec;
use crate::ready::{Condition, OutputMatch};

/// Directory, files and ports.
///
/// If a service has a scratch directory, a file, a free or named port, an address ([`url`](Self::url)) or a
/// step, these placeholders are filled in in its program, arguments, environment, working directory, stop
/// command, files, address and steps:
///
/// | placeholder | value |
/// | --- | --- |
/// | `{port}` | the port of the service ([`free_port`](Self::free_port), [`port`](Self::port)) |
/// | `{port:NAME}` | a named port ([`named_port`](Self::named_port)) |
/// | `{dir}` | the scratch directory |
/// | `{env:NAME}` | a variable of the service or of this process |
///
/// Other braces are left alone, such as `{ … }`, `{}` and `${name}`. Another word in braces is an error, and
/// `{{word}}` stands for `{word}` itself.
///
/// ```
/// use childminder::Service;
///
/// # let python = std::process::Command::new("python3").arg("--version").output();
/// # if !python.is_ok_and(|output| output.status.success()) { return Ok(()) }
/// let web = Service::new("python3")
///     .file("site/index.html", "port {port}")
///     .free_port()
///     .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory", "{dir}/site", "{port}"])
///     .start()?;
/// let number = web.port().expect("it has a port");
/// let page = std::fs::read_to_string(web.dir().expect("it has a directory").join("site/index.html"))?;
/// assert_eq!(page, format!("port {number}"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Service {
    /// Gives the service a scratch directory, `{dir}`. It is created for each start, private to the user of
    /// the service, and removed when everything that the service has started is gone.
    ///
    /// If the start fails, the service dies by itself or the test panics, the directory is kept and named
    /// when the variable `CHILDMINDER_KEEP` is `1`. A process that is killed cannot remove it; the next
    /// process that starts a service with a scratch directory does.
    pub fn scratch(mut self) -> Self {
        self.recipe.has_scratch = true;
        self
    }

    /// Gives the service a [scratch directory](Self::scratch) in this directory. Default: the directory for
    /// temporary files of the system (`TMPDIR`).
    pub fn scratch_in(mut self, parent: impl AsRef<Path>) -> Self {
        self.recipe.scratch_parent = Some(parent.as_ref().to_owned());
        self.scratch()
    }

    /// Creates a file in the [scratch directory](Self::scratch) before each start, with its placeholders
    /// filled in. `path` is relative to the directory; missing folders are created.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let content = Content::Text(content.as_ref().to_owned());
        self.with_file(path.as_ref().to_owned(), content)
    }

    /// Copies a file into the [scratch directory](Self::scratch) before each start, under its own name and
    /// with its placeholders filled in.
    pub fn file_from(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        self.with_file(name, Content::CopyOf(path.to_owned()))
    }

    fn with_file(mut self, path: PathBuf, content: Content) -> Self {
        self.recipe.files.push(ServiceFile { path, content });
        self.scratch()
    }

    /// Reserves a port for each start, `{port}`, and requires that the program listens there.
    /// [`RunningService::port`](crate::RunningService::port) returns it. Use [`port`](Self::port) for one
    /// that the test has reserved.
    pub fn free_port(mut self) -> Self {
        self.recipe.has_free_port = true;
        self
    }

    /// Reserves another port for each start, `{port:NAME}`, and requires that the program listens there.
    /// [`RunningService::named_port`](crate::RunningService::named_port) returns it.
    pub fn named_port(mut self, name: &str) -> Self {
        self.recipe.named_ports.push((name.to_owned(), true));
        self
    }

    /// Reserves another port for each start, `{port:NAME}`, like [`named_port`](Self::named_port), but does
    /// not require that the program listens there: for a port that is opened later, or by a daemon.
    pub fn reserve_port(mut self, name: &str) -> Self {
        self.recipe.named_ports.push((name.to_owned(), false));
        self
    }

    /// Requires a condition that depends on the ports or the directory of the start.
    ///
    /// ```
    /// use childminder::{Condition, Service};
    ///
    /// let redis = Service::new("redis-server")
    ///     .scratch()
    ///     .args(["--port", "0", "--unixsocket", "{dir}/redis.sock"])
    ///     .expect_with(|at| Condition::unix(at.dir().expect("it has one").join("redis.sock")));
    /// ```
    pub fn expect_with(mut self, make: impl Fn(&Resources) -> Condition + Send + Sync + 'static) -> Self {
        self.recipe.conditions.push(Arc::new(make));
        self
    }

    /// Requires that the program answers a GET request for `path` at its port with status 200.
    pub fn expect_http(self, path: &str) -> Self {
        let path = path.to_owned();
        // Port 0, if there is none, fails the check of the condition.
        self.expect_with(move |at| Condition::http(at.port().unwrap_or_default(), path.clone()))
    }

    /// Sets the address for clients, such as `redis://127.0.0.1:{port}/`, in which placeholders are filled
    /// in. [`RunningService::url`](crate::RunningService::url) returns it. Default: none.
    pub fn url(mut self, url: &str) -> Self {
        self.recipe.url = Some(url.to_owned());
        self
    }

    /// Requires output that matches this regular expression within one line, and keeps what its first group
    /// has matched, for [`RunningService::captured`](crate::RunningService::captured). This is for servers
    /// that choose a port or a password themselves.
    ///
    /// ```
    /// use childminder::Service;
    ///
    /// let script = "echo listening on port 4711; exec sleep 1000";
    /// let server = Service::new("sh").args(["-c", script]).capture(r"listening on port (\d+)").start()?;
    /// assert_eq!(server.captured(), ["4711"]);
    /// # Ok::<(), childminder::NotReady>(())
    /// ```
    pub fn capture(mut self, regex: &str) -> Self {
        self.recipe.captures.push(regex.to_owned());
        self.expect(OutputMatch::regex(regex))
    }
}

/// Steps before and after the start.
impl Service {
    /// Runs a command before the program is started, such as `["initdb", "-D", "{dir}/data"]`. It must exit
    /// with 0; otherwise the start fails, and the error contains its output. Several commands run in order.
    ///
    /// The command has the user, the environment and the working directory of the service, unless its
    /// [`Spec`] sets others. What it leaves running is ended.
    pub fn before(mut self, command: impl Into<Spec>) -> Self {
        self.recipe.before.push(Preparation::Command(Box::new(command.into())));
        self
    }

    /// Calls a closure before the program is started, in order with the commands of
    /// [`before`](Self::before) and on a thread of its own. If it returns an error or panics, the start
    /// fails.
    pub fn before_with(
        mut self,
        closure: impl Fn(&Resources) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.recipe.before.push(Preparation::Closure(Arc::new(closure)));
        self
    }

    /// Runs a command when the program is ready, before the start returns, like [`before`](Self::before). If
    /// it fails, the program is stopped and the start fails.
    pub fn prepare(mut self, command: impl Into<Spec>) -> Self {
        self.recipe.prepare.push(Preparation::Command(Box::new(command.into())));
        self
    }

    /// Calls a closure when the program is ready, before the start returns, on a thread of its own. If it
    /// returns an error or panics, the program is stopped and the start fails.
    ///
    /// ```
    /// use std::net::TcpStream;
    ///
    /// use childminder::Service;
    ///
    /// let redis = Service::new("redis-server").free_port().args(["--port", "{port}"]).prepare_with(|at| {
    ///     let port = at.port().expect("it has a port");
    ///     let _client = TcpStream::connect(("127.0.0.1", port))?; // … fill the database
    ///     Ok(())
    /// });
    /// ```
    pub fn prepare_with(
        mut self,
        closure: impl Fn(&Resources) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.recipe.prepare.push(Preparation::Closure(Arc::new(closure)));
        self
    }

    /// Runs a shell script that is to execute the program, whose path is `$0`. The service has no arguments
    /// yet.
    pub(crate) fn through_shell(mut self, script: &str) -> Self {
        let program = self.spec.get_program().to_owned();
        self.spec = self.spec.with_program("sh").args(["-c", script]).arg(program);
        self
    }

    /// Makes every start fail for this reason, for a description that could not be completed.
    pub(crate) fn failing(mut self, reason: NotReadyReason) -> Self {
        self.recipe.failure = Some(reason);
        self
    }

    /// Sets the time that each step may take, before and after the start. Default: 60 s.
    pub fn step_timeout(mut self, timeout: Duration) -> Self {
        self.recipe.step_timeout = timeout;
        self
    }
}
