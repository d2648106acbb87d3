//! The start of an `up`: everything is checked, and the monitor is set up with its outputs.

use std::io::{self, IsTerminal};
use std::path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use childminder::journal::JournalFile;
use childminder::output::{Batch, FileSink, Rotation, WriterHealth, WriterSink};
use childminder::{MonitorBuilder, ProcessMonitor, Signal, System};

use super::detach::{self, LogWriter, Report};
use super::history::History;
use super::log_files::LogFiles;
use super::metrics::{Counters, Metrics, MetricsThread, Version};
use super::progress::Progress;
use super::screen::{LogFormat, Screen};
use super::session::Session;
use super::stack::{Loaded, Selection, Stack, StackError};
use crate::args::Up;
use crate::console::messages::{self, Format, has_colours};
use crate::console::stdout::Stdout;
use crate::control::home::Home;
use crate::control::{Controlled, serve};
use crate::file::File;
use crate::system::notify::{self, ServiceManager};
use crate::system::open_files;
use crate::system::signals::Signals;
use crate::system::terminal::WithoutEcho;

/// The time that clients have to read their last reply.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// `childminder up`. Returns the exit status.
pub(crate) fn up(args: Up) -> ExitCode {
    let report = if args.detached { Report::of_stdout().map(Some) } else { Ok(None) };
    let result = report.map_err(Failure::system).and_then(|mut report| {
        prepare(&args, &mut report).inspect_err(|failure| {
            // The terminal shows it, and the log has it too.
            report.iter_mut().for_each(|report| report.failed(&failure.message));
        })
    });
    match result {
        Ok(code) => code,
        Err(failure) => crate::report_error(failure.status, &failure.message),
    }
}

/// Why nothing was started.
struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    fn usage(error: impl ToString) -> Self {
        Self { status: crate::USAGE, message: error.to_string() }
    }

    fn system(error: impl ToString) -> Self {
        Self { status: crate::FAILED, message: error.to_string() }
    }
}

impl From<StackError> for Failure {
    fn from(error: StackError) -> Self {
        if matches!(error, StackError::Ports(_)) { Self::system(error) } else { Self::usage(error) }
    }
}

fn prepare(args: &Up, report: &mut Option<Report>) -> Result<ExitCode, Failure> {
    let file = File::find(args.target.file.as_deref()).map_err(Failure::usage)?;
    if args.detach {
        // What can be known now is reported by this process.
        return Ok(detach::launch(args, &file.path));
    }
    if args.detached {
        nix::unistd::setsid()
            .map_err(|errno| Failure::system(format!("cannot leave the terminal: {errno}")))?;
    }
    let home = Home::create(&file.path).map_err(Failure::system)?;
    let lock = home.lock().map_err(Failure::system)?;
    let inherited = open_files::raise();
    let system = System::with_strongest_containment()
        .map_err(|error| Failure::system(format!("cannot start the event loop: {error}")))?;
    let selection = Selection { names: args.names.clone(), once: args.exit_with.clone() };
    let loaded = Loaded::new(file, &selection, &system, inherited)?;
    let log_files = LogFiles::default();
    log_files.open(&loaded.processes).map_err(Failure::usage)?;
    let signals = Signals::install(vec![Signal::USR1])
        .map_err(|error| Failure::system(format!("cannot install signal handlers: {error}")))?;
    let is_text = args.log_format == LogFormat::Text;
    let progress =
        Progress::new(is_text && !args.detached && io::stderr().is_terminal()).map_err(Failure::system)?;
    let _echo = progress.is_shown().then(WithoutEcho::on_stderr);
    let format = if is_text { Format::Text } else { Format::Json };
    let writer = if args.detached { Box::new(LogWriter::new(home.log())) } else { progress.messages() };
    messages::start(args.verbosity.level(), writer, format);
    let history = History::default();
    let (builder, output) = with_screen(ProcessMonitor::builder(), args, &progress, &loaded, &home)?;
    let mut builder = builder.sink(history.clone()).sink(log_files.clone());
    home.note_journal(args.journal.as_deref()).map_err(Failure::system)?;
    if let Some(journal) = &args.journal {
        builder = builder.journal(JournalFile::new(journal)).map_err(Failure::usage)?;
    }
    let counters = args.metrics.is_some().then(Counters::default);
    if let Some(counters) = &counters {
        builder = builder.sink(counters.clone());
    }
    let (monitor, driver) = builder.build(system.clone()).expect("the default policy is valid");
    let notices = monitor.notices();
    let stack = Stack::new(monitor, history, log_files.clone(), system, loaded)?;
    let mut metrics = None;
    if let (Some(path), Some(counters)) = (&args.metrics, &counters) {
        let monitor = stack.monitor.clone();
        let path = path::absolute(path).map_err(Failure::system)?;
        let counters = counters.clone();
        let mut file = Metrics { path, counters, monitor, log_files, output, version: Version::default() };
        file.write().map_err(Failure::usage)?;
        metrics = Some(file);
    }
    let listener =
        home.bind(&lock).and_then(|listener| home.nonblocking(listener)).map_err(Failure::system)?;
    let metrics = metrics.map(Metrics::start).transpose();
    let metrics = metrics.map_err(|error| Failure::system(format!("cannot create a thread: {error}")))?;
    stack.monitor.start_service().map_err(StackError::from)?;
    let (down, requests) = async_channel::bounded(1);
    let controlled = Controlled { stack: Rc::new(stack), down, clients: Rc::default() };
    let session = Session {
        stack: controlled.stack.clone(),
        notices,
        signals,
        down: requests,
        progress: progress.clone(),
        manager: ServiceManager::from_env(),
        metrics: counters,
        exit_with: args.exit_with.clone(),
        begin: controlled.stack.monitor.now(),
        report: report.take().map(|report| (report, args.timeout)),
    };
    let status = System::block_on(run(session, controlled, listener, driver, metrics));
    home.remove();
    progress.finish();
    Ok(ExitCode::from(status))
}

