//! Kinds of browsers, and the flags that a test needs.
//!
//! The capabilities that the user has set are not changed. Flags are appended, except those whose name is set
//! already.

use std::path::Path;

use serde_json::{Map, Value};

/// Capabilities by name.
pub(super) type Capabilities = Map<String, Value>;

/// The kind of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrowserKind {
    /// Chromium, Chrome and their relatives.
    Chromium,
    /// Firefox.
    Firefox,
    /// Any other browser, for which no flags are added.
    Other,
}

/// Properties of this environment that affect the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Environment {
    root: bool,
    container: bool,
}

impl Environment {
    /// Detects the environment of this process.
    pub(super) fn detect() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()),
        }
    }
}

impl BrowserKind {
    /// Adds to `wanted` the flags for a browser without a window, with a profile of its own and without
    /// background activity.
    pub(super) fn complete(
        self,
        mut wanted: Capabilities,
        headless: bool,
        dir: &Path,
        environment: Environment,
    ) -> Capabilities {
        match self {
            Self::Chromium => {
                add_flags(&mut wanted, "goog:chromeOptions", &chromium_flags(headless, dir, environment));
            }
            Self::Firefox if headless => {
                add_flags(&mut wanted, "moz:firefoxOptions", &["-headless".to_owned()])
            }
            Self::Firefox | Self::Other => {}
        }
        wanted
    }
}

/// Returns the flags for Chromium. `chromedriver` adds more, against first-run pages, password stores,
/// pop-ups, …
fn chromium_flags(headless: bool, dir: &Path, environment: Environment) -> Vec<String> {
    let Environment { root, container } = environment;
    let flags = [
        (headless, "--headless"),
        // Without a display the search for a GPU costs time and produces log lines.
        (headless, "--disable-gpu"),
        // Chromium refuses to start as root otherwise, and cannot set up its sandbox in most containers.
        (root || container, "--no-sandbox"),
        // Containers have a small /dev/shm; a tab that exceeds it crashes.
        (container, "--disable-dev-shm-usage"),
        // No network traffic except that of the test.
        (true, "--disable-background-networking"),
        (true, "--disable-component-update"),
        (true, "--disable-sync"),
        (true, "--disable-quic"),
        (true, "--no-first-run"),
    ];
    let flags = flags.into_iter().filter(|(needed, _)| *needed).map(|(_, flag)| flag.to_owned());
    flags.chain([format!("--user-data-dir={}/profile", dir.display())]).collect()
}

/// Adds `flags` to the member `args` of the capability `options`. A capability of another type is left
/// unchanged: the driver reports it.
fn add_flags(wanted: &mut Capabilities, options: &str, flags: &[String]) {
    let options = wanted.entry(options).or_insert_with(|| Value::Object(Map::new()));
    let Some(options) = options.as_object_mut() else { return };
    let args = options.entry("args").or_insert_with(|| Value::Array(Vec::new()));
    let Some(args) = args.as_array_mut() else { return };
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().trim_start_matches('-').to_owned();
    let given: Vec<String> = args.iter().filter_map(Value::as_str).map(name).collect();
    args.extend(flags.iter().filter(|flag| !given.contains(&name(flag))).cloned().map(Value::String));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DESKTOP: Environment = Environment { root: false, container: false };

    fn complete(family: BrowserKind, wanted: &Value, headless: bool, environment: Environment) -> Value {
        let wanted = wanted.as_object().unwrap().clone();
        Value::Object(family.complete(wanted, headless, Path::new("/tmp/x"), environment))
    }

    #[test]
    fn pj_4_chromium_flags_follow_those_of_the_user_without_duplicates() {
        let wanted = json!({
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "binary": "/opt/chrome", "args": ["--lang=de", "user-data-dir=/mine", "--headless=old"] },
        });
        assert_eq!(
            complete(BrowserKind::Chromium, &wanted, true, DESKTOP),
            json!({
                "acceptInsecureCerts": true,
                "goog:chromeOptions": { "binary": "/opt/chrome", "args": [
                    "--lang=de", "user-data-dir=/mine", "--headless=old", "--disable-gpu",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
                    "--no-first-run",
                ] },
            })
        );
    }

    #[test]
    fn the_sandbox_is_off_only_as_root_or_in_a_container() {
        let flags = |root, container| {
            let flags = chromium_flags(false, Path::new("/tmp/x"), Environment { root, container });
            let usual = chromium_flags(false, Path::new("/tmp/x"), DESKTOP);
            flags.into_iter().filter(|flag| !usual.contains(flag)).collect::<Vec<_>>()
        };
        assert_eq!(flags(false, false), [""; 0]);
        assert_eq!(flags(true, false), ["--no-sandbox"]);
        assert_eq!(flags(false, true), ["--no-sandbox", "--disable-dev-shm-usage"]);
    }

    #[test]
    fn firefox_gets_one_flag_and_other_browsers_none() {
        let firefox = |headless| complete(BrowserKind::Firefox, &json!({}), headless, DESKTOP);
        assert_eq!(firefox(true), json!({ "moz:firefoxOptions": { "args": ["-headless"] } }));
        assert_eq!(firefox(false), json!({}));
        assert_eq!(complete(BrowserKind::Other, &json!({ "a": 1 }), true, DESKTOP), json!({ "a": 1 }));
    }

    #[test]
    fn capabilities_of_an_unexpected_type_are_left_unchanged() {
        for wanted in [json!({ "goog:chromeOptions": 7 }), json!({ "goog:chromeOptions": { "args": "--x" } })]
        {
            assert_eq!(complete(BrowserKind::Chromium, &wanted, true, DESKTOP), wanted);
        }
    }
}
