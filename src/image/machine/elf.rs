//! The parts of an ELF binary that the loader reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use fs_err::File;
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, SectionTable, Sym as _};
use object::{Endianness, ReadCache, ReadRef};

use crate::model::image::Platform;

/// The header of a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elf {
    /// The processor, as ELF's machine number.
    pub machine: u16,
}

/// What a binary needs from other libraries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Library names.
    pub libraries: BTreeSet<String>,
    /// The symbol versions that it uses of each library.
    pub versions: BTreeMap<String, BTreeSet<String>>,
}

/// What a library gives to the binaries that need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gives {
    /// The name by which others need it.
    pub name: Option<String>,
    /// The symbol versions that it defines.
    pub versions: BTreeSet<String>,
    /// The symbols of a library that defines no versions.
    pub symbols: BTreeSet<String>,
}

impl Elf {
    /// Reads the header; `None` if the file is not a binary.
    pub fn head(file: &Path) -> Option<Self> {
        let mut start = [0; 20];
        File::open(file).ok()?.read_exact(&mut start).ok()?;
        let number = [start[18], start[19]];
        // The sixth byte gives the byte order.
        let machine = match start[5] {
            2 => u16::from_be_bytes(number),
            _ => u16::from_le_bytes(number),
        };
        (start[..4] == *b"\x7fELF").then_some(Self { machine })
    }

    /// Reads what a binary needs. An unreadable binary needs nothing.
    pub fn needs(file: &Path) -> Needs {
        let Ok(file) = File::open(file) else {
            return Needs::default();
        };
        with_sections(file.into_file(), |endian, data, sections| {
            let mut needs = Needs::default();
            if let Some((entries, link)) = sections.dynamic(endian, data).ok()? {
                let strings = sections.strings(endian, data, link).ok()?;
                for entry in entries {
                    if entry.tag(endian) == elf::DT_NEEDED && needs.libraries.len() < VERSIONS {
                        let name = entry.string(endian, strings).ok()?;
                        needs.libraries.insert(text(name));
                    }
                }
            }
            if let Some((mut files, link)) = sections.gnu_verneed(endian, data).ok()? {
                let strings = sections.strings(endian, data, link).ok()?;
                let mut left = VERSIONS;
                while let Some((file, mut versions)) = files.next().ok()? {
                    let of = needs.versions.entry(text(file.file(endian, strings).ok()?));
                    let of = of.or_default();
                    while let Some(version) = versions.next().ok()? {
                        let Some(fewer) = left.checked_sub(1) else {
                            return Some(needs);
                        };
                        left = fewer;
                        // A weak version may be missing.
                        if (version.vna_flags.get(endian) & elf::VER_FLG_WEAK).0 == 0 {
                            of.insert(text(version.name(endian, strings).ok()?));
                        }
                    }
                }
            }
            Some(needs)
        })
        .unwrap_or_default()
    }

    /// The symbol versions that a library defines.
    pub fn defines(file: std::fs::File) -> BTreeSet<String> {
        with_sections(file, versions).unwrap_or_default()
    }

    /// What a library gives. An unreadable library gives nothing.
    pub fn gives(file: std::fs::File) -> Gives {
        with_sections(file, |endian, data, sections| {
            let mut gives = Gives::default();
            if let Some((entries, link)) = sections.dynamic(endian, data).ok()? {
                let strings = sections.strings(endian, data, link).ok()?;
                let mut named = entries.iter();
                if let Some(entry) = named.find(|entry| entry.tag(endian) == elf::DT_SONAME) {
                    gives.name = Some(text(entry.string(endian, strings).ok()?));
                }
            }
            gives.versions = versions(endian, data, sections)?;
            if !gives.versions.is_empty() {
                return Some(gives);
            }
            let table = sections.symbols(endian, data, elf::SHT_DYNSYM).ok()?;
            for symbol in table.iter().take(SYMBOLS) {
                if !symbol.is_undefined(endian) && !symbol.is_local() {
                    gives
                        .symbols
                        .insert(text(symbol.name(endian, table.strings()).ok()?));
                }
            }
            Some(gives)
        })
        .unwrap_or_default()
    }
}

/// The symbol versions that a library defines.
fn versions<'d>(
    endian: Endianness,
    data: &'d Cache,
    sections: &SectionTable<'d, FileHeader64<Endianness>, &'d Cache>,
) -> Option<BTreeSet<String>> {
    let mut versions = BTreeSet::new();
    if let Some((mut definitions, link)) = sections.gnu_verdef(endian, data).ok()? {
        let strings = sections.strings(endian, data, link).ok()?;
        for _ in 0..VERSIONS {
            let Some((_, mut names)) = definitions.next().ok()? else {
                break;
            };
            // The first name is the version itself; the others are its predecessors.
            if let Some(name) = names.next().ok()? {
                versions.insert(text(name.name(endian, strings).ok()?));
            }
        }
    }
    Some(versions)
}

/// The size limit in bytes for reading sections. No system library or node module is this large.
const MAX_SIZE: u64 = 512 << 20;
/// More versions than any library has. Limits the work on a malformed file.
const VERSIONS: usize = 10_000;
/// More symbols than any system library has.
const SYMBOLS: usize = 200_000;

type Cache = ReadCache<std::fs::File>;

fn with_sections<T>(
    file: std::fs::File,
    read: impl for<'d> Fn(
        Endianness,
        &'d Cache,
        &SectionTable<'d, FileHeader64<Endianness>, &'d Cache>,
    ) -> Option<T>,
) -> Option<T> {
    let data = ReadCache::new(file);
    let data = &data;
    if data.len().ok()? > MAX_SIZE {
        return None;
    }
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    read(endian, data, &sections)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// ELF's number for a platform's processor, if images are made for it.
pub(super) fn machine(platform: &Platform) -> Option<u16> {
    let (_, architecture, _) = platform.parts();
    let machine = match architecture {
        "amd64" => elf::EM_X86_64,
        "arm64" => elf::EM_AARCH64,
        "arm" => elf::EM_ARM,
        "386" => elf::EM_386,
        "ppc64le" => elf::EM_PPC64,
        "s390x" => elf::EM_S390,
        "riscv64" => elf::EM_RISCV,
        _ => return None,
    };
    Some(machine.0)
}