/// Runs everything on this thread, until the session has ended.
async fn run(
    session: Session,
    controlled: Controlled,
    listener: Async<std::os::unix::net::UnixListener>,
    driver: childminder::MonitorDriver,
    metrics: Option<MetricsThread>,
) -> u8 {
    let executor = Rc::new(LocalExecutor::new());
    let main = async {
        let stack = controlled.stack.clone();
        let driver = executor.spawn(driver);
        let clients = controlled.clients.clone();
        let server = executor.spawn(serve(executor.clone(), listener, controlled));
        let watchdog = executor.spawn(notify::watchdog());
        let status = session.run().await;
        drop(watchdog);
        metrics.into_iter().for_each(MetricsThread::end);
        let closed = stack.monitor.close();
        // A process that has survived was reported.
        let _ = closed.await;
        // The last output is on its way.
        driver.await;
        drop(server);
        stack.history.close();
        let begin = stack.monitor.now();
        let elapsed = |begin: Instant| stack.monitor.now().saturating_duration_since(begin);
        while clients.get() > 0 && elapsed(begin) < LAST_REPLIES {
            Timer::after(Duration::from_millis(5)).await;
        }
        status
    };
    executor.run(main).await
}

/// Adds the sink for the lines: the standard output, or in the background the log. Returns its counters too.
fn with_screen(
    builder: MonitorBuilder,
    args: &Up,
    progress: &Progress,
    loaded: &Loaded,
    home: &Home,
) -> Result<(MonitorBuilder, Arc<WriterHealth>), Failure> {
    let colourful = !args.detached && has_colours(&io::stdout());
    let mut screen = Screen::new(args.log_format, colourful, loaded.file.names());
    let render = move |batch: &Batch<'_>, out: &mut Vec<u8>| screen.render(batch, out);
    if args.detached {
        let log = FileSink::open(home.log(), Rotation::default()).map_err(Failure::system)?;
        let health = log.health();
        return Ok((builder.sink(log.format(render)), health));
    }
    let stdout = Stdout::open()
        .map_err(|error| Failure::system(format!("cannot use the standard output: {error}")))?;
    Ok(if io::stdout().is_terminal() {
        let sink = WriterSink::new(progress.around(stdout)).format(render);
        let health = sink.health();
        (builder.sink(sink), health)
    } else {
        let sink = WriterSink::open_file(stdout).format(render);
        let health = sink.health();
        (builder.sink(sink), health)
    })
}
