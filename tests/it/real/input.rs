//! Standard inputs and terminals of real processes that a monitor keeps alive.

use childminder::host::TerminalSize;
use childminder::monitor::InputError;
use childminder::{Signal, Spec, Stdin};

use super::{Kept, builder, every_runtime, sh, started, with_monitor};

every_runtime!(
    f_212_each_run_reads_its_own_input,
    f_213_a_program_that_does_not_read_is_written_to_without_waiting,
    f_214_a_shell_at_a_terminal_is_operated_as_by_a_user
);

async fn f_212_each_run_reads_its_own_input() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("once", sh("read line; echo got $line; exit 1").stdin(Stdin::Piped)).unwrap();
        monitor.start_service().unwrap();
        for run in ["first", "second"] {
            started(&mut notices, "once").await;
            // The rest is not read by this run, and must not be read by the next one.
            drop(monitor.write_stdin("once", format!("{run}\nrest of {run}\n")).unwrap());
        }
        kept.line("got second").await;
        monitor.stop_service().await.unwrap();
    })
    .await;
    assert!(kept.all().iter().all(|line| !line.contains("rest")), "{:?}", kept.all());
}

async fn f_213_a_program_that_does_not_read_is_written_to_without_waiting() {
    with_monitor(builder(), async |monitor| {
        let mut notices = monitor.notices();
        monitor.add_process("deaf", Spec::new("sleep").arg("1000").stdin(Stdin::Piped)).unwrap();
        monitor.start_service().unwrap();
        started(&mut notices, "deaf").await;
        let chunk = vec![b'x'; 100_000];
        let mut tickets = Vec::new();
        let full = loop {
            match monitor.write_stdin("deaf", &chunk) {
                Ok(ticket) => tickets.push(ticket),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, InputError::Full { .. }), "{full}");
        assert!(tickets.len() <= 12, "{}", tickets.len());
        monitor.stop_service().await.unwrap();
        // The pipe has lost its reader, which is noticed just before the exit or just after it.
        let last = tickets.pop().expect("some were accepted").await;
        assert!(matches!(last, Err(InputError::Ended(_) | InputError::NotRunning(_))), "{last:?}");
    })
    .await;
}

async fn f_214_a_shell_at_a_terminal_is_operated_as_by_a_user() {
    let kept = Kept::default();
    with_monitor(builder().sink(kept.clone()), async |monitor| {
        let mut notices = monitor.notices();
        let spec =
            Spec::new("sh").arg("-i").env("PS1", "").env_remove("ENV").terminal(TerminalSize::default());
        monitor.add_process("shell", spec.stop_signal(Signal::HUP)).unwrap();
        monitor.start_service().unwrap();
        started(&mut notices, "shell").await;
        monitor.resize_terminal("shell", TerminalSize::new(11, 22)).unwrap();
        monitor.write_stdin("shell", "stty size\n").unwrap().await.unwrap();
        kept.line("11 22").await;
        // The end of input ends the shell, and another one is started with the size of the spec.
        monitor.close_stdin("shell").unwrap();
        started(&mut notices, "shell").await;
        monitor.write_stdin("shell", "stty size\n").unwrap().await.unwrap();
        kept.line("24 80").await;
        monitor.stop_service().await.unwrap();
    })
    .await;
}
