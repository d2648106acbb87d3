//! childminder, with `childminder up`.

use std::fs;
use std::io;
use std::process::Command;

use super::{Request, Setup, Supervisor, Tools};

pub(super) const PROGRAM: &str = "childminder";

#[derive(Debug)]
pub(super) struct Childminder;

impl Supervisor for Childminder {
    fn name(&self) -> &'static str {
        "childminder"
    }

    fn programs(&self) -> &'static [&'static str] {
        &[PROGRAM]
    }

    fn settings(&self) -> &'static str {
        "`childminder up`; `childminder stop` and `start`"
    }

    fn prepare(&self, tools: &Tools, setup: &Setup) -> io::Result<Command> {
        // A JSON array of these strings is one of TOML too.
        let argv = serde_json::to_string(&setup.argv)?;
        let tables = setup.names.iter().map(|name| format!("[process.{name}]\ncommand = {argv}\n"));
        fs::write(setup.path("childminder.toml"), tables.collect::<String>())?;
        Ok(command(tools, setup, "up"))
    }

    fn control(&self, tools: &Tools, setup: &Setup, request: Request) -> Option<Command> {
        let name = setup.names.first()?;
        let mut control = command(
            tools,
            setup,
            match request {
                Request::Stop => "stop",
                Request::Start => "start",
                Request::State => "status",
            },
        );
        control.args(if request == Request::State { &["--json"][..] } else { &[] }).arg(name);
        Some(control)
    }

    fn state(&self, printed: &str) -> Option<String> {
        let processes: serde_json::Value = serde_json::from_str(printed).ok()?;
        Some(processes.get(0)?.get("state")?.as_str()?.to_owned())
    }

    fn failed_start(&self) -> &'static str {
        " not started: "
    }
}

fn command(tools: &Tools, setup: &Setup, subcommand: &str) -> Command {
    let mut command = tools.command(PROGRAM);
    command.arg(subcommand).current_dir(&setup.dir);
    command
}
