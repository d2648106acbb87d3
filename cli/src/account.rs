//! As whom a program runs: users and groups, by name or by number.
//!
//! A name is looked up before a number, as `chown` does it. A user brings a primary group and supplementary groups;
//! they are looked up here, in the monitor, for between `fork` and `exec` nobody may ask a user database.

use std::ffi::CString;
use std::fmt;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

/// A user with the groups that belong to it, or a group alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: u32,
    /// The supplementary groups.
    pub(crate) groups: Vec<u32>,
}

impl Account {
    /// The account that `--user` and `--group` ask for; `None` when neither is given. The group is the user's own
    /// unless another is given.
    ///
    /// # Errors
    ///
    /// [`AccountError`] when there is no such user or group, or when nobody knows the group of a user who is but a
    /// number.
    pub(crate) fn find(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, AccountError> {
        let gid = group.map(find_group).transpose()?;
        let Some(text) = user else {
            return Ok(gid.map(|gid| Self { uid: None, gid, groups: Vec::new() }));
        };
        match find_user(text)? {
            Found::User(user) => {
                let gid = gid.unwrap_or_else(|| user.gid.as_raw());
                let groups =
                    groups_of(&user, gid).map_err(|errno| AccountError::lookup("user", text, errno))?;
                Ok(Some(Self { uid: Some(user.uid.as_raw()), gid, groups }))
            }
            // Without a group it would keep the monitor's, which is root's.
            Found::Number(uid) => match gid {
                Some(gid) => Ok(Some(Self { uid: Some(uid), gid, groups: Vec::new() })),
                None => Err(AccountError::NoGroup { uid }),
            },
        }
    }
}

/// What a text says about a user.
enum Found {
    User(User),
    /// Nobody has this number in the user database, which is no hindrance.
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

/// A number that can be an id: the largest one means "no change" to the system.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(not(target_vendor = "apple"))]
fn groups_of(user: &User, gid: u32) -> Result<Vec<u32>, Errno> {
    let name = CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, Gid::from_raw(gid))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// The list of groups is not to be had in this way here: the one group must do.
#[cfg(target_vendor = "apple")]
fn groups_of(_user: &User, gid: u32) -> Result<Vec<u32>, Errno> {
    Ok(vec![gid])
}

/// Why there is no such [`Account`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountError {
    /// Neither a known name nor a number.
    Unknown { kind: &'static str, text: String },
    /// The user is but a number, and no group was given.
    NoGroup { uid: u32 },
    /// The user database could not be read.
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
            Self::Unknown { kind, text } => write!(f, "there is no {kind} {text:?} (--{kind})"),
            Self::NoGroup { uid } => {
                write!(
                    f,
                    "nobody knows the group of user {uid}, who has no name (--user); say --group as well"
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

    const NOBODY_HAS: &str = "3999999999";

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
        let group = Account { uid: None, gid: 7, groups: Vec::new() };
        assert_eq!(Account::find(None, Some("7")), Ok(Some(group)));
        let number = Account { uid: Some(3_999_999_999), gid: 7, groups: Vec::new() };
        assert_eq!(Account::find(Some(NOBODY_HAS), Some("7")), Ok(Some(number)));
        let error = Account::find(Some(NOBODY_HAS), None).unwrap_err().to_string();
        assert!(error.contains(NOBODY_HAS) && error.contains("--group"), "{error}");
    }

    #[test]
    fn pmt_7_an_unknown_account_is_named() {
        for bad in ["no such one", "", "-1", "4294967295", "4294967296"] {
            for (kind, user, group) in [("user", Some(bad), None), ("group", Some("root"), Some(bad))] {
                let error = Account::find(user, group).unwrap_err().to_string();
                assert_eq!(error, format!("there is no {kind} {bad:?} (--{kind})"));
            }
        }
    }
}
