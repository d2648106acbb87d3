//! Counted things and ends of processes, in words.

use crate::machine::Exit;

/// `1 byte`, `12,345 bytes`.
pub(super) fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = match thing {
        _ if count == 1 => "",
        _ if thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {thing}{plural}", grouped(count))
}

/// How a process ended, in as few words as fit behind a bar.
pub(super) fn end(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal { signal, core: false } => format!("{signal}"),
        Exit::Signal { signal, core: true } => format!("{signal}, core"),
        Exit::Lost => "lost".to_owned(),
    }
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_counted_as_one_would_say() {
        assert_eq!(counted(0_u64, "byte"), "0 bytes");
        assert_eq!(counted(1_u64, "process"), "1 process");
        assert_eq!(counted(2_usize, "process"), "2 processes");
        assert_eq!(counted(1_234_567_u64, "byte"), "1,234,567 bytes");
    }
}
