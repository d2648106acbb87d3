//! The MongoDB fixture of the original, in virtual time.

use childminder::host::ProbeTarget;
use childminder::machine::Stream;
use childminder::testkit::{Script, Sim};
use childminder::{Condition, Service};

use super::readiness::{ms, start};

/// The test `test_setup` of the original. A client created after the service is dropped before it.
#[test]
fn setup_pj_6_mongodb_is_ready_by_its_old_and_its_new_message() {
    let mongod = Service::new("mongod")
        .args(["--port", "27017", "--dbpath", "/tmp/db", "--nojournal"])
        .min_uptime(ms(0))
        .expect(Condition::any([
            Condition::output("waiting for connections on port"),
            Condition::output("Waiting for connections"),
        ]))
        .expect_port(27017);
    for words in
        ["[initandlisten] waiting for connections on port 27017\n", r#"{"msg":"Waiting for connections"}"#]
    {
        let sim = Sim::new();
        let script =
            Script::new().serves(ms(30), ProbeTarget::Port(27017)).prints(ms(40), Stream::Stdout, words);
        sim.script("mongod", script);
        let running = start(&sim, &mongod).unwrap();
        assert_eq!(sim.elapsed(), ms(40), "{words}");
        drop(running);
        sim.run_until_idle();
        assert_eq!(sim.live(), 0);
        let trace = sim.trace();
        assert!(
            trace.starts_with("0.0 probe port 27017\n0.0 spawn mongod#1\n0.04 probe port 27017\n"),
            "the port is probed after the message:\n{trace}"
        );
    }
}
