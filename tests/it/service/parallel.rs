//! Many services at once.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use childminder::{Port, RunningService};

use super::port::allow_many_descriptors;
use super::tiny;
use crate::support::{Census, alone, is_alive};

#[test]
fn sv_12_five_hundred_parallel_starts_no_collision() {
    const COUNT: usize = 500;
    const THREADS: usize = 16;
    alone("service::parallel::sv_12_five_hundred_parallel_starts_no_collision", || {
        allow_many_descriptors();
        // The first service creates the event loop, which stays.
        drop(tiny::server(&Port::reserve().unwrap()).start().unwrap());
        let before = Census::settled();
        let begin = Instant::now();
        let (started, all) = (AtomicUsize::new(0), Mutex::new(Vec::<(Port, RunningService)>::new()));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while started.fetch_add(1, Ordering::Relaxed) < COUNT {
                        let port = Port::reserve().unwrap();
                        let service = tiny::server(&port).start().unwrap();
                        all.lock().unwrap().push((port, service));
                    }
                });
            }
        });
        let all = all.into_inner().unwrap();
        println!("{COUNT} services are up after {:?}", begin.elapsed());
        assert_eq!(all.len(), COUNT);
        // All run at the same time, each on its own port.
        assert_eq!(all.iter().map(|(port, _)| port.number()).collect::<BTreeSet<_>>().len(), COUNT);
        for (port, service) in &all {
            assert_eq!(tiny::ask(port), service.pid());
        }
        let ids: Vec<(u16, u32)> = all.iter().map(|(port, service)| (port.number(), service.pid())).collect();
        let waiting = Mutex::new(all);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let Some(next) = waiting.lock().unwrap().pop() else { break };
                        next.1.stop().unwrap();
                    }
                });
            }
        });
        println!("and down after {:?}", begin.elapsed());
        for (port, pid) in ids {
            assert!(!is_alive(pid));
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect_err("no server listens");
        }
        Census::settled().assert_unchanged_since(&before);
    });
}
