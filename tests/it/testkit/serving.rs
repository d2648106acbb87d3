//! Simulated servers: when they answer probes, with what, and the owner of the address.

use std::time::Duration;

use childminder::host::{ProbeOwner, ProbeTarget, Process};
use childminder::machine::SignalTarget;
use childminder::testkit::{Script, Sim};
use childminder::{Exit, Host, Signal, Spec};

use super::{exit, panic_of, secs, start};

const PORT: ProbeTarget = ProbeTarget::Port(80);

fn page(path: &str, status: u16) -> ProbeTarget {
    ProbeTarget::Http { port: 80, path: path.into(), status: status.into() }
}

/// Returns the owner of the address, or the error of the probe.
fn probe(sim: &Sim, target: &ProbeTarget, owner: Option<&dyn Process>) -> String {
    match sim.block_on(sim.probe(target, owner.map(Process::id))) {
        Ok(holder) => holder.to_string(),
        Err(error) => error.to_string(),
    }
}

fn refused() -> String {
    std::io::Error::from_raw_os_error(libc::ECONNREFUSED).to_string()
}

#[test]
fn a_script_serves_from_its_time_until_its_end() {
    let script = Script::new().serves(secs(2.0), PORT).lives(secs(5.0)).leaves_behind(1);
    let (sim, web) = start(script);
    let mut answers = Vec::new();
    for _ in 0..7 {
        answers.push(sim.block_on(sim.probe(&PORT, Some(web.id()))).ok());
        sim.advance(secs(1.0));
    }
    let own = Some(ProbeOwner::Own);
    assert_eq!(answers, [None, None, own.clone(), own.clone(), own, None, None]);
    let line = |second: u32| format!("{second}.0 probe port 80\n");
    let before = (0..5).map(line).collect::<String>();
    let trace = format!("0.0 spawn web#1\n{before}5.0 exit web#1 code 0\n{}{}", line(5), line(6));
    assert_eq!(sim.trace(), trace);
}

#[test]
fn a_signal_that_ends_a_process_ends_what_it_serves() {
    for signal in [Signal::TERM, Signal::KILL] {
        let (sim, mut web) =
            start(Script::new().serves(Duration::ZERO, ProbeTarget::Unix("/run/web".into())));
        let target = ProbeTarget::Unix("/run/web".into());
        assert_eq!(probe(&sim, &target, Some(&*web)), "the process itself");
        assert_eq!(probe(&sim, &ProbeTarget::Unix("/run".into()), Some(&*web)), refused());
        assert_eq!(probe(&sim, &PORT, Some(&*web)), refused());
        web.signal(SignalTarget::Group, signal).expect("signals always work here");
        assert_eq!(sim.block_on(exit(&mut *web)), Exit::Signal { signal, core: false });
        assert_eq!(probe(&sim, &target, Some(&*web)), refused());
    }
}

#[test]
fn http_is_answered_by_path_and_the_status_may_change() {
    let script = Script::new()
        .serves(secs(3.0), page("/health", 200))
        .serves(secs(1.0), page("/health", 503))
        .serves(secs(1.0), page("/teapot", 418))
        .serves(Duration::ZERO, PORT);
    let (sim, web) = start(script);
    let all = |sim: &Sim| {
        let targets = [PORT, page("/health", 200), page("/teapot", 418), page("/none", 200)];
        targets.map(|target| probe(sim, &target, Some(&*web)))
    };
    let (own, mute, missing) =
        ("the process itself", "answered, but not in HTTP", "answered with status 404");
    assert_eq!(all(&sim), [own, mute, mute, mute]);
    sim.advance(secs(1.0));
    assert_eq!(all(&sim), [own, "answered with status 503", own, missing]);
    sim.advance(secs(2.0));
    assert_eq!(all(&sim), [own, own, own, missing]);
}

#[test]
fn f_82_an_unrelated_process_occupies_an_address_until_it_closes() {
    let (sim, web) = start(Script::new().serves(Duration::ZERO, PORT));
    sim.serve(page("/", 200));
    sim.clear_trace();
    for owner in [Some(&*web), None] {
        assert_eq!(probe(&sim, &PORT, owner), "a stranger: an unrelated process");
        assert_eq!(probe(&sim, &page("/", 200), owner), "a stranger: an unrelated process");
        assert_eq!(probe(&sim, &page("/", 204), owner), "answered with status 200");
    }
    sim.clear_trace();
    sim.close(&page("/", 200));
    assert_eq!(probe(&sim, &PORT, Some(&*web)), "the process itself");
    sim.serve(PORT);
    assert_eq!(
        sim.trace(),
        "0.0 close http://localhost:80/ with status 200\n0.0 probe port 80\n0.0 serve port 80\n"
    );
    let message = panic_of(|| sim.close(&ProbeTarget::Port(81)));
    assert!(message.starts_with("no unrelated process serves port 81\n0.0 close"), "{message}");
}

#[test]
fn f_82_another_process_of_the_world_is_unrelated() {
    let (sim, web) = start(Script::new().serves(Duration::ZERO, PORT));
    let twin = Host::spawn(&sim, &Spec::new("web")).expect("it starts");
    sim.script("db", Script::new());
    let db = Host::spawn(&sim, &Spec::new("db")).expect("it starts");
    for own in [&web, &twin] {
        assert_eq!(probe(&sim, &PORT, Some(&**own)), "the process itself");
    }
    assert_eq!(probe(&sim, &PORT, Some(&*db)), "a stranger: pid 101 (web)");
    assert_eq!(probe(&sim, &PORT, None), "a stranger: pid 101 (web)");
}
