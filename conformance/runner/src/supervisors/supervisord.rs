//! supervisord.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools, word};

const CONFIGURATION: &str = "supervisord.conf";

#[derive(Debug)]
pub(super) struct Supervisord;

impl Supervisor for Supervisord {
    fn name(&self) -> &'static str {
        "supervisord"
    }

    fn programs(&self) -> &'static [&'static str] {
        &["supervisord", "supervisorctl"]
    }

    fn settings(&self) -> &'static str {
        "`supervisord --nodaemon`; `supervisorctl stop` and `start`"
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        let dir = setup.dir.display();
        let mut text = format!(
            "[unix_http_server]\nfile={dir}/control\n\
             [supervisord]\nlogfile={dir}/supervisord.log\npidfile={dir}/pid\nchildlogdir={dir}\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://{dir}/control\n"
        );
        for name in &setup.names {
            // Writing into memory does not fail.
            let _ = write!(text, "[program:{name}]\ncommand={}\n", setup.line());
        }
        let file = setup.path(CONFIGURATION);
        fs::write(&file, text)?;
        let mut command = tools.command("supervisord");
        command.arg("--nodaemon").arg("--configuration").arg(file).current_dir(&setup.dir);
        Ok(command)
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let mut command = tools.command("supervisorctl");
        command.arg("--configuration").arg(setup.path(CONFIGURATION));
        command.arg(match request {
            Request::Stop => "stop",
            Request::Start => "start",
            Request::State => "status",
        });
        command.arg(setup.names.first()?);
        Some(command)
    }

    fn state(&self, printed: &str) -> Option<String> {
        word(printed, 1)
    }

    fn failed_start(&self) -> &'static str {
        "spawnerr: can't find command"
    }
}
