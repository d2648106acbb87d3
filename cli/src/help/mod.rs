//! `childminder help`: the help of a command, or of a topic that concerns several.
//!
//! The topics are sections of the guide, whose files are in the folder `help` of this package as links. So
//! each text is written once, and the guide on the web and the help in the terminal cannot disagree. `render`
//! shows its Markdown on a terminal.

mod render;

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Cli;
use crate::console::messages::has_colours;
use crate::file::suggest;

/// A subject of the guide.
#[derive(Debug)]
struct Topic {
    name: &'static str,
    /// Its line in the list of topics.
    about: &'static str,
    page: &'static str,
    /// The headings of its sections; all of the page if there are none.
    sections: &'static [&'static str],
}

const FILE: &str = include_str!("../../help/from-a-file.md");

const fn section(name: &'static str, about: &'static str, sections: &'static [&'static str]) -> Topic {
    Topic { name, about, page: FILE, sections }
}

const fn page(name: &'static str, about: &'static str, page: &'static str) -> Topic {
    Topic { name, about, page, sections: &[] }
}

/// All topics, in the order of the list.
const TOPICS: &[Topic] = &[
    section("file", "The file of 'up': where it is looked for, and what a mistake looks like", &["The file"]),
    section("keys", "Every key of a process, with an example", &["Keys"]),
    section("policies", "Restarts: when, after which delays, and when a process is given up", &["Restarts"]),
    section("readiness", "When a process is ready, and how its health is checked", &["Conditions"]),
    section("dependencies", "The order in which processes start and stop", &["Dependencies"]),
    section("ports", "Reserved ports, and the placeholder {port}", &["Ports"]),
    section("environment", "Environment variables, and files with them", &["Environment"]),
    section("log-files", "Log files, their rotation, and logrotate", &["Log files"]),
    section("exit-status", "How 'up' ends, and its exit status", &["The end"]),
    section("background", "'up -d', and starting some of the processes", &["In the background"]),
    section(
        "control",
        "The commands for another terminal, and what a reload does",
        &["From another terminal", "Reload"],
    ),
    section("journal", "A record of everything that 'up' decides by, and its replay", &["The journal"]),
    section("metrics", "The file for Prometheus", &["Metrics"]),
    section(
        "service",
        "Under systemd, as the first process of a container, and with nohup",
        &["As a service"],
    ),
    section("procfile", "A Procfile instead of childminder.toml", &["Procfile"]),
    page("from-supervisord", "Coming from supervisord", include_str!("../../help/from-supervisord.md")),
    page("from-systemd", "Coming from systemd units", include_str!("../../help/from-systemd.md")),
    page("from-procfile", "Coming from a Procfile", include_str!("../../help/from-procfile.md")),
    page(
        "from-process-compose",
        "Coming from process-compose",
        include_str!("../../help/from-process-compose.md"),
    ),
    page(
        "rehearsal",
        "'rehearse', 'timeline', 'diff', 'replay': before and after",
        include_str!("../../help/before-and-after.md"),
    ),
    page("engines", "'check', and 'export' to larger engines", include_str!("../../help/larger-engines.md")),
    page(
        "protocol",
        "The control protocol, for other programs",
        include_str!("../../help/control-protocol.md"),
    ),
];

/// Returns the list of topics, as the help of the program ends with it.
pub(crate) fn list() -> String {
    let width = TOPICS.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    let lines = TOPICS.iter().map(|topic| format!("  {:width$}  {}", topic.name, topic.about));
    format!("Topics of 'childminder help':\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Returns the names of the topics.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|topic| topic.name)
}

/// `childminder help`. Returns the exit status.
pub(crate) fn help(subject: Option<&str>) -> ExitCode {
    let mut cli = Cli::command();
    cli.build();
    let is_colourful = has_colours(&io::stdout());
    let text = match subject {
        None => styled(&cli.render_help(), is_colourful),
        Some(subject) => match (cli.find_subcommand_mut(subject), find(subject)) {
            (Some(command), _) => styled(&command.render_long_help(), is_colourful),
            (None, Some(topic)) => render::render(&topic.text(), width(), is_colourful),
            (None, None) => return unknown(&cli, subject),
        },
    };
    crate::print(&text, "the help")
}

fn styled(text: &clap::builder::StyledStr, is_colourful: bool) -> String {
    if is_colourful { text.ansi().to_string() } else { text.to_string() }
}

fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

fn unknown(cli: &clap::Command, subject: &str) -> ExitCode {
    let mut known: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
    names().for_each(|name| known.push(name));
    let message = format!("there is no command or topic `{subject}`");
    let message = match suggest(subject, known) {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => format!("{message}; `childminder help` lists them"),
    };
    crate::report_error(crate::USAGE, &message)
}

/// Returns the width of the terminal, at most that of readable lines.
fn width() -> usize {
    let columns = terminal_size::terminal_size().map_or(80, |(terminal_size::Width(columns), _)| columns);
    usize::from(columns).clamp(40, 100)
}

impl Topic {
    /// Returns its text in Markdown.
    fn text(&self) -> String {
        if self.sections.is_empty() {
            return self.page.to_owned();
        }
        let sections = self.sections.iter().map(|heading| cut(self.page, heading).unwrap_or_default());
        sections.collect::<Vec<_>>().join("\n")
    }
}

/// Returns the section with this heading, up to the next heading.
fn cut(page: &str, heading: &str) -> Option<String> {
    let is_wanted = |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
    let mut lines = page.lines().skip_while(|line| !is_wanted(line));
    let first = lines.next()?.to_owned() + "\n";
    let mut in_code = false;
    let rest = lines.take_while(|line| {
        in_code ^= line.starts_with("```");
        in_code || !line.starts_with('#')
    });
    Some(rest.fold(first, |text, line| text + line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_288_every_section_of_the_guide_is_a_topic_and_every_topic_a_section() {
        let mut in_code = false;
        let is_heading = |line: &&str| {
            in_code ^= line.starts_with("```");
            !in_code && line.starts_with("##")
        };
        let headings: Vec<&str> =
            FILE.lines().filter(is_heading).map(|line| line.trim_matches(['#', ' '])).collect();
        let of_topics: Vec<&str> = TOPICS.iter().flat_map(|topic| topic.sections).copied().collect();
        for heading in &headings {
            assert!(of_topics.contains(heading), "no topic has the section `{heading}`");
        }
        for topic in TOPICS {
            for heading in topic.sections {
                assert!(headings.contains(heading), "`{}` has no section `{heading}`", topic.name);
            }
            let text = render::render(&topic.text(), 80, false);
            assert!(text.lines().count() > 3, "{}: {text}", topic.name);
        }
    }

    #[test]
    fn f_288_no_topic_has_the_name_of_a_command() {
        let mut cli = Cli::command();
        cli.build();
        for topic in TOPICS {
            let is_command = cli.find_subcommand(topic.name).is_some();
            assert!(!is_command, "`{}` is a command", topic.name);
        }
    }
}
