//! Families of browsers: the flags that make one fit for a test, and where they go.
//!
//! Of what a user asks for nothing is changed; flags are added behind it, and none whose name is there already.

use std::path::Path;

use serde_json::{Map, Value};

/// Capabilities by their names.
pub(super) type Capabilities = Map<String, Value>;

/// Who the browser is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Chromium, Chrome and their relatives.
    Chromium,
    /// Firefox.
    Firefox,
    /// Any other: it gets what it is given, and nothing more.
    Other,
}

/// Where the browser runs, as far as it matters to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Surroundings {
    root: bool,
    container: bool,
}

impl Surroundings {
    /// Looks around.
    pub(super) fn look() -> Self {
        Self {
            root: rustix::process::geteuid().is_root(),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()),
        }
    }
}

impl Family {
    /// Adds to `wanted` what the browser needs to run unseen, apart from all others, and in peace.
    pub(super) fn complete(
        self,
        mut wanted: Capabilities,
        headless: bool,
        dir: &Path,
        surroundings: Surroundings,
    ) -> Capabilities {
        match self {
            Self::Chromium => {
                add_flags(&mut wanted, "goog:chromeOptions", &chromium_flags(headless, dir, surroundings));
            }
            Self::Firefox if headless => {
                add_flags(&mut wanted, "moz:firefoxOptions", &["-headless".to_owned()])
            }
            Self::Firefox | Self::Other => {}
        }
        wanted
    }
}

/// `chromedriver` itself adds those against first-run pages, password stores, synchronization, pop-ups, …
fn chromium_flags(headless: bool, dir: &Path, surroundings: Surroundings) -> Vec<String> {
    let Surroundings { root, container } = surroundings;
    let flags = [
        (headless, "--headless"),
        // There is nothing to draw on, and looking for it costs time and lines in the log.
        (headless, "--disable-gpu"),
        // Chromium refuses to start as root otherwise; in most containers it may not set its sandbox up.
        (root || container, "--no-sandbox"),
        // Containers have a small one, which pages outgrow: the tab crashes.
        (container, "--disable-dev-shm-usage"),
        // Nothing but what the test asks for goes to the network.
        (true, "--disable-background-networking"),
        (true, "--disable-component-update"),
        (true, "--disable-sync"),
        (true, "--disable-quic"),
        (true, "--no-first-run"),
    ];
    let flags = flags.into_iter().filter(|(needed, _)| *needed).map(|(_, flag)| flag.to_owned());
    flags.chain([format!("--user-data-dir={}/profile", dir.display())]).collect()
}

/// Adds `flags` to the member `args` of the capability `options`. What is not as the standard has it is left as it is:
/// the program will say what is wrong with it.
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

    const AT_HOME: Surroundings = Surroundings { root: false, container: false };

    fn complete(family: Family, wanted: &Value, headless: bool, surroundings: Surroundings) -> Value {
        let wanted = wanted.as_object().unwrap().clone();
        Value::Object(family.complete(wanted, headless, Path::new("/tmp/x"), surroundings))
    }

    #[test]
    fn pj_4_chromium_gets_flags_behind_those_of_the_user_and_none_twice() {
        let wanted = json!({
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "binary": "/opt/chrome", "args": ["--lang=de", "user-data-dir=/mine", "--headless=old"] },
        });
        assert_eq!(
            complete(Family::Chromium, &wanted, true, AT_HOME),
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
    fn the_sandbox_is_given_up_only_where_chromium_cannot_have_it() {
        let flags = |root, container| {
            let flags = chromium_flags(false, Path::new("/tmp/x"), Surroundings { root, container });
            let usual = chromium_flags(false, Path::new("/tmp/x"), AT_HOME);
            flags.into_iter().filter(|flag| !usual.contains(flag)).collect::<Vec<_>>()
        };
        assert_eq!(flags(false, false), [""; 0]);
        assert_eq!(flags(true, false), ["--no-sandbox"]);
        assert_eq!(flags(false, true), ["--no-sandbox", "--disable-dev-shm-usage"]);
    }

    #[test]
    fn firefox_needs_one_flag_and_others_get_none() {
        let firefox = |headless| complete(Family::Firefox, &json!({}), headless, AT_HOME);
        assert_eq!(firefox(true), json!({ "moz:firefoxOptions": { "args": ["-headless"] } }));
        assert_eq!(firefox(false), json!({}));
        assert_eq!(complete(Family::Other, &json!({ "a": 1 }), true, AT_HOME), json!({ "a": 1 }));
    }

    #[test]
    fn what_is_not_as_the_standard_has_it_is_left_to_the_program() {
        for wanted in [json!({ "goog:chromeOptions": 7 }), json!({ "goog:chromeOptions": { "args": "--x" } })]
        {
            assert_eq!(complete(Family::Chromium, &wanted, true, AT_HOME), wanted);
        }
    }
}
