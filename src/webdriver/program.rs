//! The description of a driver program and its browser.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use serde_json::{Map, Value};

use super::browser::{self, Browser};
use super::directory::PrivateDir;
use super::error::WebDriverError;
use super::kind::{BrowserKind, Environment};
use super::remote::{Method, Remote};
use super::session::{OpenSession, failed};
use crate::service::{Port, Service};

/// A browser for a test: the driver program, and the settings of the browser.
///
/// ```no_run
/// use childminder::WebDriver;
///
/// let browser = WebDriver::chromedriver().window(1280, 800).start()?;
/// browser.navigate("http://localhost:8000/")?;
/// assert_eq!(browser.title()?, "Welcome");
/// browser.click(&browser.find("#login")?)?;
/// std::fs::write("login.png", browser.screenshot()?)?;
/// // When `browser` is dropped, Chromium, its driver and their files are removed.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Any other driver can be described, such as PhantomJS:
///
/// ```
/// use childminder::WebDriver;
///
/// let phantom = WebDriver::custom("phantomjs")
///     .port_flag("--webdriver={}")
///     .dir_flag("--cookies-file={}/phantomjs.cookies")
///     .marker("running on port")
///     .base_path("/wd/hub");
/// ```
///
/// The driver is a [`Service`]: its output is logged, it is killed when this process dies,
/// and errors show its last output. `TMPDIR` and the `XDG_…_HOME` variables make it and the browser write
/// into a private directory only.
#[derive(Clone, Debug)]
#[must_use = "a browser does nothing until it is started"]
pub struct WebDriver {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    kind: BrowserKind,
    port_flag: String,
    dir_flag: Option<String>,
    marker: Option<String>,
    base_path: String,
    output_format: Option<String>,
    timeout: Option<Duration>,
    capabilities: Value,
    headless: bool,
    window: Option<(u32, u32)>,
    command_timeout: Duration,
}

/// The driver.
impl WebDriver {
    /// Describes Chromium or Chrome with `chromedriver` from PATH, which finds the browser itself.
    pub fn chromedriver() -> Self {
        Self { kind: BrowserKind::Chromium, ..Self::custom("chromedriver") }
            .marker("was started successfully")
    }

    /// Describes Firefox with `geckodriver` from PATH, which finds the browser itself.
    pub fn geckodriver() -> Self {
        Self { kind: BrowserKind::Firefox, ..Self::custom("geckodriver") }
            .dir_flag("--profile-root={}")
            .marker("Listening on")
            .output_format(r"\d+\t{name}\t{levelname}\t{message}")
    }

    /// Describes another driver for the WebDriver protocol of the W3C. By default it gets the port as
    /// `--port=…`, is ready when it listens there, and gets no capabilities.
    pub fn custom(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            kind: BrowserKind::Other,
            port_flag: "--port={}".to_owned(),
            dir_flag: None,
            marker: None,
            base_path: "/".to_owned(),
            output_format: None,
            timeout: None,
            capabilities: Value::Object(Map::new()),
            headless: true,
            window: None,
            command_timeout: Duration::from_secs(30),
        }
    }

    /// Sets the path or name of the driver.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Adds an argument for the driver. The port and the directory follow.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Sets an environment variable of the driver, which the browser inherits.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the arguments for the port. `{}` is replaced by it, and a blank separates arguments. Default:
    /// `--port={}`.
    pub fn port_flag(mut self, flag: &str) -> Self {
        self.port_flag = flag.to_owned();
        self
    }

    /// Sets the argument for the private directory, in which `{}` is replaced by its path. Default: none,
    /// except for geckodriver.
    pub fn dir_flag(mut self, flag: &str) -> Self {
        self.dir_flag = Some(flag.to_owned());
        self
    }

    /// Sets the text that the driver prints when it is ready. After that it must listen. Default: that of the
    /// preset; a custom driver only has to listen.
    pub fn marker(mut self, text: &str) -> Self {
        self.marker = Some(text.to_owned());
        self
    }

    /// Sets the base path of the commands, such as `/wd/hub`. Default: `/`. The arguments of the driver must
    /// set it as well (chromedriver: `--url-base=/wd/hub`).
    pub fn base_path(mut self, path: &str) -> Self {
        self.base_path = path.to_owned();
        self
    }

    /// Sets the format of the driver's log lines; see [`Service::output_format`]. Default: each line is
    /// logged as it is, except those of geckodriver.
    pub fn output_format(mut self, format: &str) -> Self {
        self.output_format = Some(format.to_owned());
        self
    }

    /// Sets the time that the driver may take to become ready. Default: 15 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// The browser.
