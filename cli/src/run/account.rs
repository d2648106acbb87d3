//! Users and groups, by name or by number.
//!
//! A name is looked up before a number, as by `chown`. A user has a primary group and supplementary groups;
//! they are looked up here, because a user database cannot be used between `fork` and `exec`.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};

/// A user with its groups, or a group alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: u32,
    /// The supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// The name, home directory and shell of a user in the database.
    login: Option<Login>,
}

/// The parts of an entry of the user database that programs look for in their environment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    name: String,
    home: PathBuf,
    shell: PathBuf,
}

impl Account {
    /// Returns the account for `--user` and `--group`, or `None` if neither is given. The default group is
    /// the primary group of the user.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if the user or group is unknown, or if the user is only a number and no group is
    /// given.
    pub(crate) fn find(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, AccountError> {
        let gid = group.map(find_group).transpose()?;
        let Some(text) = user else {
            return Ok(gid.map(|gid| Self { uid: None, gid, groups: Vec::new(), login: None }));
        };
        match find_user(text)? {
            Found::User(user) => {
                let gid = gid.unwrap_or_else(|| user.gid.as_raw());
                let groups =
                    groups_of(&user, gid).map_err(|errno| AccountError::lookup("user", text, errno))?;
                let login = Login { name: user.name, home: user.dir, shell: user.shell };
                Ok(Some(Self { uid: Some(user.uid.as_raw()), gid, groups, login: Some(login) }))
            }
            // Without a group it would keep that of childminder, which is root.
            Found::Number(uid) => match gid {
                Some(gid) => Ok(Some(Self { uid: Some(uid), gid, groups: Vec::new(), login: None })),
                None => Err(AccountError::NoGroup { uid }),
            },
        }
    }
}

impl Account {
    /// Returns the variables that describe the user to its programs.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.login.iter().flat_map(|Login { name, home, shell }| {
            [
                ("HOME", home.as_os_str()),
                ("USER", OsStr::new(name)),
                ("LOGNAME", OsStr::new(name)),
                ("SHELL", shell.as_os_str()),
            ]
        })
    }

    /// Whether this process has this account already, without supplementary groups.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.uid.is_none_or(|uid| Uid::from_raw(uid) == geteuid())
            && Gid::from_raw(self.gid) == getegid()
            && self.groups.is_empty()
    }
}

/// The result of looking up a user.
enum Found {
    User(User),
    /// A number that is not in the user database, which is allowed.
    Number(u32),
}

fn find_user(text: &str) -> Result<Found, AccountError> {
    let error = |errno| AccountError::lookup("user", text, errno);
    if let Some(user) = User::from_name(text).map_err(error)? {
        return Ok(Found::User(user));
    }
    let Some(uid) = number(text) else {
        return Err(AccountError::Unknown { kind: "user", text: text.to_owned() });
    };
    let user = User::from_uid(Uid::from_raw(uid)).map_err(error)?;
    Ok(user.map_or(Found::Number(uid), Found::User))
}

fn find_group(text: &str) -> Result<u32, AccountError> {
    match Group::from_name(text).map_err(|errno| AccountError::lookup("group", text, errno))? {
        Some(group) => Ok(group.gid.as_raw()),
        None => number(text).ok_or_else(|| AccountError::Unknown { kind: "group", text: text.to_owned() }),
    }
}

/// Parses an id. The largest number means "no change" to the system.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(not(target_vendor = "apple"))]
fn groups_of(user: &User, gid: u32) -> Result<Vec<u32>, Errno> {
    let name = CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, Gid::from_raw(gid))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// The list of groups is not available in this way here.
#[cfg(target_vendor = "apple")]
fn groups_of(_user: &User, gid: u32) -> Result<Vec<u32>, Errno> {
    Ok(vec![gid])
}

/// The error returned when an account cannot be determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountError {
    /// Neither a known name nor a number.
    Unknown { kind: &'static str, text: String },
    /// The user is only a number, and no group was given.
    NoGroup { uid: u32 },
    /// The user database cannot be read.
    Lookup { kind: &'static str, text: String, errno: Errno },
}

impl AccountError {
    fn lookup(kind: &'static str, text: &str, errno: Errno) -> Self {
        Self::Lookup { kind, text: text.to_owned(), errno }
    }
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { kind, text } => write!(f, "unknown {kind} {text:?} (--{kind})"),
            Self::NoGroup { uid } => {
                write!(
                    f,
                    "user {uid} is not in the user database, so its group is unknown (--user); add --group"
                )
            }
            Self::Lookup { kind, text, errno } => {
                write!(f, "cannot look up the {kind} {text:?} (--{kind}): {errno}")
            }
        }
    }
}

impl std::error::Error for AccountError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lookup { errno, .. } => Some(errno),
            Self::Unknown { .. } | Self::NoGroup { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNKNOWN_ID: &str = "3999999999";

    #[test]
    fn pmt_7_a_name_and_its_number_are_the_same_account() {
        assert_eq!(Account::find(None, None), Ok(None));
        let root = Account::find(Some("root"), None).unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (Some(0), 0));
        assert!(root.groups.contains(&0), "{root:?}");
        assert_eq!(Account::find(Some("0"), None), Ok(Some(root)));
    }

    #[test]
    fn pmt_7_a_group_alone_and_a_user_without_a_name() {
        let group = Account { uid: None, gid: 7, groups: Vec::new(), login: None };
        assert_eq!(Account::find(None, Some("7")), Ok(Some(group)));
        let number = Account { uid: Some(3_999_999_999), gid: 7, groups: Vec::new(), login: None };
        assert_eq!(Account::find(Some(UNKNOWN_ID), Some("7")), Ok(Some(number)));
        let error = Account::find(Some(UNKNOWN_ID), None).unwrap_err().to_string();
        assert!(error.contains(UNKNOWN_ID) && error.contains("--group"), "{error}");
    }

    #[test]
    fn pmt_7_an_unknown_account_is_named() {
        for bad in ["no-such-name", "", "-1", "4294967295", "4294967296"] {
            for (kind, user, group) in [("user", Some(bad), None), ("group", Some("root"), Some(bad))] {
                let error = Account::find(user, group).unwrap_err().to_string();
                assert_eq!(error, format!("unknown {kind} {bad:?} (--{kind})"));
            }
        }
    }
}
