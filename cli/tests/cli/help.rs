//! `childminder help`.

use super::up::{Project, golden_exact};

#[test]
fn f_288_help_lists_commands_and_topics_and_shows_each() {
    let project = Project::new("");
    let list = project.ctl(&["help"], 0);
    assert_eq!(list, project.ctl(&["--help"], 0));
    let (commands, topics) = list.split_once("Topics of 'childminder help':\n").expect("topics");
    for line in ["  up ", "  help "] {
        assert!(commands.contains(line), "no {line:?} in {commands}");
    }
    let names: Vec<&str> = topics
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().expect("a name"))
        .collect();
    for wanted in ["file", "policies", "readiness", "dependencies", "control"] {
        assert!(names.contains(&wanted), "no {wanted} in {names:?}");
    }
    for name in names {
        let text = project.ctl(&["help", name], 0);
        assert!(text.lines().count() > 3, "{name}: {text}");
        // Tables and code are rendered.
        assert!(!text.contains("| --- |") && !text.contains("```"), "{name}: {text}");
    }
    golden_exact("help-readiness.txt", project.path(), &project.ctl(&["help", "readiness"], 0));
    golden_exact("help-control.txt", project.path(), &project.ctl(&["help", "control"], 0));
    let of_up = project.ctl(&["help", "up"], 0);
    assert_eq!(of_up, project.ctl(&["up", "--help"], 0));
}

#[test]
fn f_288_a_wrong_topic_suggests_the_intended_one() {
    let project = Project::new("");
    for (wrong, expected) in [
        ("redyness", "error: there is no command or topic `redyness`; did you mean `readiness`?\n"),
        ("stauts", "error: there is no command or topic `stauts`; did you mean `status`?\n"),
        ("zzzzz", "error: there is no command or topic `zzzzz`; `childminder help` lists them\n"),
    ] {
        assert_eq!(project.ctl(&["help", wrong], 2), expected);
    }
}