impl WebDriver {
    /// Sets all capabilities, as a JSON object. Default: none.
    ///
    /// For Chromium, flags are added to `args` in `goog:chromeOptions`, unless one with the same name is set:
    /// for a profile in the private directory, no window, and no background network traffic. As root and in a
    /// container the sandbox is off, since Chromium cannot set it up there. For Firefox, `-headless` is added
    /// to `moz:firefoxOptions`.
    pub fn capabilities(mut self, capabilities: impl Into<Value>) -> Self {
        self.capabilities = capabilities.into();
        self
    }

    /// Sets one capability, replacing its previous value.
    ///
    /// ```
    /// use childminder::WebDriver;
    /// use serde_json::json;
    ///
    /// let german = WebDriver::chromedriver()
    ///     .capability("goog:chromeOptions", json!({ "args": ["--lang=de"] }))
    ///     .capability("timeouts", json!({ "implicit": 5000 }));
    /// ```
    pub fn capability(mut self, name: &str, value: impl Into<Value>) -> Self {
        // Capabilities that are not an object are reported by the start.
        if let Some(capabilities) = self.capabilities.as_object_mut() {
            capabilities.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Sets whether Chromium and Firefox run without a window. Default: `true`. For other browsers use the
    /// capabilities.
    pub fn headless(mut self, headless: bool) -> Self {
        self.headless = headless;
        self
    }

    /// Sets the size of the window with its frame, in CSS pixels, also for a headless browser. Default: that
    /// of the browser.
    pub fn window(mut self, width: u32, height: u32) -> Self {
        self.window = Some((width, height));
        self
    }

    /// Sets the timeout of each command, including the first one, which starts the browser, and those that
    /// load a page. Default: 30 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }
}

/// Starting.
impl WebDriver {
    /// Starts the driver and the browser, and waits until a session is open. Each start is a new browser with
    /// a port, a directory and a profile of its own.
    ///
    /// # Errors
    ///
    /// [`WebDriverError`] if the description is invalid, the driver does not become ready, or it refuses the
    /// session. No process and no file is left then.
    pub fn start(&self) -> Result<Browser, WebDriverError> {
        async_io::block_on(self.start_async())
    }

    /// Starts the driver and the browser like [`start`](Self::start), for asynchronous code on any executor.
    /// Dropping the future stops what was started, and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    pub async fn start_async(&self) -> Result<Browser, WebDriverError> {
        let Some(wanted) = self.capabilities.as_object() else {
            return Err(WebDriverError::Capabilities(self.capabilities.clone()));
        };
        if !self.port_flag.contains("{}") {
            return Err(WebDriverError::PortFlag(self.port_flag.clone()));
        }
        let port = Port::reserve().map_err(WebDriverError::Port)?;
        // Created before the service, so that it is dropped after it.
        let dir = PrivateDir::create().map_err(WebDriverError::Directory)?;
        let service = self.service(&port, &dir).start_async().for_blocking_code().await;
        let service = service.map_err(WebDriverError::Start)?;

        let remote = Remote::new(port.number(), &self.base_path);
        let environment = Environment::detect();
        let wanted = self.kind.complete(wanted.clone(), self.headless, dir.path(), environment);
        let open = match OpenSession::new(remote, wanted, self.command_timeout).await {
            Ok(open) => open,
            Err(problem) => {
                let error = failed(format!("{} session", Method::Post), problem, &service);
                return Err(browser::end(service, dir).await.err().unwrap_or(error));
            }
        };
        let browser = Browser::new(open, service, dir);
        if let Some((width, height)) = self.window
            && let Err(error) = browser.session().resize(width, height).await
        {
            return Err(browser.close_async().await.err().unwrap_or(error));
        }
        Ok(browser)
    }

    /// Returns the driver as a service with a port and a directory.
    fn service(&self, port: &Port, dir: &PrivateDir) -> Service {
        let number = port.to_string();
        let path = dir.path().to_string_lossy();
        let port_flags = self.port_flag.split_whitespace().map(|word| word.replace("{}", &number));
        let dir_flag = self.dir_flag.iter().map(|flag| flag.replace("{}", &path));
        let mut service = Service::new(&self.program)
            .args(&self.args)
            .args(port_flags)
            .args(dir_flag)
            .min_uptime(Duration::ZERO);
        for (key, value) in dir.variables() {
            service = service.env(key, value);
        }
        for (key, value) in &self.env {
            service = service.env(key, value);
        }
        if let Some(format) = &self.output_format {
            service = service.output_format(format);
        }
        if let Some(timeout) = self.timeout {
            service = service.timeout(timeout);
        }
        if let Some(marker) = &self.marker {
            service = service.expect_output(marker);
        }
        service.port(port)
    }
}
