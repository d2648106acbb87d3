//! Runs a migration once before a server is started, and retries it until it succeeds.
//!
//! The migration fails in its first two runs, as one does whose database is not there yet. The server waits
//! until it has completed.

use std::time::Duration;

use childminder::machine::NoticeKind;
use childminder::{Policy, ProcessMonitor, Restart, Spec, System, Until};

const MIGRATION: &str = "
    echo attempt >> attempts
    test $(grep -c . attempts) -eq 3
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("childminder-one-shot-{}", std::process::id()));
    std::fs::create_dir(&dir)?;

    let until_it_succeeds = Policy {
        restart: Restart::OnFailure,
        min_restart_delay: Duration::from_millis(50),
        ..Policy::default()
    };
    let migration = Spec::new("sh").args(["-c", MIGRATION]).cwd(&dir).policy(until_it_succeeds);
    let server = Spec::new("sleep").arg("1000").after("migration", Until::Completed);

    let monitor = ProcessMonitor::background(System::new())?;
    let mut notices = monitor.notices();
    // The order of these two does not matter.
    monitor.add_process("server", server)?;
    monitor.add_process("migration", migration)?;
    monitor.start_service()?;

    for notice in notices.iter() {
        let notice = notice?;
        println!("{notice}");
        if &*notice.name == "server" && matches!(notice.kind, NoticeKind::Started { .. }) {
            break;
        }
    }
    for status in monitor.statuses() {
        println!("{}: {}", status.name, status.phase);
    }
    monitor.stop_service().wait()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
