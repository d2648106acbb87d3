use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;

/// Returns the manual pages by their file names: one of the program, and one of each subcommand.
fn pages() -> Vec<(String, String)> {
    // The width must not depend on the terminal.
    let mut program = Cli::command().term_width(100);
    program.build();
    let subcommands = program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let named = |command: Command| {
        let name = format!("childminder-{}", command.get_name());
        command.display_name(name)
    };
    let subcommands: Vec<Command> = subcommands.map(named).collect();
    let commands = [program].into_iter().chain(subcommands);
    let page = |command: Command| {
        let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut roff = Vec::new();
        Man::new(command).title(&title).render(&mut roff).expect("memory");
        (format!("{title}.1"), String::from_utf8(roff).expect("UTF-8"))
    };
    commands.map(page).collect()
}

#[test]
fn f_277_the_manual_pages_agree_with_the_command_line() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let pages = pages();
    if std::env::var_os("CHILDMINDER_BLESS").is_some() {
        fs::create_dir_all(&dir).expect("a directory");
        pages.iter().for_each(|(name, text)| fs::write(dir.join(name), text).expect("a page"));
    }
    for (name, text) in &pages {
        let found = fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert!(found == *text, "man/{name} is not current: set CHILDMINDER_BLESS=1 once");
    }
    let mut expected: Vec<&String> = pages.iter().map(|(name, _)| name).collect();
    expected.sort();
    let files = fs::read_dir(dir).expect("the pages").map(|file| file.expect("a file").file_name());
    let mut files: Vec<String> = files.map(|name| name.to_string_lossy().into_owned()).collect();
    files.sort();
    assert_eq!(files.iter().collect::<Vec<_>>(), expected);
}
