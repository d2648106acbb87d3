//! Gives back the memory that a guardian has inherited.
//!
//! A fork copies no memory, but keeps every page of the monitor: a page that the monitor changes or frees
//! later would exist twice. So the guardian unmaps everything except its code with its data, its stack and
//! the table.
//!
//! Code and its data are found in `/proc/self/maps`: every file with an executable part, and the
//! zero-initialised data directly after such a file.

#![expect(unsafe_code, reason = "unmapping what no Rust value of this process refers to")]

use rustix::fs::{Mode, OFlags};

/// A range of addresses, the end excluded.
type Range = (usize, usize);

/// The most files that code is loaded from. With more, nothing of later files is recognised, and so nothing
/// is unmapped.
const FILES: usize = 512;

/// The file that is mapped: its device and inode.
type File = [u64; 2];

/// A line of `/proc/self/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    range: Range,
    executable: bool,
    /// `None` for memory without a file.
    file: Option<File>,
    /// Whether it is memory of the kernel's, or the stack that the program began with.
    special: bool,
    /// Whether it has a name, such as `[heap]`, or a file.
    named: bool,
}

/// Unmaps all but code, its data, and the ranges to `keep`. If anything is unclear, it keeps more.
pub(super) fn release(keep: &[Range]) {
    let mut files: [File; FILES] = [[0; 2]; FILES];
    let mut count = 0_usize;
    for_each_mapping(|mapping| {
        let Some(file) = mapping.file.filter(|_| mapping.executable) else { return };
        if !files.iter().take(count).any(|known| *known == file) {
            if let Some(place) = files.get_mut(count) {
                *place = file;
            }
            count = count.saturating_add(1);
        }
    });
    if count == 0 || count > FILES {
        return;
    }
    let mut end_of_code = 0;
    for_each_mapping(|mapping| {
        let of_code = mapping.file.is_some_and(|file| files.iter().take(count).any(|known| *known == file));
        let follows_code = !mapping.named && mapping.range.0 == end_of_code;
        end_of_code = if of_code { mapping.range.1 } else { 0 };
        if !of_code && !follows_code && !mapping.executable && !mapping.special {
            unmap_around(mapping.range, keep);
        }
    });
}

/// Unmaps a range but for what is to be kept of it, in whole pages.
fn unmap_around((start, end): Range, keep: &[Range]) {
    let mut start = start;
    while start < end {
        // The first range to keep that begins or goes on after `start`.
        let next = keep
            .iter()
            .map(|(from, to)| (page(*from), page(to.saturating_add(PAGE - 1))))
            .filter(|(_, to)| *to > start)
            .min();
        let (from, to) = next.unwrap_or((end, end));
        if from > start {
            let until = from.min(end);
            // SAFETY: no code of this process refers to it: it is the heap, the stacks of other threads, and
            // such.
            unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(start), until - start) };
        }
        start = to.max(start);
        if from >= end {
            break;
        }
    }
}

/// The largest page that a kernel is built with; where pages are smaller, a little more is kept.
const PAGE: usize = 64 * 1024;

fn page(address: usize) -> usize {
    address & !(PAGE - 1)
}

/// Calls `each` for every mapping of this process, in the order of their addresses. Mappings may go while it
/// does.
fn for_each_mapping(mut each: impl FnMut(Mapping)) {
    let Ok(maps) = rustix::fs::open(c"/proc/self/maps", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    else {
        return;
    };
    let mut buffer = [0; 4096];
    // The beginning of a line is enough; a path may be long.
    let mut line = [0; 160];
    let mut length = 0_usize;
    while let Ok(count) = rustix::io::read(&maps, &mut buffer)
        && count > 0
    {
        for byte in buffer.iter().take(count) {
            if *byte == b'\n' {
                if let Some(mapping) = line.get(..length).and_then(parse) {
                    each(mapping);
                }
                length = 0;
            } else if let Some(place) = line.get_mut(length) {
                *place = *byte;
                length = length.saturating_add(1);
            }
        }
    }
}

/// Parses a line such as `7f00a000-7f00b000 r-xp 00001000 08:01 1234   /lib/libc.so.6`.
fn parse(line: &[u8]) -> Option<Mapping> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut range = words.next()?.split(|byte| *byte == b'-');
    let (start, end) = (hexadecimal(range.next()?)?, hexadecimal(range.next()?)?);
    let executable = words.next()?.get(2) == Some(&b'x');
    words.next()?;
    let mut device = words.next()?.split(|byte| *byte == b':');
    let device = (hexadecimal(device.next()?)? << 32) | hexadecimal(device.next()?)?;
    let inode = words.next()?.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
    })?;
    let name = words.next();
    let special = name.is_some_and(|name| {
        [&b"[stack]"[..], b"[vdso]", b"[vsyscall]"].contains(&name) || name.starts_with(b"[vvar")
    });
    let range = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
    let file = (inode != 0).then_some([device, inode]);
    Some(Mapping { range, executable, file, special, named: name.is_some() })
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((number << 4) | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_what_and_whose() {
        let file = Some([0x8_0000_0001, 1234]);
        let code = Mapping { range: (0x1000, 0x3000), executable: true, file, special: false, named: true };
        assert_eq!(parse(b"00001000-00003000 r-xp 00001000 08:01 1234    /lib/a b.so"), Some(code));
        let data = Mapping { range: (0x3000, 0x4000), executable: false, file: None, named: false, ..code };
        assert_eq!(parse(b"00003000-00004000 rw-p 00000000 00:00 0 "), Some(data));
        let heap = Mapping { named: true, ..data };
        assert_eq!(parse(b"00003000-00004000 rw-p 00000000 00:00 0      [heap]"), Some(heap));
        let stack = Mapping { special: true, ..heap };
        assert_eq!(parse(b"00003000-00004000 rw-p 00000000 00:00 0      [stack]"), Some(stack));
        assert_eq!(parse(b"00003000-00004000 r--p 00000000 00:00 0      [vvar_vclock]"), Some(stack));
        assert_eq!(parse(b"zebra"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn all_mappings_of_this_process_are_read() {
        let mut code = 0;
        let here = all_mappings_of_this_process_are_read as fn();
        for_each_mapping(|mapping| {
            let (start, end) = mapping.range;
            code += u32::from(mapping.executable && (start..end).contains(&(here as usize)));
        });
        assert_eq!(code, 1);
    }
}
