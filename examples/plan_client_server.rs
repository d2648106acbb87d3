//! A plan with a server, two clients and a kill, in which every exit is expected.
//!
//! ```text
//! cargo run --example plan_client_server           passes
//! cargo run --example plan_client_server broken    fails: the server ends after the first client
//! ```
//!
//! No other program needs to be installed: this program starts itself as the server and as the clients.

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

/// Builds the plan step by step, and runs it.
fn check(clients: usize) -> Result<(), Box<dyn Error>> {
    let port = Port::reserve()?;
    let part = |words: &[&str]| {
        let program = env::current_exe().expect("the path of this program");
        Spec::new(program).arg(words[0]).arg(port.to_string()).args(&words[1..])
    };

    let mut plan = Plan::new("greetings")?;
    let server = plan.spawn_as("server", part(&["server", &clients.to_string()]))?;
    plan.wait_until(server, Condition::port(port.number()))?;

    let ada = plan.spawn_as("ada", part(&["client", "Ada"]))?;
    plan.wait_for_output(ada, "hello Ada")?.within(Duration::from_secs(2))?;
    plan.wait(ada, 0)?;

    // During this step only Grace may end.
    let grace = plan.spawn_as("grace", part(&["client", "Grace"]))?;
    plan.wait(grace, 0)?;

    // The server does not handle TERM, so it dies of the signal. A server that handles it would end with 0.
    plan.kill(server, Signal::TERM)?;

    println!("{plan}");
    match plan.run() {
        Ok(report) => println!("all as it should be, in {:.0?}", report.took()),
        Err(error) => println!("\n{error}"),
    }
    Ok(())
}

/// Greets this number of clients.
fn serve(port: u16, clients: usize) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut greeted = 0;
    for connection in listener.incoming() {
        let mut connection = connection?;
        let mut name = String::new();
        BufReader::new(&connection).read_line(&mut name)?;
        // A readiness probe connects, and closes the connection without a word.
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

/// Connects, and prints the greeting.
fn ask(port: u16, name: &str) -> io::Result<()> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    writeln!(connection, "{name}")?;
    let mut answer = String::new();
    BufReader::new(&connection).read_line(&mut answer)?;
    println!("{}", answer.trim_end());
    Ok(())
}
