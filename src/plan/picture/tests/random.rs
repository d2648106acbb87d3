//! Journals that no plan would write: any event of any process, in any order, at any time.

use std::io;
use std::time::Duration;

use proptest::prelude::*;

use super::sound;
use crate::machine::{Exit, Name, Signal, SpawnError, SpawnStep, Stream};
use crate::plan::journal::{Journal, JournalEvent};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_picture_of_random_events_is_sound(journal in journal()) {
        if let Err(problem) = sound::check(&journal) {
            return Err(TestCaseError::fail(problem));
        }
    }
}

fn journal() -> impl Strategy<Value = Journal> {
    let entries = prop::collection::vec((gap(), event()), 0..60);
    // In one of four journals the times are in random order.
    let parts =
        (text(), prop::collection::vec(text(), 0..14), prop_oneof![0..4_usize, Just(40)], entries, 0..4);
    parts.prop_map(|(plan, steps, processes, entries, order)| {
        let mut journal = Journal::new(plan, steps, (0..processes).map(name));
        let mut now = Duration::ZERO;
        for (gap, event) in entries {
            now = if order == 0 { gap } else { now + gap };
            let event = match event {
                JournalEvent::Printed { process, stream, bytes, lines, until } => {
                    JournalEvent::Printed { process, stream, bytes, lines, until: now + until }
                }
                event => event,
            };
            journal.push(now, event);
        }
        journal
    })
}

/// From zero to a few days.
fn gap() -> impl Strategy<Value = Duration> {
    (0..8_u64, 0..12_u32).prop_map(|(digit, power)| Duration::from_micros(digit * 10_u64.pow(power)))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}( [a-z]{1,8}){0,6}",
        "[ -~]{0,300}",
        any::<String>(),
        "[\u{0}-\u{ff}<>&\"\n]{0,40}",
        Just("工作的步骤\u{1f980}\u{202e}".to_owned()),
    ]
}

fn event() -> impl Strategy<Value = JournalEvent> {
    let process = || (0..6_usize).prop_map(name);
    let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
    let signal = || (1..=64).prop_map(|number| Signal::from_number(number).expect("a signal number"));
    let exit = prop_oneof![
        any::<i32>().prop_map(Exit::Code),
        Just(Exit::Code(0)),
        (signal(), any::<bool>()).prop_map(|(signal, core)| Exit::Signal { signal, core }),
        Just(Exit::Lost),
    ];
    let error =
        text().prop_map(|text| SpawnError::new(SpawnStep::Exec, text, io::Error::from_raw_os_error(2)));
    prop_oneof![
        4 => (0..16_usize).prop_map(|step| JournalEvent::StepBegan { step }),
        4 => (0..16_usize).prop_map(|step| JournalEvent::StepEnded { step }),
        6 => (process(), any::<u32>()).prop_map(|(process, pid)| JournalEvent::Started { process, pid }),
        1 => (process(), error).prop_map(|(process, error)| JournalEvent::NotStarted { process, error }),
        4 => (process(), signal()).prop_map(|(process, signal)| JournalEvent::Signalled { process, signal }),
        6 => (process(), stream, any::<u64>(), any::<u64>(), gap()).prop_map(
            |(process, stream, bytes, lines, until)| JournalEvent::Printed { process, stream, bytes, lines, until }
        ),
        1 => (process(), any::<usize>()).prop_map(|(process, bytes)| JournalEvent::InputSent { process, bytes }),
        4 => (process(), exit).prop_map(|(process, exit)| JournalEvent::Exited { process, exit }),
        3 => process().prop_map(|process| JournalEvent::Gone { process }),
        1 => (process(), text()).prop_map(|(process, point)| JournalEvent::Crashed { process, point }),
        1 => (0..16_usize, prop::collection::vec(process(), 0..3), text())
            .prop_map(|(step, processes, reason)| JournalEvent::Failed { step, processes, reason }),
    ]
}

/// Some names are short, and some have the greatest length; the higher ones are not announced.
fn name(index: usize) -> Name {
    let name = match index % 2 {
        0 => format!("p{index}"),
        _ => format!("{index:x>64}"),
    };
    name.parse().expect("a valid name")
}
