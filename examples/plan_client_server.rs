//! A server, two clients and a kill: each process in its place, and each end as the script says.
//!
//! ```text
//! cargo run --example plan_client_server           as it should be
//! cargo run --example plan_client_server broken    with a server that gives up after the first client
//! ```
//!
//! So that nothing else need be installed, the program plays all parts: it starts itself as the server and as the client.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use childminder::{Condition, Plan, Port, Signal, Spec};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", port, clients] => Ok(serve(port.parse()?, clients.parse()?)?),
        ["client", port, name] => Ok(ask(port.parse()?, name)?),
        ["broken"] => check(1),
        _ => check(usize::MAX),
    }
}

/// The test: a plan is built step by step, and then run.
fn check(clients: usize) -> Result<(), Box<dyn Error>> {
    let port = Port::reserve()?;
    let part = |words: &[&str]| {
        let program = env::current_exe().expect("this program has a file");
        Spec::new(program).arg(words[0]).arg(port.to_string()).args(&words[1..])
    };

    let mut plan = Plan::new("greetings")?;
    let server = plan.spawn_as("server", part(&["server", &clients.to_string()]))?;
    plan.wait_until(server, Condition::port(port.number()))?;

    let ada = plan.spawn_as("ada", part(&["client", "Ada"]))?;
    plan.wait_for_output(ada, "hello Ada")?.within(Duration::from_secs(2))?;
    plan.wait(ada, 0)?;

    // While Grace is waited for, nobody else may end.
    let grace = plan.spawn_as("grace", part(&["client", "Grace"]))?;
    plan.wait(grace, 0)?;

    // It does not handle TERM, so the signal itself is the end to expect. One that did would end with 0.
    plan.kill(server, Signal::TERM)?;

    println!("{plan}");
    match plan.run() {
        Ok(report) => println!("all as it should be, in {:.0?}", report.took()),
        Err(error) => println!("\n{error}"),
    }
    Ok(())
}

/// Greets so many clients.
fn serve(port: u16, clients: usize) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut greeted = 0;
    for connection in listener.incoming() {
        let mut connection = connection?;
        let mut name = String::new();
        BufReader::new(&connection).read_line(&mut name)?;
        // A look whether somebody listens is no client.
        if !name.is_empty() {
            println!("greeting {}", name.trim_end());
            write!(connection, "hello {name}")?;
            greeted += 1;
        }
        if greeted == clients {
            break;
        }
    }
    Ok(())
}

/// Has itself greeted.
fn ask(port: u16, name: &str) -> io::Result<()> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    writeln!(connection, "{name}")?;
    let mut answer = String::new();
    BufReader::new(&connection).read_line(&mut answer)?;
    println!("{}", answer.trim_end());
    Ok(())
}
