//! Takes symbols and sections out of a program: what no loader reads. Debuggers and profilers do, and
//! find no names of node's own functions then; those that modules with machine code use stay.
//!
//! An ELF file begins with its head and the table of its segments, which the kernel and the loader
//! follow. Sections are for linkers and debuggers. Here they lie behind the last segment, and go.

use std::io::{self, Read, Seek, SeekFrom, Write};

/// The lengths of the head and of an entry of the table, in files of 64 bits.
const HEAD: usize = 64;
const SEGMENT: usize = 56;
/// More segments has no program.
const MOST_SEGMENTS: usize = 64;
/// Where the head tells the place, the number and the names of sections.
const SECTIONS: [std::ops::Range<usize>; 2] = [40..48, 60..64];

/// Strips a program of 64 bits, little end first, as those for `amd64` and `arm64` are. `cut` shortens
/// the file. Returns how many bytes are left.
pub(super) fn strip<F: Read + Write + Seek>(
    file: &mut F,
    cut: impl FnOnce(&mut F, u64) -> io::Result<()>,
) -> io::Result<u64> {
    let mut head = [0; HEAD];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(odd("it is no program of 64 bits"));
    }
    let number = |bytes: &[u8], at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let table = number(&head, 32);
    let (length, count) = (
        u16::from_le_bytes([head[54], head[55]]),
        usize::from(u16::from_le_bytes([head[56], head[57]])),
    );
    if usize::from(length) != SEGMENT || count == 0 || count > MOST_SEGMENTS {
        return Err(odd("its table of segments is odd"));
    }
    let mut segments = vec![0; SEGMENT * count];
    file.seek(SeekFrom::Start(table))?;
    file.read_exact(&mut segments)?;
    let end = segments.chunks_exact(SEGMENT).map(|segment| {
        let (offset, size) = (number(segment, 8), number(segment, 32));
        offset.checked_add(size)
    });
    let end = end.chain([table.checked_add(segments.len() as u64)]);
    let end: Option<Vec<u64>> = end.collect();
    let end = end.and_then(|ends| ends.into_iter().max());
    let all = file.seek(SeekFrom::End(0))?;
    let end = end
        .filter(|end| *end <= all)
        .ok_or_else(|| odd("it ends before its segments"))?;
    for range in SECTIONS {
        head[range].fill(0);
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&head)?;
    cut(file, end)?;
    Ok(end)
}

fn odd(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn stripped(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut file = Cursor::new(bytes.to_vec());
        let cut = |file: &mut Cursor<Vec<u8>>, end: u64| {
            file.get_mut().truncate(usize::try_from(end).unwrap());
            Ok(())
        };
        let end = strip(&mut file, cut).map_err(|error| error.to_string())?;
        assert_eq!(end, file.get_ref().len() as u64);
        Ok(file.into_inner())
    }

    #[test]
    fn a_real_program_runs_without_its_sections() {
        // This test's own program.
        let program = std::env::current_exe().unwrap();
        let bytes = fs_err::read(&program).unwrap();
        let short = stripped(&bytes).unwrap();
        assert!(short.len() < bytes.len());
        assert_eq!(stripped(&short).unwrap(), short);
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("short");
        fs_err::write(&copy, &short).unwrap();
        let mode = fs_err::metadata(&program).unwrap().permissions();
        fs_err::set_permissions(&copy, mode).unwrap();
        let ran = std::process::Command::new(&copy).arg("--list").output();
        assert!(ran.unwrap().status.success());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let mut odd = vec![0; 200];
        odd[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert!(stripped(&odd).unwrap_err().contains("segments"));
        odd[54..58].copy_from_slice(&[56, 0, 1, 0]);
        odd[32] = 64;
        odd[64 + 32..64 + 40].fill(0xff);
        assert!(stripped(&odd).unwrap_err().contains("ends before"));
        assert!(stripped(b"#!/bin/sh\n").is_err());
        let long = [b"#!/bin/sh\n".as_slice(), &[b' '; 100]].concat();
        assert!(stripped(&long).unwrap_err().contains("no program"));
    }
}
