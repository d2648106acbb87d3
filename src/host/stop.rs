//! The ways in which a program is asked to end.

use std::ffi::{OsStr, OsString};

use super::Spec;
use crate::machine::SignalTarget;

impl Spec {
    /// Sets which processes receive the [stop signal](Self::stop_signal). Default: the process group.
    ///
    /// With [`SignalTarget::Leader`] only the program itself is asked to end, which suits one that ends its
    /// workers in its own order. When it has exited, the processes that it has left behind get the stop
    /// signal as well. KILL, if it is needed at the kill time, always goes to everything that the program
    /// has started.
    ///
    /// ```
    /// use childminder::Spec;
    /// use childminder::machine::SignalTarget;
    ///
    /// let spec = Spec::new("pool").stop_to(SignalTarget::Leader);
    /// assert_eq!(spec.get_stop_target(), SignalTarget::Leader);
    /// ```
    #[must_use]
    pub fn stop_to(mut self, target: SignalTarget) -> Self {
        self.stop_target = target;
        self
    }

    /// Sets a command that stops the program, such as `["pg_ctl", "stop"]`. It is run instead of sending the
    /// stop signal, as the same user and with the same directory and environment as the program. Its output
    /// goes to the sinks under the name of the process.
    ///
    /// The variable `MAINPID` contains the process id of the program. The program has ended when it has
    /// exited, not when the command has. If the command fails or cannot be started, the stop signal is sent
    /// instead. At the kill time, or when the program has ended before it, the command is killed.
    ///
    /// ```
    /// use childminder::Spec;
    ///
    /// let spec = Spec::new("postgres").args(["-D", "data"]).stop_command(["pg_ctl", "stop", "-D", "data"]);
    /// assert_eq!(spec.get_stop_command().count(), 4);
    /// ```
    #[must_use]
    pub fn stop_command<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.stop_command = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Returns which processes receive the stop signal.
    pub fn get_stop_target(&self) -> SignalTarget {
        self.stop_target
    }

    /// Returns the program and the arguments of the stop command; nothing if there is none.
    pub fn get_stop_command(&self) -> impl Iterator<Item = &OsStr> {
        self.stop_command.iter().map(OsString::as_os_str)
    }

    /// Returns the spec of the stop command for a process with this id; `None` if there is no command.
    pub(crate) fn to_stop_command(&self, pid: Option<u32>) -> Option<Self> {
        let (program, arguments) = self.stop_command.split_first()?;
        let mut command = self.as_command(program).args(arguments);
        if let Some(pid) = pid {
            command = command.env("MAINPID", pid.to_string());
        }
        Some(command)
    }
}
