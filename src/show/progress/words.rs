//! What a step does, in words for a terminal. Plain output, JSON and errors keep the step's name, which
//! the Dockerfile explains.

use std::fmt::Write as _;

/// How many packages the installs of a build are about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Installs {
    /// For the build.
    pub build: usize,
    /// For the image.
    pub image: usize,
}

/// A step in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) words: String,
    /// Whether it is worth a line only if it takes long.
    pub(super) is_small: bool,
}

/// Says what a step does. A step that is not ours keeps its name.
pub(super) fn said(name: &str, installs: Installs) -> Said {
    let (words, is_small) = match name
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((place, instruction)) => {
            let stage = place.split(' ').next().unwrap_or_default();
            match of_stage(stage, instruction, installs) {
                Some(words) => (words, false),
                None => {
                    small(instruction).map_or_else(|| (name.to_owned(), false), |it| (it, true))
                }
            }
        }
        None => match name {
            "exporting to image" => ("write the image".to_owned(), false),
            _ => (name.to_owned(), false),
        },
    };
    Said { words, is_small }
}

fn of_stage(stage: &str, instruction: &str, installs: Installs) -> Option<String> {
    if instruction == "pnpm install --frozen-lockfile" {
        let (count, of) = match stage {
            "deps" => (installs.build, "for the build"),
            "modules" => (installs.image, "for the image"),
            _ => return None,
        };
        let mut words = "install ".to_owned();
        let _ = match count {
            0 => write!(words, "packages {of}"),
            1 => write!(words, "1 package {of}"),
            count => write!(words, "{count} packages {of}"),
        };
        return Some(words);
    }
    if let Some(pnpm) = instruction.strip_prefix("npm install --global pnpm@") {
        return Some(format!("install pnpm {pnpm}"));
    }
    if let Some(rest) = instruction.strip_prefix("pnpm --dir=") {
        return Some(match rest.split_once(" run ")? {
            (dir, "build") => format!("build {dir}"),
            (dir, script) => format!("run `{script}` in {dir}"),
        });
    }
    let words = match instruction {
        "the proof that the image can run" => "prove that the image can run, and start the app",
        "the proof that the site's first page is there" => "prove that the first page is there",
        "the proof that nginx takes its configuration" => {
            "prove that nginx takes its configuration"
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// Work that takes no time to speak of.
fn small(instruction: &str) -> Option<String> {
    let by_builder = ["COPY ", "WORKDIR ", "FROM ", "USER ", "ENV "];
    if by_builder.iter().any(|word| instruction.starts_with(word)) {
        return Some(match instruction.strip_prefix("FROM ") {
            Some(base) => format!("take the base {base}"),
            None if instruction.starts_with("COPY ") => "copy files".to_owned(),
            None => instruction.to_owned(),
        });
    }
    let ours = [
        "the script that collects what builds write",
        "leaving out what the image does not need",
        "leaving out what was written into packages of the build",
        "directories for outputs of other packages",
        "renewing the copies of a package",
        "what the image gets",
        "the list of installed modules",
    ];
    ours.contains(&instruction).then(|| instruction.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_by_what_they_do() {
        let installs = Installs {
            build: 61,
            image: 51,
        };
        for (name, words, is_small) in [
            (
                "[base 2/3] npm install --global pnpm@10.34.8",
                "install pnpm 10.34.8",
                false,
            ),
            (
                "[deps 2/2] pnpm install --frozen-lockfile",
                "install 61 packages for the build",
                false,
            ),
            (
                "[modules 2/2] pnpm install --frozen-lockfile",
                "install 51 packages for the image",
                false,
            ),
            (
                "[build-packages-db 2/3] pnpm --dir=packages/db run build",
                "build packages/db",
                false,
            ),
            (
                "[build-packages-db 2/3] pnpm --dir=packages/db run db:generate",
                "run `db:generate` in packages/db",
                false,
            ),
            (
                "[verify 3/3] the proof that the image can run",
                "prove that the image can run, and start the app",
                false,
            ),
            (
                "[image 3/9] COPY --from=modules /app/ ./",
                "copy files",
                true,
            ),
            (
                "[image 1/9] FROM gcr.io/distroless/nodejs24",
                "take the base gcr.io/distroless/nodejs24",
                true,
            ),
            (
                "[sources 1/2] the script that collects what builds write",
                "the script that collects what builds write",
                true,
            ),
            ("exporting to image", "write the image", false),
            // Of a user's own Dockerfile.
            ("[tools 1/2] RUN make", "[tools 1/2] RUN make", false),
            (
                "[tools 2/2] pnpm install --frozen-lockfile",
                "[tools 2/2] pnpm install --frozen-lockfile",
                false,
            ),
        ] {
            let words = words.to_owned();
            assert_eq!(said(name, installs), Said { words, is_small });
        }
    }
}
