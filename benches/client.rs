//! Reconnecting: the delay between the due time and the begin of an attempt.
//!
//! Every attempt fails, and the next one is due 5 ms later.

use std::net::TcpStream;
use std::time::Duration;

use async_io::Async;
use childminder::backoff::{BackoffPolicy, Growth};
use childminder::client::{ClientState, ConnectError};
use childminder::{ClientService, Host, System};

use super::figures::median;
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome};

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let attempts = bench.sample(400, 50);
    let policy = BackoffPolicy {
        initial_delay: Duration::from_millis(5),
        growth: Growth::Fixed,
        jitter: Duration::ZERO,
        ..BackoffPolicy::default()
    };
    let (begin, begun) = async_channel::unbounded();
    let clock = System::new();
    let connect = move || {
        let _ = begin.try_send(clock.now());
        std::future::ready(Err::<Async<TcpStream>, _>(ConnectError::new("refused")))
    };
    let client = ClientService::builder(connect).policy(policy).background(System::new())?;
    let mut states = client.states();
    client.start_service();
    begun.recv_blocking()?;
    let mut late = Vec::new();
    while late.len() < attempts {
        if let ClientState::Waiting { until, .. } = states.wait().ok_or("the client has ended")?? {
            late.push(begun.recv_blocking()?.saturating_duration_since(until).as_secs_f64());
        }
    }
    client.stop_service().wait()?;
    Ok(vec![Row::alone("reconnect, late by, p50", Unit::Time, median(&late), Target::AtMost(0.001))])
}
