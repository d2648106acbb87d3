//! Message brokers: RabbitMQ, Mosquitto and NATS.

use std::path::Path;
use std::time::Duration;

use super::server::{Server, ServerKind};
use crate::service::Service;

/// Starts Erlang's port mapper in the process group of the server, so that a stop ends both. The server would
/// start it as a daemon, which no stop signal reaches.
const SCRIPT: &str = r#"
if command -v epmd >/dev/null; then epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 & fi
exec "$0""#;

/// RabbitMQ, with a node, a database and a port mapper of its own.
///
/// ```no_run
/// use childminder::servers::RabbitMq;
///
/// let broker = RabbitMq::new().start()?;
/// assert!(broker.url().starts_with("amqp://guest:guest@127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1 and logs to its output; no plugin is enabled; the node has one scheduler
/// for each of two processors, which do not spin while they wait. Erlang's port mapper runs at a port of its
/// own and ends with the server. It may take 60 s to become ready and 20 s to stop. The address is
/// `amqp://guest:guest@127.0.0.1:PORT/`.
pub type RabbitMq = Server<RabbitMqKind>;

/// The kind of [`RabbitMq`]. It has no settings of its own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RabbitMqKind;

impl ServerKind for RabbitMqKind {
    const PROGRAMS: &'static [&'static str] = &["rabbitmq-server"];
    // The script that Debian has in PATH runs as root or as the user of the package only.
    const BEFORE_PATH: &'static [&'static str] = &["/usr/lib/rabbitmq/bin"];
    const AFTER_PATH: &'static [&'static str] =
        &["/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install rabbitmq-server"),
        ("Fedora", "dnf install rabbitmq-server"),
        ("Homebrew", "brew install rabbitmq"),
        ("Nix", "nix profile install nixpkgs#rabbitmq-server"),
    ];
    const USER: &'static str = "rabbitmq";

    fn describe(&self, _: &Path, service: Service) -> Service {
        service
            .file("enabled_plugins", "[].\n")
            .file("rabbitmq.conf", "log.console = true\nlog.console.level = info\nloopback_users = none\n")
            .named_port("distribution")
            .reserve_port("epmd")
            .through_shell(SCRIPT)
            .env("RABBITMQ_NODENAME", "test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", "{port}")
            .env("RABBITMQ_DIST_PORT", "{port:distribution}")
            .env("RABBITMQ_CONFIG_FILE", "{dir}/rabbitmq.conf")
            .env("RABBITMQ_CONF_ENV_FILE", "{dir}/no-such-file")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", "{dir}/enabled_plugins")
            .env("RABBITMQ_MNESIA_BASE", "{dir}/mnesia")
            .env("RABBITMQ_LOG_BASE", "{dir}/log")
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", "{dir}/pid")
            .env("RABBITMQ_SERVER_ERL_ARGS", "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none")
            .env("ERL_EPMD_PORT", "{port:epmd}")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .expect_output("Server startup complete")
            .timeout(Duration::from_secs(60))
            .kill_time(Duration::from_secs(20))
            .url("amqp://guest:guest@127.0.0.1:{port}/")
    }
}

/// Mosquitto, an MQTT broker, without persistence.
///
/// ```no_run
/// use childminder::servers::Mosquitto;
///
/// let broker = Mosquitto::new().start()?;
/// assert!(broker.url().starts_with("mqtt://127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1, accepts clients without a password, and stores nothing. The address is
/// `mqtt://127.0.0.1:PORT`.
pub type Mosquitto = Server<MosquittoKind>;

/// The kind of [`Mosquitto`]. It has no settings of its own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MosquittoKind;

impl ServerKind for MosquittoKind {
    const PROGRAMS: &'static [&'static str] = &["mosquitto"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install mosquitto"),
        ("Fedora", "dnf install mosquitto"),
        ("Homebrew", "brew install mosquitto"),
        ("Nix", "nix profile install nixpkgs#mosquitto"),
    ];
    const USER: &'static str = "mosquitto";

    fn describe(&self, _: &Path, service: Service) -> Service {
        let configuration = "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n\
                             log_dest stderr\nset_tcp_nodelay true\n";
        service
            .file("mosquitto.conf", configuration)
            .args(["-c", "{dir}/mosquitto.conf"])
            .url("mqtt://127.0.0.1:{port}")
    }
}

/// NATS, without persistence.
///
/// ```no_run
/// use childminder::servers::Nats;
///
/// let plain = Nats::new().start()?;
/// let with_streams = Nats::new().jetstream().start()?;
/// assert!(plain.url().starts_with("nats://127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1. The address is `nats://127.0.0.1:PORT`.
pub type Nats = Server<NatsKind>;

/// The kind of [`Nats`], with its settings.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NatsKind {
    has_jetstream: bool,
}

impl Nats {
    /// Enables JetStream, with its store in the scratch directory. Default: it is disabled.
    pub fn jetstream(mut self) -> Self {
        self.kind.has_jetstream = true;
        self
    }
}

impl ServerKind for NatsKind {
    const PROGRAMS: &'static [&'static str] = &["nats-server"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install nats-server"),
        ("Fedora", "go install github.com/nats-io/nats-server/v2@latest"),
        ("Homebrew", "brew install nats-server"),
        ("Nix", "nix profile install nixpkgs#nats-server"),
    ];
    const USER: &'static str = "nats";

    fn describe(&self, _: &Path, service: Service) -> Service {
        let service = service
            .args(["--addr", "127.0.0.1", "--port", "{port}"])
            .expect_output("Server is ready")
            .url("nats://127.0.0.1:{port}");
        if self.has_jetstream {
            service.args(["--jetstream", "--store_dir", "{dir}/jetstream"])
        } else {
            service
        }
    }
}
