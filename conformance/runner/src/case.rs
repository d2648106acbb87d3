//! One run of a scenario against one supervisor.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::census::{self, Identity};
use crate::clock;
use crate::error::{Doing as _, Error};
use crate::facts::Fact;
use crate::scenario::{Scenario, Step};
use crate::supervisors::{Request, Setup, Supervisor, Tools};
use crate::timeline::{Timeline, What};

/// The file with what the client of the supervisor has printed last.
const ANSWER: &str = "answer";

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest wait for something that a scenario needs before it goes on, such as a start. A supervisor that
/// does not do it is measured all the same.
const STEP_PATIENCE: Duration = Duration::from_secs(20);

/// The longest wait for a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// The longest wait for the processes of a case that is over.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(10);

/// The program that runs each script, with its mark.
const ENV: &str = "/usr/bin/env";

/// The first lines of each script. `read` is part of the shell, so that neither function starts a process;
/// and a pipe without a writer makes it wait until a signal arrives.
const PRELUDE: &str = r#"log() { read -r now rest </proc/uptime; echo "$now $1 $$" >>"$EVENTS"; }
pause() { read -r line <>"$PIPE" || :; }
export CONFORMANCE_RUN=$$
log start
"#;

/// The result of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// The events, in order.
    Done(Timeline),
    /// The case cannot be measured, for this reason.
    Skipped(String),
}

/// Runs a scenario against a supervisor. Everything that is left of it afterwards is killed.
///
/// # Errors
///
/// If a file cannot be written, or a program cannot be started.
pub fn measure(
    scenario: &Scenario,
    supervisor: &dyn Supervisor,
    tools: &Tools,
) -> Result<Measurement, Error> {
    let dir = tempfile::Builder::new().prefix("conformance-").tempdir();
    let dir = dir.doing(|| "make a temporary directory".to_owned())?;
    let clock = match scenario.sets_clock() {
        true => match WallClock::new(dir.path())? {
            Some(clock) => Some(clock),
            None => return Ok(Measurement::Skipped("`faketime` is not installed".to_owned())),
        },
        false => None,
    };
    let mut case = Case::start(scenario, supervisor, tools, dir, clock.as_ref())?;
    for step in &scenario.steps {
        if let (Step::SetClockBack(seconds), Some(clock)) = (step, &clock) {
            if !clock.is_used_by(case.child.id()) {
                return Ok(Measurement::Skipped("it does not use the replaced clock".to_owned()));
            }
            case.note(What::Asked { step: "set-clock-back" })?;
            clock.set_back(*seconds)?;
        } else {
            case.step(*step)?;
        }
    }
    case.finish(scenario)
}

/// A running scenario.
struct Case<'a> {
    supervisor: &'a dyn Supervisor,
    tools: &'a Tools,
    setup: Setup,
    /// The value of the variables that mark the processes of this case.
    mark: String,
    begin: f64,
    child: Child,
    /// Control commands that are not waited for.
    background: Vec<Child>,
    events: Tail,
    log: Tail,
    running: Vec<Identity>,
    timeline: Timeline,
    last_look: Option<Instant>,
    /// Removed last, after the processes are gone.
    _dir: TempDir,
}

impl<'a> Case<'a> {
    fn start(
        scenario: &Scenario,
        supervisor: &'a dyn Supervisor,
        tools: &'a Tools,
        dir: TempDir,
        clock: Option<&WallClock>,
    ) -> Result<Self, Error> {
        let path = dir.path().to_owned();
        let mark = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = || format!("write the files of `{}` in `{}`", scenario.name, path.display());
        let argv = match &scenario.program {
            Some(program) => vec![program.clone()],
            None => script(scenario, &path, &mark).doing(files)?,
        };
        let names = match scenario.processes {
            1 => vec!["child".to_owned()],
            count => (1..=count).map(|number| format!("child-{number}")).collect(),
        };
        let mut setup = Setup { dir: path.clone(), names, argv, pid: None };
        let mut command = supervisor.prepare(tools, &setup).doing(files)?;
        let log = File::create(path.join("log")).doing(files)?;
        command.env(census::SUPERVISOR, &mark).stdin(Stdio::null());
        command.stdout(log.try_clone().doing(files)?).stderr(log);
        if let Some(clock) = clock {
            command.envs(clock.environment());
        }
        let begin = clock::now()?;
        let child = command.spawn().doing(|| format!("start `{}`", supervisor.name()))?;
        setup.pid = Some(child.id());
        Ok(Self {
            supervisor,
            tools,
            setup,
            mark,
            begin,
            child,
            background: Vec::new(),
            events: Tail::new(path.join("events")),
            log: Tail::new(path.join("log")),
            running: Vec::new(),
            timeline: Timeline::default(),
            last_look: None,
            _dir: dir,
        })
    }

