//! The program that drives a browser, and how the browser is to be.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use serde_json::{Map, Value};

use super::browser::{self, Browser};
use super::directory::PrivateDir;
use super::error::WebDriverError;
use super::family::{Family, Surroundings};
use super::remote::{Method, Remote};
use super::session::{Open, failed};
use crate::service::{Port, Service};

/// A browser for a test: which program drives it, and how it is to be.
///
/// ```no_run
/// use childminder::WebDriver;
///
/// let browser = WebDriver::chromedriver().window(1280, 800).start()?;
/// browser.navigate("http://localhost:8000/")?;
/// assert_eq!(browser.title()?, "Welcome");
/// browser.click(&browser.find("#login")?)?;
/// std::fs::write("login.png", browser.screenshot()?)?;
/// // When `browser` goes, so do Chromium, its driver, and everything they have written.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The original, PhantomJS, or whatever else there is, can be described:
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
/// The driver is a [`Service`](crate::Service): its output is logged, it dies with this process, and an error says what it
/// said last. It and the browser write into a private directory only, by `TMPDIR` and the `XDG_…_HOME` variables.
#[derive(Clone, Debug)]
#[must_use = "a browser is not there until it is started"]
pub struct WebDriver {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    family: Family,
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

/// Which program.
impl WebDriver {
    /// Chromium or Chrome: `chromedriver` from PATH, which finds the browser by itself.
    pub fn chromedriver() -> Self {
        Self { family: Family::Chromium, ..Self::custom("chromedriver") }.marker("was started successfully")
    }

    /// Firefox: `geckodriver` from PATH, which finds the browser by itself.
    pub fn geckodriver() -> Self {
        Self { family: Family::Firefox, ..Self::custom("geckodriver") }
            .dir_flag("--profile-root={}")
            .marker("Listening on")
            .output_format(r"\d+\t{name}\t{levelname}\t{message}")
    }

    /// Any other program that speaks WebDriver, as the W3C has it. It is given the port as `--port=…`, is ready when it
    /// listens there, and gets no capabilities but those that are asked for, unless something else is said.
    pub fn custom(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            family: Family::Other,
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

    /// Takes the program from this path, or by another name.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Adds an argument for the program. The port and the directory come behind.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Sets a variable in the environment of the program, and so of the browser.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets how the program is told its port: `{}` stands for it, a blank divides arguments. Default: `--port={}`.
    pub fn port_flag(mut self, flag: &str) -> Self {
        self.port_flag = flag.to_owned();
        self
    }

    /// Sets how the program is told its private directory: `{}` stands for it (PJ-1). Default: not at all, except for
    /// geckodriver.
    pub fn dir_flag(mut self, flag: &str) -> Self {
        self.dir_flag = Some(flag.to_owned());
        self
    }

    /// Sets the text that the program prints when it is ready; after that it must listen (PJ-2). Default: that of the
    /// preset; a custom program must listen.
    pub fn marker(mut self, text: &str) -> Self {
        self.marker = Some(text.to_owned());
        self
    }

    /// Sets where its paths begin, such as `/wd/hub`. Default: `/`. That the program has them there is for its arguments
    /// to say (chromedriver: `--url-base=/wd/hub`).
    pub fn base_path(mut self, path: &str) -> Self {
        self.base_path = path.to_owned();
        self
    }

    /// Says how its log lines are made (PJ-3); see [`Service::output_format`]. Default: each is logged as it is, except
    /// those of geckodriver.
    pub fn output_format(mut self, format: &str) -> Self {
        self.output_format = Some(format.to_owned());
        self
    }

    /// Sets how long the program may take to become ready. Default: 15 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// How the browser is to be.
impl WebDriver {
    /// Sets all capabilities: a JSON object (PJ-4). Default: none.
    ///
    /// For Chromium, flags are added to `args` in `goog:chromeOptions`, unless there is one of the same name: for a profile
    /// in the private directory, no window, and no network traffic of its own. As root and in a container the sandbox is
    /// off, for Chromium cannot have it there. For Firefox it is `-headless` in `moz:firefoxOptions`.
    pub fn capabilities(mut self, capabilities: impl Into<Value>) -> Self {
        self.capabilities = capabilities.into();
        self
    }

    /// Sets one capability, in place of what it was.
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
        // What is no object is an error at the start, and stays one.
        if let Some(capabilities) = self.capabilities.as_object_mut() {
            capabilities.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Whether Chromium and Firefox run without a window. Default: yes. Any other browser is as its capabilities say.
    pub fn headless(mut self, headless: bool) -> Self {
        self.headless = headless;
        self
    }

    /// Sets the size of the window, in CSS pixels, its frame included; a headless browser has one, too. Default: the
    /// browser's own.
    pub fn window(mut self, width: u32, height: u32) -> Self {
        self.window = Some((width, height));
        self
    }

    /// Sets how long each command may take, among them the first, which starts the browser, and those that load a page.
    /// Default: 30 s.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }
}

/// Starting it.
impl WebDriver {
    /// Starts the driver and the browser, and waits until a session is open. Each start is a new browser with a port, a
    /// directory and a profile of its own.
    ///
    /// # Errors
    ///
    /// [`WebDriverError`]: what was said cannot work, the driver does not come up, or it refuses the session. Nothing is
    /// left then.
    pub fn start(&self) -> Result<Browser, WebDriverError> {
        async_io::block_on(self.start_async())
    }

    /// The same for asynchronous code, on any executor. Dropping the future ends what was started, and waits for that.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub async fn start_async(&self) -> Result<Browser, WebDriverError> {
        let Some(wanted) = self.capabilities.as_object() else {
            return Err(WebDriverError::Capabilities(self.capabilities.clone()));
        };
        if !self.port_flag.contains("{}") {
            return Err(WebDriverError::PortFlag(self.port_flag.clone()));
        }
        let port = Port::reserve().map_err(WebDriverError::Port)?;
        // Before the service, so that it goes after it.
        let dir = PrivateDir::create().map_err(WebDriverError::Directory)?;
        let service = self.service(&port, &dir).start_async().await;
        let service = service.map_err(WebDriverError::Start)?;

        let remote = Remote::new(port.number(), &self.base_path);
        let wanted = self.family.complete(wanted.clone(), self.headless, dir.path(), Surroundings::look());
        let open = match Open::new(remote, wanted, self.command_timeout).await {
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

    /// The driver as it is started: with a port and a directory.
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
