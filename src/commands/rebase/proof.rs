//! What the app itself needs, and how it starts: its layers are read for this.

use serde_json::Value;

use super::bases::{Bases, Pair};
use super::failed::Failed;
use super::image::Change;
use super::{Run, Target};
use crate::commands::error::{Error, ExitCode};
use crate::commands::resources::outside;
use crate::engine::Event;
use crate::engine::native::{Subject, Trial, Verdict, apart, prove_rebased};
use crate::image::machine::{self, Libraries, Lost, LostPart};
use crate::image::oci::{Config, Rewritten, Whole};
use crate::system::workdir::WorkDir;

/// How many lines of a failed proof are shown.
const SHOWN: usize = 12;

impl Run<'_> {
    /// Fails if the machine code of the app needs something that the new base does not give any
    /// more. Returns a word about what is lost.
    pub(super) fn needs_none(
        &self,
        target: &Target,
        image: &Whole,
        pair: &Pair<'_>,
        (lost, libraries): (&[Lost], &Libraries),
        bases: &mut Bases<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<String, Failed> {
        let pulled = bases.pulled(&target.from, image, on_event)?;
        let count = pair.old.described.layers.len();
        let own = apart(&pulled, count, self.registries.cache).map_err(Error::from)?;
        let code = machine::code_in(&own);
        let hint = "name a base that is as new as the old one, or build the image on this base";
        let misfits = machine::misfits(&code, &pulled.platform, libraries);
        if let Some(first) = misfits.first() {
            return Err(Failed::unfit(first.to_string(), hint));
        }
        let needing = machine::needing(&code, &pulled.platform, lost);
        if let Some((package, library)) = needing.first() {
            let what =
                format!("{package} needs {library}, which the new base has not, or not all of it");
            return Err(Failed::unfit(what, hint));
        }
        let first = lost.first().map_or_else(String::new, word);
        let others = match lost.len() {
            0 | 1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        Ok(format!(
            "the app needs nothing of what the new base lacks: {first}{others}"
        ))
    }

    /// Fails if the app does not start on the new base. An image for another machine is told in the
    /// notes.
    #[expect(
        clippy::too_many_arguments,
        reason = "an image, its bases, and where to note it"
    )]
    pub(super) fn prove(
        &self,
        target: &Target,
        image: &Whole,
        pair: &Pair<'_>,
        rewritten: &Rewritten,
        bases: &mut Bases<'_>,
        change: &mut Change,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), Failed> {
        let old = bases.pulled(&target.from, image, on_event)?;
        let mut new = bases.pulled(pair.new_name, pair.new, on_event)?;
        let (count, base) = (pair.old.described.layers.len(), new.layers.len());
        new.layers.extend(old.layers.iter().skip(count).cloned());
        new.config = config(rewritten)?;
        let unknown = || Failed {
            problem: "it does not say what it starts, so nothing can be proved".to_owned(),
            hint: Some("rebase it without `--prove`".to_owned()),
            code: ExitCode::Build,
        };
        // The bases may differ in how they run apps.
        let subject = Subject::of_image(&new.config).ok_or_else(unknown)?;
        let before = Subject::of_image(&old.config).ok_or_else(unknown)?;
        let work = WorkDir::new().map_err(Error::io("cannot make a directory to work in"))?;
        let trial = |subject, image, base| Trial {
            subject,
            image,
            base,
            layers: &[],
            cache: self.registries.cache,
            scratch: work.path(),
            outside: outside(self.env),
            node: None,
            own_base: None,
            interrupt: self.registries.interrupt,
        };
        let tried = trial(&subject, &new, base);
        let verdict = prove_rebased(&tried, &trial(&before, &old, count));
        match verdict.map_err(Error::from)? {
            Verdict::Proved => change.proved = true,
            Verdict::NotHere(why) => {
                let platform = &image.described.platform;
                change
                    .notes
                    .push(format!("{platform} was not started: {why}"));
            }
            Verdict::Disproved(said) => {
                let said = said[said.len().saturating_sub(SHOWN)..].join("\n");
                return Err(Failed::unfit(
                    format!("the app would not run on the new base:\n{said}"),
                    "build the image on that base, or name another one",
                ));
            }
        }
        Ok(())
    }
}

/// How the new image is run.
fn config(rewritten: &Rewritten) -> Result<Config, Failed> {
    let file: Value = serde_json::from_slice(&rewritten.configuration).unwrap_or_default();
    serde_json::from_value(file["config"].clone())
        .map_err(|error| Failed::unfit(error.to_string(), "build the image again"))
}

/// `GLIBC_2.36 of libc.so.6`
fn word(lost: &Lost) -> String {
    let library = &lost.library;
    match &lost.what {
        LostPart::All => library.clone(),
        LostPart::Versions(what) | LostPart::Symbols(what) => format!("{what} of {library}"),
    }
}
