//! Notifications to the service manager that started childminder (`Type=notify` of systemd).

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use async_io::Timer;

/// The variables of the notification protocol. They are meant for childminder and are not passed on to the
/// program.
pub(crate) const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// The notification socket, if there is one.
#[derive(Debug)]
pub(crate) struct ServiceManager(Option<OsString>);

impl ServiceManager {
    pub(crate) fn from_env() -> Self {
        Self(env::var_os(VARIABLES[0]).filter(|socket| !socket.is_empty()))
    }

    /// Reports that the program was started. Only the first call has an effect in the service manager.
    pub(crate) fn ready(&self) {
        self.notify("READY=1");
    }

    /// Reports what is going on, as `systemctl status` shows it.
    pub(crate) fn status(&self, status: &str) {
        self.notify(&format!("STATUS={status}"));
    }

    /// Reports that the program is being stopped.
    pub(crate) fn stopping(&self) {
        self.notify("STOPPING=1");
    }

    fn notify(&self, message: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket.as_bytes(), message.as_bytes()) {
            log::debug!("cannot notify the service manager: {error}");
        }
    }
}

/// Reports at regular intervals that this process is alive, if the service manager asks for that.
pub(crate) async fn watchdog() {
    let is_ours = env::var(VARIABLES[1]).map_or(true, |pid| pid == std::process::id().to_string());
    let interval = env::var(VARIABLES[2]).ok().and_then(|micros| micros.parse().ok());
    let Some(interval) = interval.filter(|micros| is_ours && *micros > 1).map(Duration::from_micros) else {
        return;
    };
    let manager = ServiceManager::from_env();
    loop {
        manager.notify("WATCHDOG=1");
        // Twice as often as necessary, as `sd_watchdog_enabled(3)` recommends.
        Timer::after(interval / 2).await;
    }
}

fn send(address: &[u8], message: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(message, &address).map(drop);
    }
    socket.send_to(message, std::ffi::OsStr::from_bytes(address)).map(drop)
}