    fn step(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Starts(count) => {
                self.until(STEP_PATIENCE, |case| case.timeline.starts() >= count as usize)?;
            }
            Step::Terms(count) => {
                self.until(STEP_PATIENCE, |case| case.timeline.terms() >= count as usize)?;
            }
            Step::Watch(seconds) => {
                self.until(Duration::from_secs_f64(seconds), |_| false)?;
            }
            Step::Stop => {
                self.note(What::Asked { step: "stop" })?;
                let Some(control) = self.control(Request::Stop)? else { return Ok(()) };
                let success = self.wait_for(control)?;
                if !self.supervisor.can_wait() {
                    self.note(What::NotAwaited)?;
                } else if let Some(success) = success {
                    let left = self.left();
                    self.note(What::Returned { success, left })?;
                }
            }
            Step::StopInBackground => {
                self.note(What::Asked { step: "stop" })?;
                let control = self.control(Request::Stop)?;
                self.background.extend(control);
            }
            Step::Start => {
                self.note(What::Asked { step: "start" })?;
                if let Some(control) = self.control(Request::Start)? {
                    let success = self.wait_for(control)?;
                    if let Some(success) = success {
                        self.note(What::Started { success })?;
                    }
                }
            }
            Step::Shutdown => {
                self.note(What::Asked { step: "shutdown" })?;
                signal(self.child.id(), self.supervisor.shutdown_signal());
                if self.until(STOP_PATIENCE, |case| is_over(&mut case.child).is_some())? {
                    let left = self.left();
                    self.note(What::Returned { success: true, left })?;
                }
            }
            Step::KillSupervisor => {
                self.note(What::Asked { step: "kill" })?;
                // A supervisor that is gone already is visible in the timeline.
                let _ = self.child.kill();
                self.until(STEP_PATIENCE, |case| is_over(&mut case.child).is_some())?;
            }
            Step::SetClockBack(_) => {}
        }
        Ok(())
    }

    /// Waits until a command is over, and returns whether it was successful.
    fn wait_for(&mut self, mut control: Child) -> Result<Option<bool>, Error> {
        let mut success = None;
        let is_done = |_: &mut Self| {
            success = is_over(&mut control).map(|status| status == 0);
            success.is_some()
        };
        self.until(STOP_PATIENCE, is_done)?;
        self.background.push(control);
        Ok(success)
    }

    /// Ends the observation.
    fn finish(mut self, scenario: &Scenario) -> Result<Measurement, Error> {
        let found = census::marked(census::CHILD, &self.mark);
        let over = self.now()?;
        let supervisor = is_over(&mut self.child);
        // A run that began before the census is known after this look, and a process that belongs to one that
        // ended meanwhile has a moment to follow it.
        self.look()?;
        let is_stray = |pid: &&u32| {
            let run = census::run_of(**pid);
            run.is_some_and(|run| self.running.iter().all(|it| it.pid != run))
        };
        let (left, strays) = (found.len(), found.iter().filter(is_stray).count());
        // The question for the state takes time, and what happens meanwhile does not count.
        let mut timeline = std::mem::take(&mut self.timeline);
        let state = match scenario.report.contains(&Fact::State) && supervisor.is_none() {
            true => self.state()?,
            false => None,
        };
        timeline.add(over, What::Over { left, strays, supervisor, state });
        Ok(Measurement::Done(timeline))
    }

    /// Asks the supervisor for the state of the program.
    fn state(&mut self) -> Result<Option<String>, Error> {
        let Some(control) = self.control(Request::State)? else { return Ok(None) };
        self.wait_for(control)?;
        let output = fs::read_to_string(self.setup.path(ANSWER)).doing(|| "read the state".to_owned())?;
        Ok(self.supervisor.state(&output))
    }

    /// Starts the client of the supervisor, whose standard output goes to the file [`ANSWER`].
    fn control(&self, request: Request) -> Result<Option<Child>, Error> {
        let Some(mut command) = self.supervisor.control(self.tools, &self.setup, request) else {
            return Ok(None);
        };
        let doing = || format!("run the client of `{}`", self.supervisor.name());
        let create = |name| File::create(self.setup.path(name)).doing(doing);
        command.stdin(Stdio::null()).stdout(create(ANSWER)?).stderr(create("control.log")?);
        command.env(census::SUPERVISOR, &self.mark);
        command.spawn().map(Some).doing(doing)
    }

    /// Looks until the condition holds, and returns whether it does.
    fn until(&mut self, patience: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> Result<bool, Error> {
        let begin = Instant::now();
        loop {
            self.look()?;
            if holds(self) {
                return Ok(true);
            }
            if begin.elapsed() >= patience {
                return Ok(false);
            }
            thread::sleep(PAUSE);
        }
    }

    /// Records what has happened since the last look.
    fn look(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if let Some(last) = self.last_look.replace(now) {
            self.timeline.pause(now - last);
        }
        let doing = || "read what the program has logged".to_owned();
        for line in self.events.lines().doing(doing)? {
            let mut words = line.split(' ');
            let (Some(at), Some(event), Some(pid)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let (Ok(at), Ok(pid)) = (at.parse::<f64>(), pid.parse()) else { continue };
            let at = at - self.begin;
            match event {
                "start" => {
                    self.timeline.add(at, What::Start { pid });
                    match Identity::of(pid) {
                        Some(identity) => self.running.push(identity),
                        None => self.timeline.add(self.now()?, What::Gone { pid }),
                    }
                }
                "term" => self.timeline.add(at, What::Term { pid }),
                _ => self.timeline.add(at, What::Exit { pid }),
            }
        }
        for line in self.log.lines().doing(doing)? {
            if line.contains(self.supervisor.failed_start()) {
                self.note(What::FailedStart)?;
            }
        }
        let gone: Vec<Identity> = self.running.iter().copied().filter(|it| !it.is_alive()).collect();
        for identity in gone {
            self.running.retain(|it| *it != identity);
            self.note(What::Gone { pid: identity.pid })?;
        }
        Ok(())
    }

    fn note(&mut self, what: What) -> Result<(), Error> {
        self.timeline.add(self.now()?, what);
        Ok(())
    }

    fn now(&self) -> Result<f64, Error> {
        Ok(clock::now()? - self.begin)
    }

    fn left(&self) -> usize {
        census::marked(census::CHILD, &self.mark).len()
    }
}

impl Drop for Case<'_> {
    /// Kills what is left, the supervisor first: it would start the rest again.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let begin = Instant::now();
        while begin.elapsed() < CLEANUP_PATIENCE {
            let killed =
                [census::SUPERVISOR, census::CHILD].map(|mark| census::kill_marked(mark, &self.mark));
            if killed == [0, 0] {
                break;
            }
            thread::sleep(PAUSE);
        }
        for child in &mut self.background {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes the script of a scenario, and returns the command that runs it: marked, and by the real clock.
fn script(scenario: &Scenario, dir: &Path, mark: &str) -> io::Result<Vec<String>> {
    let (file, pipe) = (dir.join("child.sh"), dir.join("pipe"));
    let variables = format!("EVENTS='{0}/events'\nPIPE='{0}/pipe'\nPROGRAM='{0}/program'\n", dir.display());
    let script = scenario.script.as_deref().unwrap_or_default();
    fs::write(&file, format!("{variables}{PRELUDE}{script}\n"))?;
    let made = Command::new("mkfifo").arg(&pipe).status()?;
    if !made.success() {
        return Err(io::Error::other("`mkfifo` fails"));
    }
    let file = file.display().to_string();
    let mark = format!("{}={mark}", census::CHILD);
    let program = match scenario.deletable {
        true => {
            let link = dir.join("program");
            symlink(ENV, &link)?;
            link.display().to_string()
        }
        false => ENV.to_owned(),
    };
    let words = [&*program, "-u", "LD_PRELOAD", &mark, "/bin/sh", &file];
    Ok(words.map(str::to_owned).to_vec())
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A supervisor that is gone already is visible in the timeline.
        let _ = kill_process(pid, signal);
    }
}

/// Returns the exit status of a process as a shell sees it, if it has exited.
fn is_over(child: &mut Child) -> Option<i32> {
    let status = child.try_wait().ok().flatten()?;
    Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

/// The end of a file that grows.
struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// Returns the lines that are new and complete.
    fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(io::SeekFrom::Start(self.read))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)?;
        let Some(end) = new.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
        self.read += end as u64 + 1;
        Ok(String::from_utf8_lossy(&new[..end]).lines().map(str::to_owned).collect())
    }
}

/// A wall clock of its own for one program, by libfaketime, which reads its offset from a file. The monotonic
/// clock stays real.
struct WallClock {
    library: String,
    file: PathBuf,
}

impl WallClock {
    /// Returns `None` if libfaketime is not installed.
    fn new(dir: &Path) -> Result<Option<Self>, Error> {
        // The wrapper knows where its library is.
        let Ok(output) = Command::new("faketime").args(["-f", "+0", "/usr/bin/env"]).output() else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(library) = text.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")) else {
            return Ok(None);
        };
        let clock = Self { library: library.to_owned(), file: dir.join("clock") };
        clock.set_back(0.0)?;
        Ok(Some(clock))
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn set_back(&self, seconds: f64) -> Result<(), Error> {
        let doing = || "set the clock".to_owned();
        let new = self.file.with_extension("new");
        // A rename, so that half a number is never read.
        fs::write(&new, format!("-{seconds}\n")).doing(doing)?;
        fs::rename(new, &self.file).doing(doing)
    }

    /// Whether the process has loaded the library, which a static program does not.
    fn is_used_by(&self, pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("libfaketime"))
    }
}
