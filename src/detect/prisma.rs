//! Prisma: whether its client uses an engine, a native library. It is chosen by the OpenSSL of the
//! system where the client is generated, and looked up by that of the system where it runs.
//!
//! Before 7 it uses one, unless the schema's generator says otherwise: `engineType = "client"`
//! (6.16 and later), or the older preview feature `queryCompiler`. If Prisma finds no OpenSSL, it
//! assumes version 1.1, which no current base has.

use crate::detect::native::NativePackage;

/// A client generator in a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Generator {
    /// Whether the client needs an engine.
    pub engine: bool,
    /// The targets that it lists, with the line number.
    pub targets: Option<(usize, Vec<String>)>,
}

/// Packages that imply that a client is generated.
pub const PACKAGES: [&str; 2] = ["@prisma/client", "prisma"];

/// Whether clients of this version may use an engine.
pub fn may_need_engine(package: &NativePackage) -> bool {
    let major = package.version.split('.').next().map(str::parse::<u32>);
    PACKAGES.contains(&&*package.name) && major.is_some_and(|major| major.is_ok_and(|it| it < 7))
}

/// The generators of Prisma's own client in a schema.
pub fn generators(schema: &str) -> Vec<Generator> {
    let mut found = Vec::new();
    let mut open: Option<(bool, Generator)> = None;
    for (at, line) in schema.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some((is_client, generator)) = &mut open {
            if line.starts_with('}') {
                let ours = *is_client;
                found.extend(open.take().map(|(_, it)| it).filter(|_| ours));
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let words: Vec<String> = value
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            let has = |word: &str| words.iter().any(|one| one == word);
            match key.trim() {
                "provider" => *is_client = has("prisma-client-js") || has("prisma-client"),
                "engineType" => generator.engine &= !has("client"),
                "previewFeatures" => generator.engine &= !has("queryCompiler"),
                // Values from variables are unknown.
                "binaryTargets" if !value.contains("env(") => {
                    generator.targets = Some((at + 1, words));
                }
                _ => {}
            }
        } else if line.starts_with("generator ") && line.ends_with('{') {
            let generator = Generator {
                engine: true,
                targets: None,
            };
            open = Some((false, generator));
        }
    }
    found
}

/// The databases of a schema as its client's files are named; `None` if one cannot be told.
pub fn databases(schema: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in schema.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.starts_with("datasource ") {
            inside = true;
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) if inside && key.trim() == "provider" => {
                let name = value.trim().strip_prefix('"')?.strip_suffix('"')?;
                if !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    return None;
                }
                found.push(
                    if name == "postgres" {
                        "postgresql"
                    } else {
                        name
                    }
                    .to_owned(),
                );
            }
            _ => inside &= !line.starts_with('}'),
        }
    }
    Some(found)
}

/// The targets for an image with this C library; for both processors if the engine decides.
pub fn targets(libc: Option<&str>, cpu: Option<&str>) -> Vec<&'static str> {
    let all: [(&str, &str, &str); 4] = [
        ("glibc", "x64", "debian-openssl-3.0.x"),
        ("glibc", "arm64", "linux-arm64-openssl-3.0.x"),
        ("musl", "x64", "linux-musl-openssl-3.0.x"),
        ("musl", "arm64", "linux-musl-arm64-openssl-3.0.x"),
    ];
    let fits = |one: Option<&str>, other: &str, default: &str| one.unwrap_or(default) == other;
    all.into_iter()
        .filter(|(c, p, _)| fits(libc, c, "glibc") && (cpu.is_none() || fits(cpu, p, "x64")))
        .map(|(.., target)| target)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(text: &str) -> Vec<Generator> {
        generators(&format!(
            "// the client\ngenerator client {{\n{text}\n}}\n\nmodel A {{\n  id Int @id\n}}\n"
        ))
    }

    #[test]
    fn databases_of_a_schema() {
        let of = |text: &str| databases(text).map(|all| all.join(" "));
        let schema = "generator client {\n  provider = \"prisma-client\"\n}\n\ndatasource db { // ours\n  provider = \"postgres\" // or mysql\n  url = env(\"URL\")\n}\nmodel A {\n  provider String\n}\n";
        assert_eq!(of(schema), Some("postgresql".to_owned()));
        assert_eq!(of("model A {\n}\n"), Some(String::new()));
        let told = "datasource db {\n  provider = env(\"PROVIDER\")\n}\n";
        assert_eq!(of(told), None);
        assert_eq!(of("datasource db {\n  provider = \"a; b\"\n}\n"), None);
    }

    #[test]
    fn generators_of_a_schema() {
        let found = generator(
            "  provider = \"prisma-client-js\" // ours\n  binaryTargets = [\"native\", \"debian-openssl-1.1.x\"]",
        );
        let targets = vec!["native".to_owned(), "debian-openssl-1.1.x".to_owned()];
        assert_eq!(
            found,
            [Generator {
                engine: true,
                targets: Some((4, targets))
            }]
        );
        let client = "provider = \"prisma-client\"\n";
        for (text, engine) in [
            ("", true),
            ("engineType = \"client\"", false),
            ("engineType = \"library\"", true),
            (
                "previewFeatures = [\"queryCompiler\", \"driverAdapters\"]",
                false,
            ),
            ("// engineType = \"client\"", true),
            ("binaryTargets = env(\"PRISMA_TARGETS\")", true),
        ] {
            let found = generator(&format!("{client}{text}"));
            assert_eq!(
                found,
                [Generator {
                    engine,
                    targets: None
                }],
                "{text}"
            );
        }
        assert_eq!(generator("provider = \"prisma-erd-generator\""), []);
    }

    #[test]
    fn versions_and_targets() {
        let package = |name: &str, version: &str| NativePackage {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        assert!(may_need_engine(&package("@prisma/client", "5.22.0")));
        assert!(may_need_engine(&package("prisma", "6.19.0")));
        assert!(!may_need_engine(&package("@prisma/client", "7.0.1")));
        assert!(!may_need_engine(&package(
            "@prisma/instrumentation",
            "5.22.0"
        )));
        assert_eq!(
            targets(Some("musl"), Some("x64")),
            ["linux-musl-openssl-3.0.x"]
        );
        assert_eq!(
            targets(None, None),
            ["debian-openssl-3.0.x", "linux-arm64-openssl-3.0.x"]
        );
    }
}
