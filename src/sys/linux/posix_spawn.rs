//! The common way to a new process: `posix_spawn`.
//!
//! It does not copy the memory of the monitor, as `fork` must, and has an answer for all that a plain child needs.
//! Two of its answers are not in every C library: to enter a directory that is open, and to close all descriptors but
//! the first three. They are looked for at run time; without them, `borrow.rs` does it.

#![expect(unsafe_code, reason = "a C interface")]

use std::ffi::CStr;
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;
use std::sync::LazyLock;

use libc::{c_int, c_short, posix_spawn_file_actions_t, posix_spawnattr_t};
use rustix::process::Pid;

use crate::machine::SpawnStep;

use super::super::child_side::Refusal;
use super::super::launch::Launch;

/// `posix_spawn_file_actions_addclosefrom_np`, or `…_addfchdir_np`: both take a number.
type AddAction = unsafe extern "C" fn(*mut posix_spawn_file_actions_t, c_int) -> c_int;

static ADD_CLOSE_FROM: LazyLock<Option<AddAction>> =
    LazyLock::new(|| find(c"posix_spawn_file_actions_addclosefrom_np"));
static ADD_FCHDIR: LazyLock<Option<AddAction>> =
    LazyLock::new(|| find(c"posix_spawn_file_actions_addfchdir_np"));

fn find(name: &CStr) -> Option<AddAction> {
    // SAFETY: a C string; the answer is the address of that function, or null.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: both functions asked for have this type, and null is `None`.
    unsafe { mem::transmute::<*mut libc::c_void, Option<AddAction>>(address) }
}

/// Starts it; `None` if `posix_spawn` cannot do all that is asked for.
pub(super) fn start(launch: &Launch) -> Option<Result<Pid, Refusal>> {
    let spec = launch.spec();
    let add_close_from = (*ADD_CLOSE_FROM)?;
    if spec.get_uid().is_some()
        || spec.get_gid().is_some()
        || spec.get_groups().is_some()
        || spec.get_umask().is_some()
        || spec.get_descriptors().next().is_some()
        || spec.dies_with_parent()
    {
        return None;
    }
    let mut actions = Actions::new().ok()?;
    for (fd, number) in launch.stdio().into_iter().zip(0..) {
        let fd = fd.as_raw_fd();
        // SAFETY: `actions` was initialised.
        actions.add(|actions| unsafe { libc::posix_spawn_file_actions_adddup2(actions, fd, number) }).ok()?;
    }
    if let Some(dir) = launch.dir() {
        let (add_fchdir, dir) = ((*ADD_FCHDIR)?, dir.as_raw_fd());
        // SAFETY: `actions` was initialised.
        actions.add(|actions| unsafe { add_fchdir(actions, dir) }).ok()?;
    }
    // SAFETY: `actions` was initialised.
    actions.add(|actions| unsafe { add_close_from(actions, 3) }).ok()?;
    let attributes = Attributes::new(spec.has_own_group()).ok()?;
    let mut pid = 0;
    // SAFETY: C strings, arrays of them that end with a null pointer, and two initialised objects. C's `posix_spawn`
    // does not change the words, whatever the type says.
    let errno = unsafe {
        libc::posix_spawn(
            &mut pid,
            launch.program().as_ptr(),
            &actions.0,
            &attributes.0,
            launch.args().as_ptr().cast(),
            launch.env().as_ptr().cast(),
        )
    };
    Some(match (errno, Pid::from_raw(pid)) {
        (0, Some(pid)) => Ok(pid),
        // It does not say what failed. Of all that can, only the creation of a process runs into these.
        (libc::EAGAIN | libc::ENOMEM, _) => Err(Refusal { step: SpawnStep::Fork, errno }),
        (_, _) => Err(Refusal { step: SpawnStep::Exec, errno }),
    })
}

/// What the child does with its descriptors, in this order.
struct Actions(posix_spawn_file_actions_t);

impl Actions {
    fn new() -> Result<Self, c_int> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: room for one; read only if it was filled.
        match unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) } {
            // SAFETY: the call succeeded.
            0 => Ok(Self(unsafe { actions.assume_init() })),
            errno => Err(errno),
        }
    }

    fn add(&mut self, add: impl FnOnce(*mut posix_spawn_file_actions_t) -> c_int) -> Result<(), c_int> {
        match add(&mut self.0) {
            0 => Ok(()),
            errno => Err(errno),
        }
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used after this.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// Its own group, no signal blocked, every signal at its default (F-72). That leaves out 32 and 33, which glibc keeps
/// for its threads, will not have in a set, and ignores in each child that it spawns.
struct Attributes(posix_spawnattr_t);

impl Attributes {
    fn new(own_group: bool) -> Result<Self, c_int> {
        let group = if own_group { libc::POSIX_SPAWN_SETPGROUP } else { 0 };
        let flags = group | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let mut attributes = MaybeUninit::uninit();
        let mut signals = MaybeUninit::uninit();
        // SAFETY: room for one of each. `init` fills the first, and the others change what it filled; a set of
        // signals is filled before it is read. Group 0 means: the number of the new process.
        unsafe {
            match libc::posix_spawnattr_init(attributes.as_mut_ptr()) {
                0 => {}
                errno => return Err(errno),
            }
            let mut attributes = Self(attributes.assume_init());
            libc::posix_spawnattr_setflags(&mut attributes.0, flags as c_short);
            libc::posix_spawnattr_setpgroup(&mut attributes.0, 0);
            libc::sigemptyset(signals.as_mut_ptr());
            libc::posix_spawnattr_setsigmask(&mut attributes.0, signals.as_ptr());
            libc::sigfillset(signals.as_mut_ptr());
            libc::posix_spawnattr_setsigdefault(&mut attributes.0, signals.as_ptr());
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: it was initialised, and is not used after this.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}
