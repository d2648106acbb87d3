//! Operates a program as a user at a terminal does: types, resizes the window, presses Ctrl-C, and ends the
//! input. Its output is printed without colours and cursor movements, which childminder escapes.

use std::error::Error;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use childminder::host::TerminalSize;
use childminder::machine::NoticeKind;
use childminder::output::CallbackSink;
use childminder::{ProcessMonitor, Signal, Spec, System};

fn main() -> Result<(), Box<dyn Error>> {
    let (sender, lines) = mpsc::channel();
    let sink = CallbackSink::new(move |_, line| {
        let _ = sender.send(line.text().into_owned());
    });
    let monitor = ProcessMonitor::builder().sink(sink).background(System::new())?;
    let mut notices = monitor.notices();

    // An interactive shell ignores TERM. It obeys HUP, which a terminal sends when its window is closed.
    let shell = Spec::new("sh").arg("-i").env("PS1", "").env("TERM", "dumb").env_remove("ENV");
    monitor.add_process("shell", shell.terminal(TerminalSize::new(24, 80)).stop_signal(Signal::HUP))?;
    monitor.start_process("shell")?;
    assert!(notices.iter().flatten().any(|notice| matches!(notice.kind, NoticeKind::Started { .. })));

    monitor.write_stdin("shell", "stty -echo; stty size\n")?.wait()?;
    println!("size: {}", wait_for(&lines, "24 80")?);

    monitor.resize_terminal("shell", TerminalSize::new(50, 132))?;
    monitor.write_stdin("shell", "stty size\n")?.wait()?;
    println!("after a resize: {}", wait_for(&lines, "50 132")?);

    // Ctrl-C ends the command in the foreground, and not the shell. The command itself prints that it runs,
    // since it is in the foreground only a moment after the shell has read the line.
    monitor.write_stdin("shell", "sh -c 'echo waiting; exec sleep 1000'\n")?.wait()?;
    wait_for(&lines, "waiting")?;
    monitor.write_stdin("shell", "\x03")?.wait()?;
    monitor.write_stdin("shell", "echo still here\n")?.wait()?;
    println!("after Ctrl-C: {}", wait_for(&lines, "still here")?);

    // Ctrl-D ends the shell.
    monitor.close_stdin("shell")?;
    let exit = notices.iter().flatten().find(|notice| matches!(notice.kind, NoticeKind::Exited { .. }));
    println!("{}", if exit.is_some() { "the shell has exited" } else { "the monitor has ended" });
    Ok(())
}

/// Returns the next line with this ending.
fn wait_for(lines: &Receiver<String>, end: &str) -> Result<String, Box<dyn Error>> {
    loop {
        let line = lines.recv_timeout(Duration::from_secs(20)).map_err(|_| format!("no line {end:?}"))?;
        if line.ends_with(end) {
            return Ok(end.to_owned());
        }
    }
}
